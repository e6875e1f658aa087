"""Role and profile to a verified folder of files on this machine; never the network, never a pickle. It knows no engine."""

from __future__ import annotations

import functools
import hashlib
import json
import os
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from veritensor_ray.errors import ModelError

_EMBEDDED = Path(str(files("veritensor_ray.models"))) / "embedded"
_UNSAFE = (".bin", ".pt", ".pth", ".pkl", ".ckpt", ".h5", ".msgpack", ".py")
_NEEDED = ("calibration.json", "model.safetensors")
LOCK = "digests.json"


@dataclass(frozen=True, slots=True)
class Model:
    """A model ready to load: its folder, its identity and what the catalog says of it."""

    role: str
    folder: Path
    name: str  # id@revision
    settings: dict[str, Any] = field(default_factory=dict)


@functools.cache
def catalog() -> dict[str, dict[str, dict[str, Any]]]:
    """Role to profile to entry."""
    data: dict[str, dict[str, dict[str, Any]]] = yaml.safe_load((Path(str(files("veritensor_ray.models"))) / "catalog.yaml").read_text())
    return data


class ModelStore:
    """The models of one profile."""

    def __init__(self, profile: str, embedded: Path = _EMBEDDED) -> None:
        self.profile = profile
        self._embedded = embedded

    def model(self, role: str) -> Model:
        """The verified model of a role. Raises ModelError naming file and remedy."""
        entry = catalog().get(role, {}).get(self.profile)
        if entry is None:
            raise ModelError(f"no model for {role} in profile {self.profile}")
        settings = {key: value for key, value in entry.items() if key not in ("folder", "repository", "revision", "licence")}
        if "folder" in entry:
            folder = self._embedded / entry["folder"]
            digests = self._verify(role, folder)
            settings |= json.loads((folder / "calibration.json").read_text())
            return Model(role, folder, f"embedded/{role}@{digests['model.safetensors'][:12]}", settings)
        return Model(role, self._snapshot(role, entry), f"{entry['repository']}@{entry['revision'][:12]}", settings)

    def _snapshot(self, role: str, entry: dict[str, str]) -> Path:
        home = Path(os.environ.get("HF_HOME") or Path.home() / ".cache/huggingface")
        folder = home / "hub" / f"models--{entry['repository'].replace('/', '--')}" / "snapshots" / entry["revision"]
        if not (folder / "config.json").exists():
            raise ModelError(
                f"the {role} model of profile standard is missing: {folder} has no config.json. "
                "Bring the model cache and point HF_HOME at it, or use --profile embedded"
            )
        if not (folder / "model.safetensors").exists():
            raise ModelError(
                f"{folder} has no model.safetensors: weights in other formats are not loaded. Convert them where there is a network"
            )
        return folder

    def _verify(self, role: str, folder: Path) -> dict[str, str]:
        """Digests of the files, equal to those in the lock beside them."""
        try:
            expected: dict[str, str] = json.loads((folder / LOCK).read_text())
        except (OSError, ValueError):
            raise ModelError(f"the embedded {role} model is missing: no {folder / LOCK}. Reinstall veritensor-ray") from None
        present = {path.name for path in folder.iterdir() if path.is_file()} - {LOCK}
        for name in sorted(present | set(expected) | set(_NEEDED)):
            if Path(name).suffix in _UNSAFE:
                raise ModelError(f"{folder / name} could run code when it is loaded. Remove it")
            if name not in expected or name not in present:
                raise ModelError(f"{folder / name} is {'extra' if name in present else 'missing'}. Reinstall veritensor-ray")
            if _sha256(folder / name) != expected[name]:
                raise ModelError(f"{folder / name} is changed: its SHA-256 is not the one in {LOCK}. Reinstall veritensor-ray")
        return expected


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
