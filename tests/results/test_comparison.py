"""Two outputs side by side: what is new, moved, resolved or unverified, why, and what cannot be compared."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest

from veritensor_ray.core.errors import UsageError
from veritensor_ray.findings.schema import OF_AUDIT, TABLES
from veritensor_ray.findings.table_files import TableWriter
from veritensor_ray.results.comparison import STATES, Only, check, compare, notes
from veritensor_ray.stores.outputs import OutputStore

ENGINES = {"signatures": {"version": "1", "fingerprint": "s1"}, "pii": {"version": "1", "fingerprint": "p1"}}
RUN: dict[str, Any] = {
    "scan_id": "r",
    "job": "audit",
    "started_at": "2026-01-01T00:00:00+00:00",
    "finished_at": "2026-01-01T00:10:00+00:00",
    "site_key_id": "k1",
    "sources": ["/data"],
    "profile": "embedded",
    "bundle_id": None,
    "package_version": "0.1.0",
    "policy_identity": "p",
    "engines": ENGINES,
    "totals": {"artifacts": 1},
    "status": {"scanned": 1},
    "severity": {},
    "severity_new": {},
    "suppressed": 0,
    "rules": [],
    "not_covered": [],
    "coverage": {},
    "policy": None,
}


def finding(name: str, artifact: str = "a.md", **changes: Any) -> dict[str, Any]:
    """A row of findings; `name` is its content's."""
    row: dict[str, Any] = {
        "finding_id": f"{artifact}#{name}",
        "content_fingerprint": name,
        "artifact": artifact,
        "engine": "signatures",
        "rule_id": "signatures.test",
        "severity": "medium",
        "severity_original": "medium",
        "evidence": f"evidence of {name}",
        "count": 1,
        "content_id": f"content of {artifact}",
        "state": "new",
        "location": {"line": 3},
    }
    return row | changes


def seen(artifact: str, status: str = "scanned", reason: str | None = None, size: int | None = 1, **coverage: Any) -> dict[str, Any]:
    """A row of the ledger."""
    covered = [
        {"engine": engine, "status": one.partition(":")[0], "reason": one.partition(":")[2] or None} for engine, one in coverage.items()
    ]
    return {"artifact": artifact, "status": status, "reason": reason, "size": size, "coverage": covered}


def write(folder: Path | str, findings: Any = (), ledger: Any = (), run: Any = None, **tables: Any) -> OutputStore:
    """A complete output, of an audit or of a sweep."""
    store, about = OutputStore(str(folder)), RUN | (run or {})
    schemas = {name: TABLES[name] for name in (TABLES if about["job"] == "sweep" else OF_AUDIT)}
    for name, schema in schemas.items():
        with contextlib.closing(TableWriter(store, name, schema)) as writer:
            for row in {"findings": findings, "ledger": ledger, **tables}.get(name, ()):
                writer.add(row)
    store.put("run.json", json.dumps(about).encode())
    return store


ALL: dict[str, Any] = {"signatures": "complete", "pii": "complete"}
A, B = seen("a.md", **ALL), seen("b.md", **ALL)
X, Y = finding("x"), finding("y")
PII = finding("x", engine="pii", rule_id="pii.email")


def differences(before: OutputStore, now: OutputStore, only: Only = Only()) -> list[tuple[Any, ...]]:  # noqa: B008  # frozen
    with compare(before, now) as found:
        rows = [row for batch in found.rows(only, STATES) for row in batch.to_pylist()]
        assert found.lines(only, STATES, suppressed=True) == len(rows)
        counts = found.counts(only)
        assert sum(counts.states.values()) + sum(counts.suppressed.values()) == sum(row["count"] for row in rows)
    return [(row["finding_id"], row["state"], row["artifact_before"] or row["reason"]) for row in rows]


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        (([], [A]), ([], [A]), []),
        (([X], [A]), ([X], [A]), [("a.md#x", "persisting", None)]),
        (([X], [A]), ([X, Y], [A]), [("a.md#y", "new", None), ("a.md#x", "persisting", None)]),
        (([X], [A]), ([], [A]), [("a.md#x", "resolved", None)]),
        (([X], [A]), ([], [seen("a.md", pii="complete", signatures="not-applicable")]), [("a.md#x", "resolved", None)]),
        (([X], [A]), ([], [B]), [("a.md#x", "resolved", None)]),  # the artifact is gone
        (([PII], [A]), ([], [seen("a.md", signatures="complete")]), [("a.md#x", "unverified", "engine pii did not run")]),
        (([X], [A]), ([], [seen("a.md", "partial", "cut", signatures="partial")]), [("a.md#x", "unverified", "signatures partial: cut")]),
        (([X], [A]), ([], [seen("a.md", "partial", "cut", signatures="partial:why")]), [("a.md#x", "unverified", "signatures partial: why")]),
        (([X], [A]), ([], [seen("a.md", "unreadable", "denied")]), [("a.md#x", "unverified", "unreadable: denied")]),
        (([X], [A]), ([], [seen("a.md", "skipped", "excluded (exclude)")]), [("a.md#x", "unverified", "skipped: excluded (exclude)")]),
        (
            ([finding("x", "d/a.md")], [seen("d/a.md", **ALL)]),
            ([], [seen("d", "unreadable", "denied", size=None)]),
            [("d/a.md#x", "unverified", "its folder could not be listed")],
        ),
        (  # equal content at another path
            ([X], [A]),
            ([finding("x", "b.md", content_id="content of a.md")], [B]),
            [("b.md#x", "moved", "a.md")],
        ),
        (  # another folder, the same file name, and the content was edited
            ([X], [A]),
            ([finding("x", "deep/a.md")], [seen("deep/a.md", **ALL)]),
            [("deep/a.md#x", "moved", "a.md")],
        ),
        (  # equal evidence elsewhere is no move
            ([X], [A]),
            ([finding("x", "b.md")], [B]),
            [("b.md#x", "new", None), ("a.md#x", "resolved", None)],
        ),
    ],
)  # fmt: skip
def test_what_became_of_findings(before: Any, now: Any, expected: list[tuple[str, ...]], tmp_path: Path) -> None:
    assert differences(write(tmp_path / "a", *before), write(tmp_path / "b", *now)) == expected


def test_what_was_unverified_and_is_there_again_is_not_new(tmp_path: Path) -> None:
    sweep = {"job": "sweep"}
    one = write(tmp_path / "1", [X], [A], sweep, unverified=[Y | {"state": "unverified"}, finding("z")])
    two = write(tmp_path / "2", [X, Y], [A], sweep)
    assert differences(one, two) == [("a.md#x", "persisting", None), ("a.md#y", "persisting", None)]
    with compare(one, one) as found:
        assert not found.counts(Only()).any


def test_what_else_changed_of_findings_that_stay(tmp_path: Path) -> None:
    before = [
        X,
        Y,
        finding("z", suppressed_by="S-1"),
        finding("w", count=7, location=None),
        finding("v", suppressed_by="S-1", severity="low"),
    ]
    more = finding("w", count=9, location=None)  # only counted, unlike `z`, which stands in five places
    now = [X | {"severity": "low"}, Y | {"suppressed_by": "S-1"}, finding("z", count=5), more, finding("v", suppressed_by="S-1")]
    with compare(write(tmp_path / "a", before, [A]), write(tmp_path / "b", now, [A])) as found:
        counts = found.counts(Only())
        rows = {row["content_fingerprint"]: row for batch in found.rows(Only(), STATES) for row in batch.to_pylist()}
    assert (counts.severity, counts.hidden, counts.shown) == (1, 1, 1)
    assert counts.states == {"new": 0, "moved": 0, "persisting": 11, "resolved": 0, "unverified": 0}
    assert counts.suppressed["persisting"] == 2
    assert counts.any
    assert (rows["x"]["severity_before"], rows["x"]["severity"]) == ("medium", "low")
    assert rows["z"]["suppressed_before"] == "S-1"


@pytest.mark.parametrize(
    ("only", "expected"),
    [
        (Only(), ["c", "m", "e", "x", "g"]),
        (Only(severity="high"), ["c", "g"]),
        (Only(severity="critical"), ["c"]),
        (Only(path="deep/*"), ["m"]),
        (Only(path="old/*"), ["m"]),  # where it was
        (Only(path="it's"), []),
        (Only("info", "*.md"), ["c", "m", "e", "x", "g"]),
    ],
)
def test_what_is_looked_at(only: Only, expected: list[str], tmp_path: Path) -> None:
    before = [finding("m", "old/m.md"), X, finding("g", severity="high"), finding("e")]
    now = [finding("c", severity="critical"), finding("m", "deep/m.md"), X, finding("e")]
    two = write(tmp_path / "b", now, [A, seen("deep/m.md", **ALL)])
    found = differences(write(tmp_path / "a", before, [A, seen("old/m.md", **ALL)]), two, only)
    assert [row[0].partition("#")[2] for row in found] == expected


def test_rows_without_suppressed_ones_and_with_a_limit(tmp_path: Path) -> None:
    now = [finding(str(n), suppressed_by="S" if n % 2 else None) for n in range(10)]
    with compare(write(tmp_path / "a", [], [A]), write(tmp_path / "b", now, [A])) as found:
        names = [
            row["content_fingerprint"] for batch in found.rows(Only(), ["new"], suppressed=False, limit=3) for row in batch.to_pylist()
        ]
        assert names == ["0", "2", "4"]
        assert found.lines(Only(), ["new"], suppressed=False) == 5
        assert found.lines(Only(), ["resolved"], suppressed=True) == 0


@pytest.mark.parametrize(("one", "other"), [("k1", "k2"), ("k1", None)])
def test_outputs_of_two_keys(one: str | None, other: str | None) -> None:
    with pytest.raises(UsageError, match=r"different site keys .*Scan again"):
        check(RUN | {"site_key_id": one}, RUN | {"site_key_id": other})
    check(RUN | {"site_key_id": one}, RUN | {"site_key_id": one})


S = ENGINES["signatures"]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({}, None),
        ({"started_at": "2026-01-02T00:00:00+00:00", "scan_id": "other"}, None),
        ({"started_at": "2025-01-01T00:00:00+00:00"}, "the first output is more recent"),
        ({"sources": ["/other", "/data"]}, "the sources differ: /data, then /other, /data"),
        ({"profile": "standard"}, "the profile differs: embedded, then standard"),
        ({"bundle_id": "b1"}, "the bundle differs: none, then b1"),
        ({"package_version": "0.2.0"}, "the veritensor-ray version differs: 0.1.0, then 0.2.0"),
        ({"policy_identity": "q"}, "the policy differs"),
        ({"engines": {"signatures": S}}, "engine pii ran only in the first output"),
        ({"engines": ENGINES | {"pii": {"fingerprint": None, "missing": "no model"}}}, "engine pii ran only in the first output"),
        ({"engines": ENGINES | {"ocr": {"fingerprint": "o"}}}, "engine ocr ran only in the second output, so its findings are new"),
        ({"engines": ENGINES | {"signatures": {"fingerprint": "s2"}}}, "engine signatures has different rules"),
    ],
)
def test_what_else_differs_between_two_runs(change: dict[str, Any], says: str | None) -> None:
    said = notes(RUN, RUN | change)
    assert len(said) == (says is not None)
    assert (says or "") in "".join(said)
