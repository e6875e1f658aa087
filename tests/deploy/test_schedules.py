"""Schedules in deploy/ start commands that exist, at times that can be read, in units that are shut; docs/schedules.md names what is there."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.deploy.manifests import DEPLOY, ROOT, of_kind, pod_specs
from tests.docs.blocks import blocks, missing_files, wrong_commands
from tests.jobs.announce.test_notify import RUN
from veritensor_ray.cli import app
from veritensor_ray.core.config import Settings
from veritensor_ray.core.errors import StoreError
from veritensor_ray.jobs.announce.message import CHANGES, STATES, STATUSES, TOTALS, message_of, message_of_failure
from veritensor_ray.jobs.announce.metrics import write_metrics

SERVICE, TIMER = DEPLOY / "systemd" / "veritensor-sweep.service", DEPLOY / "systemd" / "veritensor-sweep.timer"
CRON = DEPLOY / "cron" / "veritensor-ray"
PAGE = ROOT / "docs" / "schedules.md"
PROGRAM = "/opt/veritensor-ray/bin/veritensor-ray"


def unit(path: Path) -> dict[str, list[str]]:
    """Directives by section and name; systemd allows one to be given more than once, which configparser does not."""
    found: dict[str, list[str]] = defaultdict(list)
    section = ""
    for line in path.read_text().splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        elif line and not line.startswith("#"):
            name, _, value = line.partition("=")
            found[f"{section}.{name}"].append(value)
    return found


def crontab() -> tuple[dict[str, str], list[str], str, str]:
    """Variables, the five fields of the time, user and command."""
    lines = [line for line in CRON.read_text().splitlines() if line and not line.startswith("#")]
    variables = dict(line.split("=", 1) for line in lines if re.match(r"[A-Z]+=", line))
    [entry] = [line for line in lines if not re.match(r"[A-Z]+=", line)]
    *time, user, command = entry.split(None, 6)
    return variables, time, user, command


def commands() -> dict[str, list[str]]:
    """The words of each schedule's command."""
    container = dict(pod_specs())["sweep"]["containers"][0]
    [systemd] = unit(SERVICE)["Service.ExecStart"]
    cron = shlex.split(crontab()[3])
    return {
        "cron": cron[cron.index("veritensor-ray") :],
        "systemd": shlex.split(systemd),
        "kubernetes": [*container["command"], *container["args"]],
    }


@pytest.mark.parametrize(
    ("where", "rest"),
    [
        ("cron", {"deadline": "06:00"}),
        ("systemd", {"deadline": "8h"}),
        ("kubernetes", {"deadline": "06:00", "address": "http://veritensor-head-svc:8265", "wait": True, "wait_resources": "30m"}),
    ],
)
def test_commands_are_read_by_the_command_line(where: str, rest: dict[str, Any]) -> None:
    program, name, *words = commands()[where]
    assert Path(program).name == "veritensor-ray" and name == "submit"
    root: Any = typer.main.get_command(app)
    parsed = root.commands["submit"].make_context("submit", words).params
    common = {"source": ["/data"], "job": "sweep", "output": "/results/state", "config": "/etc/veritensor/site.yaml"}
    assert {key: value for key, value in parsed.items() if value is not None and value is not False and value != ()} == common | rest


def test_a_flag_that_does_not_exist_would_be_found() -> None:
    root: Any = typer.main.get_command(app)
    with pytest.raises(Exception, match="No such option"):
        root.commands["submit"].make_context("submit", ["/data", "--job", "sweep", "--outptu", "x"])


def test_crontab() -> None:
    variables, time, user, command = crontab()
    assert variables["SHELL"] == "/bin/sh" and Path(PROGRAM).parent.as_posix() in variables["PATH"].split(":")
    ranges = [(0, 59), (0, 23), (1, 31), (1, 12), (0, 7)]
    assert all(field == "*" or low <= int(field) <= high for field, (low, high) in zip(time, ranges, strict=True))
    assert time[2:] == ["*", "*", "*"]  # every night
    assert user == "veritensor" and "%" not in command  # to cron, a line break
    assert CRON.read_text().endswith("\n")  # cron ignores a last line that does not end
    subprocess.run(["sh", "-nc", command], check=True)


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd-analyze here")
def test_systemd_reads_its_units_and_finds_them_shut(tmp_path: Path) -> None:
    program = tmp_path / "veritensor-ray"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    service, timer = tmp_path / SERVICE.name, tmp_path / TIMER.name
    service.write_text(SERVICE.read_text().replace(PROGRAM, str(program)))
    timer.write_text(TIMER.read_text())
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", service, timer], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
    rated = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=20", "--no-pager", service],
        capture_output=True,
        text=True,
        check=False,
    )
    assert rated.returncode == 0, rated.stdout + rated.stderr


def test_systemd_units() -> None:
    service, timer = unit(SERVICE), unit(TIMER)
    expected = {
        "Type": "oneshot",
        "SuccessExitStatus": "1 3",
        "TimeoutStartSec": "12h",
        "User": "veritensor",
        "ProtectSystem": "strict",
        "ReadWritePaths": "/results",
        "ReadOnlyPaths": "/data",
        "NoNewPrivileges": "yes",
        "PrivateTmp": "yes",
        "CapabilityBoundingSet": "",
        "UMask": "0077",
    }
    assert {name: service[f"Service.{name}"] for name in expected} == {name: [value] for name, value in expected.items()}
    assert "# PrivateNetwork=yes" in SERVICE.read_text()
    assert {name: timer[f"Timer.{name}"] for name in ("Persistent", "RandomizedDelaySec")} == {
        "Persistent": ["true"],
        "RandomizedDelaySec": ["15min"],
    }
    assert timer["Install.WantedBy"] == ["timers.target"] and len(timer["Timer.OnCalendar"]) == 1
    assert "Install.WantedBy" not in service  # the timer starts it, not the machine


def test_cronjob() -> None:
    job = of_kind("CronJob")["sweep"]["spec"]
    assert job["concurrencyPolicy"] == "Forbid" and job["jobTemplate"]["spec"]["backoffLimit"] == 0
    assert re.fullmatch(r"\d+ \d+ \* \* \*", job["schedule"])


def test_the_page_names_what_exists() -> None:
    text = PAGE.read_text()
    lines = [line.strip() for line in text.splitlines() if line.strip().startswith("veritensor-ray ")]
    assert lines and not [*wrong_commands("\n".join(lines)), *missing_files(text)]
    assert not [link for link in re.findall(r"\]\(([\w.]+\.md)", text) if not (ROOT / "docs" / link).exists()]


def test_the_page_lists_every_field_of_a_message() -> None:
    section = PAGE.read_text().partition("## Notifications")[2].partition("## Metrics")[0]
    listed = {name for row in re.findall(r"^\| (`[^|]+) \|", section, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)}
    assert listed == set(message_of(RUN)) | set(message_of_failure(Settings(), StoreError("")))
    assert all(f"`{name}`" in section for name in (*STATUSES, *STATES, *CHANGES, *TOTALS))


def test_the_page_lists_every_metric(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    write_metrics(str(tmp_path / "x.prom"), RUN, now, 0, now)
    families = {family.name: family for family in text_string_to_metric_families((tmp_path / "x.prom").read_text())}
    text = PAGE.read_text()
    assert set(re.findall(r"veritensor_sweep_\w+", text)) == set(families)
    for name, labels in re.findall(r"^\| `(veritensor_\w+)\{([\w,]+)\}`", text, re.MULTILINE):
        assert set(families[name].samples[0].labels) == set(labels.split(",")), name


def test_the_pages_settings_are_settings() -> None:
    for block in blocks(PAGE):
        if block.info == "yaml":
            Settings.model_validate(yaml.safe_load(block.text))
