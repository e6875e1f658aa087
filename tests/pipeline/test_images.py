"""Pictures through the whole of a shard: their text is transcribed and scanned, and the ledger says what read them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from veritensor_ray.core.config import Settings
from veritensor_ray.findings.recorded import places
from veritensor_ray.pipeline.run_description import local_context, planned_shards
from veritensor_ray.pipeline.shard import scan_shard
from veritensor_ray.testing import painted

ENGINES = {"fake-local": "Obedient", "fake-model": "ObedientModel", "fake-ocr": "ObedientTranscriber"}


def scanned(source: Path, *engines: str, missing: dict[str, str] | None = None, **limits: Any) -> dict[str, dict[str, Any]]:
    """What was committed of each file in a folder."""
    settings = Settings.model_validate(
        {
            "sources": [str(source)],
            "engines": list(engines),
            "plugins": [f"veritensor_ray.testing:{name}" for name in ENGINES.values()],
            "limits": limits,
        }
    )
    context = replace(local_context(settings, b"k"), missing=tuple((missing or {}).items()))
    tables = [scan_shard(context, shard.rows) for shard in planned_shards(context)]
    return {row["artifact"]: row for table in tables for row in table.to_pylist()}


def coverage(row: dict[str, Any]) -> dict[str, str]:
    return {one["engine"]: one["status"] for one in row["coverage"]}


def found(row: dict[str, Any]) -> list[tuple[Any, ...]]:
    """Engine, view, characters and box of each place of each finding."""
    all_places = [(one["engine"], at) for one in row["findings"] for at in places(one)]
    return sorted((engine, at["view"], at["start"], at["end"], at["box"]) for engine, at in all_places)


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    (tmp_path / "a.txt").write_text("FINDME here")
    (tmp_path / "blank.png").write_bytes(painted("nothing"))
    (tmp_path / "picture.png").write_bytes(painted("see FINDME", Comment="and FINDME"))
    return tmp_path


@pytest.mark.parametrize("limits", [{}, {"batch_rows": 1}])
def test_text_in_a_picture_is_found_by_all_engines(corpus: Path, limits: dict[str, Any]) -> None:
    rows = scanned(corpus, *ENGINES, **limits)
    assert {name: row["status"] for name, row in rows.items()} == dict.fromkeys(("a.txt", "blank.png", "picture.png"), "scanned")
    assert found(rows["picture.png"]) == [
        ("fake-local", "metadata", 4, 10, None),
        ("fake-local", "ocr", 4, 10, [4, 0, 10, 1]),
        ("fake-model", "metadata", 4, 10, None),
        ("fake-model", "ocr", 4, 10, [4, 0, 10, 1]),
    ]
    assert found(rows["blank.png"]) == []
    assert found(rows["a.txt"]) == [(engine, "visible", 0, 6, None) for engine in ("fake-local", "fake-model")]
    assert {one["evidence"] for one in rows["picture.png"]["findings"]} == {"FINDME"}


def test_coverage_says_what_read_a_picture(corpus: Path) -> None:
    rows = scanned(corpus, *ENGINES)
    everything = dict.fromkeys(ENGINES, "complete")
    assert {name: coverage(row) for name, row in rows.items()} == {
        "a.txt": everything | {"fake-ocr": "not-applicable"},
        "blank.png": everything,
        "picture.png": everything,
    }


@pytest.mark.parametrize("engines", [("fake-local", "fake-ocr"), ("fake-ocr", "fake-model"), ("fake-ocr",)])
def test_a_transcriber_beside_other_engines(corpus: Path, engines: tuple[str, ...]) -> None:
    row = scanned(corpus, *engines)["picture.png"]
    assert row["status"] == "scanned"
    assert {(engine, view) for engine, view, *_ in found(row)} == {
        (engine, view) for engine in engines if engine != "fake-ocr" for view in ("metadata", "ocr")
    }


def test_a_picture_that_cannot_be_read_is_partial_and_the_others_are_not(corpus: Path) -> None:
    (corpus / "bad.png").write_bytes(painted("FINDME RAISE-OCR", Comment="FINDME"))
    rows = scanned(corpus, *ENGINES)
    assert rows["bad.png"]["status"] == "partial"
    assert rows["bad.png"]["reason"].startswith("fake-ocr failed: ValueError in engine_contract.py, line ")
    assert coverage(rows["bad.png"]) == {"fake-local": "complete", "fake-model": "complete", "fake-ocr": "partial"}
    assert [view for _, view, *_ in found(rows["bad.png"])] == ["metadata", "metadata"]
    assert rows["picture.png"]["status"] == "scanned"
    assert len(found(rows["picture.png"])) == 4


@pytest.mark.parametrize("suffix", ["LOCAL", "MODEL"])
def test_text_in_a_picture_that_an_engine_cannot_scan(corpus: Path, suffix: str) -> None:
    (corpus / "bad.png").write_bytes(painted(f"FINDME RAISE-{suffix}"))
    row = scanned(corpus, *ENGINES)["bad.png"]
    engine, other = ("fake-local", "fake-model") if suffix == "LOCAL" else ("fake-model", "fake-local")
    assert coverage(row) == {engine: "partial", other: "complete", "fake-ocr": "complete"}
    assert [one[0] for one in found(row)] == [other]


@pytest.mark.parametrize("engines", [("fake-local",), ("fake-local", "fake-model")])
def test_without_a_transcriber_a_picture_is_skipped(corpus: Path, engines: tuple[str, ...]) -> None:
    rows = scanned(corpus, *engines)
    assert (rows["picture.png"]["status"], rows["picture.png"]["reason"]) == (
        "skipped",
        "ocr was not selected: text in 1 image was not read",
    )
    assert coverage(rows["picture.png"])["ocr"] == "no-reader"
    assert {view for _, view, *_ in found(rows["picture.png"])} == {"metadata"}
    assert rows["a.txt"]["status"] == "scanned"
    assert "ocr" not in coverage(rows["a.txt"])


def test_a_transcriber_that_is_missing_makes_a_picture_partial(corpus: Path) -> None:
    rows = scanned(corpus, *ENGINES, missing={"fake-ocr": "no weights"})
    assert rows["picture.png"]["status"] in ("partial", "skipped"), "never clean"
    assert coverage(rows["picture.png"])["fake-ocr"] == "missing"
