"""OLE files as a tree of streams: old Office documents and Outlook messages. It does not interpret the streams."""

from __future__ import annotations

import io
import warnings
from typing import Any

import olefile

from veritensor_ray.core import bounds
from veritensor_ray.core.errors import LimitExceeded, ReadError, as_read_error
from veritensor_ray.formats.common.budget import Copies
from veritensor_ray.formats.common.source import Source
from veritensor_ray.formats.office.ole.sectors import claim_sectors

_STREAM = bounds.OLE_STREAM
_STREAMS = bounds.OLE_STREAMS
_TIMES = 8  # some streams are read more than once
_UNSEEKABLE = bounds.UNSEEKABLE


class Compound:
    """An OLE file whose streams are read whole, each within a limit."""

    def __init__(self, source: Source) -> None:
        file = source.file
        if not file.seekable():
            data = file.read(_UNSEEKABLE + 1)
            if len(data) > _UNSEEKABLE:
                raise LimitExceeded("unseekable_bytes", f"an OLE file inside a stream is larger than {_UNSEEKABLE} bytes")
            file = io.BytesIO(data)
        self.file, self._size, self._read = file, file.seek(0, io.SEEK_END), 0
        self.budget = source.budget
        self._copies = Copies(source.budget, self._size)
        self._opened: set[str] = set()
        file.seek(0)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                self._ole: Any = olefile.OleFileIO(file)
                self.paths: list[str] = ["/".join(path) for path in self._ole.listdir(streams=True, storages=False)]
                claim_sectors(self._ole, source.account)
        except Exception as error:  # noqa: BLE001  # the library raises arbitrary exceptions for hostile files
            raise as_read_error(error, "not a complete OLE file") from None
        if not self.paths:
            raise ReadError("not a complete OLE file: it holds no streams")
        if len(self.paths) > _STREAMS:
            raise LimitExceeded("ole_streams", f"an OLE file with {len(self.paths)} streams")

    def open(self, path: str) -> bytes:
        """The content of a stream. Raises ReadError, and LimitExceeded for one that is larger than its file or the limit."""
        size = self._size_of(path)
        if size > self._size:
            raise ReadError(f"{shown(path)} claims to be larger than its file")
        if path not in self._opened:
            self._opened.add(path)
            self._copies.add(size)
        self._read += size
        if self._read > _TIMES * self._size + _STREAM:
            raise LimitExceeded("ole_stream_bytes", "the streams share their bytes: together they are many times larger than the file")
        if size > _STREAM:
            raise LimitExceeded("ole_stream_bytes", f"{shown(path)} is larger than {_STREAM} bytes")
        try:
            return bytes(self._ole.openstream(path.split("/")).read())
        except Exception as error:  # noqa: BLE001  # as above
            raise as_read_error(error, f"{shown(path)} cannot be read") from None

    def _size_of(self, path: str) -> int:
        try:
            return int(self._ole.get_size(path.split("/")))
        except Exception as error:  # noqa: BLE001  # as above
            raise as_read_error(error, f"{shown(path)} cannot be read") from None


def shown(path: str) -> str:
    """A path without control characters, since names of streams may begin with one."""
    return "".join(c for c in path if c.isprintable())
