"""Severities in SQL are compared and sorted by their rank, however a query is written, and leave it as words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from tests.findings.outputs import checked, finding, written
from veritensor_ray.api import Audit
from veritensor_ray.core.config import SEVERITIES
from veritensor_ray.core.errors import UsageError
from veritensor_ray.results.results import Results
from veritensor_ray.results.severities import TYPE, compared


@pytest.fixture
def results(tmp_path: Path) -> Results:
    """Findings 1 to 5, from info to critical, in artifacts that are named like another severity."""
    rows = [
        finding(n, f"{other}.txt", {"line": 1}, severity=name, severity_original="critical" if n == 3 else "info")
        for n, (name, other) in enumerate(zip(SEVERITIES, reversed(SEVERITIES), strict=True), 1)
    ]
    return written(tmp_path, rows, [checked("high.txt", max_severity="low"), checked("none.txt", max_severity=None)])


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ("severity >= 'high'", [4, 5]),
        ("severity > 'high'", [5]),
        ("severity < 'low'", [1]),
        ("'medium' <= severity", [3, 4, 5]),
        ("SEVERITY >= e'high'", [4, 5]),
        ("severity >= $$high$$", [4, 5]),
        ("message <> 'é' and severity >= 'high'", [4, 5]),
        ("severity between 'low' and 'high'", [2, 3, 4]),
        ("severity not between 'low' and 'high'", [1, 5]),
        ("severity in ('low', 'critical')", [2, 5]),
        ("severity = 'high' or severity = 'info'", [1, 4]),
        ("not severity >= 'medium'", [1, 2]),
        ("severity >= case when line = 1 then 'high' else 'low' end", [4, 5]),
        ("severity >= 'high'::severity", [4, 5]),
        ("severity >= lower('HIGH')::severity", [4, 5]),
        ("severity_original >= 'high'", [3]),
        ("severity_rank(severity) >= severity_rank('high')", [4, 5]),
        ("severity like 'h%'", [4]),
        ("severity || '' = 'high'", [4]),
        ("severity is null", []),
        ("replace(artifact, '.txt', '') = 'high'", [2]),
        ("replace(artifact, '.txt', '') > 'high'", [3, 4, 5]),  # a text is compared as text
        ("finding_id in (select finding_id from findings where severity >= 'high')", [4, 5]),
        ("severity >= (select max(f.severity) from findings f where f.severity < 'critical')", [4, 5]),
        ("severity >= 'high' -- and worse", [4, 5]),
    ],
)
def test_conditions_compare_ranks(where: str, found: list[int], results: Results) -> None:
    assert [int(row["finding_id"], 16) for row in results.records(f"FROM {results.matching(where)} ORDER BY finding_id")] == found


@pytest.mark.parametrize(
    ("query", "rows"),
    [
        ("select line from (select f.severity, f.location.line from findings f where f.severity > 'high')", [(1,)]),
        ("select severity from findings order by severity desc", [(name,) for name in reversed(SEVERITIES)]),
        ("select max(severity), min(severity) from findings", [("critical", "info")]),
        ("with f as (select severity as s from findings) select s from f where s >= 'high' order by s", [("high",), ("critical",)]),
        ("select artifact from ledger where max_severity >= 'info'", [("high.txt",)]),
        ("select coalesce(max_severity, 'info') from ledger order by 1", [("info",), ("low",)]),
        ("select coalesce(max_severity::varchar, 'none') as worst from ledger order by worst", [("low",), ("none",)]),
        ("select severity from places where severity > 'medium' order by 1", [("high",), ("critical",)]),
        ("select count(*) filter (severity >= 'high') from findings", [(2,)]),
        ("select list(severity order by severity) from findings", [(list(SEVERITIES),)]),
        ("select histogram(severity) from findings where severity > 'medium'", [([("high", 1), ("critical", 1)],)]),
        ("select {'a': [severity]} from findings where severity = 'high'", [({"a": ["high"]},)]),
        ("select high from (pivot findings on severity in ('high', 'low') using count(*) group by engine)", [(1,)]),
    ],
)
def test_queries_order_ranks_and_give_words(query: str, rows: list[tuple[Any, ...]], results: Results) -> None:
    assert [tuple(row.values()) for row in results.records(query)] == rows


@pytest.mark.parametrize("condition", ["severity >= 'urgent'", "severity = 'HIGH'", "'off' = severity", "severity in ('high', 'hgih')"])
def test_a_word_that_is_no_severity_is_named(condition: str, results: Results) -> None:
    why = "a severity is compared with '(urgent|HIGH|off|hgih)', which is not one; choose from info, low, medium, high, critical"
    with pytest.raises(UsageError, match=why):
        results.matching(condition)
    with pytest.raises(UsageError, match=why):
        results.records(f"select * from findings where {condition}")


@pytest.mark.parametrize("query", ["selec severity", "select 'high", "set x = 'high'", "select severity >= 'high'::severity", "('high'"])
def test_what_needs_no_change_or_cannot_be_parsed_stays(query: str) -> None:
    with duckdb.connect() as connection:
        connection.execute(TYPE)
        assert compared(connection, query) == query


def test_frames_order_severities(results: Results) -> None:
    frame = Audit(results.store, results.run).sql("select severity, max_severity from findings full join ledger using (artifact)")
    assert frame["severity"].max() == "critical"
    assert (frame["severity"] >= "high").sum() == 2
    assert frame["max_severity"].max() == "low"


def test_rows_are_of_words(results: Results) -> None:
    with results.reader("select severity, severity_original from findings") as reader:
        assert reader.schema.types == [pa.string()] * 2
        assert sorted(reader.read_all()["severity"].to_pylist()) == sorted(SEVERITIES)
