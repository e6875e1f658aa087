"""Reads JSON documents (streamed) and JSON lines: every string with its path. `row` is the index in the outermost array, or the line."""

from __future__ import annotations

import codecs
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import ijson

from veritensor_ray.core.errors import LimitExceeded, ReadError, told
from veritensor_ray.core.media_types import JSON, NOTEBOOK
from veritensor_ray.core.segments import Block, Gap
from veritensor_ray.formats.columnar.keyed_rows import bounded, written
from veritensor_ray.formats.common.column_paths import LONGEST_PATH, shorten
from veritensor_ray.formats.common.source import Source
from veritensor_ray.formats.common.streams import decoded
from veritensor_ray.formats.common.undecoded import undecoded
from veritensor_ray.formats.json.speakers import CONVERSATIONS, is_said
from veritensor_ray.formats.json.value_tree import RECORD, SMALL, Strings, is_text, text_of, value_of
from veritensor_ray.formats.text.read import read_text

_ROWS = 4096
_CHARS = 4 << 20
_PIECE = 1 << 16
_BLANK = b" \t\r\n\x00" + codecs.BOM_UTF8 + b"\xff\xfe"
_OPENS = ("start_map", "start_array")
_SCALARS = ("string", "number")
_NO_ITEM = ("end_map", "end_array")
_IN_TURN = 4  # containers around the texts of a turn: the array of records, a record, the list of turns, the turn


class _Turn:
    """What a turn of a conversation has said of itself so far. Its strings begin at the number `first`."""

    def __init__(self, first: int) -> None:
        self.first = first
        self.said: list[tuple[str, Any]] = []
        self._key = ""

    def name(self, key: str) -> None:
        """Take note of a key."""
        self._key = key if is_said(key) else ""
        if self._key and len(self.said) < 3:  # with a third one, the turn has no known speaker
            self.said.append((key, None))

    def value(self, value: Any) -> None:
        """Take note of the value of the last key."""
        if self._key:
            self.said[-1] = self._key, value


class Collector(Strings):
    """Collects strings into blocks of bounded size. Those of a turn of a conversation that has begun stay together, if they fit."""

    def __init__(self, via: str | None, lines: bool = False, key: Sequence[str] = ()) -> None:
        super().__init__(numbered=lines)
        self._via, self._lines, self._key = via, lines, key
        self._keys: dict[int | None, str] = {}  # by row
        self._size = 0
        self.turn: _Turn | None = None

    def begin_turn(self) -> None:
        """Begin a turn with the next string."""
        self.turn = _Turn(len(self.texts))

    def end_turn(self, path: str) -> None:
        """End the turn, since it is now known who spoke."""
        if self.turn is not None:
            self.hear(self.turn.said, path, self.turn.first)
        self.turn = None

    def add(self, text: str, path: str, row: int | None) -> bool:
        """Add a string. Returns whether the collector is full."""
        self.texts.append(text)
        self.paths.append(path if len(path) <= LONGEST_PATH else shorten(path))
        self.rows.append(row)
        self._size += len(text)
        return self._size >= _CHARS or len(self.texts) >= _ROWS

    def read_line(self, value: Any, row: int, depth: int) -> None:
        """Add the strings of a line. Raises ValueError as `read`."""
        known = len(self.texts)
        try:
            self.read(value, "", row, depth, RECORD)
        finally:
            self._size += sum(map(len, self.texts[known:]))
            if self._key and isinstance(value, tuple) and len(self.texts) > known:
                self._keep_key(dict(value), row)

    def _keep_key(self, fields: Mapping[str, Any], row: int) -> None:
        names = [name for name in self._key if name in fields]
        if names:
            self._keys[row] = written(names, [[_shown(fields[name])] for name in names])[0]

    @property
    def full(self) -> bool:
        return self._size >= _CHARS or len(self.texts) >= _ROWS

    def take(self, ended: bool = False) -> Iterator[Block]:
        """Yield what was collected since the last call. The strings of an open turn wait for its end, unless they alone fill a block."""
        if self.turn is not None and self.turn.first:
            yield self._cut(self.turn.first)
            self.turn.first = 0
        if ended or self.turn is None or self.full:
            self.turn = None
            if self.texts:
                yield self._cut(len(self.texts))

    def _cut(self, count: int) -> Block:
        """Return the first strings as a block, and forget them."""
        block = Block(
            self.texts[:count],
            row=self.rows[:count],
            column=self.paths[:count],
            line=[row + 1 for row in self.rows[:count] if row is not None] if self._lines else None,  # of a JSON line
            decoded_via=self._via,
            speaker=self.speakers(0, count),
            key=[self._keys.get(row) for row in self.rows[:count]] if self._keys else None,
        )
        self._keys = {}
        left = self.texts[count:], self.paths[count:], self.rows[count:]
        self.clear()
        self.texts, self.paths, self.rows = left
        self._size = sum(map(len, self.texts))
        return block


def _shown(value: Any) -> str | None:
    """Return a value of a record's key column. Objects and lists identify nothing."""
    if value is None or isinstance(value, tuple | list):
        return None
    return bounded(value if isinstance(value, str) else json.dumps(value))


class Utf8(io.RawIOBase):
    """Converts a text stream in any encoding to UTF-8 bytes, which the JSON parser needs."""

    def __init__(self, source: Source) -> None:
        self._pieces = decoded(source.file, source.kind.encoding or "utf-8")
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # the base class uses Buffer, which Python 3.11 lacks
        while not self._rest:
            text, _ = next(self._pieces, ("", 0))
            if not text:
                return 0
            self._rest = text.encode("utf-8", "replace")
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count


def read_json(source: Source) -> Iterator[Block | Gap]:
    """Read a JSON document in bounded memory, including all values of duplicate keys. Invalid JSON is read as plain text instead."""
    source.file.read(source.kind.bom)
    if (small := _small(source)) is not None:
        yield from small
        return
    kept: list[Block] | None = []
    problem, bound = "", None
    try:
        for block in _strings(source):
            if kept is None:
                yield block
                continue
            kept.append(block)
            if len(kept) > 16:  # a big document: everything read so far is kept, even if the rest cannot be parsed
                yield from kept
                kept = None
    except LimitExceeded as error:
        if error.bound != "json_depth":
            yield from kept or ()
            raise
        problem, bound = str(error), error.bound
    except ReadError:  # the data that came before the stream broke is still read
        yield from kept or ()
        raise
    except (ijson.JSONError, UnicodeDecodeError) as error:
        problem = f"not valid JSON: {told(error)}"
    if not problem:
        yield from kept or ()
        return
    if not source.file.seekable():
        yield from kept or ()
        raise ReadError(f"{problem}, and the {source.via} stream cannot be read again")
    if bound or (source.name_says in (JSON, NOTEBOOK) and not _is_blank(source)):
        yield Gap(f"{problem}; read as plain text", bound=bound)
    source.file.seek(0)
    yield from read_text(source)


def _small(source: Source) -> list[Block] | None:
    """The strings of a small document, or None if the document is large or irregular; the streaming parser then reports the problem."""
    if source.kind.encoding != "utf-8" or not source.file.seekable():
        return None
    begin = source.file.tell()
    size = source.file.seek(0, io.SEEK_END)
    source.file.seek(begin)
    found = Strings(numbered=False)
    if size > SMALL or (count := found.read_document(source.file.read(SMALL), source.limits.json_depth)) is None:
        source.file.seek(begin)
        return None
    source.counts.rows += count
    return [
        Block(
            found.texts[at : at + _ROWS],
            row=found.rows[at : at + _ROWS],
            column=found.paths[at : at + _ROWS],
            decoded_via=source.via,
            speaker=found.speakers(at, min(at + _ROWS, len(found.texts))),
        )
        for at in range(0, len(found.texts), _ROWS)
    ]


def _is_blank(source: Source) -> bool:
    """Whether the source is empty or blank, so that nothing can be lost."""
    source.file.seek(0)
    return all(not piece.strip(_BLANK) for piece in iter(lambda: source.file.read(_PIECE), b""))


def _strings(source: Source) -> Iterator[Block]:
    """Stream the strings. Paths are built here and only for strings: ijson's own prefixes grow with the depth before any limit on it can be
    checked.
    """
    stream: Any = source.file if source.kind.encoding == "utf-8" else io.BufferedReader(Utf8(source))
    collector = Collector(source.via)
    here, around = "", list[str]()  # the path of the next value, and the paths of the containers around it
    row, is_array, outermost = -1, False, False  # the last one: whether the next value is an item of the outermost array
    try:
        for event, value in ijson.basic_parse(stream, buf_size=1 << 18, use_float=True):
            if event == "map_key":
                base = around[-1]
                if collector.turn is not None and len(around) == _IN_TURN:
                    collector.turn.name(value)
                if is_text(value) and collector.add(value, base, row if is_array else None):
                    yield from collector.take()
                here = f"{base}.{value}" if base else value
                if len(here) > LONGEST_PATH:
                    here = shorten(here)
            elif event in _NO_ITEM:
                here = around.pop()
                if collector.turn is not None and len(around) < _IN_TURN:
                    collector.end_turn(here)
                outermost = is_array and len(around) == 1
            else:
                row += outermost
                if collector.turn is not None and len(around) == _IN_TURN:
                    collector.turn.value(value)
                if event in _SCALARS and (text := text_of(value, here)) is not None:
                    if collector.add(text, here, row if is_array else None):
                        yield from collector.take()
                elif event in _OPENS:
                    if event == "start_map" and is_array and _is_conversation(around, here):
                        collector.begin_turn()
                    is_array |= event == "start_array" and not around
                    around.append(here)
                    here += "[]" if event == "start_array" and len(around) > 1 else ""
                    outermost = is_array and len(around) == 1
                    if len(around) > source.limits.json_depth:
                        raise LimitExceeded("json_depth", f"the JSON is nested deeper than {source.limits.json_depth} levels")
    except (ReadError, ijson.JSONError, UnicodeDecodeError):
        yield from collector.take(ended=True)
        raise
    source.counts.rows += row + 1
    yield from collector.take()


def _is_conversation(around: list[str], here: str) -> bool:
    """Whether the next value is an item of a list of turns in a record, which is an item of the outermost array."""
    return len(around) == _IN_TURN - 1 and around[2] in CONVERSATIONS and here == f"{around[2]}[]"


def read_jsonl(source: Source) -> Iterator[Block | Gap]:
    """Read one JSON value per line. A line that cannot be parsed is read as plain text and reported."""
    source.file.read(source.kind.bom)
    collector = Collector(source.via, lines=True, key=source.key)
    broken: list[int] = []
    row = -1
    damage: list[ReadError] = []
    bad = [0]
    for row, line in enumerate(_lines(source, damage, bad)):  # the last number is also the count
        if line and not line.isspace():
            try:
                # in RFC 7464, a line begins with a record separator
                collector.read_line(value_of(line.lstrip("\x1e")), row, source.limits.json_depth)
            except (ValueError, RecursionError):
                broken.append(row)
                collector.add(line, "", row)
        if collector.full:
            yield from collector.take()
    source.counts.rows += row + 1
    source.counts.lines += row + 1
    yield from collector.take()
    if broken:
        yield Gap(f"lines that are not valid JSON, read as plain text: {len(broken)}", location=f"row {broken[0]}", count=len(broken))
    yield from undecoded(bad[0], str(source.kind.encoding))
    if damage:
        raise damage[0]


def _lines(source: Source, damage: list[ReadError], bad: list[int]) -> Iterator[str]:
    """Yield lines without their ends. If the stream breaks, everything before is yielded and `damage` receives the reason.

    `bad` receives the number of characters that could not be decoded.
    """
    rest: list[str] = []  # pieces of an unfinished line, joined once: otherwise an endless line would take quadratic time
    try:
        for text, bad[0] in decoded(source.file, source.kind.encoding or "utf-8"):
            first, *more = text.split("\n")
            rest.append(first)
            if more:
                yield "".join(rest)
                rest = [more.pop()]
                yield from more
    except ReadError as error:
        damage.append(error)
    if line := "".join(rest):
        yield line
