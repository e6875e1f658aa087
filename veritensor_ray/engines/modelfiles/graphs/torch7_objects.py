"""Checks files of Torch7: the objects of Lua that they hold, and functions, whose bytecode runs when somebody calls them. Nothing is run."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from typing import BinaryIO

from veritensor_ray.core import bounds
from veritensor_ray.core.errors import Malformed
from veritensor_ray.engines.modelfiles.effects import Found
from veritensor_ray.engines.modelfiles.graphs.found import CODE, broken, danger, inert, unknown
from veritensor_ray.formats.model_files.forward import ForwardView

_NIL, _NUMBER, _STRING, _TABLE, _OBJECT, _BOOLEAN, _FUNCTION, _RECURSIVE, _LEGACY = range(9)
_MOST, _DEPTH = bounds.TORCH7_OBJECTS, 200
_WIDTHS = {"Double": 8, "Float": 4, "Int": 4, "Long": 8, "Short": 2, "Char": 1, "Byte": 1, "Half": 2}
_CLASS = re.compile(r"torch\.(?:Cuda)?(\w*?)(Tensor|Storage)")
_OWN = re.compile(r"(?:torch|nn|cudnn|cunn|nngraph|optim|graph|image|tds|paths|class)\.\w+")
_LUA = re.compile(
    rb"os\.execute|io\.popen|os\.(?:remove|rename|tmpname|getenv)|loadstring|loadfile|dofile|package\.loadlib|io\.open|require|"
    rb"ffi\.(?:C|load|cdef)|socket\.\w+|execute|popen|loadlib"
)
_BEGINS = re.compile(
    rb"\x04\x00{3}.{4}\x03\x00{3}V \d|\x03\x00{3}\x01\x00{3}.{4}[\x00-\x08]\x00{3}|[\x07\x08]\x00{3}.{8}\x1bL|\x06\x00{3}.{4}\x1bL",
    re.DOTALL,
)
_ASCII = re.compile(rb"4\n1\n3\nV \d\n\d+\n[a-z]+\.\w+\n|3\n1\n\d+\n[0-8]\n")


def begins_torch7(head: bytes) -> bool:
    """Return whether a file begins like one that Torch7 wrote, in binary or in ASCII."""
    return _BEGINS.match(head) is not None or _ASCII.match(head) is not None


def scan_torch7(file: BinaryIO, sure: bool = True) -> Iterator[Found]:
    """Yield what the objects of a file are."""
    window = ForwardView(file)
    head = window.take(0) if not window.ensure(24) else window.data[:64]
    walk = _AsciiValues(window) if _ASCII.match(head) else _BinaryValues(window)
    found = _Objects(walk)
    try:
        yield from found.read()
        yield inert("holds", f"{found.count} objects", "tables, texts and tensors of Lua")
        at = window.position
        if window.take(2).strip():  # but for the end of a line
            yield unknown("holds", "bytes behind the object", "loaders do not read them", (at, at + 1))
    except Malformed as error:
        if sure:
            yield broken(error)
            yield unknown("holds", "objects", "the file could not be read to its end")


class _BinaryValues:
    """Reads numbers and texts as Torch7 writes them on little-endian machines with 8-byte longs."""

    def __init__(self, window: ForwardView) -> None:
        self.window = window

    def _take(self, size: int) -> bytes:
        data = self.window.take(size)
        if len(data) < size:
            raise Malformed("the file ends inside an object")
        return data

    def integer(self) -> int:
        """Read an int."""
        return int.from_bytes(self._take(4), "little", signed=True)

    def long(self) -> int:
        """Read a long."""
        return int.from_bytes(self._take(8), "little", signed=True)

    def double(self) -> float:
        """Read a number of Lua."""
        return float(struct.unpack("<d", self._take(8))[0])

    def text(self) -> bytes:
        """Read a text with its length."""
        size = self.integer()
        if not 0 <= size <= bounds.HELD:
            raise Malformed(f"a text of {size} bytes")
        return self._take(size)

    def skip(self, count: int, width: int) -> None:
        """Skip numbers of a tensor."""
        if count < 0 or not self.window.skip(count * width):
            raise Malformed(f"{count} numbers of a tensor are not in the file")


class _AsciiValues(_BinaryValues):
    """Reads the same as lines and words."""

    def _word(self) -> bytes:
        word = bytearray()
        while self.window.ensure(1):
            letter = self.window.take(1)
            if letter.isspace():
                if word:
                    return bytes(word)
            else:
                word += letter
            if len(word) > 64:
                break
        raise Malformed("a number is missing")

    def integer(self) -> int:
        """Read an int."""
        try:
            return int(self._word())
        except ValueError:
            raise Malformed("a number is missing") from None

    long = integer

    def double(self) -> float:
        """Read a number of Lua."""
        self._word()
        return 0.0

    def text(self) -> bytes:
        """Read a text with its length."""
        data = super().text()
        self._take(1)
        return data

    def skip(self, count: int, width: int) -> None:
        """Skip numbers of a tensor."""
        if not 0 <= count <= _MOST:
            raise Malformed(f"a tensor of {count} numbers in ASCII")
        for _ in range(count):
            self._word()


class _Objects:
    """Reads one value after another, and tells functions and classes."""

    def __init__(self, values: _BinaryValues) -> None:
        self._values, self._known, self.count = values, set[int](), 0

    def read(self, depth: int = 0) -> Iterator[Found]:
        """Read one value."""
        self.count += 1
        if depth > _DEPTH or self.count > _MOST:
            raise Malformed(f"more than {_MOST} objects, or nested deeper than {_DEPTH} levels")
        at, kind = self._values.window.position, self._values.integer()
        if kind == _NUMBER:
            self._values.double()
        elif kind == _STRING:
            yield from self._text(at)
        elif kind == _BOOLEAN:
            self._values.integer()
        elif kind == _FUNCTION:
            yield from self._function(at, depth)
        elif kind in (_TABLE, _OBJECT, _RECURSIVE, _LEGACY):
            yield from self._shared(kind, at, depth)
        elif kind != _NIL:
            raise Malformed(f"objects of kind {kind} do not exist")

    def _text(self, at: int) -> Iterator[Found]:
        text = self._values.text()
        if text.startswith((b"\x1bLua", b"\x1bLJ")):
            yield from danger(CODE, "holds", "bytecode of Lua", "a text of the file is a compiled function", (at, at + 4))

    def _shared(self, kind: int, at: int, depth: int) -> Iterator[Found]:
        """Read a value that others may refer to: only the first time, its content follows."""
        index = self._values.integer()
        if index in self._known:
            return
        self._known.add(index)
        if kind == _OBJECT:
            yield from self._object(at, depth)
        elif kind == _TABLE:
            size = self._values.integer()
            if not 0 <= size <= _MOST:
                raise Malformed(f"a table of {size} entries")
            for _ in range(2 * size):
                yield from self.read(depth + 1)
        else:
            yield from self._function(at, depth)

    def _function(self, at: int, depth: int) -> Iterator[Found]:
        code = self._values.text()
        calls = b", ".join(sorted(set(_LUA.findall(code)))[:5]).decode("ascii", "replace")
        yield from danger(CODE, "holds", f"a function of Lua {calls}".strip(), "its bytecode runs when the model is used", (at, at + 4))
        yield from self.read(depth + 1)  # the values that it refers to

    def _object(self, at: int, depth: int) -> Iterator[Found]:
        version = self._values.text()
        name = (self._values.text() if version.startswith(b"V ") else version).decode("utf-8", "replace")
        found = _CLASS.fullmatch(name)
        if found and found[2] == "Storage":
            self._values.skip(self._values.long(), _WIDTHS.get(found[1] or "Float", 1))
        elif found:
            dimensions = self._values.integer()
            if not 0 <= dimensions <= 64:
                raise Malformed(f"a tensor of {dimensions} dimensions")
            for _ in range(2 * dimensions + 1):
                self._values.long()
            yield from self.read(depth + 1)
        else:
            if not _OWN.fullmatch(name):
                yield unknown("holds", name, "the class is not one of Torch7's", (at, at + 4))
            yield from self.read(depth + 1)
