"""Where the copy of an artifact lies: names that lead nowhere else, and no way through links.

A path is the text that manifest.parquet holds, relative to the destination. On a local disk, the name of the file is the bytes behind it,
so a file keeps a name that is not UTF-8.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from veritensor_ray.core.errors import ReadError
from veritensor_ray.core.reasons import ReasonCode
from veritensor_ray.corpus.listing import printable, unprintable
from veritensor_ray.stores.outputs import OutputStore

_LONGEST = 255  # bytes of a name on a local disk
_LONGEST_KEY = 1024  # bytes of the name of an object
_EXTENSION = re.compile(rb"\.[A-Za-z0-9]{1,12}\Z")
_DIGITS = 32
_CHANGED = re.compile(rb"~[0-9a-f]{32}(\.[A-Za-z0-9]{1,12})?\Z")  # a name that looks like a changed one is changed too
_ATTEMPTS = 5
_TOO_LONG = "its name is too long for the destination"


def copy_path(artifact: str, from_store: bool, to_store: bool) -> str:
    """Return the path of an artifact's copy below `corpus/`: its own name, unless that would lead elsewhere or is too long.

    Objects of a store may have names such as `a/../b` or `a//b`, which mean something else on a disk.
    """
    name = artifact.encode("utf-8", "surrogateescape") if from_store or to_store else unprintable(artifact)
    safe = b"/".join(_safe(part, to_store) for part in name.split(b"/"))
    return safe.decode("utf-8", "backslashreplace") if to_store else printable(safe)


def _safe(part: bytes, to_store: bool) -> bytes:
    """Return a part of a name as it is, or changed and with a digest of the original, so that different names stay different."""
    safe = part.replace(b".", b"%2E") if part in (b".", b"..") else part.replace(b"\0", b"%00")
    if safe == part and part and (to_store or len(part) <= _LONGEST) and not _CHANGED.search(part):
        return part
    digest = b"~" + hashlib.sha256(part).hexdigest()[:_DIGITS].encode()
    extension = found[0] if (found := _EXTENSION.search(safe)) else b""
    stem = safe[: len(safe) - len(extension)]
    if not to_store:
        stem = stem[: _LONGEST - len(digest) - len(extension)].decode("utf-8", "ignore").encode()
    return stem + digest + extension


def object_name(store: OutputStore, path: str) -> str:
    """Return the name in the store for a path."""
    return path if store.local is None else os.fsdecode(unprintable(path))


def paths_below(store: OutputStore, place: str) -> Iterator[str]:
    """Yield the paths of everything below a folder of the destination."""
    for name in store.below(place):
        yield name if store.local is None else printable(os.fsencode(name))


def clashing(names: Iterable[str]) -> set[str]:
    """Return the names that are also those of folders of others."""
    found: set[str] = set()
    above: list[str] = []  # the names that may be folders of the next one
    for name in sorted(one.replace("/", "\0") for one in names):
        while above and not name.startswith(f"{above[-1]}\0"):
            above.pop()
        found |= {one.replace("\0", "/") for one in above}
        above.append(name)
    return found


def remove_empty(root: Path, name: str, place: str) -> None:
    """Remove the folders above a name that are empty, up to and including the place."""
    folder = name
    while folder != place and (folder := folder.rpartition("/")[0]):
        try:
            (root / folder).rmdir()
        except OSError:
            return


@contextlib.contextmanager
def staged(store: OutputStore, stage: str, path: str, pulse: Callable[[], None]) -> Iterator[BinaryIO]:
    """Open the copy of an artifact for writing, below the folder `stage`.

    Two artifacts of which one has the name of the other's folder cannot both be files. Then only the folder stays, whoever comes first, and
    `clashing` finds the other. Raises ReadError if the destination cannot have the name, and StoreError.
    """
    name = f"{stage}/{object_name(store, path)}"
    if store.local is None and len(f"{store.uri}/{name}".partition("://")[2].partition("/")[2].encode()) > _LONGEST_KEY:
        raise ReadError(_TOO_LONG, ReasonCode.STORE_FAILED)
    try:
        store.check_way(name)
        if store.local is not None:
            _make_way(store.local, name)
        with store.writer(name, sync=False, pulse=pulse) as out:
            yield out
    except IsADirectoryError:
        if store.local is None or not _is_folder(store.local / name):
            raise
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise ReadError(_TOO_LONG, ReasonCode.STORE_FAILED) from None
        raise


def _make_way(root: Path, name: str) -> None:
    """Remove a file that stands where a folder has to be."""
    folder = root
    for part in name.split("/")[:-1]:
        folder /= part
        for _ in range(_ATTEMPTS):
            try:
                folder.mkdir(mode=0o700)
            except FileExistsError:
                if _is_folder(folder):
                    break
                folder.unlink(missing_ok=True)
            except FileNotFoundError:
                folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            else:
                break


def _is_folder(path: Path) -> bool:
    try:
        return stat.S_ISDIR(path.lstat().st_mode)
    except OSError:
        return False
