"""Opens an object of S3 that was listed: the first request already reads it, and each says which content it expects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, BinaryIO, cast


def is_bucket(fs: Any) -> bool:
    """Return whether a filesystem is that of S3."""
    return type(fs).__module__.partition(".")[0] == "s3fs"


def pinned(fs: Any, path: str, size: int, etag: str, version: str | None = None, **cache: Any) -> BinaryIO:
    """Return an object as a seekable file. `cache` says what is kept of it while it is read.

    The library would first ask for the size and the ETag, which the listing has said. A request fails if the object is another one by then,
    and `store_errors.expired` tells this from other failures.
    """
    file = fs.open(path, "rb", size=size, **cache)
    file.details = {"name": path, "type": "file", "size": size, "ETag": f'"{etag}"'}
    file.read_kw = {**file.read_kw, "IfMatch": f'"{etag}"'}
    file.version_id = version
    return cast("BinaryIO", file)


def listed(fs: Any, entry: Mapping[str, Any]) -> BinaryIO:
    """Return what a store has listed as a seekable file."""
    if is_bucket(fs) and entry.get("ETag"):
        return pinned(fs, entry["name"], entry["size"], entry["ETag"].strip('"'))
    return cast("BinaryIO", fs.open(entry["name"], "rb"))
