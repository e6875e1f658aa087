"""Reads subtitles (SubRip, WebVTT, SubStation Alpha, MicroDVD): each cue is a text; notes, styles and undrawn text are kept separate."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from veritensor_ray.formats.common.block_writer import Writer
from veritensor_ray.formats.common.joined_text import Paragraph, decoded_reference
from veritensor_ray.formats.common.source import Item, Source
from veritensor_ray.formats.markup.character_references import Characters
from veritensor_ray.formats.markup.reading import finished
from veritensor_ray.formats.text.read import via_of

_WINDOW = 64 << 20
_LONGEST = 1 << 18  # anything longer is not a cue
_BLOCK = re.compile(r"[^\r\n]+(?:\r?\n[^\r\n]+)*+")
_TIMES = re.compile(r"^[ \t]*(?:\d{1,3}:)?\d{1,3}:\d\d[.,]\d{1,3}[ \t]*-->[ \t]*(?:\d{1,3}:)?\d{1,3}:\d\d[.,]\d{1,3}([^\r\n]*)\r?\n?", re.M)
_SETTINGS = re.compile(r"(?:[ \t]*\w{1,10}:[\w.,%-]{1,20})*[ \t]*")
_NOTES = {"NOTE": "comment", "STYLE": "metadata", "REGION": "metadata", "WEBVTT": "metadata"}
_LINE = re.compile(r"[^\r\n]+")
_EVENT = re.compile(r"(Dialogue|Comment):(?:[^,\r\n]*,){9}")
_FRAMES = re.compile(r"(?:\{\d{1,9}\}){2}")
_PIECE = re.compile(
    r"(</?[a-zA-Z][^<>\r\n]{0,200}>|<\d[\d:.]{3,12}>)|\{([^{}\r\n]{0,500})\}|(\\[Nnh])|(&#?\w{1,31};)|(\|)|[^<{\\&|]+|.", re.DOTALL
)
_UNSEEN = re.compile(r"\\(?:alpha|1a)&H(?:F[0-9A-F])|\\fs(?:cx|cy)?[01](?!\d)|\\pos\(-\d{3,}|\\p[1-9]", re.IGNORECASE)
_SEEN = re.compile(r"\\(?:alpha|1a)&H|\\fs(?:cx|cy)?\d|\\pos\(|\\p0|\\r", re.IGNORECASE)
_SYMBOLS = {"\\N": "\n", "\\n": "\n", "\\h": "\xa0"}


def read_blocks(source: Source) -> Iterator[Item]:
    """Read SubRip and WebVTT, whose blocks are separated by empty lines."""
    yield from _read(source, _Cues.block, _BLOCK)


def read_lines(source: Source) -> Iterator[Item]:
    """Read SubStation Alpha and MicroDVD, which have one cue per line."""
    yield from _read(source, _Cues.line, _LINE)


def _read(source: Source, take: Callable[[_Cues, str, int, int], None], pattern: re.Pattern[str]) -> Iterator[Item]:
    chars = Characters(source, _WINDOW)
    writer = Writer(via_of(source, source.kind.encoding or "utf-8"))
    cues = _Cues(writer)
    line = 1
    while chars.text:
        seen = 0
        for found in pattern.finditer(chars.text):
            line += chars.text.count("\n", seen, found.start())
            seen = found.start()
            take(cues, found.group(), chars.base + seen, line)
            if writer.ready:
                yield from writer.drain()
        line += chars.text.count("\n", seen)
        chars.grow(len(chars.text), _WINDOW)
    yield from finished(chars, writer)


class _Cues:
    """Takes blocks or lines and emits their texts."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._views = {
            view: Paragraph(lambda text, origins, owned, view=view: writer.add(view, text, origins, None, owned))  # type: ignore[misc]
            for view in ("visible", "hidden", "comment")
        }

    def block(self, raw: str, start: int, line: int) -> None:
        """Take a block of SubRip or WebVTT."""
        word = re.match(r"[A-Z]*", raw.lstrip("\ufeff"))
        times = _TIMES.search(raw)
        if times is None:
            view = _NOTES.get(word.group() if word else "")
            if view:
                self._writer.source(view, raw, start, line)
            else:
                self._cue(raw, start, line, "visible")
            return
        before = raw[: times.start()]
        if before.strip() and not before.strip().isdigit():
            self._writer.source("metadata", before, start, line, "cue")
        if not _SETTINGS.fullmatch(times.group(1)):
            at = times.start(1)
            self._writer.source("metadata", times.group(1), start + at, line + raw.count("\n", 0, at), "settings")
        self._cue(raw[times.end() :], start + times.end(), line + raw.count("\n", 0, times.end()), "visible")

    def line(self, raw: str, start: int, line: int) -> None:
        """Take a line of SubStation Alpha or MicroDVD."""
        if found := _EVENT.match(raw):
            self._fields(found.group(), start, line)
            self._cue(raw[found.end() :], start + found.end(), line, "comment" if found.group(1) == "Comment" else "visible")
        elif found := _FRAMES.match(raw):
            self._cue(raw[found.end() :], start + found.end(), line, "visible", bars=True)
        elif raw[0] in ";!":
            self._writer.source("comment", raw, start, line)
        else:
            self._writer.source("metadata", raw, start, line)

    def _fields(self, raw: str, start: int, line: int) -> None:
        """Emit the speaker and effect if they are more than a name."""
        for found in re.finditer(r"[^,]*\w\s+\w[^,]*", raw.partition(":")[2]):
            at = start + raw.index(":") + 1 + found.start()
            self._writer.source("metadata", found.group(), at, line, "event")

    def _cue(self, raw: str, start: int, line: int, view: str, bars: bool = False) -> None:
        """Emit the text of a cue. With `bars`, its lines end with a bar."""
        if len(raw) > _LONGEST:
            self._writer.source(view, raw, start, line)
            return
        unseen, seen = False, 0
        for found in _PIECE.finditer(raw):
            text, at = found.group(), start + found.start()
            into = self._views["hidden" if unseen else view]
            line += raw.count("\n", seen, found.start())
            seen = found.start()
            kind = found.lastindex
            if kind is None:
                into.keep_all(text, at, line)
            elif kind == 1:
                if " " in text:
                    self._writer.source("metadata", text, at, line, "tag")
            elif kind == 5:
                into.shown("\n" if bars else text, at, at + 1, line)
            elif kind == 2:
                unseen = self._override(text, at, line, unseen)
            else:
                into.shown(_SYMBOLS.get(text) or decoded_reference(text), at, at + len(text), line)
        for paragraph in self._views.values():
            paragraph.end()

    def _override(self, text: str, start: int, line: int, unseen: bool) -> bool:
        """Whether the following text is not drawn. Braces without a command are a comment."""
        if not text.startswith("{\\"):
            self._writer.source("comment", text, start, line)
            return unseen
        if re.search(r"\w\s+\w", text):
            self._writer.source("metadata", text, start, line, "override")
        return _UNSEEN.search(text) is not None or (unseen and _SEEN.search(text) is None)
