"""The download against a hub on loopback: what it leaves, how it goes on, and how it says what went wrong."""

from __future__ import annotations

import fcntl
import importlib.util
import io
import json
import os
import pickle
import re
import resource
import shutil
import subprocess
import sys
import time
import warnings
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from tests.scripts import standins
from tests.scripts import tiny as making
from tests.scripts.hub import Hub, serving
from tests.scripts.tiny import COMMIT
from veritensor_ray.models import model_store

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "scripts/download_models.py"
INJECTION = f"tiny/injection@{COMMIT}"


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tiny models and their catalog."""
    import torch

    folder, threads = tmp_path_factory.mktemp("tiny"), torch.get_num_threads()
    with torch.random.fork_rng(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        making.main(folder)
    torch.set_num_threads(threads)
    return folder


@pytest.fixture(scope="module")
def hurried(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment in which Python says how long it would sleep, and does not."""
    folder = tmp_path_factory.mktemp("hurried")
    lines = ("import sys, time", "time.sleep = lambda seconds: print(f'sleeps {seconds:g} s', file=sys.stderr)")
    (folder / "sitecustomize.py").write_text("\n".join(lines))
    return {"PYTHONPATH": str(folder)}


@pytest.fixture(scope="module")
def archives() -> dict[str, bytes]:
    """EasyOCR's own weights, from the package that brings them, zipped as its releases are."""
    return standins.archives()


@pytest.fixture
def hub(tiny: Path) -> Iterator[Hub]:
    """A hub with the tiny models."""
    files = {f"tiny/{folder.name}": {path.name: path.read_bytes() for path in folder.iterdir()} for folder in (tiny / "tiny").iterdir()}
    with serving(Hub(files)) as served:
        yield served


class Run:
    """The script in a process of its own, with a clean environment."""

    def __init__(self, hub: Hub, home: Path, catalog: Path | None) -> None:
        self.hub, self.home, self.catalog = hub, home, catalog
        self.script = SCRIPT

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        clean = {"PATH": os.environ["PATH"], "HOME": str(self.home.parent), "HF_HOME": str(self.home), "HF_ENDPOINT": self.hub.address}
        clean |= {"EASYOCR_MIRROR": f"{self.hub.address}/archives", "OMP_NUM_THREADS": "1"} | environment
        catalog = ("--catalog", str(self.catalog)) if self.catalog else ()
        command = [sys.executable, str(self.script), *catalog, *arguments]
        return subprocess.Popen(command, env=clean, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=self.home.parent)

    def __call__(self, *arguments: str, **environment: str) -> tuple[int, str]:
        process = self.start(*arguments, **environment)
        said, _ = process.communicate(timeout=120)
        return process.returncode, said

    def injection(self, **environment: str) -> tuple[int, str]:
        return self("--only", "injection", "--no-selftest", **environment)

    def lock(self) -> dict[str, Any]:
        path = self.home / "veritensor/models.lock.json"
        return dict(json.loads(path.read_text())) if path.exists() else {}


@pytest.fixture
def run(hub: Hub, tmp_path: Path, tiny: Path) -> Run:
    """A run with an empty home."""
    return Run(hub, tmp_path / "home", tiny / "catalog.yaml")


@pytest.fixture(scope="module")
def complete(tiny: Path, archives: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, Run]:
    """A home with all roles, which was filled in one place and carried to another, and what was said while it was filled and tested.

    It is tested where there is no hub.
    """
    files = {f"tiny/{folder.name}": {path.name: path.read_bytes() for path in folder.iterdir()} for folder in (tiny / "tiny").iterdir()}
    filled, carried = (tmp_path_factory.mktemp(name) / "home" for name in ("complete", "carried"))
    with serving(Hub(files, archives)) as hub:
        code, said = Run(hub, filled, tiny / "catalog.yaml")("--no-selftest")
        assert code == 0, said
        filled.rename(carried)
        run, asked = Run(hub, carried, tiny / "catalog.yaml"), len(hub.asked)
        code, again = run(HF_HUB_OFFLINE="1", HF_ENDPOINT="http://127.0.0.1:9", EASYOCR_MIRROR="http://127.0.0.1:9")
        assert code == 0, again
        assert again.count("nothing to download") == 3
        assert len(hub.asked) == asked, "the second run asked the hub"
    return carried / "veritensor", said + again, run


def test_folders_are_flat_whole_and_free_of_pickles(complete: tuple[Path, str, Run], tiny: Path) -> None:
    home, said, _ = complete
    there = {str(path.relative_to(home)) for path in home.rglob("*") if path.is_file()}
    assert there >= {
        "injection/config.json",
        "injection/model.safetensors",
        "injection/tokenizer.json",
        "pii/gliner_config.json",
        "pii/model.safetensors",
        "pii/tokenizer.json",
        "pii/tokenizer_config.json",
        "ocr/craft_mlt_25k.safetensors",
        "ocr/english_g2.safetensors",
        "models.lock.json",
    }
    assert not [name for name in there if name.endswith((".bin", ".pth", ".pkl", ".zip", ".part", ".py"))]
    assert not [path for path in home.rglob("*") if path.is_symlink()]
    assert {path.name for path in home.iterdir()} == {"injection", "pii", "ocr", "models.lock.json"}
    assert {path.stat().st_mode & 0o777 for path in home.glob("*/*")} == {0o644}
    places = [str(home.parents[1]), str(home.parents[1]).replace("carried", "complete")]
    written = "".join(path.read_text(encoding="utf-8") for path in home.rglob("*.json"))
    assert not [place for place in places if place in written], "an absolute path"
    for line in ("self-test injection: ok", "self-test pii: ok", "self-test ocr: ok", "tiny/pii pytorch_model.bin: "):
        assert line in said


def test_the_store_takes_what_the_download_leaves(complete: tuple[Path, str, Run], tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HOME", str(complete[0].parent))
    monkeypatch.setattr(model_store, "catalog", lambda: yaml.safe_load((tiny / "catalog.yaml").read_text()))
    for role in ("injection", "pii", "ocr"):
        model = model_store.ModelStore("standard").model(role)
        assert model.folder == complete[0] / role
        assert model.name == json.loads((complete[0] / "models.lock.json").read_text())[role]["name"]


def test_only_what_is_asked_for(run: Run) -> None:
    code, said = run.injection()
    assert code == 0, said
    assert set(run.lock()) == {"injection"}
    assert not [path for path, _ in run.hub.asked if "/pii" in path]
    (run.home / "veritensor/injection/config.json").write_text("{}")
    run.hub.asked.clear()
    assert run.injection()[0] == 0
    assert run.hub.asked, "a changed file was not noticed"


def test_a_cut_connection_goes_on(run: Run) -> None:
    run.hub.cuts["model.safetensors"] = [0.5, 0.5]
    code, said = run.injection()
    assert code == 0, said
    assert [given for path, given in run.hub.asked if "blobs" in path and given] != []
    assert ", resuming at " in said


def test_a_killed_run_leaves_nothing_and_the_next_goes_on(run: Run) -> None:
    run.hub.cuts["model.safetensors"] = [-0.5]
    process = run.start("--only", "injection", "--no-selftest")
    waited = time.monotonic() + 30
    while not [part for part in run.home.rglob("model.safetensors.part") if part.stat().st_size > 10_000]:
        assert time.monotonic() < waited
        time.sleep(0.05)
    process.kill()
    process.communicate()
    assert not run.lock()
    assert not (run.home / "veritensor/injection").exists()
    run.hub.asked.clear()
    code, said = run.injection()
    assert code == 0, said
    assert any(given.startswith("bytes=") for path, given in run.hub.asked if "blobs" in path)
    assert not (run.home / "veritensor/.staging").exists()


def test_a_limit_of_the_rate_is_waited_for(run: Run, hurried: dict[str, str]) -> None:
    run.hub.refusals["/tree/"] = (429, {"retry-after": "7"}, 1)
    code, said = run.injection(**hurried)
    assert code == 0, said
    assert re.findall("(?:asks to wait|sleeps) .* s", said) == ["asks to wait 7 s", "sleeps 7 s"]


def refuse(part: str, status: int, code: str = "", **headers: str) -> Callable[[Hub], object]:
    """The hub says no to addresses with this in them."""
    return lambda hub: hub.refusals.update({part: (status, {"x-error-code": code} | headers, 99)})


@pytest.mark.parametrize(
    ("wrong", "code", "says"),
    [
        (lambda hub: hub.files.pop(INJECTION), 3, "has no repository: tiny/injection@0123"),
        (refuse("/tree/", 404, "RevisionNotFound"), 3, "has no commit: tiny/injection@0123"),
        (lambda hub: hub.files[INJECTION].pop("tokenizer.json"), 3, "has no file tokenizer.json. Correct `files` in the catalog"),
        (refuse("model.safetensors", 404, "EntryNotFound"), 3, "has no file: tiny/injection model.safetensors"),
        (refuse("/tree/", 401), 4, "refuses tiny/injection@0123"),
        (refuse("model.safetensors", 403, "GatedRepo"), 4, "is gated (403 from 127.0.0.1). Accept its terms on the hub and set HF_TOKEN"),
        (refuse("/tree/", 429, **{"retry-after": "0"}), 5, "still limits the rate after 5 attempts"),
        (refuse("/tree/", 500), 6, "answers 500 to tiny/injection"),
        (refuse("/tree/", 200), 6, "that is not a hub's"),
        (lambda hub: hub.cuts.update({"model.safetensors": [0.5] + [0.0] * 9}), 6, "is only partly downloaded. Run the same command again"),
        (lambda hub: hub.changed.update({"config.json": b"{}"}), 8, "tiny/injection config.json differs from the file at the hub"),
        (lambda hub: hub.changed.update({"model.safetensors": b"x" * 143_368}), 8, "model.safetensors differs from the file at the hub"),
    ],
)
def test_what_can_go_wrong_at_the_hub(run: Run, hurried: dict[str, str], wrong: Callable[[Hub], object], code: int, says: str) -> None:
    wrong(run.hub)
    ended, said = run.injection(**hurried)
    assert (ended, "Traceback" in said) == (code, False), said
    assert says in said
    assert not run.lock()
    assert not (run.home / "veritensor/injection").exists()


@pytest.mark.parametrize(
    ("arguments", "environment", "code", "says"),
    [
        ((), {"HF_ENDPOINT": "http://127.0.0.1:9"}, 6, "cannot reach 127.0.0.1"),
        ((), {"HF_HUB_OFFLINE": "1"}, 6, "HF_HUB_OFFLINE is set"),
        (("--only", "speech"), {}, 2, "the catalog has no 'speech'"),
        (("--catalog", "/no/catalog.yaml"), {}, 2, "/no/catalog.yaml cannot be read"),
        (("--home", "/proc/nowhere"), {}, 7, "Choose a writable --home"),
        (("--only", "ocr", "--easyocr-mirror", "file:///tmp"), {}, 2, "takes an http or https address"),
    ],
)
def test_mistakes(run: Run, hurried: dict[str, str], arguments: tuple[str, ...], environment: dict[str, str], code: int, says: str) -> None:
    only = () if "--only" in arguments else ("--only", "injection")
    ended, said = run(*arguments, *only, "--no-selftest", **hurried, **environment)
    assert (ended, "Traceback" in said) == (code, False), said
    assert says in said


def test_a_full_disk(run: Run) -> None:
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard[1]))  # the child inherits it; what a full disk says, on a disk with room
    try:
        code, said = run.injection()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, hard)
    assert (code, "no room left" in said) == (7, True), said


def test_a_library_for_another_system_is_no_full_disk(script: ModuleType) -> None:
    said = script._about_disk(OSError("libc.so.6: version `GLIBC_2.99' not found (required by libgomp.so.1)"))
    assert said.startswith("a library cannot be loaded: libc.so.6")


def test_two_at_once(run: Run) -> None:
    staging = run.home / "veritensor/.staging"
    staging.mkdir(parents=True)
    with (staging / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        code, said = run.injection()
    assert (code, "another download is running" in said) == (7, True), said


def zipped(name: str, content: bytes) -> bytes:
    """An archive with one member."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr(name, content)
    return made.getvalue()


@pytest.mark.parametrize(
    ("archive", "code", "says"),
    [
        (zipped("craft_mlt_25k.pth", b"other weights"), 8, "craft_mlt_25k.pth in craft_mlt_25k.zip is not the file that EasyOCR expects"),
        (zipped("../craft_mlt_25k.pth", b"elsewhere"), 8, "craft_mlt_25k.zip does not hold craft_mlt_25k.pth"),
        (b"no archive", 8, "craft_mlt_25k.zip does not hold craft_mlt_25k.pth"),
        (None, 3, "has no file: craft_mlt_25k.zip"),
    ],
)
def test_what_can_go_wrong_with_easyocr(run: Run, archive: bytes | None, code: int, says: str) -> None:
    if archive is not None:
        run.hub.archives["craft_mlt_25k.zip"] = archive
    ended, said = run("--only", "ocr", "--no-selftest")
    assert (ended, "Traceback" in said) == (code, False), said
    assert says in said
    assert not run.lock()
    assert not list(run.home.rglob("*.zip"))


class Evil:
    """What a pickle can do."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


@pytest.fixture(scope="module")
def script() -> ModuleType:
    """The script as a module, for what needs no process."""
    spec = importlib.util.spec_from_file_location("download_models", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def not_from_a_hub(tiny: Path, change: Callable[[Path], object]) -> Callable[[dict[str, Any], Path], None]:
    """What stands in for the download of a repository: a copy of it, whose model is changed."""

    def fetched(entry: dict[str, Any], folder: Path) -> None:
        shutil.copytree(tiny / f"{entry['repository']}@{entry['revision']}", folder)
        if folder.name == "model":
            change(folder)

    return fetched


@pytest.mark.filterwarnings("ignore")
def test_a_pickle_with_code_is_not_loaded(
    script: ModuleType, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    hostile = pickle.dumps(Evil(tmp_path / "owned"))
    fetched = not_from_a_hub(tiny, lambda folder: (folder / "pytorch_model.bin").write_bytes(hostile))
    monkeypatch.setattr(script, "_fetch_repository", fetched)
    home = tmp_path / "home"
    code = script.main(["--only", "pii", "--no-selftest", "--catalog", str(tiny / "catalog.yaml"), "--home", str(home)])
    said = capsys.readouterr().err
    assert (code, "contains more than weights and is not loaded" in said) == (8, True), said
    assert not (tmp_path / "owned").exists()
    assert (home / "veritensor").exists()
    assert not (home / "veritensor/models.lock.json").exists()


def swap_labels(home: Path) -> None:
    path = home / "injection/config.json"
    config = json.loads(path.read_text())
    path.write_text(json.dumps(config | {"id2label": {"0": "INJECTION", "1": "SAFE"}}))


def rewrite(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    from safetensors.torch import load_file, save_file

    weights = load_file(path)
    change(weights)
    save_file(weights, path, metadata={"format": "pt"})


def flip(home: Path) -> None:
    rewrite(home / "injection/model.safetensors", lambda w: w.update({"classifier.weight": -w["classifier.weight"]}))


def shorten(file: str, weight: str) -> Callable[[Path], object]:
    """A file that lacks one of its tensors."""
    return lambda home: rewrite(home / file, lambda weights: weights.pop(weight))


def spoil(home: Path) -> None:
    rewrite(home / "pii/model.safetensors", lambda w: next(iter(w.values())).fill_(float("nan")))


def other_tokenizer(home: Path) -> None:
    path = home / "injection/tokenizer.json"
    tokenizer = json.loads(path.read_text())
    words = tokenizer["model"]["vocab"]
    tokenizer["model"]["vocab"] = {word if word.startswith("[") else f"x{i}": i for word, i in words.items()}
    path.write_text(json.dumps(tokenizer))


def larger_tokenizer(home: Path) -> None:
    shutil.copy(home / "pii/tokenizer.json", home / "injection/tokenizer.json")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("role", "damage", "says"),
    [
        ("injection", swap_labels, "injection/config.json has the labels {'INJECTION': 0, 'SAFE': 1}"),
        ("injection", flip, "model.safetensors or tokenizer.json belongs to another model"),
        ("injection", other_tokenizer, "injection/tokenizer.json belongs to another model: its vocabulary lacks"),
        ("injection", larger_tokenizer, "injection/tokenizer.json belongs to another model: it has"),
        ("pii", spoil, "pii/model.safetensors holds NaN or infinity in "),
        (
            "pii",
            shorten("pii/model.safetensors", "rnn.lstm.bias_hh_l0"),
            "pii/model.safetensors lacks 1 weights, including rnn.lstm.bias_hh_l0",
        ),
        ("pii", lambda home: (home / "pii/gliner_config.json").unlink(), "pii does not load: FileNotFoundError"),
        (
            "ocr",
            shorten("ocr/english_g2.safetensors", "Prediction.bias"),
            "does not fit EasyOCR's network: 1 weights differ, including Prediction.bias",
        ),
    ],
)
def test_the_self_test_names_the_file(
    complete: tuple[Path, str, Run],
    script: ModuleType,
    tiny: Path,
    tmp_path: Path,
    role: str,
    damage: Callable[[Path], object],
    says: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for path in complete[0].glob("*/*"):
        copy = tmp_path / path.relative_to(complete[0])
        copy.parent.mkdir(exist_ok=True)
        copy.symlink_to(path) if path.stat().st_size > 50_000_000 else shutil.copy(path, copy)
    damage(tmp_path)
    catalog = yaml.safe_load((tiny / "catalog.yaml").read_text())
    assert script.selftest_all(tmp_path, {role: catalog[role]}, "standard") == 9
    assert says in capsys.readouterr().err


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({}, ""),
        ({"class_token_index": -1, "vocab_size": -1}, ""),
        ({"model_name": "/home/trainer/backbone"}, ""),
        ({"class_token_index": 5}, "the tokenizer of tiny/backbone does not belong to tiny/pii"),
    ],
)
def test_gliner_needs_nothing_but_its_folder(
    script: ModuleType, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any], says: str
) -> None:
    def configure(folder: Path) -> None:
        config = json.loads((folder / "gliner_config.json").read_text())
        (folder / "gliner_config.json").write_text(json.dumps(config | change))

    monkeypatch.setattr(script, "_fetch_repository", not_from_a_hub(tiny, configure))
    catalog = yaml.safe_load((tiny / "catalog.yaml").read_text())["pii"]
    (tmp_path / "ready").mkdir()
    if says:
        with pytest.raises(script.Failed, match=says):
            script._make_gliner(catalog["standard"], tmp_path / "staging", tmp_path / "ready")
        return
    script._make_gliner(catalog["standard"], tmp_path / "staging", tmp_path / "ready")
    shutil.rmtree(tmp_path / "staging")
    config = json.loads((tmp_path / "ready/gliner_config.json").read_text())
    assert config["model_name"] == "tiny/backbone"
    assert config["encoder_config"]["vocab_size"] == config["vocab_size"]
    script._test_pii(tmp_path / "ready", catalog["standard"], catalog["selftest"])


def test_tensors_that_share_memory_are_written_apart(script: ModuleType, tmp_path: Path) -> None:
    import torch
    from safetensors.torch import load_file

    base = torch.arange(12.0).reshape(3, 4)
    weights = {"whole": base, "same": base, "part": base[1:], "turned": base.T}
    script._save(weights, tmp_path / "model.safetensors")
    loaded = load_file(tmp_path / "model.safetensors")
    assert all(torch.equal(loaded[name], tensor) for name, tensor in weights.items())


def test_the_package_judges_its_own_catalog(run: Run, tiny: Path, tmp_path: Path) -> None:
    package = tmp_path / "veritensor_ray"
    (package / "models").mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text("import os, sys; print('asked', sys.argv[1:], os.environ['HF_HUB_OFFLINE']); sys.exit(4)")
    catalog = yaml.safe_load((tiny / "catalog.yaml").read_text())
    run.catalog = package / "models/catalog.yaml"
    run.catalog.write_text(yaml.safe_dump({"injection": catalog["injection"]}))
    code, said = run(PYTHONPATH=str(tmp_path))
    assert code == 9, said
    assert "asked ['models', 'selftest', '--profile', 'standard'] 1" in said


def test_the_catalog_is_found(run: Run, tiny: Path, tmp_path: Path) -> None:
    run.catalog = None
    code, said = run.injection()
    assert (code, "protectai/deberta-v3-base-prompt-injection-v2@89b085cd" in said) == (3, True), said
    run.script = tmp_path / "download_models.py"  # as an image has it: these two files and nothing else
    shutil.copy(SCRIPT, run.script)
    shutil.copy(tiny / "catalog.yaml", tmp_path)
    code, said = run.injection()
    assert code == 0, said


def test_the_token_goes_to_the_hub_alone(run: Run) -> None:
    weights = run.hub.files[INJECTION]["model.safetensors"]
    with serving(Hub({}, {"model.safetensors": weights})) as store_of_files:
        elsewhere = {"location": f"{store_of_files.address}/archives/model.safetensors"}
        run.hub.refusals["resolve/" + COMMIT + "/model.safetensors"] = (302, elsewhere, 99)
        code, said = run.injection(HF_TOKEN="hf_secret")
        assert code == 0, said
        assert (run.hub.tokens, store_of_files.tokens) == ({"Bearer hf_secret"}, {""})
        assert "hf_secret" not in said
