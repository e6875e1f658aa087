"""Finds the objects of a PDF as they stand in the file, whether or not its tables list them. It follows no references and draws nothing.

PDFium exposes pages, but few of the actions, files and texts around them, so the file is searched in one pass over everything outside
streams. If an object was rewritten later, both versions are found.
"""

from __future__ import annotations

import io
import re
import zlib
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from veritensor_ray.core import bounds
from veritensor_ray.formats.common.budget import Budget

_WINDOW = 16 << 20
_MOST_BYTES = bounds.PDF_OBJECTS  # bytes of objects, excluding streams
_SPACE = rb"[\x00\t\n\f\r ]"
_OBJECT = re.compile(rb"(?<!\d)(\d{1,10})" + _SPACE + rb"+\d{1,5}" + _SPACE + rb"+obj(?![A-Za-z])")
# An object follows another one or a revision; searching for these words is ten times as fast as for any number.
_HEADERS = [
    re.compile(word + _SPACE + rb"*+(\d{1,10})" + _SPACE + rb"++\d{1,5}" + _SPACE + rb"++obj(?![A-Za-z])") for word in (b"endobj", b"%%EOF")
]
_STREAM = re.compile(rb">>" + _SPACE + rb"*stream(?:\r\n|\n|\r)")
_DATA_END = re.compile(_SPACE + rb"*end(?:stream|obj)")
_LENGTH = re.compile(rb"/Length" + _SPACE + rb"+(\d{1,10})(?!" + _SPACE + rb"+\d+" + _SPACE + rb"+R|\d)")
_FILTER = re.compile(rb"/(?:Filter|F)" + _SPACE + rb"*(?:\[([^\]]*)\]|/([A-Za-z0-9]+))")
_NAME = re.compile(rb"/([^\x00-\x20()<>\[\]{}/%]+)")
_ESCAPED = re.compile(rb"#([0-9A-Fa-f]{2})")
_LETTER = re.compile(rb"#[3-7]")
OBJECT_STREAM = re.compile(rb"/Type" + _SPACE + rb"*/ObjStm(?![A-Za-z])")
# A string whose brackets are balanced, or hexadecimal digits.
STRING = (
    rb"\((?:[^()\\]++|\\.|\((?:[^()\\]++|\\.|\((?:[^()\\]++|\\.)*+\))*+\))*+\)|<[\x00\t\n\f\r ]*+[0-9A-Fa-f][0-9A-Fa-f\x00\t\n\f\r ]*+>"
)
# What stands outside of streams: numbers, names, strings, brackets, the words of the format, and the marks of its version and its end.
_SYNTAX = re.compile(
    rb"(?:[\x00\t\n\f\r \[\]{}]++|[+-]?\d{1,11}(?!\d)(?:\.\d*+)?|[+-]?\.\d++|/[^\x00-\x20()<>\[\]{}/%]*+|<<|>>|<>|"
    + STRING
    + rb"|(?:endobj|obj|R|n|f|endstream|stream|xref|trailer|startxref|true|false|null)(?![A-Za-z@])"
    rb"|%PDF-[\d.]{1,8}(?![^ \r\n])|%%EOF|%[^\x00-\x7f]{1,8}(?![^\r\n]))*+",
    re.DOTALL,
)
_SYNTAX_AGAIN = re.compile(
    rb"(?<!\d)\d{1,10}" + _SPACE + rb"+\d{1,5}" + _SPACE + rb"+obj(?![A-Za-z])|endobj|startxref|xref|trailer|%%EOF|endstream"
)
_LINE_END = re.compile(rb"[\r\n]")
_SHORT = {b"Fl": b"FlateDecode", b"AHx": b"ASCIIHexDecode", b"A85": b"ASCII85Decode", b"RL": b"RunLengthDecode"}


@dataclass(frozen=True, slots=True)
class Stream:
    """The location of a stream's data in the file, and its dictionary."""

    offset: int
    length: int
    about: bytes

    @property
    def filters(self) -> list[bytes]:
        """The names of the filters to undo, in order."""
        found = _FILTER.search(self.about)
        names = _NAME.findall(found[1]) if found and found[1] else [found[2]] if found else []
        return [_SHORT.get(name, name) for name in names]


@dataclass(slots=True)
class Objects:
    """Everything outside streams, and the content of object streams, as one text. `broken` says why some of it is missing.

    `streams` has the last stream of each number, `versions` all of them. `syntax` has the ranges of the file outside of streams that
    consist of nothing but the format's syntax: no comments, and nothing between objects. `names` has strings that stand where programs
    keep names, once the strings have been read.
    """

    text: bytes = b""
    streams: dict[int, Stream] = field(default_factory=dict)
    versions: list[tuple[int, Stream]] = field(default_factory=list)
    syntax: list[tuple[int, int]] = field(default_factory=list)
    names: set[str] = field(default_factory=set)
    broken: str | None = None
    too_many: bool = False
    starts: list[int] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    _bodies: dict[int, int] | None = None

    def number(self, position: int) -> int:
        """The number of the object at a position in `text`."""
        at = bisect_right(self.starts, position) - 1
        return self.numbers[at] if at >= 0 else 0

    def body(self, number: int, most: int = _MOST_BYTES) -> bytes:
        """The last version of an object, or so much of it."""
        if self._bodies is None:
            self._bodies = dict(zip(self.numbers, self.starts, strict=True))
        start = self._bodies.get(number)
        return b"" if start is None else self.text[start : min(self.span(start)[1], start + most)]

    def span(self, position: int) -> tuple[int, int]:
        """The start of the object at a position, and of the next one."""
        at = bisect_right(self.starts, position)
        return self.starts[at - 1] if at else 0, self.starts[at] if at < len(self.starts) else len(self.text)


def find_objects(file: BinaryIO, budget: Budget) -> Objects:
    """Search the whole file, one window at a time. Raises LimitExceeded."""
    return _ObjectSearch(file, budget).run()


class _ObjectSearch:
    def __init__(self, file: BinaryIO, budget: Budget) -> None:
        self._file, self._budget = file, budget
        self._found = Objects()
        self._bodies: list[bytes] = []
        self._size = 0
        self._open: tuple[int, int, bytes] | None = None  # an unfinished stream: number, offset, dictionary

    def run(self) -> Objects:
        base, found = 0, self._found
        while not found.too_many:
            self._file.seek(base)
            window = self._file.read(_WINDOW)
            if not window:
                break
            base += self._window(window, base, last=len(window) < _WINDOW)
        found.text = b"".join(self._bodies)
        first = _OBJECT.search(found.text)
        headers = [match for pattern in _HEADERS for match in pattern.finditer(found.text)] + ([first] if first else [])
        places = sorted({match.end(): int(match[1]) for match in headers}.items())
        found.starts, found.numbers = [start for start, _ in places], [number for _, number in places]
        return found

    def _window(self, window: bytes, base: int, last: bool) -> int:
        """Process a window. Returns the number of bytes processed; the next window begins after them."""
        at = 0
        if self._open:
            at = self._closed(window, base, last)
            if self._open:
                return at
        while match := _STREAM.search(window, at):
            head = max(at, window.rfind(b"obj", at, match.start()) - 20)
            begin = match.end()
            end = self._stream_end(window, begin, window[head : match.start()])
            if end < 0 and not last and at > 0:
                break  # search again from the beginning of the next window
            self._add(window[at : match.end()], base + at)
            number, about = _head(window[head : match.start()])
            if end < 0:
                self._open = number, base + begin, about
                return begin if last else self._closed(window, base, last, begin)
            self._take_stream(number, Stream(base + begin, end - begin, about), window, begin, end)
            at = end
        done = len(window) if last or at == 0 else window.rfind(b"endobj", at)
        done = done if done > at else at if at else len(window)
        self._add(window[at:done], base + at)
        return done

    def _closed(self, window: bytes, base: int, last: bool, begin: int = 0) -> int:
        """The end of the open stream in this window, or the part of the window that certainly belongs to it."""
        at = window.find(b"endstream", begin)
        if at < 0 and not last:
            return max(1, len(window) - 9)
        at = len(window) if at < 0 else at
        if self._open:
            number, offset, about = self._open
            lengths = _LENGTH.findall(about)
            declared = offset + int(lengths[-1]) - base if lengths else -1
            if 0 <= declared <= at and _DATA_END.match(window, declared):
                at = declared
            self._keep(number, Stream(offset, base + at - offset, about))
            self._open = None
        return at

    @staticmethod
    def _stream_end(window: bytes, begin: int, about: bytes) -> int:
        lengths = _LENGTH.findall(about)
        if lengths and _DATA_END.match(window, begin + int(lengths[-1])):
            return begin + int(lengths[-1])
        return window.find(b"endstream", begin)

    def _take_stream(self, number: int, stream: Stream, window: bytes, begin: int, end: int) -> None:
        self._keep(number, stream)
        if OBJECT_STREAM.search(stream.about):
            self._unpack(number, stream, window[begin:end])
        elif _holds_objects(window, begin, end):  # a string may pretend to be a stream
            self._add(window[begin:end])

    def _keep(self, number: int, stream: Stream) -> None:
        self._found.streams[number] = stream
        self._found.versions.append((number, stream))

    def _add(self, body: bytes, at: int | None = None) -> None:
        """Add a part of the text of the objects. It stands at `at` in the file, unless it was packed."""
        if at is not None:
            self._found.syntax += ((at + start, at + end) for start, end in matching(body, _SYNTAX, _SYNTAX_AGAIN))
        body = _plain(body)
        room = _MOST_BYTES - self._size
        self._found.too_many |= len(body) > room
        self._bodies += body[:room], b"\n"
        self._size += min(len(body), room) + 1

    def _unpack(self, number: int, stream: Stream, data: bytes) -> None:
        """Unpack an object stream: numbers and offsets, then the objects."""
        count, first = (_integer_of(key, stream.about) for key in (b"N", b"First"))
        if stream.filters not in ([], [b"FlateDecode"]) or b"/Predictor" in stream.about or not count or not first:
            self._found.broken = f"object stream {number} is packed in an unusual way"
            return
        try:
            if stream.filters:
                inflater = zlib.decompressobj()
                data = inflater.decompress(data, _MOST_BYTES)
                self._budget.add(len(data))
                self._found.too_many |= bool(inflater.unconsumed_tail)
            head = list(map(int, data[:first].split()[: 2 * count]))
        except (zlib.error, ValueError):
            self._found.broken = f"object stream {number} is damaged"
            return
        places = sorted(zip(head[1::2], head[0::2], strict=False))
        ends = [offset for offset, _ in places[1:]] + [len(data)]
        self._add(
            b"".join(
                b" endobj %d 0 obj %b" % (inner, data[first + at : first + end]) for (at, inner), end in zip(places, ends, strict=True)
            )
        )


def matching(body: bytes, syntax: re.Pattern[bytes], again: re.Pattern[bytes]) -> Iterator[tuple[int, int]]:
    """Yield the ranges that are nothing but syntax. Others end where it surely begins again; comments end with their line."""
    at = 0
    while at < len(body):
        found = syntax.match(body, at)
        end = found.end() if found else at
        if end > at and not body[at:end].isspace():  # lines of a comment stay together
            yield at, end
        following = (_LINE_END if body[end : end + 1] == b"%" else again).search(body, end + 1)
        at = following.start() if following else len(body)


def _head(before: bytes) -> tuple[int, bytes]:
    """The number and dictionary of the object at the end of `before`."""
    matches = list(_OBJECT.finditer(before))
    return (int(matches[-1][1]), _plain(before[matches[-1].end() :])) if matches else (0, _plain(before))


def _integer_of(key: bytes, about: bytes) -> int:
    found = re.search(rb"/" + key + _SPACE + rb"+(\d{1,9})(?!" + _SPACE + rb"+\d+" + _SPACE + rb"+R|\d)", about)
    return int(found[1]) if found else 0


def _holds_objects(window: bytes, begin: int, end: int) -> bool:
    at = window.find(b"obj", begin, end)
    while at >= 0:
        if _OBJECT.search(window, max(begin, at - 24), at + 3):
            return True
        at = window.find(b"obj", at + 3, end)
    return False


def _plain(body: bytes) -> bytes:
    """Resolve escapes in names, so that /J#53 becomes /JS."""
    if b"#" not in body or not _LETTER.search(body):
        return body
    return _NAME.sub(lambda name: _ESCAPED.sub(lambda code: _unescaped(code[1]), name[0]), body)


def _unescaped(code: bytes) -> bytes:
    character = bytes([int(code, 16)])
    return character if character.isalnum() or character in b"@.+-_:=!$&*,;?~" else b"\xa0"


class StreamFile(io.RawIOBase):
    """The data of a stream, inflated if it is deflated, a piece at a time."""

    def __init__(self, file: BinaryIO, stream: Stream, budget: Budget) -> None:
        self._file, self._at, self._end = file, stream.offset, stream.offset + stream.length
        self._budget = budget
        self._inflater = zlib.decompressobj() if stream.filters else None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data = self._more(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def _more(self, size: int) -> bytes:
        if self._inflater is None:
            return self._raw(size)
        while not self._inflater.eof:
            packed = self._inflater.unconsumed_tail or self._raw(65_536)
            try:
                data = self._inflater.decompress(packed, size) if packed else self._inflater.flush()
            except zlib.error:  # everything that a viewer shows of it was read
                return b""
            if data or not packed:
                self._budget.add(len(data))
                return data
        return b""

    def _raw(self, size: int) -> bytes:
        self._file.seek(self._at)
        data = self._file.read(min(size, self._end - self._at))
        self._at += len(data)
        return data


def opened(file: BinaryIO, stream: Stream, budget: Budget) -> BinaryIO | None:
    """The content of a stream, or None if its filters are unsupported. Reading raises LimitExceeded."""
    if stream.filters in ([], [b"FlateDecode"]) and b"/Predictor" not in stream.about:
        return io.BufferedReader(StreamFile(file, stream, budget))
    return None
