"""Engines over a batch of texts or images: what raises costs its own segment and nothing else."""

from __future__ import annotations

import pickle
import re
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest

from veritensor_ray.core.config import Limits, Settings
from veritensor_ray.core.errors import LimitExceeded
from veritensor_ray.core.segments import SEGMENTS, Block, Identity, to_batch
from veritensor_ray.engines.base import Hit, Needs
from veritensor_ray.findings.recorded import places
from veritensor_ray.findings.recorder import Recorder
from veritensor_ray.pipeline.scan import Handover, handovers, prepare, scan_batch, transcribe, with_images, with_text
from veritensor_ray.testing import Obedient, ObedientTranscriber, painted, text_batch


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
        (ValueError("4929421234567897"), "ValueError in test_scan.py, line "),
        (MemoryError(), "MemoryError in test_scan.py, line "),
        (RecursionError("deep"), "RecursionError in test_scan.py, line "),
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"), "UnicodeDecodeError in test_scan.py, line "),
        (LimitExceeded("words", "only 9 words were read"), "only 9 words were read"),
    ],
)
@pytest.mark.parametrize("bad", [0, 3, 6])
def test_one_bad_segment_is_one_gap(kind: type[Fragile], error: Exception, reason: str, bad: int) -> None:
    texts = ["FINDME RAISE" if row == bad else "FINDME" for row in range(7)]
    engine = make(kind, error)
    found, gaps = scan([engine, Obedient(Settings())], texts)
    assert found == {kind.name: [row for row in range(7) if row != bad], "fake-local": list(range(7))}
    ((artifact, gap),) = gaps
    assert (artifact, gap.engine, gap.count, gap.code) == (bad, kind.name, 1, "engine-failed")
    assert gap.reason.startswith(f"{kind.name} failed: {reason}")
    assert "4929" not in gap.reason, "an error of a library or a plug-in may quote the text"


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


class Preparing(Fragile):
    """Prepares a row for every FINDME, with what the text begins with, and notes what it gets back."""

    name = "preparing"
    needs = Needs(model="fake")

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.got: list[tuple[list[str], list[int], list[str]]] = []

    def prepare(self, texts: pa.RecordBatch) -> pa.RecordBatch:
        if "UNPREPARED" in texts.column("text")[0].as_py():
            raise self.error
        found = [(row, at, text[:3]) for row, text in enumerate(texts.column("text").to_pylist()) for at in occurrences(text)]
        schema = pa.schema([("at", pa.int64()), ("row", pa.int32()), ("head", pa.string())])
        return pa.RecordBatch.from_pylist([{"row": row, "at": at, "head": head} for row, at, head in found], schema)

    def scan_prepared(self, texts: pa.RecordBatch, prepared: pa.RecordBatch) -> list[Hit]:
        heads = [text[:3] for text in texts.column("text").to_pylist()]
        self.got.append((heads, prepared.column("row").to_pylist(), prepared.column("head").to_pylist()))
        if any("RAISE" in text for text in texts.column("text").to_pylist()):
            raise self.error
        return [Hit(f"{self.name}.findme", row["at"], row["at"] + 6, row["row"]) for row in prepared.to_pylist()]


def occurrences(text: str) -> list[int]:
    return [match.start() for match in re.finditer("FINDME", text)]


def scan_handover(engine: Preparing, texts: list[str]) -> tuple[list[tuple[int, int]], list[tuple[int, Any]], Handover]:
    """Artifact and place of each finding, gaps, and what was handed over. Every text is an artifact of its own."""
    batch = text_batch(texts)
    batch = batch.set_column(0, batch.schema.field(0), pa.array(range(len(texts)), pa.int32()))
    handover = prepare([engine, Obedient(Settings())], batch)
    recorder = Recorder({rule.id: rule for rule in engine.rules()}, b"key", 1000)
    gaps = scan_batch([engine], handover.batch, recorder, lambda: None, handover.prepared)
    rows = [(artifact, row) for artifact, one in sorted(recorder.by_artifact.items()) for row in one.rows]
    found = [(artifact, at["start"]) for artifact, row in rows for at in places(row)]
    return found, gaps, handover


def long_texts(**extra: str) -> list[str]:
    """Three megabytes; some hold nothing, some the word once, some twice."""
    return [f"{i:03}{' FINDME' * (i % 3)} {extra.get(f'at_{i}', '')}{'x' * 100_000}" for i in range(30)]


def expected_of(texts: list[str]) -> list[tuple[int, int]]:
    return [(i, at) for i, text in enumerate(texts) for at in occurrences(text)]


def test_each_piece_gets_its_part_of_what_was_prepared() -> None:
    texts, engine = long_texts(), Preparing(Settings())
    found, gaps, handover = scan_handover(engine, texts)
    assert (found, gaps) == (expected_of(texts), [])
    assert len(engine.got) >= 3, "there are several pieces"
    assert [head for heads, _, _ in engine.got for head in heads] == [text[:3] for text in texts]
    for heads, rows, prepared in engine.got:
        assert [heads[row] for row in rows] == prepared, "rows are counted from the first of the piece"
    assert engine.calls == 0
    assert set(handover.prepared) == {"preparing"}
    assert handover.nbytes > 3_000_000


@pytest.mark.parametrize(
    ("sizes", "count"),
    [
        ([], 0),
        ([0], 1),
        ([10], 1),
        ([0, 0, 0], 1),
        ([3_000_000], 1),
        ([900_000] * 5, 5),
        ([400_000] * 30, 12),
        ([5_000_000, 0, 10, 2_000_000], 2),
    ],
)
def test_what_is_handed_over_in_pieces_is_the_batch_and_each_travels_alone(sizes: list[int], count: int) -> None:
    texts = [f"{i:03} FINDME {'x' * size}" if size else "" for i, size in enumerate(sizes)]
    batch, engine = text_batch(texts), Preparing(Settings())
    parts = list(handovers([engine], batch))
    assert len(parts) == count
    assert [text for part in parts for text in part.batch.column("text").to_pylist()] == texts
    for part in parts:
        rows = [row for row, text in enumerate(part.batch.column("text").to_pylist()) if text]
        assert part.prepared["preparing"].column("row").to_pylist() == rows, "counted from the first row of the piece"
        assert part.batch.schema == batch.schema
        assert len(pickle.dumps(part)) < part.nbytes + 20_000


def test_a_piece_for_which_nothing_was_prepared() -> None:
    texts = ["x" * 900_000, "y" * 900_000, "FINDME" + "z" * 900_000, "w" * 900_000]
    engine = Preparing(Settings())
    assert scan_handover(engine, texts)[:2] == ([(2, 0)], [])
    assert [rows for _, rows, _ in engine.got].count([]) == len(engine.got) - 1


@pytest.mark.parametrize("bad", [[0], [13], [29], [4, 5, 28]])
def test_what_cannot_be_scanned_as_prepared_is_narrowed_down(bad: list[int]) -> None:
    texts, engine = long_texts(**{f"at_{i}": "RAISE" for i in bad}), Preparing(Settings())
    found, gaps, _ = scan_handover(engine, texts)
    assert found == [(i, at) for i, at in expected_of(texts) if i not in bad]
    assert [artifact for artifact, _ in gaps] == bad
    assert {(gap.engine, gap.reason) for _, gap in gaps} == {("preparing", gaps[0][1].reason)}
    assert gaps[0][1].reason.startswith("preparing failed: ValueError in test_scan.py, line ")


def test_what_cannot_be_prepared_is_left_to_the_engine() -> None:
    texts, engine = ["UNPREPARED FINDME", *long_texts()], Preparing(Settings())
    found, gaps, handover = scan_handover(engine, texts)
    assert (found, gaps) == (expected_of(texts), [])
    assert handover.prepared == {}
    assert engine.got == []
    assert engine.calls >= 3


class OtherTranscriber(ObedientTranscriber):
    """Another one beside it, that reads nothing at all."""

    name = "blind"

    def read_images(self, images: pa.RecordBatch) -> pa.RecordBatch:
        return pa.RecordBatch.from_pylist([], SEGMENTS)


def images(*texts: str) -> pa.RecordBatch:
    """A picture for each text, each an artifact of its own."""
    batch = to_batch(Block([""] * len(texts), images=[painted(text) for text in texts]), Identity(0, "a.png", "image/png"), Limits())
    return batch.set_column(0, batch.schema.field(0), pa.array(range(len(texts)), pa.int32()))


def test_images_become_texts() -> None:
    beats: list[int] = []
    texts, gaps = transcribe([ObedientTranscriber(Settings())], images("one", "two", "three"), lambda: beats.append(1))
    assert texts.schema == SEGMENTS
    assert [(row["artifact"], row["text"], row["view"], row["image"]) for row in texts.to_pylist()] == [
        (0, "one", "ocr", None),
        (1, "two", "ocr", None),
        (2, "three", "ocr", None),
    ]
    assert (gaps, len(beats)) == ([], 3)


def test_images_are_read_in_all_ways_that_an_engine_has() -> None:
    class Twice(ObedientTranscriber):
        def read_again(self, images: pa.RecordBatch) -> pa.RecordBatch:
            return self.read_images(images)

    engines = [Twice(Settings()), OtherTranscriber(Settings())]
    assert transcribe(engines, images("one", "two"), lambda: None, twice=True)[0].column("text").to_pylist() == ["one", "one", "two", "two"]
    assert transcribe(engines, images("one", "two"), lambda: None)[0].column("text").to_pylist() == ["one", "two"]


@pytest.mark.parametrize("bad", [[0], [1], [3], [0, 1, 2, 3]])
def test_an_image_that_cannot_be_read_is_a_gap_and_the_others_are_read(bad: list[int]) -> None:
    pictures = images(*("RAISE-OCR" if i in bad else f"text {i}" for i in range(4)))
    texts, gaps = transcribe([OtherTranscriber(Settings()), ObedientTranscriber(Settings())], pictures, lambda: None)
    assert texts.schema == SEGMENTS
    assert texts.column("text").to_pylist() == [f"text {i}" for i in range(4) if i not in bad]
    assert [(artifact, gap.engine) for artifact, gap in gaps] == [(i, "fake-ocr") for i in bad]
    assert all(gap.reason.startswith("fake-ocr failed: ValueError in engine_contract.py, line ") for _, gap in gaps)


@pytest.mark.parametrize("engines", [[], [OtherTranscriber(Settings())]])
def test_where_nothing_is_read_there_is_an_empty_table(engines: list[ObedientTranscriber]) -> None:
    texts, gaps = transcribe(engines, images("one", "two"), lambda: None)
    assert (texts.num_rows, texts.schema, gaps) == (0, SEGMENTS, [])


def test_what_a_bound_cuts_off_names_the_bound() -> None:
    class Bounded(ObedientTranscriber):
        def read_images(self, images: pa.RecordBatch) -> pa.RecordBatch:
            raise LimitExceeded("ocr.pixels", "image is too large")

    _, gaps = transcribe([Bounded(Settings())], images("one"), lambda: None)
    assert [(artifact, gap.bound) for artifact, gap in gaps] == [(0, "ocr.pixels")]


def test_only_rows_with_an_image_are_transcribed() -> None:
    mixed = pa.Table.from_batches([images("one"), text_batch(["text"])]).unify_dictionaries().combine_chunks().to_batches()[0]
    assert transcribe([ObedientTranscriber(Settings())], with_images(mixed), lambda: None)[0].column("text").to_pylist() == ["one"]
