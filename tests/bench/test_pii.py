"""How the figures about pii are counted, and what the page makes of them."""

from __future__ import annotations

import pytest

from bench import pii, pii_page
from training import pii_marked as marked


@pytest.mark.parametrize(
    ("truth", "found", "expected"),
    [
        ([(0, 10, "person")], [(0, 10, "person")], (1.0, 1.0)),
        ([(0, 10, "person")], [(0, 6, "person")], (1.0, 1.0)),  # more than half of the union
        ([(0, 10, "person")], [(0, 4, "person")], (0.0, 0.0)),
        ([(0, 10, "person")], [(0, 10, "organization")], (0.0, 0.0)),
        ([(0, 10, "person"), (20, 30, "-")], [(0, 10, "person"), (20, 30, "person")], (1.0, 1.0)),  # what is not asked for is no error
        ([(0, 10, "person")], [(0, 10, "person"), (20, 30, "person")], (0.5, 1.0)),
    ],
)
def test_a_hit_has_the_type_and_half_of_the_union(truth: list[pii.Span], found: list[pii.Span], expected: tuple[float, float]) -> None:
    row = pii.f1([(truth, found)])["person"]
    assert (row["precision"], row["recall"]) == expected


def test_tags_become_spans_again() -> None:
    text = "Ann Lee met Bo in Rome"
    spans = [(0, 7, "person"), (12, 14, "person"), (18, 22, "location")]
    assert pii._spans(marked.marked(text, spans, "x")) == [(0, 7, "person"), (12, 14, "person"), (18, 22, "-")]


def test_marks_are_names() -> None:
    assert pii.unmarked("To [Ann Lee] of {Kay Ltd}.") == ("To Ann Lee of Kay Ltd.", [(3, 10, "person"), (14, 21, "organization")])
    assert pii.unmarked("None") == ("None", [])


def _row(found: float, spans: int = 100) -> dict[str, dict[str, float]]:
    return {kind: {"spans": spans, "precision": found, "recall": found, "F1": found} for kind in ("person", "all")}


RESULTS = {
    "sets": {"presidio_synth_v2, tagger on": _row(0.86), "presidio_synth_v2, presidio (small)": _row(0.5)},
    "strangers": {"one": _row(0.7), "two": _row(0.6), "few": _row(0.1, 4), "one, presidio (small)": _row(0.4)},
    "languages": {"de": _row(0.5, 15) | {"organization": {"spans": 3, "precision": 1, "recall": 0.333, "F1": 0.5}}},
    "left out": {"person, one": {"threshold": 0.5, "F1": 0.69, "best threshold": 0.4, "best F1": 0.7}},
    "documents": {
        "ham": {"documents": 10, "MB": 1.0, "high": 1, "findings": {"pii.medical": {"high": 2, "info": 3}, "pii.person": {"low": 7}}},
        "medical": {"documents": 3, "MB": 0.5, "high": 3, "findings": {"pii.medical": {"high": 9}}},
    },
    "speed": {"MB": 9.0, "MB per CPU second": {"names": 1.5, "patterns": 8.0, "patterns and names": 1.2}},
}


def test_the_page_says_what_was_counted() -> None:
    page = "\n".join(pii_page.section(RESULTS))
    assert "| German | 15 | 0.5 | 0.5 | 0.5 | 3 | 0.333 |" in page
    assert "Outside clinical text, a model reports `high` in 1 of 10 documents." in page
    assert "| ham | 10 | 1.0 | 2/3 | 7 |" in page
    assert "no findings of `address`" in page
