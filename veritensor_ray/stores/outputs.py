"""A folder of results in any store, in which every object is written completely or not at all.

It does not depend on the results.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import math
import os
import re
import secrets
import stat
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from veritensor_ray.core.errors import StoreError
from veritensor_ray.core.retry import Again, persistent
from veritensor_ray.core.uris import is_local
from veritensor_ray.stores.descriptors import READING
from veritensor_ray.stores.filesystems import Stores, absolute, denied, filesystem

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.dataset as ds

_RETRIES, _BACKOFF = 6, 0.1  # about six seconds
_PIECE = 8 << 20
_PATTERN = re.compile(r"[*?\[]")  # fsspec takes a name with one of these for a pattern
_OWN_LINK = re.compile(r"(?:current|sweeps)/\w[\w.-]*", re.ASCII)
_AT_ONCE = 1000


@dataclass(frozen=True)
class OutputStore:
    """A folder of results in any store. Names are relative; objects are written completely or not at all."""

    uri: str
    stores: Stores = field(default_factory=dict)

    def _fs(self) -> tuple[Any, str]:
        return filesystem(self.uri, self.stores)

    @property
    def local(self) -> Path | None:
        """The folder, if it is on this machine."""
        return Path(absolute(self.uri)) if is_local(self.uri) else None

    def put(self, name: str, data: bytes) -> None:
        """Write one object: locally through a temporary file, fsync and rename; elsewhere with one PUT."""
        with self.writer(name) as file:
            file.write(data)

    @contextlib.contextmanager
    def writer(self, name: str, sync: bool = True, pulse: Callable[[], None] = lambda: None) -> Iterator[BinaryIO]:
        """Open a file that appears under its name when the block ends without an error. Its mode is 0600.

        Without `sync`, the caller makes sure later that a local file survives a loss of power. `pulse` is called now and then while a store
        is being written.
        """
        folder = self.local
        if folder is None:
            fs, root = self._fs()
            # closing a store's file publishes it even after an error in the block, so the block writes to a temporary file
            with tempfile.SpooledTemporaryFile(64 << 20) as spool:
                yield cast("BinaryIO", spool)
                spool.seek(0)
                with fs.open(f"{root}/{name}", "wb") as file:
                    while data := spool.read(_PIECE):
                        file.write(data)
                        pulse()
            return
        target = folder / name
        self.check_way(name)
        make_folder(target.parent)
        temporary = target.with_name(f".{secrets.token_hex(8)}.tmp")  # the name itself may be as long as a name can be
        try:
            with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:  # noqa: PTH123  # a descriptor with its mode
                yield file
                file.flush()
                if sync:
                    os.fsync(file.fileno())
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)

    def read(self, name: str) -> bytes | None:
        """Return the object's bytes, or None if there is no such object."""
        fs, root = self._fs()
        try:
            if self.local is not None:
                with self.open(name) as file:
                    return file.read()
            return cast("bytes", fs.cat_file(f"{root}/{name}"))
        except (FileNotFoundError, NotADirectoryError):
            return None

    def open(self, name: str) -> BinaryIO:
        """Open an object for seekable reading. Raises StoreError if it is local and not a regular file."""
        if self.local is not None:
            return _regular(self.local / name)
        fs, root = self._fs()
        return cast("BinaryIO", fs.open(f"{root}/{name}", "rb"))

    def dataset(self, name: str, schema: pa.Schema | None = None) -> ds.Dataset:
        """Return the Parquet files of a folder as one table, without reading them. If there is no folder, the table is empty."""
        import pyarrow.dataset as ds

        fs, root = self._fs()
        if schema is not None and not fs.exists(f"{root}/{name}"):
            return ds.dataset(schema.empty_table())
        if self.local is not None:
            for path in (self.local / name, *(self.local / name).rglob("*")):
                if path.exists() and not path.is_dir():
                    _regular(path).close()  # pyarrow would wait for a named pipe forever
        return ds.dataset(f"{root}/{name}", schema=schema, filesystem=fs, format="parquet", exclude_invalid_files=False)

    def check_way(self, name: str) -> None:
        """Raise StoreError if a folder on the way to a name is a link, which could lead out of this store."""
        folder = self.local
        for part in name.split("/")[:-1] if folder is not None else ():
            folder = (folder or Path()) / part
            if folder.is_symlink():
                raise StoreError(through_link(folder))

    def under(self, folder: str) -> OutputStore:
        """Return the same store with names relative to a folder in it."""
        return OutputStore(f"{self.uri.rstrip('/')}/{folder}", self.stores)

    def exists(self, name: str) -> bool:
        """Return whether there is such an object or folder."""
        fs, root = self._fs()
        return bool(fs.exists(f"{root}/{name}"))

    def names(self, folder: str) -> list[str]:
        """Return the names in a folder, sorted; empty if there is no such folder."""
        fs, root = self._fs()
        try:
            return sorted(str(path).rstrip("/").rsplit("/", 1)[-1] for path in fs.ls(f"{root}/{folder}".rstrip("/"), detail=False))
        except (FileNotFoundError, NotADirectoryError):
            return []

    def parquet_names(self, folder: str) -> list[str]:
        """Return the names of the Parquet files in a folder, sorted, without those that writers left unnamed because they were killed."""
        return [name for name in self.names(folder) if name.endswith(".parquet") and not name.startswith(".")]

    def move(self, name: str, to: str) -> None:
        """Rename an object, replacing one of the new name. On a local disk, a folder can be renamed too if there is none of the new name."""
        fs, root = self._fs()
        if self.local is not None:
            self.check_way(to)
            make_folder((self.local / to).parent)
            (self.local / name).replace(self.local / to)
        else:  # not `mv`, which takes names for patterns
            fs.cp_file(f"{root}/{name}", f"{root}/{to}")
            fs.rm_file(f"{root}/{name}")

    def below(self, folder: str) -> Iterator[str]:
        """Yield the names of all objects below a folder, relative to this store. A folder that does not exist yields nothing.

        Links are not followed: they are names, like anything else that is not a folder.
        """
        if self.local is not None:
            yield from (f"{folder}/{name}" for name in _entries(self.local / folder))
            return
        fs, root = self._fs()
        base = f"{root}/".lstrip("/")
        for path, about in fs.find(f"{root}/{folder}", detail=True).items():
            if about["type"] != "directory":
                yield str(path).lstrip("/").removeprefix(base)

    def remove(self, names: Sequence[str]) -> None:
        """Remove single objects. Those that do not exist are passed over; a folder is not removed."""
        fs, root = self._fs()
        if self.local is not None:
            for name in names:
                (self.local / name).unlink(missing_ok=True)
            return
        plain = [f"{root}/{name}" for name in names if not _PATTERN.search(f"{root}/{name}")]
        for start in range(0, len(plain), _AT_ONCE):  # many in one request, which takes names for patterns
            with contextlib.suppress(FileNotFoundError):
                fs.rm(plain[start : start + _AT_ONCE])
        for name in names:
            if _PATTERN.search(f"{root}/{name}"):
                with contextlib.suppress(FileNotFoundError):
                    fs.rm_file(f"{root}/{name}")

    def delete(self, name: str) -> None:
        """Remove an object or a folder, if it exists. Raises StoreError if someone keeps writing to the folder."""
        fs, root = self._fs()
        if self.local is None and _PATTERN.search(f"{root}/{name}"):
            self.remove([*self.below(name), name])
            return

        def remove() -> None:
            try:
                fs.rm(f"{root}/{name}", recursive=True)
            except FileNotFoundError:
                return
            except OSError as error:
                if error.errno != errno.ENOTEMPTY:
                    raise
                # a task of an interrupted run may still be writing there
                raise Again(f"{root}/{name} cannot be removed, because something is being written there") from None

        try:
            persistent(remove, _RETRIES, _BACKOFF, math.inf)
        except Again as error:
            raise StoreError(f"{error}. Stop the process that writes there, and try again") from None


def through_link(path: Path) -> str:
    """Return the message about a link in an output."""
    return f"{path} is a symbolic link, and nothing is written through links; remove it, and repeat the command"


def refuse_linked(folder: Path) -> None:
    """Raise StoreError if an entry of a local output, or of the folders where runs work and sweeps are kept, is a link.

    The links that a sweep makes for other programs lead to its tables in the same output, so they may stay.
    """
    for place in (folder, folder / "_work", folder / "sweeps"):
        with contextlib.suppress(FileNotFoundError, NotADirectoryError), os.scandir(place) as entries:
            for entry in entries:
                if entry.is_symlink() and not (place == folder and _OWN_LINK.fullmatch(str(Path(entry.path).readlink()))):
                    raise StoreError(through_link(Path(entry.path)))


def make_folder(folder: Path) -> None:
    """Create a folder and its missing parents, all with mode 0700."""
    missing = list(itertools.takewhile(lambda one: not one.exists(), (folder, *folder.parents)))
    for one in reversed(missing):
        one.mkdir(mode=0o700, exist_ok=True)


def _entries(base: Path) -> Iterator[str]:
    """Yield everything below a local folder that is not a folder; names that are not UTF-8 have surrogates."""
    folders = [""]
    while folders:
        folder = folders.pop()
        try:
            with os.scandir(base / folder) as found:
                entries = sorted((entry.name, entry.is_dir(follow_symlinks=False)) for entry in found)
        except (FileNotFoundError, NotADirectoryError):
            continue
        folders += [f"{folder}{name}/" for name, is_folder in reversed(entries) if is_folder]
        yield from (f"{folder}{name}" for name, is_folder in entries if not is_folder)


def _regular(path: Path) -> BinaryIO:
    """Open a local regular file. A named pipe would wait for a writer."""
    descriptor = os.open(path, READING)
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISREG(mode):
        return open(descriptor, "rb")  # noqa: PTH123  # a descriptor, which its reader closes
    os.close(descriptor)
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    raise StoreError(f"{path} is not a regular file, but results contain only regular files. Copy the output again from its origin")


def check_output(store: OutputStore) -> None:
    """Write and remove a small object. Raises StoreError that names the missing permission."""
    probe = f"_work/.probe-{secrets.token_hex(4)}"
    try:
        store.put(probe, b"veritensor-ray")
        store.delete(probe)
    except Exception as error:  # noqa: BLE001  # every store raises its own kind; each means that no results can be written
        raise StoreError(denied(store.uri, "write", error)) from None
