"""Reads and writes Thrift's compact protocol, in which Parquet stores its footer. Fields of unknown meaning are kept as they are."""

from __future__ import annotations

from typing import Any

_DEPTH = 16
_TRUE, _FALSE, _BYTE, _DOUBLE, _BINARY, _LIST, _SET, _STRUCT = 1, 2, 3, 7, 8, 9, 10, 12
_NUMBERS = (4, 5, 6)
I32, I64, BINARY = 5, 6, _BINARY


class Struct(dict[int, Any]):
    """The fields of a struct by number. `kinds` has the type of each field in the file."""

    def __init__(self) -> None:
        super().__init__()
        self.kinds: dict[int, int] = {}

    def put(self, number: int, kind: int, value: Any) -> None:
        """Set a field and its type."""
        self[number] = value
        self.kinds[number] = kind

    def copy(self) -> Struct:
        """Return a struct with the same fields; the values are shared."""
        made = Struct()
        made.update(self)
        made.kinds.update(self.kinds)
        return made


class List(list[Any]):
    """The items of a list or set; `kind` is their type in the file."""

    kind: int = _STRUCT

    @classmethod
    def of(cls, items: list[Any], kind: int = _STRUCT) -> List:
        """Return a list with items of the type `kind`, by default structs."""
        made = cls(items)
        made.kind = kind
        return made


class Thrift:
    """Reads values one after the other. Raises ValueError and IndexError."""

    def __init__(self, data: bytes) -> None:
        self._data, self.at = data, 0

    def number(self) -> int:
        """The value of a struct's next field, which must be a number and directly follow the previous one."""
        head = self._next()
        if head >> 4 != 1 or head & 15 not in _NUMBERS:
            raise ValueError("an unexpected field")
        return self._number()

    def struct(self, depth: int = 0) -> Struct:
        """A struct's fields by number."""
        found = Struct()
        number = 0
        while head := self._next():
            number = number + (head >> 4) if head >> 4 else self._number()
            kind = head & 15
            found.put(number, kind, kind == _TRUE if kind in (_TRUE, _FALSE) else self._value(kind, depth + 1))
        return found

    def _value(self, kind: int, depth: int) -> Any:
        if depth > _DEPTH:
            raise ValueError("nested too deeply")
        if kind in _NUMBERS:
            return self._number()
        if kind == _BINARY:
            return self._bytes(self._varint())
        if kind == _STRUCT:
            return self.struct(depth)
        if kind in (_LIST, _SET):
            head = self._next()
            count = self._varint() if head >> 4 == 15 else head >> 4
            if count > len(self._data) - self.at:
                raise ValueError("a list is longer than the footer")
            return List.of([self._value(head & 15, depth + 1) for _ in range(count)], head & 15)
        if kind in (_TRUE, _FALSE, _BYTE):  # in a list
            return self._next()
        if kind == _DOUBLE:
            return self._bytes(8)
        raise ValueError(f"unknown type {kind}")

    def _next(self) -> int:
        self.at += 1
        return self._data[self.at - 1]

    def _bytes(self, count: int) -> bytes:
        self.at += count
        if self.at > len(self._data):
            raise IndexError
        return self._data[self.at - count : self.at]

    def _varint(self) -> int:
        value = shift = 0
        while True:
            byte = self._next()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7
            if shift > 63:
                raise ValueError("a number is too long")

    def _number(self) -> int:
        value = self._varint()
        return (value >> 1) ^ -(value & 1)


def encoded(struct: Struct) -> bytes:
    """Return the bytes of a struct. One that was read and not changed gives the bytes that it was read from, if those were canonical."""
    out = bytearray()
    _put_struct(out, struct)
    return bytes(out)


def _put_struct(out: bytearray, struct: Struct) -> None:
    before = 0
    for number in sorted(struct):
        value, kind = struct[number], struct.kinds[number]
        if kind in (_TRUE, _FALSE):
            kind = _TRUE if value else _FALSE
        step = number - before
        if 0 < step < 16:
            out.append(step << 4 | kind)
        else:
            out.append(kind)
            _put_number(out, number)
        if kind not in (_TRUE, _FALSE):
            _put(out, kind, value)
        before = number
    out.append(0)


def _put(out: bytearray, kind: int, value: Any) -> None:
    if kind in _NUMBERS:
        _put_number(out, value)
    elif kind == _BINARY:
        _put_varint(out, len(value))
        out += value
    elif kind == _STRUCT:
        _put_struct(out, value)
    elif kind in (_LIST, _SET):
        if len(value) < 15:
            out.append(len(value) << 4 | value.kind)
        else:
            out.append(0xF0 | value.kind)
            _put_varint(out, len(value))
        for item in value:
            _put(out, value.kind, item)
    elif kind == _DOUBLE:
        out += value
    else:
        out.append(value)


def _put_number(out: bytearray, value: int) -> None:
    _put_varint(out, value << 1 if value >= 0 else ~(value << 1))


def _put_varint(out: bytearray, value: int) -> None:
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
