"""How many requests a bucket gets, and for how many bytes: of small objects, tables, archives, and the log of a table."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.corpus.loopback_bucket import LoopbackBucket
from tests.pipeline.test_extract import scanned
from veritensor_ray.core.errors import ReadError
from veritensor_ray.corpus import fetch
from veritensor_ray.corpus.tables.log_copy import LogCopy
from veritensor_ray.corpus.tables.table_kinds import TableFolder

_BLOCK = 64 << 10


def parquet() -> bytes:
    """Ten columns whose values are written one column after the other, and read in turn."""
    out = io.BytesIO()
    numbers = pa.array(range(40_000))
    pq.write_table(pa.table({f"c{number}": numbers for number in range(10)}), out, compression="none", use_dictionary=False)
    return out.getvalue()


def zipped() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        for number in range(200):
            file.writestr(f"{number}.txt", f"line {number}\n" * 1000)
    return out.getvalue()


def tarred() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as file:
        for number in range(200):
            data = f"line {number}\n".encode() * 1000
            about = tarfile.TarInfo(f"{number}.txt")
            about.size = len(data)
            file.addfile(about, io.BytesIO(data))
    return out.getvalue()


def requests(bucket: LoopbackBucket) -> list[tuple[str, str | None]]:
    """The requests for objects, which have a name with a dot."""
    return [(method, asked) for method, path, asked in bucket.app.asked if "." in path]


def test_a_small_object_is_one_request(bucket: LoopbackBucket) -> None:
    for number in range(30):
        bucket.put(f"{number % 3}/{number}.txt", b"hello")
    bucket.put("empty.txt", b"")
    bucket.app.asked.clear()
    assert len(scanned("s3://corpus", stores=bucket.stores)) == 31
    assert sorted(requests(bucket)) == [("GET", "bytes=0-4")] * 30 + [("HEAD", None)]
    assert len(bucket.app.asked) - 31 <= 6, "one for each folder, and a few for the source"


@pytest.mark.parametrize(("make", "times"), [(parquet, 3), (zipped, 3), (tarred, 5)])
def test_what_is_read_in_pieces_comes_in_few_ranges(
    bucket: LoopbackBucket, make: Callable[[], bytes], times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each pass over a file asks for each block once, although columns and members are read in turn, a little of each."""
    data = make()
    monkeypatch.setattr(fetch, "IN_MEMORY", 1 << 20)
    monkeypatch.setattr(fetch, "_CACHE", fetch._CACHE | {"block_size": _BLOCK, "cache_options": {"maxblocks": 64}})
    bucket.put("a.bin", data)
    bucket.app.asked.clear()
    ((_, row),) = scanned("s3://corpus", stores=bucket.stores)
    assert row["status"] == "scanned"
    ranges = [asked or "" for _, asked in requests(bucket)]
    assert len(data) > fetch.IN_MEMORY
    assert len(ranges) <= times * (len(data) / _BLOCK + 2), len(ranges)


def test_what_has_changed_is_not_read(bucket: LoopbackBucket, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also if it has the same size, and only since the first bytes of it were read."""
    monkeypatch.setattr(fetch, "IN_MEMORY", 0)
    monkeypatch.setattr(fetch, "_CACHE", {"block_size": 4, "cache_type": "blockcache"})
    bucket.put("a.txt", b"hello, world")
    file = bucket.opened("a.txt").file()
    assert file.read(4) == b"hell"
    bucket.put("a.txt", b"HELLO, WORLD")
    with pytest.raises(ReadError, match="changed during the run") as caught:
        file.read()
    assert caught.value.reason_code == "changed-during-run"


def test_the_log_of_a_table_is_one_request_for_each_file(bucket: LoopbackBucket, tmp_path: Path) -> None:
    for number in range(5):
        bucket.put(f"t/_delta_log/{number}.json", b"{}")
    bucket.app.asked.clear()
    LogCopy(TableFolder("delta", "s3://corpus/t", bucket.stores), tmp_path, lambda: None).fetch("_delta_log")
    assert len(list(tmp_path.glob("_delta_log/*.json"))) == 5
    assert sorted(requests(bucket)) == [("GET", "bytes=0-1")] * 5
