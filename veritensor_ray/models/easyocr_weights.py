"""EasyOCR's weights from an installed package, converted once to safetensors.

It does not depend on any engine and does not import the package.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from veritensor_ray.core.errors import ModelError
from veritensor_ray.models.lock import DIGESTS, digest, faults, read_digests


def package_folder(package: str) -> Path | None:
    """Return the folder where the package keeps its weights, or None if it is not installed."""
    spec = importlib.util.find_spec(package)
    places = list(spec.submodule_search_locations or ()) if spec else []
    return Path(places[0]) / "models" if places else None


def package_faults(folder: Path | None, package: str, install: str, sums: Mapping[str, str], read: bool = True) -> Iterator[str]:
    """Yield what is wrong with the package's files, each with the remedy."""
    remedy = f"pip install --force-reinstall {install}"
    if folder is None:
        yield f"the package {package} is not installed. Run: pip install {install}"
        return
    for name, md5 in sums.items():
        path = folder / name
        if not path.is_file():
            yield f"{path} is missing. {remedy}"
        elif read and digest(path, "md5") != md5:
            yield f"{path} has changed: its MD5 differs from the catalog. {remedy}"


def converted_folder(revision: str) -> Path:
    """Return the folder for the converted weights, whether it exists or not."""
    try:
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    except RuntimeError:
        raise ModelError("there is no home folder for the converted OCR weights. Set XDG_CACHE_HOME") from None
    return cache / "veritensor-ray" / "models" / f"ocr-{revision}"


def converted_faults(folder: Path, sums: Mapping[str, str], read: bool = True) -> Iterator[str]:
    """Yield what is wrong with a folder that was converted earlier."""
    remedy = f"Remove the folder {folder}; it will be created again"
    names = [_safetensors(name) for name in sums]
    try:
        expected = read_digests(folder)
    except (OSError, ValueError):
        yield f"{folder / DIGESTS} is missing or not a lock. {remedy}"
        return
    yield from faults(folder, expected, remedy, needed=names, read=read)


def convert(source: Path, folder: Path, names: Mapping[str, str]) -> None:
    """Create the folder. If another process is faster, its folder is kept. Raises ModelError."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    except OSError as error:
        raise ModelError(
            f"cannot write the converted OCR weights to {folder.parent}: {error.strerror}. Set XDG_CACHE_HOME to a writable folder"
        ) from None
    try:
        digests = {_safetensors(name): _convert(source / name, made / _safetensors(name)) for name in names}
        (made / DIGESTS).write_text(json.dumps(digests, indent=1) + "\n", encoding="utf-8")
        _rename(made, folder)
    except OSError as error:
        raise ModelError(
            f"cannot write the converted OCR weights to {folder}: {error.strerror}. Set XDG_CACHE_HOME to a folder with 100 MB free"
        ) from None
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _rename(made: Path, folder: Path) -> None:
    try:
        made.rename(folder)
    except OSError:
        if not (folder / DIGESTS).exists():  # otherwise another process was faster, and its files are the same
            raise


def _convert(source: Path, target: Path) -> str:
    import pickle

    import torch
    from safetensors.torch import save_file

    try:
        weights: dict[str, torch.Tensor] = torch.load(source, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError):
        raise ModelError(f"{source} contains more than weights and is not loaded. Reinstall the package named in the catalog") from None
    save_file({name.removeprefix("module."): tensor.contiguous() for name, tensor in weights.items()}, target)
    return digest(target)


def _safetensors(name: str) -> str:
    return f"{Path(name).stem}.safetensors"
