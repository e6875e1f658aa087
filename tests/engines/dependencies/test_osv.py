"""OSV's service: what it answers, and every way in which it does not."""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.engines.dependencies.building import database, engine, record, scan
from tests.engines.dependencies.service import Osv, serving
from veritensor_ray.core.config import Osv as Configuration
from veritensor_ray.engines.dependencies.osv import OsvClient

pytestmark = pytest.mark.slow

RECORDS = [
    record("PYSEC-1", aliases=["CVE-1"]),
    record("GHSA-1", aliases=["CVE-1"], database_specific={"severity": "HIGH"}),
    record("PYSEC-2", aliases=["CVE-2"]),
    record("PYSEC-3", package="flask"),
    record("MAL-2024-1", package="evil-thing", events=[{"introduced": "0"}]),
    record("PYSEC-4", package="evil-thing", events=[{"introduced": "0"}]),
]
TEXT = "requests==1.0\nflask==1.0\nnumpy==1.0\nevil-thing\n"
FOUND = {
    ("known-vulnerability", "requests==1.0 CVE-1"),
    ("known-vulnerability", "requests==1.0 CVE-2"),
    ("known-vulnerability", "flask==1.0 PYSEC-3"),
}
FOUND |= {("malicious-package", "evil-thing MAL-2024-1")}


@pytest.fixture(autouse=True)
def _own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))


@pytest.fixture
def osv() -> Iterator[Osv]:
    with serving(Osv(RECORDS, page=1)) as served:
        yield served


def online(url: str, **more: Any) -> dict[str, Any]:
    return {"online": True, "osv": {"url": url, "timeout": 0.5, "backoff": 0.01, "retries": 3} | more}


def names(hits: Any) -> set[tuple[str, str]]:
    return {(hit.rule.removeprefix("dependencies."), hit.evidence) for hit in hits}


def test_answers_page_by_page(osv: Osv) -> None:
    hits, gaps = scan(engine(**online(osv.url)), "requirements.txt", TEXT)
    assert names(hits) == FOUND
    assert gaps == []
    assert next(hit for hit in hits if "CVE-1" in str(hit.evidence)).severity == "high"


def test_the_second_time_nothing_is_asked(osv: Osv) -> None:
    made = engine(**online(osv.url))
    first = scan(made, "requirements.txt", TEXT)
    before = dict(osv.calls)
    assert scan(made, "requirements.txt", TEXT) == first
    assert scan(engine(**online(osv.url)), "requirements.txt", TEXT) == first, "another process finds the cache on disk"
    assert dict(osv.calls) == before
    scan(engine(**online(osv.url, cache_hours=0)), "requirements.txt", TEXT)
    assert osv.calls["batch"] > before["batch"]


@pytest.mark.parametrize("fault", ["429", "500", "503", "silence", "hang up", "half", "nonsense", "list", "short", "odd"])
def test_a_fault_that_passes_changes_nothing(osv: Osv, fault: str) -> None:
    osv.faults = [fault, fault]
    hits, gaps = scan(engine(**online(osv.url)), "requirements.txt", TEXT)
    assert names(hits) == FOUND
    assert gaps == []


@pytest.mark.parametrize("fault", ["429", "500", "403", "404", "silence", "hang up", "half", "nonsense", "list", "short", "odd"])
def test_a_fault_that_stays_is_a_gap_and_the_names_are_checked(osv: Osv, fault: str, caplog: pytest.LogCaptureFixture) -> None:
    osv.always = fault
    with caplog.at_level(logging.DEBUG, "veritensor_ray"):
        made = engine(**online(osv.url, retries=1, timeout=0.3))
        for _ in range(2):
            hits, gaps = scan(made, "requirements.txt", TEXT + "reqeusts==2.0\n")
            assert names(hits) == {("typosquat", "reqeusts")}
            assert [(gap.coverage, gap.engine) for gap in gaps] == [("db_missing", "dependencies")]
            assert "OSV.dev unreachable" in gaps[0].reason
    said = [one for one in caplog.records if "OSV.dev unreachable" in one.getMessage()]
    assert [one.levelname for one in said] == ["DEBUG"]


def test_a_record_that_does_not_come_costs_that_package(osv: Osv) -> None:
    osv.faults = [""] * 2 + ["500"] * 4  # two pages of ids, then the first record, to the last try
    hits, gaps = scan(engine(**online(osv.url)), "requirements.txt", "requests==1.0\n")
    assert hits == []
    assert [gap.coverage for gap in gaps] == ["db_missing"]


def test_nobody_listens(caplog: pytest.LogCaptureFixture) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with caplog.at_level(logging.DEBUG, "veritensor_ray"):
        hits, gaps = scan(engine(**online(f"http://127.0.0.1:{port}")), "requirements.txt", TEXT)
    assert (hits, [gap.coverage for gap in gaps]) == ([], ["db_missing"])
    assert "OSV.dev unreachable" in caplog.text


def test_the_database_answers_where_the_service_does_not(osv: Osv, tmp_path: Path) -> None:
    osv.always = "500"
    path = database(tmp_path, *RECORDS)
    hits, gaps = scan(engine(database=str(path), **online(osv.url, retries=0)), "requirements.txt", TEXT)
    assert names(hits) == FOUND
    assert gaps == []


def test_a_package_of_conda_is_asked_for_under_the_name_of_pypi(osv: Osv) -> None:
    hits, gaps = scan(engine(**online(osv.url)), "environment.yml", "dependencies: [flask=1.0]")
    assert names(hits) == {("known-vulnerability", "flask==1.0 PYSEC-3")}
    assert gaps == []


def test_offline_is_the_default_and_asks_nobody(osv: Osv, tmp_path: Path) -> None:
    made = engine(database=str(database(tmp_path, *RECORDS)), osv={"url": osv.url})
    assert names(scan(made, "requirements.txt", TEXT)[0]) == FOUND
    assert not osv.calls


def test_one_refused_version_does_not_cost_the_others(osv: Osv) -> None:
    keys = [("PyPI", f"p{number}", "1.0") for number in range(20)]
    bad = ("PyPI", "p", "refuse-me")
    reply = OsvClient(Configuration(url=osv.url, backoff=0.01)).ask([*keys[:7], bad, *keys[7:], ("PyPI", "flask", "1.0")])
    assert reply.unanswered == {bad}
    assert set(reply.found) == {("PyPI", "flask", "1.0")}


def test_many_queries_go_in_batches(osv: Osv) -> None:
    reply = OsvClient(Configuration(url=osv.url)).ask([("PyPI", f"p{number}", "1.0") for number in range(2_500)])
    assert not reply.unanswered
    assert osv.calls["batch"] == 3


def test_pages_without_end_are_given_up(osv: Osv) -> None:
    osv.query = lambda query: {"vulns": [], "next_page_token": "again"}  # type: ignore[method-assign]
    reply = OsvClient(Configuration(url=osv.url)).ask([("PyPI", "requests", "1.0")])
    assert reply.unanswered
    assert osv.calls["batch"] == 100


def test_time_runs_out(osv: Osv) -> None:
    osv.always = "500"
    reply = OsvClient(Configuration(url=osv.url, seconds=0.2, backoff=5, retries=10, timeout=0.5)).ask([("PyPI", "requests", "1.0")])
    assert reply.unanswered
    assert osv.calls["batch"] == 1, "the pause before the next try would not end in time"


def test_a_cache_that_cannot_be_written_is_no_error(osv: Osv, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert names(scan(engine(**online(osv.url)), "requirements.txt", TEXT)[0]) == FOUND
    (tmp_path / "cache" / "veritensor-ray").mkdir(parents=True)
    (tmp_path / "cache" / "veritensor-ray" / "osv.sqlite").write_bytes(b"nonsense" * 1000)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert names(scan(engine(**online(osv.url)), "requirements.txt", TEXT)[0]) == FOUND
