"""A folder of results in any store: every object is written whole or not at all; it knows nothing of what the results say."""

from __future__ import annotations

import contextlib
import errno
import math
import os
import secrets
import shutil
import stat
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from veritensor_ray.errors import StoreError
from veritensor_ray.retry import Again, persistent
from veritensor_ray.stores.filesystems import Stores, absolute, denied, filesystem
from veritensor_ray.uris import is_local

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.dataset as ds

_RETRIES, _BACKOFF = 6, 0.1  # about six seconds


@dataclass(frozen=True)
class OutputStore:
    """A folder of results in any store. Names are relative; what is written is there whole or not at all."""

    uri: str
    stores: Stores = field(default_factory=dict)

    def _fs(self) -> tuple[Any, str]:
        return filesystem(self.uri, self.stores)

    @property
    def local(self) -> Path | None:
        """The folder, where it is on this machine."""
        return Path(absolute(self.uri)) if is_local(self.uri) else None

    def put(self, name: str, data: bytes) -> None:
        """Write one object: locally a temporary file, fsync and rename; elsewhere one PUT."""
        with self.writer(name) as file:
            file.write(data)

    @contextlib.contextmanager
    def writer(self, name: str) -> Iterator[BinaryIO]:
        """A file that appears under its name when the block ends without an error; mode 0600."""
        folder = self.local
        if folder is None:
            fs, root = self._fs()
            # closing a store's file publishes it, an error in the block or not: so the block writes beside it
            with tempfile.SpooledTemporaryFile(64 << 20) as spool:
                yield cast("BinaryIO", spool)
                spool.seek(0)
                with fs.open(f"{root}/{name}", "wb") as file:
                    shutil.copyfileobj(spool, file, 8 << 20)
            return
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
        try:
            with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:  # noqa: PTH123  # a descriptor with its mode
                yield file
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)

    def read(self, name: str) -> bytes | None:
        """The object's bytes, None where there is no such object."""
        fs, root = self._fs()
        try:
            if self.local is not None:
                with self.open(name) as file:
                    return file.read()
            return cast("bytes", fs.cat_file(f"{root}/{name}"))
        except (FileNotFoundError, NotADirectoryError):
            return None

    def open(self, name: str) -> BinaryIO:
        """Open an object for reading, seekable. Raises StoreError for what is not a regular file, where it is on this machine."""
        if self.local is not None:
            return _regular(self.local / name)
        fs, root = self._fs()
        return cast("BinaryIO", fs.open(f"{root}/{name}", "rb"))

    def dataset(self, name: str, schema: pa.Schema | None = None) -> ds.Dataset:
        """The Parquet files of a folder as one table, not read yet; an empty one of that schema where there is no such folder."""
        import pyarrow.dataset as ds

        fs, root = self._fs()
        if schema is not None and not fs.exists(f"{root}/{name}"):
            return ds.dataset(schema.empty_table())
        if self.local is not None:
            for path in (self.local / name, *(self.local / name).rglob("*")):
                if path.exists() and not path.is_dir():
                    _regular(path).close()  # pyarrow would wait for a named pipe for ever
        return ds.dataset(f"{root}/{name}", schema=schema, filesystem=fs, format="parquet", exclude_invalid_files=False)

    def under(self, folder: str) -> OutputStore:
        """The same store, with names relative to a folder in it."""
        return OutputStore(f"{self.uri.rstrip('/')}/{folder}", self.stores)

    def exists(self, name: str) -> bool:
        """Whether there is such an object or folder."""
        fs, root = self._fs()
        return bool(fs.exists(f"{root}/{name}"))

    def names(self, folder: str) -> list[str]:
        """Last components of what is in a folder, sorted; empty where there is none."""
        fs, root = self._fs()
        try:
            return sorted(str(path).rstrip("/").rsplit("/", 1)[-1] for path in fs.ls(f"{root}/{folder}".rstrip("/"), detail=False))
        except (FileNotFoundError, NotADirectoryError):
            return []

    def delete(self, name: str) -> None:
        """Remove an object or a folder; nothing happens where there is none. Raises StoreError for a folder that somebody keeps writing to."""
        fs, root = self._fs()

        def remove() -> None:
            try:
                fs.rm(f"{root}/{name}", recursive=True)
            except FileNotFoundError:
                return
            except OSError as error:
                if error.errno != errno.ENOTEMPTY:
                    raise
                # a task of a run that was cut short may still be writing there
                raise Again(f"{root}/{name} cannot be removed: something is written there") from None

        try:
            persistent(remove, _RETRIES, _BACKOFF, math.inf)
        except Again as error:
            raise StoreError(f"{error}; end what writes there, and try again") from None


def _regular(path: Path) -> BinaryIO:
    """A local file, open for reading. A named pipe would wait for somebody to write into it."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISREG(mode):
        return open(descriptor, "rb")  # noqa: PTH123  # a descriptor, which its reader closes
    os.close(descriptor)
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    raise StoreError(f"{path} is not a regular file; results hold nothing else, so get the output again from where it was made")


def check_output(store: OutputStore) -> None:
    """Write and remove a small object. Raises StoreError that names the permission."""
    probe = f"_work/.probe-{secrets.token_hex(4)}"
    try:
        store.put(probe, b"veritensor-ray")
        store.delete(probe)
    except Exception as error:  # noqa: BLE001  # every store raises its own kind; all mean: no results can be written
        raise StoreError(denied(store.uri, "write", error)) from None
