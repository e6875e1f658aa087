"""Reads RTF: text in order, and separately hidden text, comments, metadata and fields. Its depth is bounded; nothing is run or fetched."""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from veritensor_ray.core import bounds
from veritensor_ray.core.errors import LimitExceeded
from veritensor_ray.formats.common.block_writer import Writer
from veritensor_ray.formats.common.colors import BLACK, WHITE, Color, same
from veritensor_ray.formats.common.joined_text import Paragraph
from veritensor_ray.formats.common.source import Item, Member, Source
from veritensor_ray.formats.residue.strings import SHORTEST, VIEW
from veritensor_ray.formats.rtf import codepages, control_words, rtf_objects
from veritensor_ray.formats.rtf.text_sink import Sink

LARGEST = bounds.RTF
_DEPTH = 2000
_TOKEN = re.compile(
    r"\\([a-zA-Z]{1,32})(-?\d{1,9})? ?|((?:\\'[0-9a-fA-F]{2})+)|\\([^a-zA-Z])|([{}])|([^\\{}\r\n]+)|[\r\n]+|\\|\Z", re.DOTALL
)
_TINY = 2  # half points
_NAME = 256


def read_rtf(source: Source) -> Iterator[Item]:
    """Read the file. Offsets are in bytes. Nothing fails to parse."""
    text = source.file.read(LARGEST + 1).decode("latin-1")
    writer = Writer(source.via)
    document = _Rtf(writer)
    yield from document.read(text[:LARGEST])
    yield from writer.rest()
    source.account.claim(0, text.rfind("}") + 1, "text")
    if len(text) > LARGEST:
        raise LimitExceeded("rtf_bytes", f"only the first {LARGEST} bytes of the RTF file were read")


def read_with_alternatives(text: str, alternatives: dict[int, list[tuple[int, int]]]) -> Iterator[Item]:
    """Read a whole file, given as a character for each byte, and note what follows characters for programs that do not know them.

    `alternatives` gets the places of these by the end of the character before them.
    """
    writer = Writer()
    yield from _Rtf(writer, alternatives).read(text)
    yield from writer.rest()


@dataclass(frozen=True, slots=True)
class _Format:
    """The formatting that a group inherits. `hidden` is derived from the other fields."""

    sink: Sink
    vanished: bool = False
    deleted: bool = False
    size: int = 24
    ink: int = 0
    paper: int = 0
    codec: str | None = None
    skip: int = 1  # characters after a \\u that are its fallback


class _Rtf:
    """Takes tokens in order."""

    def __init__(self, writer: Writer, alternatives: dict[int, list[tuple[int, int]]] | None = None) -> None:
        self._writer, self._alternatives = writer, alternatives
        self._body = Sink(writer, control_words.Destination("visible"))
        self._format = _Format(self._body)
        self._stack: list[_Format] = []
        self._deeper = 0  # groups that are open beyond the limit
        self._starred = False
        self._fresh = False  # a group has begun and is still empty
        self._skip = self._skip_for = 0  # characters that are an alternative, and the end of the one that they stand for
        self._lead, self._lead_at = b"", 0  # the first byte of a two-byte character, and its position
        self._surrogate: tuple[int, int] | None = None
        self._document_codec = "cp1252"
        self._fonts: dict[int, str | None] = {}
        self._font = 0
        self._colors: list[Color] = []
        self._color: dict[str, int] = {}
        self._shaded = self._shaded_cell = self._was_shaded = False  # a paragraph or cell has a background that is not analyzed
        self._picture = ""
        self._hides = False

    def read(self, text: str) -> Iterator[Item]:
        """Yield everything that the text contains."""
        at, line, seen = 0, 1, 0
        while found := _TOKEN.match(text, at):
            start, at = at, found.end()
            line += text.count("\n", seen, start)
            seen = start
            word, number, encoded, symbol, brace, plain = found.groups()
            if plain is not None:
                self._plain(plain, start, line)
            elif word is not None:
                if word == "bin":
                    at = self._binary(text, at, int(number or 0))
                else:
                    self._word(word, None if number is None else int(number), start, at, line)
            elif encoded is not None:
                self._encoded(encoded, start, line)
            elif brace == "{":
                self._open()
            elif brace == "}":
                yield from self._close()
            elif symbol is not None:
                self._symbol(symbol, start, at, line)
            elif start == len(text):
                break
            if self._writer.ready:
                yield from self._writer.drain()
        while self._stack:
            self._deeper = 0
            yield from self._close()
        self._body.end()

    def _open(self) -> None:
        self._fresh = True
        if len(self._stack) >= _DEPTH:
            self._deeper += 1
            return
        self._stack.append(self._format)
        self._skip = 0

    def _close(self) -> Iterator[Member]:
        self._skip, self._fresh, self._starred = 0, False, False
        if self._deeper:
            self._deeper -= 1
            return
        if not self._stack:
            return
        ended, self._format = self._format.sink, self._stack.pop()
        self._judge()
        if ended is not self._format.sink:
            ended.end()
            if ended.digits is not None and (data := rtf_objects.from_digits("".join(ended.digits))):
                yield self._member(ended, data)

    def _member(self, ended: Sink, data: bytes) -> Member:
        if ended.word == "pict":
            return rtf_objects.picture(data, ended.start, self._picture)
        if ended.word == "objdata":
            return rtf_objects.embedded(data, ended.start)
        return rtf_objects.unnamed(data, ended.start, ended.word)

    def _into(self, start: int, line: int) -> Paragraph:
        return self._format.sink.into(self._hides, start, line)

    def _judge(self) -> None:
        """Decide whether a reader sees text in the current format."""
        now = self._format
        if now.sink.destination.view == "metadata":
            self._hides = False
            return
        self._hides = now.vanished or now.deleted or now.size <= _TINY or self._same_color()

    def _same_color(self) -> bool:
        now = self._format
        if not now.ink or ((self._shaded_cell or self._shaded) and not now.paper):
            return False
        ink, paper = (self._colors[i] if 0 < i < len(self._colors) else default for i, default in ((now.ink, BLACK), (now.paper, WHITE)))
        return same(ink, paper)

    def _change(self, **what: object) -> None:
        self._format = replace(self._format, **what)  # type: ignore[arg-type]
        self._judge()

    def _destination(self, word: str, start: int) -> None:
        if word == "pict":
            self._picture = ""
        known = control_words.PARTS.get(word) or control_words.Destination("metadata", word[:_NAME])
        self._format = _Format(Sink(self._writer, known, word, start), codec=self._format.codec, skip=self._format.skip)
        self._judge()

    def _word(self, word: str, number: int | None, start: int, end: int, line: int) -> None:
        fresh, starred = self._fresh, self._starred
        self._fresh = self._starred = False
        if word == "u" and number is not None:
            self._unicode(number, start, end, line)
        elif (
            fresh
            and (starred or word in control_words.PARTS or word in control_words.METADATA or word in control_words.HEX)
            and word not in control_words.INLINE
        ):
            self._destination(word, start)
        elif word in control_words.CHARACTERS:
            self._into(start, line).shown(control_words.CHARACTERS[word], start, end, line)
        elif word in control_words.BREAKS:
            self._format.sink.end()
        elif word in _HANDLERS:
            _HANDLERS[word](self, 1 if number is None else number)
        elif word in rtf_objects.PICTURES:
            self._picture = rtf_objects.PICTURES[word]
        elif word in codepages.DOCUMENT:
            self._document_codec = codepages.DOCUMENT[word]

    def _plain_format(self, _: int) -> None:
        self._change(vanished=False, deleted=False, size=24, ink=0, paper=0, codec=None)

    def _set_font(self, number: int) -> None:
        self._font = number
        if self._format.sink.word != "fonttbl":
            self._change(codec=self._fonts.get(number))

    def _set_charset(self, number: int) -> None:
        if len(self._fonts) < 65_536:
            self._fonts[self._font] = codepages.of_charset(number)
        if self._format.sink.word == "fonttbl":
            self._format = replace(self._format, codec=codepages.of_charset(number))

    def _shade(self, cell: bool, shaded: bool) -> None:
        if cell:
            self._shaded_cell = shaded
        else:
            self._shaded = shaded
        self._judge()

    def _paragraph_format(self, _: int) -> None:
        """Reset the paragraph format. After a table its cells no longer count; inside one, the next word says so."""
        self._was_shaded, self._shaded, self._shaded_cell = self._shaded_cell, False, False
        self._judge()

    def _in_table(self, _: int) -> None:
        self._shaded_cell = self._shaded_cell or self._was_shaded
        self._judge()

    def _set_color(self, channel: str, number: int) -> None:
        self._color[channel] = number

    def _symbol(self, symbol: str, start: int, end: int, line: int) -> None:
        if symbol == "*":
            self._starred = True
            return
        self._fresh = False
        if self._skip:
            self._skip -= 1
            self._passed(start, end)
        elif symbol in "\r\n":
            self._format.sink.end()
        elif shown := control_words.SYMBOLS.get(symbol, symbol if symbol.isprintable() else ""):
            self._into(start, line).shown(shown, start, end, line)

    def _plain(self, text: str, start: int, line: int) -> None:
        self._fresh = False
        sink = self._format.sink
        if sink.digits is not None:
            sink.digits.append(text)
            return
        if sink.word == "colortbl":
            self._color_entries(text)
            return
        if self._skip:
            skipped = min(self._skip, len(text))
            self._skip -= skipped
            self._passed(start, start + skipped)
            if skipped >= SHORTEST:  # one letter is usual, in place of the one that old programs do not know
                self._writer.source(VIEW, text[:skipped], start, line, "alternative")
            text, start = text[skipped:], start + skipped
        if self._lead and text:
            self._bytes(text[0].encode("latin-1"), start, start + 1, line)
            text, start = text[1:], start + 1
        if not text:
            return
        if text.isascii():
            self._into(start, line).plain(text, start, line)
        else:
            self._bytes(text.encode("latin-1"), start, start + len(text), line)

    def _passed(self, start: int, end: int) -> None:
        """Note an alternative that is not shown."""
        if self._alternatives is not None and start < end:
            self._alternatives.setdefault(self._skip_for, []).append((start, end))

    def _color_entries(self, text: str) -> None:
        for _ in range(min(text.count(";"), 4096 - len(self._colors))):
            red, green, blue = (float(min(255, max(0, self._color.get(channel, -1)))) for channel in ("red", "green", "blue"))
            self._colors.append((red, green, blue, 1.0) if self._color else BLACK)
            self._color = {}

    def _encoded(self, encoded: str, start: int, line: int) -> None:
        self._fresh = False
        skipped = min(self._skip, len(encoded) // 4)
        self._skip -= skipped
        encoded, begin = encoded[4 * skipped :], start + 4 * skipped
        self._passed(start, begin)
        if encoded and self._format.sink.digits is None:
            self._bytes(bytes.fromhex(encoded.replace("\\'", "")), begin, begin + len(encoded), line)

    def _bytes(self, data: bytes, start: int, end: int, line: int) -> None:
        """Add bytes in the current code page. The first byte of a two-byte character waits for the second."""
        decoder = codecs.getincrementaldecoder(self._format.codec or self._document_codec)("replace")
        start = self._lead_at if self._lead else start
        shown = decoder.decode(self._lead + data)
        self._lead, self._lead_at = decoder.getstate()[0], start
        if len(shown) == end - start:
            self._into(start, line).plain(shown, start, line)
        else:
            self._into(start, line).shown(shown, start, end, line)

    def _unicode(self, number: int, start: int, end: int, line: int) -> None:
        self._skip, self._skip_for = self._format.skip, end
        value = number % 0x10000 if -0x8000 <= number < 0x10000 else 0xFFFD
        if 0xD800 <= value < 0xDC00:
            self._surrogate = (value, start)
            return
        shown = chr(value)
        if 0xDC00 <= value < 0xE000:
            if self._surrogate is None:
                shown = "\ufffd"
            else:
                high, start = self._surrogate
                shown = chr(0x10000 + ((high - 0xD800) << 10) + value - 0xDC00)
        self._surrogate = None
        if self._format.sink.digits is None:
            self._into(start, line).shown(shown, start, end, line)

    def _binary(self, text: str, at: int, count: int) -> int:
        self._fresh = False
        data = text[at : at + max(0, count)]
        if self._format.sink.digits is not None:
            self._format.sink.digits.append(data.encode("latin-1").hex())
        elif len(data) >= SHORTEST:
            file = io.BytesIO(data.encode("latin-1"))
            self._writer.ready.append(Member(f"binary data at {at}", file, opaque=True, guessed=True))
        return at + len(data)


_HANDLERS: dict[str, Callable[[_Rtf, int], None]] = {
    "v": lambda d, n: d._change(vanished=n != 0),
    "webhidden": lambda d, n: d._change(vanished=n != 0),
    "deleted": lambda d, n: d._change(deleted=n != 0),
    "fs": lambda d, n: d._change(size=n),
    "cf": lambda d, n: d._change(ink=n),
    "cb": lambda d, n: d._change(paper=n),
    "chcbpat": lambda d, n: d._change(paper=n),
    "highlight": lambda d, n: d._change(paper=n),
    "uc": lambda d, n: d._change(skip=max(0, n)),
    "plain": _Rtf._plain_format,
    "f": _Rtf._set_font,
    "fcharset": _Rtf._set_charset,
    "ansicpg": lambda d, n: setattr(d, "_document_codec", codepages.of_number(n)),
    "clcbpat": lambda d, n: d._shade(True, n > 0 or d._shaded_cell),
    "cbpat": lambda d, n: d._shade(False, n > 0),
    "trowd": lambda d, n: d._shade(True, False),
    "pard": _Rtf._paragraph_format,
    "intbl": _Rtf._in_table,
    "red": lambda d, n: d._set_color("red", n),
    "green": lambda d, n: d._set_color("green", n),
    "blue": lambda d, n: d._set_color("blue", n),
}
