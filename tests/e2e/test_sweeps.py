"""Nights of a living corpus: after each sweep the state equals a fresh audit of that night's corpus, finding by finding."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.checks import Checks
from tests.e2e.sweeps import Follower, World, differences, killed, rows, states

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.e2e
@pytest.mark.usefixtures("local_ray")
def test_every_night_the_state_equals_a_fresh_audit(tmp_path: Path, option: Callable[[str], Any]) -> None:
    from veritensor_ray.core.config import load_settings
    from veritensor_ray.findings.sweep_state import latest
    from veritensor_ray.jobs.audit_run import audit
    from veritensor_ray.jobs.sweep_run import sweep
    from veritensor_ray.stores.outputs import OutputStore

    chosen = random.Random(option("seed"))
    world = first_night(tmp_path, chosen)
    state, fresh, follower = tmp_path / "state", tmp_path / "fresh", Follower()
    known: list[dict[str, Any]] = []
    with Checks() as check:
        for number in range(option("nights")):
            edits = world.night(known) if number else ["the first night"]
            options = world.options(state, "sweep")
            before = latest(OutputStore(str(state)))
            crash = killed(options, tmp_path / "config.yaml", chosen) if number and chosen.random() < option("crashes") else ""
            if latest(OutputStore(str(state))) == before:  # else it had published already when it was killed
                sweep(load_settings(flags=options, environ={}))
            run = json.loads((state / "current" / "run.json").read_text())
            audit(load_settings(flags=world.options(fresh, "audit") | {"fresh": True}, environ={}))
            known = rows(fresh, "findings", [], ["finding_id"])
            expected = follower.night(known, rows(fresh, "ledger", [], ["artifact"]), datetime.fromisoformat(run["started_at"]))
            seen = states(state / "current")
            problems = [*differences(state / "current", fresh), *other_states(seen, expected)]
            print(json.dumps({"edits": dict(Counter(edits)), "trust": world.trust, "crash": crash, "plan": run["plan"]}), flush=True)
            counts = dict(Counter(name for name, _ in seen.values()))
            check(f"night {number}: the state equals a fresh audit", not problems, (len(problems), problems[:5]) if problems else counts)


def first_night(base: Path, chosen: random.Random) -> World:
    """The sample corpus, one rule, no policy."""
    world = World(base / "corpus", base / "rules", chosen)
    world.rules.mkdir()
    command = [sys.executable, str(ROOT / "scripts/make_demo_corpus.py"), str(world.folder)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    (base / "policy.yaml").write_text("rules: []\n")
    world.rule()
    return world


def other_states(seen: dict[str, tuple[str, datetime]], expected: dict[str, tuple[str, datetime]]) -> list[str]:
    """Findings of which something else became."""
    return [
        f"{key} is {seen.get(key)} and should be {expected.get(key)}"
        for key in sorted(seen.keys() | expected.keys())
        if seen.get(key) != expected.get(key)
    ]
