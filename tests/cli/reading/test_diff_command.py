"""`diff`: what it shows, exports, refuses and ends with; names and evidence of a corpus do nothing to whoever reads it."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_cli import call
from tests.results.test_comparison import ENGINES, A, X, Y, finding, seen, write
from veritensor_ray.exports.plain_tables import KINDS

ALL: dict[str, Any] = {"signatures": "complete", "pii": "complete"}
EVIL = "=cmd()\x1b]0;owned\x07\u202e\nb.md"


@pytest.fixture
def outputs(tmp_path: Path) -> tuple[str, str]:
    """Of each state one finding, and two that are new, one of them suppressed; all names are hostile."""
    before = [X, finding("moved", EVIL), finding("gone"), finding("unread", "u.md", severity="critical"), finding("worse")]
    now = [
        X,
        finding("moved", f"deep/{EVIL}", content_id=f"content of {EVIL}"),
        finding("fresh", "@sum.md", severity="high", evidence="=HYPERLINK()\x1b[2J", message="-1"),
        finding("hidden", "@sum.md", suppressed_by="S-1"),
        finding("worse", severity="high"),
    ]
    ledger = [A, seen(f"deep/{EVIL}", **ALL), seen("u.md", "unreadable", "denied\x1b[31m"), seen("@sum.md", **ALL)]
    one = write(tmp_path / "before", before, [A, seen(EVIL, **ALL), seen("u.md", **ALL)])
    return one.uri, write(tmp_path / "now", now, ledger).uri


def test_the_table(outputs: tuple[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(monkeypatch, "diff", *outputs) == 0
    out = capsys.readouterr().out
    lines = out.splitlines()
    assert lines[0] == "1 new, 1 moved, 2 persisting, 1 resolved, 1 unverified; of those in both: 1 changed severity"
    assert "1 suppressed finding is not shown; --suppressed shows it" in lines
    states = [line.split()[0] for line in lines if line.split() and line.split()[0] in ("new", "moved", "resolved", "unverified")]
    assert states == ["new", "moved", "resolved", "unverified"]
    for words in ("was at =cmd()", "deep/=cmd()", "unreadable: denied\\x1b[31m", "evidence of gone", "signatures.test"):
        assert words in out
    assert not {"\x1b", "\x07", "\u202e"} & set(out)
    assert "evidence of worse" not in out
    assert call(monkeypatch, "diff", *outputs, "--suppressed") == 0
    assert "suppressed by S-1" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("flags", "names"),
    [
        ((), ["fresh", "hidden", "moved", "gone", "unread"]),
        (("--state", "persisting"), ["worse", "x"]),
        (("--state", "new, resolved"), ["fresh", "hidden", "gone"]),
        (("--severity", "high"), ["fresh", "unread"]),
        (("--path", "deep/*"), ["moved"]),
        (("--state", "new", "--state", "resolved"), ["fresh", "hidden", "gone"]),
        (("--path", "*.md", "--severity", "critical", "--state", "new"), []),
        (("--limit", "1"), ["fresh", "hidden", "moved", "gone", "unread"]),
    ],
)
@pytest.mark.parametrize("kind", KINDS)
def test_exports(
    kind: str,
    flags: tuple[str, ...],
    names: list[str],
    outputs: tuple[str, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert call(monkeypatch, "diff", *outputs, "--format", kind, *flags) == 0
    out = capsys.readouterr().out
    assert not {"\x1b", "\x07", "\u202e"} & set(out)
    if kind == "csv":
        rows: list[dict[str, Any]] = list(csv.DictReader(io.StringIO(out)))
        assert not any((value or "").startswith(("=", "+", "-", "@")) for row in rows for value in row.values())
        assert all(row["location_line"] == "3" for row in rows)
    else:
        rows = json.loads(out)["findings"] if kind == "json" else [json.loads(line) for line in out.splitlines()]
    assert [row["content_fingerprint"] for row in rows] == names
    by_name = {row["content_fingerprint"]: row for row in rows}
    if "moved" in by_name:
        assert (by_name["moved"]["state"], by_name["moved"]["severity_before"]) == ("moved", "medium")
        assert by_name["moved"]["artifact_before"].lstrip("'").startswith("=cmd()")
    if "unread" in by_name:
        assert by_name["unread"]["reason"].startswith("unreadable: denied")


def test_places_are_counted_and_exported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    many = Y | {"count": 12, "places": [{"line": line, "part": "=x\x1b"} for line in (5, 8)]}
    one, two = (write(tmp_path / name, rows, [A]) for name, rows in (("1", [X]), ("2", [X, many])))
    assert call(monkeypatch, "diff", one.uri, two.uri) == 0
    out = capsys.readouterr().out
    assert "1 new" in out
    assert "a.md:3 ×12" in out
    assert call(monkeypatch, "diff", one.uri, two.uri, "--format", "csv") == 0
    (row,) = csv.DictReader(io.StringIO(capsys.readouterr().out))
    assert json.loads(row["places"]) == [{"line": 5, "part": "=x\x1b"}, {"line": 8, "part": "=x\x1b"}]
    write(tmp_path / "old", [X, Y], [A], {"schema_version": "2"})
    assert call(monkeypatch, "diff", str(tmp_path / "old"), two.uri) == 0
    assert "has a schema older than 3" in capsys.readouterr().err


def test_json_has_the_counts(outputs: tuple[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(monkeypatch, "diff", *outputs, "--format", "json") == 0
    about = json.loads(capsys.readouterr().out)
    assert about["counts"]["states"] == {"new": 1, "moved": 1, "persisting": 2, "resolved": 1, "unverified": 1}
    assert (about["counts"]["severity"], about["counts"]["suppressed"]["new"]) == (1, 1)
    assert (about["before"]["scan_id"], about["now"]["output"], about["notes"]) == ("r", outputs[1], [])


@pytest.mark.parametrize(
    ("before", "now", "flags", "code"),
    [
        ([X], [X, Y], (), 0),
        ([X], [X, Y], ("--exit-code",), 1),
        ([X], [X, Y], ("--exit-code", "--format", "jsonl"), 1),
        ([X], [X, Y], ("--exit-code", "--severity", "high"), 0),
        ([X], [X, Y], ("--exit-code", "--state", "resolved"), 1),
        ([X], [X, Y | {"suppressed_by": "S-1"}], ("--exit-code",), 0),
        ([X, Y], [X], ("--exit-code",), 0),
        ([X], [X | {"severity": "critical"}], ("--exit-code",), 0),
    ],
)
def test_exit_codes(before: Any, now: Any, flags: tuple[str, ...], code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = write(tmp_path / "a", before, [A]), write(tmp_path / "b", now, [A])
    assert call(monkeypatch, "diff", one.uri, two.uri, *flags) == code


def test_nothing_differs(outputs: tuple[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for output in outputs:
        assert call(monkeypatch, "diff", output, output, "--exit-code") == 0
        assert capsys.readouterr().out == "no differences (findings in both: 5)\n"
    assert call(monkeypatch, "diff", output, output, "--state", "persisting", "--limit", "2") == 0
    assert "2 more rows; --limit 0 shows all" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "flags", "code", "says"),
    [
        ({"site_key_id": "k2"}, (), 2, "different site keys (k1 and k2)"),
        ({"sources": ["/evil\x1b[2J"]}, (), 0, "the sources differ: /data, then /evil\\x1b[2J"),
        ({"engines": ENGINES | {"ocr": {"fingerprint": "o"}}}, (), 0, "engine ocr ran only in the second output"),
        ({}, ("--state", "moved,gone"), 2, "unknown state 'gone'; choose from new, moved, persisting, resolved, unverified"),
        ({}, ("--state", ","), 2, "unknown state ','"),
        ({}, ("--format", "xml"), 2, "unknown format 'xml'"),
        ({}, ("--severity", "worst"), 2, "unknown severity 'worst'"),
    ],
)
def test_what_is_refused_or_said(
    change: dict[str, Any],
    flags: tuple[str, ...],
    code: int,
    says: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    one, two = write(tmp_path / "a", [X], [A]), write(tmp_path / "b", [X, Y], [A], change)
    assert call(monkeypatch, "diff", one.uri, two.uri, *flags) == code
    caught = capsys.readouterr()
    assert says in caught.err
    assert "\x1b" not in caught.err
    assert bool(caught.out) == (code == 0)
    assert call(monkeypatch, "diff", one.uri, str(tmp_path / "none")) == 4
