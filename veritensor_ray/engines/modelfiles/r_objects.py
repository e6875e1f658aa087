"""Walks over objects of R (`.rds`, `.rda`): promises, bindings and functions that run code. Nothing is evaluated, and vectors are skipped.

The format is that of `serialize.c` in R's source, in its binary forms.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from veritensor_ray.core import bounds
from veritensor_ray.core.config import Severity
from veritensor_ray.core.errors import Malformed
from veritensor_ray.engines.base import FileVerdict, Hit
from veritensor_ray.engines.modelfiles.effects import Effect, Found
from veritensor_ray.formats.model_files.forward import ForwardView

_MAGICS = (b"RDX2\n", b"RDX3\n", b"RDB2\n", b"RDB3\n")
_SYMBOL, _PAIRS, _CLOSURE, _ENVIRONMENT, _PROMISE, _CALL, _SPECIAL, _BUILTIN, _CHARS, _DOTS = 1, 2, 3, 4, 5, 6, 7, 8, 9, 17
_STRINGS, _LIST, _EXPRESSIONS, _BYTECODE, _POINTER, _WEAK, _RAW, _S4 = 16, 19, 20, 21, 22, 23, 24, 25
_ALTERNATIVE, _ATTRIBUTE_PAIRS, _ATTRIBUTE_CALL, _UNBOUND, _REFERENCE = 238, 239, 240, 252, 255
_DEFINED, _USED = 244, 243  # shared parts of bytecode
_NAMES = (247, 248, 249)  # of packages, namespaces and persistent objects
_WIDTHS = {10: 4, 13: 4, 14: 8, 15: 16, _RAW: 1}
_WITHOUT_CONTENT = frozenset({241, 242, 246, 250, 251, _UNBOUND, 253, 254})
_ACTIVE = 1 << 15  # of the bits of a binding: its value is what a function returns
# A symbol with its name, in either order of bytes. A vector with one text looks alike, but for the kind (16) before it.
_SYMBOLS = re.compile(
    rb"(?:(?<!\x10)\0\0\0\x01\0.{2}\x09|(?<!\x10.{3})\x01\0\0\0\x09.{2}\0)(\0\0\0[\x01-\x40]|[\x01-\x40]\0\0\0)([A-Za-z][\w.]{1,63})",
    re.DOTALL,
)
_DEEPEST = 200
_LONGEST = 4096  # bytes of a name
_MAPPED = "mmap_"  # the beginning of the classes of vectors that are files
# Functions that start programs, load native code, or access the network; and those that models use as well: to evaluate, and to handle files.
DOING = frozenset(
    ["system", "system2", "shell", "shell.exec", "pipe", "source", "sys.source", "download.file", "url", "socketConnection", "fifo", "unlink", "file.remove", "dyn.load", "library.dynam", "install.packages", "Sys.setenv", "Sys.chmod", "makeActiveBinding", "reg.finalizer", "curl_download", "processx", "callr"]
)  # fmt: skip
_EVALUATING = frozenset(
    [
        "eval",
        "evalq",
        "parse",
        "str2lang",
        "str2expression",
        "do.call",
        "file",
        "gzfile",
        "writeLines",
        "write",
        "readRDS",
        "load",
        "setwd",
        "delayedAssign",
        ".Internal",
    ]
)


def is_r_object(head: bytes) -> bool:
    """Return whether a file begins like an object of R in binary form."""
    body = head[5:] if head.startswith(_MAGICS) else head
    if body[:2] not in (b"X\n", b"B\n") or len(body) < 14:
        return False
    version = int.from_bytes(body[2:6], "big" if body[:1] == b"X" else "little")
    return version in (2, 3)


def scan_r_object(file: BinaryIO) -> Iterator[Found]:
    """Yield what runs code when the object is loaded or used, and what else it holds."""
    walk = _Walk(file)
    broken = ""
    try:
        walk.read()
    except Malformed as error:
        broken = str(error)
    except struct.error:
        broken = "inside a number"
    except RecursionError:  # a level takes up to four calls
        broken = "it is nested too deeply"
    if broken:
        yield Hit("modelfiles.r-malformed", 0, 2, message=f"the object breaks off: {broken}", evidence=broken)
        yield from _behind(file, {name for code in walk.codes for name in code.names})
    yield from walk.found
    for code in walk.codes:
        yield from _judged(code)
    yield Effect("holds", "an object of R", "inert", "its vectors, lists and texts are copied into memory", 0, walk.window.position)


def _behind(file: BinaryIO, known: set[str]) -> Iterator[Found]:
    """Yield the functions that act among the symbols of an object that breaks off: R may read on where this walk does not."""
    file.seek(0)
    for found in _SYMBOLS.finditer(file.read(bounds.SEARCHED_OBJECT)):
        name = found[2][: max(found[1])].decode("ascii")  # only one byte of its length is not zero
        if name in DOING - known:
            known.add(name)
            message = f"the object breaks off, and refers to the function {name}"
            yield Hit("modelfiles.r-code", *found.span(2), severity="medium", message=message, evidence=name)


@dataclass(frozen=True, slots=True)
class _Code:
    """A piece of code: where it stands, what holds it, the names in it, and whether that is inside an environment of the object."""

    place: int
    holder: str
    names: set[str]
    enclosed: bool


def _judged(code: _Code) -> Iterator[Found]:
    """Judge code. Environments of functions hold unevaluated arguments; the values of a file are seldom promises."""
    acts = sorted(code.names & DOING) or ([] if code.holder == "a function" else sorted(code.names & _EVALUATING))
    what = f"{code.holder} that calls {', '.join(acts[:8])}" if acts else code.holder
    runs = code.holder != "a function" and (bool(acts) or not code.enclosed)
    verdict: FileVerdict = "dangerous" if runs else "unknown"
    start, end = code.place, code.place + 4
    yield Effect("runs" if runs else "holds", what, verdict, "R runs it when the value is used", start, end)
    if runs or acts:
        severity: Severity | None = None if runs else "medium"
        yield Hit("modelfiles.r-code", start, end, severity=severity, message=f"the object holds {what}", evidence=what)


class _Walk:
    """Reads one object. `codes` holds the code in it."""

    def __init__(self, file: BinaryIO) -> None:
        self.window = ForwardView(file)
        self.found: list[Found] = []
        self.codes: list[_Code] = []
        self._environments = 0  # in which the walk is
        self._order = ">"
        self._references: list[str] = []
        self._inside: list[set[str]] = []  # the names in each piece of code that is being read
        self._left = bounds.R_ITEMS

    def read(self) -> None:
        """Read the whole file. Raises Malformed."""
        if self.window.take(5) not in _MAGICS:
            self.window.at -= 5
        self._order = ">" if self.window.take(2) == b"X\n" else "<"
        version = self._number()
        self._number()
        self._number()
        if version == 3:
            self._skip(self._number())
        self._item(0)

    def _number(self) -> int:
        data = self.window.take(4)
        if len(data) < 4:
            raise Malformed("it ends inside a number")
        value: int = struct.unpack(f"{self._order}i", data)[0]
        return value

    def _length(self) -> int:
        length = self._number()
        if length == -1:
            length = (self._number() << 32) + (self._number() & 0xFFFFFFFF)
        if length < 0:
            raise Malformed("a length is negative")
        return length

    def _skip(self, size: int) -> None:
        if size < 0 or not self.window.skip(size):
            raise Malformed("it ends inside a vector")

    def _items(self, count: int, depth: int) -> None:
        for _ in range(count):
            self._item(depth + 1)

    def _item(self, depth: int) -> str:
        """Read an item and return its name, if it is a symbol or a string."""
        self._left -= 1
        if depth > _DEEPEST or self._left < 0:
            raise Malformed("it is nested too deeply, or has too many items")
        place, flags = self.window.position, self._number()
        kind, attributed = flags & 0xFF, bool(flags & 0x200)
        if kind in _WITHOUT_CONTENT:
            return ""
        if kind == _REFERENCE:
            index = flags >> 8 or self._number()
            name = self._references[index - 1] if 0 < index <= len(self._references) else ""
            self._mention(name)
            return name
        if kind in (_PAIRS, _CLOSURE, _PROMISE, _CALL, _DOTS):
            self._cells(place, flags, depth)
            return ""
        return self._other(kind, attributed, depth)

    def _cells(self, place: int, flags: int, depth: int) -> None:
        """Read a chain of cells; a function and a promise have the same form."""
        while True:
            kind = flags & 0xFF
            inside = self._opened(kind, flags)
            if flags & 0x200:
                self._item(depth + 1)
            if flags & 0x400:
                self._item(depth + 1)
            value = self._peeked()
            self._item(depth + 1)
            if kind in (_CLOSURE, _PROMISE):
                self._item(depth + 1)
                self._closed(place, kind, flags, inside, value)
                return
            if inside is not None:
                self._closed(place, kind, flags, inside, value)
            place, flags = self.window.position, self._number()
            if flags & 0xFF not in (_PAIRS, _CALL, _DOTS):
                self.window.at -= 4
                self._item(depth + 1)
                return

    def _opened(self, kind: int, flags: int) -> set[str] | None:
        if kind not in (_CLOSURE, _PROMISE) and not (flags >> 12 & _ACTIVE):
            return None
        self._inside.append(set())
        return self._inside[-1]

    def _closed(self, place: int, kind: int, flags: int, inside: set[str] | None, value: int) -> None:
        names = self._inside.pop() if inside is not None else set()
        if flags >> 12 & _ACTIVE:
            self.codes.append(_Code(place, "an active binding", names, self._environments > 0))
        elif kind == _CLOSURE:
            self.codes.append(_Code(place, "a function", names, self._environments > 0))
        elif kind == _PROMISE and value == _UNBOUND:
            self.codes.append(_Code(place, "a promise", names, self._environments > 0))
        for outer in self._inside:
            outer |= names

    def _peeked(self) -> int:
        """Return the kind of the next item."""
        data = self.window.take(4)
        self.window.at -= len(data)
        return int.from_bytes(data, "big" if self._order == ">" else "little") & 0xFF

    def _mention(self, name: str) -> None:
        """Note a name in the code that is being read, if it says what the code does: all code around it gets the name as well."""
        if self._inside and (name in DOING or name in _EVALUATING or name.startswith(_MAPPED)):
            self._inside[-1].add(name)

    def _other(self, kind: int, attributed: bool, depth: int) -> str:
        name = ""
        if kind == _SYMBOL:
            name = self._item(depth + 1)
            self._references.append(name)
            self._mention(name)
            return name
        if kind == _CHARS:
            size = self._number()
            name = self.window.take(min(size, _LONGEST)).decode("utf-8", "replace") if size > 0 else ""
            self._skip(max(0, size - _LONGEST))
        elif kind == _ENVIRONMENT:
            self._references.append("")
            self._number()
            self._environments += 1
            self._items(4, depth)
            self._environments -= 1
            return ""
        elif kind in _NAMES:
            self._number()
            self._items(self._number(), depth)
            self._references.append("")
            return ""
        elif kind in _WIDTHS:
            self._skip(self._length() * _WIDTHS[kind])
        elif kind in (_STRINGS, _LIST, _EXPRESSIONS):
            self._items(self._length(), depth)
        elif kind in (_SPECIAL, _BUILTIN):
            name = self.window.take(min(max(0, self._number()), _LONGEST)).decode("latin-1")
            self._mention(name)
        else:
            self._rare(kind, depth)
        if attributed:
            self._item(depth + 1)
        return name

    def _rare(self, kind: int, depth: int) -> None:
        if kind == _BYTECODE:
            self._number()
            self._bytecode(depth + 1)
        elif kind == _POINTER:
            self._references.append("")
            self._items(2, depth)
        elif kind == _WEAK:
            self._references.append("")
        elif kind == _ALTERNATIVE:
            self._alternative(depth)
        elif kind != _S4:
            raise Malformed(f"the type {kind} is unknown")

    def _alternative(self, depth: int) -> None:
        """Read a vector in another form. That of a mapped file is opened when the object is loaded."""
        place = self.window.position
        self._inside.append(set())
        self._item(depth + 1)
        names = self._inside.pop()
        if any(name.startswith(_MAPPED) for name in names):
            message = "a vector is a file that R maps into memory"
            self.found.append(Hit("modelfiles.r-code", place, place + 4, severity="high", message=message, evidence="mmap"))
        self._items(2, depth)

    def _bytecode(self, depth: int) -> None:
        self._item(depth + 1)
        for _ in range(self._length()):
            kind = self._number()
            if kind == _BYTECODE:
                self._bytecode(depth + 1)
            else:
                self._language(kind, depth + 1)

    def _language(self, kind: int, depth: int) -> None:
        if depth > _DEEPEST:
            raise Malformed("it is nested too deeply, or has too many items")
        if kind == _USED:
            self._number()
            return
        if kind == _DEFINED:
            self._number()
            kind = self._number()
        if kind not in (_PAIRS, _CALL, _ATTRIBUTE_PAIRS, _ATTRIBUTE_CALL):
            self._item(depth + 1)
            return
        if kind in (_ATTRIBUTE_PAIRS, _ATTRIBUTE_CALL):
            self._item(depth + 1)
        self._item(depth + 1)
        self._language(self._number(), depth + 1)
        self._language(self._number(), depth + 1)
