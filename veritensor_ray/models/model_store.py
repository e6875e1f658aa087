"""Map a role and profile to a verified folder of files on this machine.

It never uses the network and never loads a pickle. It does not depend on any engine.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from veritensor_ray.core.config import Settings
from veritensor_ray.core.errors import ModelError
from veritensor_ray.models import easyocr_weights, standard
from veritensor_ray.models.lock import DIGESTS, Expected, faults, read_digests

LOCK = DIGESTS  # stored with an embedded model's files
PROFILES = ("embedded", "standard")
_EMBEDDED = Path(str(files("veritensor_ray.models"))) / "embedded"
ONNX, SAFETENSORS = "model.onnx", "model.safetensors"  # a model has its weights in one of these
_ORIGIN = ("backbone", "files", "folder", "install", "licence", "package", "repository", "revision")  # not needed to use a model
_FETCH = (
    "Run scripts/download_models.py on a connected machine and copy its HF_HOME, or a bundle made from it, to this one. "
    "Or use --profile embedded"
)
_REINSTALL = "Reinstall veritensor-ray"


@dataclass(frozen=True, slots=True)
class Model:
    """A model ready to load: its folder, its identity, and its catalog entry."""

    role: str
    folder: Path
    name: str  # id@revision
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Status:
    """The state of a model. `faults` are sentences with a remedy; a model without faults can be loaded."""

    role: str
    profile: str
    name: str
    licence: str
    folder: Path
    faults: tuple[str, ...]

    @property
    def size(self) -> int:
        """Total size of the files, in bytes."""
        return sum(path.stat().st_size for path in self.folder.iterdir() if path.is_file()) if self.folder.is_dir() else 0


@functools.cache
def catalog() -> dict[str, dict[str, dict[str, Any]]]:
    """Return the catalog: role to profile to entry. Next to the profiles, a role has `selftest`."""
    data: dict[str, dict[str, dict[str, Any]]] = yaml.safe_load((Path(str(files("veritensor_ray.models"))) / "catalog.yaml").read_text())
    return data


def roles() -> list[str]:
    """Return all roles, in the order of the catalog."""
    return list(catalog())


def known_answers(model: Model) -> dict[str, str]:
    """Return the answers a model must give before it is used: from its own `selftest`, or from that of its role."""
    answers: dict[str, str] = model.settings.get("selftest") or catalog()[model.role]["selftest"]
    return answers


class ModelStore:
    """The models of one profile. `standard_home` is the folder of the standard profile, if it is not HF_HOME."""

    def __init__(self, profile: str, embedded: Path = _EMBEDDED, *, standard_home: str | None = None) -> None:
        self.profile = profile
        self._embedded = embedded
        self._home = standard_home

    @classmethod
    def of(cls, settings: Settings) -> ModelStore:
        """Return the models that a configuration asks for."""
        return cls(settings.profile, standard_home=settings.models)

    def model(self, role: str) -> Model:
        """Return the verified model of a role. Raises ModelError that names the file and the remedy."""
        status, entry = self.status(role), self._entry(role)
        if status.faults:
            more = len(status.faults) - 1
            raise ModelError(status.faults[0] + (f" ({more} more: `veritensor-ray models verify`)" if more else ""))
        settings = {key: value for key, value in entry.items() if key not in _ORIGIN}
        calibration = status.folder / standard.CALIBRATION
        if calibration.is_file():  # verified with the rest: part of the package, or written by `models calibrate`
            settings |= _mapping(calibration)
        folder = self._converted(entry, status.folder) if "package" in entry else status.folder
        return Model(role, folder, status.name, settings)

    def status(self, role: str, read: bool = True) -> Status:
        """Return the state of a model; without `read`, judged by names and sizes only.

        Raises ModelError for a role that is not in the catalog.
        """
        entry = self._entry(role)
        if "folder" in entry:
            return self._in_package(role, entry, read)
        return self._of_pip(role, entry, read) if "package" in entry else self._downloaded(role, entry, read)

    def _entry(self, role: str) -> dict[str, Any]:
        entry = catalog().get(role, {}).get(self.profile) if self.profile in PROFILES else None
        if entry is None:
            raise ModelError(f"there is no {role} model in profile {self.profile}")
        return entry

    def _status(self, role: str, name: str, folder: Path, found: Iterator[str]) -> Status:
        return Status(role, self.profile, name, self._entry(role)["licence"], folder, tuple(found))

    def _in_package(self, role: str, entry: Mapping[str, Any], read: bool) -> Status:
        """Check a folder of this package, sealed by the digests stored with the files."""
        folder = self._embedded / entry["folder"]
        try:
            expected = read_digests(folder)
        except (OSError, ValueError):
            missing = f"the embedded {role} model is missing: no {folder / LOCK}. {_REINSTALL}"
            return self._status(role, f"embedded/{role}", folder, iter([missing]))
        weights = _weights(expected)
        name = f"embedded/{role}@{expected.get(weights, Expected('unknown')).sha256[:12]}"
        needed = ("calibration.json", weights)
        return self._status(role, name, folder, faults(folder, expected, _REINSTALL, needed=needed, read=read))

    def _of_pip(self, role: str, entry: Mapping[str, Any], read: bool) -> Status:
        """Check weights in a third-party package. They are pickles: they are examined here and never loaded."""
        folder = easyocr_weights.package_folder(entry["package"])
        converted = easyocr_weights.converted_folder(_revision(entry["files"]))
        if converted.is_dir():
            found = easyocr_weights.converted_faults(converted, entry["files"], read)
            return self._status(role, pinned_name(entry), converted, found)
        found = easyocr_weights.package_faults(folder, entry["package"], entry["install"], entry["files"], read)
        return self._status(role, pinned_name(entry), folder or converted, found)

    def _converted(self, entry: Mapping[str, Any], source: Path) -> Path:
        folder = easyocr_weights.converted_folder(_revision(entry["files"]))
        if source != folder:
            easyocr_weights.convert(source, folder, entry["files"])
        return folder

    def _downloaded(self, role: str, entry: Mapping[str, Any], read: bool) -> Status:
        """Check a folder in HF_HOME or in a bundle, sealed by the lock of the download."""
        home, origin = standard.home(self._home)
        folder, lock = home / role, home / standard.LOCK
        return self._status(role, pinned_name(entry), folder, _downloaded_faults(role, entry, folder, lock, origin, read))


def _downloaded_faults(role: str, entry: Mapping[str, Any], folder: Path, lock: Path, origin: str, read: bool) -> Iterator[str]:
    try:
        locked = standard.read_lock(lock).get(role)
    except OSError:
        yield f"the {role} model of profile standard is missing: no {lock} ({origin}). {_FETCH}"
        return
    except ValueError as error:
        yield f"{lock} is not a model lock: {error}. {_FETCH}"
        return
    if locked is None or not folder.is_dir():
        yield f"the {role} model of profile standard is missing: {f'no {folder}' if locked else f'{lock} does not name it'}. {_FETCH}"
    elif locked.name != pinned_name(entry):
        yield f"{folder} contains {locked.name}, but the catalog requires {pinned_name(entry)}. {_FETCH}"
    else:
        needed = [entry["detector"], entry["recognizer"]] if "detector" in entry else [_weights(locked.files)]
        yield from faults(folder, locked.files, _FETCH, needed=needed, within=lock.parent, read=read)


def _weights(files: Collection[str]) -> str:
    """Return the name of the file with a model's weights."""
    return ONNX if ONNX in files else SAFETENSORS


def _mapping(path: Path) -> dict[str, Any]:
    """Return the content of a JSON file. Raises ModelError."""
    try:
        found = json.loads(path.read_text("utf-8"))
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{path} cannot be read: {str(error)[:200]}. Reinstall the pinned model") from None
    if not isinstance(found, dict):
        raise ModelError(f"{path} cannot be read: it is not a mapping. Reinstall the pinned model")
    return found


def pinned_name(entry: Mapping[str, Any]) -> str:
    """Return `id@revision` of an entry. EasyOCR's releases have no commit, so the MD5 sums of its files are used instead."""
    if "repository" in entry:
        return f"{entry['repository']}@{entry['revision'][:12]}"
    return f"easyocr/{'+'.join(Path(name).stem for name in entry['files'])}@{_revision(entry['files'])}"


def _revision(sums: Mapping[str, str]) -> str:
    return "-".join(md5[:12] for md5 in sums.values())
