"""Buckets as their stores have them: pages, odd keys, archives, charges, and stores that ask to slow down."""

from __future__ import annotations

from typing import Any

import pytest

from tests.corpus.loopback_bucket import LoopbackBucket
from tests.pipeline.test_extract import scanned
from veritensor_ray.core import retry
from veritensor_ray.core.errors import ReadError
from veritensor_ray.corpus import fetch, listing
from veritensor_ray.corpus.changed_since_audit import Compared, changes, of_ledger
from veritensor_ray.corpus.listing import check_source, roots, walk
from veritensor_ray.corpus.planning import PlanRow
from veritensor_ray.stores import folder_pages, patience


class Waits:
    """Time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.slept = list[float]()

    def monotonic(self) -> float:
        return sum(self.slept)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> Waits:
    made = Waits()
    monkeypatch.setattr(retry, "time", made)
    monkeypatch.setattr(patience, "time", made)
    return made


KEYS = [
    "/top.txt",
    "//top.txt",
    "/d/in.txt",
    "a.txt",
    "b//c.txt",
    "b/c.txt",
    "b/d/e.txt",
    "b-/c.txt",
    "é €.txt",
    "plus+%41",
    "z/1",
    "z/2",
    "z/3",
    "z/4",
    "z/y/5",
]


@pytest.mark.parametrize("page", [2, 1000])
def test_every_key_once_whatever_the_pages(bucket: LoopbackBucket, page: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", str(page))
    monkeypatch.setattr(listing, "_FULL_PAGE", page)
    for key in KEYS:
        bucket.put(key, key.encode())
    bucket.put("z/", b"")  # what some programs write for a folder
    found = bucket.listed()
    assert sorted(one.artifact for one in found) == sorted(KEYS)
    assert {one.status for one in found} == {None}
    assert [one.artifact for one in found if one.artifact.startswith("z/")] == ["z/1", "z/2", "z/3", "z/4", "z/y/5"]
    assert [one.artifact for one in bucket.listed("s3://corpus/b")] == ["c.txt", "/c.txt", "d/e.txt"]
    assert all(bucket.opened(key).file().read() == key.encode() for key in KEYS[:4])


def test_the_log_of_a_table_may_come_on_a_later_page(bucket: LoopbackBucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "2")
    monkeypatch.setattr(listing, "_FULL_PAGE", 2)
    for key in ("t/0.parquet", "t/1.parquet", "t/2.parquet", "t/_delta_log/0.json", "u/0.parquet"):
        bucket.put(key)
    (root,) = roots(["s3://corpus"], bucket.stores)
    found = [one for one in listing._walk_store(root, bucket.stores, "") if isinstance(one, listing.TableStart)]
    assert [(one.artifact, one.uri) for one in found] == [("t", "s3://corpus/t")]


def test_a_prefix_that_breaks_off_is_an_entry_beside_what_came_before(
    bucket: LoopbackBucket, monkeypatch: pytest.MonkeyPatch, waits: Waits
) -> None:
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "2")
    for number in range(6):
        bucket.put(f"k{number}")
    (root,) = roots(["s3://corpus"], bucket.stores)
    found = walk(root, bucket.stores)
    first = [next(found) for _ in range(2)]
    bucket.app.slow = 99
    (broken,) = [one for one in found if one.status is not None]
    assert [one.artifact for one in first] == ["k0", "k1"]
    assert (broken.artifact, broken.status, broken.reason_code) == (".", "unlisted", "store-failed")
    assert broken.reason is not None and "asked to slow down, and did so again after several pauses" in broken.reason
    assert waits.slept == [7.0] * 5, "as long as the store asks, and then no more"


def test_a_store_that_asks_to_slow_down_is_asked_again(bucket: LoopbackBucket, waits: Waits) -> None:
    bucket.put("a.txt", b"hello")
    bucket.app.slow = 1
    assert [one.artifact for one in bucket.listed()] == ["a.txt"]
    artifact = bucket.opened("a.txt")
    assert artifact.file().read() == b"hello"
    assert waits.slept == [7.0]


def test_a_read_that_is_slowed_down_goes_on_where_it_was(bucket: LoopbackBucket, waits: Waits, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "IN_MEMORY", 0)
    bucket.put("a.txt", b"hello, world")
    file = bucket.opened("a.txt").file()
    bucket.app.slow = 2
    assert (file.read(5), file.read()) == (b"hello", b", world")
    assert waits.slept == [7.0, 7.0]


def test_what_fails_while_it_is_read_is_the_store_and_no_damage(
    bucket: LoopbackBucket, waits: Waits, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch, "IN_MEMORY", 0)
    bucket.put("a.txt", b"hello")
    file = bucket.opened("a.txt").file()
    bucket.app.slow = 99
    with pytest.raises(ReadError, match="asked to slow down") as caught:
        file.read()
    assert caught.value.reason_code == "store-failed"


@pytest.mark.parametrize(
    ("said", "code", "words"),
    [("ExpiredToken", "permission", "the credentials have expired"), ("Odd", "store-failed", r"An error occurred \(Odd\)")],
)
def test_a_refusal_without_a_reason_is_asked_for_one(bucket: LoopbackBucket, said: str, code: str, words: str) -> None:
    bucket.put("a/b.txt")
    (root,) = roots(["s3://corpus"], bucket.stores)
    (one,) = walk(root, bucket.stores)
    bucket.app.bad = said
    with pytest.raises(ReadError, match=words) as caught:
        fetch.OpenArtifact(PlanRow(0, one.artifact, one.path, 0, one.size, one.etag, one.mtime), root, bucket.stores)
    assert caught.value.reason_code == code


ARCHIVES = [
    ("STANDARD", {}, None),
    ("GLACIER_IR", {}, None),  # archives of this kind are read like others
    ("INTELLIGENT_TIERING", {}, None),
    ("GLACIER", {}, "archived"),
    ("DEEP_ARCHIVE", {}, "archived"),
    ("GLACIER", {"IsRestoreInProgress": True}, "archived"),
    ("GLACIER", {"IsRestoreInProgress": False, "RestoreExpiryDate": "2026-12-24"}, None),
]


@pytest.mark.parametrize(("kind", "restored", "code"), ARCHIVES)
def test_archives_that_the_listing_names(kind: str, restored: dict[str, Any], code: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder_pages, "_is_aws", lambda _: True)
    entry = {"name": "corpus/a", "type": "file", "size": 1, "StorageClass": kind, "RestoreStatus": restored}
    deeper = list[str]()
    (found,) = listing._store_page(None, "corpus", [entry], 7, deeper)
    assert (found.reason_code, found.status, deeper) == (code, code and "skipped", [])
    assert code is None or "Restore it" in str(found.reason)


@pytest.mark.parametrize("is_listed", [True, False])
def test_archives_are_skipped_and_no_error(bucket: LoopbackBucket, is_listed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the listing has them, or as the store says when they are read; what was restored is read."""
    monkeypatch.setattr(folder_pages, "_is_aws", lambda _: is_listed)
    for name, kind in (("a", "GLACIER"), ("b", "DEEP_ARCHIVE"), ("c", "STANDARD"), ("d", "GLACIER")):
        bucket.put(f"{name}.txt", StorageClass=kind)
    bucket.client.restore_object(Bucket="corpus", Key="d.txt", RestoreRequest={"Days": 1})
    (root,) = roots(["s3://corpus"], bucket.stores)
    check_source(root, bucket.stores)  # the first that it meets is archived
    planned = {one.artifact: (one.status, one.reason_code) for one in walk(root, bucket.stores) if one.status}
    read = {plan.artifact: (row["status"], row["reason_code"]) for plan, row in scanned("s3://corpus", stores=bucket.stores)}
    archived = {"a.txt": ("skipped", "archived"), "b.txt": ("skipped", "archived")}
    if is_listed:
        assert (planned, read) == (archived | {"d.txt": ("skipped", "archived")}, {"c.txt": ("scanned", None)}), "moto lists no restores"
    else:
        assert (planned, read) == ({}, archived | {"c.txt": ("scanned", None), "d.txt": ("scanned", None)})


def test_what_was_restored_since_an_audit_is_a_change() -> None:
    row = {"artifact": "a", "size": 1, "etag": "e", "mtime": 1.0, "reason_code": "archived"}
    now = Compared("a", 1, "e", 1.0, wanted=True)
    assert changes(of_ledger([row]), [now]).counts == {"changed": 1}
    assert changes(of_ledger([row]), [Compared("a", 1, "e", 1.0, wanted=False)]).counts == {}
    assert changes(of_ledger([row | {"reason_code": None}]), [now]).counts == {}


@pytest.mark.parametrize("pays", [True, False])
def test_who_pays_for_requests(bucket: LoopbackBucket, pays: bool) -> None:
    """Every request says so, or none."""
    bucket.put("a/b.txt", b"hello")
    bucket.stores = {"s3://": bucket.store.model_copy(update={"requester_pays": pays})}
    bucket.app.payers.clear()
    assert bucket.opened("a/b.txt").file().read() == b"hello"
    assert len(bucket.app.payers) > 2
    assert set(bucket.app.payers) == {"requester" if pays else None}
