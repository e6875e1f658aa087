"""Listing a bucket from its inventory: the same entries in the same order as the store lists, in every format, and what inventories may lack."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.corpus.inventories import MANIFEST, delivered, row
from tests.corpus.kept_server import KeptServer, kept_server
from tests.corpus.loopback_bucket import LoopbackBucket
from tests.corpus.test_buckets import KEYS
from tests.pipeline.test_extract import scanned
from veritensor_ray.core.config import Settings
from veritensor_ray.core.errors import StoreError, UsageError
from veritensor_ray.corpus import bucket_inventory, listing
from veritensor_ray.corpus.listing import Listed, check_inventories, check_source, roots, walk
from veritensor_ray.pipeline.machine_report import examine

NAMED = f"s3://reports/{MANIFEST}"


@pytest.fixture(scope="module")
def server() -> Iterator[KeptServer]:
    with kept_server() as one:
        yield one


@pytest.fixture
def bucket(server: KeptServer) -> Iterator[LoopbackBucket]:
    with server.emptied() as one:
        yield one


@pytest.fixture
def reports(bucket: LoopbackBucket) -> LoopbackBucket:
    """A bucket beside the one for the inventories of it."""
    bucket.client.create_bucket(Bucket="reports")
    return bucket


def deliver(bucket: LoopbackBucket, *files: list[dict[str, Any]], kind: str = "CSV", **changes: Any) -> None:
    delivered(lambda key, data: bucket.client.put_object(Bucket="reports", Key=key, Body=data), files, kind, changes)


def inventoried(bucket: LoopbackBucket, source: str = "s3://corpus", **options: Any) -> list[Listed]:
    return [one for root in roots([source], bucket.stores, [NAMED]) for one in walk(root, bucket.stores, **options)]


def told(bucket: LoopbackBucket) -> str:
    """Why the corpus is not listed."""
    (one,) = inventoried(bucket)
    assert (one.artifact, one.status, one.reason_code) == (".", "unlisted", "store-failed")
    return str(one.reason)


@pytest.mark.parametrize("kind", ["CSV", "Parquet", "ORC"])
def test_the_same_entries_in_the_same_order_as_the_store_lists(reports: LoopbackBucket, kind: str) -> None:
    keys = [*KEYS, "plus+and space", "100%", 'a"quoted",key']
    for key in keys:
        reports.put(key, key.encode())
    listed = {one["Key"]: one for one in reports.client.list_objects_v2(Bucket="corpus")["Contents"]}
    rows = [row(key, one["Size"], e_tag=one["ETag"].strip('"'), last_modified_date=one["LastModified"]) for key, one in listed.items()]
    deliver(reports, rows[::-2], [*rows[-2::-2], row("z/", 0)], kind=kind)
    assert inventoried(reports) == reports.listed()
    assert inventoried(reports, "s3://corpus/z") == reports.listed("s3://corpus/z")
    assert inventoried(reports, "s3://corpus/*.txt") == reports.listed("s3://corpus/*.txt")
    read = scanned("s3://corpus/b", stores=reports.stores, inventory=[NAMED])
    assert {plan.artifact: found["status"] for plan, found in read} == {"c.txt": "scanned", "/c.txt": "scanned", "d/e.txt": "scanned"}


@pytest.mark.parametrize("kind", ["CSV", "Parquet", "ORC"])
def test_versions_markers_and_archives(reports: LoopbackBucket, kind: str) -> None:
    rows = [
        row("a", version_id="2"),
        row("a", version_id="1", is_latest=False),
        row("gone", version_id="3", is_delete_marker=True, size=None),
        row("gone", version_id="2", is_latest=False),
        row("glacier", storage_class="GLACIER"),
        row("instant", storage_class="GLACIER_IR"),
        row("tiered", storage_class="INTELLIGENT_TIERING", intelligent_tiering_access_tier="DEEP_ARCHIVE_ACCESS"),
        row("warm", storage_class="INTELLIGENT_TIERING", intelligent_tiering_access_tier="FREQUENT_ACCESS"),
    ]
    deliver(reports, rows, kind=kind)
    found = {one.artifact: one.reason_code for one in inventoried(reports)}
    assert found == {"a": None, "glacier": "archived", "instant": None, "tiered": "archived", "warm": None}


def test_what_is_gone_or_changed_since_is_a_row(reports: LoopbackBucket) -> None:
    reports.put("changed", b"other!")
    reports.put("same", b"hello")
    deliver(reports, [row("changed"), row("gone"), row("same")])
    read = {plan.artifact: (found["status"], found["reason"], found["reason_code"]) for plan, found in scanned("s3://corpus", stores=reports.stores, inventory=[NAMED])}  # fmt: skip
    assert read == {
        "same": ("scanned", None, None),
        "changed": ("unreadable", "changed since its inventory", "changed-during-run"),
        "gone": ("unreadable", "changed since its inventory: it no longer exists", "changed-during-run"),
    }


def test_tables_and_the_own_output(reports: LoopbackBucket) -> None:
    keys = ["t/_delta_log/0.json", "t/p=1/a.parquet", "u/a.parquet", "out/run.json", "out/findings/a.parquet", "v/metadata/a.txt"]
    deliver(reports, [row(key) for key in keys])
    (root,) = roots(["s3://corpus"], reports.stores, [NAMED])
    found = list(listing._walk_inventory(root, NAMED, reports.stores, "s3://corpus/out"))
    assert [(one.artifact, type(one).__name__, getattr(one, "reason_code", None)) for one in found] == [
        ("out", "Listed", "own-output"),
        ("t", "TableStart", None),
        ("t/_delta_log/0.json", "Listed", None),
        ("t/p=1/a.parquet", "Listed", None),
        ("u/a.parquet", "Listed", None),
        ("v/metadata/a.txt", "Listed", None),
    ]


@pytest.mark.parametrize(("output", "own"), [("s3://corpus/run", ["run"]), ("s3://results/run", []), ("s3://results/corpus/run", [])])
def test_only_the_own_output_is_left_out(reports: LoopbackBucket, output: str, own: list[str]) -> None:
    deliver(reports, [row("run/a"), row("results/run/b"), row("results/corpus/run/c")])
    found = inventoried(reports, own_output=output)
    assert [one.artifact for one in found if one.reason_code] == own
    assert len(found) == 3


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("s3://corpus/data/a.txt", [("a.txt", None)]),
        ("s3://corpus/data", [("a.txt", None), ("a.txt.gz", None)]),
        ("s3://corpus/dta", [(".", "not-found")]),
        ("s3://corpus/dta/*.txt", [(".", "not-found")]),
    ],
)
def test_a_single_object_and_a_name_that_does_not_exist(
    reports: LoopbackBucket, source: str, expected: list[tuple[str, str | None]]
) -> None:
    reports.put("data/a.txt")
    deliver(reports, [row("data/a.txt"), row("data/a.txt.gz")])
    found = inventoried(reports, source)
    assert [(one.artifact, one.reason_code) for one in found] == expected


def test_an_inventory_of_an_empty_bucket_is_no_error(reports: LoopbackBucket) -> None:
    deliver(reports)
    assert inventoried(reports) == []


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Tokyo"])
def test_times_do_not_depend_on_the_zone_of_the_machine(reports: LoopbackBucket, zone: str) -> None:
    """In a process of its own: a zone is looked up once."""
    deliver(reports, [row("a")], kind="Parquet")
    code = f"""
from veritensor_ray.core.config import Store
from veritensor_ray.corpus.listing import roots, walk
store = {{"s3://": Store(endpoint={reports.endpoint!r}, region="us-east-1", path_style=True, key="env:TEST_KEY", secret="env:TEST_KEY")}}
(root,) = roots(["s3://corpus"], store, [{NAMED!r}])
print([one.mtime for one in walk(root, store)])
"""
    done = subprocess.run([sys.executable, "-c", code], env=os.environ | {"TZ": zone}, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == f"[{datetime(2026, 11, 1, tzinfo=UTC).timestamp()}]"


def test_a_full_disk_is_no_damage(reports: LoopbackBucket, monkeypatch: pytest.MonkeyPatch) -> None:
    deliver(reports, [row(f"{number:05}{'x' * 200}") for number in range(60_000)], kind="Parquet")
    small = {"memory_limit": "20MB", "max_temp_directory_size": "1MB"}
    monkeypatch.setattr(bucket_inventory, "_SQL", bucket_inventory._SQL | small)
    reason = told(reports)
    assert "cannot be sorted in " in reason and "Make room there" in reason and "damaged" not in reason


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"fileFormat": "XLS"}, "has the format 'XLS', but only CSV, Parquet, ORC are known"),
        ({"fileSchema": "Bucket, Key"}, "lacks the field size. Add it to the inventory's configuration"),
        ({"files": 5}, "is not the manifest.json of an S3 inventory"),
        ({"files": [{"key": "no"}]}, "is not the manifest.json of an S3 inventory"),
        ({"fileSchema": None}, "is not the manifest.json of an S3 inventory"),
    ],
)
def test_a_manifest_that_is_none(reports: LoopbackBucket, changes: dict[str, Any], words: str) -> None:
    deliver(reports, [row("a")], **changes)
    with pytest.raises(StoreError, match=words):
        inventoried(reports)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (None, "is missing or cannot be read: .*does not exist"),
        (b"hello", "its size or its MD5 differ"),
    ],
)
def test_a_file_that_is_not_what_the_manifest_names(reports: LoopbackBucket, data: bytes | None, words: str) -> None:
    deliver(reports, [row("a")])
    place = {"Bucket": "reports", "Key": "daily/corpus/all/data/0.csv"}
    reports.client.delete_object(**place) if data is None else reports.client.put_object(**place, Body=data)
    assert re.search(words, told(reports))


@pytest.mark.parametrize("kind", ["CSV", "Parquet", "ORC"])
@pytest.mark.parametrize("data", [b"", b"\x1f\x8b\x08no", b"PAR1no", b"ORCno", b'"a","b"\n'])
def test_a_damaged_file(reports: LoopbackBucket, kind: str, data: bytes) -> None:
    named = {"key": "daily/x", "size": len(data), "MD5checksum": None}
    reports.client.put_object(Bucket="reports", Key="daily/x", Body=data)
    deliver(reports, kind=kind, files=[named])
    assert "the file daily/x of the inventory" in told(reports) and "is damaged" in told(reports)


def test_which_inventory_is_of_which_source(reports: LoopbackBucket, tmp_path: Any) -> None:
    deliver(reports, [row("a")], sourceBucket="another")
    (root,) = starts = roots(["s3://corpus"], reports.stores, [NAMED])
    assert root.inventory is None
    with pytest.raises(UsageError, match="no source is in the bucket of the inventory s3://reports"):
        check_inventories(starts, [NAMED])
    assert roots([str(tmp_path)], {}, [NAMED])[0].inventory is None, "nobody asks the store for a local source"
    deliver(reports, [row("a")])
    (root,) = roots(["s3://corpus/x"], reports.stores, [NAMED])
    check_source(root, reports.stores)
    check_inventories([root], [NAMED])
    reports.client.copy_object(Bucket="reports", Key="again.json", CopySource=f"reports/{MANIFEST}")
    with pytest.raises(UsageError, match=r"are inventories of the same bucket, corpus\. Name one of them"):
        roots(["s3://corpus"], reports.stores, [NAMED, "s3://reports/again.json"])


def test_a_machine_tells_of_an_inventory_that_is_not_used(reports: LoopbackBucket, tmp_path: Any) -> None:
    deliver(reports, [row("a")])
    settings = Settings(
        sources=["s3://corpus"], output=str(tmp_path / "out"), inventory=[NAMED], stores=reports.stores, engines=["structure"]
    )
    assert examine(settings, scans=False).problems == ()
    deliver(reports, [row("a")], sourceBucket="another")
    (problem,) = examine(settings, scans=False).problems
    assert "no source is in the bucket of the inventory" in problem
