"""Check a folder of files against recorded digests. It does not depend on roles or on where models come from."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DIGESTS = "digests.json"
# Files that Python would import or unpickle, whatever a lock says about them.
UNSAFE = (".bin", ".pt", ".pth", ".pkl", ".pickle", ".joblib", ".ckpt", ".h5", ".keras", ".msgpack", ".py", ".pyc", ".so")


@dataclass(frozen=True, slots=True)
class Expected:
    """What a file must match. A size of None is not compared."""

    sha256: str
    size: int | None = None


def read_digests(folder: Path) -> dict[str, Expected]:
    """Read the digests stored with the files. Raises OSError or ValueError."""
    data = json.loads((folder / DIGESTS).read_text(encoding="utf-8"))
    if not isinstance(data, dict) or not all(isinstance(digest, str) for digest in data.values()):
        raise ValueError("not a mapping of names to digests")
    return {name: Expected(digest) for name, digest in data.items()}


def digest(path: Path, algorithm: str = "sha256") -> str:
    """Return a hexadecimal digest. An unchanged file is read once per process."""
    at = path.stat()
    return _digest(path, algorithm, at.st_size, at.st_mtime_ns, at.st_ino)


@functools.lru_cache(maxsize=256)
def _digest(path: Path, algorithm: str, _size: int, _mtime_ns: int, _inode: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.new(algorithm, usedforsecurity=False)).hexdigest()


def faults(
    folder: Path,
    expected: Mapping[str, Expected],
    remedy: str,
    *,
    needed: Collection[str] = (),
    within: Path | None = None,
    read: bool = True,
) -> Iterator[str]:
    """Yield everything that is wrong with a folder, by file name, as a sentence with a remedy.

    Files in `needed` must exist whatever is expected. Links must not lead out of `within`. Without `read`, no file is opened.
    """
    try:
        present = {path.name for path in folder.iterdir()} - {DIGESTS}
    except OSError as error:
        yield f"{folder} cannot be read: {error.strerror}. {remedy}"
        return
    for name in sorted(present | expected.keys() | set(needed)):
        path = folder / name
        if path.suffix.lower() in UNSAFE:
            yield f"{path} could run code when loaded. Remove it"
        elif name not in expected or name not in present:
            yield f"{path} is {'extra' if name in present else 'missing'}. {remedy}"
        elif within is not None and not path.resolve().is_relative_to(within.resolve()):
            yield f"{path} is a link that points outside {within}. {remedy}"
        elif wrong := _wrong(path, expected[name], read):
            yield f"{path} {wrong}. {remedy}"
        elif read and name.endswith("config.json") and (key := _custom_code(path)):
            yield f"{path} asks to load custom code ({key}). Such models are not loaded. {remedy}"


def _wrong(path: Path, expected: Expected, read: bool) -> str:
    """Return what is wrong with one file. The size comes first, because checking it costs nothing."""
    try:
        size = path.stat().st_size
        if expected.size is not None and size != expected.size:
            return f"has changed: it has {size:,} bytes instead of {expected.size:,}"
        if read and digest(path) != expected.sha256:
            return "has changed: its SHA-256 differs from the lock"
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    return ""


def _custom_code(path: Path) -> str:
    try:
        return _names_code(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, RecursionError):
        return "it is not JSON"


def _names_code(value: Any) -> str:
    """Return the first key, at any depth, that makes transformers import code from a model's folder."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key in ("auto_map", "custom_pipelines") or (key == "trust_remote_code" and inner):
                return str(key)
            if found := _names_code(inner):
                return found
    if isinstance(value, list):
        return next(filter(None, map(_names_code, value)), "")
    return ""
