"""For tests, ours and other people's: the contract that every engine keeps, and engines that misbehave on command."""

from __future__ import annotations

import io
import os
import pickle
import socket
import time
from collections.abc import Sequence
from typing import Any, ClassVar

import pyarrow as pa

from veritensor_ray.config import Limits, Settings
from veritensor_ray.engines.base import Engine, FileEngine, FileInfo, Hit, Needs, Rule, TextEngine, Transcriber
from veritensor_ray.media_types import PLAIN, UNKNOWN
from veritensor_ray.models.model_store import ModelStore
from veritensor_ray.segments import SEGMENTS, Block, Gap, Identity, to_batch

ODD_TEXTS: tuple[str | None, ...] = (
    "",
    None,
    " ",
    "\x00\x01\x1e\x7f",
    "a" * 300_000,
    "word " * 60_000,
    "שלום עולם ‮abc‬",
    "👩‍👩‍👧‍👦🏴󠁧󠁢󠁥󠁮󠁧󠁿",
    "e\u0301" * 5_000,
    "\U000e0041\U000e0042",
    "\ufffd\ufeff\u2028",
    "\n" * 10_000,
)


def text_batch(texts: Sequence[str | None], path: str = "test.txt") -> pa.RecordBatch:
    """A batch of segments as an engine gets it."""
    batch = to_batch(Block([text or "" for text in texts], line=1), Identity(0, path, PLAIN), Limits(segment_chars=1 << 30))
    column = pa.array(texts, pa.string())
    return batch.set_column(batch.schema.get_field_index("text"), "text", column)


class EngineContract:
    """Inherit in a test class, implement `make_engine`, and list texts in `positives` that give a hit; pytest runs the rest.

    An engine over files only leaves `positives` empty and lists contents in `positive_files`.
    """

    positives: ClassVar[Sequence[str]] = ()
    positive_files: ClassVar[Sequence[bytes]] = ()

    def make_engine(self) -> Engine:
        """A new instance, not loaded."""
        raise TypeError(f"{type(self).__name__} has to implement make_engine")

    def loaded(self) -> Any:
        """A new instance, loaded."""
        engine = self.make_engine()
        engine.load(ModelStore("embedded"))
        return engine

    def test_says_who_it_is(self) -> None:
        engine = self.loaded()
        assert engine.name == engine.name.lower()
        assert engine.version
        assert engine.fingerprint() == self.loaded().fingerprint()
        assert engine.rules() or isinstance(engine, Transcriber)
        for rule in engine.rules():
            assert rule.id.startswith(f"{engine.name}.")
            assert all((rule.title, rule.description, rule.category, rule.severity, rule.remediation))

    def test_is_picklable_before_it_is_loaded(self) -> None:
        assert pickle.loads(pickle.dumps(self.make_engine())).name == self.make_engine().name  # noqa: S301  # our own bytes

    def test_finds_its_positives_in_order(self) -> None:
        engine = self.loaded()
        if not isinstance(engine, TextEngine) or not self.positives:
            return
        texts = [part for text in self.positives for part in ("nothing to see here", text)]
        rows = [hit.row for hit in engine.scan_text(text_batch(texts))]
        assert rows == sorted(rows, key=lambda row: row or 0), "hits come in the order of the rows"
        assert set(rows) == set(range(1, len(texts), 2)), "every positive has a hit, and nothing else"

    def test_takes_an_empty_batch(self) -> None:
        engine = self.loaded()
        if isinstance(engine, TextEngine):
            assert engine.scan_text(text_batch([])) == []

    def test_takes_odd_texts_and_keeps_spans_in_bounds(self) -> None:
        engine = self.loaded()
        if not isinstance(engine, TextEngine):
            return
        texts = [*ODD_TEXTS, *self.positives]
        known = {rule.id for rule in engine.rules()}
        for hit in engine.scan_text(text_batch(texts)):
            assert hit.row is not None
            assert 0 <= hit.start <= hit.end <= len(texts[hit.row] or "")
            assert 0.0 <= hit.score <= 1.0
            assert hit.rule in known

    def test_is_deterministic(self) -> None:
        engine = self.loaded()
        if isinstance(engine, TextEngine):
            batch = text_batch([*ODD_TEXTS, *self.positives])
            assert engine.scan_text(batch) == engine.scan_text(batch) == self.loaded().scan_text(batch)

    def test_reads_any_bytes_and_keeps_offsets_in_bounds(self) -> None:
        engine = self.loaded()
        if not isinstance(engine, FileEngine):
            return
        for data in (b"", b"\x00" * 100, bytes(range(256)) * 500, b"MZ", b"PK\x03\x04", *self.positive_files):
            about = FileInfo("test.bin", len(data), UNKNOWN)
            for hit in engine.scan_file(io.BytesIO(data), about):
                if isinstance(hit, Gap):
                    continue
                assert hit.row is None
                assert 0 <= hit.start <= max(hit.end, 16)

    def test_finds_its_positive_files(self) -> None:
        engine = self.loaded()
        for data in self.positive_files if isinstance(engine, FileEngine) else ():
            assert list(engine.scan_file(io.BytesIO(data), FileInfo("test.bin", len(data), UNKNOWN)))

    def test_opens_no_connection(self, monkeypatch: Any) -> None:
        def refuse(*_: object) -> None:
            raise AssertionError("an engine opened a connection")

        monkeypatch.setattr(socket.socket, "connect", refuse)
        monkeypatch.setattr(socket, "getaddrinfo", refuse)
        engine = self.loaded()
        if isinstance(engine, TextEngine):
            engine.scan_text(text_batch(list(self.positives)))


def _misbehave(text: str, suffix: str) -> None:
    """Do what the text orders: ABORT-…, HANG-…, EAT-…, RAISE-…"""
    if f"RAISE-{suffix}" in text:
        raise ValueError("told to raise")
    if f"ABORT-{suffix}" in text:
        os.abort()
    if f"EAT-{suffix}" in text:
        eaten = []
        while True:
            eaten.append(bytearray(100_000_000))
    while f"HANG-{suffix}" in text:
        pass


class _Fake:
    """What the fakes have in common."""

    name = "fake"
    version = "1"
    needs = Needs()
    suffix = ""  # of the orders that it obeys

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def applies(self, about: FileInfo) -> bool:
        return True

    def load(self, models: ModelStore) -> None:
        """Nothing to load."""

    def fingerprint(self) -> str:
        return f"{self.name}-{self.version}"


class Obedient(_Fake):
    """A text engine that finds FINDME, and dies, hangs, eats memory or raises where a text says so."""

    name = "fake-local"
    suffix = "LOCAL"
    pause = 0.0

    def rules(self) -> Sequence[Rule]:
        return [Rule(f"{self.name}.findme", "A planted word", "The word FINDME.", "malware", "medium", "None: it is planted.")]

    def scan_text(self, texts: pa.RecordBatch) -> list[Hit]:
        hits = []
        for row, value in enumerate(texts.column("text")):
            text = value.as_py() or ""
            _misbehave(text, self.suffix)
            time.sleep(self.pause)
            at = text.find("FINDME")
            while at >= 0:
                hits.append(Hit(f"{self.name}.findme", at, at + 6, row))
                at = text.find("FINDME", at + 1)
        return hits


class ObedientModel(Obedient):
    """The same in a model actor, a little slower, as models are."""

    name = "fake-model"
    needs = Needs(model="fake")
    suffix = "MODEL"
    pause = 0.004


def painted(text: str, **metadata: str) -> bytes:
    """A PNG that ObedientTranscriber reads: a row of pixels, as grey as the characters' codes; with texts beside the picture."""
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    info, file = PngInfo(), io.BytesIO()
    for key, value in metadata.items():
        info.add_text(key, value)
    Image.frombytes("L", (len(text), 1), text.encode("latin-1")).save(file, "PNG", pnginfo=info)
    return file.getvalue()


class ObedientTranscriber(_Fake):
    """Reads what `painted` wrote, with a box for every character, and misbehaves where that says so."""

    name = "fake-ocr"
    needs = Needs(model="fake")
    suffix = "OCR"

    def applies(self, about: FileInfo) -> bool:
        return about.media_type.startswith("image/")

    def rules(self) -> Sequence[Rule]:
        return []

    def read_images(self, images: pa.RecordBatch) -> pa.RecordBatch:
        texts = [self._read(data.as_py()) for data in images.column("image")]
        own: dict[str, Any] = {
            "view": pa.array(["ocr"] * len(texts), pa.string()).dictionary_encode(),
            "text": pa.array(texts, pa.string()),
            "image": pa.nulls(len(texts), pa.binary()),
            "boxes": pa.array([[{"end": i + 1, "left": i, "top": 0, "right": i + 1, "bottom": 1} for i in range(len(t))] for t in texts]),
        }
        columns = [own.get(name, images.column(name)) for name in SEGMENTS.names]
        return pa.RecordBatch.from_arrays([c.cast(f.type) for c, f in zip(columns, SEGMENTS, strict=True)], schema=SEGMENTS)

    def gaps(self) -> list[tuple[int, Gap]]:
        return []

    def _read(self, data: bytes) -> str:
        from PIL import Image

        text = Image.open(io.BytesIO(data)).convert("L").tobytes().decode("latin-1")
        _misbehave(text, self.suffix)
        return text
