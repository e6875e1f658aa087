"""Makes the members of an artifact seekable."""

from __future__ import annotations

import hashlib
import io
import tempfile
from collections.abc import Callable
from typing import BinaryIO, cast

from veritensor_ray.core import bounds
from veritensor_ray.core.errors import ReadError

CHUNK = 1 << 20
IN_MEMORY = bounds.HELD  # larger files go to disk


def spooled(stream: BinaryIO, pulse: Callable[[], None]) -> tuple[BinaryIO, ReadError | None]:
    """Copy all of `stream` into a seekable file: in memory up to 64 MB, beyond that an unnamed temporary file.

    If the stream breaks or a limit ends it, returns the data up to that point, and the reason.
    """
    target: BinaryIO = io.BytesIO()
    size = 0
    try:
        while data := stream.read(CHUNK):
            size += len(data)
            if size > IN_MEMORY and isinstance(target, io.BytesIO):
                file = cast("BinaryIO", tempfile.TemporaryFile())  # noqa: SIM115  # the reader of the member closes it
                file.write(target.getbuffer())
                target = file
            target.write(data)
            pulse()
    except ReadError as error:
        target.seek(0)
        return target, error
    target.seek(0)
    return target, None


def edges(file: BinaryIO, length: int) -> tuple[bytes, bytes, int]:
    """The first and last bytes of a seekable file, and its size. Rewinds the file."""
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    head = file.read(length)
    file.seek(max(len(head), size - 4096))
    tail = file.read(4096)
    file.seek(0)
    return head, tail, size


def sha256(file: BinaryIO) -> str:
    """The hexadecimal digest of a whole seekable file."""
    file.seek(0)
    return hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]  # a BinaryIO has the methods that it needs
