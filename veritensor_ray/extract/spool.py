"""Members of an artifact made seekable, within bounds that they share: a bomb ends here; it knows no format."""

from __future__ import annotations

import hashlib
import io
import tempfile
from collections.abc import Callable
from typing import BinaryIO, cast

from veritensor_ray.config import Limits
from veritensor_ray.errors import LimitExceeded, ReadError

CHUNK = 1 << 20
IN_MEMORY = 64 << 20
_SMALL = 10 << 20  # a few megabytes may come out of next to nothing


class Budget:
    """What the files inside one artifact may come to. `spent` is set when nothing more may be read."""

    def __init__(self, limits: Limits, size: int) -> None:
        self._limits, self._size = limits, size
        self._members = self._bytes = 0
        self.spent = False

    def member(self, depth: int) -> None:
        """Count a member at `depth`, 1 for those of the artifact itself. Raises LimitExceeded."""
        if depth > self._limits.depth:
            raise LimitExceeded("depth", f"files are packed in files more than {self._limits.depth} deep")
        self._members += 1
        if self._members > self._limits.members:
            raise LimitExceeded("members", f"more than {self._limits.members} files are packed in it; the rest was not read")

    def add(self, count: int) -> None:
        """Count unpacked bytes. Raises LimitExceeded."""
        self._bytes += count
        for bound, most in (
            ("expanded_bytes", int(self._limits.expanded_bytes)),
            ("expanded_ratio", max(_SMALL, self._limits.expanded_ratio * self._size)),
        ):
            if self._bytes > most:
                raise LimitExceeded(bound, f"the files in it come to more than {most} bytes; the rest was not read")


def spooled(stream: BinaryIO, budget: Budget, pulse: Callable[[], None]) -> tuple[BinaryIO, ReadError | None]:
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
            budget.add(len(data))
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
