"""Open a planned artifact for seekable reading, and detect when it differs from the plan.

It does not depend on file formats.
"""

from __future__ import annotations

import hashlib
import io
import os
import stat
import tempfile
import time
from collections.abc import Callable
from functools import partial
from typing import Any, BinaryIO, cast

from veritensor_ray.core import bounds
from veritensor_ray.core.errors import ChangedDuringRun, LimitExceeded, ReadError
from veritensor_ray.core.reasons import ReasonCode, access_code
from veritensor_ray.core.uris import is_local
from veritensor_ray.corpus import stage_times
from veritensor_ray.corpus.listing import Root
from veritensor_ray.corpus.planning import BYTE_RANGES, PlanRow
from veritensor_ray.corpus.stage_times import StageTimes
from veritensor_ray.corpus.tables.snapshot_listing import stored_etag, stored_version
from veritensor_ray.stores import redirects
from veritensor_ray.stores.bucket_objects import is_bucket, pinned
from veritensor_ray.stores.descriptors import READING
from veritensor_ray.stores.filesystems import Stores, denied, filesystem
from veritensor_ray.stores.patience import patient
from veritensor_ray.stores.store_errors import WITHOUT_REASON, expired, store_code, trouble

IN_MEMORY = bounds.HELD  # larger files are read piece by piece
UNSIZED_BYTES = bounds.UNSIZED
UNRANGED_BYTES = bounds.UNRANGED
_BLOCK = 8 << 20
# Columns of a table and members of an archive are read in turn: what was fetched for one of them is kept while the others are read.
_CACHE: dict[str, Any] = {"block_size": _BLOCK, "cache_type": "blockcache", "cache_options": {"maxblocks": IN_MEMORY // _BLOCK}}
_CHUNK = 1 << 20


class Throttle:
    """Limits reading to a number of bytes per second.

    It sleeps before a read, and calls `pulse` to show that this is not a lack of progress.
    """

    def __init__(self, rate: float | None, pulse: Callable[[], None] = lambda: None) -> None:
        self.piece = max(1 << 16, int(rate / 4)) if rate else None  # bytes that one read may take
        self._rate, self.pulse = rate, pulse
        self._free = 0.0  # the time from which the next byte may be read

    def take(self, count: int) -> None:
        """Wait until `count` more bytes are within the rate."""
        if not self._rate:
            return
        now = time.monotonic()
        while now < self._free:
            time.sleep(min(1.0, self._free - now))
            self.pulse()
            now = time.monotonic()
        self._free = now + count / self._rate


FREELY = Throttle(None)


def _whole(file: BinaryIO, count: int, throttle: Throttle, local: bool = False) -> bytes:
    """Read `count` bytes at the throttle's pace. Returns fewer only at the end of the file."""
    pieces: list[bytes] = []
    read = file.read if local else lambda size: patient(partial(file.read, size), throttle.pulse)  # a disk asks nobody to slow down
    while count > 0 and (piece := read(min(count, throttle.piece or count))):
        throttle.take(len(piece))
        pieces.append(piece)
        count -= len(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


class HashingFile(io.RawIOBase):
    """A seekable view of `[start, end)` of a file that hashes each byte the first time it is read in order."""

    def __init__(
        self,
        inner: BinaryIO,
        start: int,
        end: int,
        throttle: Throttle = FREELY,
        failed: Callable[[Exception], Exception] | None = None,
        times: StageTimes | None = None,
    ) -> None:
        self._inner, self._start, self._size, self._throttle, self._failed = inner, start, end - start, throttle, failed
        self._times = times
        self._position = self._hashed = 0
        self._hash = hashlib.sha256()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = max(0, base + offset)
        return self._position

    def readinto(self, buffer: Any) -> int:
        count = max(0, min(len(buffer), self._size - self._position))
        times = self._times if count >= stage_times.LARGE else None
        began = time.thread_time() if times else 0.0
        self._inner.seek(self._start + self._position)
        try:
            data = _whole(self._inner, count, self._throttle)
        except Exception as error:
            if self._failed is None:
                raise
            raise self._failed(error) from None  # before a reader takes what its store raised for damage
        buffer[: len(data)] = data
        if times:
            read = time.thread_time()
            times.aside(stage_times.READING, read - began)
            began = read
        if self._position <= self._hashed < self._position + len(data):
            self._hash.update(memoryview(data)[self._hashed - self._position :])
            self._hashed = self._position + len(data)
            if times:
                times.aside(stage_times.HASHING, time.thread_time() - began)
            self._throttle.pulse()  # bytes that were never read before: this cannot go on forever
        self._position += len(data)
        return len(data)

    def digest(self) -> str:
        """Return the SHA-256 of the whole range. Reads what has not been read yet."""
        self.seek(self._hashed)
        while self.read(1 << 20):
            pass
        return self._hash.hexdigest()


def _seeks(handle: Any) -> bool:
    """Return whether a store's file is seekable. An HTTP server may not know the size, or may ignore ranges."""
    size = getattr(handle, "size", -1)
    if size is None:
        return False
    if not type(handle).__module__.startswith("fsspec.implementations.http") or size <= min(_BLOCK, IN_MEMORY):
        return True
    try:
        handle.seek(size - 1)
        handle.read(1)
        handle.seek(0)
    except ValueError:
        return False
    return True


class OpenArtifact:
    """An artifact, or a range of it, open for reading. Small artifacts are read once, into memory."""

    def __init__(self, row: PlanRow, root: Root, stores: Stores, throttle: Throttle = FREELY, times: StageTimes | None = None) -> None:
        self.row, self._throttle = row, throttle
        self._local = is_local(root.uri)
        self._uri = root.uri
        self._since = "during the run" if root.inventory is None else "since its inventory"
        self._unsized: bytes | None = None  # the whole content of a file whose size the system does not report
        try:
            self._handle = self._open_local() if self._local else patient(partial(self._open_store, stores), throttle.pulse)
        except (ChangedDuringRun, ReadError):
            raise
        except Exception as error:  # noqa: BLE001  # every store raises its own kind; only this artifact is unreadable
            raise self._failed(error) from None
        start, end = self._range()
        self.size = end - start
        self._hashing: HashingFile | None = None
        self._digest: str | None = None
        self._data = b""
        if self._unsized is not None:
            self._data, self.size = self._unsized, len(self._unsized)
        elif self.size <= IN_MEMORY:
            self._data = self._slurp(start)
            self.size = len(self._data)
        else:
            self._hashing = HashingFile(self._handle, start, end, throttle, self._failed, times)

    def _range(self) -> tuple[int, int]:
        row = self.row
        return (row.start or 0, row.end or 0) if row.kind in BYTE_RANGES else (0, row.size or 0)

    def _cache(self) -> dict[str, Any]:
        """Return how a library is to ask for the bytes: for all of them at once if they are read at once."""
        start, end = self._range()
        is_whole = self.row.size is not None and end - start <= IN_MEMORY and self._throttle.piece is None
        return {"cache_type": "none"} if is_whole else _CACHE

    def _name(self) -> str:
        return self.row.artifact if self._local else f"{self._uri}/{self.row.artifact}"

    def _failed(self, error: Exception) -> ReadError:
        """Return what it means that the artifact cannot be opened or read."""
        if isinstance(error, ReadError):
            return error
        if isinstance(error, FileNotFoundError) and trouble(error) is None:
            if (refusal := redirects.leading(error)) is not None:
                return ReadError(refusal, ReasonCode.STORE_FAILED)
            return ChangedDuringRun(f"changed {self._since}: it no longer exists")
        if expired(error):
            return ChangedDuringRun(f"changed {self._since}")
        action = "read" if stored_version(self.row.etag) is None else "read a version of"
        return ReadError(denied(self._name(), action, error), store_code(error))

    def _open_local(self) -> BinaryIO:
        # non-blocking: if a named pipe has replaced the file, opening it would wait for a writer
        descriptor = os.open(self.row.path, READING)
        info = os.fstat(descriptor)
        if not stat.S_ISREG(info.st_mode):
            os.close(descriptor)
            raise ChangedDuringRun(f"changed {self._since}: it is no longer a regular file")
        try:
            self._unsized = self._without_size(descriptor, info)
            self._check_local(info)
        except ReadError:
            os.close(descriptor)
            raise
        return open(descriptor, "rb", buffering=0)  # noqa: PTH123  # closed by close(); a descriptor, not a path

    def _without_size(self, descriptor: int, info: os.stat_result) -> bytes | None:
        """Read a file that reports no size but is not empty. Files in /proc, and their times, are generated when they are read."""
        if self.row.size or info.st_size:
            return None
        pieces, count = list[bytes](), 0
        while piece := self._piece(descriptor):
            count += len(piece)
            if count > UNSIZED_BYTES:
                reason = f"the system does not report its size, and it is larger than {UNSIZED_BYTES} bytes: not a stored file"
                raise LimitExceeded("unsized_bytes", reason)
            pieces.append(piece)
        return b"".join(pieces) if pieces and not os.fstat(descriptor).st_size else None

    def _piece(self, descriptor: int) -> bytes:
        try:
            return os.read(descriptor, _CHUNK)
        except OSError as error:
            said = f"{denied(self._name(), 'read', error)} (the system does not report its size: not a stored file)"
            raise ReadError(said, access_code(error)) from None

    def _check_local(self, info: os.stat_result) -> None:
        if self._unsized is not None:
            return
        if info.st_size != self.row.size or (self.row.mtime is not None and info.st_mtime != self.row.mtime):
            raise ChangedDuringRun(f"changed {self._since}")

    def _open_store(self, stores: Stores) -> BinaryIO:
        fs, _ = filesystem(self._uri, stores)
        path, planned = os.fsdecode(self.row.path), stored_etag(self.row.etag)
        version = stored_version(self.row.etag)
        if planned and self.row.size is not None and (self.row.size or version) and is_bucket(fs):
            return pinned(fs, path, self.row.size, planned, version, **self._cache())
        try:
            handle = fs.open(path, "rb", **self._cache())
        except Exception as error:
            if trouble(error) is WITHOUT_REASON:
                fs.cat_file(path, start=0, end=1)  # it fails too, and says why
            raise
        if not _seeks(handle):
            if handle.size is not None:
                handle.close()
                handle = fs.open(path, "rb", block_size=0)
            return self._in_one_piece(cast("BinaryIO", handle))
        details = getattr(handle, "details", None) or {}
        etag = str(details.get("ETag") or details.get("etag") or "").strip('"')
        if (planned and etag and etag != planned) or (self.row.size is not None and details.get("size", self.row.size) != self.row.size):
            raise ChangedDuringRun(f"changed {self._since}")
        if self.row.size is None:
            self.row.size = details.get("size") or handle.seek(0, io.SEEK_END)
            handle.seek(0)
        return cast("BinaryIO", handle)

    def _in_one_piece(self, stream: BinaryIO) -> BinaryIO:
        """Copy an object whose server does not support ranges to a seekable file."""
        target = cast("BinaryIO", tempfile.TemporaryFile())  # noqa: SIM115  # closed by close()
        try:
            self._copy(stream, target)
        except BaseException:
            target.close()
            raise
        finally:
            stream.close()
        return target

    def _copy(self, stream: BinaryIO, target: BinaryIO) -> None:
        count = 0
        while piece := stream.read(_CHUNK):
            self._throttle.take(len(piece))
            self._throttle.pulse()
            count += target.write(piece)
            if count > UNRANGED_BYTES:
                reason = f"its server does not support ranges, and it is larger than {UNRANGED_BYTES} bytes: nothing of it was scanned"
                raise LimitExceeded("unranged_bytes", reason)
        if self.row.size not in (None, count):
            raise ChangedDuringRun(f"changed {self._since}")
        self.row.size = count
        target.seek(0)

    def _slurp(self, start: int) -> bytes:
        try:
            self._handle.seek(start)
            data = _whole(self._handle, self.size, self._throttle, self._local)
        except Exception as error:  # noqa: BLE001  # as above
            raise self._failed(error) from None
        if len(data) < self.size and not self._is_made_up(start):
            raise ChangedDuringRun(f"changed {self._since}: it is now shorter")
        return data

    def _is_made_up(self, start: int) -> bool:
        """Return whether a whole local file holds less than its size, now as when planned. Files in /sys report the size of a page."""
        if not self._local or start:
            return False
        info = os.fstat(self._handle.fileno())
        return info.st_size == self.row.size and info.st_blocks == 0

    def file(self) -> BinaryIO:
        """Return a fresh view, positioned at the beginning."""
        if self._hashing is None:
            return io.BytesIO(self._data)
        self._hashing.seek(0)
        return self._hashing  # type: ignore[return-value]  # a RawIOBase has everything that BinaryIO needs here

    def content_id(self) -> str:
        """Return the SHA-256 of all its bytes."""
        if self._digest is None:
            self._digest = self._hashing.digest() if self._hashing is not None else hashlib.sha256(self._data).hexdigest()
        return self._digest

    def check_unchanged(self) -> None:
        """Raise ChangedDuringRun if a local file was written to while it was read."""
        if self._local:
            self._check_local(os.fstat(self._handle.fileno()))

    def close(self) -> None:
        """Close the file."""
        self._handle.close()


def is_beside(row: PlanRow, root: Root, stores: Stores, extension: str) -> bool:
    """Return whether there is something with the name of an artifact and another extension behind it, or whether that cannot be known."""
    if is_local(root.uri):
        return os.path.lexists(row.path + extension.encode())  # a path in bytes
    try:
        fs, _ = filesystem(root.uri, stores)
        return bool(patient(partial(fs.exists, f"{os.fsdecode(row.path)}{extension}"), FREELY.pulse))
    except Exception:  # noqa: BLE001  # every store raises its own kind
        return True
