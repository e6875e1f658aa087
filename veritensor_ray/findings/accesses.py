"""The access log of an output: who saw the unmasked passage of a finding, when and why.

The log is as trustworthy as the account that writes it, and no signature covers it. For a sweep it is stored in the state, so removing old
sweeps does not remove it. It does not depend on passages.
"""

from __future__ import annotations

import json
import os
import platform
import secrets
import stat
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from veritensor_ray.errors import StoreError
from veritensor_ray.findings.state import state_of
from veritensor_ray.stores.descriptors import NO_LINK, UNBLOCKED
from veritensor_ray.stores.filesystems import denied
from veritensor_ray.stores.outputs import OutputStore

try:
    import pwd
except ImportError:  # Windows
    pwd = None  # type: ignore[assignment]

LOG = "access.jsonl"
FOLDER = "access"
_COMMAND = 1000  # characters


def note_access(results: OutputStore, about: Mapping[str, Any]) -> str:
    """Record that this user sees what `about` describes, and return where it was recorded. Raises StoreError on failure."""
    now, uid = datetime.now(UTC), os.getuid() if pwd else None
    entry = {"time": now.isoformat(timespec="seconds"), "user": _user(uid), "uid": uid, "host": platform.node()}
    data = json.dumps(entry | dict(about) | {"command": " ".join(sys.argv)[:_COMMAND]}).encode() + b"\n"
    store = state_of(results)
    where = store.local / LOG if store.local is not None else f"{store.uri}/{FOLDER}/{now:%Y%m%dT%H%M%S%fZ}-{secrets.token_hex(4)}.json"
    try:
        if isinstance(where, Path):
            _append(where, data)
        else:
            store.put(where.removeprefix(f"{store.uri}/"), data)
    except Exception as error:  # noqa: BLE001  # every store raises its own kind, and each means that the passage must not be shown
        raise StoreError(f"nothing is shown, because the access cannot be recorded: {denied(str(where), 'write', error)}") from None
    return str(where)


def _user(uid: int | None) -> str:
    """Return the user's name from the system, not from the environment."""
    if uid is None:
        return os.getlogin()
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _append(path: Path, data: bytes) -> None:
    """Append a line to a file and flush it to disk. A line that was cut off earlier remains a line by itself."""
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | NO_LINK | UNBLOCKED, 0o600)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError("not a regular file")
        size = os.fstat(descriptor).st_size
        os.lseek(descriptor, max(size - 1, 0), os.SEEK_SET)
        data = data if not size or os.read(descriptor, 1) == b"\n" else b"\n" + data
        if os.write(descriptor, data) != len(data):
            raise OSError("the disk is full")
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def accesses(results: OutputStore) -> list[dict[str, Any]]:
    """Return all entries, oldest first. A damaged line appears as the text that is left of it, under `damaged`."""
    store = state_of(results)
    texts = [store.read(LOG)] if store.local is not None else [store.read(f"{FOLDER}/{name}") for name in store.names(FOLDER)]
    return [_entry(line) for text in texts for line in (text or b"").splitlines() if line.strip()]


def _entry(line: bytes) -> dict[str, Any]:
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        entry = None
    return entry if isinstance(entry, dict) else {"damaged": line.decode("utf-8", "replace")}
