"""Opens an object of S3 that was listed: the first request already reads it, and each says which content it expects."""

from __future__ import annotations

from typing import Any, BinaryIO, cast


def is_bucket(fs: Any) -> bool:
    """Return whether a filesystem is that of S3."""
    return type(fs).__module__.partition(".")[0] == "s3fs"


def pinned(fs: Any, path: str, size: int, etag: str, version: str | None, block: int | None = None) -> BinaryIO:
    """Return an object as a seekable file. A request for another content than that of the listing fails, as `store_errors.expired` tells.

    The library would first ask for the size and the ETag, which the listing has said.
    """
    file = fs.open(path, "rb", block_size=block, size=size)
    file.details = {"name": path, "type": "file", "size": size, "ETag": f'"{etag}"'}
    file.read_kw = {**file.read_kw, "IfMatch": f'"{etag}"'}
    file.version_id = version
    return cast("BinaryIO", file)
