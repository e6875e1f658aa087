"""How much memory a worker may take where nobody says it."""

from __future__ import annotations

import gc
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from veritensor_ray.core.config import Settings
from veritensor_ray.pipeline.bounded.process_limits import Advancing, settle, worker_memory
from veritensor_ray.pipeline.fingerprint import describe

CPUS = len(os.sched_getaffinity(0))
GIB = 1 << 30


@pytest.mark.parametrize(
    ("groups", "files", "memory"),
    [
        ("0::/box/inner\n", {"sys/fs/cgroup/box/inner/memory.max": "max", "sys/fs/cgroup/box/memory.max": str(2 * GIB * CPUS)}, 1.5),
        ("0::/elsewhere\n", {"sys/fs/cgroup/memory.max": str(2 * GIB * CPUS)}, 1.5),
        ("0::/\n", {"sys/fs/cgroup/memory.max": "100000000"}, 1),
        ("4:memory:/box\n0::/\n", {"sys/fs/cgroup/memory/box/memory.limit_in_bytes": str(GIB * CPUS)}, 1),
        ("4:memory:/\n", {"sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712"}, None),
        (None, {}, None),
    ],
)
def test_a_share_of_what_control_groups_leave(groups: str | None, files: dict[str, str], memory: float | None, tmp_path: Path) -> None:
    for name, text in {**files, **({"proc/self/cgroup": groups} if groups else {})}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    found = worker_memory(tmp_path)
    assert GIB <= found <= 4 * GIB
    if memory is not None:
        assert found <= memory * GIB


LOADING = """
from veritensor_ray.pipeline.bounded.process_limits import bound_memory, raised_memory
MB = 1 << 20
assert bound_memory(200 * MB)
artifact = bytearray(120 * MB)
with raised_memory():
    model = bytearray(400 * MB)
more = bytearray(40 * MB)
try:
    bytearray(120 * MB)
except MemoryError:
    print("bounded")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere memory is not bounded")
def test_what_is_loaded_while_an_artifact_is_read_leaves_it_no_more_memory() -> None:
    said = subprocess.run([sys.executable, "-c", LOADING], capture_output=True, text=True, check=True).stdout
    assert said == "bounded\n"


def test_the_machine_is_no_part_of_a_fingerprint() -> None:
    assert describe(Settings(), {}, "key")["settings"]["limits"]["worker_memory"] is None


def test_the_collector_leaves_what_a_worker_has_loaded_alone() -> None:
    before = gc.get_threshold()
    try:
        settle()
        assert gc.get_freeze_count() > 10_000
        assert gc.get_threshold()[0] > before[0]
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)


def test_only_reading_further_counts_as_progress() -> None:
    pulses: list[int] = []
    file = Advancing(io.BytesIO(bytes(range(100))), lambda: pulses.append(file.tell()))
    assert file.read(40) == bytes(range(40))
    for _ in range(3):
        file.seek(10)
        assert file.read(30) == bytes(range(10, 40))
    assert pulses == [40], "bytes that are read again and again do not keep a worker alive"
    assert file.seek(-10, io.SEEK_END) == 90
    assert file.readall() == bytes(range(90, 100))
    assert pulses == [40, 100]
