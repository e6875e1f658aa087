"""Kills drivers, workers and actors of real runs at seeded moments, resumes, and compares the outcome with an undisturbed run.

python scripts/faults.py --kills 10 [--seed 1]
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil
import pyarrow.parquet as pq
import yaml

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
VICTIMS = ("driver", "worker", "actor")


def make_corpus(folder: Path, artifacts: int, seed: int) -> None:
    """Small texts, a third of them with something to find, and the bad ones spread among them."""
    chosen = random.Random(seed)
    for number in range(artifacts):
        words = ["FINDME" if chosen.random() < 0.02 else "word" for _ in range(40)]
        path = folder / f"{number % 20:02d}" / f"{number:05d}.txt"
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text("\n".join(words))
    for number, (name, (text, _)) in enumerate(BAD.items()):
        (folder / f"{number * 3 % 20:02d}" / name).write_text(text)


def start(corpus: Path, output: Path, config: Path, home: Path) -> subprocess.Popen[bytes]:
    """The command that a user would type, in a process group of its own."""
    command = [sys.executable, "-m", "veritensor_ray", "submit", str(corpus), "--output", str(output), "--config", str(config)]
    environment = os.environ | {"HOME": str(home), "XDG_CONFIG_HOME": str(home / ".config")}
    log = (home / "log.txt").open("ab")
    return subprocess.Popen(command, stdout=log, stderr=log, env=environment, start_new_session=True)


def victims(driver: psutil.Process, kind: str) -> list[psutil.Process]:
    """Processes of our own run only: the driver's descendants."""
    if kind == "driver":
        return [driver]
    name = "ray::extract" if kind == "worker" else "ray::ModelActor"
    found = []
    for process in driver.children(recursive=True):
        try:
            if any(part.startswith(name) for part in process.cmdline()[:1]):
                found.append(process)
        except psutil.Error:
            continue
    return found


def run_with_kills(arguments: dict[str, Path], kills: int, chosen: random.Random) -> list[str]:
    """Run to the end, killing on the way; a dead driver is started again by the same command. Returns who was killed."""
    killed: list[str] = []
    process = start(**arguments)
    plan = [VICTIMS[n % 3] for n in range(kills)]
    chosen.shuffle(plan)
    deadline = time.monotonic() + 120 + 60 * kills
    while time.monotonic() < deadline:
        code = process.poll()
        if code is not None and code >= 0:
            return killed
        if code is not None:
            process = start(**arguments)
        moment = time.monotonic() + chosen.uniform(0.5, 9.0 if plan and plan[0] == "driver" else 4.0)
        while time.monotonic() < moment and process.poll() is None:
            time.sleep(0.05)
        if plan and process.poll() is None:
            found = victims(psutil.Process(process.pid), plan[0])
            if found:
                chosen.choice(found).send_signal(signal.SIGKILL)
                killed.append(plan.pop(0))
    process.kill()
    raise SystemExit(f"not finished in time; killed so far: {killed}")


def outcome(output: Path) -> dict[str, Any]:
    """Ledger and findings without what differs from run to run."""
    ledger = pq.read_table(output / "ledger").drop_columns(["seconds"]).to_pylist()
    findings = pq.read_table(output / "findings").drop_columns(["scan_id", "detected_at", "first_seen", "last_seen"]).to_pylist()
    return {"ledger": ledger, "findings": findings}


def check(expected: dict[str, Any], seen: dict[str, Any], artifacts: int) -> list[str]:
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--artifacts", type=int, default=600)
    parser.add_argument("--per-run", type=int, default=5, help="kills in one run")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    chosen = random.Random(options.seed)
    base = Path(tempfile.mkdtemp(prefix="veritensor-faults-"))
    home, corpus, config = base / "home", base / "corpus", base / "config.yaml"
    home.mkdir()
    corpus.mkdir()
    config.write_text(yaml.safe_dump(CONFIG))
    make_corpus(corpus, options.artifacts, options.seed)
    failed = 0
    began = time.monotonic()
    run_with_kills({"corpus": corpus, "output": base / "undisturbed", "config": config, "home": home}, 0, chosen)
    expected = outcome(base / "undisturbed")
    wrong = check(expected, expected, options.artifacts)
    print(f"undisturbed: {len(expected['findings'])} findings in {time.monotonic() - began:.0f} s; {wrong or 'as planted'}", flush=True)
    failed += bool(wrong)
    left, number = options.kills, 0
    while left > 0:
        output = base / f"run-{number}"
        killed = run_with_kills({"corpus": corpus, "output": output, "config": config, "home": home}, min(left, options.per_run), chosen)
        wrong = check(expected, outcome(output), options.artifacts)
        print(json.dumps({"run": number, "killed": killed, "wrong": wrong}), flush=True)
        failed += bool(wrong)
        left -= max(1, len(killed))
        number += 1
    print(f"{number + 1 - failed} passed, {failed} failed")
    if failed:
        raise SystemExit(f"look at {base}")
    shutil.rmtree(base)


if __name__ == "__main__":
    main()
