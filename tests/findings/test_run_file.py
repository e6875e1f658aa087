"""A run.json from anyone: what reports rely on is there and of its type, or one sentence says what is wrong."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.findings.outputs import finding, written
from veritensor_ray.core.errors import StoreError
from veritensor_ray.results.results import Results, find


@pytest.fixture
def results(tmp_path: Path) -> Results:
    return written(tmp_path, [finding(1)])


def again(results: Results, content: str) -> Mapping[str, Any]:
    (Path(results.store.uri) / "run.json").write_text(content)
    return find(results.store.uri, {})[1]


@pytest.mark.parametrize("content", ["", "{", "[]", "null", "7", "[" * 100_000])
def test_content_that_is_not_an_object(content: str, results: Results) -> None:
    with pytest.raises(StoreError, match=r"the run.json of .* is damaged: it is not a JSON object. Copy the output again"):
        again(results, content)


@pytest.mark.parametrize(
    ("field", "value", "wrong"),
    [
        ("scan_id", None, "scan_id is wrong"),
        ("scan_id", 7, "scan_id is wrong"),
        ("finished_at", "yesterday", "finished_at is wrong"),
        ("started_at", 7, "started_at is wrong"),
        ("sources", "corpus", "sources is wrong"),
        ("sources", ["a", None], "sources.1 is wrong"),
        ("engines", [], "engines is wrong"),
        ("engines", {"pii": None}, "engines.pii is wrong"),
        ("totals", {"artifacts": "3"}, "totals.artifacts is wrong"),
        ("totals", {"artifacts": -1}, "totals.artifacts is wrong"),
        ("totals", {"artifacts": float("nan")}, "totals.artifacts is wrong"),
        ("severity", {"terrible": 1}, "severity.terrible"),
        ("rules", [{"rule_id": "a.b", "severity": "terrible", "count": 1, "title": "t"}], "rules.0.severity is wrong"),
        ("not_covered", [{"status": "skipped"}], "not_covered.0.reason is wrong"),
        ("coverage", {"pii": 3}, "coverage.pii is wrong"),
        ("policy", {"suppressions": [{"id": "S-1"}]}, "policy.suppressions.0.reason is wrong"),
        ("profile", {"a": 1}, "profile is wrong"),
    ],
)
def test_fields_that_are_wrong(field: str, value: object, wrong: str, results: Results) -> None:
    with pytest.raises(StoreError, match=f"is damaged: {wrong}.*Copy the output again from its origin"):
        again(results, json.dumps(dict(results.run) | {field: value}))


@pytest.mark.parametrize("about", [{"sources": ["/data/\udcff"]}, {"of_a_later_version": {"a": [None]}}, {"policy": None}])
def test_fields_that_are_right(about: dict[str, Any], results: Results) -> None:
    """A source may have a name that is not UTF-8; further fields are left alone."""
    assert again(results, json.dumps(dict(results.run) | about)) == dict(results.run) | about
