"""The answers of the live page agree with the tables: filters with SQL, groups with those of the command line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.exports.report.outputs import ATTACKS, hostile, mixed
from tests.view.serving import Served, served
from veritensor_ray import api
from veritensor_ray.core.errors import StoreError
from veritensor_ray.findings.summary import NUMBER
from veritensor_ray.results.grouping import GROUPS, Group, grouped
from veritensor_ray.results.labels import Labels
from veritensor_ray.view.http_requests import Filter, Query
from veritensor_ray.view.queries import Queries
from veritensor_ray.view.table_copy import Copy, copied

OPEN = "(SELECT * FROM findings WHERE suppressed_by IS NULL)"
COMPARED = ("severity", "artifact", "member", "evidence", "message", "state", "rules", "findings", "files", "count", "finding_id")


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Copy]:
    folder = tmp_path_factory.mktemp("copied")
    mixed(folder)
    with copied(api.open(folder, stores={})) as made:
        yield made


def page(copy: Copy, **asked: Any) -> dict[str, Any]:
    with copy.connection() as cursor:
        return Queries(copy, Labels()).page(cursor, Query.model_validate(asked))


@pytest.mark.parametrize("by", GROUPS)
def test_groups_are_those_of_the_command_line(copy: Copy, by: Group) -> None:
    found = page(copy, group=by, limit=500)
    mine = {row["key"]: {name: row[name] for name in COMPARED} for row in found["rows"]}
    theirs = {row["key"]: {name: row[name] for name in COMPARED} for row in copy.records(grouped(OPEN, by))}
    assert mine == theirs
    assert found["total"] == len(theirs)


@pytest.mark.parametrize("by", GROUPS)
def test_an_opened_group_has_the_findings_that_it_counts(copy: Copy, by: Group) -> None:
    for row in page(copy, group=by, limit=500)["rows"]:
        inside = page(copy, filter={"group": {"group": by, "key": row["key"]}})
        assert inside["findings"] == row["findings"]
        assert row["finding_id"] in [one["finding_id"] for one in inside["rows"]]


@pytest.mark.parametrize(
    ("asked", "condition"),
    [
        ({}, "suppressed_by IS NULL"),
        ({"suppressed": "yes"}, "true"),
        ({"suppressed": "only"}, "suppressed_by IS NOT NULL"),
        ({"severity": ["high", "info"]}, "suppressed_by IS NULL AND severity IN ('high', 'info')"),
        ({"engine": ["pii"]}, "suppressed_by IS NULL AND engine = 'pii'"),
        ({"rule": ["pii.email", "secrets.token"]}, "suppressed_by IS NULL AND rule_id IN ('pii.email', 'secrets.token')"),
        ({"state": ["resolved"]}, "false"),
        ({"folder": "kb"}, "suppressed_by IS NULL AND artifact LIKE 'kb/%'"),
        ({"folder": "100%_off"}, "suppressed_by IS NULL AND artifact = '100%_off/x.md'"),
        ({"folder": "k"}, "false"),
        ({"text": "IGNORE all"}, "suppressed_by IS NULL AND evidence ILIKE '%ignore all%'"),
        ({"text": "in/d.csv"}, "suppressed_by IS NULL AND member = 'in/d.csv'"),
        ({"text": "KB/"}, "suppressed_by IS NULL AND artifact LIKE 'kb/%'"),
        ({"text": "%"}, "suppressed_by IS NULL AND artifact LIKE '100%_off/%'"),
        ({"finding": "0000000000000000000000"}, "suppressed_by IS NULL"),
        ({"where": "rule glob 'pii.*' and line > 1"}, "suppressed_by IS NULL AND engine = 'pii' AND location.line > 1"),
        (
            {"where": "artifact in (select artifact from ledger where status = 'partial')"},
            "suppressed_by IS NULL AND artifact = 'hr/c.zip'",
        ),
        ({"where": "true or true", "severity": ["low"]}, "suppressed_by IS NULL AND severity = 'low'"),
        ({"where": "true -- and nothing else", "severity": ["low"]}, "suppressed_by IS NULL AND severity = 'low'"),
        ({"group": {"group": "place", "key": "nothing"}}, "false"),
        ({"group": {"group": "evidence", "key": "') OR true --"}}, "false"),
        ({"group": {"group": "rule", "key": "' OR true --"}}, "false"),
        ({"text": "' OR true --", "engine": ["'"], "folder": "'"}, "false"),
    ],
    ids=str,
)
def test_filters_agree_with_sql(copy: Copy, asked: dict[str, Any], condition: str) -> None:
    expected = copy.records(f"SELECT finding_id, {NUMBER} AS n FROM findings WHERE {condition}")
    found = page(copy, filter=asked, limit=500)
    assert {row["finding_id"] for row in found["rows"]} == {row["finding_id"] for row in expected}
    assert (found["total"], found["findings"]) == (len(expected), sum(row["n"] for row in expected))


@pytest.mark.parametrize(
    "by", ["severity", "state", "folder", "rule_id", "artifact", "files", "findings", "confidence", "count", "first_seen"]
)
@pytest.mark.parametrize("group", ["none", *GROUPS])
def test_every_sorting_has_two_directions_and_pages_without_overlap(copy: Copy, by: str, group: str) -> None:
    def keys(descending: bool, offset: int = 0, limit: int = 500) -> list[str]:
        rows = page(copy, group=group, sort={"by": by, "descending": descending}, offset=offset, limit=limit)["rows"]
        return [row.get("key", row["finding_id"]) for row in rows]

    everything = keys(True)
    assert sorted(everything) == sorted(keys(False))
    assert keys(True, 0, 2) + keys(True, 2) == everything
    assert keys(True, 10_000) == []


def test_the_worst_comes_first(copy: Copy) -> None:
    ranks = [("critical", "high", "medium", "low", "info").index(row["severity"]) for row in page(copy, limit=500)["rows"]]
    assert ranks == sorted(ranks)


def test_facets_count_what_is_not_suppressed(copy: Copy) -> None:
    with copy.connection() as cursor:
        found = Queries(copy, Labels()).facets(cursor)
    for facet, column in (("severity", "severity"), ("engine", "engine"), ("rule", "rule_id"), ("state", "state")):
        rows = copy.records(f"SELECT {column} AS name, sum({NUMBER})::BIGINT AS n FROM {OPEN} GROUP BY 1")
        assert found[facet] == {row["name"]: row["n"] for row in rows}
    assert found["folders"] == {"hr": 251, "kb": 2, "kb/deep": 2, "": 2, "100%_off": 1}


def test_a_filter_has_the_ids_of_its_findings(copy: Copy, monkeypatch: pytest.MonkeyPatch) -> None:
    with copy.connection() as cursor:
        assert len(Queries(copy, Labels()).ids(cursor, Filter(engine=["pii"]))) == 4
        monkeypatch.setattr("veritensor_ray.view.queries.MOST_IDS", 3)
        with pytest.raises(Exception, match="more than 3 findings match"):
            Queries(copy, Labels()).ids(cursor, Filter(engine=["pii"]))


@pytest.mark.parametrize(
    "condition",
    ["", "rule =", "true; DROP TABLE slim", "true)); DROP TABLE slim; --", "(", "nothing = 1", "artifact in (select content from read_text('/etc/passwd'))",
     "artifact in (select artifact from 'other.parquet')", "1 / (1 - count) = 'x'", "getenv('HOME') = 'x'", "true ORDER BY 1"],
    ids=str,
)  # fmt: skip
def test_a_condition_that_is_not_one_gives_a_sentence(shared: Served, condition: str) -> None:
    body = {"filter": {"where": condition}}
    if condition:
        assert "\n" not in shared.refused("query", body)
    else:
        assert shared.ask("query", body)["total"]


def test_the_copy_cannot_be_changed_and_reaches_no_file(copy: Copy, tmp_path: Path) -> None:
    for statement in ("DROP TABLE slim", "CREATE TABLE other (a INT)", "DELETE FROM findings", f"COPY slim TO '{tmp_path}/a.csv'", f"ATTACH '{tmp_path}/a.db'",
                      "SELECT * FROM read_text('/etc/passwd')", "SET enable_external_access = true", "INSTALL httpfs", "LOAD httpfs"):  # fmt: skip
        with copy.connection() as cursor, pytest.raises(Exception, match=r"read-only|disabled|locked|changed|Cannot|not"):
            cursor.execute(statement)
    assert list(tmp_path.iterdir()) == []


def test_the_copy_is_private_and_goes_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mixed(tmp_path / "out")
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    with copied(api.open(tmp_path / "out", stores={})):
        (folder,) = (tmp_path / "temporary").iterdir()
        assert folder.stat().st_mode & 0o777 == 0o700
    assert list((tmp_path / "temporary").iterdir()) == []


@pytest.mark.slow
def test_hostile_texts_come_back_unchanged_and_find_only_themselves(tmp_path: Path) -> None:
    hostile(tmp_path / "out")
    with served(tmp_path / "out") as one:
        one.enter()
        rows = one.ask("query", {"filter": {"suppressed": "yes"}})["rows"]
        assert {row["evidence"] for row in rows} == set(ATTACKS)
        for text in ATTACKS:
            (row,) = one.ask("query", {"filter": {"suppressed": "yes", "rule": [f"signatures.user-{text}"]}})["rows"]
            assert row["artifact"] == f"{text}/{text}"
            for group in GROUPS:
                (found,) = one.ask("query", {"filter": {"suppressed": "yes", "finding": row["finding_id"]}, "group": group})["rows"]
                inside = one.ask("query", {"filter": {"suppressed": "yes", "group": {"group": group, "key": found["key"]}}})
                assert [each["finding_id"] for each in inside["rows"]] == [row["finding_id"]]


@pytest.mark.parametrize(
    ("what", "body"),
    [
        ("query", []),
        ("query", {"limit": 501}),
        ("query", {"limit": 0}),
        ("query", {"offset": -1}),
        ("query", {"group": "engine"}),
        ("query", {"sort": {"by": "1; DROP TABLE slim"}}),
        ("query", {"filter": {"unknown": 1}}),
        ("query", {"filter": {"severity": ["worst"]}}),
        ("query", {"filter": {"text": "x" * 5000}}),
        ("query", {"filter": {"engine": ["x"] * 101}}),
        ("query", {"filter": {"finding": "xyz"}}),
        ("query", {"filter": {"group": {"group": "place"}}}),
        ("facets", {"a": 1}),
        ("passage", {}),
        ("passage", {"finding_id": "../../etc/passwd"}),
        ("passage", {"finding_id": "0" * 32, "lines": 101}),
        ("passage", {"finding_id": "0" * 32, "place": 0}),
    ],
    ids=str,
)
def test_wrong_questions_get_a_sentence(shared: Served, what: str, body: Any) -> None:
    said = shared.refused(what, body)
    assert "\n" not in said
    assert said.startswith("The request is not valid: ")


@pytest.mark.parametrize(
    "body", [b"", b"{", b"null", b"\xff\xfe", b'{"limit": 1e999}', b"[" * 30_000], ids=["empty", "open", "null", "bytes", "huge", "deep"]
)
def test_a_body_that_is_not_json_gets_a_sentence(shared: Served, body: bytes) -> None:
    answer = shared.client.post(f"{shared.page}api/query", content=body, headers=shared.headers)
    assert answer.status_code == 400
    assert answer.json()["error"].startswith("The request is not valid")


@pytest.mark.slow
def test_a_query_that_takes_too_long_ends(tmp_path: Path) -> None:
    mixed(tmp_path / "out")
    with served(tmp_path / "out", seconds=0.5) as one:
        one.enter()
        endless = "count < (select sum(a.range * b.range) from range(1000000) a, range(1000000) b)"
        assert (
            one.refused("query", {"filter": {"where": endless}}, 409)
            == "The query took longer than 0.5 seconds. Narrow it with further filters."
        )
        assert one.ask("query")["total"]


@pytest.mark.parametrize("name", ["plain", "wi[l]d*?{a}"])
def test_outputs_of_earlier_versions_and_odd_names_are_copied(tmp_path: Path, name: str) -> None:
    """The first by DuckDB's own reader, the other by Arrow's, because its name is a pattern. A column that is not there is null."""
    mixed(tmp_path / name)
    file = next((tmp_path / name / "findings").glob("*.parquet"))
    table = pq.read_table(file)
    pq.write_table(table.drop_columns(["confidence", "model"]), file)
    with copied(api.open(tmp_path / name, stores={})) as made:
        found = made.records("SELECT * FROM findings ORDER BY finding_id")
    expected = table.set_column(table.schema.get_field_index("confidence"), "confidence", pa.nulls(len(table), pa.float64())).sort_by(
        "finding_id"
    )
    assert found == expected.to_pylist()


def test_a_damaged_table_gives_a_sentence(tmp_path: Path) -> None:
    mixed(tmp_path)
    next((tmp_path / "findings").glob("*.parquet")).write_bytes(b"PAR1 not at all PAR1")
    with pytest.raises(StoreError, match=r"restore the output, or scan again with --fresh$"), copied(api.open(tmp_path, stores={})):
        pass
