"""Streams the header of a GGUF file: the strings of its metadata with their keys, and its problems. It reads no tensors."""

from __future__ import annotations

import math
import struct
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, BinaryIO

from veritensor_ray.core import bounds
from veritensor_ray.core.errors import Malformed
from veritensor_ray.formats.model_files.forward import ForwardView

_SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
_PARALLEL = tuple(f"tokenizer.ggml.{name}" for name in ("tokens", "token_type", "scores"))  # one entry for each token
_STRING, _ARRAY = 8, 9
LONGEST = bounds.GGUF_TEXT
_PAIRS, _TENSORS, _DIMENSIONS, _NESTED = bounds.GGUF_PAIRS, bounds.GGUF_TENSORS, 4, 4
# The number of values in a block of each type of a tensor, and its bytes (ggml.c).
_BLOCKS = {
    0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34), 9: (32, 36), 10: (256, 84), 11: (256, 110),
    12: (256, 144), 13: (256, 176), 14: (256, 210), 15: (256, 292), 16: (256, 66), 17: (256, 74), 18: (256, 98), 19: (256, 50), 20: (32, 18),
    21: (256, 110), 22: (256, 82), 23: (256, 136), 24: (1, 1), 25: (1, 2), 26: (1, 4), 27: (1, 8), 28: (1, 8), 29: (256, 56), 30: (1, 2),
    31: (32, 18), 32: (32, 18), 33: (32, 18), 34: (256, 54), 35: (256, 66), 36: (32, 18), 37: (32, 18), 38: (32, 18), 39: (32, 17),
}  # fmt: skip
_TYPES = 256  # types begin at 0 and have reached 40 by now; old loaders take them as places in a table
_NEGATIVE = int("8" + "0" * 15, 16)  # the first number that a 64-bit integer with a sign does not hold
_WIDEST, _NAME = 8, 64  # bytes of a value, and of a name with its end (GGML_MAX_NAME)
_CHUNK = 4096  # strings of an array that are read at once


@dataclass(frozen=True, slots=True)
class GgufTexts:
    """Strings under a key: a single one, or part of an array from item `first` on. `offset` is the position of the first string."""

    key: str
    texts: list[str]
    offset: int
    first: int | None = None


class GgufHeader:
    """Reads `file` from its beginning. `problems` is complete once `texts` has ended, as are `end`, which is that of the header, and `spans`,
    which has the first and last bytes of tensors, as far as their sizes are known. If one is unknown, the next tensor ends it.
    """

    def __init__(self, file: BinaryIO, size: int | None = None) -> None:
        self._window = ForwardView(file)
        self._size = size if size is not None else self._window.size
        self._order = "<"
        self._version = 0
        self.problems: list[str] = []
        self.alignment = 32
        self.end = 0
        self._named: set[str] = set()
        self.keys: dict[str, None] = {}
        self._lengths: dict[str, int] = {}
        self.spans: list[tuple[int, int]] = []
        self.unknown_types: set[int] = set()

    def texts(self) -> Iterator[GgufTexts]:
        """Yield every string of the metadata, and the names of tensors under the key `tensors`. Raises Malformed."""
        self._window.take(4)
        self._version = self._number("I")
        if self._version > 0xFFFF:  # written by a machine with the other byte order
            self._order = ">"
            self._version = int.from_bytes(self._version.to_bytes(4, "little"), "big")
        if not 1 <= self._version <= 3:
            self.problems.append(f"version {self._version} is unknown")
        tensors, pairs = self._count(), self._count()
        if pairs > _PAIRS or tensors > _TENSORS:
            raise Malformed(f"the header has {pairs:,} metadata pairs and {tensors:,} tensors")
        for _ in range(pairs):
            yield from self._pair()
        self._compare_lengths()
        yield from self._tensors(tensors)

    def _pair(self) -> Iterator[GgufTexts]:
        key = self._text()[0]
        if key in self.keys:
            self.problems.append(f"the key of metadata pair {len(self.keys) + 1} has occurred before")
        self.keys[key] = None
        if len(key) > 65_535:
            self.problems.append(f"a key has {len(key)} characters")
        kind = self._number("I")
        if kind == _STRING:
            text, offset = self._text()
            yield GgufTexts(key, [text], offset)
        elif kind == _ARRAY:
            yield from self._array(key, 1)
        elif key == "general.alignment" and kind == 4:
            self.alignment = self._number("I")
            if not self.alignment or self.alignment & (self.alignment - 1):
                self.problems.append(f"the alignment is {self.alignment}, which is not a power of two")
        else:
            if key == "general.alignment":
                self.problems.append("the alignment is not a 32-bit number")
            self._skip(_size(kind))

    def _array(self, key: str, level: int) -> Iterator[GgufTexts]:
        kind, count = self._number("I"), self._count()
        if key in _PARALLEL:
            self._lengths[key] = count
        if kind == _STRING:
            yield from self._strings(key, count)
        elif kind == _ARRAY:
            if level >= _NESTED:
                raise Malformed(f"arrays are nested deeper than {_NESTED} levels")
            for _ in range(count):
                yield from self._array(key, level + 1)
        else:
            self._skip(count * _size(kind))

    def _compare_lengths(self) -> None:
        """Note arrays that loaders read by the numbers of tokens, although they have another length."""
        tokens = self._lengths.get(_PARALLEL[0])
        for key in _PARALLEL[1:]:
            count = self._lengths.get(key, tokens)
            if tokens is not None and count != tokens:
                self._note(f"the vocabulary has {tokens:,} tokens, but {key.rpartition('.')[2]} has {count:,} entries")

    def _strings(self, key: str, count: int) -> Iterator[GgufTexts]:
        kept: list[str] = []
        chars, begin, first = 0, self._window.position, 0
        for number in range(count):
            text, _ = self._text()
            kept.append(text)
            chars += len(text)
            if len(kept) >= _CHUNK or chars > LONGEST // 16:
                yield GgufTexts(key, kept, begin, first)
                kept, chars, begin, first = [], 0, self._window.position, number + 1
        if kept:
            yield GgufTexts(key, kept, begin, first)

    def _tensors(self, count: int) -> Iterator[GgufTexts]:
        names: list[str] = []
        furthest = 0
        spans: list[tuple[int, int | None]] = []
        for _ in range(count):
            name, offset = self._text()
            names.append(name)
            dimensions = self._number("I")
            if dimensions > _DIMENSIONS:
                raise Malformed(f"a tensor has {dimensions} dimensions")
            values = self._values(name, dimensions)
            kind = self._number("I")
            each, size = _BLOCKS.get(kind, (0, 0))
            if not each and len(self.unknown_types) < _CHUNK:
                self.unknown_types.add(kind)
            if kind >= _TYPES:
                self._note(f"a tensor has the type {kind}, which no version of the format has")
            at = self._number("Q")
            spans.append((at, values // each * size if each else None))
            if each and values % each:
                self._note(f"a tensor has {values:,} values, which its blocks of {each} do not hold")
            if at % (self.alignment or 32):
                self._note("a tensor is not aligned")
            furthest = max(furthest, at)
            if len(names) >= _CHUNK:
                yield GgufTexts("tensors", names, offset)
                names = []
        if names:
            yield GgufTexts("tensors", names, self._window.position)
        self.end = end = self._window.position
        self.spans = _placed(spans, end + -end % (self.alignment or 32), self._size)
        if self._size is not None and end + furthest > self._size:
            self._note(f"a tensor begins at byte {end + furthest:,}, but the file ends at {self._size:,}")
        elif self._size is not None and (last := max((until for _, until in self.spans), default=0)) > self._size:
            self._note(f"a tensor ends at byte {last:,}, but the file ends at {self._size:,}")
        if any(second < until for (_, until), (second, _) in pairwise(self.spans)):
            self._note("two tensors overlap")

    def _values(self, name: str, dimensions: int) -> int:
        """Return the number of values of a tensor, and note what a loader that counts with 64 bits takes for something else."""
        sizes = [self._count() for _ in range(dimensions)]
        if any(size >= _NEGATIVE for size in sizes):
            self._note("a dimension of a tensor is negative for loaders that count with 64 bits")
        elif math.prod(sizes) * _WIDEST >= _NEGATIVE:
            self._note("the size of a tensor does not fit into 64 bits")
        if len(name.encode("utf-8", "replace")) >= _NAME:
            self._note(f"the name of a tensor has {len(name)} characters; loaders have room for {_NAME - 1}")
        if name in self._named:
            self._note("two tensors have the same name")
        elif len(self._named) < _TENSORS // 10:
            self._named.add(name)
        return math.prod(sizes)

    def _note(self, problem: str) -> None:
        if problem not in self.problems and len(self.problems) < 100:
            self.problems.append(problem)

    def _number(self, form: str) -> int:
        size = struct.calcsize(form)
        data = self._window.take(size)
        if len(data) < size:
            raise Malformed("the file ends inside the header")
        value: Any = struct.unpack(self._order + form, data)[0]
        return int(value)

    def _count(self) -> int:
        return self._number("I" if self._version == 1 else "Q")

    def _skip(self, size: int) -> None:
        if (self._size is not None and self._window.position + size > self._size) or not self._window.skip(size):
            raise Malformed("a value is longer than the file")

    def _text(self) -> tuple[str, int]:
        length = self._count()
        offset = self._window.position
        if self._size is not None and offset + length > self._size:
            raise Malformed(f"a string has {length:,} bytes at byte {offset:,}, but the file has only {self._size:,}")
        if length > LONGEST:
            raise Malformed(f"a string has {length:,} bytes")
        data = self._window.take(length)
        if len(data) < length:
            raise Malformed("the file ends inside a string")
        return data.decode("utf-8", "replace"), offset


def _placed(spans: list[tuple[int, int | None]], begin: int, end: int | None) -> list[tuple[int, int]]:
    """Return the ranges of tensors in the file."""
    starts = sorted(at for at, _ in spans)
    placed = []
    for at, size in sorted(spans, key=lambda span: span[0]):
        following = bisect_right(starts, at)
        until = begin + starts[following] if following < len(starts) else end
        placed.append((begin + at, begin + at + size if size is not None else until or begin + at))
    return placed


def _size(kind: int) -> int:
    if kind not in _SIZES:
        raise Malformed(f"a value has the unknown type {kind}")
    return _SIZES[kind]
