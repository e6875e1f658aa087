"""The folder and lock that scripts/download_models.py creates, and the calibration stored with a model.

It does not depend on the catalog or on engines.
"""

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

from veritensor_ray.core.errors import ModelError
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
    """Return the folder with all roles, and a phrase for messages that says where it is configured."""
    if configured:
        return Path(configured).expanduser(), "from the setting models, or from the bundle in use"
    if given := os.environ.get("HF_HOME"):
        return Path(given) / "veritensor", "HF_HOME"
    return Path("~/.cache/huggingface/veritensor").expanduser(), "HF_HOME is not set; this is its default"


def read_lock(path: Path) -> dict[str, Locked]:
    """Return the files of each role. Raises OSError if there is no lock, and ValueError if it is wrong."""
    data = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(data, dict):
        raise ValueError("it is not a mapping of roles")  # noqa: TRY004  # the file is wrong, not the caller
    return {role: _locked(role, about) for role, about in data.items()}


def _locked(role: str, about: object) -> Locked:
    try:
        name, files = about["name"], about["files"]  # type: ignore[index]
        found = {file: Expected(one["sha256"], one["size"]) for file, one in files.items()}
    except (TypeError, KeyError, AttributeError):
        raise ValueError(f"{role} lacks name, files, sha256 or size") from None
    for file, expected in found.items():
        if Path(file).name != file:
            raise ValueError(f"{role} names {file!r}, but files must not be in subfolders")
        if not isinstance(expected.size, int) or not _SHA256.fullmatch(str(expected.sha256)):
            raise ValueError(f"{role} has no SHA-256 and size for {file}")
    return Locked(str(name), found)


def keep_calibration(home: Path, role: str, calibration: Mapping[str, Any]) -> Path:
    """Store a calibration with a model and update its lock. The model is used with it from now on. Raises ModelError."""
    path, lock = home / role / CALIBRATION, home / LOCK
    data = json.dumps(calibration, indent=1, sort_keys=True).encode() + b"\n"
    try:
        locked = json.loads(lock.read_bytes())
        locked[role]["files"][CALIBRATION] = {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
        new = [(_written(home, data), path), (_written(home, json.dumps(locked, indent=1, sort_keys=True).encode()), lock)]
        for temporary, target in new:  # in direct succession, because the folder does not match its lock in between
            temporary.replace(target)
    except OSError as error:
        raise ModelError(f"{path} cannot be written: {error.strerror}. Calibrate on a machine where HF_HOME is writable") from None
    return path


def _written(home: Path, data: bytes) -> Path:
    """Write a temporary file to disk, ready to be renamed. It is not in the model's folder, which must not hold extra files."""
    temporary = home / f".{secrets.token_hex(4)}"
    with temporary.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.chmod(0o644)  # other users run with this calibration
    return temporary
