"""The folder and the lock that scripts/download_models.py leaves behind; it knows neither catalog nor engines."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path

from veritensor_ray.models.lock import Expected

LOCK = "models.lock.json"
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
