"""Drivers, workers and actors of real runs are killed at seeded moments; resumed, the runs end as an undisturbed one does.

The same happens to cleanings, whose copies have to be equal to the last byte.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil
import pyarrow.parquet as pq
import pytest
import yaml

from tests.e2e.checks import Checks
from tests.formats.office.building import opendocument
from tests.formats.pdf.building import pdf, text
from tests.formats.sqlite.test_read import database

BAD = {  # what is planted: content, and the status that the ledger has to show
    "abort-extract.txt": ("ABORT-LOCAL", "quarantined"),
    "abort-model.txt": ("FINDME ABORT-MODEL", "quarantined"),
    "hang-extract.txt": ("HANG-LOCAL", "quarantined"),
    "hang-model.txt": ("HANG-MODEL", "quarantined"),
    "eat-extract.txt": ("FINDME EAT-LOCAL", "partial"),
    "raise-extract.txt": ("FINDME RAISE-LOCAL", "partial"),
    "raise-model.txt": ("FINDME RAISE-MODEL", "partial"),
}
CONFIG = {
    "engines": ["fake-local", "fake-model"],
    "plugins": ["veritensor_ray.testing:Obedient", "veritensor_ray.testing:ObedientModel"],
    "limits": {"shard_artifacts": 10, "artifact_seconds": 3, "worker_memory": "300MB"},
}
BAD_TO_CLEAN: dict[str, tuple[str | bytes, str]] = {  # the same for a cleaning: content, and what becomes of it
    "abort-rewrite.txt": ("FINDME ABORT-REWRITE", "held"),
    "hang-rewrite.txt": ("FINDME HANG-REWRITE", "held"),
    "raise-rewrite.txt": ("FINDME RAISE-REWRITE", "held"),
    "eat-rewrite.txt": ("FINDME EAT-REWRITE", "held"),
    "abort-extract.txt": ("ABORT-LOCAL", "held"),
    "quarantine.txt": ("FINDME", "quarantined"),
    "drop.txt": ("FINDME", "dropped"),
    "again.txt": ("FINDFINDFINDMEMEME", "cleaned"),  # the audit of the copy finds it twice more
    "big-again.txt": ("FINDFINDMEME in a long line that makes it big\n" * 3000, "cleaned"),
    "big.txt": ("FINDME and a long line that makes it big\n" * 3000, "cleaned"),
    "page.pdf": (pdf(text("FINDME in a page")), "cleaned"),
    "letter.odt": (opendocument("text", "<text:p>FINDME in a letter</text:p>"), "cleaned"),
    "letter.rtf": ("{\\rtf1 FINDME in a letter\\par}", "cleaned"),
    "rows.sqlite": (database("CREATE TABLE t (a TEXT)", "INSERT INTO t VALUES ('FINDME in a cell')"), "cleaned"),
    "message.eml": ("From: a@example.org\nSubject: x\n\nFINDME in a message\n", "cleaned"),
}
CLEAN_CONFIG = CONFIG | {
    "engines": ["fake-local"],
    "plugins": ["tests.cleaning.misbehaving:Planted"],
    "plugin_folder": str(Path(__file__).parents[2]),
    "limits": {"shard_artifacts": 10, "artifact_seconds": 3, "worker_memory": "300MB", "split_bytes": "30kB"},
}
CLEAN_POLICY = """
rules:
  - {path: "**/quarantine.txt", rule: fake-local.findme, action: quarantine}
  - {path: "**/drop.txt", rule: fake-local.findme, action: drop-file}
  - {rule: fake-local.findme, action: strip}
"""
VICTIMS = ("driver", "worker", "actor")
WORKERS = ("ray::extract", "ray::commit", "ray::assemble", "ray::step")
CHILD = "veritensor_ray.pipeline.bounded.child"  # what does the work of a run without Ray
PLACES = ("embedded", "local")  # in turns: an undisturbed run on Ray, and one in processes that is killed, end alike
PER_RUN = 5  # kills in one run


def make_corpus(folder: Path, artifacts: int, seed: int, bad: Mapping[str, tuple[str | bytes, str]] = BAD) -> None:
    """Small texts, a third of them with something to find, and the bad ones spread among them."""
    chosen = random.Random(seed)
    for number in range(artifacts):
        words = ["FINDME" if chosen.random() < 0.02 else "word" for _ in range(40)]
        path = folder / f"{number % 20:02d}" / f"{number:05d}.txt"
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text("\n".join(words))
    for number, (name, (content, _)) in enumerate(bad.items()):
        (folder / f"{number * 3 % 20:02d}" / name).write_bytes(content.encode() if isinstance(content, str) else content)


def start(
    corpus: Path, output: Path, config: Path, home: Path, policy: Path | None = None, address: str = PLACES[0]
) -> subprocess.Popen[bytes]:
    """The command that a user would type, in a process group of its own. With a policy, it cleans."""
    what = ["submit", str(corpus), "--output", str(output)] if policy is None else ["clean", str(corpus), "--to", str(output)]
    command = [sys.executable, "-m", "veritensor_ray", *what, "--config", str(config), "--address", address]
    command += ["--cleaning-policy", str(policy)] if policy else []
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "VERITENSOR_"))}
    environment = kept | {"HOME": str(home), "XDG_CONFIG_HOME": str(home / ".config")}
    with (home / "log.txt").open("ab") as log:
        return subprocess.Popen(command, stdout=log, stderr=log, env=environment, start_new_session=True)


def victims(driver: psutil.Process, kind: str) -> list[psutil.Process]:
    """Processes of our own run only: the driver's descendants."""
    if kind == "driver":
        return [driver]
    names = WORKERS if kind == "worker" else ("ray::ModelActor",)
    found = []
    for process in driver.children(recursive=True):
        try:
            command = process.cmdline()
            if any(part.startswith(names) for part in command[:1]) or (kind == "worker" and CHILD in command):
                found.append(process)
        except psutil.Error:
            continue
    return found


def run_with_kills(
    arguments: dict[str, Any], kills: int, chosen: random.Random, kinds: Sequence[str] = VICTIMS, longest: float = 9.0
) -> list[str]:
    """Run to the end, killing on the way; a dead driver is started again by the same command. Returns who was killed."""
    killed: list[str] = []
    process = start(**arguments)
    plan = [kinds[n % len(kinds)] for n in range(kills)]
    chosen.shuffle(plan)
    deadline = time.monotonic() + 400 + 60 * kills  # for a run that hangs, not for a busy machine
    try:
        while time.monotonic() < deadline:
            code = process.poll()
            if code is not None and code >= 0:
                return killed
            if code is not None:
                process = start(**arguments)
            moment = time.monotonic() + chosen.uniform(0.5, longest if plan and plan[0] == "driver" else 4.0)
            while time.monotonic() < moment and process.poll() is None:
                time.sleep(0.05)
            if plan and process.poll() is None:
                found = victims(psutil.Process(process.pid), plan[0])
                if found:
                    chosen.choice(found).send_signal(signal.SIGKILL)
                    killed.append(plan.pop(0))
        raise TimeoutError(f"not finished in time; killed so far: {killed}")
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)


def outcome(output: Path) -> dict[str, Any]:
    """Ledger and findings without what differs from run to run."""
    ledger = pq.read_table(output / "ledger").drop_columns(["seconds"]).to_pylist()
    findings = pq.read_table(output / "findings").drop_columns(["scan_id", "detected_at", "first_seen", "last_seen"]).to_pylist()
    return {"ledger": ledger, "findings": findings}


def faults(expected: dict[str, Any], seen: dict[str, Any], artifacts: int) -> list[str]:
    """What is wrong, in sentences; empty when nothing is."""
    wrong = []
    names = [row["artifact"] for row in seen["ledger"]]
    if len(names) != artifacts + len(BAD) or len(set(names)) != len(names):
        wrong.append(f"{len(names)} ledger rows, {len(set(names))} distinct, for {artifacts + len(BAD)} artifacts")
    for row in seen["ledger"]:
        planted = BAD.get(row["artifact"].rpartition("/")[2])
        if row["status"] != (planted[1] if planted else "scanned"):
            wrong.append(f"{row['artifact']} is {row['status']}: {row['reason']}")
    for table in ("ledger", "findings"):
        if seen[table] != expected[table]:
            different = sum(a != b for a, b in zip(seen[table], expected[table], strict=False))
            wrong.append(f"{table}: {len(seen[table])} rows for {len(expected[table])}, {different} differ")
    return wrong


@pytest.mark.e2e
def test_a_run_that_is_killed_again_and_again_ends_as_an_undisturbed_one(tmp_path: Path, option: Callable[[str], Any]) -> None:
    chosen, artifacts = random.Random(option("seed")), option("artifacts")
    home, corpus, config = tmp_path / "home", tmp_path / "corpus", tmp_path / "config.yaml"
    home.mkdir()
    config.write_text(yaml.safe_dump(CONFIG))
    make_corpus(corpus, artifacts, option("seed"))
    run = {"corpus": corpus, "config": config, "home": home}
    with Checks() as check:
        run_with_kills(run | {"output": tmp_path / "undisturbed"}, 0, chosen)
        expected = outcome(tmp_path / "undisturbed")
        wrong = faults(expected, expected, artifacts)
        check("the undisturbed run ends as planted", not wrong, wrong or f"{len(expected['findings'])} findings")
        left, number = option("kills"), 0
        while left > 0:
            output = tmp_path / f"run-{number}"
            place = PLACES[number % len(PLACES)]
            kinds = VICTIMS if place == "embedded" else VICTIMS[:2]
            killed = run_with_kills(run | {"output": output, "address": place}, min(left, PER_RUN), chosen, kinds)
            wrong = faults(expected, outcome(output), artifacts)
            check(f"run {number}, {place}, ends as it does, with {', '.join(killed) or 'nobody'} killed", not wrong, wrong or "")
            left -= max(1, len(killed))
            number += 1


def copy_of(destination: Path) -> dict[str, Any]:
    """Everything that a cleaning leaves, without what differs from run to run."""
    files = {
        str(path.relative_to(destination)): path.read_bytes()
        for place in ("corpus", "quarantine")
        for path in sorted((destination / place).rglob("*"))
        if path.is_file()
    }
    run = json.loads((destination / "run.json").read_text())
    tables = {name: pq.read_table(destination / f"{name}.parquet").to_pylist() for name in ("manifest", "rows")}
    return {
        "files": files,
        "manifest": sorted(tables["manifest"], key=lambda row: str(row["artifact"])),
        "rows": tables["rows"],
        "run": {
            name: run[name]
            for name in ("results", "not_copied", "actions", "changes", "rows_dropped", "rounds", "left", "not_checked", "verdict")
        },
        "modes": {oct(path.stat().st_mode & 0o777) for path in destination.glob("*/**/*.txt")},
    }


def clean_faults(expected: dict[str, Any], seen: dict[str, Any], artifacts: int) -> list[str]:
    """What is wrong, in sentences; empty when nothing is."""
    wrong = [f"{name} differs" for name in expected if expected[name] != seen[name]]
    if len(seen["manifest"]) != artifacts + len(BAD_TO_CLEAN):
        wrong.append(f"{len(seen['manifest'])} rows of the manifest for {artifacts + len(BAD_TO_CLEAN)} artifacts")
    for row in seen["manifest"]:
        planted = BAD_TO_CLEAN.get(row["artifact"].rpartition("/")[2])
        if row["result"] not in ((planted[1],) if planted else ("copied", "cleaned")):
            wrong.append(f"{row['artifact']} is {row['result']}: {row['reason']}")
    if seen["run"]["left"]:  # which also reads what is compressed
        wrong.append(f"the audit of the copy found {seen['run']['left']}")
    if any(b"FINDME" in content for name, content in seen["files"].items() if name.startswith("corpus/")):
        wrong.append("a finding is left in the copy")
    return wrong


@pytest.mark.e2e
def test_a_cleaning_that_is_killed_again_and_again_ends_as_an_undisturbed_one(tmp_path: Path, option: Callable[[str], Any]) -> None:
    chosen, artifacts = random.Random(option("seed")), option("artifacts")
    home, corpus, config, policy = tmp_path / "home", tmp_path / "corpus", tmp_path / "config.yaml", tmp_path / "clean.yaml"
    home.mkdir()
    config.write_text(yaml.safe_dump(CLEAN_CONFIG))
    policy.write_text(CLEAN_POLICY)
    make_corpus(corpus, artifacts, option("seed"), BAD_TO_CLEAN)
    run = {"corpus": corpus, "config": config, "home": home, "policy": policy}
    with Checks() as check:
        run_with_kills(run | {"output": tmp_path / "undisturbed"}, 0, chosen)
        expected = copy_of(tmp_path / "undisturbed")
        wrong = clean_faults(expected, expected, artifacts)
        check("the undisturbed cleaning ends as planted", not wrong, wrong or f"{expected['run']}")
        left, number = option("kills"), 0
        while left > 0:
            output = tmp_path / f"run-{number}"
            place = PLACES[number % len(PLACES)]
            killed = run_with_kills(run | {"output": output, "address": place}, min(left, PER_RUN), chosen, VICTIMS[:2], 25.0)
            wrong = clean_faults(expected, copy_of(output), artifacts)
            check(f"cleaning {number}, {place}, ends as it does, with {', '.join(killed) or 'nobody'} killed", not wrong, wrong or "")
            left -= max(1, len(killed))
            number += 1
