"""The contract that every engine keeps, as a test class, and engines that misbehave on command. pytest rewrites the asserts of this module."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import pickle
import random
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, cast

import pyarrow as pa

from veritensor_ray.core.config import SEVERITIES, Limits, Settings
from veritensor_ray.core.media_types import PLAIN, PNG, UNKNOWN
from veritensor_ray.core.segments import SEGMENTS, Block, Gap, Identity, to_batch
from veritensor_ray.engines.base import Engine, FileEngine, FileInfo, Hit, Judged, Needs, PreparingEngine, Rule, TextEngine, Transcriber
from veritensor_ray.models.model_store import ModelStore

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

ODD_FILES = (
    b"",
    b"\x00" * 100,
    bytes(range(256)) * 500,
    b"MZ",
    b"PK\x03\x04",
    b"\xff\xfe" + "utf-16".encode("utf-16-le"),
    b"a" * 300_000,
    b"[" * 100_000,
    b'{"a":' * 20_000,
    b"\n" * 10_000,
)
HARMLESS = "nothing to see here"


@dataclass(frozen=True, slots=True)
class SampleFile:
    """The content of a file, with the name and type under which an engine receives it."""

    data: bytes
    path: str = "test.bin"
    media_type: str = UNKNOWN

    def about(self) -> FileInfo:
        """Returns the description that an engine receives."""
        return FileInfo(self.path, len(self.data), self.media_type, sha256=lambda: hashlib.sha256(self.data).hexdigest())


@contextlib.contextmanager
def without_network(monkeypatch: Any) -> Iterator[None]:
    """Fails if something tries to open a socket or to look up a name, whether or not it catches the error that it gets."""
    opened: list[str] = []

    def refuse(*arguments: object, **_: object) -> None:
        opened.append(repr(arguments[1:]))
        raise OSError("a plug-in has no network")

    monkeypatch.setattr(socket.socket, "__init__", refuse)
    for name in ("getaddrinfo", "gethostbyname", "create_connection"):
        monkeypatch.setattr(socket, name, refuse)
    with contextlib.suppress(OSError):
        yield
    assert not opened


def text_batch(texts: Sequence[str | None], path: str = "test.txt") -> pa.RecordBatch:
    """Returns a batch of segments as an engine receives it."""
    batch = to_batch(Block([text or "" for text in texts], line=1), Identity(0, path, PLAIN), Limits(segment_chars=1 << 30))
    column = pa.array(texts, pa.string())
    return batch.set_column(batch.schema.get_field_index("text"), "text", column)


class EngineContract:
    """Inherit from this in a test class, implement `make_engine`, and list what the engine finds; pytest runs the rest.

    A text engine lists `positives`: texts, or segment columns by name if it looks at more than the text. A file engine lists
    `positive_files`. A transcriber maps words to images of them in `positive_images`. An engine of several kinds lists all of these.
    Checks for other kinds of engine are skipped.
    """

    positives: ClassVar[Sequence[str | Mapping[str, Any]]] = ()
    positive_files: ClassVar[Sequence[SampleFile]] = ()
    positive_images: ClassVar[Mapping[str, bytes]] = {}

    def make_engine(self) -> Engine:
        """Return a new instance that is not loaded."""
        raise TypeError(f"{type(self).__name__} must implement make_engine")

    def loaded(self) -> Any:
        """Return a new, loaded instance."""
        engine = self.make_engine()
        engine.load(ModelStore("embedded"))
        return engine

    def test_says_who_it_is(self) -> None:
        engine = self.loaded()
        assert engine.name == engine.name.lower()
        assert engine.version
        assert engine.fingerprint() == self.loaded().fingerprint()
        assert isinstance(engine, TextEngine | FileEngine | Transcriber), "it reads texts, files or images"
        assert engine.rules() or isinstance(engine, Transcriber)
        for rule in engine.rules():
            assert rule.id.startswith(f"{engine.name}.")
            assert all((rule.title, rule.description, rule.remediation))

    def test_is_picklable_before_it_is_loaded(self) -> None:
        engine = self.make_engine()
        again = pickle.loads(pickle.dumps(engine))  # noqa: S301  # our own bytes
        assert (again.name, again.fingerprint()) == (engine.name, engine.fingerprint())

    def test_finds_its_positive_texts_in_order(self) -> None:
        engine = self._that_is(TextEngine)
        assert self.positives, "a text engine must list positives"
        samples = [part for positive in self.positives for part in (HARMLESS, positive)]
        rows = [hit.row for hit in engine.scan_text(_segments(samples))]
        assert rows == sorted(rows), "hits must come in the order of the rows"
        assert set(rows) == set(range(1, len(samples), 2)), "every positive must have a hit, and nothing else"

    def test_takes_odd_texts_and_keeps_spans_in_bounds(self) -> None:
        engine = self._that_is(TextEngine)
        assert engine.scan_text(_segments([])) == []
        batch = _segments([*ODD_TEXTS, *self.positives])
        texts, known = batch.column("text").to_pylist(), {rule.id for rule in engine.rules()}
        for hit in engine.scan_text(batch):
            assert hit.row is not None
            assert 0 <= hit.start <= hit.end <= len(texts[hit.row] or "")
            assert 0.0 <= hit.score <= 1.0
            assert hit.severity is None or hit.severity in SEVERITIES
            assert hit.rule in known

    def test_is_deterministic_over_texts(self) -> None:
        engine, batch = self._that_is(TextEngine), _segments([*ODD_TEXTS, *self.positives])
        assert engine.scan_text(batch) == engine.scan_text(batch) == self.loaded().scan_text(batch)

    def test_prepares_what_it_scans(self) -> None:
        engine, batch = self._that_is(PreparingEngine), _segments([*ODD_TEXTS, *self.positives])
        prepared = cast("PreparingEngine", self.make_engine()).prepare(
            batch
        )  # preparation happens where the bytes are, without a loaded model
        rows = prepared.column("row").to_pylist()
        assert rows == sorted(rows), "the rows of a prepared table must ascend"
        assert set(rows) <= set(range(batch.num_rows))
        assert engine.scan_prepared(batch, prepared) == engine.scan_text(batch)

    def test_finds_its_positive_files(self) -> None:
        engine = self._that_is(FileEngine)
        assert self.positive_files, "a file engine must list positive_files"
        for sample in self.positive_files:
            assert engine.applies(sample.about())
            assert _hits(engine, sample), f"{sample} must have a hit"
            assert not _hits(engine, replace(sample, data=HARMLESS.encode())), "other content must have no hit"

    def test_reads_any_file_and_keeps_offsets_in_bounds(self) -> None:
        engine = self._that_is(FileEngine)
        known = {rule.id for rule in engine.rules()}
        for sample in (*self.positive_files, *self._odd_files()):
            for hit in _hits(engine, sample):
                assert hit.row is None
                assert 0 <= hit.start <= hit.end <= max(len(sample.data), 16), "a hit on the file as a whole shows 16 bytes"
                assert 0.0 <= hit.score <= 1.0
                assert hit.severity is None or hit.severity in SEVERITIES
                assert hit.rule in known

    def test_is_deterministic_over_files(self) -> None:
        engine, other = self._that_is(FileEngine), self.loaded()
        for sample in self.positive_files:
            assert _scanned(engine, sample) == _scanned(engine, sample) == _scanned(other, sample)

    def test_reads_its_positive_images(self) -> None:
        engine = self._that_is(Transcriber)
        assert self.positive_images, "a transcriber must map words to positive_images"
        batch = _pictures(list(self.positive_images.values()))
        found = _transcribed(engine, batch)
        assert [row["row"] for row in found] == batch.column("row").to_pylist(), "each image must give one text, in order"
        for words, row in zip(self.positive_images, found, strict=True):
            assert words in " ".join(row["text"].split())

    def test_takes_odd_images(self) -> None:
        engine = self._that_is(Transcriber)
        assert _transcribed(engine, _pictures([])) == []
        for image in _odd_pictures():
            _transcribed(engine, _pictures([image]))
        good = _pictures(list(self.positive_images.values())[:1])
        before = _transcribed(engine, good)
        for image in (b"", b"no picture", *(data[: len(data) // 2] for data in self.positive_images.values())):
            with contextlib.suppress(Exception):  # a transcriber raises to report that it cannot read an image
                engine.read_images(_pictures([image]))
            assert _transcribed(engine, good) == before, "a broken image must not affect later ones"

    def test_is_deterministic_over_images(self) -> None:
        engine, batch = self._that_is(Transcriber), _pictures(list(self.positive_images.values()))
        assert _transcribed(engine, batch) == _transcribed(engine, batch) == _transcribed(self.loaded(), batch)

    def test_opens_no_socket(self, monkeypatch: Any) -> None:
        with without_network(monkeypatch):
            self._use(self.loaded())

    def _use(self, engine: Any) -> None:
        """Calls everything that the engine offers, over its positives."""
        if isinstance(engine, TextEngine):
            engine.scan_text(_segments(self.positives))
        if isinstance(engine, PreparingEngine):
            engine.scan_prepared(_segments(self.positives), engine.prepare(_segments(self.positives)))
        for sample in self.positive_files if isinstance(engine, FileEngine) else ():
            _scanned(engine, sample)
        if isinstance(engine, Transcriber):
            _transcribed(engine, _pictures(list(self.positive_images.values())))

    def _that_is(self, kind: type) -> Any:
        """Returns a loaded engine; skips the check if it is of another kind."""
        import pytest

        if not isinstance(self.make_engine(), kind):
            pytest.skip(f"the engine is not a {kind.__name__}")
        return self.loaded()

    def _odd_files(self) -> Iterator[SampleFile]:
        """Yields odd content under each name that the engine lists, and its own positives truncated and damaged."""
        places = {(sample.path, sample.media_type) for sample in self.positive_files}
        for path, media_type in sorted({("test.bin", UNKNOWN), *places}):
            yield from (SampleFile(data, path, media_type) for data in ODD_FILES)
        dice = random.Random(7)  # noqa: S311  # the same damage in every run
        for sample in self.positive_files:
            for part in range(8):
                yield replace(sample, data=sample.data[: len(sample.data) * part // 8])
            for _ in range(32):
                damaged = bytearray(sample.data)
                damaged[dice.randrange(len(damaged))] = dice.randrange(256)
                yield replace(sample, data=bytes(damaged))


def _segments(samples: Sequence[str | Mapping[str, Any] | None]) -> pa.RecordBatch:
    """Returns a batch of texts, some of them with further columns."""
    columns = [sample if isinstance(sample, Mapping) else {"text": sample} for sample in samples]
    rows = text_batch([column["text"] for column in columns]).to_pylist()
    return pa.RecordBatch.from_pylist([row | column for row, column in zip(rows, columns, strict=True)], SEGMENTS)


def _scanned(engine: FileEngine, sample: SampleFile) -> list[Hit | Gap | Judged]:
    return list(engine.scan_file(io.BytesIO(sample.data), sample.about()))


def _hits(engine: FileEngine, sample: SampleFile) -> list[Hit]:
    return [found for found in _scanned(engine, sample) if isinstance(found, Hit)]


def _pictures(images: Sequence[bytes]) -> pa.RecordBatch:
    block = Block([""] * len(images), images=images, row=list(range(len(images))))
    return to_batch(block, Identity(0, "test.png", PNG), Limits())


def _transcribed(engine: Transcriber, images: pa.RecordBatch) -> list[dict[str, Any]]:
    """Returns the segments of some images, checking that each belongs to its image and has boxes that follow its text."""
    texts = engine.read_images(images)
    assert texts.schema == SEGMENTS
    texts.validate(full=True)
    for row in (found := texts.to_pylist()):
        assert (row["view"], row["path"], row["image"]) == ("ocr", "test.png", None)
        assert row["text"]
        assert row["row"] in images.column("row").to_pylist()
        ends = [box["end"] for box in row["boxes"] or ()]
        assert ends == sorted(ends), "boxes follow the text"
        assert not ends or 0 < ends[0] <= ends[-1] <= len(row["text"])
        assert all(0 <= box["left"] <= box["right"] and 0 <= box["top"] <= box["bottom"] for box in row["boxes"] or ())
    assert all(0 <= row < images.num_rows for row, _ in engine.gaps())
    return cast("list[dict[str, Any]]", found)


def _odd_pictures() -> Iterator[bytes]:
    """Yields valid but empty images, in forms that trip up decoders."""
    from PIL import Image

    for mode, size, kind in (
        ("RGB", (64, 64), "PNG"),
        ("RGB", (1, 1), "PNG"),
        ("I;16", (40, 40), "PNG"),
        ("P", (40, 40), "GIF"),
        ("RGBA", (40, 40), "PNG"),
        ("CMYK", (40, 40), "JPEG"),
        ("1", (900, 2), "TIFF"),
        ("L", (2, 900), "BMP"),
    ):
        file = io.BytesIO()
        Image.new(mode, size).save(file, kind)
        yield file.getvalue()


def _misbehave(text: str, suffix: str) -> None:
    """Do what the text asks for: ABORT-…, HANG-…, EAT-…, RAISE-…, or WAIT-… until the file that follows exists."""
    if f"RAISE-{suffix}" in text:
        raise ValueError("asked to raise")
    if f"ABORT-{suffix}" in text:
        os.abort()
    if f"EAT-{suffix}" in text:
        eaten = []
        while True:
            eaten.append(bytearray(100_000_000))
    while f"HANG-{suffix}" in text:
        pass
    awaited = text.partition(f"WAIT-{suffix} ")[2].split()
    while awaited and not Path(awaited[0]).exists():
        time.sleep(0.05)


class _Fake:
    """The parts that all fakes share."""

    name = "fake"
    version = "1"
    needs = Needs()
    suffix = ""  # the suffix of the commands that it obeys

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def applies(self, about: FileInfo) -> bool:
        return True

    def load(self, models: ModelStore) -> None:
        """Nothing to load."""

    def fingerprint(self) -> str:
        return f"{self.name}-{self.version}"


class Obedient(_Fake):
    """A text engine that finds FINDME, and that dies, hangs, waits, eats memory or raises if a text says so."""

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
    """The same engine in a model actor, a little slower, as models are."""

    name = "fake-model"
    needs = Needs(model="fake")
    suffix = "MODEL"
    pause = 0.004


def painted(text: str, **metadata: str) -> bytes:
    """Returns a PNG that ObedientTranscriber can read: a row of pixels as gray as the codes of the characters, plus text metadata."""
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    info, file = PngInfo(), io.BytesIO()
    for key, value in metadata.items():
        info.add_text(key, value)
    Image.frombytes("L", (len(text), 1), text.encode("latin-1")).save(file, "PNG", pnginfo=info)
    return file.getvalue()


class ObedientTranscriber(_Fake):
    """Reads the output of `painted`, with a box for every character, and misbehaves if the text says so."""

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
            "boxes": pa.array(
                [[{"end": i + 1, "left": i, "top": 0, "right": i + 1, "bottom": 1, "frame": 0} for i in range(len(t))] for t in texts]
            ),
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
