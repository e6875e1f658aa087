"""What the contracts of readers and rewriters share: documents, reading them, damage, and files that are too large to be held."""

from __future__ import annotations

import io
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, ClassVar, cast

from veritensor_ray.core import bounds
from veritensor_ray.core.config import Limits
from veritensor_ray.core.errors import ReadError
from veritensor_ray.core.media_types import Format
from veritensor_ray.core.origins import Origin, Origins
from veritensor_ray.core.segments import Block, Gap
from veritensor_ray.formats.common.kind import Kind
from veritensor_ray.formats.common.source import Item, Member, Source
from veritensor_ray.formats.editing.actions import Action
from veritensor_ray.formats.editing.edits import Account, Order, Orders, Unit
from veritensor_ray.formats.editing.marks import Mark
from veritensor_ray.formats.format_registry import reader_for, register
from veritensor_ray.formats.opened_files import opened
from veritensor_ray.testing.engine_contract import ODD_FILES

ENDLESS, REPEATED = 6 * bounds.HELD, 16 << 20  # bytes of a file that goes on with zeros, and of one that repeats itself
MOST_HELD = 3 * bounds.HELD  # bytes of memory: one held value, decoded, and what surrounds it
CUTS, _DAMAGES, LAST = 64, 48, 32  # places where a file is cut off, times that a byte is damaged, and last bytes that go one by one
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
            return order_for(number, self.unit, self.start + first, self.start + last, self.text[first:last])
        origins, length = Origins.of(self.origins), len(self.text)
        mark = order_for(number, self.unit, origins.back(length, first)[0], origins.back(length, last - 1)[1], self.text[first:last])
        return mark._replace(mark=mark.mark._replace(straight=False))

    def masked(self, mask: str) -> str:
        """Returns the text with its first word replaced."""
        return _WORD.sub(lambda _: mask, self.text, count=1)


@dataclass(frozen=True, slots=True)
class ReadDocument:
    """What a reader yielded: texts, contents of members, gaps, the error at the end, and the names of the members."""

    texts: Sequence[ReadText]
    members: Sequence[bytes]
    gaps: Sequence[Gap]
    error: ReadError | None = None
    names: Sequence[str] = ()  # of the members

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

    @property
    def worded_members(self) -> list[tuple[int, ReadText]]:
        """The text of each member that is text and has a word, with the member's number."""
        texts = ((number, ReadText(data.decode("utf-8", "replace"), Unit())) for number, data in enumerate(self.members))
        return [(number, one) for number, one in texts if "\ufffd" not in one.text and _WORD.search(one.text)]

    def lacks(self, document: SampleDocument) -> list[str | bytes]:
        """Returns the texts and members of a document that were not read."""
        return [*_missing(document.texts, self.words), *_missing(document.members, self.members)]


class OfFormat:
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
        return opened(io.BytesIO(data), self._name(document), Limits()).kind.media_type == self.row.media_type

    def source(self, data: bytes | io.BufferedReader, document: SampleDocument) -> Source:
        """Returns a file as a reader receives it: of the kind that the document has, whatever may have happened to its bytes."""
        name = self._name(document)
        kind = opened(io.BytesIO(document.data), name, Limits()).kind
        file: BinaryIO = io.BytesIO(data) if isinstance(data, bytes) else data
        return opened(file, name, Limits(), kind=Kind(self.row.media_type, kind.encoding, kind.bom))

    def read(self, data: bytes | io.BufferedReader, document: SampleDocument) -> ReadDocument:
        """Reads a file, and the members in it. Raises whatever the reader raises, apart from ReadError."""
        texts: list[ReadText] = []
        members: list[bytes] = []
        names: list[str] = []
        gaps: list[Gap] = []
        try:
            for item in self.items(self.source(data, document)):
                if isinstance(item, Gap):
                    gaps.append(item)
                elif isinstance(item, Member):
                    names.append(item.name)
                    members.append(_content(item.file))
                else:
                    texts += _placed(item)
        except ReadError as error:
            return ReadDocument(texts, members[: len(names)], gaps, error, names)
        return ReadDocument(texts, members, gaps, None, names)

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

    def _name(self, document: SampleDocument) -> str:
        return document.name or f"document{next(iter(self.row.extensions), '')}"


def order_for(number: int, unit: Unit, start: int, end: int, text: str) -> Order:
    mark = Mark("rule", "high", None, *unit, "visible", None, start, end, text, straight=True)
    return Order(number, mark, Action.MASK, keep_length=False)


def orders_of(orders: Sequence[Order], mask: str) -> Orders:
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


def bare(texts: Sequence[str]) -> list[str]:
    """Returns texts without white space at their ends, which a format may not keep, and without empty ones."""
    return [bare for text in texts if (bare := text.strip())]


def _item(value: Any, number: int) -> Any:
    if value is None or isinstance(value, str | int):
        return value
    found = value[number]
    return found.as_py() if hasattr(found, "as_py") else found


def _content(file: BinaryIO) -> bytes:
    return b"".join(iter(lambda: file.read(1 << 20), b""))


def drain(file: BinaryIO) -> None:
    try:
        while file.read(1 << 20):
            pass
    except ReadError:
        pass


def until_error(items: Iterator[Item]) -> Iterator[Item]:
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


class Padded(io.BufferedReader):
    """A document, and then far more than may be held of what follows. `greedy` is the size of a read that asked for too much."""

    def __init__(self, data: bytes, following: bytes, size: int) -> None:
        super().__init__(_Endless(data, following, size), 1 << 20)
        self.greedy, self._size = 0, size

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or not 0 <= size <= bounds.HELD + 1:
            self.greedy = self._size if size is None or size < 0 else size
            size = bounds.HELD if size is None or size < 0 else min(size, bounds.HELD)
        return super().read(size)


_AT_ONCE = 1 << 20  # bytes that one call reads at most


class _Endless(io.RawIOBase):
    def __init__(self, data: bytes, following: bytes, size: int) -> None:
        self._data, self._size, self._at = data, size, 0
        self._period = len(following)
        self._following = memoryview(following * (2 + _AT_ONCE // len(following)))  # any piece of it begins within the first period

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
            known: bytes | memoryview = self._data[self._at : self._at + size]
        else:
            first = (self._at - len(self._data)) % self._period
            known = self._following[first : first + min(size, _AT_ONCE)]
        buffer[: len(known)] = known
        self._at += len(known)
        return len(known)


class Discarding(io.RawIOBase):
    """A file that forgets what is written to it."""

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        return len(data)
