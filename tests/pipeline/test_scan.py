"""Text engines over a batch: what raises costs its own segment and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest

from veritensor_ray.config import Settings
from veritensor_ray.engines.base import Hit
from veritensor_ray.findings.recorder import Recorder
from veritensor_ray.pipeline.scan import scan_batch, with_text
from veritensor_ray.testing import Obedient, text_batch


class Fragile(Obedient):
    """Raises what it is told to at the word RAISE, wherever in a batch it stands."""

    name = "fragile"
    error: BaseException = ValueError("told to")
    calls = 0

    def scan_text(self, texts: pa.RecordBatch) -> list[Hit]:
        self.calls += 1
        if any("RAISE" in (text or "") for text in texts.column("text").to_pylist()):
            raise self.error
        return super().scan_text(texts)


class Lazy(Fragile):
    """Raises only when its hits are asked for."""

    name = "lazy"

    def scan_text(self, texts: pa.RecordBatch) -> Any:
        yield from super().scan_text(texts)


def scan(
    engines: list[Obedient], texts: list[str], pulse: Callable[[], None] = lambda: None
) -> tuple[dict[str, list[int]], list[tuple[int, Any]]]:
    """Rows with hits by engine, and gaps. Every text is an artifact of its own."""
    recorder = Recorder({rule.id: rule for engine in engines for rule in engine.rules()}, b"key", 1000)
    batch = text_batch(texts)
    batch = batch.set_column(0, batch.schema.field(0), pa.array(range(len(texts)), pa.int32()))
    gaps = scan_batch(engines, batch, recorder, pulse)
    found: dict[str, list[int]] = {engine.name: [] for engine in engines}
    for artifact, recorded in sorted(recorder.by_artifact.items()):
        for row in recorded.rows:
            found[row["engine"]].append(artifact)
    return found, gaps


def make(kind: Callable[[Settings], Fragile], error: BaseException) -> Fragile:
    engine = kind(Settings())
    engine.error = error
    return engine


@pytest.mark.parametrize("kind", [Fragile, Lazy])
@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ValueError("told to"), "ValueError: told to"),
        (MemoryError(), "MemoryError: "),
        (RecursionError("deep"), "RecursionError: deep"),
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"), "UnicodeDecodeError: "),
    ],
)
@pytest.mark.parametrize("bad", [0, 3, 6])
def test_one_bad_segment_is_one_gap(kind: type[Fragile], error: Exception, reason: str, bad: int) -> None:
    texts = ["FINDME RAISE" if row == bad else "FINDME" for row in range(7)]
    engine = make(kind, error)
    found, gaps = scan([engine, Obedient(Settings())], texts)
    assert found == {kind.name: [row for row in range(7) if row != bad], "fake-local": list(range(7))}
    ((artifact, gap),) = gaps
    assert (artifact, gap.engine, gap.count) == (bad, kind.name, 1)
    assert gap.reason.startswith(f"{kind.name} failed: {reason}")


@pytest.mark.parametrize("bad", [[1, 2], [0, 6], list(range(7))])
def test_several_bad_segments(bad: list[int]) -> None:
    found, gaps = scan([make(Fragile, ValueError("x"))], ["FINDME RAISE" if row in bad else "FINDME" for row in range(7)])
    assert [artifact for artifact, _ in gaps] == bad
    assert found["fragile"] == [row for row in range(7) if row not in bad]


def test_a_bad_segment_is_found_by_halving() -> None:
    engine = make(Fragile, ValueError("x"))
    scan([engine], ["RAISE" if row == 700 else "FINDME" for row in range(1024)])
    assert engine.calls == 21  # the batch, and two halves ten times


@pytest.mark.parametrize(("piece", "pulses"), [(1 << 20, 1), (40, 2), (20, 3), (1, 7)])
def test_a_batch_is_scanned_in_pieces_with_a_pulse_after_each(piece: int, pulses: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("veritensor_ray.pipeline.scan.PIECE", piece)
    beats: list[int] = []
    found, gaps = scan(
        [make(Fragile, ValueError("x"))], ["FINDME  RAISE" if row == 4 else "FINDME" for row in range(7)], lambda: beats.append(1)
    )
    assert (found["fragile"], [artifact for artifact, _ in gaps]) == ([0, 1, 2, 3, 5, 6], [4])
    assert len(beats) == pulses


def test_reasons_are_short() -> None:
    _, ((_, gap),) = scan([make(Fragile, ValueError("x" * 10_000))], ["RAISE"])
    assert len(gap.reason) == 300


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(1)])
def test_what_ends_the_process_is_not_caught(error: BaseException) -> None:
    with pytest.raises(type(error)):
        scan([make(Fragile, error)], ["RAISE"])


def test_an_empty_batch() -> None:
    assert scan([Obedient(Settings())], []) == ({"fake-local": []}, [])


def test_only_rows_with_text_are_scanned() -> None:
    assert with_text(text_batch(["a", None, ""])).column("text").to_pylist() == ["a", ""]
    batch = text_batch(["a", ""])
    assert with_text(batch) is batch
