"""An engine that takes too long over a file leaves the rest of it, and the ledger says so; other engines and files go on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from tests.pipeline.test_extract import EVIL, alone
from veritensor_ray.core.config import Settings
from veritensor_ray.core.reasons import ReasonCode
from veritensor_ray.corpus.stage_times import StageTimes
from veritensor_ray.engines.base import Needs
from veritensor_ray.findings.recorder import Recorder
from veritensor_ray.pipeline.engine_time import EngineTime
from veritensor_ray.pipeline.scan import Handover, prepare, scan_batch
from veritensor_ray.testing import Obedient, text_batch

MB = "x" * 1_000_000


class Clock(StageTimes):
    """CPU time that passes only where a test says so."""

    seconds = 0.0

    def now(self) -> float:
        return self.seconds

    def add(self, stage: str, since: float, weight: int = 1) -> None:
        pass


class Slow(Obedient):
    """Takes a second for every text, and five for one with SLOW in it."""

    name = "slow"

    def __init__(self, clock: Clock) -> None:
        super().__init__(Settings())
        self.clock = clock
        self.read: list[str] = []

    def scan_text(self, texts: pa.RecordBatch) -> Any:
        for text in texts.column("text").to_pylist():
            self.read.append(text[:8].rstrip("x"))
            self.clock.seconds += 5 if "SLOW" in text else 1
        return super().scan_text(texts)


class Preparing(Slow):
    """The same, before its model runs."""

    name, needs = "preparing", Needs(model="fake")

    def prepare(self, texts: pa.RecordBatch) -> pa.RecordBatch:
        list(self.scan_text(texts))
        return pa.record_batch({"row": pa.array(range(texts.num_rows), pa.int32())})

    def scan_prepared(self, texts: pa.RecordBatch, prepared: pa.RecordBatch) -> Any:
        raise NotImplementedError


def batch_of(*texts: tuple[int, str]) -> pa.RecordBatch:
    """A batch of texts of artifacts with these numbers."""
    batch = text_batch([text for _, text in texts])
    return batch.set_column(0, batch.schema.field(0), pa.array([artifact for artifact, _ in texts], pa.int32()))


@pytest.mark.parametrize(
    ("batches", "read", "refused"),
    [
        pytest.param([[(0, "a")], [(0, "b")], [(0, "c")]], ["a", "b", "c"], [], id="fast enough"),
        pytest.param([[(0, "SLOW"), (0, "b")], [(1, "c"), (0, "d")]], ["SLOW", "c"], [0], id="only the slow file is left"),
        pytest.param(
            [[(0, "a"), (0, "b"), (0, "c"), (0, "SLOW")], [(0, "d")]], ["a", "b", "c", "SLOW", "d"], [], id="the whole file counts"
        ),
    ],
)
def test_the_rest_of_a_slow_file_is_a_gap(batches: list[list[tuple[int, str]]], read: list[str], refused: list[int]) -> None:
    """Every text has a megabyte, and each is handed over by itself."""
    clock = Clock()
    engine, beside, spending = Slow(clock), Obedient(Settings()), EngineTime(2.5)
    recorder = Recorder({rule.id: rule for one in (engine, beside) for rule in one.rules()}, b"key", 1000)
    for texts in batches:
        batch = batch_of(*((artifact, f"{text}{MB}") for artifact, text in texts))
        assert scan_batch([engine, beside], batch, recorder, lambda: None, times=clock, spending=spending) == []
    assert engine.read == read
    gaps = spending.take()
    assert [artifact for artifact, _ in gaps] == refused
    for _, gap in gaps:
        assert (gap.engine, gap.bound, gap.code) == ("slow", "engine_seconds", ReasonCode.LIMIT)
        assert gap.reason == "slow took more than 2.5 CPU seconds per megabyte of text, so it did not check the rest"
    assert spending.take() == []  # each is told once


def test_a_small_file_has_the_time_of_a_megabyte() -> None:
    spending = EngineTime(2.5)
    spending.charge("slow", batch_of((0, "a"), (1, "b" * 9)), 2.4)
    assert spending.kept("slow", batch_of((0, "c"), (1, "d"))) is None
    spending.charge("slow", batch_of((1, "e")), 0.5)
    kept = spending.kept("slow", batch_of((0, "f"), (1, "g"), (0, "h")))
    assert kept is not None
    assert kept.tolist() == [0, 2]
    assert spending.kept("other", batch_of((1, "i"))) is None


def test_what_is_prepared_keeps_the_numbers_of_its_rows() -> None:
    clock = Clock()
    engine, spending = Preparing(clock), EngineTime(2.5)

    def rows(handover: Handover) -> list[int]:
        return list(handover.prepared["preparing"].column("row").to_pylist())

    assert rows(prepare([engine], batch_of((0, f"SLOW{MB}"), (1, "b")), clock, spending)) == [0, 1]
    assert rows(prepare([engine], batch_of((1, "c"), (0, "d"), (1, "e"), (2, "f")), clock, spending)) == [0, 2, 3]
    assert rows(prepare([engine], batch_of((0, "g")), clock, spending)) == []
    assert engine.read == ["SLOW", "b", "c", "e", "f"]
    assert [(artifact, gap.engine) for artifact, gap in spending.take()] == [(0, "preparing")]


def test_the_ledger_names_the_engine_and_the_limit(tmp_path: Path) -> None:
    """No engine is done with a megabyte in a microsecond, so each reads the first batch of the file and not the second."""
    row = alone(tmp_path, "large.txt", f"{EVIL}\n{'All is well. ' * 200_000}\n{EVIL}".encode(), limits={"engine_seconds": 1e-6})
    assert row["status"] == "partial"
    assert [(gap["engine"], gap["bound"], gap["reason_code"]) for gap in row["gaps"]] == [("signatures", "engine_seconds", "limit")]
    assert [sum(finding["counts"]) for finding in row["findings"]] == [1]
