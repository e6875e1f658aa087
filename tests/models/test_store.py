"""Models are whole and unchanged, or the run does not start."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from veritensor_ray.errors import ModelError
from veritensor_ray.models.store import LOCK, ModelStore, catalog

FILES = {"config.json": b"{}", "model.safetensors": b"weights", "calibration.json": b'{"thresholds": {"medium": 0.5, "high": 0.9}}'}


def lock(folder: Path, files: dict[str, bytes]) -> None:
    (folder / LOCK).write_text(json.dumps({name: hashlib.sha256(data).hexdigest() for name, data in files.items()}), encoding="utf-8")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An embedded model that is as it should be."""
    made = tmp_path / "injection"
    made.mkdir()
    for name, data in FILES.items():
        (made / name).write_bytes(data)
    lock(made, FILES)
    return made


def test_a_whole_model(folder: Path) -> None:
    model = ModelStore("embedded", folder.parent).model("injection")
    assert (model.role, model.folder) == ("injection", folder)
    assert model.name == f"embedded/injection@{hashlib.sha256(b'weights').hexdigest()[:12]}"
    assert model.settings["thresholds"] == {"medium": 0.5, "high": 0.9}
    assert "licence" not in model.settings


def unlocked(folder: Path, name: str) -> None:
    """Neither the file nor its line in the lock."""
    (folder / name).unlink()
    lock(folder, {key: data for key, data in FILES.items() if key != name})


def unsafe(folder: Path, name: str) -> None:
    """Even where the lock knows it."""
    (folder / name).write_bytes(b"x")
    lock(folder, FILES | {name: b"x"})


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: (f / "config.json").unlink(), "/config.json is missing. Reinstall"),
        (lambda f: (f / "config.json").write_bytes(b"{ }"), "/config.json is changed"),
        (lambda f: (f / "model.safetensors").write_bytes(b"Weights"), "/model.safetensors is changed"),
        (lambda f: (f / "more.json").write_bytes(b"{}"), "/more.json is extra. Reinstall"),
        (lambda f: (f / "custom.py").write_bytes(b""), "/custom.py could run code when it is loaded. Remove it"),
        (lambda f: unsafe(f, "pytorch_model.bin"), "/pytorch_model.bin could run code"),
        (lambda f: unsafe(f, "weights.pkl"), "/weights.pkl could run code"),
        (lambda f: unlocked(f, "model.safetensors"), "/model.safetensors is missing"),
        (lambda f: unlocked(f, "calibration.json"), "/calibration.json is missing"),
        (lambda f: (f / LOCK).unlink(), f"no /.*/{LOCK}. Reinstall"),
        (lambda f: (f / LOCK).write_bytes(b"{"), f"no /.*/{LOCK}"),
        (lambda f: f.rename(f.with_name("elsewhere")), f"no /.*/{LOCK}"),
    ],
)
def test_a_damaged_model_is_refused(folder: Path, damage: Callable[[Path], object], message: str) -> None:
    damage(folder)
    with pytest.raises(ModelError, match=message):
        ModelStore("embedded", folder.parent).model("injection")


@pytest.mark.parametrize(("role", "profile"), [("nonsense", "embedded"), ("injection", "nonsense")])
def test_what_the_catalog_does_not_know(role: str, profile: str) -> None:
    with pytest.raises(ModelError, match=f"no model for {role} in profile {profile}"):
        ModelStore(profile).model(role)


def test_the_standard_profile_has_no_fallback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    entry = catalog()["injection"]["standard"]
    snapshot = tmp_path / "hub" / f"models--{entry['repository'].replace('/', '--')}" / "snapshots" / entry["revision"]
    store = ModelStore("standard")
    with pytest.raises(
        ModelError, match=r"has no config\.json\. Bring the model cache and point HF_HOME at it, or use --profile embedded"
    ) as error:
        store.model("injection")
    assert str(snapshot) in str(error.value)
    snapshot.mkdir(parents=True)
    (snapshot / "config.json").touch()
    (snapshot / "pytorch_model.bin").touch()
    with pytest.raises(ModelError, match=r"has no model\.safetensors.*Convert them where there is a network"):
        store.model("injection")


def test_the_standard_profile_is_pinned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for profiles in catalog().values():
        entry = profiles["standard"]
        assert len(entry["revision"]) == 40
        assert entry["licence"]


def test_the_model_in_the_package_is_whole() -> None:
    assert ModelStore("embedded").model("injection").settings["thresholds"]
