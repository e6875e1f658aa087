"""A bucket of S3 as it was at a moment: of each object the version that was the latest one then.

It answers like a filesystem of fsspec as far as a listing asks. An entry of it has a `VersionId`; one with `later` is an object that has no
version as old as the moment, and describes its oldest one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from functools import partial
from typing import Any, BinaryIO

from veritensor_ray.core.errors import StoreError
from veritensor_ray.stores.bucket_objects import pinned
from veritensor_ray.stores.filesystems import denied
from veritensor_ray.stores.folder_pages import Page, page_of
from veritensor_ray.stores.patience import patient

_MARK = "+version:"  # in an ETag, before the ID of a version
LISTING = "list the versions of"
Entry = Mapping[str, Any]


def with_version(etag: str | None, version: str | None) -> str | None:
    """Return an ETag that also names the version of an object."""
    return f"{etag or ''}{_MARK}{version}" if version else etag


def without_version(etag: str) -> tuple[str, str | None]:
    """Return an ETag as its store gives it, and the version that it names beside that."""
    plain, found, version = etag.partition(_MARK)
    return plain, version if found else None


def keeps_versions(fs: Any, uri: str) -> bool:
    """Return whether a bucket keeps the versions of its objects, or did so for a time. Raises StoreError."""
    try:
        bucket = fs._strip_protocol(uri).partition("/")[0]
        return "Status" in patient(partial(fs.call_s3, "get_bucket_versioning", Bucket=bucket))
    except Exception as error:  # noqa: BLE001  # every store raises its own kind
        raise StoreError(denied(uri, LISTING, error)) from None


def version_of(fs: Any, path: str, version: str) -> Entry:
    """Return one version of an object. Raises the errors of the store's library."""
    bucket, _, key = path.partition("/")
    said: dict[str, Any] = fs.call_s3("head_object", Bucket=bucket, Key=key, VersionId=version)
    return said | {"name": path, "type": "file", "size": said["ContentLength"], "VersionId": version, "later": False}


class BucketAsOf:
    """A bucket as it was at a moment."""

    def __init__(self, fs: Any, moment: float) -> None:
        self._fs, self._moment = fs, moment

    def pages(self, folder: str) -> Iterator[Page]:
        """Yield the entries of a folder, page by page. Raises the errors of the store's library."""
        bucket, slash, key = folder.partition("/")
        yield from self._pages(bucket, f"{key}/" if slash else "", "/")

    def ls(self, folder: str, detail: bool = False) -> list[str]:
        """Return the names of what was in a folder."""
        bucket, _, key = folder.partition("/")
        pages = self._pages(bucket, f"{key}/", "/", _at_once)
        return [one["name"] for page in pages for one in page if not one.get("later")]

    def exists(self, path: str) -> bool:
        """Return whether there was an object of this name, or one in a folder of this name."""
        bucket, _, key = path.partition("/")
        own = self._object(bucket, key)
        if own is not None and not own["later"]:
            return True
        return any(not one["later"] for page in self._pages(bucket, f"{key}/", "", _at_once) for one in page)

    def info(self, path: str) -> Entry:
        """Return an object, also one that came later, or say that a path is a folder. Raises FileNotFoundError."""
        bucket, _, key = path.partition("/")
        own = self._object(bucket, key) if key else None
        if own is not None and not own["later"]:
            return own
        if next((True for page in self._pages(bucket, f"{key}/" if key else "", "/", _at_once) if page), False) or not key:
            return {"name": path, "type": "directory"}
        if own is None:
            raise FileNotFoundError(path)
        return own

    def opened(self, path: str) -> BinaryIO:
        """Open an object. Raises FileNotFoundError."""
        found = self.info(path)
        if found["type"] != "file" or found["later"]:
            raise FileNotFoundError(path)
        return pinned(self._fs, path, found["size"], found["ETag"].strip('"'), found["VersionId"])

    def _object(self, bucket: str, key: str) -> Entry | None:
        """Return the object of a name. Keys are sorted, so that it comes before all those that begin like it."""
        first = next((one for page in self._pages(bucket, key, "", _at_once) for one in page), None)
        return first if first is not None and first["name"] == f"{bucket}/{key}" else None

    def _pages(self, bucket: str, prefix: str, delimiter: str, ask: Callable[[Callable[[], Any]], Any] = patient) -> Iterator[Page]:
        chosen = _Chosen(self._moment)
        asked = {"Bucket": bucket, "Prefix": prefix, "Delimiter": delimiter, "OptionalObjectAttributes": ["RestoreStatus"]}
        while True:
            answer = ask(partial(self._fs.call_s3, "list_object_versions", **asked))
            markers = (one | {"deleted": True} for one in answer.get("DeleteMarkers", ()))
            page = [one for version in sorted((*answer.get("Versions", ()), *markers), key=_newest_first) for one in chosen.after(version)]
            is_last = not answer.get("IsTruncated")
            if is_last:
                page += chosen.end()
            yield page_of(answer, bucket, page)
            if is_last:
                return
            asked |= {"KeyMarker": answer["NextKeyMarker"], "VersionIdMarker": answer.get("NextVersionIdMarker", "")}
            if not asked["VersionIdMarker"]:  # the page ended with a folder
                del asked["VersionIdMarker"]


def _at_once(work: Callable[[], Any]) -> Any:
    """Return the result of a request whose caller is the one to repeat it."""
    return work()


def _newest_first(version: Mapping[str, Any]) -> tuple[str, bool, datetime | float, bool]:
    """Sort versions by key, the newest first. Times are whole seconds: what was written and deleted in one counts as written last, and is read."""
    return version["Key"], not version["IsLatest"], -version["LastModified"].timestamp(), "deleted" in version


class _Chosen:
    """Chooses one version of each key, while versions go by with the newest first. A key may have more of them than a page."""

    def __init__(self, moment: float) -> None:
        self._moment = moment
        self._key: str | None = None
        self._is_decided = False
        self._oldest: Mapping[str, Any] | None = None  # of those that came later

    def after(self, version: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """Yield what is known now that this version has come."""
        if version["Key"] != self._key:
            yield from self.end()
            self._key, self._is_decided = version["Key"], False
        if self._is_decided:
            return
        if version["LastModified"].timestamp() <= self._moment:
            self._is_decided, self._oldest = True, None
            if "deleted" not in version:
                yield {**version, "later": False}
        elif "deleted" not in version:
            self._oldest = version

    def end(self) -> Iterator[dict[str, Any]]:
        """Yield the key that has only versions that came later, if it is the last one."""
        if self._oldest is not None:
            yield {**self._oldest, "later": True}
        self._oldest = None
