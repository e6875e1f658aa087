"""The contract that every export keeps, as a test class. pytest rewrites the asserts of this module."""

from __future__ import annotations

import io
import json
import re
import tracemalloc
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, cast

import pyarrow as pa
import pyarrow.parquet as pq

from veritensor_ray.core.media_types import PLAIN
from veritensor_ray.exports import ExportFormat
from veritensor_ray.exports.selection import Selection
from veritensor_ray.findings.rule_texts import RuleText
from veritensor_ray.findings.schema import LOCATION, TABLES
from veritensor_ray.findings.summary import RunInfo, run_json
from veritensor_ray.policy.judge import Judge, load_policy
from veritensor_ray.results.results import Results, find
from veritensor_ray.stores.outputs import OutputStore
from veritensor_ray.testing.format_contract import Discarding

UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u200b\u202e\u2066\ud800-\udfff]")
HOSTILE = {  # what somebody can put into a name or a text of the corpus
    "formula": '=cmd|"/c calc"!A1',
    "end of CDATA": "]]>",
    "script": "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "link": "[click](javascript:alert(1)) ![](https://evil.example/beacon) <https://evil.example>",
    "mention": "@all @everyone #1 /close",
    "control": "a\x00b\x07c\x1b[31mred\x1b]8;;https://evil.example\x07\r\nnext",
    "direction": "invoice\u202efdp.exe\u2066\u200b",
    "quotes": "\"quoted\" 'single' \\ back",
    "pipe and backticks": "| a | b |\n```\n# heading",
}
_RULE = RuleText("contract.rule", "contract", "A title", "Words.", "malware", "medium", "Remove it.")
_FORMULA = ("=", "+", "-", "@", "|")
_WHEN = datetime(2026, 1, 31, 22, tzinfo=UTC)
_MANY = 3000  # findings
_MORE, _EACH, _MEMORY = 30_000, 2000, 48 << 20  # findings, characters of evidence, and bytes, which would not hold them
_REASON = "the file is encrypted"


class ExportContract:
    """Inherit from this in a test class, set `row`, and implement `texts`; pytest runs the rest.

    Set `is_table` if spreadsheets open the file, `most` if it names only so many of the worst findings and says how many it leaves out, and
    `says_what_was_not_checked` to False for bare tables.
    """

    row: ClassVar[ExportFormat]
    is_table: ClassVar[bool] = False
    most: ClassVar[int | None] = None
    says_what_was_not_checked: ClassVar[bool] = True

    def texts(self, data: bytes) -> Iterable[str]:
        """Return every text of the file, as the program that the format is for shows it: parsed, with escapes resolved."""
        raise TypeError(f"{type(self).__name__} must implement texts")

    def test_the_row_says_what_it_must(self) -> None:
        assert re.fullmatch(r"[a-z][a-z0-9-]*", self.row.name)
        assert re.fullmatch(r"(\.[a-z0-9]+)+", self.row.suffix)
        assert self.row.help
        assert not self.row.help.endswith("."), "`help` is part of a list, without a full stop"

    def test_no_finding_is_lost(self, tmp_path: Path) -> None:
        rows = [_finding(number) for number in range(_MANY)]
        found = self._all(self.written(_results(tmp_path, rows)))
        if self.most is None:
            assert [row["finding_id"] for row in rows if row["finding_id"] not in found] == [], "every finding is named by its id"
        else:
            left_out = _MANY - self.most
            assert re.search(rf"\b({left_out}|{left_out:,})\b", found), f"the file must say that it leaves out {left_out:,} findings"

    def test_suppressed_findings_are_told_apart(self, tmp_path: Path) -> None:
        rows = [_finding(1), _finding(2)]
        before = self.written(_results(tmp_path / "1", rows))
        after = self.written(_results(tmp_path / "2", [rows[0], rows[1] | {"suppressed_by": "S-1"}]))
        assert before != after, "a finding that somebody accepted must not look like one that is open"

    def test_text_of_the_corpus_stays_text(self, tmp_path: Path) -> None:
        for number, (name, text) in enumerate(HOSTILE.items()):
            data = self.written(_results(tmp_path / str(number), [_hostile(text, 1), _hostile(text, 2)], text))
            if self.row.text:
                assert not UNPRINTABLE.search(data.decode()), f"{name}: the file holds characters that terminals interpret"
            shown = [*self.texts(data)]
            assert not [one for one in shown if UNPRINTABLE.search(one)], f"{name}: control or invisible characters get through"
            if self.is_table:
                assert not [one for one in shown if one.lstrip().startswith(_FORMULA)], f"{name}: a cell is a formula"

    def test_lines_of_the_corpus_do_not_become_lines_of_the_file(self, tmp_path: Path) -> None:
        marker = "veritensor-forged-line"
        data = self.written(_results(tmp_path, [_hostile(f"a\n{marker}\r\n{marker}", 1)]))
        assert not [line for line in self.lines(data) if line.strip().startswith(marker)], "evidence must not forge a line of its own"

    def test_what_was_not_checked_is_in_the_file(self, tmp_path: Path) -> None:
        if not self.says_what_was_not_checked:
            import pytest

            pytest.skip("the format is a bare table")
        found = self._all(self.written(_results(tmp_path, [], reason=_REASON)))
        assert _REASON in found, "without it, a corpus that nobody could read would look clean"

    def test_two_exports_are_equal(self, tmp_path: Path) -> None:
        results = _results(tmp_path, [_finding(number) for number in range(9)])
        assert self.written(results) == self.written(results)

    def test_it_is_written_as_a_stream(self, tmp_path: Path) -> None:
        results = _results(tmp_path, [_finding(number, artifact="a.txt", evidence="e" * _EACH) for number in range(_MORE)])
        sink = Discarding()
        tracemalloc.start()
        try:
            self.row.write(_selection(results), cast("BinaryIO", sink))  # standard output can do no more either
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert not sink.closed, "the file belongs to the caller"
        assert not self.row.text or peak < _MEMORY, f"{peak:,} bytes were held; write the findings batch by batch"

    def written(self, results: Results) -> bytes:
        """Returns the file for all findings."""
        file = io.BytesIO()
        self.row.write(_selection(results), file)
        return file.getvalue()

    def lines(self, data: bytes) -> Iterable[str]:
        """Returns the lines of a file that is text. A format whose texts may have lines overrides this."""
        return data.decode().splitlines() if self.row.text else ()

    def _all(self, data: bytes) -> str:
        return "\n".join(self.texts(data))


def _selection(results: Results) -> Selection:
    return Selection(results, "SELECT * FROM findings ORDER BY finding_id", {_RULE.rule_id: _RULE})


def _finding(number: int, **about: Any) -> dict[str, Any]:
    """Returns a row of findings."""
    return {
        **dict.fromkeys(TABLES["findings"].names),
        "finding_id": f"{number:032x}",
        "content_fingerprint": f"{number:032x}"[::-1],
        "scan_id": "run-1",
        "artifact": f"folder/{number}.txt",
        "location": dict.fromkeys(field.name for field in LOCATION) | {"line": 1, "view": "visible"},
        "engine": "contract",
        "rule_id": "contract.rule",
        "category": "malware",
        "severity": "medium",
        "severity_original": "medium",
        "confidence": 1.0,
        "message": "A title",
        "evidence": "bad",
        "count": 1,
        "state": "new",
        "first_seen": _WHEN,
        "last_seen": _WHEN,
        "detected_at": _WHEN,
    } | about


def _hostile(text: str, number: int) -> dict[str, Any]:
    """Returns a finding with this text wherever the corpus or a rule of a user can put it."""
    at = dict.fromkeys(field.name for field in LOCATION) | {"part": text, "column": text, "line": 1, "view": "visible"}
    names = ("artifact", "member", "evidence", "evidence_before", "evidence_after", "message")
    return _finding(number, **dict.fromkeys(names, text), taxonomy=[text], location=at)


def _results(folder: Path, findings: Sequence[Mapping[str, Any]], reason: str | None = None) -> Results:
    """Writes the output of an audit with these findings, and one artifact that was not read if there is a `reason`."""
    coverage = [{"engine": "contract", "status": "complete", "fingerprint": "1", "reason": None, "reason_code": None}]
    checked: dict[str, Any] = dict.fromkeys(TABLES["ledger"].names) | {"coverage": coverage, "gaps": [], "size": 1, "media_type": PLAIN}
    ledger = [checked | {"artifact": name, "uri": name, "status": "scanned"} for name in {row["artifact"]: None for row in findings}]
    if reason is not None:
        unread = {"artifact": "unread.bin", "uri": "unread.bin", "status": "unreadable", "reason": reason, "reason_code": "damaged"}
        ledger.append(checked | unread)
    tables = {"findings": findings, "ledger": ledger, "rollup": (), "rules": [asdict(_RULE)]}
    for name, rows in tables.items():
        (folder / name).mkdir(parents=True)
        pq.write_table(pa.Table.from_pylist([*rows], TABLES[name]), folder / name / "part-00000.parquet")
    engines = {"contract": {"version": "1", "fingerprint": "1", "model": None}}
    about = {"sources": ["/data"], "profile": "embedded", "key_id": "k", "started_at": _WHEN.isoformat()}
    info = RunInfo("run-1", "f", (), {}, engines, about, 10)
    run = run_json(OutputStore(str(folder)), info, (), Judge(load_policy(None), date(2026, 1, 1)))
    (folder / "run.json").write_text(json.dumps(run))
    return Results(*find(str(folder), {}))
