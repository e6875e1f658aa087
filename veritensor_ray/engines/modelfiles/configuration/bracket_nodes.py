"""Parses JSON as its most lenient loaders accept it, and the text form of protocol buffers, without recursion.

Accepted beside JSON: comments, single quotes, keys without quotes, trailing commas, NaN, line ends in texts, several documents in a file.
"""

from __future__ import annotations

import re
from typing import Any

from veritensor_ray.engines.modelfiles.configuration.nodes import DEPTH, NODES, ListNode, MapNode, Node, Parsed, ScalarNode

_SKIPPED = r"[\s\ufeff\x00]*+(?:(?://[^\n]*+|/\*.*?\*/|\#[^\n]*+)[\s\ufeff\x00]*+)*+"
# A text or word with the colon or comma behind it, or a bracket or other mark. What is between them is skipped.
_TOKEN = re.compile(
    rf"""{_SKIPPED}(?:
    (?: ("[^"\\]*+(?:\\.[^"\\]*+)*+"|'[^'\\]*+(?:\\.[^'\\]*+)*+') | ([^\s{{}}\[\]<>,:;"'/\#\ufeff\x00]++) ) [ \t\n\r]*+ ([:,])?
    | ([{{}}\[\]<>,:;]) | \Z )""",
    re.DOTALL | re.VERBOSE,
)
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|x[0-9a-fA-F]{1,2}|[0-7]{1,3}|\r\n|.)", re.DOTALL)
_PLAIN = {
    "n": "\n",
    "t": "\t",
    "r": "\r",
    "b": "\b",
    "f": "\f",
    "v": "\v",
    "a": "\a",
    "\n": "",
    "\r": "",
    "\r\n": "",
    "\u2028": "",
    "\u2029": "",
}
_WORDS: dict[str, bool | float | None] = {
    "true": True,
    "True": True,
    "false": False,
    "False": False,
    "null": None,
    "None": None,
    "NaN": float("nan"),
    "Infinity": float("inf"),
    "-Infinity": float("-inf"),
}
_DIGITS = 400  # longer numbers stay texts, because converting them takes time that grows with the square of their length


def _unescaped(match: re.Match[str]) -> str:
    code = match[1]
    if code[0] in "uUx" and len(code) > 1:
        number = int(code[1:], 16)
        return chr(number) if number < 0x110000 else "\ufffd"
    if code[0] in "01234567":
        return chr(int(code, 8) & 0xFF)
    return _PLAIN.get(code, code)


def unquoted(text: str) -> str:
    """Return the text that a literal in quotes stands for. Pairs of surrogates become one character."""
    if "\\" not in text:
        return text[1:-1]
    value = _ESCAPE.sub(_unescaped, text[1:-1])
    if any("\ud800" <= char <= "\udfff" for char in value):
        value = value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return value


def _word(text: str) -> str | int | float | bool | None:
    """Return what a word without quotes stands for; itself if it is not a number or one of the names of JSON and Python."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in "+-.0123456789" or len(text) > _DIGITS:
        return text
    for convert in (int, float, _based):
        try:
            return convert(text)
        except ValueError:
            continue
    return text


def _based(text: str) -> int:
    return int(text, 0)


class _Builder:
    """Assembles the nodes of one text. `key` is the key whose value comes next, `colon` whether its colon was seen."""

    def __init__(self, fields: bool) -> None:
        self.fields = fields  # of a protocol buffer: a colon before a mapping may be missing, and texts in a row are one
        self.roots: list[Any] = []
        self.stack: list[tuple[MapNode | ListNode, Node | None]] = []  # the open containers, with the keys whose values they are
        self.into: list[Any] = self.roots
        self.mapping = False
        self.key: Node | None = None
        self.colon = False
        self.joined = False
        self.row: list[str] = []  # the texts behind the last value, which they continue, and the end of the last of them
        self.row_end = 0
        self.count = 0
        if fields:
            self.open(MapNode([]))

    def open(self, node: MapNode | ListNode) -> None:
        """Go into a container."""
        self.stack.append((node, self.key))
        self.into, self.mapping = node[0], isinstance(node, MapNode)
        self.key, self.colon = None, False

    def close(self, end: int) -> None:
        """Leave the innermost container and put it where it belongs."""
        self._join()
        node, key = self.stack.pop()
        around = self.stack[-1][0] if self.stack else None
        into: list[Any] = around[0] if around else self.roots
        self.into, self.mapping = into, isinstance(around, MapNode)
        closed = node._replace(end=end)
        into.append((key, closed) if self.mapping else closed)
        self.key, self.colon, self.joined = None, False, False
        self.count += 1

    def scalar(self, text: str, start: int, end: int, quoted: bool, mark: str | None) -> bool:
        """Take a text or word with the mark behind it; False if it does not belong here."""
        if self.mapping and self.key is None and quoted and self.joined and self.fields:
            self.row.append(unquoted(text))
            self.row_end, self.joined = end, mark != ","
            self.count += 1
            return mark != ":"
        self._join()
        if self.mapping and self.key is None:
            self.key = ScalarNode(unquoted(text) if quoted else text, start, end)
            self.colon = mark == ":"
            self.joined = False
            return mark != ","
        node = ScalarNode(unquoted(text) if quoted else _word(text), start, end)
        self.count += 1
        if not self.mapping:
            self.into.append(node)
        elif self.colon:
            self.into.append((self.key, node))
            self.key, self.colon, self.joined = None, False, quoted
        else:
            return False
        if mark == ",":
            self.joined = False
        return mark != ":"

    def _join(self) -> None:
        """Make one value of the last one and the texts behind it: joining them one by one would take time by the square."""
        if self.row:
            key, first = self.into[-1]
            self.into[-1] = (key, ScalarNode("".join((str(first.value), *self.row)), first.start, self.row_end))
            self.row = []

    def mark(self, mark: str, start: int) -> bool:
        """Take a bracket or another mark; False if it does not belong here."""
        self._join()
        if mark in "{[<":
            if (mark == "<" and not self.fields) or (self.mapping and (self.key is None or not (self.colon or self.fields))):
                return False
            self.open(ListNode([], start) if mark == "[" else MapNode([], start))
        elif mark in "}]>":
            if len(self.stack) <= self.fields or self.key is not None or self.mapping is (mark == "]"):
                return False
            self.close(start + 1)
        elif mark == ":":
            self.colon, known = True, self.key is not None and not self.colon
            return known
        else:
            self.joined = False
            return self.key is None and (mark == "," or self.fields)
        return True


def parse_brackets(text: str, fields: bool = False) -> Parsed:
    """Return the nodes of JSON or, with `fields`, of a protocol buffer in text form."""
    builder = _Builder(fields)
    broken, bound = _fed(builder, text)
    end = len(text) if broken is None else broken
    if broken is None and (len(builder.stack) > fields or builder.key is not None):
        broken = end
    while builder.stack:
        builder.close(end)
    return Parsed([root for root in builder.roots if not fields or root.pairs], broken, bound)


def _fed(builder: _Builder, text: str) -> tuple[int | None, str | None]:
    """Give the tokens to the builder. Return the place of the first one that does not belong, and the bound that was met."""
    at = 0
    match = _TOKEN.match
    while found := match(text, at):
        quoted, word, mark, bracket = found.groups()
        if bracket is not None:
            taken = builder.mark(bracket, found.end() - 1)
        elif quoted is not None:
            taken = builder.scalar(quoted, found.start(1), found.end(1), True, mark)
        elif word is not None:
            taken = builder.scalar(word, found.start(2), found.end(2), False, mark)
        else:
            return None, None
        if not taken:
            return at, None
        at = found.end()
        if builder.count > NODES or len(builder.stack) > DEPTH:
            return at, "config_nodes" if builder.count > NODES else "config_depth"
    return at, None
