"""Which findings a decision is about, the entry that comes of it, and the numbers that are shown first."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from tests.findings.outputs import checked, finding, written
from veritensor_ray.core.errors import UsageError
from veritensor_ray.policy.judge import Policy
from veritensor_ray.results.new_suppressions import Preview, Scope, add, chosen, covered, entry, preview, suppression, until
from veritensor_ray.results.policy_place import FilePlace
from veritensor_ray.results.results import Results

SHA = "c" * 64
ODD = "web/[x]/\x1b[2J*.md"
TODAY = date(2026, 11, 20)


def fid(number: int) -> str:
    return f"{number:032x}"


@pytest.fixture
def results(tmp_path: Path) -> Results:
    at = {"line": 1}
    rows = [
        finding(1, "hr/a.md", at, rule_id="pii.email", severity="high"),
        finding(2, "hr/a.md", at, rule_id="pii.phone"),
        finding(3, "hr/deep/b.md", at, rule_id="pii.email", severity="low"),
        finding(4, "hrm/c.md", at, rule_id="pii.email"),
        finding(5, "top.md", at, rule_id="pii.email", content_fingerprint=fid(1)[::-1]),
        finding(6, ODD, at, rule_id="pii.email", severity="critical"),
        finding(7, "web/x/no.md", at, rule_id="pii.email", suppressed_by="S-1"),
        finding(8, "hr/a.md", None, rule_id="pii.email", count=40),  # only counts further matches
    ]
    ledger = [checked("hr/a.md", content_id=SHA, content_id_kind="sha256"), checked("top.md", content_id="e", content_id_kind="etag")]
    for row in rows:
        row["content_id"] = SHA if row["artifact"] == "hr/a.md" else None
    return written(tmp_path, rows, ledger)


@pytest.mark.parametrize(
    ("scope", "conditions", "found"),
    [
        (Scope("finding", fid(1)), {"finding": fid(1)}, {1}),
        (Scope("finding", fid(1).upper()), {"finding": fid(1)}, {1}),
        (Scope("fingerprint", fid(1)), {"fingerprint": fid(1)[::-1]}, {1, 5}),
        (Scope("sha256", fid(1)), {"sha256": SHA}, {1, 2, 8}),
        (Scope("rule-in-artifact", fid(1)), {"rule": "pii.email", "path": "hr/a.md"}, {1, 8}),
        (Scope("rule-in-artifact", fid(6)), {"rule": "pii.email", "path": "web/[[]x]/\x1b[[]2J[*].md"}, {6}),
        (Scope("artifact", fid(1)), {"path": "hr/a.md"}, {1, 2, 8}),
        (Scope("artifact", fid(5)), {"path": "/top.md"}, {5}),
        (Scope("rule-in-folder", fid(1)), {"rule": "pii.email", "path": "hr/*"}, {1, 3, 8}),  # not hrm/
        (Scope("rule-in-folder", fid(6)), {"rule": "pii.email", "path": "web/[[]x]/*"}, {6}),  # not web/x/
        (Scope("rule-in-folder", rule="pii.phone", folder="hr"), {"rule": "pii.phone", "path": "hr/*"}, {2}),
        (Scope("rule-in-folder", rule="pii.*", folder="hr"), {"rule": "pii.[*]", "path": "hr/*"}, set()),
        (Scope("filter", where="rule = 'pii.email' and severity = 'low'"), {"finding": fid(3)}, {3}),
        (Scope("filter", where="artifact glob 'web/*'"), {"finding": fid(6)}, {6}),  # 7 is suppressed already
        (Scope("filter", ids=(fid(2), fid(3))), {"finding": (fid(2), fid(3))}, {2, 3}),
        (Scope("filter", ids=(fid(2), fid(99))), {"finding": fid(2)}, {2}),
    ],
)
def test_scopes(scope: Scope, conditions: dict[str, Any], found: set[int], results: Results) -> None:
    one = entry(results, scope, "why", "me", date(2027, 1, 1))
    assert (one.match, one.reason, one.owner, one.expires) == (conditions, "why", "me", date(2027, 1, 1))
    seen = preview(results, one)
    numbers = {number: 40 if number == 8 else 1 for number in found}
    assert (seen.findings, seen.already) == (sum(numbers.values()), 0)
    if scope.kind != "filter":
        assert preview(results, scope) == seen
        assert {int(row["finding_id"], 16) for part in chosen(results, scope) for row in part.to_pylist()} == found


@pytest.mark.parametrize(
    ("scope", "says"),
    [
        (Scope("engine", fid(1)), "unknown scope 'engine'; choose from finding, fingerprint"),
        (Scope("finding", ""), "neither the id of a finding"),
        (Scope("finding", fid(99)), "no finding in"),
        (Scope("sha256", fid(5)), "the SHA-256 of the whole artifact was not computed"),
        (Scope("rule-in-folder", fid(5)), "the top folder is the whole corpus, so pii.email would be suppressed everywhere"),
        (Scope("rule-in-folder", rule="pii.email"), "would be suppressed everywhere"),
        (Scope("rule-in-folder", folder="hr"), "needs the id of the rule"),
        (Scope("filter"), "either a condition or ids"),
        (Scope("filter", where="true", ids=(fid(1),)), "either a condition or ids"),
        (Scope("filter", where="rule = 'none'"), "no finding meets the condition"),
        (Scope("filter", where="finding_id = '" + fid(7) + "'"), "all findings that meet the condition (1) are already suppressed"),
        (Scope("filter", where="true) or (true"), "is not valid"),
    ],
)
def test_scopes_that_are_refused(scope: Scope, says: str, results: Results) -> None:
    with pytest.raises(UsageError) as raised:
        entry(results, scope, "why")
    assert says in str(raised.value)


def test_a_preview_agrees_with_the_table(results: Results) -> None:
    seen = preview(results, Scope("filter", where="rule glob 'pii.*'"))
    assert isinstance(seen, Preview)
    assert (seen.findings, seen.artifacts, seen.already) == (46, 5, 1)
    assert seen.severities == (("critical", 1), ("high", 1), ("medium", 43), ("low", 1))
    assert seen.rules == (("pii.email", 45), ("pii.phone", 1))
    assert seen.folders == (("hr", 42), ("", 1), ("hr/deep", 1), ("hrm", 1), ("web/[x]", 1))
    assert [row["finding_id"] for row in seen.examples] == [fid(6), fid(1), fid(2)]
    assert seen.examples[0]["evidence"] == "bad"


@pytest.mark.parametrize(
    ("suppressions", "found", "already"),
    [
        ([], {1, 2, 3, 4, 5, 6, 7, 8}, 0),  # the entry that hid 7 is gone
        ([{"finding": fid(1)}], {2, 3, 4, 5, 6, 7, 8}, 1),
        ([{"path": "hr/*"}], {4, 5, 6, 7}, 43),
        ([{"path": "hr/*", "expires": date(2020, 1, 1)}], {1, 2, 3, 4, 5, 6, 7, 8}, 0),
    ],
)
def test_the_policy_of_today_decides_what_is_left_out(
    suppressions: list[dict[str, Any]], found: set[int], already: int, results: Results
) -> None:
    policy, scope = Policy.model_validate({"suppressions": [one | {"reason": "r"} for one in suppressions]}), Scope("filter", where="true")
    assert {int(one, 16) for one in entry(results, scope, "why", policy=policy).finding or ()} == found
    assert preview(results, scope, policy).already == already


@pytest.mark.parametrize(
    ("known", "given", "covers"),
    [
        ({"finding": (fid(1), fid(2))}, {"finding": (fid(2), fid(1))}, True),
        ({"finding": (fid(1), fid(2))}, {"finding": fid(1)}, True),  # matches more
        ({"finding": (fid(1), fid(2))}, {"finding": (fid(1), fid(3))}, False),
        ({"path": "hr/*"}, {"finding": fid(1)}, True),
        ({"path": "web/*"}, {"finding": fid(1)}, False),
        ({"path": "hr/*"}, {"rule": "pii.email", "path": "hr/*"}, False),
        ({"rule": "pii.email", "path": "hr/*"}, {"rule": "pii.email", "path": "hr/*"}, True),
    ],
)
def test_covered(known: dict[str, Any], given: dict[str, Any], covers: bool, results: Results, tmp_path: Path) -> None:
    place = FilePlace(tmp_path / "policy.yaml")
    assert add(place, suppression(known, "first"), results) is None
    policy, one = place.load(), suppression(given, "second")
    assert (covered(policy, one, results) is not None) == covers
    assert add(place, one, results) == (policy.suppressions[0] if covers else None)
    assert len(place.load().suppressions) == (1 if covers else 2)


@pytest.mark.parametrize(
    ("text", "expected"),
    [(None, None), ("2027-03-01", date(2027, 3, 1)), ("90d", date(2027, 2, 18)), ("1h", date(2026, 11, 21)), ("2w", date(2026, 12, 4))],
)
def test_until(text: str | None, expected: date | None) -> None:
    assert until(text, today=TODAY) == expected


@pytest.mark.parametrize("text", ["2026-11-20", "2020-01-01", "0d", "soon", "9999999d"])
def test_until_is_in_the_future(text: str) -> None:
    with pytest.raises(UsageError, match=r"^--until"):
        until(text, "--until", TODAY)
