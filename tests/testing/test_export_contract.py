"""The contract of exports fails for one that breaks it, in the check that says so."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from veritensor_ray.exports import FORMATS, ExportFormat
from veritensor_ray.exports.not_checked import missing
from veritensor_ray.exports.selection import Selection
from veritensor_ray.testing import ExportContract, export_contract

_SLOW = "test_it_is_written_as_a_stream"


def _line(row: dict[str, Any]) -> bytes:
    return json.dumps([row["finding_id"], row["artifact"], row["suppressed_by"], row["evidence"]]).encode() + b"\n"


def good(selection: Selection, file: BinaryIO) -> None:
    for one in missing(selection.results):
        file.write(f"{one.words}\n".encode())
    for row in selection.rows():
        file.write(_line(row))


def raw(selection: Selection, file: BinaryIO) -> None:
    """Writes evidence as it is."""
    good(selection, file)
    for row in selection.rows():
        file.write(f"{row['evidence']}\n".encode())


def short(selection: Selection, file: BinaryIO) -> None:
    for row in [*selection.rows()][:10]:
        file.write(_line(row))


def rosy(selection: Selection, file: BinaryIO) -> None:
    """Says nothing of what was not checked, and nothing of what somebody accepted."""
    for row in selection.rows():
        file.write(_line(row | {"suppressed_by": None}))


def holding(selection: Selection, file: BinaryIO) -> None:
    file.write(b"".join([_line(row | {"all": row}) for row in [*selection.rows()]]))


def closing(selection: Selection, file: BinaryIO) -> None:
    good(selection, file)
    if not isinstance(file, io.BytesIO):
        file.close()


def failing(write: Any, tmp_path: Path, checks: Iterable[str] = (), **about: Any) -> set[str]:
    """The checks that an export fails."""

    class Row(ExportFormat):
        def write(self, selection: Selection, file: BinaryIO) -> None:
            write(selection, file)

    def texts(_: Any, data: bytes) -> Iterable[str]:
        if about.get("is_table"):
            return [cell for row in csv.reader(io.StringIO(data.decode(), newline="")) for cell in row]
        return data.decode().splitlines()

    contract: Any = type("Contract", (ExportContract,), {"row": Row("some", ".some", "a list", ":"), "texts": texts, **about})()
    failed = set()
    for name in checks or (name for name in dir(contract) if name.startswith("test_") and name != _SLOW):
        try:
            getattr(contract, name)(**{} if name == "test_the_row_says_what_it_must" else {"tmp_path": tmp_path / name})
        except pytest.skip.Exception:
            continue
        except Exception:  # noqa: BLE001  # an export may fail in any way
            failed.add(name.removeprefix("test_"))
    return failed


@pytest.mark.slow
def test_a_good_export_passes(tmp_path: Path) -> None:
    assert failing(good, tmp_path / "good") == set()
    assert failing(FORMATS["csv"].write, tmp_path / "csv", is_table=True, says_what_was_not_checked=False, lines=lambda *_: ()) == set()


@pytest.mark.parametrize(
    ("write", "check", "about"),
    [
        (raw, "text_of_the_corpus_stays_text", {}),
        (raw, "lines_of_the_corpus_do_not_become_lines_of_the_file", {}),
        (short, "no_finding_is_lost", {}),
        (short, "no_finding_is_lost", {"most": 10}),
        (rosy, "suppressed_findings_are_told_apart", {}),
        (rosy, "what_was_not_checked_is_in_the_file", {}),
        (closing, "it_is_written_as_a_stream", {}),
        pytest.param(holding, "it_is_written_as_a_stream", {}, marks=pytest.mark.slow),
    ],
)
def test_an_export_with_a_mistake_fails(
    write: Any, check: str, about: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export_contract, "_MORE", 12_000 if write is holding else 100)  # as many as it takes to hold too much
    assert failing(write, tmp_path, (f"test_{check}",), **about) == {check}


def test_a_formula_is_found(tmp_path: Path) -> None:
    def table(selection: Selection, file: BinaryIO) -> None:
        text = io.StringIO()
        csv.writer(text).writerows([repr(row["evidence"])[1:-1]] for row in selection.rows())
        file.write(text.getvalue().encode())

    name = "text_of_the_corpus_stays_text"
    assert failing(table, tmp_path, (f"test_{name}",), is_table=True) == {name}
