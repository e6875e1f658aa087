"""The graph in eight bits says what the model said in full precision: golden.json has that, written by the export."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from veritensor_ray.core.config import Settings
from veritensor_ray.engines.pii.free_text.passages_read import FreeText
from veritensor_ray.models.model_store import Model, ModelStore

AGREEING = 0.92  # of the spans that one of both finds, how many both find, to the character
ON_AVERAGE = 0.03  # that a score may move by on average
CLEAR = 0.75  # from here on a span may get other ends, but not be lost

Spans = dict[tuple[int, str, int, int], float]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def model() -> Model:
    """The embedded one."""
    return ModelStore("embedded").model("pii")


def test_it_finds_what_it_found_in_full_precision(model: Model) -> None:
    rows = json.loads(Path(__file__).with_name("golden.json").read_text("utf-8"))["texts"]
    answers = FreeText(model, Settings()).read([row["text"].replace("\n", " ") for row in rows])  # GLiNER itself knows no ends of lines
    here: Spans = {(i, s.rule, s.start, s.end): s.score for i, spans in enumerate(answers) for s in spans}
    there: Spans = {(i, rule, start, end): score for i, row in enumerate(rows) for rule, start, end, score in row["spans"]}
    both = here.keys() & there.keys()
    assert len(both) / len(here.keys() | there.keys()) >= AGREEING
    assert sum(abs(here[key] - there[key]) for key in both) / len(both) <= ON_AVERAGE
    lost = [key for key, score in there.items() if score >= CLEAR and not any(_shares(key, other) for other in here)]
    assert lost == []
    assert {rule for _, rule, _, _ in there} == set(model.settings["labels"]), "the record has spans of every label"


def _shares(one: tuple[int, str, int, int], other: tuple[int, str, int, int]) -> bool:
    return one[:2] == other[:2] and one[2] < other[3] and other[2] < one[3]
