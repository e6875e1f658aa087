"""Copies the log of a table from its store to a folder of this machine, where its library can read it without opening a store."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from veritensor_ray.core import bounds
from veritensor_ray.core.errors import LimitExceeded, ReadError
from veritensor_ray.core.reasons import ReasonCode
from veritensor_ray.core.uris import is_local
from veritensor_ray.corpus.listing import modified
from veritensor_ray.corpus.tables.table_kinds import TableFolder
from veritensor_ray.stores.bucket_objects import listed
from veritensor_ray.stores.filesystems import denied, filesystem
from veritensor_ray.stores.patience import patient
from veritensor_ray.stores.store_errors import store_code

_LOG_BYTES = bounds.TABLE_LOG
_MESSAGE = 300
_IN_LIBRARY = re.compile(r",? \S*\.rs:\d+:\d+$")


class LogCopy:
    """Copies files of a table to a folder of this machine, with their times, by which a library may find a version."""

    def __init__(self, folder: TableFolder, place: Path, pulse: Callable[[], None]) -> None:
        self._folder, self._place, self._pulse, self._left = folder, place, pulse, _LOG_BYTES

    def fetch(self, below: str, wanted: Callable[[str], bool] = lambda _: True) -> None:
        """Copy the wanted files below a folder of the table, which are named relative to the table. Raises ReadError."""
        for fs, about, name in self._found(below):
            if wanted(name):
                self._fetched(fs, about, name)

    def names(self, below: str) -> list[str]:
        """Return the files below a folder of the table, named relative to the table. Raises ReadError."""
        return [name for _, _, name in self._found(below)]

    def _found(self, below: str) -> Iterator[tuple[Any, dict[str, Any], str]]:
        """Yield the store, what it says of each file below a folder, and the file's name."""
        try:
            fs, base = filesystem(self._folder.uri, self._folder.stores)
            base = base.rstrip("/")
            start = f"{base}/{below}" if below else base
            if is_local(self._folder.uri):
                found = [fs.info(path) for path in self._local(start, bool(below))]
            else:
                found = list(fs.find(start, detail=True).values())
        except ReadError:
            raise
        except Exception as error:  # noqa: BLE001  # every store raises its own kind
            raise ReadError(denied(self._folder.uri, "read", error), store_code(error)) from None
        for about in found:
            name = about["name"][len(base) + 1 :]
            if name[:1] not in ("", "/") and ".." not in name.split("/"):  # a key of a store may lead anywhere
                yield fs, about, name

    def _local(self, start: str, is_inside: bool) -> Iterator[str]:
        """Yield the files below a folder of this machine. Links are followed only as in a listing, and never from folder to folder."""
        if is_inside and Path(start).is_symlink() and not self._folder.follow_links:
            raise ReadError("its log is a symbolic link (not followed; see follow_links)", ReasonCode.LINK)
        for folder, _, names in os.walk(start):
            for path in (Path(folder, name) for name in names):
                if path.is_file() and (self._folder.follow_links or not path.is_symlink()):
                    yield str(path)

    def _fetched(self, fs: Any, about: dict[str, Any], name: str) -> None:
        try:
            patient(partial(self._copy, fs, about, name), self._pulse)
        except ReadError:
            raise
        except Exception as error:  # noqa: BLE001  # every store raises its own kind
            raise ReadError(denied(self._folder.uri, "read", error), store_code(error)) from None

    def _copy(self, fs: Any, about: dict[str, Any], name: str) -> None:
        self._pulse()
        if about["size"] > self._left:
            raise LimitExceeded("table_log_bytes", f"its log takes more than {_LOG_BYTES:,} bytes")
        target = self._place / name
        target.parent.mkdir(parents=True, exist_ok=True)
        with listed(fs, about) as source, target.open("wb") as out:
            shutil.copyfileobj(source, out)
        self._left -= about["size"]
        if (when := modified(about)) is not None:
            os.utime(target, (when, when))


def said(error: Exception, place: str) -> str:
    """Return the first line of a library's message, since some add a stack to it, without the places of the copy and of the library's source."""
    line = _IN_LIBRARY.sub("", str(error).strip().partition("\n")[0])
    return line.replace(f"{place}/", "").replace(f"{place.lstrip('/')}/", "")[:_MESSAGE] or type(error).__name__


__all__ = ["LogCopy", "said"]
