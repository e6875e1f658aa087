"""The contracts that every reader and every rewriter keeps, as test classes. pytest rewrites the asserts of this module."""

from __future__ import annotations

import contextlib
import io
import random
import re
import tracemalloc
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, ClassVar, cast

from veritensor_ray.core import bounds
from veritensor_ray.core.config import Limits
from veritensor_ray.core.errors import ReadError
from veritensor_ray.core.format_table import declared_type
from veritensor_ray.core.media_types import Format
from veritensor_ray.core.origins import Origin, Origins
from veritensor_ray.core.segments import Block, Gap
from veritensor_ray.formats.common.kind import Kind
from veritensor_ray.formats.common.source import Item, Member, Source
from veritensor_ray.formats.editing.actions import Action, CannotRewriteError
from veritensor_ray.formats.editing.edits import Account, Order, Orders, Unit
from veritensor_ray.formats.editing.marks import Mark
from veritensor_ray.formats.format_registry import reader_for, register, rewrite
from veritensor_ray.formats.recognition import recognise
from veritensor_ray.testing.engine_contract import ODD_FILES, without_network

_ENDLESS, _REPEATED = 6 * bounds.HELD, 16 << 20  # bytes of a file that goes on with zeros, and of one that repeats itself
_MOST_HELD = 3 * bounds.HELD  # bytes of memory: one held value, decoded, and what surrounds it
_CUTS, _DAMAGES, _LAST = 64, 48, 32  # places where a file is cut off, times that a byte is damaged, and last bytes that go one by one
_WORD = re.compile(r"\w{3,}")


@dataclass(frozen=True, slots=True)
class SampleDocument:
    """A complete file of a format, every text that its reader yields, and the content of every file in it. `name` is the file's name."""

    data: bytes
    texts: Sequence[str] = ()
    members: Sequence[bytes] = ()
    name: str = ""


@dataclass(frozen=True, slots=True)
class ReadText:
    """A text that a reader yielded. It begins at character `start` of its unit, or consists of what the `origins` name."""

    text: str
    unit: Unit
    start: int = 0
    origins: Sequence[Origin] | None = None
    elsewhere: tuple[Any, ...] = ()  # what else its location says

    @property
    def is_nowhere(self) -> bool:
        """Whether its location says nothing."""
        return self.unit == Unit() and not self.start and self.origins is None and not any(self.elsewhere)

    def order(self, number: int = 0) -> Order:
        """Returns an order for its first word."""
        first, last = cast("re.Match[str]", _WORD.search(self.text)).span()
        if self.origins is None:
            return _order(number, self.unit, self.start + first, self.start + last, self.text[first:last])
        origins, length = Origins.of(self.origins), len(self.text)
        mark = _order(number, self.unit, origins.back(length, first)[0], origins.back(length, last - 1)[1], self.text[first:last])
        return mark._replace(mark=mark.mark._replace(straight=False))

    def masked(self, mask: str) -> str:
        """Returns the text with its first word replaced."""
        return _WORD.sub(lambda _: mask, self.text, count=1)


@dataclass(frozen=True, slots=True)
class ReadDocument:
    """What a reader yielded: texts, contents of members, gaps, and the error at the end."""

    texts: Sequence[ReadText]
    members: Sequence[bytes]
    gaps: Sequence[Gap]
    error: ReadError | None = None

    @property
    def told(self) -> bool:
        """Whether something is said to be missing."""
        return self.error is not None or bool(self.gaps)

    @property
    def words(self) -> list[str]:
        """The texts themselves."""
        return [one.text for one in self.texts]

    @property
    def worded(self) -> list[ReadText]:
        """The texts that have a word, so that it can be changed."""
        return [one for one in self.texts if _WORD.search(one.text)]

    def lacks(self, document: SampleDocument) -> list[str | bytes]:
        """Returns the texts and members of a document that were not read."""
        return [*_missing(document.texts, self.words), *_missing(document.members, self.members)]


class _OfFormat:
    """What the contracts of readers and rewriters share: the row of the format, and complete files of it."""

    row: ClassVar[Format]
    documents: ClassVar[Sequence[SampleDocument]] = ()

    def known(self) -> Sequence[SampleDocument]:
        """Returns the documents, once the format is registered in this process."""
        register(self.row)
        assert self.documents, "a format must list complete files in `documents`"
        return self.documents

    def is_recognised(self, data: bytes, document: SampleDocument) -> bool:
        """Returns whether bytes under the document's name are recognized as this format."""
        return recognise(io.BytesIO(data), self._name(document)[1]).kind.media_type == self.row.media_type

    def source(self, data: bytes | io.BufferedReader, document: SampleDocument) -> Source:
        """Returns a file as a reader receives it: of the kind that the document has, whatever may have happened to its bytes."""
        name, extension = self._name(document)
        kind = recognise(io.BytesIO(document.data), extension).kind
        file: BinaryIO = io.BytesIO(data) if isinstance(data, bytes) else data
        return Source(
            file, Kind(self.row.media_type, kind.encoding, kind.bom), Limits(), extension, name_says=declared_type(extension), name=name
        )

    def read(self, data: bytes | io.BufferedReader, document: SampleDocument) -> ReadDocument:
        """Reads a file, and the members in it. Raises whatever the reader raises, apart from ReadError."""
        texts: list[ReadText] = []
        members: list[bytes] = []
        gaps: list[Gap] = []
        try:
            for item in self.items(self.source(data, document)):
                if isinstance(item, Gap):
                    gaps.append(item)
                elif isinstance(item, Member):
                    members.append(_content(item.file))
                else:
                    texts += _placed(item)
        except ReadError as error:
            return ReadDocument(texts, members, gaps, error)
        return ReadDocument(texts, members, gaps)

    def items(self, source: Source) -> Iterator[Item]:
        reader = reader_for(source.kind)
        assert reader is not None, "the row must name a reader"
        return reader(source)

    def damaged(self, document: SampleDocument) -> Iterator[bytes]:
        """Yields the document with single bytes damaged, and odd content, alone and after the document's beginning."""
        dice = random.Random(7)  # noqa: S311  # the same damage in every run
        for _ in range(_DAMAGES):
            data = bytearray(document.data)
            data[dice.randrange(len(data))] = dice.randrange(256)
            yield bytes(data)
        for odd in ODD_FILES:
            yield odd
            yield document.data[:16] + odd

    def _name(self, document: SampleDocument) -> tuple[str, str]:
        extension = next(iter(self.row.extensions), "")
        name = document.name or f"document{extension}"
        return name, f".{name.rpartition('.')[2]}" if "." in name else ""


class ReaderContract(_OfFormat):
    """Inherit from this in a test class, and set `row` and `documents`; pytest runs the rest.

    Set `is_structured` to False for a format in which what is cut off cannot be known, such as plain text.
    """

    is_structured: ClassVar[bool] = True

    def test_the_row_says_what_it_must(self) -> None:
        self.known()
        assert self.row.title
        assert re.fullmatch(r"[a-z]+/[a-z0-9.+-]+", self.row.media_type)
        assert all(re.fullmatch(r"\.[a-z0-9]+", extension) for extension in (*self.row.extensions, *self.row.also))
        assert self.row.read or self.row.family == "text", "the row must name a reader"
        assert self.row.version or (self.row.read or ".").startswith("."), "a plug-in's row must have a version"

    def test_its_files_are_recognised(self) -> None:
        for document in self.known():
            assert self.is_recognised(document.data, document), (
                "the magics, the beginning, the opening or the extension must identify the format"
            )

    def test_every_text_is_read(self) -> None:
        for document in self.known():
            reading = self.read(document.data, document)
            assert reading.lacks(document) == [], "these texts or members are not read"
            assert not reading.told, "a complete file has no gap and no error"
            assert document.texts or document.members, "a document must list what is read from it"

    def test_two_readings_are_equal(self) -> None:
        for document in self.known():
            assert self.read(document.data, document) == self.read(document.data, document)

    def test_locations_lead_back(self) -> None:
        for document in self.known():
            nowhere = [one.text for one in self.read(document.data, document).texts if one.is_nowhere]
            assert len(nowhere) < 2, f"nobody can tell where these texts are: {nowhere}"
            self._check_offsets(document)

    def test_what_is_cut_off_is_told(self) -> None:
        if not self.is_structured:
            import pytest

            pytest.skip("the format has no structure that shows where it is cut off")
        for document in self.known():
            size = len(document.data)
            for at in sorted({size * part // _CUTS for part in range(_CUTS)} | set(range(max(0, size - _LAST), size))):
                if not at or not self.is_recognised(data := document.data[:at], document):
                    continue  # what remains is empty, or a file of another type that is read as such
                reading = self.read(data, document)
                assert reading.told or not reading.lacks(document), f"cut off at byte {at}: {reading.lacks(document)} are lost in silence"

    def test_damage_raises_only_read_errors(self) -> None:
        for document in self.known():
            for data in self.damaged(document):
                self.read(data, document)  # anything but ReadError fails the test

    def test_large_files_are_not_held(self) -> None:
        for document in self.known():
            if self.is_structured:
                self._check_memory(document)
            padded = _Padded(document.data, document.data, _REPEATED)
            for item in _until_error(self.items(self.source(padded, document))):
                assert self.is_structured or padded.tell() < _REPEATED, "the first texts must come before the whole file is read"
                if isinstance(item, Block):
                    break
            assert not padded.greedy, f"read() asked for {padded.greedy} bytes at once; read pieces, or compare a length with a bound first"

    def test_no_socket_is_opened(self, monkeypatch: Any) -> None:
        documents = self.known()
        with without_network(monkeypatch):
            for document in documents:
                self.read(document.data, document)

    def _check_memory(self, document: SampleDocument) -> None:
        """Checks that a reader does not hold what follows the document."""
        endless = _Padded(document.data, bytes(1), _ENDLESS)
        tracemalloc.start()
        try:
            for item in _until_error(self.items(self.source(endless, document))):
                if isinstance(item, Member):
                    _drain(item.file)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert not endless.greedy, f"read() asked for {endless.greedy} bytes at once; read pieces, or compare a length with a bound first"
        assert peak < _MOST_HELD, f"{peak:,} bytes were held"

    def _check_offsets(self, document: SampleDocument) -> None:
        """Checks that a byte offset leads to the text, and a line to a line of the file."""
        kind = self.source(document.data, document).kind
        lines = len(document.data.decode(kind.encoding or "utf-8", "replace").splitlines())
        for item in self.items(self.source(document.data, document)):
            if not isinstance(item, Block) or item.origins is not None or not len(item.texts):
                continue
            first = str(item.texts[0])[:16]
            if item.byte_offset is not None:
                at = document.data[item.byte_offset :][: 4 * len(first)].decode(kind.encoding or "utf-8", "replace")
                assert at.startswith(first), f"byte {item.byte_offset} is not where {first!r} begins"
            numbers = [item.line] if isinstance(item.line, int) else item.line or ()
            assert not kind.is_text or all(1 <= int(line) <= max(lines, 1) for line in numbers), "a line must be one of the file"


class RewriterContract(_OfFormat):
    """Inherit from this in a test class, and set `row` and `documents`; pytest runs the rest. Keep the contract of readers first.

    `other_bytes` is the number of bytes that may change besides those of an edit of the same length, for checksums; None says that the
    format is compressed.
    """

    other_bytes: ClassVar[int | None] = 0

    def test_a_file_without_edits_stays_as_it_is(self) -> None:
        for document in self.known():
            assert self.rewritten(document, [])[0] == document.data

    def test_each_text_can_be_changed(self) -> None:
        for document in self.known():
            texts = self.read(document.data, document).worded
            assert texts, "a document must have a text with a word, so that it can be changed"
            for mask in ("X", "", "a longer mask"):
                for one in texts:
                    self._check_changed(document, one, mask)

    def test_all_texts_can_be_changed_at_once(self) -> None:
        for document in self.known():
            before = self.read(document.data, document)
            data, orders = self.rewritten(document, [one.order(number) for number, one in enumerate(before.worded)])
            assert not orders.undone
            assert self.read(data, document).words == [one.masked("MASKED") for one in before.texts]

    def test_no_other_byte_changes(self) -> None:
        if self.other_bytes is None:
            import pytest

            pytest.skip("the format is compressed")
        for document in self.known():
            for one in self.read(document.data, document).worded:
                order = one.order()
                size = len((order.mark.text or "").encode())
                data, _ = self.rewritten(document, [order], "X" * size)
                assert len(data) == len(document.data), "a mask of the same length must not change the length of the file"
                changed = sum(a != b for a, b in zip(data, document.data, strict=True))
                assert changed <= size + self.other_bytes, f"{changed} bytes changed instead of {size}"

    def test_a_row_is_dropped_or_said_to_stay(self) -> None:
        for document in self.known():
            for one in (texts := self.read(document.data, document).texts):
                if one.unit.row is None:
                    continue
                order = _order(0, one.unit, 0, 0, "")._replace(action=Action.DROP_ROW)
                try:
                    data, orders = self.rewritten(document, [order])
                except CannotRewriteError:
                    continue
                rest = [other.text for other in texts if other.unit.row != one.unit.row]
                left = [other.text for other in texts] if orders.undone else rest
                assert _bare(self.read(data, document).words) == _bare(left), f"row {one.unit.row} is not dropped, or more than it"

    def test_an_edit_that_is_not_at_its_place_is_not_made(self) -> None:
        for document in self.known():
            unit = self.read(document.data, document).texts[0].unit
            for order in (_order(0, unit, 0, 7, "nowhere"), _order(0, unit._replace(row=10**6), 0, 3, "abc")):
                try:
                    data, orders = self.rewritten(document, [order])
                except CannotRewriteError:
                    continue
                assert orders.undone, "an edit whose text is not there must stay undone, so that the file is held back"
                assert self.read(data, document).words == self.read(document.data, document).words

    def test_damage_raises_only_what_callers_expect(self) -> None:
        for document in self.known():
            for data in self.damaged(document):
                self._check_damaged(SampleDocument(data, name=document.name), document)

    def test_large_files_are_not_held(self) -> None:
        for document in self.known():
            padded = _Padded(document.data, document.data, _REPEATED // 16)
            with contextlib.suppress(CannotRewriteError, ReadError):
                rewrite(self.source(padded, document), cast("BinaryIO", _Sink()), _orders([_order(0, Unit(row=10**6), 0, 3, "abc")], "X"))
            assert not padded.greedy, f"read() asked for {padded.greedy} bytes at once; copy pieces"

    def rewritten(self, document: SampleDocument, orders: Sequence[Order], mask: str = "MASKED") -> tuple[bytes, Orders]:
        """Returns the new file, and the orders after that."""
        told, out = _orders(orders, mask), io.BytesIO()
        rewrite(self.source(document.data, document), out, told)
        return out.getvalue(), told

    def _check_changed(self, document: SampleDocument, text: ReadText, mask: str) -> None:
        """Checks that one text has changed as ordered, and that everything else is as it was."""
        before = self.read(document.data, document)
        data, orders = self.rewritten(document, [text.order()], mask)
        after = self.read(data, document)
        assert not orders.undone, f"the edit of {text.text!r} stays undone"
        expected = [one.masked(mask) if one == text else one.text for one in before.texts]
        assert _bare(after.words) == _bare(expected), "exactly the ordered text must change"
        assert after.members == before.members, "files inside must stay as they are"

    def _check_damaged(self, broken: SampleDocument, document: SampleDocument) -> None:
        """Checks that a damaged file is refused, or that an edit is made, or that it is said not to have been made."""
        before = self.read(broken.data, document)
        text = next(iter(before.worded), ReadText("abc", Unit(row=0)))
        told, out = _orders([text.order()], "MASKED"), io.BytesIO()
        try:
            rewrite(self.source(broken.data, document), out, told)
        except (CannotRewriteError, ReadError):
            return
        if told.undone:
            return
        after = "".join(self.read(out.getvalue(), document).words)
        assert text.masked("MASKED")[:99] in after, "an edit counts as made, but the text is as it was"


def _order(number: int, unit: Unit, start: int, end: int, text: str) -> Order:
    mark = Mark("rule", "high", None, *unit, "visible", None, start, end, text, straight=True)
    return Order(number, mark, Action.MASK, keep_length=False)


def _orders(orders: Sequence[Order], mask: str) -> Orders:
    return Orders(orders, frozenset(), lambda *_: mask, Account())


def _placed(block: Block) -> Iterator[ReadText]:
    """Yields each text of a block with its location."""
    for number, text in enumerate(block.texts):
        at = {name: _item(getattr(block, name), number) for name in ("part", "page", "row", "column", "line", "paragraph", "notice")}
        origins = block.origins[number] if block.origins is not None else None
        unit = Unit(at["part"], at["page"], at["row"], at["column"])
        view = "" if block.view == "visible" else block.view
        elsewhere = (at["line"], at["paragraph"], at["notice"], view)
        yield ReadText(str(text), unit, _item(block.start, number) or 0, origins, elsewhere)


def _bare(texts: Sequence[str]) -> list[str]:
    """Returns texts without white space at their ends, which a format may not keep, and without empty ones."""
    return [bare for text in texts if (bare := text.strip())]


def _item(value: Any, number: int) -> Any:
    if value is None or isinstance(value, str | int):
        return value
    found = value[number]
    return found.as_py() if hasattr(found, "as_py") else found


def _content(file: BinaryIO) -> bytes:
    return b"".join(iter(lambda: file.read(1 << 20), b""))


def _drain(file: BinaryIO) -> None:
    try:
        while file.read(1 << 20):
            pass
    except ReadError:
        pass


def _until_error(items: Iterator[Item]) -> Iterator[Item]:
    try:
        yield from items
    except ReadError:
        return


def _missing(wanted: Sequence[Any], found: Sequence[Any]) -> list[Any]:
    """Returns what is wanted and was not found, as often as it is wanted."""
    left, missing = list(found), []
    for one in wanted:
        if one in left:
            left.remove(one)
        else:
            missing.append(one)
    return missing


class _Padded(io.BufferedReader):
    """A document, and then far more than may be held of what follows. `greedy` is the size of a read that asked for too much."""

    def __init__(self, data: bytes, following: bytes, size: int) -> None:
        super().__init__(_Endless(data, following, size), 1 << 20)
        self.greedy, self._size = 0, size

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or not 0 <= size <= bounds.HELD + 1:
            self.greedy = self._size if size is None or size < 0 else size
            size = bounds.HELD if size is None or size < 0 else min(size, bounds.HELD)
        return super().read(size)


class _Endless(io.RawIOBase):
    def __init__(self, data: bytes, following: bytes, size: int) -> None:
        self._data, self._following, self._size, self._at = data, following, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        self._at = max(0, offset + (0, self._at, self._size)[whence])
        return self._at

    def readinto(self, buffer: Any, /) -> int:
        size = max(0, min(len(buffer), self._size - self._at))
        if self._at < len(self._data):
            known = self._data[self._at : self._at + size]
        else:
            first = (self._at - len(self._data)) % len(self._following)
            known = (self._following * (size // len(self._following) + 2))[first : first + size]
        buffer[: len(known)] = known
        self._at += len(known)
        return len(known)


class _Sink(io.RawIOBase):
    """A file that forgets what is written to it."""

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        return len(data)
