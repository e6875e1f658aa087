"""`models calibrate` over a small model of the architecture of profile standard: read, scored, set, kept, verified, carried, used."""

from __future__ import annotations

import json
import random
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import astuple
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import veritensor_ray as vr
from tests.bundle.building import zone
from tests.engines.injection.building import ATTACK, HARMLESS, linear, sealed
from tests.engines.injection.standard import SURVEY, calm, save_standard
from veritensor_ray.bundle.active_bundle import activate, verified
from veritensor_ray.bundle.bundle_creation import Sources
from veritensor_ray.bundle.bundle_import import import_bundle
from veritensor_ray.cli import main
from veritensor_ray.core.config import Settings
from veritensor_ray.core.errors import ModelError
from veritensor_ray.core.signing import trust_list
from veritensor_ray.engines.injection import Injection
from veritensor_ray.engines.injection.calibrated_scores import Rates, above, odds
from veritensor_ray.engines.injection.first_stage import FirstStage
from veritensor_ray.engines.injection.mixing import ALONE
from veritensor_ray.models.model_store import ModelStore
from veritensor_ray.models.standard import keep_calibration
from veritensor_ray.pipeline.bounded import process
from veritensor_ray.pipeline.calibration import RatedDocument, calibrated
from veritensor_ray.pipeline.strongest_passages import RatedPassage
from veritensor_ray.testing import text_batch

pytestmark = pytest.mark.slow  # each calibration is a process that loads a model, or two
Run = Any
LINES = 60  # documents of the small corpus, beside two that cannot be read


@pytest.fixture(scope="module")
def _trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_standard(tmp_path_factory.mktemp("trained") / "hf/veritensor")


@pytest.fixture(scope="module")
def _place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """HF_HOME of all tests here. The process that reads documents keeps it for as long as it lives, and takes seconds to start."""
    process.SHARED.close()  # it has the HF_HOME of another file
    yield tmp_path_factory.mktemp("place") / "hf"
    process.SHARED.close()


@pytest.fixture
def home(_trained: Path, _place: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh copy of it in HF_HOME."""
    shutil.rmtree(_place, ignore_errors=True)
    monkeypatch.setenv("HF_HOME", str(_place))
    return shutil.copytree(_trained, _place / "veritensor")


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Callable[[], None]]:
    """Changes HF_HOME to a folder that does not exist, also in the process that reads documents."""
    with pytest.MonkeyPatch.context() as patch:

        def leave() -> None:
            patch.setenv("HF_HOME", str(tmp_path / "nothing"))
            process.SHARED.close()

        yield leave
    process.SHARED.close()


@pytest.fixture
def clean(tmp_path: Path) -> Path:
    """Two kinds of clean documents of several types; one file is damaged, and one is of a type that nobody reads."""
    folder = tmp_path / "clean"
    for kind in ("letters", "tables"):
        (folder / kind).mkdir(parents=True)
    for number in range(LINES // 2):
        (folder / f"letters/{number}.md").write_text(calm(3, number))
        rows = "\n".join(f'{number},"{calm(1, number + row)}"' for row in range(3))
        (folder / f"tables/{number}.csv").write_text(f"id,note\n{rows}\n")
    (folder / "letters/broken.zip").write_bytes(b"PK\x03\x04\x00")
    (folder / "tables/sound.aiff").write_bytes(b"FORM\x00\x00\x02\x64AIFF" + bytes(200))
    return folder


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """`models calibrate` with these arguments: exit code, standard output, standard error."""

    def call(*arguments: str, profile: str = "standard") -> tuple[int, str, str]:
        engines = () if "--engines" in arguments else ("--engines", "injection")
        command = ["veritensor-ray", "models", "calibrate", *engines, "--profile", profile, *arguments]
        monkeypatch.setattr(sys, "argv", command)
        monkeypatch.setenv("COLUMNS", "160")
        with pytest.raises(SystemExit) as ended:
            main()
            sys.exit(0)
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return call


def engine(**options: Any) -> Injection:
    """The engine of profile standard, loaded."""
    settings = Settings.model_validate({"profile": "standard", **options})
    made = Injection(settings)
    made.load(ModelStore.of(settings))
    return made


def batch(*texts: str) -> pa.RecordBatch:
    return text_batch(texts)


def test_the_architecture_is_that_of_the_real_model(home: Path) -> None:
    """What the catalog's model has and the embedded one need not have: relative attention both ways, pieces of words."""
    about = json.loads((home / "injection/config.json").read_text())
    assert (about["model_type"], about["relative_attention"], about["pos_att_type"]) == ("deberta-v2", True, ["p2c", "c2p"])
    assert (about["position_biased_input"], about["share_att_key"], about["norm_rel_ebd"]) == (False, True, "layer_norm")
    words = json.loads((home / "injection/tokenizer.json").read_text())
    assert (words["model"]["type"], words["pre_tokenizer"]["type"]) == ("Unigram", "Metaspace")


def test_windows_of_a_long_text(home: Path) -> None:
    """Without the cascade every stretch is read, in the windows of the catalog, each by itself and each once."""
    made = engine(models=str(home), injection={"cascade": False})
    text = calm(60)
    prepared = made.prepare(batch(text, "", HARMLESS))
    ids = prepared.column("ids").to_pylist()
    assert max(map(len, ids)) == 256
    starts, ends, rows = (prepared.column(name).to_pylist() for name in ("start", "end", "row"))
    first = [number for number, row in enumerate(rows) if row == 0]
    assert len(first) > 3
    assert (starts[0], max(ends[number] for number in first)) == (0, len(text))
    assert all(starts[number + 1] < ends[number] for number in first[:-1])
    assert set(rows) == {0, 2}


def test_an_order_in_a_long_text_is_found_and_placed(home: Path) -> None:
    made = engine(models=str(home), injection={"medium": 0.5, "high": 0.9})
    before, after = calm(8, 1), calm(8, 2)
    texts = batch(f"{before} {ATTACK} {after}", calm(20, 3))
    [hit] = made.scan_text(texts)
    assert hit.row == 0
    assert len(before) - 80 < hit.start < len(before) + 2 < hit.end
    deep, _, window = next(made.strongest(made.prepare(texts)))
    where = made.located(texts, deep, window)
    assert (where.row, where.start, where.end) == (hit.row, hit.start, hit.end)
    assert deep == pytest.approx(odds(hit.score), abs=0.1)


def test_the_highest_score_is_the_scans_own(home: Path) -> None:
    """A threshold just below it gives a finding, and one just above it none."""
    texts = batch(*(calm(4, number) for number in range(6)))
    found = engine(models=str(home), injection={"cascade": False})
    score, *_ = next(found.strongest(found.prepare(texts)))
    for shift, count in ((-0.01, 1), (0.01, 0)):
        threshold = 1 / (1 + 2.718281828459045 ** -(score + shift))
        scorer = Injection(Settings.model_validate({"profile": "standard", "injection": {"medium": threshold, "high": 0.9999}}))
        scorer._scorer = found._scorer  # its self-test would refuse so low a threshold
        assert min(1, len(scorer.scan_prepared(texts, found.prepare(texts)))) == count


def test_the_first_stage_of_the_package_is_used(home: Path) -> None:
    """It decides what is read, and what it says of a window counts as the mix tells."""
    made, all_of_it = engine(models=str(home)), engine(models=str(home), injection={"cascade": False})
    text = f"{calm(40, 5)} {ATTACK} {calm(40, 6)}".replace(SURVEY, "")
    read, windows = made.prepare(batch(calm(9).replace(SURVEY, ""), text)), all_of_it.prepare(batch(text))
    assert set(read.column("row").to_pylist()) == {1}
    [start], [end] = (read.column(name).to_pylist() for name in ("start", "end"))
    assert ATTACK in text[start:end]
    assert end - start < len(text) / 4
    assert windows.num_rows > read.num_rows
    first_stage = FirstStage.load(ModelStore("embedded").model("injection").folder)
    assert first_stage is not None
    assert read.column("first").to_pylist() == pytest.approx(first_stage.scores([text[start:end]]).tolist())
    mix = (0.5, 0.25, -1.0)
    mixing = engine(models=str(home), injection={"mix": mix})
    [(deep, first, window)] = mixing.strongest(read)
    assert odds(mixing.located(batch("", text), deep, window).score) == pytest.approx(0.5 * deep + 0.25 * first - 1.0)


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        ({"injection": {"mix": (0.5, 0.25, -1.0)}}, {}),
        ({}, {"mix": (0.5, 0.25, -1.0)}),
        ({}, {"thresholds": {"low": 0.3, "medium": 0.95, "high": 0.999}}),
        ({"injection": {"cascade": False}}, {}),
    ],
)
def test_what_changes_results_changes_the_fingerprint(home: Path, options: dict[str, Any], kept: dict[str, Any]) -> None:
    def fingerprint(**options: Any) -> str:
        return Injection(Settings.model_validate({"profile": "standard", "models": str(home), **options})).fingerprint()

    before = fingerprint()
    if kept:
        keep_calibration(home, "injection", {"thresholds": {"medium": 0.95, "high": 0.999}} | kept)
    assert fingerprint(**options) != before


def test_another_first_stage_is_another_fingerprint(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings.model_validate({"profile": "standard", "models": str(home)})
    before = Injection(settings).fingerprint()
    other = shutil.copytree(ModelStore("embedded").model("injection").folder, tmp_path / "injection")
    linear({"ignore": 9.0}).save(other / "linear.safetensors")
    sealed(tmp_path)
    monkeypatch.setattr(ModelStore.__init__, "__defaults__", (tmp_path,))
    assert Injection(settings).fingerprint() != before


def test_the_mix_that_finds_more_is_chosen(home: Path) -> None:
    """Where the first stage tells attacks from clean documents as well as the transformer does, it counts; where a mix is set, that stays."""
    chosen = random.Random(9)

    def passages(deep: float, first: float) -> list[RatedPassage]:
        return [RatedPassage(chosen.gauss(deep, 2.0), chosen.gauss(first, 2.0), None, {"line": line}) for line in (1, 2)]

    documents = [RatedDocument(f"{number}.md", "mail", passages(-2.0, 4.0), False) for number in range(200)]
    attacks = [[one[:2] for one in passages(3.0, 9.0)] for _ in range(200)] + [[]] * 10
    made, rates = Injection(Settings.model_validate({"profile": "standard", "models": str(home)})), Rates(0.02, 0.005, 0.0005)
    fitted, alone = (calibrated(made, documents, attacks, rates, fits) for fits in (True, False))
    assert (alone.about.mix, alone.mix_before, fitted.mix_before) == (ALONE, ALONE, ALONE)
    assert min(fitted.about.mix[:2]) > 0
    found, before = (above(one.attacks, one.after.medium) for one in (fitted, alone))
    assert found > before + 20
    assert above([one.score for one in fitted.documents], fitted.after.medium) <= 1
    a, b, c = fitted.about.mix
    best = [max((a * one.deep + b * one.first + c, one.location) for one in document.passages) for document in documents]
    assert [(one.score, one.location) for one in fitted.documents] == best
    assert [one.before for one in fitted.documents] == [max(one.deep for one in document.passages) for document in documents]
    assert fitted.settings()["mix"] == [a, b, c]


def test_calibrated_kept_verified_and_used(home: Path, clean: Path, run: Run) -> None:
    engine_before = engine(models=str(home)).fingerprint()
    code, out, _ = run(str(clean), "--json")
    assert code == 0
    about = json.loads(out)
    assert about["documents"] == LINES
    assert {kind: one["documents"] for kind, one in about["kinds"].items()} == {"letters": LINES // 2, "tables": LINES // 2}
    assert [(one["artifact"], bool(one["reason"])) for one in about["unread"]] == [
        ("letters/broken.zip", True),
        ("tables/sound.aiff", True),
    ]
    assert [one["medium"]["after"] for one in about["kinds"].values()] == [0, 0]
    [first, *_] = about["kinds"]["tables"]["highest"]
    assert first["artifact"].startswith("tables/")
    assert (first["location"]["column"], first["location"]["row"] in (0, 1, 2, 3)) == ("note", True)
    assert about["written"] == str(home / "injection/calibration.json")
    assert about["attacks"]["texts"] > 200
    assert 0 < about["attacks"]["high"]["after"] <= about["attacks"]["medium"]["after"] <= about["attacks"]["low"]["after"]

    kept = json.loads((home / "injection/calibration.json").read_text())
    assert kept["thresholds"] == {name: one["after"] for name, one in about["thresholds"].items()}
    assert kept["thresholds"] != {"medium": 0.95, "high": 0.999}
    assert ModelStore("standard").status("injection").faults == ()
    after = engine(models=str(home))
    assert astuple(after.thresholds()) == tuple(odds(kept["thresholds"][name]) for name in ("low", "medium", "high"))
    assert [*after.mix()] == kept["mix"] == about["mix"]["after"]
    assert kept["first_stage"] == after.first_stage()
    assert after.fingerprint() != engine_before
    assert [hit.row for hit in after.scan_text(batch(calm(5), ATTACK))] == [1]

    (home / "injection/calibration.json").write_text(json.dumps(kept | {"thresholds": {"medium": 0.999999, "high": 0.9999999}}))
    with pytest.raises(ModelError, match=r"calibration\.json has changed"):
        ModelStore("standard").model("injection")


def test_a_second_calibration_takes_the_place_of_the_first(home: Path, clean: Path, run: Run) -> None:
    """Even if the first was made with another first stage, so that no run would use it."""
    _, first, _ = run(str(clean), "--json")
    kept = json.loads((home / "injection/calibration.json").read_text())
    keep_calibration(home, "injection", kept | {"first_stage": "of another version"})
    with pytest.raises(ModelError, match=r"made with the first stage of another version .* Run `veritensor-ray models calibrate` again"):
        engine(models=str(home))
    code, second, _ = run(str(clean), "--json", "--exclude", "tables/?.csv", "--dry-run")
    assert code == 0
    before, after = json.loads(first), json.loads(second)
    assert {name: one["before"] for name, one in after["thresholds"].items()} == {
        name: one["after"] for name, one in before["thresholds"].items()
    }
    assert (before["documents"], after["documents"], after["written"]) == (LINES, LINES - 10, None)
    assert after["unread"] == before["unread"]  # what was left out on purpose is not named


def test_an_attack_among_clean_documents_is_shown_and_changes_nothing(home: Path, clean: Path, run: Run) -> None:
    """Its place is printed and its text is not; a name that would speak to the terminal is made visible."""
    (clean / "letters/\x1b]0;owned\x07.md").write_text(f"{calm(2)}\n\n{ATTACK} {ATTACK}\n")
    lock = (home / "models.lock.json").read_bytes()
    code, out, err = run(str(clean))
    assert code == 4
    assert "nothing was changed: with low at" in err
    assert "\x1b" not in out + err
    [line] = [line for line in out.splitlines() if "owned" in line]
    assert line.split()[0] == "letters"
    assert re.search(r"letters/.*\.md:[13]$", line)
    assert "Ignore" not in out
    assert (home / "models.lock.json").read_bytes() == lock
    assert not (home / "injection/calibration.json").exists()


def test_a_dry_run_changes_nothing(home: Path, clean: Path, run: Run) -> None:
    lock = (home / "models.lock.json").read_bytes()
    code, out, _ = run(str(clean), "--dry-run")
    assert code == 0
    assert "Nothing was changed (--dry-run)" in out
    assert "letters/broken.zip" in out
    assert (home / "models.lock.json").read_bytes() == lock
    assert sorted(path.name for path in home.iterdir()) == ["injection", "models.lock.json"]


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("{empty}",), 2, "holds 0 documents. Calibration needs at least 50"),
        (("{few}",), 2, "holds 3 documents. Calibration needs at least 50"),
        (("/no/such/folder",), 4, "/no/such/folder does not exist"),
        (("{few}", "--medium-rate", "all"), 2, "--medium-rate all: give a share"),
        (("{few}", "--high-rate", "0"), 2, "--high-rate 0: give a share"),
        (("{few}", "--high-rate", "1%"), 2, "is above --medium-rate"),
        (("{few}", "--medium-rate", "3%"), 2, "is above --low-rate"),
        (("{few}", "--engines", "secrets"), 2, "does not select the injection engine"),
    ],
)
def test_what_cannot_be_calibrated_on(home: Path, tmp_path: Path, run: Run, arguments: tuple[str, ...], code: int, says: str) -> None:
    for name, count in (("empty", 0), ("few", 3)):
        (tmp_path / name).mkdir()
        for number in range(count):
            (tmp_path / name / f"{number}.txt").write_text(HARMLESS)
    places = {name: str(tmp_path / name) for name in ("empty", "few")}
    got, _, err = run(*(argument.format(**places) for argument in arguments))
    assert (got, says in err) == (code, True)


def test_too_few_of_them_have_text(home: Path, tmp_path: Path, run: Run) -> None:
    (tmp_path / "some").mkdir()
    for number in range(60):
        (tmp_path / f"some/{number}.txt").write_text(HARMLESS if number < 5 else "")
    code, _, err = run(str(tmp_path / "some"))
    assert (code, "holds 5 documents with readable text" in err) == (2, True)


def test_kinds_are_types_of_file_where_there_are_no_folders(home: Path, tmp_path: Path, run: Run) -> None:
    for number in range(30):
        (tmp_path / f"{number}.txt").write_text(calm(1, number))
        (tmp_path / f"{number}.html").write_text(f"<html><body><p>{calm(1, number)}</p></body></html>")
    _, out, _ = run(str(tmp_path), "--include", "*.txt", "--include", "*.html", "--json", "--dry-run")
    assert {kind: one["documents"] for kind, one in json.loads(out)["kinds"].items()} == {"text/html": 30, "text/plain": 30}


def test_a_folder_that_cannot_be_written(home: Path) -> None:
    (home / "injection/calibration.json").mkdir()
    with pytest.raises(ModelError, match=r"calibration.json cannot be written: .*Calibrate on a machine where HF_HOME is writable"):
        keep_calibration(home, "injection", {"thresholds": {}})


def test_the_embedded_model_is_sealed(clean: Path, tmp_path: Path, run: Run) -> None:
    """Its own thresholds stay, and two lines say what to write where. Without the cascade, so that it reads all of the calm texts."""
    (tmp_path / "all.yaml").write_text("injection: {cascade: false}")
    rates = ("--low-rate", "50%", "--medium-rate", "50%", "--high-rate", "50%")
    code, out, err = run(str(clean), *rates, "--config", str(tmp_path / "all.yaml"), profile="embedded")
    assert (code, err.endswith("62 of 62 documents scored\n")) == (0, True)
    [low, medium, high] = re.findall(r"^injection:\n  low: (\S+)\n  medium: (\S+)\n  high: (\S+)$", out, re.MULTILINE)[0]
    assert 0.25 <= float(low) <= float(medium) <= float(high) < 1
    assert float(medium) >= 0.5
    assert "The embedded model is part of the package" in out


def test_the_bundle_carries_it_and_is_sealed(home: Path, clean: Path, run: Run, tmp_path: Path, elsewhere: Callable[[], None]) -> None:
    """Made after a calibration, imported elsewhere, used by a run there; a calibration on top of it only says what to configure.

    It is the last one, since it needs another process.
    """
    run(str(clean))
    kept = json.loads((home / "injection/calibration.json").read_text())["thresholds"]
    made = zone(tmp_path / "zone")
    created = made.create("calibrated.tar", sources=Sources(models=home.parent))
    assert "models/injection/calibration.json" in created.manifest.files
    import_bundle(made.settings(), made.folder / "calibrated.tar")
    elsewhere()
    seen = vr.inspect(f"{calm(2)} {ATTACK}", profile="standard", engines=["injection"], **made.flags)
    assert [finding["rule_id"] for finding in seen.findings] == ["injection.prompt"]
    settings, active = activate(made.settings(profile="standard"))
    assert active is not None
    assert ModelStore.of(settings).model("injection").settings["thresholds"] == kept
    (tmp_path / "zone.yaml").write_text(json.dumps(made.flags))
    code, out, _ = run(str(clean), "--config", str(tmp_path / "zone.yaml"))
    assert code == 0
    assert f"The model is part of bundle {active.id}, which is signed. Put this into the configuration file:" in out
    assert f"injection:\n  low: {kept['low']}\n  medium: {kept['medium']}\n  high: {kept['high']}\n" in out
    verified(active.folder, trust_list(made.flags["trusted_keys"]))
