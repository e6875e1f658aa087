"""Finds where an assigned value ends: where the grammar around it ends it, and not at the first punctuation.

In an environment file or in YAML, it ends with the line; in a shell, at an operator; in a URL, at `&`; in a list of pairs, before the next
name; in quotes or brackets, where these end. This module does not judge values.
"""

from __future__ import annotations

import re

from veritensor_ray.core import bounds
from veritensor_ray.engines.secrets.word_likeness import listed

LINES = listed("env properties ini cfg conf cnf yaml yml service desktop netrc dockerfile")
SHELLS = listed("sh bash zsh ksh profile bashrc makefile mk")
_NO_ESCAPES = listed("env properties ini cfg conf yaml yml toml sh bash zsh ksh")  # inside of single quotes
_MOST = bounds.VALUE
_LEAST, _LONGEST = 3, 2048  # characters of a value without quotes
_STOP = 200  # characters of what ends a run, at most
_SPACE = re.compile(r"[\s\x1e]")
_SIGN = re.compile(r"[\s\x1e&,;|<\\\"'`]")  # with which begins each of the patterns that end a value inside a word
_NO_PARAMETER = re.compile(r"[\s\x1e&#\"'<>`\\{}|^]")
_NOT_PLAIN = re.compile(r"[\s\"'`<>,;\x1e\\]")
_NOT_FIRST = "([{<>,;\"'`\\"  # characters that begin something else
_ELEMENT = re.compile(r"[^<\n\r\x1e]{3,2048}(?=</)")
_OWN_LINE = re.compile(r"[ \t]*(?:- +)?(?:export +|set +|setx +|ENV +|ARG +)?\Z")
_REST = re.compile(r"[^\n\r\x1e]*")
_COMMENT = re.compile(r"\s+(?:[#;]|//)|\s+[\w.\-]{1,40}=|\s*\Z")
_OPERATOR = re.compile(r"[;&|<>()`]")
_NEXT_PAIR = re.compile(r"[&,;|]+(?:amp;)?\s{0,3}[\"']?[A-Za-z_][\w.\-]{0,40}[\"']?\s{0,2}(?:=|:(?!//))")
_TAG = re.compile(
    r"</|<!--|<(?:a|b|br|code|div|em|font|hr|i|kbd|li|p|pre|small|span|strong|table|td|th|tr|u|ul)\b[^<>\s]{0,40}(?:/?>|\Z|\s)"
    r"|&(?:quot|lt|gt|nbsp|apos|#\d{2,4});",
    re.IGNORECASE,
)
_ESCAPED = re.compile(r"\\+(?:[\"'`]|[nrt](?=[A-Z_a-z]{2}|[\\\"'\s]|\Z)|\Z)")
_QUOTE_END = re.compile(r"[\"'`](?=[,;:)\]}>+.|\"'`]|\Z)")
_SETTINGS = re.compile(
    r"\b(?:server|data source|uid|user ?id|host|database|dbname|initial catalog|driver|provider|user)\s?=", re.IGNORECASE
)
_AFTER = ".,:;\"'`"  # of the sentence around; most passwords that end in a symbol end in one of the others
_PAIRS = {")": "(", "]": "[", "}": "{", ">": "<"}
_OPEN_OR_CLOSED = re.compile(r"[\"'`()\[\]{}<>]")
_BEFORE = 200  # characters in which something may open


def owns_line(text: str, start: int) -> bool:
    """Return whether a name begins its line, apart from words such as `export`."""
    first = max(text.rfind("\n", 0, start), text.rfind("\x1e", 0, start)) + 1
    return start - first <= _BEFORE and _OWN_LINE.match(text, first, start) is not None


def quoted_end(text: str, start: int, quote: str, extension: str) -> int:
    """Return where a quoted value ends that begins at `start`, or -1. A quote that is escaped, or doubled as in YAML, does not end it."""
    at = start
    while (at := text.find(quote, at, start + _MOST)) >= 0:
        slashes = at - start - len(text[start:at].rstrip("\\"))
        single = quote == "'" and extension in _NO_ESCAPES
        if single and text.startswith("''", at) and at > start:
            at += 2
        elif slashes % 2 and not single and len(quote) == 1:
            at += 1
        else:
            return at
    return -1


class RunEnds:
    """Where the runs of characters end that stand around places of a text. Each run is searched once, however many places are in it."""

    def __init__(self, text: str, stop: re.Pattern[str], longest: int = _LONGEST) -> None:
        """`stop` matches what ends a run, of which `longest` characters count."""
        self._text, self._stop, self._longest = text, stop, longest
        self._first = self._end = 0
        self._ended = False  # whether the run is known to end there

    def end(self, at: int) -> int:
        """Return where the run around a place ends, or where what begins there would be too long."""
        most = min(at + self._longest, len(self._text))
        if not self._first <= at < self._end:
            self._first, self._end, self._ended = at, at, False
        if not self._ended and self._end < most:
            ahead = most + self._longest  # farther than asked, so that what the patterns examine behind it counts little
            found = self._stop.search(self._text, self._end, ahead + _STOP)
            self._end, self._ended = (found.start(), True) if found else (min(ahead, len(self._text)), False)
        return min(self._end, most)


class TextWithValues:
    """A text in which values are assigned without quotes, and where their runs end."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._words, self._signs = RunEnds(text, _SPACE), RunEnds(text, _SIGN)
        self._parameters, self._plain = RunEnds(text, _NO_PARAMETER), RunEnds(text, _NOT_PLAIN)

    def bare_end(self, name: int, start: int, extension: str, after: str = "") -> int | None:
        """Return where a value without quotes ends that begins at `start`, or None if there is none. `name` is where its name begins.

        `after` are further characters that end a sentence rather than the value.
        """
        text, last = self.text, self._words.end(start)
        if last - start < _LEAST or text[start] in _NOT_FIRST:
            return None
        if extension in LINES and owns_line(text, name):
            return _line_end(text, start)
        if name and text[name - 1] in "?&":
            return start + len(text[start : self._parameters.end(start)].rstrip(_AFTER + ")]"))
        value = text[start:last]
        opener = _opener(text, name)
        if extension in SHELLS and not opener:
            return start + len(_until(_OPERATOR, value))
        if self._signs.end(start) < last:
            for pattern in (_NEXT_PAIR, _TAG, _ESCAPED, _QUOTE_END):
                value = _until(pattern, value)
        return start + len(_without_sentence(_inside(value, opener), _AFTER + after))

    def plain_end(self, start: int) -> int | None:
        """Return where a value ends at the first punctuation which is rare in secrets and common around them, or None if there is none."""
        end = self._plain.end(start)
        return end if end - start >= _LEAST and self.text[start] not in _NOT_FIRST else None


def element_end(text: str, start: int) -> int | None:
    """Return where the text of an XML element ends that begins at `start`, or None if its end is not in this line."""
    found = _ELEMENT.match(text, start)
    return found.end() if found else None


def _line_end(text: str, start: int) -> int:
    line = _REST.match(text, start, start + _MOST)
    whole = line.group() if line else ""
    return start + len(_until(_COMMENT, whole))


def _until(pattern: re.Pattern[str], value: str) -> str:
    found = pattern.search(value)
    return value[: found.start()] if found else value


def _opener(text: str, name: int) -> str:
    """Return the quote or bracket that was opened in the line before the name and is still open, or an empty text."""
    line = text[max(0, name - _BEFORE) : name].rpartition("\n")[2].rpartition("\x1e")[2]
    open_ones: list[str] = []
    for found in _OPEN_OR_CLOSED.finditer(line):
        at, char = found.start(), found.group()
        if open_ones and open_ones[-1] in "\"'`":
            if char == open_ones[-1]:
                open_ones.pop()
        elif char in '"`' or (char == "'" and not line[at - 1 : at].isalnum()) or char in "([{<":
            open_ones.append(char)
        elif char in _PAIRS and open_ones and open_ones[-1] == _PAIRS[char]:
            open_ones.pop()
    return open_ones[-1] if open_ones else ""


def _inside(value: str, opener: str) -> str:
    """Return what of a value stands before the end of the quote or bracket around it."""
    if opener in ("", "<"):
        return value.partition("/>")[0].partition(">")[0] if opener else value
    if opener in "\"'`":
        return value.partition(opener)[0]
    depth, closer = 0, {"(": ")", "[": "]", "{": "}"}[opener]
    for at, char in enumerate(value):
        depth += (char == opener) - (char == closer)
        if depth < 0:
            return value[:at]
    return value


def _without_sentence(value: str, after: str) -> str:
    """Return a value without the punctuation of the sentence around it; a bracket that closes one in the value stays."""
    while value:
        last = value[-1]
        if last in after or (last in _PAIRS and value.count(last) > value.count(_PAIRS[last])):
            value = value[:-1]
        else:
            break
    return value


def among_settings(text: str, start: int, end: int) -> bool:
    """Return whether a range is in a list of settings in the style of ODBC and ADO.NET."""
    left, right = text.rfind("\n", max(0, start - 300), start), text.find("\n", end, end + 300)
    line = text[max(left, start - 300) + 1 : right if right > 0 else end + 300]
    return ";" in line and len(_SETTINGS.findall(line)) >= 2
