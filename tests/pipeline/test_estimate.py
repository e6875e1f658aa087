"""The arithmetic of an estimate: what samples stand for, which processes start, and what is guessed."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from veritensor_ray.core.config import Settings
from veritensor_ray.corpus.effort import effort
from veritensor_ray.corpus.planning import PlanRow
from veritensor_ray.pipeline.estimate import Estimate, SizeClass, TypeTotals, survey

ROW = PlanRow(0, "a.md", b"a.md", 0, 1_000, None, None)


def estimate(kinds: dict[str, TypeTotals], shards: int = 10) -> Estimate:
    """An estimate of a machine on which a process starts in 3 CPU seconds and loads models in 4."""
    return Estimate(kinds, Counter(), shards, (), imports=1.0, start=3.0, load=4.0)


def measured(expected: float, sampled: float, took: float, modelled: float = 0.0) -> SizeClass:
    return SizeClass(artifacts=10, effort=expected, sampled=sampled, took=took, modelled=modelled)


def test_artifacts_are_drawn_by_size_and_a_split_one_counts_once() -> None:
    rows = [replace(ROW, artifact=f"{number}.md", size=100) for number in range(1_000)]
    rows += [replace(ROW, artifact="big.md", size=5_000_000, part=part, parts=3) for part in range(3)]
    rows += [replace(ROW, shard=-1, status="skipped", reason="excluded")]
    found = survey(rows, {}, Settings(), ())
    kind = found.kinds["text/markdown"]
    assert [(one.artifacts, len(one.samples)) for one in kind.classes.values()] == [(1_000, 16), (1, 1)]
    assert kind.artifacts == 1_001
    assert kind.effort == pytest.approx(1_000 * effort("a.md", 100) + effort("a.md", 5_000_000))
    assert found.left_out == {"skipped: excluded": 1}


@pytest.mark.parametrize(
    ("kinds", "seconds"),
    [
        ({"a": TypeTotals({1: measured(10, 2, 4)})}, 20),  # twice what was expected
        ({"a": TypeTotals({1: measured(10, 2, 4), 3: measured(10, 5, 5)})}, 30),  # each class by its own samples
        ({"a": TypeTotals({1: measured(10, 2, 4), 2: measured(5, 0, 0), 6: measured(10, 5, 5)})}, 40),  # or by those of the nearest
        ({"a": TypeTotals({1: measured(10, 2, 4)}), "b": TypeTotals({4: measured(3, 0, 0)})}, 26),  # or by all of them
        ({"a": TypeTotals({1: measured(10, 0, 0)})}, 10),  # or by names and sizes
    ],
)
def test_what_samples_took_stands_for_their_class(kinds: dict[str, TypeTotals], seconds: float) -> None:
    found = estimate(kinds)
    assert sum(found.of(name) for name in kinds) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("models", "reading", "actors", "hosts"),
    [
        (0.0, 50.0, 0, 0),  # no engine with a model
        (5.0, 50.0, 2, 1),
        (60.0, 50.0, 2, 2),  # the other CPU would be idle for ten seconds
        (60.0, 58.0, 2, 1),  # for less than a second actor takes to load
        (60.0, 0.0, 1, 1),
    ],
)
def test_actors_start_while_their_loading_pays(models: float, reading: float, actors: int, hosts: int) -> None:
    took = reading + models
    found = estimate({"a": TypeTotals({1: measured(took, took, took, models)})}, 0)
    assert found.work() == pytest.approx((reading, models))
    assert found.hosts(2, actors) == hosts


def test_processes_that_start_count() -> None:
    found = estimate({"a": TypeTotals({1: measured(10, 10, 10)})}, 0)
    without = found.cpu(2, 2, 0)
    assert without == pytest.approx(10), "nothing to scan, nothing to start"
    found.shards = 1
    assert found.cpu(2, 2, 0) - without == pytest.approx(3, abs=0.5), "one extraction, which commits too"
    found.shards = 3
    assert found.cpu(2, 2, 0) - without == pytest.approx(7, abs=0.5), "two extractions, and a commit beside them"
    assert found.cpu(2, 2, 2) - found.cpu(2, 2, 0) == pytest.approx(4), "a model actor"
    assert found.elapsed(2, 2, 0) > found.cpu(2, 2, 0) / 2
