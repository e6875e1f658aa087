"""Pages of figures say what the measurements beside them say: nobody has edited one without the other."""

from __future__ import annotations

import json
from pathlib import Path

from bench import adversarial, models, readme, speed
from bench.__main__ import report
from bench.account.tally import page
from bench.readers import table

ROOT = Path(__file__).resolve().parents[2]


def test_the_page_of_performance_is_what_was_measured() -> None:
    results = json.loads((ROOT / "bench/results.json").read_text())
    assert report(results) == (ROOT / "docs/performance.md").read_text()


def test_the_table_of_readers_is_what_was_measured() -> None:
    rows = json.loads((ROOT / "bench/readers.json").read_text())
    assert table(rows) in (ROOT / "docs/readers-performance.md").read_text()


def test_the_page_of_models_is_what_was_measured() -> None:
    results = json.loads((ROOT / "bench/models.json").read_text())
    assert models.report(results) == (ROOT / "docs/models.md").read_text()


def test_the_figures_of_the_readme_are_what_was_measured() -> None:
    text = (ROOT / "README.md").read_text()
    assert readme.page(text, *(readme.read(name) for name in ("models", "speed", "model_path"))) == text


def test_the_table_of_slow_texts_is_what_was_measured() -> None:
    results = json.loads((ROOT / "bench/adversarial.json").read_text())
    assert adversarial.report(results) == (ROOT / "docs/adversarial.md").read_text()


def test_the_page_of_speed_is_what_was_measured() -> None:
    measured = (json.loads((ROOT / f"bench/{name}.json").read_text()) for name in ("speed", "static_path", "model_path", "compiled"))
    assert speed.page(*measured) == (ROOT / "docs/speed.md").read_text()


def test_the_page_of_places_is_what_was_found() -> None:
    results = json.loads((ROOT / "bench/account/account.json").read_text())
    assert page(results) == (ROOT / "docs/account.md").read_text()
