"""OSV's matching, the compact form, and aliases."""

from __future__ import annotations

import json
from bisect import bisect_left
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.cases import each
from tests.engines.dependencies.building import record
from veritensor_ray.engines.dependencies import advisory_records
from veritensor_ray.engines.dependencies.advisory_records import Advisory, advisories, grouped, unpacked
from veritensor_ray.engines.dependencies.versions import canonical


def one(**fields: Any) -> Advisory:
    [(_, advisory)] = advisories(record("PYSEC-1", **fields))
    return advisory


I, F, L = "introduced", "fixed", "last_affected"  # noqa: E741
CASES: list[tuple[dict[str, Any], dict[str, bool]]] = [
    ({"events": [{I: "0"}, {F: "2.0"}]}, {"0.1": True, "1.9": True, "2.0": False, "2.0rc1": True, "3": False}),
    ({"events": [{I: "1.0"}, {L: "1.5"}]}, {"0.9": False, "1.0": True, "1.5": True, "1.5.1": False}),
    ({"events": [{F: "2.5"}, {I: "2.0"}, {F: "1.5"}, {I: "1.0"}]}, {"1.2": True, "1.7": False, "2.2": True, "2.5": False}),
    ({"events": [{I: "1.0", F: "2.0"}]}, {"1.5": True, "2.0": False}),
    ({"events": [{I: "0"}]}, {"0.0.1": True, "999": True}),
    ({"events": [{I: "0"}, {"limit": "*"}]}, {"5": True}),
    ({"events": [{I: "0"}, {"limit": "3"}]}, {"2": True, "3": False}),
    ({"events": [{I: "1.0"}, {F: "1.0"}]}, {"1.0": False}),
    ({"events": [{I: "0"}, {F: "1.0"}, {I: "1.0"}, {F: "2.0"}]}, {"0.5": True, "1.0": True, "2.0": False}),
    ({"events": None, "versions": ["1.0", "1.2"]}, {"1.0.0": True, "1.1": False}),
    ({"events": [{I: "2"}, {F: "3"}], "versions": ["1.0", "2.1"]}, {"1.0": True, "2.9": True, "1.1": False}),
    ({"events": None, "versions": ["2004d-beta", "1.0"]}, {"2004d-beta": True, "2004e": False}),
    ({"events": [{I: "0"}, {F: "2.0.1"}]}, {"2.0.0+cu118": True, "2.0.1+cu118": False}),
    ({"events": [{I: "0"}, {F: "no version"}]}, {"1.0": True}),
    ({"events": [{I: "0"}, {F: "1.0"}]}, {"not-a-version": False}),
    ({"events": [{I: "0"}]}, {"not-a-version": True}),
    ({"events": [{F: "1.0"}]}, {"0.5": False}),
    ({"ecosystem": "npm", "events": [{I: "0"}, {F: "4.17.19"}]}, {"4.17.15": True, "4.17.19": False, "4.17.19-rc.1": True}),
    ({"ecosystem": "npm", "events": [{I: "1.0.0-rc.1"}, {F: "1.0.0"}]}, {"1.0.0-rc.2": True, "1.0.0-beta": False, "1.0.0": False}),
]


@each(("fields", "expected"), CASES)
def test_affects(fields: dict[str, Any], expected: dict[str, bool]) -> None:
    advisory = one(**fields)
    packed = unpacked(advisory.ecosystem, advisory.packed())
    assert {version: advisory.affects(version) for version in expected} == expected
    assert packed == advisory
    assert {version: packed.affects(version) for version in expected} == expected


EVENTS = ("introduced", "fixed", "last_affected", "limit")


@settings(max_examples=150)
@given(st.lists(st.lists(st.tuples(st.sampled_from(EVENTS), st.sampled_from(["0", "1", "1.5", "2", "3", "odd!"])), max_size=6), max_size=3))
def test_versions_that_ranges_cover_are_not_kept_twice(ranges: list[list[tuple[str, str]]]) -> None:
    """The one pass over all versions agrees with OSV's walk for each."""
    listed = ["0.5", "1", "1.5", "1.7", "2", "2.5", "3", "4"]
    found = record("PYSEC-1", events=[], versions=listed)
    found["affected"][0]["ranges"] = [{"type": "ECOSYSTEM", "events": [{kind: value} for kind, value in events]} for events in ranges]
    [(_, advisory)] = advisories(found)
    alone = replace(advisory, versions=frozenset())
    assert advisory.versions == {canonical("PyPI", version) for version in listed if not alone.affects(version)}
    assert all(advisory.affects(version) for version in listed)


def test_many_versions_and_ranges_are_compared_once_each(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = 0

    def counting(*arguments: Any) -> int:
        nonlocal calls
        calls += 1
        return bisect_left(*arguments)

    monkeypatch.setattr(advisory_records, "bisect_left", counting)
    found = record("PYSEC-1", events=[], versions=[f"1.{number}" for number in range(1_000)])
    found["affected"][0]["ranges"] = [
        {"type": "ECOSYSTEM", "events": [{I: f"1.{number}"}, {F: f"1.{number}.1"}]} for number in range(0, 1_000, 2)
    ]
    [(_, advisory)] = advisories(found)
    assert len(advisory.versions) == 500
    assert calls <= 1_000


def test_ranges_of_commits_are_passed_over() -> None:
    found = record("PYSEC-1", events=[{I: "0"}, {F: "2.0"}])
    found["affected"][0]["ranges"].insert(0, {"type": "GIT", "repo": "r", "events": [{I: "0"}, {F: "abcdef"}]})
    [(_, advisory)] = advisories(found)
    assert advisory.affects("1.0")
    assert not advisory.affects("3.0")
    assert advisory.fixed_after("1.0") == ["2.0"]


def test_enumerated_versions_that_a_range_covers_are_not_kept() -> None:
    assert one(events=[{I: "0"}, {F: "2"}], versions=["1.0", "1.1", "3.0"]).versions == {"0!3"}


def test_one_record_about_two_packages_and_twice_about_one() -> None:
    found = record("GHSA-1", "Left_Pad", [{I: "0"}, {F: "1"}])
    found["affected"] += record("x", "left.pad", [{I: "2"}, {F: "3"}])["affected"] + record("x", "other", ecosystem="npm")["affected"]
    result = dict(advisories(found))
    assert set(result) == {"left-pad", "other"}
    assert [result["left-pad"].affects(version) for version in ("0.5", "1.5", "2.5")] == [True, False, True]


@pytest.mark.parametrize("found", [None, 3, [], {}, {"id": 5}, {"id": "a b"}, {"id": "../../x"}, {"id": ""}])
def test_refuses_what_is_no_record(found: Any) -> None:
    with pytest.raises(ValueError, match="not an OSV record"):
        list(advisories(found))


def test_withdrawn_records_and_other_ecosystems_say_nothing() -> None:
    assert list(advisories(record("A-1", withdrawn="2026-01-01T00:00:00Z"))) == []
    assert list(advisories(record("A-1", ecosystem="Hex"))) == []
    assert len(list(advisories(record("A-1", ecosystem="PyPI:some")))) == 1


def test_records_about_one_flaw_are_one_group_over_aliases() -> None:
    found = [
        next(advisories(record("PYSEC-1", aliases=["CVE-1"])))[1],
        next(advisories(record("GHSA-1", aliases=["CVE-2"], database_specific={"severity": "HIGH"})))[1],
        next(advisories(record("GHSA-2", aliases=["CVE-1", "CVE-2"])))[1],
        next(advisories(record("PYSEC-9", aliases=["CVE-9"])))[1],
    ]
    groups = grouped(found)
    assert sorted(group.names for group in groups) == [("CVE-1", "CVE-2", "GHSA-1", "GHSA-2", "PYSEC-1"), ("CVE-9", "PYSEC-9")]
    assert {group.severity for group in groups} == {"high", "medium"}


def test_a_record_of_malice_names_its_group() -> None:
    [group] = grouped(advisory for name in ("GHSA-1", "MAL-1") for _, advisory in advisories(record(name, aliases=["GHSA-1"])))
    assert group.malicious
    assert group.names == ("MAL-1", "GHSA-1")


def test_the_summary_is_one_short_printable_line() -> None:
    text = "First\x1b[31m line\nof it. Second sentence."
    assert one(summary=None, details=text).summary == "First [31m line of it."
    assert len(one(summary="x" * 5000).summary) == 160


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=5)
    | st.sampled_from(["PyPI", "npm", "0", "1.0", "SEMVER", "ECOSYSTEM", "requests"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["package", "name", "ecosystem", "ranges", "type", "events", I, F, L, "versions", "severity", "score"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=15,
)


@pytest.mark.slow
@settings(max_examples=300)
@given(
    st.fixed_dictionaries(
        {"id": st.just("X-1"), "affected": JSON | st.lists(JSON, max_size=3), "aliases": JSON, "summary": JSON, "severity": JSON}
    )
)
def test_any_record_is_taken_or_refused(found: dict[str, Any]) -> None:
    try:
        for _, advisory in advisories(found):
            assert unpacked(advisory.ecosystem, advisory.packed()) == advisory
            advisory.affects("1.0")
            json.dumps(advisory.fixed_after("0"))
    except (ValueError, TypeError):
        return
