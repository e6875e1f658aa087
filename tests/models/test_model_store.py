"""Models are whole and unchanged, or the run does not start."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from veritensor_ray.core.errors import ModelError
from veritensor_ray.models.model_store import LOCK, Model, ModelStore, catalog, known_answers, pinned_name
from veritensor_ray.models.standard import keep_calibration

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


def in_onnx(folder: Path) -> None:
    """The weights as a graph, which needs no configuration."""
    (folder / "model.safetensors").rename(folder / "model.onnx")
    (folder / "config.json").unlink()
    lock(folder, {"model.onnx": FILES["model.safetensors"], "calibration.json": FILES["calibration.json"]})


def test_a_model_in_onnx(folder: Path) -> None:
    in_onnx(folder)
    store = ModelStore("embedded", folder.parent)
    assert store.model("injection").name == f"embedded/injection@{hashlib.sha256(b'weights').hexdigest()[:12]}"
    (folder / "model.onnx").unlink()
    with pytest.raises(ModelError, match=r"/model\.onnx is missing\. Reinstall"):
        store.model("injection")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: (f / "config.json").unlink(), "/config.json is missing. Reinstall"),
        (lambda f: (f / "config.json").write_bytes(b"{ }"), "/config.json has changed"),
        (lambda f: (f / "model.safetensors").write_bytes(b"Weights"), "/model.safetensors has changed"),
        (lambda f: (f / "more.json").write_bytes(b"{}"), "/more.json is extra. Reinstall"),
        (lambda f: (f / "custom.py").write_bytes(b""), "/custom.py could run code when loaded. Remove it"),
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


def test_every_fault_is_listed(folder: Path) -> None:
    (folder / "config.json").write_bytes(b"{ }")
    (folder / "more.json").write_bytes(b"{}")
    store = ModelStore("embedded", folder.parent)
    assert [fault.split()[0].rpartition("/")[2] for fault in store.status("injection").faults] == ["config.json", "more.json"]
    assert [fault.split()[0].rpartition("/")[2] for fault in store.status("injection", read=False).faults] == ["more.json"]
    with pytest.raises(ModelError, match=r"config\.json has changed.*\(1 more: `veritensor-ray models verify`\)"):
        store.model("injection")


def test_an_unchanged_file_is_read_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    kept = Path.open

    def counted(path: Path, *args: Any, **options: Any) -> Any:
        if path.parent == folder and path.suffix == ".safetensors":
            read.append(path.name)
        return kept(path, *args, **options)

    monkeypatch.setattr(Path, "open", counted)
    for _ in range(3):
        ModelStore("embedded", folder.parent).model("injection")
    assert read == ["model.safetensors"]
    (folder / "model.safetensors").write_bytes(b"WEIGHTS")
    with pytest.raises(ModelError, match="has changed"):
        ModelStore("embedded", folder.parent).model("injection")


@pytest.mark.parametrize(("role", "profile"), [("nonsense", "embedded"), ("injection", "nonsense"), ("injection", "selftest")])
def test_what_the_catalog_does_not_know(role: str, profile: str) -> None:
    with pytest.raises(ModelError, match=f"there is no {role} model in profile {profile}"):
        ModelStore(profile).model(role)


DOWNLOADED = {"config.json": b'{"model_type": "deberta-v2"}', "model.safetensors": b"weights", "tokenizer.json": b"{}"}
NAME = pinned_name(catalog()["injection"]["standard"])


def relock(home: Path, files: dict[str, bytes], name: str = NAME) -> None:
    about = {file: {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)} for file, data in files.items()}
    (home / "models.lock.json").write_text(json.dumps({"injection": {"name": name, "files": about}}))


def written(home: Path, **files: bytes) -> None:
    """Files in the folder and in the lock alike; the names end where Python's do."""
    known = DOWNLOADED | {name.replace("__", "."): data for name, data in files.items()}
    for name, data in known.items():
        (home / "injection" / name).write_bytes(data)
    relock(home, known)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What a download leaves, as it should be."""
    made = tmp_path / "hf/veritensor"
    (made / "injection").mkdir(parents=True)
    written(made)
    monkeypatch.setenv("HF_HOME", str(made.parent))
    return made


def test_a_downloaded_model(home: Path) -> None:
    model = ModelStore("standard").model("injection")
    assert (model.folder, model.name) == (home / "injection", "protectai/deberta-v3-base-prompt-injection-v2@89b085cd3304")
    assert model.settings["labels"] == {"SAFE": 0, "INJECTION": 1}
    assert not {"repository", "revision", "files", "licence"} & model.settings.keys()


def test_a_downloaded_model_in_onnx(home: Path) -> None:
    (home / "injection/model.safetensors").rename(home / "injection/model.onnx")
    relock(home, {"model.onnx" if name == "model.safetensors" else name: data for name, data in DOWNLOADED.items()})
    assert ModelStore("standard").model("injection").folder == home / "injection"


def linked(home: Path, outside: Path) -> None:
    """The right content, in a place where others may change it."""
    (outside / "elsewhere.json").write_bytes(DOWNLOADED["tokenizer.json"])
    (home / "injection/tokenizer.json").unlink()
    (home / "injection/tokenizer.json").symlink_to(outside / "elsewhere.json")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda h: (h / "injection/config.json").unlink(), "/injection/config.json is missing. Run scripts/download_models.py"),
        (lambda h: (h / "injection/model.safetensors").write_bytes(b"Weights"), "has changed: its SHA-256 differs from the lock. Run"),
        (lambda h: (h / "injection/model.safetensors").write_bytes(b"less"), "has changed: it has 4 bytes instead of 7. Run"),
        (lambda h: (h / "injection/more.json").write_bytes(b"{}"), "/more.json is extra. Run scripts/download_models.py"),
        (lambda h: (h / "injection/cache").mkdir(), "/injection/cache is extra"),
        (lambda h: written(h, pytorch_model__bin=b"x"), "/pytorch_model.bin could run code when loaded. Remove it"),
        (lambda h: written(h, modeling__py=b"x"), "/modeling.py could run code"),
        (lambda h: written(h, WEIGHTS__PKL=b"x"), "/WEIGHTS.PKL could run code"),
        (lambda h: written(h, config__json=b'{"auto_map": {"AutoModel": "x.Y"}}'), r"/config.json asks to load custom code \(auto_map\)"),
        (
            lambda h: written(h, gliner_config__json=b'{"encoder_config": {"auto_map": {}}}'),
            r"/gliner_config.json asks to load custom code",
        ),
        (lambda h: written(h, tokenizer_config__json=b'{"auto_map": {}}'), r"/tokenizer_config.json asks to load custom code"),
        (lambda h: written(h, config__json=b"{"), r"/config.json asks to load custom code \(it is not JSON\)"),
        (lambda h: linked(h, h.parent), "/injection/tokenizer.json is a link that points outside "),
        (lambda h: (h / "injection").rename(h / "elsewhere"), "no /.*/veritensor/injection. Run"),
        (
            lambda h: relock(h, DOWNLOADED, "other/model@1"),
            "contains other/model@1, but the catalog requires protectai/.*@89b085cd3304. Run",
        ),
        (lambda h: relock(h, {"config.json": DOWNLOADED["config.json"]}), "/model.safetensors is extra"),
        (lambda h: (h / "models.lock.json").write_text("{}"), "models.lock.json does not name it. Run"),
        (lambda h: (h / "models.lock.json").write_text("{"), "models.lock.json is not a model lock: "),
        (lambda h: (h / "models.lock.json").write_text("[]"), "models.lock.json is not a model lock: it is not a mapping"),
        (lambda h: (h / "models.lock.json").write_text('{"injection": {"name": "x"}}'), "not a model lock: injection lacks name, files"),
        (lambda h: relock(h, {"../config.json": b""}), "names '../config.json', but files must not be in subfolders"),
        (lambda h: (h / "models.lock.json").unlink(), r"missing: no /.*/models.lock.json \(HF_HOME\). Run .* Or use --profile embedded"),
    ],
)
def test_a_damaged_download_is_refused(home: Path, damage: Callable[[Path], object], message: str) -> None:
    damage(home)
    with pytest.raises(ModelError, match=message):
        ModelStore("standard").model("injection")


def test_without_hf_home_the_message_says_where_was_looked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_HOME", raising=False)
    with pytest.raises(
        ModelError, match=r"no /.*/\.cache/huggingface/veritensor/models\.lock\.json \(HF_HOME is not set; this is its default\)"
    ):
        ModelStore("standard").model("pii")


def test_the_catalog_is_pinned_and_whole() -> None:
    for role, profiles in catalog().items():
        assert profiles.keys() == {"selftest", "embedded", "standard"}
        assert known_answers(Model(role, Path(), "any")) == profiles["selftest"]
        assert profiles["embedded"]["licence"]
        entry = profiles["standard"]
        assert entry["licence"]
        assert entry["files"]
        for source in (entry, entry.get("backbone", entry)):
            assert "repository" not in source or re.fullmatch("[0-9a-f]{40}", source["revision"])


def test_the_model_in_the_package_is_whole() -> None:
    assert ModelStore("embedded").model("injection").settings["thresholds"]


def test_a_calibration_beside_a_downloaded_model(home: Path) -> None:
    """Preferred to the catalog and under the lock; the download script, run again, finds everything as it left it."""
    before = ModelStore("standard").model("injection")
    keep_calibration(home, "injection", {"thresholds": {"medium": 0.7, "high": 0.8}})
    model = ModelStore("standard").model("injection")
    assert model.settings == before.settings | {"thresholds": {"medium": 0.7, "high": 0.8}}
    assert model.name == before.name
    spec = importlib.util.spec_from_file_location("download_models", Path(__file__).parents[2] / "scripts/download_models.py")
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    assert script._is_locked(home, "injection", model.name)
    (home / "injection/calibration.json").unlink()
    with pytest.raises(ModelError, match=r"calibration\.json is missing"):
        ModelStore("standard").model("injection")
