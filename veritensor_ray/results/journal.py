"""Logs in the folder that outlives results: lines appended to a file of mode 0600, or one object per entry in object storage.

A log is as trustworthy as the account that writes it, and no signature covers it. For a sweep it is stored in the state, so removing old
sweeps does not remove it.
"""

from __future__ import annotations

import json
import os
import platform
import secrets
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from veritensor_ray.core.errors import StoreError
from veritensor_ray.findings.sweep_state import state_of
from veritensor_ray.stores.descriptors import NO_LINK, READING, UNBLOCKED
from veritensor_ray.stores.filesystems import denied
from veritensor_ray.stores.outputs import OutputStore

try:
    import pwd
except ImportError:  # Windows
    pwd = None  # type: ignore[assignment]


@dataclass(frozen=True, slots=True)
class Journal:
    """A log: the name of its file on a local disk, and of its folder in object storage."""

    file: str
    folder: str

    def append(self, results: OutputStore, entries: Iterable[Mapping[str, Any]], unless: str) -> str:
        """Add entries, each with the time, the user and the host, and return where.

        Raises StoreError on failure; its message begins with `unless`, which says what therefore does not happen.
        """
        now, uid = datetime.now(UTC), os.getuid() if pwd else None
        who = {"time": now.isoformat(timespec="seconds"), "user": _user(uid), "uid": uid, "host": platform.node()}
        data = b"".join(json.dumps(who | dict(entry)).encode() + b"\n" for entry in entries)
        store = state_of(results)
        name = f"{self.folder}/{now:%Y%m%dT%H%M%S%fZ}-{secrets.token_hex(4)}.json"
        where = store.local / self.file if store.local is not None else f"{store.uri}/{name}"
        try:
            if isinstance(where, Path):
                _append(where, data)
            else:
                store.put(name, data)
        except Exception as error:  # noqa: BLE001  # every store raises its own kind, and each means that nothing was recorded
            raise StoreError(f"{unless}: {denied(str(where), 'write', error)}") from None
        return str(where)

    def entries(self, results: OutputStore) -> Iterator[dict[str, Any]]:
        """Yield all entries, oldest first. A damaged line appears as the text that is left of it, under `damaged`. Raises StoreError."""
        store = state_of(results)
        if store.local is not None:
            yield from _entries(_lines(store.local / self.file))
            return
        for name in store.names(self.folder):
            yield from _entries((store.read(f"{self.folder}/{name}") or b"").splitlines())


def _lines(path: Path) -> Iterator[bytes]:
    """Yield the lines of a local log. It is not followed if it is a link, because its damaged lines are shown."""
    try:
        with open(os.open(path, READING | NO_LINK), "rb") as file:  # noqa: PTH123  # a descriptor with its flags
            _check_regular(file.fileno())
            yield from file
    except FileNotFoundError:
        return
    except OSError as error:
        raise StoreError(
            f"{path} is not a log of this program ({error.strerror or error}); move it away, or copy the output again"
        ) from None


def _entries(lines: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    return (_entry(line) for line in lines if line.strip())


def _user(uid: int | None) -> str:
    """Return the user's name from the system, not from the environment."""
    if uid is None:
        return os.getlogin()
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _append(path: Path, data: bytes) -> None:
    """Append lines to a file and flush it to disk. A line that was cut off earlier remains a line by itself."""
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | NO_LINK | UNBLOCKED, 0o600)
    try:
        _check_regular(descriptor)
        size = os.fstat(descriptor).st_size
        os.lseek(descriptor, max(size - 1, 0), os.SEEK_SET)
        data = data if not size or os.read(descriptor, 1) == b"\n" else b"\n" + data
        if os.write(descriptor, data) != len(data):
            raise OSError("the disk is full")
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _check_regular(descriptor: int) -> None:
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        raise OSError("not a regular file")


def _entry(line: bytes) -> dict[str, Any]:
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        entry = None
    return entry if isinstance(entry, dict) else {"damaged": line.decode("utf-8", "replace")}
