"""Collects what stands beside sound and film: texts with their places in the account of the file, and pictures and other files as members.

The readers of this folder walk the boxes, chunks, elements and pages of a file themselves, because the libraries for it (such as tinytag)
give the values alone. An audit also has to know which bytes they came from: what nobody claims is searched for hidden values.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterator
from typing import BinaryIO, cast

from veritensor_ray.core import bounds
from veritensor_ray.core.reasons import ReasonCode
from veritensor_ray.core.segments import Block, Gap
from veritensor_ray.formats.common.account import Reading
from veritensor_ray.formats.common.file_ranges import length
from veritensor_ray.formats.common.source import Item, Member, Source
from veritensor_ray.formats.common.streams import CHUNK, Pieces, Window

_LONGEST = bounds.HELD
_NAME = 200
_NEAR = 64  # bytes that are searched first for a mark
_BATCH = 1 << 16  # characters of texts that are yielded together
# What these formats are for. It is the same sentence for all of them, so that a summary counts them together.
UNHEARD = Gap("no reader for sound and film: only the texts and pictures beside them were read", coverage=ReasonCode.NO_READER, body=True)


class MediaTexts:
    """The texts of one file that are metadata, in order, each with the name of its field as column."""

    def __init__(self, source: Source) -> None:
        self.source, self.size = source, length(source.file)
        self._texts: list[str] = []
        self._columns: list[str] = []
        self._found: list[Gap | Member] = []
        self._count = 0

    def claim(self, start: int, end: int, reading: Reading) -> None:
        """Note what a range of the file is."""
        self.source.account.claim(start, end, reading)

    def data(self, start: int, end: int, what: str) -> bytes:
        """Return the bytes of a range, or none if they are too many, which is told. Nothing is claimed."""
        if end - start > _LONGEST:
            self.tell(Gap(f"{what} has more than {_LONGEST} bytes, and was not read", f"byte {start}", bound="held_bytes"))
            return b""
        return Window(self.source.file, start, end - start).read(end - start)

    def read(self, start: int, end: int, column: str, encoding: str = "utf-8", reading: Reading = "text") -> str:
        """Add the text in a range of the file, and return it."""
        text, is_sure = decoded(self.data(start, end, column), encoding)
        if is_sure:
            self.claim(start, end, reading)
        self.add(text, column)
        return text

    def add(self, text: str, column: str) -> None:
        """Add a text. Several that stand in one field, with zeros between them, become its lines."""
        text = text.strip("\0").replace("\0", "\n")
        if text.strip():
            self._texts.append(text)
            self._columns.append(column[:_NAME])
            self._count += len(text)

    def tell(self, gap: Gap) -> None:
        """Add a gap."""
        self._found.append(gap)

    def file(self, name: str, start: int, end: int, opaque: bool = False) -> None:
        """Add the file in a range of this one, such as a picture."""
        end = min(end, self.size)
        self.claim(start, end, "members")
        self._found.append(Member(name, cast("BinaryIO", Pieces(Window(self.source.file, start, end - start).pieces())), opaque=opaque))

    def decoded_file(self, name: str, data: bytes) -> None:
        """Add a file that was decoded from a part of this one."""
        self._found.append(Member(name, io.BytesIO(data)))

    def take(self, least: int = 0) -> Iterator[Item]:
        """Yield the texts so far if they have more than `least` characters, and everything else that was added."""
        if self._count > least:
            yield Block(self._texts, column=self._columns, view="metadata")
            self._texts, self._columns, self._count = [], [], 0
        found, self._found = self._found, []
        yield from found

    def full(self) -> Iterator[Item]:
        """Yield the texts so far if there are many, and everything else that was added."""
        return self.take(_BATCH)


class Cues:
    """The subtitles of one file, by track, in order. Their `row` is the number of the subtitle in its track."""

    def __init__(self) -> None:
        self._cues: dict[str, list[tuple[int, str]]] = {}
        self._counts: Counter[str] = Counter()
        self._size = 0

    def add(self, track: str, text: str) -> None:
        """Add a subtitle. Empty ones, which clear the screen, count but are not given."""
        self._counts[track] += 1
        text = text.strip("\0").replace("\0", "\n")
        if text.strip():
            self._cues.setdefault(track, []).append((self._counts[track], text))
            self._size += len(text)

    def take(self, least: int = 0) -> Iterator[Block]:
        """Yield the subtitles so far if they have more than `least` characters."""
        if self._size > least:
            for track, cues in self._cues.items():
                yield Block([text for _, text in cues], row=[row for row, _ in cues], part=track)
            self._cues, self._size = {}, 0

    def full(self) -> Iterator[Block]:
        """Yield the subtitles so far if there are many."""
        return self.take(_BATCH)


def next_mark(texts: MediaTexts, at: int, mark: bytes) -> int | None:
    """Return where these bytes stand next. They are looked for in pieces that grow, so that many gaps are no more work than their bytes."""
    size = _NEAR
    while at < texts.size:
        data = Window(texts.source.file, at, size).read(size)
        if (found := data.find(mark)) >= 0:
            return at + found
        at += max(1, len(data) - len(mark) + 1)
        size = min(CHUNK, 2 * size)
    return None


def decoded(data: bytes, encoding: str) -> tuple[str, bool]:
    """Return a text, and whether it certainly is one in this encoding.

    What is not, and everything in Latin-1 beyond ASCII, which is often in another encoding, is searched once more as bytes that nobody
    claims.
    """
    try:
        return data.decode(encoding), encoding != "latin-1" or data.isascii()
    except UnicodeDecodeError:
        return data.decode("latin-1" if encoding == "utf-8" else encoding, "replace"), False
