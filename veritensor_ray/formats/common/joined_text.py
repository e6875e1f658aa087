"""Joins pieces of source text into one text as a reader sees it, with a map back to every source character."""

from __future__ import annotations

import functools
import html
import re
from collections.abc import Callable

from veritensor_ray.core.origins import Origin, cut_origins

_new = tuple.__new__  # creates an origin without the overhead of its class, since there is one for each line of a page
Emit = Callable[[str, list[Origin], int], None]
_REFERENCE = re.compile(r"&(?:#[0-9]++;?|#[xX][0-9A-Fa-f]++;?|[A-Za-z][A-Za-z0-9]{1,31}+;?)")
# In an attribute, a name without its semicolon is part of an address: ?a=1&copy=2
_IN_VALUE = re.compile(r"&(?:#[0-9]++;?|#[xX][0-9A-Fa-f]++;?|[A-Za-z][A-Za-z0-9]{1,31}+(?:;|(?![=\w])))")
_ODD = re.compile(r"[\t\r\f][ \t\r\f]*+| [ \t\r\f]++")  # white space within a line other than a single blank
_DOUBLE = re.compile("  ")
_WHITE = " \t\n\r\f"
_LENGTH = 1 << 18
_ORIGINS = 1 << 14
_OVERLAP = 1024
_unescaped = functools.lru_cache(4096)(html.unescape)


def decoded_reference(reference: str) -> str:
    """The characters that `&...;` stands for. An unknown name stands for itself."""
    if len(reference) > 34:  # endless leading zeros: not a number that Python should parse
        digits = reference[2:].rstrip(";")
        value = (digits[1:] if digits[0] in "xX" else digits).lstrip("0")
        reference = f"&#{'x' if digits[0] in 'xX' else ''}{value or '0'};" if len(value) < 8 else "\ufffd"
    return _unescaped(reference)


def decoded_value(raw: str) -> str:
    """The text of an attribute's value, without its origins."""
    return _IN_VALUE.sub(lambda found: decoded_reference(found[0]), raw) if "&" in raw and len(raw) <= _LENGTH else raw


def value_text(raw: str, start: int, line: int) -> tuple[str, list[Origin]]:
    """The text of an attribute's value, with its origins."""
    if "&" not in raw or len(raw) > _LENGTH:
        return raw, [_new(Origin, (0, start, start + len(raw), line))]
    parts: list[str] = []
    origins: list[Origin] = []
    at = size = 0
    for found in _IN_VALUE.finditer(raw):
        begin, end = found.span()
        if begin > at:
            parts.append(raw[at:begin])
            origins.append(_new(Origin, (size, start + at, start + begin, line)))
            size += begin - at
            line += raw.count("\n", at, begin)
        if text := decoded_reference(found[0]):
            parts.append(text)
            origins.append(_new(Origin, (size, start + begin, start + end, line)))
            size += len(text)
        at = end
    if at < len(raw):
        parts.append(raw[at:])
        origins.append(_new(Origin, (size, start + at, start + len(raw), line)))
    return "".join(parts), origins


class Paragraph:
    """Collects pieces in order and emits them as one text; a very long text comes in overlapping parts.

    `emit` receives the text, its origins, and the number of its characters that the next part does not repeat.
    """

    __slots__ = ("_at", "_emit", "_end", "_line", "_origins", "_parts", "_space", "_start", "size")

    def __init__(self, emit: Emit) -> None:
        self._emit = emit
        self._clear()

    def _clear(self) -> None:
        self._parts: list[str] = []
        self._origins: list[Origin] = []
        self._at = self._start = self._line = 0  # of the run that may still grow
        self._end = -1  # the end of that run in the file; -1 if there is no run
        self._space: tuple[int, int, bool | None] | None = None
        self.size = 0

    def flow(self, raw: str, start: int, line: int) -> None:
        """Add source text in which any white space counts as one space."""
        if "&" in raw:
            self.add(raw, start, line, self._words)
        elif "\n" in raw:
            self._words(raw, start, line)
        else:
            self._one_line(raw, start, line)

    def keep(self, raw: str, start: int, line: int) -> None:
        """Add source text whose white space is preserved."""
        self.add(raw, start, line, self.keep_all)

    def keep_all(self, raw: str, start: int, line: int) -> None:
        """Add source text literally: nothing in it is decoded."""
        if raw:
            self.plain(raw, start, line)

    def add(self, raw: str, start: int, line: int, take: Callable[[str, int, int], None]) -> None:
        """Add source text: decode its references, and let `take` handle the text between them. Stray ampersands are not references."""
        at, breaks = 0, "\n" in raw
        for found in _REFERENCE.finditer(raw):
            begin, end = found.span()
            if begin > at:
                take(raw[at:begin], start + at, line)
                if breaks:
                    line += raw.count("\n", at, begin)
            self.shown(decoded_reference(found[0]), start + begin, start + end, line)
            at = end
        if at < len(raw):
            take(raw[at:], start + at, line)

    def _words(self, raw: str, start: int, line: int) -> None:
        if not self.size and not raw.strip(_WHITE):
            return
        first, *more = raw.split("\n")
        if first:
            self._one_line(first, start, line)
            start += len(first)
        for one in more:
            if self._space is None and self.size:
                self._space = start, line, True
            line += 1
            start += 1
            if one:
                self._one_line(one, start, line)
                start += len(one)

    def _one_line(self, raw: str, start: int, line: int) -> None:
        words = raw.strip(_WHITE)
        behind = len(raw) - len(words)
        if behind:
            before = raw.find(words[0]) if words else behind
            behind -= before
            if before:
                if self._space is None and self.size:
                    self._space = start, line, False
                start += before
        if not words:
            return
        if _DOUBLE.search(words) or "\t" in words or "\r" in words or "\f" in words:
            at = 0
            for found in _ODD.finditer(words):
                begin, end = found.span()
                self.plain(words[at:begin], start + at, line)
                self._space = start + begin, line, False
                at = end
            self.plain(words[at:], start + at, line)
        elif self._end == start and self._space is None and self.size + len(words) <= _LENGTH:  # continues the current run
            self._parts.append(words)
            self._end = start + len(words)
            self.size += len(words)
        else:
            self.plain(words, start, line)
        if behind:
            self._space = start + len(words), line, False

    def space(self, start: int, line: int) -> None:
        """Add a space that is not in the source, unless there is one already."""
        self._blank(start, line, None)

    def _blank(self, start: int, line: int, breaks: bool | None) -> None:
        if self._space is None and self.size:
            self._space = (start, line, breaks)

    def plain(self, text: str, start: int, line: int) -> None:
        """Add characters of the file unchanged."""
        if self._space is not None:
            self._put_space()
        if self._end != start:
            if self._end >= 0:
                self._origins.append(_new(Origin, (self._at, self._start, self._end, self._line)))
            self._at, self._start, self._line = self.size, start, line
        self._parts.append(text)
        length = len(text)
        self._end = start + length
        self.size += length
        if self.size > _LENGTH or len(self._origins) > _ORIGINS:
            self._overflow()

    def shown(self, text: str, start: int, end: int, line: int) -> None:
        """Add characters that stand for `[start, end)` of the file."""
        if self._space is not None:
            self._put_space()
        if self._end >= 0:
            self._close()
        if text:
            self._origins.append(_new(Origin, (self.size, start, end, line)))
            self._parts.append(text)
            self.size += len(text)
        if len(self._origins) > _ORIGINS:
            self._overflow()

    def _put_space(self) -> None:
        """Let the first character of some white space stand for all of it."""
        if self._space is None:
            return
        start, line, breaks = self._space
        self._space = None
        if breaks is None:
            self._close()
            self._origins.append(Origin(self.size, start, start, line))
            self._parts.append(" ")
            self.size += 1
            return
        if self._end != start:
            self._close()
            self._at, self._start, self._line = self.size, start, line
        self._end = start + 1
        self._parts.append(" ")
        self.size += 1
        if breaks:  # the following text is on another line
            self._close()

    def _close(self) -> None:
        if self._end >= 0:
            self._origins.append(_new(Origin, (self._at, self._start, self._end, self._line)))
            self._end = -1

    def _overflow(self) -> None:
        self._close()
        text, origins = "".join(self._parts), self._origins
        first = max(len(text) - _OVERLAP, 1)
        self._emit(text, origins, first)
        self._clear()
        self._parts, self._origins, self.size = [text[first:]], cut_origins(origins, text, first, len(text)), len(text) - first

    def end(self) -> None:
        """Emit the collected text."""
        if self.size:
            self._close()
            self._emit("".join(self._parts), self._origins, self.size)
        if self.size or self._space:
            self._clear()
