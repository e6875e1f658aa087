"""Which rules explain an output: its own, whatever this version has, and for outputs that record none, those of this version."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_cli import call
from tests.exports import outputs
from veritensor_ray.core.config import Settings
from veritensor_ray.engines import registry
from veritensor_ray.engines.registry import rules_of
from veritensor_ray.exports import FORMATS
from veritensor_ray.exports.rules_of_results import rules_in
from veritensor_ray.results.results import Results

# What each format shows of a rule beside the finding's own columns.
SHOWN = {
    "sarif": ("title", "description", "remediation", "false_alarms"),
    "junit": ("title", "remediation"),
    "gitlab": ("title", "description", "remediation", "false_alarms"),
    "markdown": ("title",),
    "xlsx": ("title", "remediation"),
    "defectdojo": ("title", "description", "remediation", "false_alarms"),
    "ocsf": ("title", "description", "remediation"),
    "cyclonedx": ("title", "remediation"),
    "report": ("title", "description", "remediation", "false_alarms"),
}
GONE = replace(outputs.RULE, rule_id="ghosts.sighting", engine="ghosts", category="haunting", title="A ghost was seen")


def unused(*_: Any) -> None:
    raise AssertionError("an engine is made only to read what results say themselves")


@pytest.fixture
def results(tmp_path: Path) -> Results:
    """An output of another version, with a rule of an engine that this one does not have."""
    row = outputs.finding(rule_id=GONE.rule_id, engine=GONE.engine, category=GONE.category, message=GONE.title, taxonomy=["CWE-502"])
    return outputs.output(tmp_path / "out", [row], rules=[outputs.RULE, GONE], engines={GONE.engine: {"version": "1"}})


@pytest.mark.parametrize("name", SHOWN)
def test_results_of_another_version_explain_themselves(
    name: str, results: Results, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "create", unused)
    to, out = tmp_path / f"file{FORMATS[name].suffix if name in FORMATS else '.html'}", results.store.uri
    arguments = ("findings", out, "--rule", "ghosts.*", "--format", name) if name in FORMATS else (name, out)
    assert call(monkeypatch, *arguments, "--to", str(to)) == 0
    text = _sheets(to) if name == "xlsx" else to.read_text()
    assert [field for field in SHOWN[name] if getattr(GONE, field) not in text] == []


def _sheets(file: Path) -> str:
    import openpyxl

    book = openpyxl.load_workbook(io.BytesIO(file.read_bytes()))
    return "\n".join(str(cell.value) for sheet in book for row in sheet for cell in row)


def test_every_format_that_shows_more_than_the_columns_is_listed() -> None:
    assert {*SHOWN} - {"report"} == {*FORMATS} - {"csv", "json", "jsonl", "parquet"}


@pytest.mark.parametrize("schema", ["1", "2", "3"])
def test_older_outputs_are_explained_by_the_engines_of_this_version(schema: str, results: Results) -> None:
    older = replace(results, run={**results.run, "schema_version": schema, "engines": {"modelfiles": {}, "ghosts": {}}})
    here = rules_of(Settings(), ["modelfiles"])
    found = rules_in(older, Settings())
    assert {one.rule_id: (one.engine, one.title, one.remediation) for one in found.values()} == {
        one.id: ("modelfiles", one.title, one.remediation) for one in here.values()
    }
    assert len(found) > 5
