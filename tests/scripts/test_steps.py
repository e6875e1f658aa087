"""Steps of a script have limits, and a table says what they took. Every limit here is over at once, or in an hour."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

STEPS = Path(__file__).parents[2] / "scripts/steps.sh"


def run(*lines: str, within: int = 3600) -> tuple[int, list[list[str]], str]:
    """The exit code of a script, the rows of its table without their seconds, and what it printed."""
    script = "\n".join(["set -euo pipefail", f"source {STEPS}", f"steps_within {within}", *lines])
    done = subprocess.run(["bash", "-c", script], text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    said, _, table = done.stdout.rpartition("seconds   limit  result     step\n")
    return done.returncode, [re.split(r"\s{2,}", row.strip().partition(" ")[2].strip(), maxsplit=1) for row in table.splitlines()], said


def test_a_table_names_all_steps() -> None:
    code, table, said = run("step 3600 true", "step 50 printf %s hello")
    assert code == 0
    assert table == [["3600", "passed     true"], ["50", "passed     printf %s hello"], ["3600", "all steps"]]
    assert "== true (at most 3600 s)\n" in said
    assert "hello" in said


def test_the_first_step_that_fails_ends_the_script_and_is_in_the_table() -> None:
    code, table, said = run("step 3600 bash -c 'exit 3'", "step 3600 echo never")
    assert (code, table[0]) == (3, ["3600", "exit 3     bash -c exit 3"])
    assert "never" not in said


def test_a_step_has_no_more_than_what_is_left_for_all() -> None:
    code, table, said = run("step 100 echo never", within=0)
    assert (code, table[0]) == (124, ["100", "late       echo never"])
    assert "echo never was cut off: the 0 s that all steps have together are over" in said
    assert "\nnever" not in said
    assert "(at most 60 s)" in run("step 100 true", within=60)[2]


@pytest.mark.slow
def test_a_step_that_takes_longer_than_its_own_limit_is_cut_off() -> None:
    code, _, said = run("step 1 sleep 3600")
    assert code == 124
    assert "sleep 3600 was cut off: it has at most 1 s" in said


def test_two_steps_run_beside_each_other(tmp_path: Path) -> None:
    """Each waits until the other has begun."""
    subprocess.run(["mkfifo", tmp_path / "pipe"], check=True)
    (tmp_path / "one").write_text(f"echo from one > {tmp_path}/pipe; echo one ends")
    (tmp_path / "two").write_text(f"cat {tmp_path}/pipe; exit 5")
    code, table, said = run(f'beside "100 bash {tmp_path}/one" "200 bash {tmp_path}/two"')
    assert code == 5
    assert sorted(row[0] for row in table) == ["100", "200", "3600"]
    assert said.index("one ends") < said.index("from one")
