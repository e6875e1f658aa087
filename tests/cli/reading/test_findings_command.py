"""`findings`: rows of the table, conditions, queries, and files of exports. It needs no run: outputs are written row by row."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tests.cli.test_cli import call
from tests.exports.outputs import HOSTILE, entry, finding, not_covered, output
from tests.findings.building import INFO, Run, outcome_of, row_of
from veritensor_ray.core.signing import new_key
from veritensor_ray.exports import FORMATS
from veritensor_ray.findings.schema import LOCATIONS
from veritensor_ray.results.attestation import attest
from veritensor_ray.results.results import Results

EVIL = HOSTILE["control"]


def place(name: str, line: int, **about: Any) -> dict[str, Any]:
    return finding(name, **{"at": {"line": line, "start": 10 * line, "end": 10 * line + 9, "byte_offset": None}} | about)


ROWS = [
    place("1", 3, artifact="hr/a.md", rule_id="modelfiles.dangerous-pickle"),
    place("2", 3, artifact="hr/a.md", rule_id="modelfiles.file-access", severity="low"),
    place("3", 3, artifact="hr/a.md", rule_id="modelfiles.unusual-global", severity="info"),
    place("4", 7, artifact="hr/b.md", severity="medium", count=12),
    place("5", 7, artifact="web/c.md", severity="medium", evidence=EVIL, member=EVIL),
    place("6", 9, artifact="web/c.md", severity="medium", suppressed_by="S-1"),
]


@pytest.fixture
def results(tmp_path: Path) -> Results:
    return output(
        tmp_path / "audit",
        ROWS,
        [entry(), entry("x.md", status="unreadable", reason=f"cut {EVIL}")],
        not_covered=not_covered(f"cut {EVIL}"),
    )


def lines(text: str) -> list[list[str]]:
    """The cells of a table below its headings."""
    rows = [line.split("  ") for line in text.splitlines()]
    below = next(number for number, row in enumerate(rows) if set(row[0]) == {"─"}) + 1
    return [[cell.strip() for cell in row if cell.strip()] for row in rows[below:]]


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (
            (),
            [
                ["critical", "modelfiles.dangerous-pickle +2 rules", "hr/a.md:3", "posix.system"],
                ["medium", "modelfiles.dangerous-pickle", "hr/b.md:7 and 11 more locations", "posix.system"],
            ],
        ),
        (("--by", "evidence"), [["critical", "modelfiles.dangerous-pickle", "1", "hr/a.md:3", "posix.system"]]),
        (("--by", "rule"), [["critical", "modelfiles.dangerous-pickle", "3", "3", "hr/a.md:3 and 2 more files", "posix.system"]]),
        (
            ("--by", "folder"),
            [
                ["critical", "hr", "4", "2", "modelfiles.dangerous-pickle +2 rules"],
                ["medium", "web", "1", "1", "modelfiles.dangerous-pickle"],
            ],
        ),
        (("--no-group",), [["1" * 12, "critical", "modelfiles.dangerous-pickle", "1", "hr/a.md:3", "posix.system"]]),
        (
            ("--where", "line = 7 and artifact glob 'hr/*'"),
            [["medium", "modelfiles.dangerous-pickle", "hr/b.md:7 and 11 more locations", "posix.system"]],
        ),
        (
            ("--where", "rule glob '*.file-*'", "--severity", "low"),
            [["low", "modelfiles.file-access", "hr/a.md:3", "posix.system"]],
        ),
    ],
)
def test_rows_of_the_table(
    flags: tuple[str, ...], expected: list[list[str]], results: Results, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, "findings", results.store.uri, *flags) == 0
    shown = capsys.readouterr()
    assert lines(shown.out)[: len(expected)] == expected
    assert not {"\x1b", "\x07", "\x00"} & set(shown.out + shown.err)
    if "--where" not in flags:
        assert "1 suppressed finding is not shown; --suppressed shows it" in shown.out


def test_a_table_says_that_not_everything_was_checked(
    results: Results, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for format in ("table", "csv", "json", "jsonl"):
        assert call(monkeypatch, "findings", results.store.uri, "--format", format) == 0
        assert "not everything was checked (2 unreadable: cut a\\x00b" in capsys.readouterr().err
    assert call(monkeypatch, "findings", results.store.uri, "--format", "markdown") == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (("--format", "sariff"), "unknown format 'sariff'; did you mean sarif?"),
        (("--format", "xlsx"), "xlsx is not text; name a file for it with --to FILE.xlsx"),
        (("--to", "x.csv"), "a table is not written to a file; choose a --format from csv, json, jsonl, parquet, sarif"),
        (("--by", "author"), "unknown --by 'author'; choose from place, evidence, rule, folder, column"),
        (("--by", "rule", "--format", "csv"), "exports have a row for each finding"),
        (("--where", "lines > 3"), "the condition 'lines > 3' is not valid: Binder Error"),
        (("--where", "1) or (1"), "is not valid"),
        (("--sql", "select * from nothing"), "is not valid: Catalog Error: Table with name nothing does not exist!"),
        (("--sql", "select * from '/etc/passwd'"), "is not valid"),
        (("--sql", "copy findings to 'x.csv'"), "is not valid: Permission Error"),
        (("--sql", "select cast(rule_id as int) from findings"), "is not valid: Conversion Error"),
        (("--sql", "set memory_limit = '1GB'"), "is not valid"),
        (("--sql", "select 1 a, 2 a", "--format", "json"), "have the same name; rename them with AS"),
        (("--sql", "select 1", "--format", "sarif"), "sarif is a format for findings, not for the result of --sql"),
        (("--sql", "select 1", "--severity", "high"), "--sql is a whole query, so filters do not apply to it"),
        (("--format", "csv", "--to", "audit/x.csv"), "lies inside the results"),
        (("--format", "csv", "--to", "no/x.csv"), "there is no folder"),
    ],
)
def test_what_is_refused(
    flags: tuple[str, ...], says: str, results: Results, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert call(monkeypatch, "findings", results.store.uri, *flags) == 2
    shown = capsys.readouterr()
    assert says in shown.err
    assert "Traceback" not in shown.err
    assert shown.out == ""
    assert [path.name for path in tmp_path.iterdir()] == ["audit"]


def test_a_query(results: Results, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    query = "select severity, count(*) as n, max(evidence) as e from findings group by all order by n, severity"
    assert call(monkeypatch, "findings", results.store.uri, "--sql", query, "--limit", "2") == 0
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert [row[:2] for row in lines(out)] == [
        ["info", "1"],
        ["low", "1"],
        ["2 more rows; --limit 0 shows all, --format csv exports them"],
    ]
    assert call(monkeypatch, "findings", results.store.uri, "--sql", query, "--format", "csv") == 0
    assert [row["n"] for row in csv.DictReader(io.StringIO(capsys.readouterr().out))] == ["1", "1", "1", "3"]
    assert call(monkeypatch, "findings", results.store.uri, "--sql", "select count(*) as n from places", "--format", "json") == 0
    assert json.loads(capsys.readouterr().out) == [{"n": 4}]
    assert call(monkeypatch, "findings", results.store.uri, "--sql", "select 1 where false") == 0
    assert capsys.readouterr().out == "no rows\n"


@pytest.mark.parametrize("name", FORMATS)
def test_a_file_has_what_standard_output_has(
    name: str, results: Results, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    file = tmp_path / f"out{FORMATS[name].suffix}"
    assert call(monkeypatch, "findings", results.store.uri, "--format", name, "--to", str(file)) == 0
    assert capsysbinary.readouterr().out.decode().startswith(f"{file} (")
    if FORMATS[name].text:
        assert call(monkeypatch, "findings", results.store.uri, "--format", name) == 0
        assert capsysbinary.readouterr().out == file.read_bytes()


def test_a_query_into_a_file(results: Results, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "n.jsonl"
    assert call(monkeypatch, "findings", results.store.uri, "--sql", "select 5 as n", "--format", "jsonl", "--to", str(file)) == 0
    assert file.read_text() == '{"n": 5}\n'
    assert (
        call(
            monkeypatch,
            "findings",
            results.store.uri,
            "--sql",
            "select cast(evidence as int) from findings",
            "--format",
            "jsonl",
            "--to",
            str(file),
        )
        == 2
    )
    assert file.read_text() == '{"n": 5}\n'


@pytest.mark.parametrize("command", ["findings", "diff"])
def test_signed_results_that_were_changed_are_not_shown(
    command: str, results: Results, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    new_key(tmp_path / "key")
    attest(results.store, f"file:{tmp_path / 'key'}", results.run)
    uri = results.store.uri
    arguments = (command, uri, *((uri,) if command == "diff" else ()))
    assert call(monkeypatch, *arguments) == 0
    capsys.readouterr()
    output(Path(uri), ROWS[1:])
    assert call(monkeypatch, *arguments) == 4
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "has changed: its SHA-256" in shown.err


@pytest.fixture
def located(tmp_path: Path) -> str:
    """An audit that has kept every location: two findings in three rows of a dataset."""
    run = Run(tmp_path / "located", replace(INFO, about={**INFO.about, "locations": "all", "sources": ["/data"]}))
    lines = ("bad", "fine", "worse", "bad")
    run.shard((row_of(0, "a.jsonl"), outcome_of("a.jsonl", lines, locating=True)))
    run.collect()
    return str(run.folder)


@pytest.mark.parametrize(
    ("flags", "rows"),
    [
        ((), ["0", "2", "3"]),
        (("--severity", "high"), ["2"]),
        (("--where", "rule = 'test.rule'"), ["0", "3"]),
        (("--path", "b*"), []),
    ],
)
def test_locations_of_the_findings_that_are_chosen(
    located: str, flags: tuple[str, ...], rows: list[str], monkeypatch: pytest.MonkeyPatch, capsys: Any, tmp_path: Path
) -> None:
    assert call(monkeypatch, "findings", located, "--locations", "--format", "csv", *flags) == 0
    found = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["row"] for row in found] == rows
    file = tmp_path / "rows.parquet"
    assert call(monkeypatch, "findings", located, "--locations", "--format", "parquet", "--to", str(file), *flags) == 0
    table = pq.read_table(file)
    assert table.column("row").to_pylist() == [int(row) for row in rows]
    assert table.column_names == [*LOCATIONS.names, "rule_id"]


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--locations", "--by", "rule"), "--by groups findings, and --locations shows a row for each of their locations"),
        (("--locations", "--sql", "select 1"), "--sql is a whole query, to which --locations does not apply"),
        (
            ("--locations", "--format", "sarif"),
            "sarif is a format for findings, not for the result of --locations; choose from table, json",
        ),
        (("--locations", "--format", "parquet"), "parquet is not text; name a file for it with --to FILE.parquet"),
    ],
)
def test_locations_that_cannot_be_shown(
    located: str, flags: tuple[str, ...], said: str, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    assert call(monkeypatch, "findings", located, *flags) == 2
    assert said in " ".join(capsys.readouterr().err.split())


def test_locations_that_the_run_has_not_kept(results: Results, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    assert call(monkeypatch, "findings", results.store.uri, "--locations") == 2
    assert "kept only the first locations of each finding" in " ".join(capsys.readouterr().err.split())


@pytest.fixture
def by_column(tmp_path: Path) -> str:
    """An audit that has kept the first locations only: a hostile column of a dataset, and one with more locations than are kept."""
    at = {"line": None, "start": None, "end": None, "byte_offset": None, "row": 4}
    rows = [
        place("1", 3, artifact="a.parquet", at=at | {"column": HOSTILE["formula"]}, severity="high"),
        place("2", 3, artifact="a.parquet", at=at | {"column": EVIL}, count=12, rule_id="modelfiles.file-access"),
        place("3", 3, artifact="b.parquet", at=at | {"column": "text"}, suppressed_by="S-1"),
        place("4", 3, artifact="c.md"),
    ]
    ledger = [entry("a.parquet", tables=[{"member": None, "part": None, "rows": 8}]), entry("b.parquet"), entry("c.md")]
    return output(tmp_path / "by-column", rows, ledger).store.uri


def test_a_table_of_columns(by_column: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(monkeypatch, "findings", by_column, "--by", "column") == 0
    shown = capsys.readouterr()
    assert not {"\x1b", "\x07", "\x00"} & set(shown.out + shown.err)
    assert lines(shown.out)[0][:3] == ["critical", "modelfiles.file-access", "a.parquet"]
    assert "≥ 1 of 8" in shown.out
    assert lines(shown.out)[-1] == [
        *("high", "modelfiles.dangerous-pickle", "a.parquet", HOSTILE["formula"], "1 of 8", "12.5 %", "1", "posix.system")
    ]
    assert "numbers are too small for 1 artifact, because this run kept only the first locations" in shown.err


def test_columns_are_exported_as_rows_and_for_catalogs(
    by_column: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, "findings", by_column, "--by", "column", "--format", "csv", "--severity", "high", "--suppressed") == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [(row["artifact"], row["column"][:1], row["share"], row["complete"]) for row in rows] == [
        ("a.parquet", "'", "0.125", "True"),
        ("a.parquet", "a", "", "False"),
        ("b.parquet", "t", "", "True"),
    ]
    file = tmp_path / "labels.json"
    assert call(monkeypatch, "findings", by_column, "--by", "column", "--format", "datahub", "--to", str(file)) == 0
    assert [one["aspectName"] for one in json.loads(file.read_text())].count("globalTags") == 2


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--format", "datahub"), "datahub is a format for what columns hold, not for findings; add --by column"),
        (("--by", "column", "--format", "sarif"), "not for the result of --by column; choose from table, json, jsonl, csv, parquet, openm"),
        (("--by", "column", "--format", "datahubb"), "unknown format 'datahubb'; did you mean datahub?"),
        (("--by", "column", "--sql", "select 1"), "--by groups the rows of the table"),
        (("--by", "column", "--locations"), "give only one of them"),
    ],
)
def test_columns_that_cannot_be_shown(
    by_column: str, flags: tuple[str, ...], said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, "findings", by_column, *flags) == 2
    assert said in " ".join(capsys.readouterr().err.split())
