"""`view`: what the command says and refuses, and how it begins and ends. What the server does is tested in tests/view."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.parse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import httpx
import pytest

from tests.cli.reading.test_report_command import _changed, _newer, _unfinished
from tests.cli.test_cli import call
from tests.findings.outputs import finding, written
from veritensor_ray.results.results import Results


@pytest.fixture
def output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Results:
    """Results beside their corpus; the working directory is empty."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    (tmp_path / "corpus").mkdir()
    return written(tmp_path / "out", [finding(1, "a.md", {"line": 1})], sources=[str(tmp_path / "corpus")])


@pytest.mark.parametrize(
    ("change", "says", "code"),
    [
        (_unfinished, "the run has not finished. Repeat the submit to resume it", 4),
        (_newer, "Install that version or a later one", 4),
        (_changed, "", 4),
    ],
    ids=["incomplete", "newer", "signed and changed"],
)
def test_results_that_are_not_what_they_should_be(
    output: Results,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    change: Callable[[Results], None],
    says: str,
    code: int,
) -> None:
    change(output)
    assert call(monkeypatch, "view", output.store.uri) == code
    said = capsys.readouterr()
    assert says in said.err
    assert said.err.count("\n") == 1
    assert said.out == ""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("about", "flags", "says"),
    [
        ({}, (), "Suppressions go to {tmp}/out/policy.yaml"),
        ({}, ("--policy", "own.yaml"), "Suppressions go to {tmp}/here/own.yaml"),
        ({"policy": {"file": "/srv/central.yaml"}}, ("--policy", "/srv/central.yaml"), "Suppressions go to /srv/central.yaml"),
        (
            {"policy": {"file": "/srv/central.yaml"}}, (),
            "Nothing can be suppressed: these results were judged by the policy /srv/central.yaml; name it, or another one, with --policy",
        ),
        ({"sources": ["{tmp}"]}, (), "Nothing can be suppressed: {tmp}/out/policy.yaml lies in the corpus, so it may not be yours; name a policy with --policy"),
    ],
)  # fmt: skip
def test_the_page_opens_and_says_where_suppressions_go(
    about: dict[str, Any],
    flags: tuple[str, ...],
    says: str,
    started: Callable[..., tuple[subprocess.Popen[str], list[str]]],
    output: Results,
    tmp_path: Path,
) -> None:
    told = {name: [one.format(tmp=tmp_path) for one in value] if name == "sources" else value for name, value in about.items()}
    file = tmp_path / "out/run.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | told))
    _, (_, where, link, _) = started(*flags)
    assert where == says.format(tmp=tmp_path)
    assert link.startswith("http://127.0.0.1:")


def test_a_port_in_use_is_refused(output: Results, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert call(monkeypatch, "view", output.store.uri, "--port", str(port)) == 4
    assert f"port {port} of 127.0.0.1 cannot be used (Address already in use); choose a different --port" in capsys.readouterr().err


@pytest.fixture
def started(output: Results, tmp_path: Path) -> Iterator[Callable[..., tuple[subprocess.Popen[str], list[str]]]]:
    """Starts the command, and returns the process and its lines up to the last one before it serves."""
    running: list[subprocess.Popen[str]] = []
    (tmp_path / "temporary").mkdir()
    environment = {**os.environ, "TMPDIR": str(tmp_path / "temporary"), "HOME": str(tmp_path), "PYTHONPATH": str(Path(__file__).parents[3])}
    environment.pop("SSH_CONNECTION", None)

    def start(*flags: str, **more: str) -> tuple[subprocess.Popen[str], list[str]]:
        ours = [sys.executable, "-P", "-m", "veritensor_ray", "view", output.store.uri, *flags]
        command = ["env", "--default-signal=INT", *ours]  # a suite in the background ignores it
        process = subprocess.Popen(command, env=environment | more, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        running.append(process)
        return process, list(_until(process.stdout, "The link works once. Press Ctrl-C to stop."))

    yield start
    for process in running:
        process.kill()
        process.communicate()


def _until(stream: IO[str] | None, last: str) -> Iterator[str]:
    for line in stream or ():
        yield line.rstrip("\n")
        if line.rstrip("\n") == last:
            return


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def test_it_serves_until_it_is_stopped(
    started: Callable[..., tuple[subprocess.Popen[str], list[str]]], tmp_path: Path, number: int
) -> None:
    process, (reading, policy, link, _) = started()
    assert reading == "Reading the findings…"
    assert policy == f"Suppressions go to {tmp_path / 'out' / 'policy.yaml'}"
    parts = urllib.parse.urlsplit(link)
    origin = f"http://{parts.netloc}"
    with httpx.Client(trust_env=False) as client:
        page = client.post(f"{origin}/session", json={"token": parts.fragment}, headers={"Origin": origin}).json()["page"]
        assert client.get(f"{origin}{page}").text.startswith("<!doctype html>")
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (0, "Stopped.\n", "")
    assert list((tmp_path / "temporary").iterdir()) == []
    assert list((tmp_path / "here").iterdir()) == []


@pytest.mark.slow
def test_what_a_browser_is_started_with_does_not_hold_the_link(
    started: Callable[..., tuple[subprocess.Popen[str], list[str]]], tmp_path: Path
) -> None:
    """Every user of the machine can read the arguments of a process."""
    browser = tmp_path / "browser"
    browser.write_text('#!/bin/sh\necho "$1" > "$0.argument"\ncp "${1#file://}" "$0.part"\nmv "$0.part" "$0.page"\n')
    browser.chmod(0o700)
    process, lines = started("--read-only", "--open", BROWSER=f"{browser} %s")
    link = next(line for line in lines if line.startswith("http://"))
    while not browser.with_name("browser.page").exists():
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    token = link.partition("#")[2]
    assert token not in browser.with_name("browser.argument").read_text()
    assert f"url={link}" in browser.with_name("browser.page").read_text()
    assert not any(line.startswith("Suppressions") for line in lines)
    assert list((tmp_path / "temporary").iterdir()) == []


@pytest.mark.slow
def test_over_ssh_it_says_how_to_reach_the_page(started: Callable[..., tuple[subprocess.Popen[str], list[str]]]) -> None:
    _, lines = started(SSH_CONNECTION="192.0.2.1 50000 192.0.2.2 22")
    (line,) = [line for line in lines if line.startswith("First")]
    link = next(line for line in lines if line.startswith("http://"))
    port = urllib.parse.urlsplit(link).port
    assert line.startswith(f"First, on your own machine:  ssh -N -L {port}:127.0.0.1:{port} ")


def test_a_run_of_a_sweep_can_be_named(output: Results, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(monkeypatch, "view", output.store.uri, "--sweep", "none") == 2
    assert json.dumps(output.store.uri).strip('"') in capsys.readouterr().err
