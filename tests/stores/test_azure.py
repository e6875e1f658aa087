"""Blobs of Azure through its library, from a stub of the protocol on loopback: listing and reading, no more."""

from __future__ import annotations

from collections.abc import Iterator

import fsspec
import pytest

from tests.corpus.emulators import AzureStub, objects_server
from veritensor_ray.core.errors import ReadError, StoreError
from veritensor_ray.corpus.fetch import OpenArtifact
from veritensor_ray.corpus.listing import Listed, Root, roots, walk
from veritensor_ray.corpus.planning import PlanRow

OBJECTS = {"a.txt": b"hello", "d/b c+%.txt": b"in a folder", "d/e/é.txt": b"", "archived.txt": b"cold"}
ORDER = ["a.txt", "archived.txt", "d/b c+%.txt", "d/e/é.txt"]


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A container with blobs."""
    monkeypatch.setattr(AzureStub, "shut", False)
    with objects_server(AzureStub) as (endpoint, objects):
        objects.update({name: (data, "e1") for name, data in OBJECTS.items()})
        text = f"DefaultEndpointsProtocol=http;AccountName=a;AccountKey=a2V5;BlobEndpoint={endpoint}/a;"
        monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", text)
        fsspec.get_filesystem_class("abfs").clear_instance_cache()
        yield


def read(one: Listed, root: Root) -> bytes:
    return OpenArtifact(PlanRow(0, one.artifact, one.path, 0, one.size, one.etag, one.mtime), root, {}).file().read()


pytestmark = pytest.mark.usefixtures("stub")


def test_what_a_container_has_is_listed_and_read() -> None:
    (root,) = roots(["abfs://corpus"], {})
    found = list(walk(root, {}))
    assert [(one.artifact, one.size, one.status) for one in found] == [(name, len(OBJECTS[name]), None) for name in ORDER]
    assert all(one.mtime is not None for one in found)
    kept = [one for one in found if one.artifact != "archived.txt"]
    assert [read(one, root) for one in kept] == [OBJECTS[one.artifact] for one in kept]
    assert [one.artifact for part in roots(["abfs://corpus/d"], {}) for one in walk(part, {})] == ["b c+%.txt", "e/é.txt"]


def test_a_blob_in_the_archive_tier_is_archived() -> None:
    (root,) = roots(["abfs://corpus/archived.txt"], {})
    (one,) = walk(root, {})
    with pytest.raises(ReadError, match=r"it is archived\. Restore it in its store") as caught:
        read(one, root)
    assert caught.value.reason_code == "archived"


def test_a_missing_permission_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(AzureStub, "shut", True)
    with pytest.raises(StoreError, match="cannot list abfs://corpus: its account needs the role Storage Blob Data Reader"):
        roots(["abfs://corpus"], {})


def test_a_blob_that_is_gone() -> None:
    (root,) = roots(["abfs://corpus"], {})
    with pytest.raises(ReadError, match="it no longer exists"):
        read(Listed("gone.txt", b"corpus/gone.txt", 5, "e1", None), root)
