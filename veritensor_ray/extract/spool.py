"""Members of an artifact made seekable; it knows no format."""

from __future__ import annotations

import hashlib
import io
import tempfile
from collections.abc import Callable
from typing import BinaryIO, cast

from veritensor_ray import bounds
from veritensor_ray.errors import ReadError

CHUNK = 1 << 20
IN_MEMORY = bounds.HELD  # what is more goes to the disk


def spooled(stream: BinaryIO, pulse: Callable[[], None]) -> tuple[BinaryIO, ReadError | None]:
    """All of `stream`, seekable: in memory up to 64 MB, beyond that in a temporary file without a name.

    Where the stream breaks, or a bound ends it, what came before, and the reason.
    """
    target: BinaryIO = io.BytesIO()
    size = 0
    try:
        while data := stream.read(CHUNK):
            size += len(data)
            if size > IN_MEMORY and isinstance(target, io.BytesIO):
                file = cast("BinaryIO", tempfile.TemporaryFile())  # noqa: SIM115  # closed by whoever reads the member
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
    """First and last bytes of a seekable file, and its size; leaves it at its beginning."""
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    head = file.read(length)
    file.seek(max(len(head), size - 4096))
    tail = file.read(4096)
    file.seek(0)
    return head, tail, size


def sha256(file: BinaryIO) -> str:
    """Digest of all of a seekable file."""
    file.seek(0)
    return hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]  # a BinaryIO has what it asks for
