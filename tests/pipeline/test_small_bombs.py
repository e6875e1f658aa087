"""A few kilobytes that take all memory, or loop: by every road they end at a bound, within seconds and below a gigabyte."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.pipeline import small_bombs

EXPECTED = {
    "heap.h5": ["partial", []],
    "loop.h5": ["partial", []],
    "pointer.h5": ["partial", []],
    "forms.pdf": ["partial", ["pdf_drawn_bytes"]],
    "same.parquet": ["partial", ["expanded_ratio"]],
}


def look(road: str, folder: Path) -> dict[str, Any]:
    """What a process sees that may have 1.5 GB, and half a minute for each file."""
    command = [sys.executable, small_bombs.__file__, road, str(folder)]
    root = str(Path(__file__).parents[2])
    done = subprocess.run(
        command, capture_output=True, check=False, timeout=150, env={"PATH": "", "PYTHONPATH": root, "HOME": str(folder.parent)}
    )
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    answer: dict[str, Any] = json.loads(done.stdout)
    assert answer["peak"] < 1_000_000_000
    seen: dict[str, Any] = answer["seen"]
    return seen


@pytest.fixture(scope="module")
def bombs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bombs") / "corpus"
    folder.mkdir()
    for name, made in small_bombs.BOMBS.items():
        data = made()
        assert len(data) < 20_000
        (folder / name).write_bytes(data)
    return folder


@pytest.mark.parametrize("road", ["shard", "inspect"])
def test_each_ends_at_a_bound_and_the_rest_of_it_is_read(road: str, bombs: Path) -> None:
    seen = look(road, bombs)
    assert {name: found[:2] for name, found in seen.items()} == EXPECTED
    assert all(found[2] > 0 for found in seen.values())


def test_a_plan_measures_them(bombs: Path) -> None:
    seen = look("plan", bombs)
    assert len(seen) == 3
    assert all(status.startswith("partial: ") for statuses in seen.values() for status in statuses)
