"""The contract of engines fails for an engine that breaks it, in the check that says so."""

from __future__ import annotations

import contextlib
import io
import itertools
import os
import socket
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pytest

from veritensor_ray.core.config import Settings
from veritensor_ray.core.segments import Gap
from veritensor_ray.engines.base import Engine, FileInfo, Hit, Rule
from veritensor_ray.models.model_store import ModelStore
from veritensor_ray.testing import EngineContract, Obedient, ObedientTranscriber, SampleFile, painted

ROOT = Path(__file__).resolve().parents[2]


class Reader(Obedient):
    """FINDME in texts and in files."""

    name = "reader"

    def scan_file(self, file: BinaryIO, about: FileInfo) -> Iterable[Hit | Gap]:
        at = file.read().find(b"FINDME")
        if at >= 0:
            yield Hit("reader.findme", at, at + 6)


class Preparing(Obedient):
    """Finds where the word stands before the model is asked."""

    name = "preparing"

    def prepare(self, texts: pa.RecordBatch) -> pa.RecordBatch:
        rows = [row for row, text in enumerate(texts.column("text").to_pylist()) if "FINDME" in (text or "")]
        return pa.RecordBatch.from_pydict({"row": pa.array(rows, pa.int32())})

    def scan_prepared(self, texts: pa.RecordBatch, prepared: pa.RecordBatch) -> list[Hit]:
        return [hit for hit in self.scan_text(texts) if hit.row in prepared.column("row").to_pylist()]


def failing(make: Any, **positives: Any) -> set[str]:
    """The checks that an engine fails, where it is expected to find FINDME in whatever it reads."""
    lists = {
        "positives": ("FINDME", "ä FINDME"),
        "positive_files": (SampleFile(b"a FINDME"),),
        "positive_images": {"FINDME": painted("FINDME")},
    }
    contract: Any = type("Contract", (EngineContract,), {**lists, **positives, "make_engine": lambda _: make(Settings())})()
    failed = set()
    for name in (name for name in dir(contract) if name.startswith("test_")):
        with pytest.MonkeyPatch.context() as patch:
            try:
                getattr(contract, name)(**{"monkeypatch": patch} if name == "test_opens_no_socket" else {})
            except pytest.skip.Exception:
                continue
            except Exception:  # noqa: BLE001  # an engine may fail in any way
                failed.add(name.removeprefix("test_"))
    return failed


@pytest.mark.parametrize("kind", [Obedient, Reader, Preparing, ObedientTranscriber])
def test_a_good_engine_passes(kind: type[Engine]) -> None:
    assert failing(kind) == set()


class Raising(Reader):
    def scan_text(self, texts: pa.RecordBatch) -> list[Hit]:
        raise ValueError("always")

    def scan_file(self, file: BinaryIO, about: FileInfo) -> Iterable[Hit | Gap]:
        raise ValueError("always")


class RaisingTranscriber(ObedientTranscriber):
    def read_images(self, images: pa.RecordBatch) -> pa.RecordBatch:
        raise ValueError("always")


class Silent(Reader):
    def scan_text(self, texts: pa.RecordBatch) -> list[Hit]:
        return []

    def scan_file(self, file: BinaryIO, about: FileInfo) -> Iterable[Hit | Gap]:
        return ()


class SilentTranscriber(ObedientTranscriber):
    def read_images(self, images: pa.RecordBatch) -> pa.RecordBatch:
        return super().read_images(images.slice(0, 0))


class Eager(Reader):
    """Hits whatever it is given."""

    def scan_text(self, texts: pa.RecordBatch) -> list[Hit]:
        return [Hit("reader.findme", 0, 0, row) for row in range(texts.num_rows)]

    def scan_file(self, file: BinaryIO, about: FileInfo) -> Iterable[Hit | Gap]:
        yield Hit("reader.findme", 0, 0)


class Calling:
    """Looks something up, and takes it well that it cannot."""

    def call(self) -> None:
        with contextlib.suppress(Exception), socket.socket() as other:
            other.connect(("127.0.0.1", 9))


class CallingOnFiles(Calling, Reader):
    def scan_file(self, file: BinaryIO, about: FileInfo) -> Iterable[Hit | Gap]:
        self.call()
        return super().scan_file(file, about)


class CallingOnTexts(Calling, Reader):
    def scan_text(self, texts: pa.RecordBatch) -> list[Hit]:
        self.call()
        return super().scan_text(texts)


class CallingAhead(Calling, Preparing):
    def prepare(self, texts: pa.RecordBatch) -> pa.RecordBatch:
        with contextlib.suppress(Exception):
            socket.getaddrinfo("models.example", 443)
        return super().prepare(texts)


class CallingOnPictures(Calling, ObedientTranscriber):
    def read_images(self, images: pa.RecordBatch) -> pa.RecordBatch:
        self.call()
        return super().read_images(images)


class CallingAtFirst(Calling, Reader):
    def load(self, models: ModelStore) -> None:
        self.call()


class Moody(Reader):
    """Never says the same twice."""

    calls = itertools.count()

    def scan_text(self, texts: pa.RecordBatch) -> list[Hit]:
        return [Hit(hit.rule, hit.start, hit.end, hit.row, 1 / (2 + next(self.calls))) for hit in super().scan_text(texts)]

    def scan_file(self, file: BinaryIO, about: FileInfo) -> Iterator[Hit | Gap]:
        for _ in super().scan_file(file, about):
            yield Hit("reader.findme", 0, 1, score=1 / (2 + next(self.calls)))


class Overshooting(Reader):
    """Places hits in bytes where characters are asked for, and behind the end of a file."""

    def scan_text(self, texts: pa.RecordBatch) -> list[Hit]:
        return [Hit(hit.rule, hit.start + 1, hit.end + 1, hit.row) for hit in super().scan_text(texts)]

    def scan_file(self, file: BinaryIO, about: FileInfo) -> Iterable[Hit | Gap]:
        if file.read().find(b"FINDME") >= 0:
            yield Hit("reader.findme", 10, 20)


class Unknown(Reader):
    """Has a rule that it does not tell of."""

    def rules(self) -> Sequence[Rule]:
        return [Rule("reader.other", "A word", "Another word.", "malware", "medium", "None: it is planted.")]


class Unsteady(Preparing):
    """Prepares too little."""

    def prepare(self, texts: pa.RecordBatch) -> pa.RecordBatch:
        return super().prepare(texts).slice(1)


class Backwards(Reader):
    def scan_text(self, texts: pa.RecordBatch) -> list[Hit]:
        return super().scan_text(texts)[::-1]


class Anxious(Reader):
    """Cannot bear an empty file or text."""

    def scan_text(self, texts: pa.RecordBatch) -> list[Hit]:
        assert all(text for text in texts.column("text").to_pylist())
        return super().scan_text(texts)

    def scan_file(self, file: BinaryIO, about: FileInfo) -> Iterable[Hit | Gap]:
        data = file.read()
        assert data
        return super().scan_file(io.BytesIO(data), about)


class Scribbling(ObedientTranscriber):
    """Boxes that end behind the text."""

    def read_images(self, images: pa.RecordBatch) -> pa.RecordBatch:
        rows = super().read_images(images).to_pylist()
        for row in rows:
            row["boxes"][-1]["end"] += 1
        return pa.RecordBatch.from_pylist(rows, images.schema)


class Holding(Reader):
    """Has a connection in its hands before it is sent to a worker."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.file = io.BufferedReader(io.BytesIO())


class Idle(Obedient):
    """Reads nothing at all."""

    scan_text = None  # type: ignore[assignment]


TEXTS = {"finds_its_positive_texts_in_order", "takes_odd_texts_and_keeps_spans_in_bounds", "is_deterministic_over_texts"}
FILES = {"finds_its_positive_files", "reads_any_file_and_keeps_offsets_in_bounds", "is_deterministic_over_files"}
IMAGES = {"reads_its_positive_images", "takes_odd_images", "is_deterministic_over_images"}
SOCKET = "opens_no_socket"
BROKEN: Mapping[type[Engine], set[str]] = {
    Raising: TEXTS | FILES | {SOCKET},
    RaisingTranscriber: IMAGES | {SOCKET},
    Silent: {"finds_its_positive_texts_in_order", "finds_its_positive_files"},
    SilentTranscriber: {"reads_its_positive_images"},
    Eager: {"finds_its_positive_texts_in_order", "finds_its_positive_files"},
    CallingOnFiles: {SOCKET},
    CallingOnTexts: {SOCKET},
    CallingAhead: {SOCKET},
    CallingOnPictures: {SOCKET},
    CallingAtFirst: {SOCKET},
    Moody: {"is_deterministic_over_texts", "is_deterministic_over_files"},
    Overshooting: {"takes_odd_texts_and_keeps_spans_in_bounds", "reads_any_file_and_keeps_offsets_in_bounds"},
    Unknown: {"takes_odd_texts_and_keeps_spans_in_bounds", "reads_any_file_and_keeps_offsets_in_bounds"},
    Unsteady: {"prepares_what_it_scans"},
    Backwards: {"finds_its_positive_texts_in_order"},
    Anxious: {"takes_odd_texts_and_keeps_spans_in_bounds", "is_deterministic_over_texts", "reads_any_file_and_keeps_offsets_in_bounds"},
    Scribbling: IMAGES | {SOCKET},
    Holding: {"is_picklable_before_it_is_loaded"},
    Idle: {"says_who_it_is"},
}


@pytest.mark.parametrize("kind", BROKEN, ids=lambda kind: kind.__name__)
def test_a_broken_engine_fails_by_name(kind: type[Engine]) -> None:
    assert failing(kind) == BROKEN[kind]


@pytest.mark.parametrize(
    ("kind", "empty", "check"),
    [
        (Obedient, {"positives": ()}, "finds_its_positive_texts_in_order"),
        (Reader, {"positive_files": ()}, "finds_its_positive_files"),
        (ObedientTranscriber, {"positive_images": {}}, "reads_its_positive_images"),
    ],
)
def test_an_engine_that_never_has_to_find_anything_fails(kind: type[Engine], empty: dict[str, Any], check: str) -> None:
    assert failing(kind, **empty) == {check}


BROKEN_PLUGIN = """
from veritensor_ray.core.config import Settings
from veritensor_ray.testing import EngineContract, Obedient

class Shouting(Obedient):
    name = "SHOUTING"

class TestMine(EngineContract):
    positives = ("FINDME",)

    def make_engine(self):
        return Shouting(Settings())
"""


def test_a_failing_check_shows_the_values(tmp_path: Path) -> None:
    """pytest rewrites only asserts of test files, and of modules that are registered before they are imported."""
    (tmp_path / "test_mine.py").write_text(BROKEN_PLUGIN)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "says_who_it_is", "test_mine.py"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert "AssertionError: assert 'SHOUTING' == 'shouting'" in done.stdout
    assert "1 failed" in done.stdout
