"""Measure what it takes to plan a corpus of many objects that an S3 inventory lists. No store is involved.

python -m bench.listing [--rows 1000000] [--format Parquet|CSV|ORC] [--profile]
python -m bench.listing --read 1000

The inventory is written first, by another process. What is measured is the process that plans: the CPU time of all its threads, and
its peak memory.

With --read, so many small objects are read from a server on loopback (moto's, in another process): as fsspec alone would read them, as
an audit does, and by obstore if it is installed.
"""

from __future__ import annotations

import argparse
import cProfile
import importlib
import json
import multiprocessing
import os
import pstats
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
from fsspec.implementations.local import LocalFileSystem
from pyarrow import orc

from veritensor_ray.core.config import Settings
from veritensor_ray.corpus import bucket_inventory, listing
from veritensor_ray.corpus.fetch import OpenArtifact
from veritensor_ray.corpus.planning import PlanRow, plan_rows, write_plan
from veritensor_ray.stores.filesystems import filesystem

_FILE = 500_000  # rows of each file of the inventory
_CSV = "Bucket, Key, Size, LastModifiedDate, ETag, StorageClass"
_ORC = "struct<bucket:string,key:string,size:bigint,last_modified_date:timestamp,e_tag:string,storage_class:string>"
_PARQUET = (
    "message s3.inventory { required binary bucket (UTF8); required binary key (UTF8); optional int64 size; "
    "optional int64 last_modified_date (TIMESTAMP_MILLIS); optional binary e_tag (UTF8); optional binary storage_class (UTF8); }"
)
_SCHEMAS = {"CSV": _CSV, "ORC": _ORC, "Parquet": _PARQUET}


def part(start: int, end: int) -> pa.Table:
    """Return the rows of one file: objects in a thousand folders, in no order."""
    mixed = np.arange(start, end, dtype=np.int64) * 2_654_435_761 % (1 << 32)
    types = ("json", "txt", "pdf", "parquet")
    keys = [f"team-{one % 40:02}/2026/11/batch-{one // 40 % 25:03}/document-{one:010}.{types[one % 4]}" for one in mixed.tolist()]
    count = len(keys)
    return pa.table(
        {
            "bucket": ["corpus"] * count,
            "key": keys,
            "size": mixed % 200_000,
            "last_modified_date": pa.array([datetime(2026, 11, 1, tzinfo=UTC)] * count, pa.timestamp("ms", "UTC")),
            "e_tag": [f"{one:032x}" for one in mixed.tolist()],
            "storage_class": ["STANDARD"] * count,
        }
    )


def write(folder: str, rows: int, kind: str) -> None:
    """Write an inventory."""
    files = list[dict[str, Any]]()
    for start in range(0, rows, _FILE):
        path, table = Path(folder) / f"{start:09}", part(start, min(rows, start + _FILE))
        if kind == "CSV":
            with pa.CompressedOutputStream(str(path), "gzip") as out:
                pacsv.write_csv(table, out, pacsv.WriteOptions(include_header=False))
        elif kind == "ORC":
            orc.write_table(table, str(path), compression="zlib")
        else:
            pq.write_table(table, path)
        files.append({"key": path.name, "size": path.stat().st_size, "MD5checksum": None})
    about = {"sourceBucket": "corpus", "fileFormat": kind, "fileSchema": _SCHEMAS[kind], "files": files}
    (Path(folder) / "manifest.json").write_text(json.dumps(about))


class FolderAsBucket(LocalFileSystem):  # type: ignore[misc]
    """A folder that takes the place of all buckets."""

    folder = ""

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        name = str(path).removeprefix("s3://")
        return name if name.startswith("/") else f"{cls.folder}/{name.partition('/')[2]}".rstrip("/")


def planned(folder: str, profile: bool) -> None:
    """Plan the corpus, and print what it took."""
    FolderAsBucket.folder = folder
    here = FolderAsBucket()
    setattr(bucket_inventory, "filesystem", lambda uri, _: (here, here._strip_protocol(uri)))  # noqa: B010  # mypy lets nobody else do so
    setattr(listing, "filesystem", lambda uri, _: (here, uri.removeprefix("s3://")))  # noqa: B010
    settings = Settings(sources=["s3://corpus"], inventory=["s3://reports/manifest.json"])
    before, began = time.process_time(), time.perf_counter()
    profiler = cProfile.Profile()
    if profile:
        profiler.enable()
    with tempfile.TemporaryFile() as file:
        totals = write_plan(plan_rows(settings, ["pii", "injection"], lambda *_: []), file)
        size = file.tell()
    profiler.disable()
    cpu, wall = time.process_time() - before, time.perf_counter() - began
    print(f"{totals['artifacts']:,} objects in {totals['shards']:,} shards; the plan has {size:,} bytes")
    print(f"{cpu:.0f} s of CPU time, {wall:.0f} s in all; {cpu / totals['artifacts'] * 1e6:.1f} µs for each object")
    print(f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} MB at most")
    if profile:
        pstats.Stats(profiler).sort_stats("tottime").print_stats(25)


def served(pipe: Connection) -> None:
    """Serve buckets, and send the address, until something is received."""
    from tests.corpus.emulators import S3App, s3_server

    with s3_server(S3App()) as endpoint:
        pipe.send(endpoint)
        pipe.recv()


def read(endpoint: str, count: int) -> None:
    """Read small objects in each way, twice, and print the CPU time of this process for each object."""
    from tests.corpus.emulators import S3App
    from tests.corpus.loopback_bucket import LoopbackBucket

    os.environ["TEST_KEY"] = "k"
    bucket = LoopbackBucket(S3App(), endpoint)
    for number in range(count):
        bucket.put(f"{number}.txt", b"x" * 2000)
    (root,) = listing.roots(["s3://corpus"], bucket.stores)
    entries = list(listing.walk(root, bucket.stores))
    fs, _ = filesystem(root.uri, bucket.stores)

    def alone() -> Iterator[bytes]:
        for one in entries:
            with fs.open(os.fsdecode(one.path), "rb") as file:
                yield file.read(2000)

    def audited() -> Iterator[bytes]:
        for one in entries:
            row = PlanRow(0, one.artifact, one.path, 0, one.size, one.etag, one.mtime)
            with closing(OpenArtifact(row, root, bucket.stores)) as artifact:
                yield artifact.file().read()

    ways = {"fsspec": alone, "audit": audited} | _by_obstore(endpoint, [one.artifact for one in entries])
    for name, way in (*ways.items(), *ways.items()):
        before = time.process_time()
        assert sum(map(len, way())) == 2000 * count
        print(f"{name:8} {(time.process_time() - before) / count * 1e6:6.0f} µs for each object")


def _by_obstore(endpoint: str, names: list[str]) -> dict[str, Callable[[], Iterator[bytes]]]:
    try:
        stores: Any = importlib.import_module("obstore.store")
    except ImportError:
        return {}
    options = {"endpoint": endpoint, "region": "us-east-1", "access_key_id": "k", "secret_access_key": "k"}
    store = stores.S3Store("corpus", **options, virtual_hosted_style_request=False, client_options={"allow_http": True})
    return {"obstore": lambda: (bytes(store.get(name).bytes()) for name in names)}


def main() -> None:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--format", choices=sorted(_SCHEMAS), default="Parquet")
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--read", type=int, default=0)
    given = parser.parse_args()
    if given.read:
        here, there = multiprocessing.Pipe()
        server = multiprocessing.get_context("spawn").Process(target=served, args=(there,))
        server.start()
        try:
            read(here.recv(), given.read)
        finally:
            here.send("end")
            server.join()
        return
    with tempfile.TemporaryDirectory() as folder:
        processes = multiprocessing.get_context("spawn")
        for target, arguments in ((write, (folder, given.rows, given.format)), (planned, (folder, given.profile))):
            process = processes.Process(target=target, args=arguments)
            process.start()
            process.join()


if __name__ == "__main__":
    main()
