"""JUnit XML, for the test reports of CI systems: a suite for each engine, and a test case for each rule in each artifact.

A case keeps its name from run to run, so a CI system can say which failures are new. What was not checked is a suite of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, BinaryIO
from xml.sax.saxutils import escape, quoteattr

from veritensor_ray.core.wording import counted
from veritensor_ray.exports import described_findings
from veritensor_ray.exports.described_findings import shown
from veritensor_ray.exports.not_checked import Missing, missing
from veritensor_ray.exports.selection import Selection
from veritensor_ray.findings.rule_texts import RuleText
from veritensor_ray.findings.unsuppressed import UNSUPPRESSED

CASES = 25_000  # CI systems slow down long before; the cases are those with the worst findings
_LINES = 20  # findings in the text of a case
_COUNTS = f"{UNSUPPRESSED} AND state <> 'resolved'"
_CASES = f"""SELECT engine, artifact, rule_id, count(*) AS findings, count(*) FILTER ({_COUNTS}) AS failing,
    max(severity_rank(severity)) FILTER ({_COUNTS}) AS rank, max(severity_rank(severity)) AS any_rank,
    max(severity) FILTER ({_COUNTS}) AS severity, arg_min(message, finding_id) AS message,
    min(suppressed_by) AS suppressed_by, min(state) AS state,
    list(struct_pack(finding_id, member, location, severity, message, evidence, count)
    ORDER BY {_COUNTS} DESC, severity DESC, finding_id)[1:{_LINES}] AS rows
    FROM ({{query}}) GROUP BY engine, artifact, rule_id"""  # noqa: S608  # constants
_WORST = "SELECT * EXCLUDE (any_rank) FROM ({cases}) ORDER BY coalesce(rank, 0) DESC, any_rank DESC, artifact, rule_id LIMIT {most}"
_SUITES = """SELECT engine, count(*) AS cases, count(*) FILTER (failing > 0) AS failures, count(*) FILTER (failing = 0) AS skipped
    FROM ({worst}) GROUP BY engine"""
_TOTAL = "SELECT count(*) AS cases FROM (SELECT DISTINCT engine, artifact, rule_id FROM ({query}))"


def write(selection: Selection, file: BinaryIO) -> None:
    """Write the suites: first what was not checked, then each engine that ran or has findings."""
    results, gaps = selection.results, missing(selection.results)
    worst = _WORST.format(cases=_CASES.format(query=selection.query), most=CASES)
    suites = {row["engine"]: row for row in results.records(_SUITES.format(worst=worst))}
    (total,) = results.records(_TOTAL.format(query=selection.query))
    engines = list(dict.fromkeys([*results.run["engines"], *sorted(suites)]))
    file.write(b'<?xml version="1.0" encoding="UTF-8"?>\n')
    file.write(_open("testsuites", name=described_findings.PRODUCT))
    file.writelines(_coverage(selection, gaps, total["cases"] - sum(row["cases"] for row in suites.values())))
    ordered = f"SELECT * FROM ({worst}) ORDER BY list_position(?, engine), artifact, rule_id"  # noqa: S608
    cases = (row for batch in results.rows(ordered, [engines]) for row in batch.to_pylist())
    found = groupby(cases, key=lambda row: row["engine"])
    for engine in engines:
        rows = next(found)[1] if engine in suites else iter(())
        file.writelines(_suite(selection, engine, suites.get(engine, {}), rows))
    file.write(b"</testsuites>\n")


def _coverage(selection: Selection, gaps: Sequence[Missing], left_out: int) -> Iterator[bytes]:
    """Yield the suite of what was not checked: an error if it should have been, otherwise a skipped case."""
    run = selection.results.run
    errors = sum(one.failed for one in gaps)
    cut = bool(left_out)
    yield _open(
        "testsuite",
        name="coverage",
        tests=str(len(gaps) + cut + 1),
        failures="0",
        errors=str(errors + cut),
        skipped=str(len(gaps) - errors),
        timestamp=shown(run.get("started_at") or "")[:19],
    )
    yield _case("coverage", selection.results.checked.short_said, "")
    for one in gaps:
        tag = "error" if one.failed else "skipped"
        text = "\n".join([one.words, *(f"  {shown(name)}" for name in one.artifacts)])
        yield _case("coverage", one.words, _element(tag, text, type=one.reason.reason_code or one.reason.status, message=one.words))
    if cut:
        words = f"left out, because the file holds at most {CASES:,}: {counted(left_out, 'case')}; filter the findings"
        yield _case("coverage", words, _element("error", words, type="left-out", message=words))
    yield b"</testsuite>\n"


def _suite(selection: Selection, engine: str, numbers: Mapping[str, int], rows: Iterator[Mapping[str, Any]]) -> Iterator[bytes]:
    """Yield the suite of one engine. An engine without findings has one case, which passes, so that it is seen to have run."""
    run, entries = selection.results.run, described_findings.suppressions(selection.results.run)
    states = ", ".join(f"{count:,} {shown(status)}" for status, count in run["coverage"].get(engine, {}).items() if count) or "not selected"
    yield _open(
        "testsuite",
        name=shown(engine),
        tests=str(numbers.get("cases", 0) + 1),
        failures=str(numbers.get("failures", 0)),
        errors="0",
        skipped=str(numbers.get("skipped", 0)),
        timestamp=shown(run.get("started_at") or "")[:19],
    )
    yield _case(shown(engine), f"engine {shown(engine)}: {states}", "")
    for row in rows:
        yield _finding_case(row, selection.rules.get(row["rule_id"]), entries)
    yield b"</testsuite>\n"


def _finding_case(row: Mapping[str, Any], rule: RuleText | None, entries: Mapping[str, Mapping[str, Any]]) -> bytes:
    title, name = described_findings.title(rule, row), f"{shown(row['rule_id'])} in {shown(row['artifact'])}"
    if row["failing"]:
        words = f"{row['severity']}: {title} ({counted(row['failing'], 'finding')})"
        inner = _element("failure", _failure_text(row, rule), type=shown(row["severity"]), message=words)
    else:
        suppression = described_findings.suppression_of(row, entries)
        words = suppression.words if suppression else f"The finding is {shown(row['state'])}."
        inner = _element("skipped", "", message=words)
    return _case(shown(row["rule_id"]), name, inner)


def _failure_text(row: Mapping[str, Any], rule: RuleText | None) -> str:
    lines = []
    for one in row["rows"][: row["failing"]]:
        where = described_findings.place_of(one | {"artifact": row["artifact"]})
        again = f", {counted(one['count'], 'location')}" if (one["count"] or 1) > 1 else ""
        lines.append(f"{one['severity']} {one['finding_id']} {where}{again}\n  {shown(one['evidence'] or one['message'])}")
    more = row["failing"] - len(lines)
    lines += [f"and {more:,} more"] if more > 0 else []
    lines += [f"What to do: {shown(rule.remediation)}"] if rule else []
    return "\n".join(lines)


def _case(group: str, name: str, inner: str) -> bytes:
    start = f"<testcase classname={_attribute(group)} name={_attribute(name)}"
    return f"{start}>{inner}</testcase>\n".encode() if inner else f"{start}/>\n".encode()


def _element(tag: str, text: str, **attributes: str) -> str:
    inner = " ".join(f"{name}={_attribute(value)}" for name, value in attributes.items())
    return f"<{tag} {inner}>{escape(text)}</{tag}>"


def _open(tag: str, **attributes: str) -> bytes:
    return f"<{tag} {' '.join(f'{name}={_attribute(value)}' for name, value in attributes.items() if value)}>\n".encode()


def _attribute(value: str) -> str:
    return quoteattr(value)
