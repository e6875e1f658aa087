"""What every format has to keep: hostile text stays text, whatever was not checked is said, and nothing depends on the order of rows."""

from __future__ import annotations

import csv
import functools
import io
import json
import re
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow.parquet as pq
import pytest
from lxml import etree
from markdown_it import MarkdownIt

from tests.exports import outputs
from tests.exports.report.many import many
from veritensor_ray.core.errors import UsageError
from veritensor_ray.exports import FORMATS, format_named
from veritensor_ray.exports.selection import Selection
from veritensor_ray.results.results import Results, find
from veritensor_ray.testing.export_contract import UNPRINTABLE

PLAIN = ("csv", "json", "jsonl", "parquet")
HOSTILE = outputs.HOSTILE | {"surrogate in run.json": "a\udcffb", "number": "-1+1", "spreadsheet escape": "_x0041_", "fence": "`` ` ``"}


def written(name: str, selection: Selection) -> bytes:
    file = io.BytesIO()
    FORMATS[name].write(selection, file)
    return file.getvalue()


def texts(name: str, data: bytes) -> Iterator[str]:
    """Every text that the format holds for whoever reads it."""
    if name == "csv":
        yield from (cell for row in csv.reader(io.StringIO(data.decode(), newline="")) for cell in row)
    elif name == "markdown":
        yield data.decode()
    elif name == "junit":
        for element in etree.fromstring(data).iter():
            yield from (element.text or "", *element.attrib.values())
    elif name == "parquet":
        for row in pq.read_table(io.BytesIO(data)).to_pylist():
            yield from _strings(row)
    elif name == "xlsx":
        book = openpyxl.load_workbook(io.BytesIO(data))
        yield from (str(cell.value or "") for sheet in book for row in sheet for cell in row)
    else:
        lines = data.splitlines() if name in ("jsonl", "ocsf") else [data]
        yield from (text for line in lines for text in _strings(json.loads(line)))


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for key, one in value.items():
            yield key
            yield from _strings(one)
    elif isinstance(value, list):
        for one in value:
            yield from _strings(one)
    elif isinstance(value, str):
        yield value


def _active_markdown(text: str) -> set[str]:
    """What a renderer makes of Markdown apart from text, code, lists, tables and our own headings."""
    passive = re.compile("text|code_inline|softbreak|inline|fence|(paragraph|heading|bullet_list|list_item|table|thead|tbody|tr|th|td)_.*")
    parser = MarkdownIt("commonmark").enable("table")
    found = set()
    for token in parser.parse(text):
        inner = token.children or []
        found |= {one.type for one in (token, *inner) if not passive.fullmatch(one.type) and one.content != "<!-- -->"}
        found |= {"mention" for one in inner if one.type == "text" and re.search(r"@\w", one.content)}
    return found


def _csv(data: bytes) -> None:
    assert not [cell for cell in texts("csv", data) if cell.startswith(("=", "+", "-", "@", "|"))]


def _markdown(data: bytes) -> None:
    assert _active_markdown(data.decode()) == set()
    assert len(data) < 30_000


def _gitlab(data: bytes) -> None:
    report = json.loads(data)
    assert all(_active_markdown(one["description"]) == set() for one in report["vulnerabilities"])
    assert all(len(one["name"]) <= 255 for one in report["vulnerabilities"])


def _messages(value: Any) -> Iterator[str]:
    """Texts of SARIF in which viewers look for links."""
    if isinstance(value, dict):
        yield from (value[key] for key in ("text", "justification") if isinstance(value.get(key), str))
    for one in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _messages(one)


def _sarif(data: bytes) -> None:
    (run,) = json.loads(data)["runs"]
    assert not [text for text in _messages(run) if re.search(r"(?<!\\)\]\(", text)]
    assert all(_active_markdown(rule["help"]["markdown"]) == set() for rule in run["tool"]["driver"]["rules"])
    addresses = [at["physicalLocation"]["artifactLocation"]["uri"] for one in run["results"] for at in one["locations"]]
    assert all(re.fullmatch(r"[A-Za-z0-9_.~%/-]+", address) for address in addresses)


def _junit(data: bytes) -> None:
    assert b"<!" not in data


def _xlsx(data: bytes) -> None:
    with zipfile.ZipFile(io.BytesIO(data)) as book:
        sheets = "".join(book.read(name).decode() for name in book.namelist() if name.startswith("xl/worksheets/"))
    assert "<f>" not in sheets
    assert "hyperlink" not in sheets
    cells = [cell for sheet in openpyxl.load_workbook(io.BytesIO(data)) for row in sheet for cell in row]
    assert {cell.data_type for cell in cells} <= {"s", "n", "inlineStr"}
    assert all(cell.quotePrefix for cell in cells if cell.row > 1 and isinstance(cell.value, str))


CHECKS: dict[str, Callable[[bytes], None]] = {
    "csv": _csv,
    "markdown": _markdown,
    "gitlab": _gitlab,
    "sarif": _sarif,
    "junit": _junit,
    "xlsx": _xlsx,
}


def _of_hostile(folder: Path, text: str) -> Selection:
    stored = text.encode("utf-8", "backslashreplace").decode()  # a table holds no surrogates, but run.json may
    everywhere = {
        "artifact": f"{stored}/{stored}.md",
        "member": stored,
        "evidence": stored,
        "evidence_before": stored,
        "evidence_after": stored,
        "message": stored,
        "taxonomy": [stored],
        "at": {"part": stored, "column": stored, "line": 1},
    }
    rows = [
        outputs.finding("1", **everywhere),
        outputs.finding("2", **everywhere, suppressed_by="S-1", places=[{"part": stored, "line": 2}]),
        outputs.finding("3", **everywhere | {"rule_id": "signatures.user-own", "engine": "signatures"}),
    ]
    policy = {"suppressions": [outputs.ENTRY | {"reason": text, "owner": text}]}
    rule = replace(
        outputs.RULE, title=stored, description=stored, remediation=stored, false_alarms=stored, references=(stored,), taxonomy=(stored,)
    )
    results = outputs.output(
        folder,
        rows,
        [outputs.entry(f"{stored}/{stored}.md", status="unreadable", reason=stored)],
        [rule],
        not_covered=outputs.not_covered(text),
        sources=[f"/data/{text}"],
        policy=policy,
    )
    return outputs.selection(results)


@pytest.fixture(scope="module")
def of_hostile(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Selection]:
    """Makes a selection of results whose texts are all the same; all formats share it."""
    return functools.cache(lambda text: _of_hostile(tmp_path_factory.mktemp("hostile"), text))


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("name", FORMATS)
def test_text_of_the_corpus_stays_text(name: str, text: str, of_hostile: Callable[[str], Selection]) -> None:
    """In names, evidence, messages, reasons and the texts of a rule that somebody wrote."""
    data = written(name, of_hostile(text))
    assert data
    if name not in ("xlsx", "parquet"):
        assert not UNPRINTABLE.search(data.decode())
    if name not in ("json", "jsonl", "parquet"):  # these give the text itself, escaped as JSON or in a column
        assert not [found for found in texts(name, data) if UNPRINTABLE.search(found)]
    if name in CHECKS:
        CHECKS[name](data)


REASONS = ("the file is encrypted", "the archive is cut off")


@pytest.fixture(scope="module")
def unchecked(tmp_path_factory: pytest.TempPathFactory) -> Selection:
    about: dict[str, Any] = {"not_covered": outputs.not_covered(*REASONS), "coverage": {"ocr": {"no-reader": 3}}}
    entries = [outputs.entry(status="unreadable", reason=REASONS[0])]
    return outputs.selection(outputs.output(tmp_path_factory.mktemp("unchecked"), [], entries, **about))


@pytest.mark.parametrize("name", [name for name in FORMATS if name not in PLAIN])
def test_what_was_not_checked_is_in_the_file(name: str, unchecked: Selection) -> None:
    """Without findings too, since an empty file would look like a clean corpus."""
    found = "\n".join(texts(name, written(name, unchecked)))
    for words in (*REASONS, "3 artifacts with images whose text was not read"):
        assert words in found


@pytest.fixture(scope="module")
def complete(tmp_path_factory: pytest.TempPathFactory) -> Selection:
    return outputs.selection(outputs.output(tmp_path_factory.mktemp("complete"), []))


@pytest.mark.parametrize("name", [name for name in FORMATS if name not in PLAIN])
def test_a_corpus_that_was_checked_completely_has_no_complaint(name: str, complete: Selection) -> None:
    found = "\n".join(texts(name, written(name, complete)))
    assert "Not checked:" not in found
    assert "not-checked/" not in found


@pytest.fixture(scope="module")
def moved(tmp_path_factory: pytest.TempPathFactory) -> tuple[Selection, Selection]:
    """The same rows in another order and another place."""
    folder = tmp_path_factory.mktemp("moved")
    rows = [outputs.finding(str(number), severity=("low", "critical")[number % 2]) for number in range(9)]
    one, other = outputs.output(folder / "1" / "out", rows), outputs.output(folder / "2" / "out", rows[::-1])
    return outputs.selection(one), outputs.selection(Results(other.store, one.run))


@pytest.mark.parametrize("name", FORMATS)
def test_two_exports_are_equal(name: str, moved: tuple[Selection, Selection]) -> None:
    one, other = moved
    assert written(name, one) == written(name, other)


@pytest.mark.parametrize(
    ("name", "says"), [("xml", "choose from csv, json, jsonl"), ("sariff", "did you mean sarif?"), ("SARIF", "unknown format 'SARIF'")]
)
def test_an_unknown_format(name: str, says: str) -> None:
    with pytest.raises(UsageError, match=re.escape(says)):
        format_named(name, FORMATS)


def test_a_format_describes_itself() -> None:
    for name, one in FORMATS.items():
        assert name == one.name
        assert re.fullmatch(r"(\.[a-z]+)+", one.suffix)
        assert one.help and not one.help.endswith(".")
    assert [name for name, one in FORMATS.items() if not one.text] == ["parquet", "xlsx"]


@pytest.fixture(scope="module")
def fewer(tmp_path_factory: pytest.TempPathFactory) -> Results:
    folder = tmp_path_factory.mktemp("fewer")
    results = many(folder, 30)
    optional = ("package_version", "profile", "started_at", "policy", "reason_codes", "severity_new", "bundle_id", "schema_version")
    (folder / "run.json").write_text(json.dumps({key: value for key, value in results.run.items() if key not in optional}))
    return Results(*find(str(folder), {}))


@pytest.mark.parametrize("name", FORMATS)
def test_a_run_json_with_only_what_it_must_have(name: str, fewer: Results) -> None:
    assert written(name, Selection(fewer, "SELECT * FROM findings", {}))
