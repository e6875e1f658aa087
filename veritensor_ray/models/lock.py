"""A folder of files against the digests noted for it; it knows neither roles nor where models come from."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DIGESTS = "digests.json"
# What Python would import or unpickle, whatever a lock says of it.
UNSAFE = (".bin", ".pt", ".pth", ".pkl", ".pickle", ".joblib", ".ckpt", ".h5", ".keras", ".msgpack", ".py", ".pyc", ".so")


@dataclass(frozen=True, slots=True)
class Expected:
    """What a file has to be; a size of None is not compared."""

    sha256: str
    size: int | None = None


def read_digests(folder: Path) -> dict[str, Expected]:
    """The digests that lie beside the files. Raises OSError, ValueError."""
    data = json.loads((folder / DIGESTS).read_text(encoding="utf-8"))
    if not isinstance(data, dict) or not all(isinstance(digest, str) for digest in data.values()):
        raise ValueError("no mapping of names to digests")
    return {name: Expected(digest) for name, digest in data.items()}


def digest(path: Path, algorithm: str = "sha256") -> str:
    """Hexadecimal digest; a file that did not change is read once per process."""
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
    """Everything that is wrong with a folder, a sentence and a remedy each, by name of file.

    `needed` files have to be there whatever is expected; links must not lead out of `within`. Without `read` no file is opened.
    """
    try:
        present = {path.name for path in folder.iterdir()} - {DIGESTS}
    except OSError as error:
        yield f"{folder} cannot be read: {error.strerror}. {remedy}"
        return
    for name in sorted(present | expected.keys() | set(needed)):
        path = folder / name
        if path.suffix.lower() in UNSAFE:
            yield f"{path} could run code when it is loaded. Remove it"
        elif name not in expected or name not in present:
            yield f"{path} is {'extra' if name in present else 'missing'}. {remedy}"
        elif within is not None and not path.resolve().is_relative_to(within.resolve()):
            yield f"{path} is a link that leads out of {within}. {remedy}"
        elif wrong := _wrong(path, expected[name], read):
            yield f"{path} {wrong}. {remedy}"
        elif read and name.endswith("config.json") and (key := _custom_code(path)):
            yield f"{path} asks for code of its own ({key}): such models are not loaded. {remedy}"


def _wrong(path: Path, expected: Expected, read: bool) -> str:
    """What is wrong with one file; its size first, because that costs nothing."""
    try:
        size = path.stat().st_size
        if expected.size is not None and size != expected.size:
            return f"is changed: it has {size:,} bytes, expected are {expected.size:,}"
        if read and digest(path) != expected.sha256:
            return "is changed: its SHA-256 is not the one in the lock"
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    return ""


def _custom_code(path: Path) -> str:
    try:
        return _names_code(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, RecursionError):
        return "it is no JSON"


def _names_code(value: Any) -> str:
    """The first key, at any depth, with which transformers imports code from a model's folder."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key in ("auto_map", "custom_pipelines") or (key == "trust_remote_code" and inner):
                return str(key)
            if found := _names_code(inner):
                return found
    if isinstance(value, list):
        return next(filter(None, map(_names_code, value)), "")
    return ""
