"""What the shards of a cleaning leave behind, whoever was killed in between."""

from __future__ import annotations

from pathlib import Path

from veritensor_ray.cleaning.clean_shard import leave, left
from veritensor_ray.cleaning.cleaning_context import Cleaning
from veritensor_ray.cleaning.cleaning_policy import CleanPolicy
from veritensor_ray.cleaning.copy_manifest import Cleaned, Result
from veritensor_ray.stores.outputs import OutputStore


def test_a_table_without_its_name_is_not_read(tmp_path: Path) -> None:
    cleaning = Cleaning(CleanPolicy(), OutputStore(str(tmp_path)), b"key")
    leave(cleaning, "run", 3, [Cleaned("a.txt", Result.COPIED)])
    (written,) = (tmp_path / "_work/run/cleaned").iterdir()
    written.with_name(".0011223344556677.tmp").write_bytes(written.read_bytes())  # its writer was killed before it renamed it
    assert [table["artifact"].to_pylist() for table in left(cleaning.store, cleaning.work("run"))] == [["a.txt"]]
