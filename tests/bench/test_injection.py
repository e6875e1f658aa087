"""What of the bench of `injection` needs no model: texts read whole and drawn evenly, thresholds, counts, and a page that hides no bad row."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from bench.injection import COLUMNS, Cells, added, tally, threshold
from bench.injection_page import interval, section, table
from bench.injection_texts import QUESTIONS, as_texts, drawn

NAN = float("nan")


@pytest.mark.parametrize(
    ("scores", "share", "alarms"),
    [
        ([1.0, 2.0, 3.0, 4.0], 0.25, 1),
        ([1.0, 2.0, 3.0, 4.0], 0.24, 0),
        ([1.0, 4.0, 4.0, 4.0], 0.5, 0),  # three alarm alike: two of four would be too few of them
        ([1.0, NAN, 3.0, NAN], 0.5, 1),
        ([-np.inf] * 4, 0.0, 0),
    ],
)
def test_no_more_than_the_share_reach_a_threshold(scores: list[float], share: float, alarms: int) -> None:
    assert sum(score >= threshold(np.array(scores), share) for score in scores) == alarms


def test_counts_of_rows_add_up() -> None:
    labels = np.array([1, 1, 1, 0, 0])
    cell = tally(np.array([True, False, True, True, False]), labels)
    assert cell == [2, 3, 1, 2]
    assert added([_cells(cell), _cells([1, 1, 0, 9])])["phrases"] == [3, 4, 1, 11]


def test_an_interval_holds_the_share_and_knows_that_none_is_not_never() -> None:
    low, high = interval(0, 100)
    assert (low, round(high, 4)) == (0.0, 0.0362)
    assert interval(5, 10)[0] < 0.5 < interval(5, 10)[1]


def test_rows_keep_their_numbers_over_batches() -> None:
    frame = pd.DataFrame({"text": [f"text {n}" for n in range(1203)], "label": [n % 2 for n in range(1203)]})
    texts = as_texts(frame)
    assert texts.whole() == list(frame.text)
    assert [int(n) for n in texts.labels[:3]] == [0, 1, 0]


def test_a_draw_is_even_over_languages_and_labels() -> None:
    rows = [("en", 1)] * 900 + [("en", 0)] * 80 + [("de", 1)] * 15 + [("hi", 0)] * 3
    frame = pd.DataFrame(rows, columns=["lang", "label"])
    counts = drawn(frame, 60).groupby(["lang", "label"]).size()
    assert counts.to_dict() == {("de", 1): 15, ("en", 0): 21, ("en", 1): 21, ("hi", 0): 3}
    assert list(drawn(frame, 60).index) == list(drawn(frame, 60).index)


def test_every_part_has_a_name_of_its_own() -> None:
    names = [part.name for question in QUESTIONS for part in question.parts]
    assert len(names) == len(set(names)) == 29


def _cells(medium: list[int], high: list[int] | None = None) -> Cells:
    return dict.fromkeys(COLUMNS, medium) | {"high": high or [0, medium[1], 0, medium[3]]}


def _row(question: str, texts: str, trained: bool, medium: list[int]) -> dict[str, Any]:
    return {"question": question, "texts": texts, "trained": trained, "cells": _cells(medium)}


RESULTS: dict[str, Any] = {
    "most": None,
    "model": {"medium": 0.9, "high": 0.99},
    "thresholds": {"first stage medium": 1.5},
    "documents": {
        "novels": {"trained": False, "quoting": False, "cells": _cells([0, 0, 4, 100], [0, 0, 1, 100])},
        "code": {"trained": True, "quoting": False, "cells": _cells([0, 0, 0, 300])},
        "spam": {"trained": False, "quoting": True, "cells": _cells([0, 0, 40, 50])},
    },
    "sets": [
        _row("direct", "strangers", False, [80, 100, 3, 60]),
        _row("direct", "other strangers", False, [20, 100, 0, 50]),
        _row("direct", "a handful", False, [0, 5, 5, 5]),  # too few to be quoted
        _row("direct", "kept", True, [95, 100, 0, 0]),
    ],
    "languages": {"de": _cells([10, 40, 0, 40]), "fr": _cells([4, 40, 0, 40]), "la": _cells([0, 2, 0, 0])},
}
SPEED = {"first stage, MB per CPU second": 9.5, "whole engine, MB per CPU second": 3.2}


def test_the_page_shows_the_worst_row_of_each_table() -> None:
    page = "\n".join(section(RESULTS))
    lines = page.splitlines()
    assert "| **novels** | no | 100 | 4.00 % (1.10–9.93) | 1.00 % (0.03–5.45) |" in page
    assert page.index("| spam | no | 50 |") < page.index("**novels**") < page.index("code (300, in training)")  # the loudest first
    assert next(line for line in lines if "| total without " in line).split(" | ")[2] == "400"
    assert "| direct | strangers | 100 / 60 | 0.800 / **0.050** | 0.000 / 0.000 |" in page
    assert "| direct | other strangers | 100 / 50 | **0.200** / 0.000 |" in page
    assert "| direct | kept | 100 / 0 | **0.950** / – |" in page.partition("### Sets partly")[2]
    assert "recall 0.200 (other strangers); false positives 0.050 (strangers)" in page
    assert page.index("| fr | 40 / 40 |") < page.index("| de | 40 / 40 |")
    assert "| la |" not in page
    assert "A quick look" not in page
    assert "at most 7 texts" in "\n".join(section(RESULTS | {"most": 7}))


def test_results_survive_json() -> None:
    assert section(json.loads(json.dumps(RESULTS))) == section(RESULTS)


def test_a_table_has_a_cell_for_each_column() -> None:
    assert table(("a", "b"), [(1, None)]) == "| a | b |\n| --- | --- |\n| 1 |  |"
