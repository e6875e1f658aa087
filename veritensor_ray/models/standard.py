"""The folder and the lock that scripts/download_models.py leaves behind, and a calibration beside a model; it knows neither catalog nor engines."""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from veritensor_ray.errors import ModelError
from veritensor_ray.models.lock import Expected

LOCK = "models.lock.json"
CALIBRATION = "calibration.json"
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Locked:
    """What was downloaded for a role: repository@revision, and its files."""

    name: str
    files: dict[str, Expected]


def home(configured: str | None = None) -> tuple[Path, str]:
    """The folder with all roles, and words for a message on where that comes from."""
    if configured:
        return Path(configured).expanduser(), "the setting models, or the bundle in use"
    if given := os.environ.get("HF_HOME"):
        return Path(given) / "veritensor", "HF_HOME"
    return Path("~/.cache/huggingface/veritensor").expanduser(), "HF_HOME is not set; this is its default"


def read_lock(path: Path) -> dict[str, Locked]:
    """Role to files. Raises OSError where there is none, ValueError saying what is wrong with it."""
    data = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(data, dict):
        raise ValueError("it is no mapping of roles")  # noqa: TRY004  # the file is wrong, not the caller
    return {role: _locked(role, about) for role, about in data.items()}


def _locked(role: str, about: object) -> Locked:
    try:
        name, files = about["name"], about["files"]  # type: ignore[index]
        found = {file: Expected(one["sha256"], one["size"]) for file, one in files.items()}
    except (TypeError, KeyError, AttributeError):
        raise ValueError(f"{role} lacks name, files, sha256 or size") from None
    for file, expected in found.items():
        if Path(file).name != file:
            raise ValueError(f"{role} names {file!r}: files lie flat in their folder")
        if not isinstance(expected.size, int) or not _SHA256.fullmatch(str(expected.sha256)):
            raise ValueError(f"{role} has no SHA-256 and size for {file}")
    return Locked(str(name), found)


def keep_calibration(home: Path, role: str, calibration: Mapping[str, Any]) -> Path:
    """Put a calibration beside a model and under its lock; it is what the model is used with from now on. Raises ModelError."""
    path, lock = home / role / CALIBRATION, home / LOCK
    data = json.dumps(calibration, indent=1, sort_keys=True).encode() + b"\n"
    try:
        locked = json.loads(lock.read_bytes())
        locked[role]["files"][CALIBRATION] = {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
        new = [(_written(home, data), path), (_written(home, json.dumps(locked, indent=1, sort_keys=True).encode()), lock)]
        for temporary, target in new:  # one right after the other: in between, the folder does not fit its lock
            temporary.replace(target)
    except OSError as error:
        raise ModelError(f"{path} cannot be written: {error.strerror}. Calibrate where HF_HOME can be written") from None
    return path


def _written(home: Path, data: bytes) -> Path:
    """A file on the disk that is only to be renamed; not in the folder of a model, which holds nothing extra."""
    temporary = home / f".{secrets.token_hex(4)}"
    with temporary.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.chmod(0o644)  # others run what this user calibrates
    return temporary
