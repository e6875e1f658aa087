"""Labels: which one counts, where they are stored, and what the rules' precision and thresholds are according to them."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.findings.outputs import finding, written
from veritensor_ray.core.errors import StoreError
from veritensor_ray.results.labels import LOG, Judgment, Labels, labels, put_labels
from veritensor_ray.results.new_suppressions import Scope
from veritensor_ray.results.precision import KEPT, LEAST, lowest, precision, wilson, worth_labelling
from veritensor_ray.results.results import Results

A, B, CONTENT = f"{1:032x}", f"{2:032x}", "c" * 32


def entry(label: Any, key: str, content: str = CONTENT) -> dict[str, Any]:
    return {"label": label, "finding": key, "fingerprint": content, "rule": "test.rule", "confidence": 0.5}


@pytest.mark.parametrize(
    ("entries", "by_finding", "by_content"),
    [
        ([], {}, {}),
        ([entry(True, A)], {A: True}, {CONTENT: True}),
        ([entry(True, A), entry(False, A)], {A: False}, {CONTENT: False}),
        ([entry(True, A), entry(None, A)], {}, {}),
        ([entry(None, A)], {}, {}),
        ([entry(True, A), entry(False, B)], {A: True, B: False}, {CONTENT: False}),
        ([entry(True, A), entry(False, B), entry(None, B)], {A: True}, {}),
        ([entry(True, A), {"damaged": "{"}, entry("yes", A), entry(1, A), {"label": False}, entry(False, 7), entry(False, B) | {"rule": None}, entry(False, B, "d")],  # type: ignore[arg-type]
         {A: True, B: False}, {CONTENT: True, "d": False}),
    ],
)  # fmt: skip
def test_the_last_label_counts(entries: list[dict[str, Any]], by_finding: dict[str, bool], by_content: dict[str, bool]) -> None:
    found = Labels()
    found.take(entries)
    assert ({key: one.label for key, one in found.by_finding.items()}, found.by_content) == (by_finding, by_content)


@pytest.mark.parametrize(
    ("about", "confidence"),
    [({"confidence": 0.5}, 0.5), ({"confidence": 1}, 1.0), ({"confidence": float("nan")}, None), ({"confidence": 10**400}, None), ({"confidence": "1"}, None)],
)  # fmt: skip
def test_a_confidence_that_is_not_a_share_does_not_count(about: dict[str, Any], confidence: float | None) -> None:
    found = Labels()
    found.take([entry(True, A) | about])
    assert found.by_finding[A].confidence == confidence


@pytest.mark.parametrize("about", [{"finding": "\ud800"}, {"fingerprint": "\ud800"}, {"rule": "a\x1b[2J"}])
def test_names_that_no_label_has_are_skipped(about: dict[str, Any]) -> None:
    found = Labels()
    found.take([entry(True, A) | about])
    assert found.by_finding == {}


def link(file: Path) -> None:
    (file.parent / "elsewhere").write_text(json.dumps(entry(True, A)))
    file.symlink_to(file.parent / "elsewhere")


@pytest.mark.parametrize("place", [os.mkfifo, os.mkdir, link])
def test_a_log_that_is_not_a_file(place: Callable[[Path], None], tmp_path: Path) -> None:
    """Whoever sends an output must not choose which file of the reader is shown, or make the reader wait."""
    results = written(tmp_path, [finding(1, at={"line": 1})])
    place(tmp_path / "labels.jsonl")
    with pytest.raises(StoreError, match=r"labels.jsonl is not a log of this program \(.*\); move it away"):
        labels(results.store)
    with pytest.raises(StoreError, match="nothing was labelled"):
        put_labels(results, Scope("filter", where="true"), True)


def test_a_label_is_an_entry_of_a_log(tmp_path: Path) -> None:
    results = written(tmp_path, [finding(1, at={"line": 1}), finding(2, at={"line": 2}, suppressed_by="S-1"), finding(3, count=40)])
    assert put_labels(results, Scope("filter", where="true"), True) == 2  # nobody has seen what the third stands for
    assert put_labels(results, Scope("finding", B), None) == 1
    assert put_labels(results, Scope("filter", where="rule = 'none'"), True) == 0
    log = tmp_path / "labels.jsonl"
    assert oct(log.stat().st_mode)[-3:] == "600"
    rows = [json.loads(line) for line in log.read_text().splitlines()]
    assert [(row["label"], row["finding"], row["rule"]) for row in rows] == [
        (True, A, "test.rule"),
        (True, B, "test.rule"),
        (None, B, "test.rule"),
    ]
    assert {row["uid"] for row in rows} == {os.getuid()} and all(row["time"] and row["user"] and row["host"] for row in rows)
    assert "evidence" not in log.read_text()
    assert labels(results.store).by_finding == {A: Judgment(True, "test.rule", 1.0)}
    results.check()


def test_labels_outlive_a_sweep(tmp_path: Path) -> None:
    """They lie in the state, and the labels of all sweeps are read with each of them."""
    first, last = (written(tmp_path / "sweeps" / name, [finding(1, at={"line": 1})]) for name in ("a", "b"))
    (tmp_path / "latest.json").write_text('{"sweep": "b"}')
    put_labels(first, Scope("finding", A), False)
    assert (tmp_path / "labels.jsonl").exists()
    assert labels(last.store).by_finding == {A: Judgment(False, "test.rule", 1.0)}


@pytest.mark.parametrize("obstacle", ["folder", "link", "pipe"])
def test_nothing_is_labelled_where_it_cannot_be_recorded(obstacle: str, tmp_path: Path) -> None:
    results, log = written(tmp_path / "out", [finding(1, at={"line": 1})]), tmp_path / "out" / LOG.file
    make: dict[str, Callable[[], None]] = {
        "folder": log.mkdir,
        "link": lambda: log.symlink_to(tmp_path / "elsewhere"),
        "pipe": lambda: os.mkfifo(log),
    }
    make[obstacle]()
    with pytest.raises(StoreError, match="nothing was labelled"):
        put_labels(results, Scope("finding", A), True)
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize(
    ("true", "labelled", "expected"),
    [  # reference: statsmodels.stats.proportion.proportion_confint(..., method="wilson")
        (0, 10, (0.0, 0.2775)),
        (5, 10, (0.2366, 0.7634)),
        (9, 10, (0.5958, 0.9821)),
        (10, 10, (0.7225, 1.0)),
        (90, 100, (0.8256, 0.9448)),
        (1, 1, (0.2065, 1.0)),
    ],
)
def test_wilson(true: int, labelled: int, expected: tuple[float, float]) -> None:
    assert wilson(true, labelled) == pytest.approx(expected, abs=1e-4)


def graded(*runs: tuple[float, int, int]) -> list[tuple[float, bool]]:
    """Labels of some confidences: how many are true there, and how many false."""
    return [(confidence, label) for confidence, true, false in runs for label in [True] * true + [False] * false]


@pytest.mark.parametrize(
    ("judged", "target", "expected"),
    [
        (graded((0.5, 0, 10), (0.9, 10, 0)), 0.9, (0.9, 1.0, 10, 0, 10)),
        (graded((0.5, 2, 10), (0.9, 10, 0)), 0.9, (0.9, 1.0, 10, 2, 10)),
        (graded((0.851, 0, 10), (0.8567, 10, 0)), 0.9, (0.856, 1.0, 10, 0, 10)),  # no decimals more than needed
        (graded((0.2, 0, 5), (0.5, 5, 2), (0.9, 20, 0)), 0.9, (0.5, 25 / 27, 27, 0, 5)),  # the lowest, not the best
        (graded((0.5, 5, 20), (0.9, KEPT - 1, 0)), 0.9, None),  # too few above it
        (graded((0.5, 20, 0), (0.9, 0, 20)), 0.9, None),  # confidence and truth do not agree
        (graded((0.5, 20, 0)), 0.9, (0.5, 1.0, 20, 0, 0)),
        ([], 0.9, None),
    ],
)
def test_the_lowest_threshold(judged: list[tuple[float, bool]], target: float, expected: tuple[float, float, int, int, int] | None) -> None:
    found = lowest(judged, target)
    assert (found and (found.min_confidence, found.precision, found.kept, found.true_lost, found.false_lost)) == expected
    if found:
        kept = [label for confidence, label in judged if not confidence < found.min_confidence]  # as a policy reads it
        assert (len(kept), sum(kept)) == (found.kept, round(found.precision * found.kept))


@pytest.fixture
def results(tmp_path: Path) -> Results:
    """60 findings of one rule, whose content is 30 times the same in two files; 30 of one with a single confidence; 5 of a third."""
    at = {"line": 1}
    rows = [
        finding(n, f"a/{n}.md", at, rule_id="pii.person", confidence=n % 30 / 30, content_fingerprint=f"{n % 30:032x}") for n in range(60)
    ]
    rows += [finding(100 + n, "b.md", at, rule_id="test.flat") for n in range(30)]
    rows += [finding(200 + n, "c.md", at, rule_id="test.few", confidence=n / 5, suppressed_by="S-1") for n in range(5)]
    return written(tmp_path, [*rows, finding(300, "c.md", rule_id="test.counted", count=9)])


@pytest.mark.parametrize(
    ("true", "false", "expected"),
    [
        (
            "false",
            "false",
            {"pii.person": (0, 0, 60, "at least 20 labels, and there are 0"), "test.few": (0, 0, 5, "20 labels"), "test.flat": (0, 0, 30, "20 labels")},
        ),
        (
            "rule = 'pii.person' and confidence >= 0.5 and artifact glob 'a/[1-2]?.md'",  # its copies in a/4x and a/5x need no label
            "rule = 'pii.person' and confidence < 0.5 or rule = 'test.flat' or rule = 'test.few'",
            {
                "pii.person": (15, 30, 0, ""),
                "test.few": (0, 5, 0, "at least 20 labels, and there are 5"),
                "test.flat": (0, 30, 0, "all labelled findings have the same confidence"),
            },
        ),
        ("rule = 'pii.person' and confidence > 0.2", "false", {"pii.person": (46, 0, 14, "reaches the target without")}),
        ("rule = 'pii.person' and confidence < 0.5", "rule = 'pii.person' and confidence >= 0.5", {"pii.person": (30, 30, 0, "no threshold reaches")}),
    ],
)  # fmt: skip
def test_precision(true: str, false: str, expected: dict[str, tuple[int, int, int, str]], results: Results) -> None:
    put_labels(results, Scope("filter", where=true), True)
    put_labels(results, Scope("filter", where=false), False)
    found = {one.rule: one for one in precision(results, labels(results.store), 0.9)}
    assert set(found) == {"pii.person", "test.few", "test.flat"}
    for rule, (right, wrong, unlabelled, why) in expected.items():
        one = found[rule]
        assert (one.true, one.false, one.unlabelled) == (right, wrong, unlabelled)
        assert why in one.why_not if why else one.threshold is not None and (one.threshold.min_confidence, one.threshold.kept) == (0.5, 15)
        assert one.precision == (right / (right + wrong) if right + wrong else None)
        assert one.share == pytest.approx(1 - unlabelled / one.findings)
    assert [one.rule for one in precision(results, labels(results.store), 0.9, "test.f[!l]*")] == ["test.few"]


def test_a_label_counts_after_its_finding_is_gone(results: Results, tmp_path: Path) -> None:
    """Attacks are removed when they are found. Without them, every rule would look worse from sweep to sweep."""
    put_labels(results, Scope("filter", where="rule = 'pii.person' and confidence >= 0.5"), True)
    put_labels(results, Scope("filter", where="rule = 'pii.person' and confidence < 0.5"), False)
    before = precision(results, labels(results.store), 0.9, "pii.*")
    left = written(tmp_path / "later", [finding(1, "a/1.md", {"line": 1}, rule_id="pii.person", confidence=1 / 30)])
    (after,) = precision(left, labels(results.store), 0.9, "pii.*")
    assert (after.findings, after.unlabelled, after.share) == (1, 0, 1)
    assert [replace(after, findings=60)] == before
    gone = written(tmp_path / "empty", [finding(777, "b.md", {"line": 1})])
    assert [(one.rule, one.true, one.share) for one in precision(gone, labels(results.store), 0.9)] == [
        ("pii.person", 30, None),
        ("test.rule", 0, 0),
    ]


def test_what_to_label_next(results: Results) -> None:
    """A turn for each rule, no content twice, and none that has a label."""
    put_labels(results, Scope("filter", where="rule = 'test.flat' and finding_id < repeat('0', 30) || '70'"), True)
    rows = worth_labelling(results, labels(results.store), 12)
    assert [row["rule_id"] for row in rows[:4]] == ["pii.person", "test.few"] * 2
    everything = worth_labelling(results, labels(results.store), 1000)
    assert len(everything) == len({(row["rule_id"], row["content_fingerprint"]) for row in everything}) == 30 + 5 + 30 - 12
    put_labels(results, Scope("filter", where="true"), False)
    assert worth_labelling(results, labels(results.store), 1000) == []


def test_the_numbers_that_are_named_in_the_docs() -> None:
    assert (LEAST, KEPT) == (20, 10)
