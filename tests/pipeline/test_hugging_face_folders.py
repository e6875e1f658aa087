"""A dataset gives the same findings in the same rows in each form in which Hugging Face's own libraries leave it on a disk."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.corpus.datasets.making import EARLIER, NAME, REVISION
from tests.findings.nights import KEY, Nights
from veritensor_ray.core.config import Settings
from veritensor_ray.core.errors import StoreError
from veritensor_ray.corpus.datasets.dataset_folders import DatasetFolder
from veritensor_ray.corpus.datasets.descriptions import described
from veritensor_ray.corpus.listing import roots
from veritensor_ray.pipeline.bounded.process import descriptions
from veritensor_ray.pipeline.passages.passage import Amount
from veritensor_ray.pipeline.passages.reading_back import read_back
from veritensor_ray.stores.outputs import OutputStore

pytest.importorskip("datasets")
pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
CACHED = "datasets--kaldor--letters"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The dataset in all forms, made in a process of its own, since the libraries read the environment when they are imported."""
    folder = tmp_path_factory.mktemp("made")
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "TRANSFORMERS_"))}
    subprocess.run(
        [sys.executable, "-m", "tests.corpus.datasets.making", str(folder)], cwd=ROOT, check=True, capture_output=True, env=clean
    )
    return folder


def audited(base: Path, corpus: Path, *engines: str) -> Nights:
    one = Nights.__new__(Nights)
    one.base, one.corpus, one.engines, one.number = base, corpus, ("pii", *engines), 0
    one.state = OutputStore(str(base / "state"))
    one.night(key=["label"])
    return one


@pytest.fixture(scope="module")
def cache(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Nights:
    return audited(tmp_path_factory.mktemp("cache"), made / "cache", "ocr")


def ledger(one: Nights) -> dict[str, dict[str, Any]]:
    return {row["artifact"]: row for row in one.table("ledger")}


def facts(one: Nights) -> Counter[tuple[Any, ...]]:
    """What was found in rows and in their files: the split, the number of the file in it, the row, the column, the key, and the value."""
    rows, found = ledger(one), Counter[tuple[Any, ...]]()
    for finding in one.table("findings"):
        split = (rows[finding["artifact"]]["dataset"] or {}).get("split")
        if split is not None:
            number = finding["artifact"].rpartition("/")[2].replace("data-", "").replace(f"{split}-", "").partition("-")[0]
            for place in (finding["location"], *finding["places"]):
                if place["row"] is not None or finding["member"]:
                    at = (place["row"], place["column"], place["view"], place["key"], finding["member"])
                    found[split, number, *at, finding["content_fingerprint"]] += 1
    return found


def test_every_form_gives_the_same_findings_in_the_same_rows(made: Path, cache: Nights, tmp_path: Path) -> None:
    known = facts(cache)
    assert Counter((split, column) for split, _, _, column, *_ in known) == {
        **{(split, column): count for split, count in (("train", 4), ("test", 2)) for column in ("text", "tags[1]")},
        ("train", "scan.bytes"): 1,
        ("test", "scan.bytes"): 1,
        **{(split, "ICMT"): count for split, count in (("train", 4), ("test", 2))},
    }
    assert {view for *_, column, view, _, _, _ in known if column == "scan.bytes"} == {"ocr"}, "pictures go to their reader"
    assert {member for *_, column, _, _, member, _ in known if column == "ICMT"} == {f"row {row} voice.bytes" for row in range(2)}
    names = {(row, str(key).partition("jü")[0]) for *_, row, column, _, key, _, _ in known if column == "text"}
    assert names == {(0, "label=0 (ham)"), (1, "label=1 (von ")}, "labels have names, without what was found in these"
    assert "jürgen" not in str(known)
    assert facts(audited(tmp_path, made / "saved", "ocr")) == known
    texts = {fact: count for fact, count in known.items() if "ocr" not in fact}
    for form in ("clone", "local", f"cache/{CACHED}/snapshots/{REVISION}"):
        (tmp_path / form).mkdir(parents=True)
        assert facts(audited(tmp_path / form, made / form)) == texts, form


def test_every_form_can_be_named(made: Path) -> None:
    cached = f"cache/{CACHED}"
    for form in (
        "saved/letters",
        "saved/letters/train",
        "clone/letters",
        "local/letters",
        "cache",
        cached,
        f"{cached}/snapshots/{REVISION}",
    ):
        assert roots([f"hf+file://{made}/{form}"], {}) == roots([str(made / form)], {})
    for other in ("saved", "clone/letters/data", "saved/letters/train/state.json"):
        with pytest.raises(StoreError, match="is not a dataset of Hugging Face"):
            roots([f"hf+file://{made}/{other}"], {})


def test_each_file_of_a_cache_is_read_once_and_all_are_accounted_for(made: Path, cache: Nights) -> None:
    rows = ledger(cache)
    there = {str(path.relative_to(made / "cache")) for path in (made / "cache").rglob("*") if not path.is_dir()}
    assert rows.keys() == there
    parquet = {name for name, row in rows.items() if row["media_type"] == "application/vnd.apache.parquet"}
    here = f"{CACHED}/snapshots/{REVISION}/data"
    assert parquet == {f"{here}/{path.name}" for path in (made / "cache" / here).iterdir()}
    dataset = {"name": NAME, "revision": REVISION, "config": "default", "split": "test"}
    assert rows[f"{here}/test-00000-of-00001.parquet"]["dataset"] == dataset
    old = rows[f"{CACHED}/snapshots/{EARLIER}/data/old.jsonl"]
    assert (old["status"], old["dataset"]["revision"]) == ("scanned", EARLIER), "a file that only an earlier revision has"
    again = rows[f"{CACHED}/snapshots/{EARLIER}/data/train-00000-of-00002.parquet"]
    assert (again["status"], again["reason_code"]) == ("skipped", "link")
    assert {row["reason_code"] for name, row in rows.items() if "/blobs/" in name} == {"link"}


def test_a_sweep_follows_what_a_card_says(made: Path, tmp_path: Path) -> None:
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    text = "---\nconfigs:\n- data_files:\n  - {split: SPLIT, path: x.jsonl}\n---\n"
    (corpus / "README.md").write_text(text.replace("SPLIT", "train"))
    (corpus / "x.jsonl").write_text('{"text": "ada@kaldor-mail.com"}\n')
    (corpus / "y.jsonl").write_text("{}\n")
    sweeps = audited(tmp_path, corpus)
    assert ledger(sweeps)["x.jsonl"]["dataset"] == {"name": "corpus", "revision": None, "config": "default", "split": "train"}
    (corpus / "README.md").write_text(text.replace("SPLIT", "held_out"))
    sweeps.night()
    assert sweeps.read == ["README.md"]
    assert ledger(sweeps)["x.jsonl"]["dataset"]["split"] == "held_out", "the file is unchanged, and only what is said of it is new"
    assert ledger(sweeps)["y.jsonl"]["dataset"]["split"] is None
    assert not sweeps.differences()


def test_an_unfinished_download_is_read_and_partial(tmp_path: Path) -> None:
    blobs = tmp_path / "corpus" / "datasets--org--name" / "blobs"
    blobs.mkdir(parents=True)
    (blobs / f"{'c' * 64}.incomplete").write_text('{"text": "ada@kaldor-mail.com"}\n{"te')
    one = audited(tmp_path, tmp_path / "corpus")
    [row] = one.table("ledger")
    assert (row["status"], row["reason_code"], row["findings"]) == ("partial", "damaged", 1)
    assert row["gaps"][0]["reason"] == "its download was not finished, so that the rest of it is not here; download it again"
    assert row["dataset"]["name"] == "org/name"
    one.night()
    assert not one.differences()


def test_a_passage_is_read_back_from_behind_a_link(cache: Nights) -> None:
    finding = next(row for row in cache.table("findings") if row["location"]["column"] == "text" and "test" in row["artifact"])
    limits = Settings().limits.model_dump(mode="json")
    options: dict[str, Any] = {"place": 1, "amount": Amount(1), "key": KEY, "given": Settings()}
    passage = read_back(finding, None, ledger(cache)[finding["artifact"]], limits, **options)
    assert passage.text.startswith("person") and passage.before == "write to "


def test_the_process_for_hostile_bytes_says_the_same(made: Path) -> None:
    for folder, names in ((made / "saved/letters", ["dataset_dict.json"]), (made / "clone/letters", ["README.md"])):
        here = DatasetFolder(str(folder), {name: os.fsencode(folder / name) for name in names}, {})
        assert descriptions(Settings())(here) == described(here)
