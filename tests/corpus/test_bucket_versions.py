"""A bucket that keeps versions, read as it was at a moment."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.corpus.kept_server import KeptServer, kept_server
from tests.corpus.loopback_bucket import LoopbackBucket
from tests.pipeline.test_extract import scanned
from veritensor_ray.core.config import Settings
from veritensor_ray.core.errors import ReadError, StoreError, UsageError
from veritensor_ray.corpus import fetch, listing
from veritensor_ray.corpus.datasets.dataset_listing import Datasets
from veritensor_ray.corpus.datasets.descriptions import described
from veritensor_ray.corpus.listing import check_source, read_as_now, roots, walk
from veritensor_ray.corpus.planning import PlanRow
from veritensor_ray.corpus.tables.snapshot_listing import Tables, stored_etag, stored_version
from veritensor_ray.corpus.tables.table_kinds import DataFile, Snapshot
from veritensor_ray.pipeline.passages.reading_back import _entry

DAYS = {number: f"2026-11-0{number}T00:00:00" for number in range(1, 9)}
HISTORIES: dict[str, dict[int, str | None]] = {
    "a.txt": {1: "first", 3: "second", 5: "third"},
    "deleted.txt": {1: "gone", 2: None},
    "d/back.txt": {1: "before", 2: None, 4: "after"},
    "d/later.txt": {5: "much later"},
    "d/é €+%41.txt": {2: "odd", 6: "odder"},
    "went.txt": {5: "came", 6: None},
}
READ = {
    1: {"a.txt": "first", "d/back.txt": "before", "deleted.txt": "gone"},
    2: {"a.txt": "first", "d/é €+%41.txt": "odd"},
    3: {"a.txt": "second", "d/é €+%41.txt": "odd"},
    4: {"a.txt": "second", "d/back.txt": "after", "d/é €+%41.txt": "odd"},
    8: {"a.txt": "third", "d/back.txt": "after", "d/later.txt": "much later", "d/é €+%41.txt": "odder"},
}


@pytest.fixture(scope="module")
def server() -> Iterator[KeptServer]:
    with kept_server() as one:
        yield one


@pytest.fixture
def bucket(server: KeptServer) -> Iterator[LoopbackBucket]:
    with server.emptied() as one:
        yield one


@pytest.fixture
def history(bucket: LoopbackBucket) -> LoopbackBucket:
    bucket.keep_versions()
    for key, versions in HISTORIES.items():
        bucket.write(key, {DAYS[day]: text for day, text in versions.items()})
    return bucket


def read(bucket: LoopbackBucket, as_of: str) -> dict[str, str]:
    return {
        one.artifact: bucket.opened(one.artifact, as_of).file().read().decode() for one in bucket.listed(as_of=as_of) if one.status is None
    }


@pytest.mark.parametrize("day", READ)
def test_what_a_bucket_held(history: LoopbackBucket, day: int) -> None:
    assert read(history, DAYS[day]) == READ[day]
    later = {key for key, versions in HISTORIES.items() if min(versions) > day}
    found = {one.artifact: (one.status, one.reason_code) for one in history.listed(as_of=DAYS[day]) if one.status}
    assert found == dict.fromkeys(later, ("skipped", "not-in-snapshot"))


@pytest.mark.parametrize("page", [1, 3])
def test_versions_over_several_pages(bucket: LoopbackBucket, page: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", str(page))
    monkeypatch.setattr(listing, "_FULL_PAGE", page)
    bucket.keep_versions()
    bucket.write("a", {DAYS[day]: str(day) for day in (1, 2, 3, 4, 5)})
    bucket.write("b", {DAYS[day]: str(day) for day in (4, 5, 6)})
    bucket.write("c", {DAYS[1]: "1", DAYS[2]: None, DAYS[4]: "4"})
    bucket.write("d", {DAYS[2]: "2"})
    assert read(bucket, DAYS[3]) == {"a": "3", "d": "2"}
    assert [one.artifact for one in bucket.listed(as_of=DAYS[3]) if one.status] == ["b"]


SOURCES = [
    ("s3://corpus/d/back.txt", 1, {"back.txt": None}),
    ("s3://corpus/d/back.txt", 4, {"back.txt": None}),
    ("s3://corpus/d", 1, {"back.txt": None, "later.txt": "skipped", "é €+%41.txt": "skipped"}),
    ("s3://corpus/d/*.txt", 2, {"later.txt": "skipped", "é €+%41.txt": None}),
    ("s3://corpus/deleted.txt", 1, {"deleted.txt": None}),
    ("s3://corpus/d/later.txt", 1, {"later.txt": "skipped"}),
]


@pytest.mark.parametrize(("source", "day", "found"), SOURCES)
def test_sources_as_they_were(history: LoopbackBucket, source: str, day: int, found: dict[str, str | None]) -> None:
    assert {one.artifact: one.status for one in history.listed(source, DAYS[day])} == found


def test_a_plan_reads_exactly_the_version_that_it_names(history: LoopbackBucket, monkeypatch: pytest.MonkeyPatch) -> None:
    (one,) = (one for one in history.listed(as_of=DAYS[3]) if one.artifact == "a.txt")
    versions = history.client.list_object_versions(Bucket="corpus", Prefix="a.txt")["Versions"]
    assert (stored_etag(one.etag), stored_version(one.etag)) == (versions[1]["ETag"].strip('"'), versions[1]["VersionId"])
    (root,) = roots(["s3://corpus"], history.stores, as_of=DAYS[3])
    history.put("a.txt", b"after the plan")
    row = PlanRow(0, one.artifact, one.path, 0, one.size, one.etag, one.mtime)
    assert fetch.OpenArtifact(row, root, history.stores).file().read() == b"second"
    monkeypatch.setattr(fetch, "IN_MEMORY", 0)
    assert fetch.OpenArtifact(row, root, history.stores).file().read() == b"second"
    history.client.delete_object(Bucket="corpus", Key="a.txt", VersionId=stored_version(one.etag))
    with pytest.raises(ReadError, match="changed during the run: it no longer exists"):
        fetch.OpenArtifact(row, root, history.stores).file().read()


def test_an_audit_and_what_it_says_of_versions(history: LoopbackBucket) -> None:
    rows = {plan.artifact: (row["status"], plan.size) for plan, row in scanned("s3://corpus", stores=history.stores, as_of=DAYS[3])}
    assert rows == {"a.txt": ("scanned", 6), "d/é €+%41.txt": ("scanned", 3)}
    (root,) = roots(["s3://corpus"], history.stores, as_of=DAYS[3])
    check_source(root, history.stores)
    assert list(read_as_now([root], history.stores, DAYS[3])) == []


def test_what_was_written_before_versioning_was_enabled(bucket: LoopbackBucket) -> None:
    bucket.put("old.txt", b"old")
    bucket.keep_versions()
    assert [(one.artifact, stored_version(one.etag)) for one in bucket.listed(as_of="0s")] == [("old.txt", "null")]
    assert bucket.opened("old.txt", as_of="0s").file().read() == b"old"


def test_an_empty_version_is_empty(bucket: LoopbackBucket) -> None:
    bucket.keep_versions()
    bucket.write("a.txt", {DAYS[1]: "", DAYS[2]: "full"})
    assert bucket.opened("a.txt", DAYS[1]).file().read() == b""


def test_a_table_that_had_been_deleted_is_no_table(bucket: LoopbackBucket) -> None:
    bucket.keep_versions()
    bucket.write("t/_delta_log/0.json", {DAYS[2]: "{}", DAYS[4]: None})
    for day, starts in ((1, []), (2, ["t"]), (5, [])):
        (root,) = roots(["s3://corpus"], bucket.stores, as_of=DAYS[day])
        found = [one.artifact for one in listing._walk_store(root, bucket.stores, "") if isinstance(one, listing.TableStart)]
        assert found == starts, day


def test_the_card_of_a_dataset_is_that_of_the_moment(bucket: LoopbackBucket) -> None:
    bucket.keep_versions()
    card = "---\nconfigs:\n- config_name: {}\n  data_files: '*.jsonl'\n---\n"
    bucket.write("README.md", {DAYS[2]: card.format("old"), DAYS[4]: card.format("new")})
    bucket.write("data.jsonl", {DAYS[1]: "{}"})
    configs = {}
    for day in (1, 3, 5):
        (root,) = roots(["s3://corpus"], bucket.stores, as_of=DAYS[day])
        found = walk(root, bucket.stores, datasets=Datasets(described))
        configs[day] = {one.artifact: one.dataset and one.dataset.config for one in found if one.status is None}["data.jsonl"]
    assert configs == {1: None, 3: "old", 5: "new"}


def test_a_data_file_of_a_snapshot_was_there_whatever_the_clocks(bucket: LoopbackBucket) -> None:
    bucket.keep_versions()
    bucket.write("t/_delta_log/0.json", {DAYS[1]: "{}"})
    for name in ("named", "other"):
        bucket.write(f"t/{name}.parquet", {DAYS[3]: "1234", DAYS[5]: "other"})
    (root,) = roots(["s3://corpus/t"], bucket.stores, as_of=DAYS[2])
    tables = Tables(bucket.stores, lambda folder: Snapshot("0", {b"named.parquet": DataFile(4, b"view")}), DAYS[2])
    found = {one.artifact: (one.status, one.size) for one in walk(root, bucket.stores, tables=tables)}
    assert found == {"_delta_log/0.json": (None, 2), "named.parquet": (None, 4), "other.parquet": ("skipped", 4)}


def test_a_finding_in_a_version_is_read_back_from_it(history: LoopbackBucket) -> None:
    (one,) = (one for one in history.listed(as_of=DAYS[3]) if one.artifact == "a.txt")
    given = Settings(stores=history.stores)
    root, entry = _entry({"uri": "s3://corpus/a.txt", "artifact": "a.txt", "etag": one.etag}, given)
    assert (root.version, entry) == (stored_version(one.etag), one)


@pytest.mark.parametrize(("as_of", "said"), [(DAYS[1], ["s3://corpus is in a bucket that keeps no versions"]), ("12", []), (None, [])])
def test_a_bucket_without_versions_is_read_as_it_is(bucket: LoopbackBucket, as_of: str | None, said: list[str]) -> None:
    bucket.put("a.txt", b"now")
    starts = roots(["s3://corpus"], bucket.stores, as_of=as_of)
    assert [sentence.partition(", so --as-of")[0] for sentence in read_as_now(starts, bucket.stores, as_of)] == said
    assert [one.etag for one in walk(starts[0], bucket.stores)] == ["97bc592b27a9ada2d9a4bb418ed0ebed"]


def test_other_stores_have_no_past() -> None:
    (said,) = read_as_now([listing.Root("memory://corpus", "")], {}, DAYS[1])
    assert said.endswith("Only buckets of S3 are read as they were")


def test_refusals_say_what_is_missing(bucket: LoopbackBucket) -> None:
    bucket.keep_versions()
    with pytest.raises(StoreError, match="no version of it is known"):
        roots(["s3://corpus/nothing"], bucket.stores, as_of=DAYS[1])
    with pytest.raises(UsageError, match="as_of: a version such as 12, or a time"):
        roots(["s3://corpus"], bucket.stores, as_of="soon")
    bucket.app.shut = True
    with pytest.raises(StoreError, match="s3:GetBucketVersioning and s3:ListBucketVersions is required on s3://corpus"):
        roots(["s3://corpus"], bucket.stores, as_of=DAYS[1])
