"""A pass over a folder measures the scan, not the loading of engines."""

from __future__ import annotations

from pathlib import Path

from bench.in_process import prepared
from veritensor_ray.pipeline import context


def test_engines_are_loaded_once_for_all_folders(tmp_path: Path) -> None:
    folders = [tmp_path / f"kind-{number}" for number in range(6)]  # more than a process keeps settings of
    for folder in folders:
        folder.mkdir()
        (folder / "a.txt").write_bytes(b"Words.\n")
    passes = [prepared(str(folder), ("structure",), [str(one) for one in folders]) for folder in folders]
    before = context._loaded.cache_info().misses
    found = [once() for _ in range(2) for once in passes]
    assert [(one["files"], one["bytes"]) for one in found] == [(1, 7)] * 12
    assert context._loaded.cache_info().misses == before + 1
