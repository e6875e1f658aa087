"""Findings by lines are laid beside labels, for all tools in the same way."""

from __future__ import annotations

import pytest

from bench.secrets_peers import credited, figures


def label(line: int, label: int, until: int | None = None, path: str = "a.py") -> dict[str, object]:
    return {"path": path, "line_start": line, "line_end": until or line, "label": label}


@pytest.mark.parametrize(
    ("labels", "lines", "told"),
    [
        ([label(1, 1), label(2, 1)], {1}, [True, False]),
        ([label(3, 1, until=5)], {4}, [True]),
        ([label(1, 0)], {1}, [True]),
        ([label(1, 1), label(1, 0)], {1}, [True, False]),  # the line has a secret
        ([label(1, -1), label(1, 0)], {1}, [True, False]),  # or may have one
        ([label(1, 1, path="b.py")], {1}, [False]),
    ],
)
def test_a_finding_on_the_line_of_a_secret_is_no_false_alarm(labels: list[dict[str, object]], lines: set[int], told: list[bool]) -> None:
    assert credited(labels, {"a.py": lines}) == told


def test_unclear_labels_are_ignored() -> None:
    rows = [(1, True), (1, True), (1, False), (0, True), (0, False), (-1, True), (-1, False)]
    assert figures(rows) == {"precision": 0.667, "recall": 0.667, "F1": 0.667}
    assert figures([]) == {"precision": 0, "recall": 0, "F1": 0}
