"""The workbook, read back with another library."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from tests.exports import outputs
from veritensor_ray.exports import xlsx
from veritensor_ray.results.results import Results


def exported(results: Results) -> dict[str, list[list[Any]]]:
    """The rows of each sheet."""
    file = io.BytesIO()
    xlsx.write(outputs.selection(results), file)
    book = openpyxl.load_workbook(file)
    return {sheet.title: [list(row) for row in sheet.iter_rows(values_only=True)] for sheet in book}


def test_the_summary_begins_with_what_was_not_checked(tmp_path: Path) -> None:
    results = outputs.output(
        tmp_path, [outputs.finding("1"), outputs.finding("2", suppressed_by="S-1")], not_covered=outputs.not_covered("why")
    )
    sheets = exported(results)
    assert [*sheets] == ["Summary", "Not checked", "Findings", "Rules"]
    assert sheets["Summary"][1:4] == [
        ["Not fully checked", "0 of 1 artifact"],
        ["Not checked", "1 reason; see the sheet Not checked"],
        [None, "Not checked: unreadable: why (2 artifacts)"],
    ]
    assert ["Findings: critical", 1] in sheets["Summary"]
    assert ["Findings suppressed", 1] in sheets["Summary"]
    assert sheets["Not checked"] == [["status", "reason", "artifacts", "examples"], ["unreadable", "why", 2, None]]


def test_a_finding_is_a_row(tmp_path: Path) -> None:
    sheets = exported(outputs.output(tmp_path, [outputs.finding(member="b.pkl", at={"line": 4}, suppressed_by="S-1")]))
    headings, cells = sheets["Findings"]
    row = dict(zip(headings, cells, strict=True))
    assert {name: row[name] for name in ("severity", "title", "artifact", "member", "location", "evidence", "confidence", "locations")} == {
        "severity": "critical",
        "title": "Pickle that runs code",
        "artifact": "models/a.pkl",
        "member": "b.pkl",
        "location": "line 4",
        "evidence": "posix.system",
        "confidence": 0.95,
        "locations": 1,
    }
    assert row["suppressed by"] == "S-1"
    assert row["reason"].startswith("Suppressed by S-1: our own fixture.")
    assert (row["first seen"], row["finding_id"]) == ("2026-03-01T22:00:00+00:00", "1" * 32)
    assert sheets["Rules"][1] == [
        "modelfiles.dangerous-pickle", "Pickle that runs code", "critical", 1, 1, "Do not load it.",
        "https://docs.python.org/3/library/pickle.html",
    ]  # fmt: skip


@pytest.mark.parametrize("text", ["x" * 40_000, "=" + "1" * 40_000, "\x1b" * 20_000], ids=["long", "formula", "escaped"])
def test_a_cell_is_never_longer_than_a_sheet_allows(text: str, tmp_path: Path) -> None:
    (_, cells) = exported(outputs.output(tmp_path, [outputs.finding(evidence=text)]))["Findings"]
    assert len(cells[6]) == 32_767


def test_rows_left_out_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xlsx, "ROWS", 2)
    rows = [outputs.finding(name, severity=severity) for name, severity in zip("123", ("low", "critical", "high"), strict=True)]
    sheets = exported(outputs.output(tmp_path, rows))
    assert [row[0] for row in sheets["Findings"][1:]] == ["critical", "high"]
    assert ["Findings left out", "1, because a sheet holds at most 2; these are the worst ones"] in sheets["Summary"]
