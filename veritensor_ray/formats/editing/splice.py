"""Changes characters of a text file and copies all its other bytes as they are, in the file's encoding and in bounded memory."""

from __future__ import annotations

import bisect
import codecs
import functools
import io
import itertools
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import BinaryIO, NamedTuple

import numpy as np

from veritensor_ray.core import bounds
from veritensor_ray.core.reasons import ReasonCode
from veritensor_ray.formats.common.file_ranges import copy_range
from veritensor_ray.formats.common.source import Source
from veritensor_ray.formats.editing.actions import Action, CannotRewriteError
from veritensor_ray.formats.editing.edits import Edit, OrderedRange, Orders

_CHUNK = 1 << 20  # read at once
_STEP = 1 << 12  # searched for a character
_BATCH = 1 << 15  # edits whose bytes are looked up together
_SHIFTING = ("utf-7", "utf-16", "utf-32", "hz", "iso2022")  # the same bytes mean different characters, depending on what precedes them
_WIDTHS = {"utf-16-le": 2, "utf-16-be": 2, "utf-32-le": 4, "utf-32-be": 4}
_REPLACED = "veritensor-replaced"


class TextLine(NamedTuple):
    """A line of a text file, counted from 0, with its line end. It begins at character `start` and at byte `byte` of the file."""

    number: int
    text: str
    start: int
    byte: int


class _Change(NamedTuple):
    """Replace the bytes from `start` to `end` of a file by `data`."""

    start: int
    end: int
    data: bytes


def spliced(source: Source, out: BinaryIO, edits: Iterable[Edit], pulse: Callable[[], None]) -> None:
    """Copy a seekable text file with changes to characters of its decoded text, which are counted after the byte order mark.

    The edits may come in any order; those that overlap become one, with the text of the longest. Raises CannotRewriteError for characters
    that do not exist.
    """
    starts, ends, texts = array("q"), array("q"), list[str]()  # there may be a million
    for start, end, text in edits:
        starts.append(start)
        ends.append(end)
        texts.append(text)
    order = np.lexsort((-np.array(ends), np.array(starts)))
    ascending = (
        [Edit(starts[number], ends[number], texts[number]) for number in order[first : first + _BATCH].tolist()]
        for first in range(0, len(order), _BATCH)
    )
    encoding = encoding_of(source)
    changes = _in_bytes(_Places(source, encoding, pulse), ascending, encoding)
    _copy(source.file, out, _merged(changes), pulse)


def over_characters(source: Source, orders: Orders, dropping: bool = False) -> list[OrderedRange]:
    """Return the orders over bytes with the characters that they are about. One without a range, or with a very long one, is left out.

    Orders that drop a row or a cell are only included if `dropping`.
    """
    able = [
        order
        for order in orders.over_bytes
        if (dropping or order.action not in (Action.DROP_ROW, Action.DROP_CELL))
        and source.kind.bom <= order.mark.start < order.mark.end <= order.mark.start + bounds.HELD
    ]
    places = _Places(source, encoding_of(source), orders.pulse)
    chars = places.chars_of(edge for order in able for edge in (order.mark.start, order.mark.end))
    return [
        OrderedRange(chars[order.mark.start][0], chars[order.mark.end][1], order)
        for order in able
        if order.mark.start in chars and order.mark.end in chars
    ]


def spliced_value(raw: bytes, edits: Sequence[Edit]) -> bytes:
    """Return a value in UTF-8 with changes to characters of its decoded text: ascending, not overlapping. All other bytes stay."""
    text = raw.decode("utf-8", _replaced())
    edges = [edge for edit in edits for edge in (edit.start, edit.end)]
    begins = [
        *_bytes_of(raw, text, [edge for edge in edges if edge < len(text)], "utf-8"),
        *(len(raw) for edge in edges if edge >= len(text)),
    ]
    pieces, at = [], 0
    for edit, start, end in zip(edits, begins[::2], begins[1::2], strict=True):
        pieces += [raw[at:start], encoded(edit.text, "utf-8")]
        at = end
    return b"".join([*pieces, raw[at:]])


def lines_of(source: Source) -> Iterator[TextLine]:
    r"""Yield the lines of a text file; they end with "\n", as for the readers. Raises CannotRewriteError for one that is too long to hold."""
    encoding = encoding_of(source)
    errors = _replaced()
    source.file.seek(source.kind.bom)
    start, byte, number = 0, source.kind.bom, 0
    while raw := _raw_line(source.file, encoding):
        text = raw.decode(encoding, errors)
        yield TextLine(number, text, start, byte)
        start, byte, number = start + len(text), byte + len(raw), number + 1


def text_of(source: Source, most: int) -> str:
    """Return the decoded text of a file as readers see it. Raises CannotRewriteError if it has more than `most` characters."""
    pieces: list[str] = []
    size = 0
    source.file.seek(source.kind.bom)
    for _, text in _blocks(source.file, encoding_of(source), _CHUNK):
        size += len(text)
        if size > most:
            raise CannotRewriteError(f"its text is longer than {most} characters")
        pieces.append(text)
    return "".join(pieces)


def encoding_of(source: Source) -> str:
    """Return the codec of a text file. Raises CannotRewriteError for one in which no piece of a text can be replaced by itself."""
    encoding = codecs.lookup(source.kind.encoding or "utf-8").name
    if encoding in _SHIFTING or encoding.startswith("iso2022"):
        raise CannotRewriteError(f"text in the encoding {encoding} is not rewritten")
    return encoding


def encoded(text: str, encoding: str) -> bytes:
    """Return a replacement in the encoding of the file. Characters that it lacks become question marks."""
    return text.encode(encoding, "replace")


@functools.cache
def _replaced() -> str:
    """The name of the error handler that the readers' text is decoded with: one U+FFFD for each sequence that cannot be decoded."""

    def replace(error: UnicodeError) -> tuple[str, int]:
        return "\ufffd", error.end if isinstance(error, UnicodeDecodeError) else 0

    codecs.register_error(_REPLACED, replace)
    return _REPLACED


def _blocks(file: BinaryIO, encoding: str, size: int) -> Iterator[tuple[bytes, str]]:
    """Yield the rest of a file as blocks of about `size` bytes, each with its text. A block ends where a character ends."""
    decoder = codecs.getincrementaldecoder(encoding)(_replaced())
    pending = b""
    while True:
        data = file.read(size)
        text = decoder.decode(data, final=not data)
        raw = pending + data
        pending = decoder.getstate()[0] if data else b""
        block = raw[: len(raw) - len(pending)]
        if block or text:
            yield block, text
        if not data:
            return


def _raw_line(file: BinaryIO, encoding: str) -> bytes:
    """Read a line with its end; empty at the end of the file."""
    width = _WIDTHS.get(encoding, 1)
    newline = "\n".encode(encoding)
    line = bytearray()
    while piece := file.readline(bounds.HELD + 1):
        line += piece
        line += file.read(-len(line) % width)
        if line[-width:] == newline:
            break
        if len(line) > bounds.HELD:
            raise CannotRewriteError(f"a line of it is longer than {bounds.HELD} bytes (held_bytes)", ReasonCode.LIMIT)
    return bytes(line)


class _Places:
    """Finds characters in the bytes of a file."""

    def __init__(self, source: Source, encoding: str, pulse: Callable[[], None]) -> None:
        self._source, self._encoding, self._pulse = source, encoding, pulse
        self._reached = 0, source.kind.bom  # a character and its byte

    def bytes_of(self, edits: Sequence[Edit]) -> dict[int, int]:
        """Return the bytes at which the edges of edits begin. The end of the text counts as a character.

        Edits ascend, and so do those of one call after another.
        """
        wanted = sorted({edge for edit in edits for edge in (edit.start, edit.end)})
        found: dict[int, int] = {}
        end, last = char, byte = self._reached
        for raw, text, char, byte in self._walk(wanted, in_bytes=False, begin=self._reached):
            if char <= edits[-1].start:
                self._reached = char, byte
            end, last = char + len(text), byte + len(raw)
            some = wanted[bisect.bisect_left(wanted, char) : bisect.bisect_left(wanted, end)]
            begins = _bytes_of(raw, text, [one - char for one in some], self._encoding) if some else []
            found.update((one, byte + begin) for one, begin in zip(some, begins, strict=True))
            if end > wanted[-1]:
                return found
        found[end] = last
        if missing := [one for one in wanted if one not in found]:
            raise CannotRewriteError(f"its text has {end} characters, and character {missing[0]} is to be changed")
        return found

    def chars_of(self, edges: Iterable[int]) -> dict[int, tuple[int, int]]:
        """Return for each byte the first and the last character that begins at or around it. They differ if it is within a character."""
        wanted = sorted(set(edges))
        found: dict[int, tuple[int, int]] = {}
        end, last = 0, self._source.kind.bom
        for raw, text, char, byte in self._walk(wanted, in_bytes=True, begin=(0, last)) if wanted else ():
            end, last = char + len(text), byte + len(raw)
            for one in wanted[bisect.bisect_left(wanted, byte) : bisect.bisect_left(wanted, last)]:
                before, within = _before(raw, one - byte, self._encoding)
                found[one] = char + before, char + before + within
        found[last] = end, end
        return found

    def _walk(self, wanted: list[int], in_bytes: bool, begin: tuple[int, int]) -> Iterator[tuple[bytes, str, int, int]]:
        """Yield the file in blocks, each with its text, first character and first byte. Those with wanted places are small.

        `begin` is the character to begin with, and its byte.
        """
        char, byte = begin
        self._source.file.seek(byte)
        for raw, text in _blocks(self._source.file, self._encoding, _CHUNK):
            self._pulse()
            first, last = (byte, byte + len(raw)) if in_bytes else (char, char + len(text))
            is_wanted = bisect.bisect_left(wanted, first) < bisect.bisect_left(wanted, last)
            for small, its_text in _blocks(io.BytesIO(raw), self._encoding, _STEP) if is_wanted else ((raw, text),):
                yield small, its_text, char, byte
                char, byte = char + len(its_text), byte + len(small)


def _bytes_of(raw: bytes, text: str, chars: list[int], encoding: str) -> list[int]:
    """Return where characters of a block, which ascend, begin."""
    if len(raw) == len(text) and text.isascii():
        return chars
    found: list[int] = []
    base, at = 0, 0  # the first character of the piece, and the next one that is asked for
    for start, end, piece in _pieces(raw, encoding):
        last = bisect.bisect_left(chars, base + len(piece), at)
        found += [start + one for one in _within(raw[start:end], piece, [char - base for char in chars[at:last]], encoding)]
        base, at = base + len(piece), last
    return found


def _pieces(raw: bytes, encoding: str) -> Iterator[tuple[int, int, str]]:
    """Yield the ranges of a block that can be decoded, with their text, and those between them, each of which is one U+FFFD."""
    view, at = memoryview(raw), 0
    while at < len(raw):
        try:
            yield at, len(raw), str(view[at:], encoding)
            return
        except UnicodeDecodeError as error:
            start, end = at + error.start, at + max(error.end, error.start + 1)
        if start > at:
            yield at, start, str(view[at:start], encoding)
        yield start, end, "\ufffd"
        at = end


def _within(raw: bytes, text: str, chars: list[int], encoding: str) -> list[int]:
    """Return where characters, which ascend, begin in bytes that have no error."""
    if not chars or chars[-1] == 0:
        return [0] * len(chars)
    edges = [0, *chars, len(text)]
    sizes = [len(text[start:end].encode(encoding, "replace")) for start, end in itertools.pairwise(edges)]
    if text.encode(encoding, "replace") == raw and sum(sizes) == len(raw):
        return list(itertools.accumulate(sizes[:-1]))
    return [_searched(raw, text, char, encoding) for char in chars]


def _searched(raw: bytes, text: str, char: int, encoding: str) -> int:
    """Return where a character begins in bytes that another encoder might have written: it is where both sides are the characters they
    should be.
    """
    before, after = text[:char], text[char:]
    likely = len(before.encode(encoding, "replace"))
    for at in itertools.chain((likely,), range(char, len(raw))):
        try:
            if str(raw[:at], encoding) == before and str(raw[at:], encoding) == after:
                return at
        except UnicodeDecodeError:
            continue
    raise CannotRewriteError(f"a character to be changed has no bytes of its own in the encoding {encoding}")


def _before(raw: bytes, byte: int, encoding: str) -> tuple[int, bool]:
    """Return how many characters of a block begin and end before a byte, and whether the byte is within another one."""
    count = 0
    for start, end, text in _pieces(raw, encoding):
        if byte >= end:
            count += len(text)
        elif byte <= start:
            break
        else:
            at = byte - start
            while at and (before := _split(raw[start:end], at, encoding)) is None:
                at -= 1
            return count + (before or 0 if at else 0), at < byte - start
    return count, False


def _split(raw: bytes, at: int, encoding: str) -> int | None:
    """Return the number of characters before a byte, in bytes that have no error; None if the byte is within a character."""
    try:
        before = str(raw[:at], encoding)
        str(raw[at:], encoding)
    except UnicodeDecodeError:
        return None
    return len(before)


def _in_bytes(places: _Places, batches: Iterable[Sequence[Edit]], encoding: str) -> Iterator[_Change]:
    for edits in batches:
        byte = places.bytes_of(edits)
        for start, end, text in edits:
            yield _Change(byte[start], byte[end], encoded(text, encoding))


def _merged(changes: Iterable[_Change]) -> Iterator[_Change]:
    """Join changes that overlap; they ascend. The longest one says what takes their place."""
    joined: _Change | None = None
    longest = 0
    for change in changes:
        start, end, data = change
        if joined is None or start >= joined.end:
            if joined is not None:
                yield joined
            joined, longest = change, end - start
            continue
        first, last, kept = joined
        if end - start > longest:
            longest, kept = end - start, data
        joined = _Change(first, max(last, end), kept)
    if joined is not None:
        yield joined


def _copy(file: BinaryIO, out: BinaryIO, changes: Iterable[_Change], pulse: Callable[[], None]) -> None:
    """Copy a file with changes, which ascend and do not overlap."""
    at = 0
    for change in changes:
        copy_range(file, out, at, change.start, pulse)
        out.write(change.data)
        at = change.end
    copy_range(file, out, at, None, pulse)
