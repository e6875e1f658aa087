"""One small object that is written only where it is what the writer last saw of it; it knows nothing of what the object says.

S3, GCS and Azure compare and write in one step. Every other store is read, written and read again: of two writers at one moment
the one whose bytes stand there later has won, so that who wrote has to look again after a moment.
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
    """The object's bytes, and the store's name for this state of it."""

    data: bytes
    version: str


class NoConditions(Exception):
    """The store does not know conditions."""


class Conditional(Protocol):
    """One object. Both methods raise what the store's library raises."""

    def read(self) -> Seen | None:
        """What is there now; None where there is nothing."""

    def write(self, data: bytes, version: str | None) -> str | None:
        """Write where the object is still at `version` (None: is not there). Returns the new version, None where it is another.

        None may also mean that an earlier try of this very write arrived, and its answer did not: read, and compare.
        """


def conditional(uri: str, stores: Stores, name: str) -> Conditional:
    """The object `name` below `uri`, in the way that its store offers. Raises StoreError and UsageError as `filesystem` does."""
    fs, root = filesystem(uri, stores)
    kinds: dict[str, type[S3 | Gcs | Azure]] = {"s3": S3, "s3a": S3, "gs": Gcs, "gcs": Gcs, "abfs": Azure, "abfss": Azure, "az": Azure}
    return kinds.get(uri.partition("://")[0], BestEffort)(fs, f"{root}/{name}")


def plain(uri: str, stores: Stores, name: str) -> Conditional:
    """The same, of a store that turned out not to keep conditions."""
    fs, root = filesystem(uri, stores)
    return BestEffort(fs, f"{root}/{name}")


class BestEffort:
    """Any store of fsspec: best effort."""

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
    """`If-None-Match: *` and `If-Match` of PutObject; the version is the ETag."""

    def __init__(self, fs: Any, path: str) -> None:
        self._fs, self._path = fs, path
        bucket, key, _ = fs.split_path(path)
        self._place = {"Bucket": bucket, "Key": key}

    def read(self) -> Seen | None:
        try:
            # the version before the bytes: where another writes in between, the version is the older one, and a write on it fails
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
    """`ifGenerationMatch` of the JSON API; the version is the generation."""

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
        place = f"{self._fs._location}/upload/storage/v1/b/{self._bucket}/o"  # as gcsfs' own uploads, which know only "is not there"
        options = {"uploadType": "media", "name": self._key, "ifGenerationMatch": version or "0"}
        try:
            return str(self._fs.call("POST", place, data=data, json_out=True, **options)["generation"])
        except FileExistsError:
            return None


class Azure:
    """`If-None-Match: *` and `If-Match` of PutBlob; the version is the ETag."""

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
