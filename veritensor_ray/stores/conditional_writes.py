"""A small object that is written only if it has not changed since the writer last saw it.

S3, GCS and Azure compare and write in one step. In any other store, the object is read, written and read again: of two simultaneous
writers, the one whose bytes remain has won, so a writer must look again after a moment. It does not depend on the object's content.
"""

from __future__ import annotations

import errno
import hashlib
from dataclasses import dataclass
from typing import Any, Protocol

from veritensor_ray.stores.filesystems import Stores, filesystem

_REFUSED = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey", "412", "409", "404"})


@dataclass(frozen=True, slots=True)
class Seen:
    """The object's bytes and the store's version of this state."""

    data: bytes
    version: str


class NoConditions(Exception):
    """The store does not support conditions."""


class Conditional(Protocol):
    """One object. Both methods raise the errors of the store's library."""

    def read(self) -> Seen | None:
        """Return the current state, or None if there is no object."""

    def write(self, data: bytes, version: str | None) -> str | None:
        """Write if the object is still at `version` (None: does not exist). Return the new version, or None if it has changed.

        None may also mean that an earlier attempt of the same write succeeded but its answer was lost. In that case read and compare.
        """


def conditional(uri: str, stores: Stores, name: str) -> Conditional:
    """Return the object `name` below `uri`, in the way that its store supports. Raises StoreError and UsageError like `filesystem`."""
    fs, root = filesystem(uri, stores)
    kinds: dict[str, type[S3 | Gcs | Azure]] = {"s3": S3, "s3a": S3, "gs": Gcs, "gcs": Gcs, "abfs": Azure, "abfss": Azure, "az": Azure}
    return kinds.get(uri.partition("://")[0], BestEffort)(fs, f"{root}/{name}")


def plain(uri: str, stores: Stores, name: str) -> Conditional:
    """Return the object for a store that turned out to ignore conditions."""
    fs, root = filesystem(uri, stores)
    return BestEffort(fs, f"{root}/{name}")


class BestEffort:
    """Any store of fsspec, without guarantees."""

    def __init__(self, fs: Any, path: str) -> None:
        self._fs, self._path = fs, path

    def read(self) -> Seen | None:
        try:
            data = bytes(self._fs.cat_file(self._path))
        except (FileNotFoundError, NotADirectoryError):
            return None
        return Seen(data, _digest(data))

    def write(self, data: bytes, version: str | None) -> str | None:
        seen = self.read()
        if (seen.version if seen else None) != version:
            return None
        self._fs.pipe_file(self._path, data)
        return _digest(data)


class S3:
    """An S3 object: `If-None-Match: *` and `If-Match` of PutObject. The version is the ETag."""

    def __init__(self, fs: Any, path: str) -> None:
        self._fs, self._path = fs, path
        bucket, key, _ = fs.split_path(path)
        self._place = {"Bucket": bucket, "Key": key}

    def read(self) -> Seen | None:
        try:
            # the version is read before the bytes: if another write comes in between, the version is outdated and a write based on it fails
            version = str(self._fs.call_s3("head_object", **self._place)["ETag"])
            return Seen(bytes(self._fs.cat_file(self._path)), version)
        except FileNotFoundError:
            return None

    def write(self, data: bytes, version: str | None) -> str | None:
        condition = {"IfNoneMatch": "*"} if version is None else {"IfMatch": version}
        try:
            return str(self._fs.call_s3("put_object", **self._place, Body=data, **condition)["ETag"])
        except OSError as error:
            response = getattr(error.__cause__, "response", None) or {}
            if response.get("Error", {}).get("Code") in _REFUSED:
                return None
            if error.errno == errno.ENOSYS:
                raise NoConditions(str(error)) from None
            raise


class Gcs:
    """A GCS object: `ifGenerationMatch` of the JSON API. The version is the generation."""

    def __init__(self, fs: Any, path: str) -> None:
        self._fs = fs
        self._bucket, self._key, _ = fs.split_path(path)

    def read(self) -> Seen | None:
        try:
            headers, data = self._fs.call("GET", "b/{}/o/{}", self._bucket, self._key, alt="media")
        except FileNotFoundError:
            return None
        return Seen(bytes(data), str(headers["X-Goog-Generation"]))

    def write(self, data: bytes, version: str | None) -> str | None:
        place = f"{self._fs._location}/upload/storage/v1/b/{self._bucket}/o"  # like gcsfs' own uploads, which support only "does not exist"
        options = {"uploadType": "media", "name": self._key, "ifGenerationMatch": version or "0"}
        try:
            return str(self._fs.call("POST", place, data=data, json_out=True, **options)["generation"])
        except FileExistsError:
            return None


class Azure:
    """An Azure blob: `If-None-Match: *` and `If-Match` of PutBlob. The version is the ETag."""

    def __init__(self, fs: Any, path: str) -> None:
        self._fs, self._path = fs, path

    def read(self) -> Seen | None:
        try:
            version = str(self._fs.info(self._path)["etag"])  # before the bytes, as above
            return Seen(bytes(self._fs.cat_file(self._path)), version)
        except FileNotFoundError:
            return None

    def write(self, data: bytes, version: str | None) -> str | None:
        from azure.core import MatchConditions
        from azure.core.exceptions import ResourceModifiedError, ResourceNotFoundError

        condition = {"etag": version, "match_condition": MatchConditions.IfNotModified} if version else {"mode": "create"}
        try:
            return str(self._fs.pipe_file(self._path, data, **condition)["etag"])
        except (FileExistsError, ResourceModifiedError, ResourceNotFoundError):
            return None


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
