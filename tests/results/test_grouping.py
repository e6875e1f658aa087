"""Findings in groups: how they are counted, what stands for a group, and that a group can be opened again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.exports.outputs import finding, output
from veritensor_ray.results.grouping import GROUPS, Group, grouped, opened
from veritensor_ray.results.results import Results


def row(name: str, artifact: str, line: int, severity: str = "low", **about: Any) -> dict[str, Any]:
    at = {"line": line, "start": line * 10, "end": line * 10 + 5, "byte_offset": None}
    engine = about.get("rule_id", "pii.email").partition(".")[0]
    return finding(
        name, artifact=artifact, severity=severity, engine=engine, **{"rule_id": "pii.email", "evidence": "same", "at": at} | about
    )


ROWS = [
    row("1", "hr/x/a.md", 1, rule_id="pii.email"),
    row("2", "hr/x/a.md", 1, "high", rule_id="secrets.key", evidence="ab**"),
    row("3", "hr/x/b.md", 9, count=7),
    row("4", "top.md", 1, rule_id="secrets.key", evidence="ab**", content_fingerprint="e" * 32),
    row("5", "hr/x/b.md", 2, suppressed_by="S-1"),
    row("6", "hr/c.md", 1, rule_id="secrets.key", severity="high", evidence="ab**", member="m"),
    finding("7", artifact="hr/c.md", rule_id="pii.email", engine="pii", severity="info", location=None, count=500, evidence=None),
]


@pytest.fixture
def results(tmp_path: Path) -> Results:
    return output(tmp_path, ROWS)


def groups(results: Results, by: Group, source: str = "findings") -> list[dict[str, Any]]:
    order = "ORDER BY severity_rank(severity) DESC, finding_id"
    return results.records(f"SELECT * FROM ({grouped(source, by)}) {order}")


def short(one: dict[str, Any]) -> tuple[Any, ...]:
    return (one["finding_id"][0], one["severity"], one["rules"], one["findings"], one["files"], one["count"])


@pytest.mark.parametrize(
    ("by", "expected"),
    [
        (
            "place",
            [
                ("2", "high", ["secrets.key", "pii.email"], 2, 1, 2),
                ("6", "high", ["secrets.key"], 1, 1, 1),
                ("3", "low", ["pii.email"], 1, 1, 7),
                ("4", "low", ["secrets.key"], 1, 1, 1),
                ("5", "low", ["pii.email"], 1, 1, 1),
                ("7", "info", ["pii.email"], 500, 1, 500),
            ],
        ),
        (
            "evidence",  # masked evidence of 2 and 6 is of one secret, that of 4 of another
            [
                ("6", "high", ["secrets.key"], 2, 2, 2),
                ("1", "low", ["pii.email"], 2, 2, 8),
                ("4", "low", ["secrets.key"], 1, 1, 1),
                ("5", "low", ["pii.email"], 1, 1, 1),
                ("7", "info", ["pii.email"], 500, 1, 500),
            ],
        ),
        (
            "rule",
            [("6", "high", ["secrets.key"], 3, 3, 3), ("1", "low", ["pii.email"], 503, 3, 509)],
        ),
        (
            "folder",
            [
                ("2", "high", ["secrets.key", "pii.email"], 4, 2, 10),
                ("6", "high", ["secrets.key", "pii.email"], 501, 1, 501),
                ("4", "low", ["secrets.key"], 1, 1, 1),
            ],
        ),
    ],
)
def test_groups(by: Group, expected: list[tuple[Any, ...]], results: Results) -> None:
    assert [short(one) for one in groups(results, by)] == expected


@pytest.mark.parametrize("by", GROUPS)
def test_a_group_can_be_opened(by: Group, results: Results) -> None:
    """The groups divide the findings, and the row of a group is that of one of its findings."""
    seen: list[str] = []
    source = "(SELECT * FROM findings WHERE suppressed_by IS NULL)"
    for one in groups(results, by, source):
        inside = results.records(opened(source, by), [one["key"]])
        seen += [row["finding_id"] for row in inside]
        (shown,) = [row for row in inside if row["finding_id"] == one["finding_id"]]
        for column in ("severity", "artifact", "member", "location", "evidence", "message", "state"):
            assert one[column] == shown[column]
        assert shown["rule_id"] == one["rules"][0]
        assert sum(row["count"] for row in inside) == one["count"]
    assert sorted(seen) == sorted(row["finding_id"] for row in ROWS if row["suppressed_by"] is None)


@pytest.mark.parametrize("by", GROUPS)
def test_all_groups_have_the_same_columns(by: Group, results: Results) -> None:
    columns = {
        "key",
        "severity",
        "artifact",
        "member",
        "location",
        "evidence",
        "message",
        "state",
        "finding_id",
        "rules",
        "findings",
        "files",
    }
    assert {*groups(results, by)[0]} == columns | {"count", "suppressed_by"}


@pytest.mark.parametrize("by", ["rule", "folder"])
def test_a_group_is_suppressed_only_if_all_of_it_is(by: Group, tmp_path: Path) -> None:
    hidden = row("1", "a/x.md", 1, suppressed_by="S-1")
    assert [one["suppressed_by"] for one in groups(output(tmp_path / "1", [hidden]), by)] == ["S-1"]
    assert [one["suppressed_by"] for one in groups(output(tmp_path / "2", [hidden, row("2", "a/y.md", 1)]), by)] == [None]


@pytest.mark.parametrize(
    ("artifact", "folder"), [("a.md", ""), ("x/a.md", "x"), ("x/y/a.md", "x/y"), ("x\ny/a\nb.md", "x\ny"), ("x//a", "x/")]
)
def test_the_folder_of_an_artifact(artifact: str, folder: str, tmp_path: Path) -> None:
    assert [one["key"] for one in groups(output(tmp_path, [row("1", artifact, 1)]), "folder")] == [folder]
