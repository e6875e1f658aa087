"""Each table of the report agrees with SQL over the Parquet files, written a second time and in a different way."""

from __future__ import annotations

import io
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.exports.report.many import many
from tests.exports.report.outputs import RULES, mixed, swept
from tests.findings.outputs import checked, finding, written
from veritensor_ray.core.config import SEVERITIES
from veritensor_ray.exports.report import page
from veritensor_ray.exports.report import report_data as data
from veritensor_ray.results.results import Results

Shown = dict[str, list[list[list[str]]]]  # cells, by section, table and row
WORST_FIRST = SEVERITIES[::-1]
# A row without a location stands for as many findings as it counts.
OPEN = "(SELECT *, if(location IS NULL, count, 1) AS weight FROM findings WHERE suppressed_by IS NULL)"
HIDDEN = "(SELECT *, if(location IS NULL, count, 1) AS weight FROM findings WHERE suppressed_by IS NOT NULL)"
DIRECTORY = "if(contains(artifact, '/'), left(artifact, length(artifact) - strpos(reverse(artifact), '/')), '')"


class Tables(HTMLParser):
    """The cells of every table body on the page, by the section that it is in."""

    def __init__(self) -> None:
        super().__init__()
        self.found: Shown = {}
        self._section, self._in_body, self._cell = "", False, False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "section":
            self._section = dict(attrs).get("id") or ""
        elif tag == "tbody":
            self._in_body = True
            self.found.setdefault(self._section, []).append([])
        elif tag == "tr" and self._in_body:
            self.found[self._section][-1].append([])
        elif tag in ("td", "th") and self._in_body:
            self._cell = True
            self.found[self._section][-1][-1].append("")

    def handle_endtag(self, tag: str) -> None:
        if tag == "tbody":
            self._in_body = False
        elif tag in ("td", "th"):
            self._cell = False

    def handle_data(self, data: str) -> None:
        if self._cell:
            self.found[self._section][-1][-1][-1] += data.strip()


@pytest.fixture(scope="module")
def tables(results: Results) -> Shown:
    """What the page shows."""
    file = io.BytesIO()
    page.write(results, RULES, file)
    parser = Tables()
    parser.feed(file.getvalue().decode())
    return parser.found


@pytest.fixture(scope="module", params=["mixed", "swept", "many"])
def results(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Results:
    made: dict[str, Callable[[Path], Results]] = {"mixed": mixed, "swept": swept, "many": lambda folder: many(folder, 2_000)}
    return made[request.param](tmp_path_factory.mktemp(request.param))


def sql(results: Results, query: str) -> list[tuple[Any, ...]]:
    """A query over the files, without anything of this package in between."""
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        for name in ("findings", "ledger", "trends"):
            folder = Path(results.store.uri) / name
            if folder.exists():
                connection.execute(f"CREATE VIEW {name} AS SELECT * FROM read_parquet('{folder}/*.parquet')")  # the test's own folder
        return connection.execute(query).fetchall()


def number(text: str) -> int:
    return int(text.replace(",", ""))


def by(results: Results, key: str) -> dict[str, list[int]]:
    """Counts by a key: the severities, the worst first, then all open findings, then the suppressed ones."""
    found: dict[str, list[int]] = {}
    for name, severity, weight in sql(results, f"SELECT {key}, severity, sum(weight)::INT FROM {OPEN} GROUP BY ALL"):  # constants
        found.setdefault(name, [0] * 7)[WORST_FIRST.index(severity)] += weight
        found[name][5] += weight
    for name, weight in sql(results, f"SELECT {key}, sum(weight)::INT FROM {HIDDEN} GROUP BY ALL"):  # constants
        found.setdefault(name, [0] * 7)[6] = weight
    return found


@pytest.mark.parametrize(("table", "key"), [(0, "engine"), (1, DIRECTORY)], ids=["engine", "folder"])
def test_severity(table: int, key: str, results: Results, tables: Shown) -> None:
    shown = {row[0]: [number(cell) for cell in row[2:]] for row in tables["severity"][table]}
    expected = {name or "(top)": counts for name, counts in by(results, key).items()}
    silent = {name: [0] * 7 for name in results.run["engines"] if name not in expected} if key == "engine" else {}
    listed = sorted(expected, key=lambda name: (*(-one for one in expected[name][:5]), "" if name == "(top)" else name))[:25]
    assert shown == {name: expected[name] for name in listed} | silent


def test_totals(results: Results) -> None:
    totals = data.totals(results)
    assert [totals[name] for name in WORST_FIRST] == [sum(column) for column in list(zip(*by(results, "engine").values(), strict=True))[:5]]
    assert {name: totals[name] for name in results.run["severity"]} == results.run["severity"]
    assert totals["suppressed"] == results.run["suppressed"]
    assert (totals["rows"], totals["artifacts_with"]) == sql(results, "SELECT count(*), count(DISTINCT artifact) FROM findings")[0]


def test_artifacts(results: Results) -> None:
    """Each is fully checked, in part or not at all; a missing engine makes it partial although its status says scanned."""
    about = results.checked
    rows = sql(results, "SELECT status, reason, gaps_total, coverage FROM ledger")
    whole = [
        row
        for row in rows
        if row[0] == "scanned" and not row[1] and not row[2] and all(one["status"] in ("complete", "not-applicable") for one in row[3])
    ]
    unread = [row for row in rows if row[0] not in ("scanned", "partial")]
    assert (about.artifacts, about.fully, about.unread) == (len(rows), len(whole), len(unread))
    assert about.partly == len(rows) - len(whole) - len(unread)


def test_what_was_not_checked(results: Results, tables: Shown) -> None:
    shown = {(row[1], row[2].split(" ")[0]): row for row in tables.get("missing", [[]])[0] if row[0] != "–"}
    for status, reason, count, examples in sql(
        results, "SELECT status, reason, count(*), list(artifact ORDER BY artifact) FROM ledger WHERE status <> 'scanned' GROUP BY ALL"
    ):
        row = next(one for one in shown.values() if one[1] == status and one[2].startswith(reason))
        assert number(row[0]) == count
        assert row[3].startswith("".join(examples[:3]))
        assert (f"and {count - 3} more" in row[3]) == (count > 3)


def test_reasons_that_run_json_does_not_list_have_a_line(tmp_path: Path) -> None:
    """The same reasons have the same examples as in exports, also where a reason has two statuses."""
    ledger = [checked("a", "skipped", reason="link"), checked("b", "partial", reason="link"), checked("c", "partial", reason="rare")]
    listed = [{"status": status, "reason": "link", "reason_code": None, "artifacts": 1} for status in ("skipped", "partial")]
    shown = data.missing(written(tmp_path, [], ledger, not_covered=listed))
    assert [(one["status"], one["artifacts"], one["examples"]) for one in shown] == [
        ("skipped", 1, ("a",)),
        ("partial", 1, ("b",)),
        ("other", 1, ("c",)),
    ]


def test_coverage(results: Results, tables: Shown) -> None:
    shown = {row[0]: [number(cell) for cell in row[1:4]] for row in tables["missing"][-1]} if results.run["coverage"] else {}
    statuses = sql(results, "SELECT one.engine, one.status, count(*) FROM (SELECT unnest(coverage) AS one FROM ledger) GROUP BY ALL")
    expected: dict[str, list[int]] = {}
    for engine, status, count in statuses:
        at = {"complete": 0, "not-applicable": 1}.get(status, 2)
        expected.setdefault(engine, [0, 0, 0])[at] += count
    assert shown == expected


def test_trend(results: Results, tables: Shown) -> None:
    shown = tables.get("trend", [[]])[0]
    if results.run.get("job") != "sweep":
        assert shown == []
        return
    rows: dict[Any, dict[str, int]] = {}
    for started, severity, state, findings, suppressed in sql(results, "SELECT started, severity, state, findings, suppressed FROM trends"):
        row = rows.setdefault(
            started, dict.fromkeys((*SEVERITIES, "open", "suppressed", "new", "reopened", "persisting", "resolved", "unverified"), 0)
        )
        row[state] += findings
        if state not in ("resolved", "unverified"):
            row[severity] += findings
            row["open"] += findings
            row["suppressed"] += suppressed
    columns = (*WORST_FIRST, "open", "new", "reopened", "resolved", "unverified", "suppressed")
    expected = [
        [f"{started:%Y-%m-%d %H:%M} UTC", *(f"{row[name]:,}" for name in columns)] for started, row in sorted(rows.items(), reverse=True)
    ]
    assert shown == expected


def test_rules(results: Results) -> None:
    cards = {card["rule_id"]: card for card in data.rule_cards(results, RULES)}
    counts = by(results, "rule_id")
    assert {rule: [card[name] for name in (*WORST_FIRST, "findings", "suppressed")] for rule, card in cards.items()} == counts
    evidence = sql(results, "SELECT finding_id, artifact, evidence FROM findings")
    files = sql(
        results,
        "SELECT rule_id, artifact, sum(if(location IS NULL, count, 1))::INT AS n FROM findings GROUP BY ALL ORDER BY n DESC, artifact",
    )
    for rule, card in cards.items():
        mine = [(artifact, n) for one, artifact, n in files if one == rule]
        assert card["artifacts"] == len(mine)
        assert [(one["artifact"], one["number"]) for one in card["files"]] == mine[:5]
        assert 1 <= len(card["examples"]) <= 3
        assert len({one["evidence"] for one in card["examples"]}) == len(card["examples"])
        for one in card["examples"]:
            assert (one["finding_id"], one["artifact"], one["evidence"]) in evidence


def test_the_worst_rule_comes_first_and_one_without_an_explanation_says_so(results: Results) -> None:
    cards = data.rule_cards(results, RULES)
    order = [[-card[name] for name in WORST_FIRST] for card in cards]
    assert order == sorted(order)
    for card in cards:
        assert bool(card["description"]) == (card["rule_id"] in RULES)
        assert card["title"]


def test_printed_findings(results: Results, tables: Shown) -> None:
    shown = [(row[0], row[1]) for row in tables["findings"][0]]
    ranks = sorted(
        (SEVERITIES.index(severity) for (severity,) in sql(results, "SELECT severity FROM findings WHERE suppressed_by IS NULL")),
        reverse=True,
    )
    assert [severity for severity, _ in shown] == [SEVERITIES[rank] for rank in ranks[:200]]


@pytest.mark.parametrize(
    ("limit", "rows"),
    [(100, [("hr/c.zip", "pii", "in/e.bin", "page 3"), ("hr/f.md", "pii", None, None), ("kb/locked.pdf", None, None, None)]), (1, [])],
)
def test_the_ledger(limit: int, rows: list[tuple[str, str | None, str | None, str | None]], tmp_path: Path) -> None:
    found, total = data.gaps(mixed(tmp_path), limit)
    assert total == 8
    assert [
        (row["artifact"], row["engine"], row["member"], row["location"]) for row in found if not row["artifact"].startswith("audio/")
    ] == rows
    assert len(found) == min(limit, total)


def test_a_count_of_further_matches_is_no_gap(tmp_path: Path) -> None:
    counted = {
        "member": None,
        "location": None,
        "engine": "test",
        "reason": "more findings",
        "reason_code": "limit",
        "bound": "hits_per_rule",
    }
    results = written(tmp_path, [finding(1)], [checked("a.txt", gaps=[counted], gaps_total=1)])
    assert data.gaps(results, 10) == ([], 0)
    assert results.checked.fully == 1
