"""Conditions that a user writes are evaluated in a process that ends when one takes too much, and the page goes on."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.exports.report.outputs import mixed
from tests.view.serving import served
from veritensor_ray import api
from veritensor_ray.core.errors import UsageError
from veritensor_ray.view.row_conditions import ConditionEnded, Conditions
from veritensor_ray.view.table_copy import copied

pytestmark = pytest.mark.slow

MEMORY = "length(repeat('a', 2000000000)) > 1"
ENDLESS = "(select count(*) from range(100000000) a, range(100000000) b where a.range * b.range = n) > 3"


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("conditions")
    mixed(folder / "out")
    with copied(api.open(folder / "out", stores={})) as copy:
        yield Path(copy.database.execute("SELECT path FROM duckdb_databases() WHERE database_name = 'copy'").fetchone()[0])


@pytest.fixture
def conditions(file: Path) -> Iterator[Conditions]:
    made = Conditions(file)
    yield made
    made.close()


def test_rows_are_numbers_of_findings(conditions: Conditions) -> None:
    assert conditions.rows("true", None)["n"].to_pylist() == list(range(conditions.rows("n >= 0", None).num_rows))
    assert conditions.rows("false", None).num_rows == 0


def test_what_takes_too_much_memory_ends_at_once_and_costs_only_itself(conditions: Conditions) -> None:
    with pytest.raises(
        UsageError, match=r"^The condition was ended, because it needs more than 2,048 MB of memory\. Write a simpler one\.$"
    ):
        conditions.rows(MEMORY, None)
    assert conditions.rows("true", None).num_rows > 0


def test_what_takes_too_long_ends_and_costs_only_itself(file: Path) -> None:
    conditions = Conditions(file, seconds=1)
    with pytest.raises(UsageError, match=r"^The condition was ended, because it took longer than 1 seconds\. Write a simpler one\.$"):
        conditions.rows(ENDLESS, None)
    conditions.close()


def test_only_who_asked_ends_a_condition(conditions: Conditions) -> None:
    asking, raised = object(), list[Exception]()

    def ask() -> None:
        try:
            conditions.rows(ENDLESS, asking)
        except ConditionEnded as error:
            raised.append(error)

    conditions.rows("true", None)
    thread = threading.Thread(target=ask)
    thread.start()
    while thread.is_alive():
        conditions.end(object())
        conditions.end(asking)
    assert len(raised) == 1
    assert conditions.rows("false", None).num_rows == 0


def test_the_rows_of_a_condition_are_kept(conditions: Conditions) -> None:
    first = conditions.rows("random() < 0.5", None)
    assert conditions.rows("random() < 0.5", None) is first


@pytest.mark.parametrize("where", ["artifact = getenv('HOME')", "selec", "count(*) > 1", "n"])
def test_what_is_not_valid_is_refused(where: str, conditions: Conditions) -> None:
    with pytest.raises(UsageError, match=r"is not valid|failed"):
        conditions.rows(where, None)


def test_the_page_goes_on_after_too_much_memory(tmp_path: Path) -> None:
    mixed(tmp_path / "out")
    with served(tmp_path / "out", tmp_path / "policy.yaml") as one:
        one.enter()
        scope = {"kind": "filter", "filter": {"where": MEMORY}}
        for what, body in (
            ("query", {"filter": {"where": MEMORY}}),
            ("preview", {"scope": scope}),
            ("suppress", {"scope": scope, "reason": "x"}),
        ):
            assert "more than 2,048 MB of memory" in one.refused(what, body)
        assert one.ask("query", {"filter": {"where": "severity >= 'high'"}})["total"] > 0
    assert not (tmp_path / "policy.yaml").exists()
