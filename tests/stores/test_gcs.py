"""Objects of Google Cloud Storage through its library, from a stub of the protocol on loopback: listing and reading, no more."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.corpus.emulators import GcsStub, objects_server
from veritensor_ray.core.config import Store
from veritensor_ray.core.errors import ReadError, StoreError
from veritensor_ray.corpus.fetch import OpenArtifact
from veritensor_ray.corpus.listing import Listed, Root, roots, walk
from veritensor_ray.corpus.planning import PlanRow
from veritensor_ray.stores.filesystems import Stores

OBJECTS = {"a.txt": b"hello", "d/b c+%.txt": b"in a folder", "d/e/é.txt": b""}


@pytest.fixture
def stores(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stores]:
    """How to reach a bucket with objects, by an endpoint that speaks nothing but HTTP."""
    monkeypatch.setattr(GcsStub, "shut", False)
    with objects_server(GcsStub) as (endpoint, objects):
        objects.update({name: (data, "e1") for name, data in OBJECTS.items()})
        yield {"gs://": Store(endpoint=endpoint, anonymous=True)}


def read(one: Listed, root: Root, stores: Stores) -> bytes:
    return OpenArtifact(PlanRow(0, one.artifact, one.path, 0, one.size, one.etag, one.mtime), root, stores).file().read()


def test_what_a_bucket_has_is_listed_and_read(stores: Stores) -> None:
    (root,) = roots(["gs://corpus"], stores)
    found = list(walk(root, stores))
    assert [(one.artifact, one.size, one.status) for one in found] == [(name, len(data), None) for name, data in OBJECTS.items()]
    assert all(one.mtime is not None for one in found)
    assert [read(one, root, stores) for one in found] == list(OBJECTS.values())
    assert [one.artifact for part in roots(["gs://corpus/d"], stores) for one in walk(part, stores)] == ["b c+%.txt", "e/é.txt"]


def test_a_missing_permission_is_named(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(GcsStub, "shut", True)
    with pytest.raises(StoreError, match="cannot list gs://corpus: its account needs the role Storage Object Viewer"):
        roots(["gs://corpus"], stores)


def test_an_object_that_is_gone(stores: Stores) -> None:
    (root,) = roots(["gs://corpus"], stores)
    with pytest.raises(ReadError, match="it no longer exists"):
        read(Listed("gone.txt", b"corpus/gone.txt", 5, "e1", None), root, stores)
