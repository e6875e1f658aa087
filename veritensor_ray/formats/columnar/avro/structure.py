"""Compiles Avro schemas into functions that walk over encoded records and pick out strings and bytes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from veritensor_ray.core.errors import Malformed
from veritensor_ray.formats.common.personal_numbers import number_text
from veritensor_ray.formats.records.protobuf import varint

_NODES = 20_000
_SIZES = {"null": 0, "boolean": 1, "float": 4, "double": 8}
_NUMBER = 16  # bytes of the longest number
_PERSONAL = 3  # bytes of the shortest number that may be about a person
_NUMBERS = ("decimal", "duration", "uuid")  # logical types of bytes that hold no text

_FIXED = -1  # where the length of a value begins that has none

Step = Callable[[bytes, int, "RecordSink"], int]


class RecordSink:
    """Receives the values of records. This one ignores them, for records that are only walked over.

    `at` is where a value begins with its length; `begin` and `end` are those of its content.
    """

    def string(self, data: bytes, at: int, begin: int, end: int, column: str) -> None:
        """Take a string."""

    def key(self, data: bytes, at: int, begin: int, end: int, column: str) -> None:
        """Take a key of a map."""

    def blob(self, data: bytes, at: int, begin: int, end: int, column: str) -> None:
        """Take bytes. `at` is negative if they have no length, because all values of their type have the same."""

    def number(self, value: int, column: str) -> None:
        """Take a number of three bytes or more."""

    def opened(self, at: int, end: int) -> None:
        """Learn that items follow, whose length in bytes is the number from `at` to `end`."""

    def closed(self, end: int) -> None:
        """Learn that these items end."""


@dataclass(slots=True)
class RecordTexts(RecordSink):
    """The strings and bytes found in one or more records."""

    texts: list[str] = field(default_factory=list)
    columns: list[str] = field(default_factory=list)
    binary: list[tuple[str, bytes]] = field(default_factory=list)
    bad: int = 0

    def string(self, data: bytes, at: int, begin: int, end: int, column: str) -> None:
        """Keep a string."""
        self.text(data[begin:end], column)

    def key(self, data: bytes, at: int, begin: int, end: int, column: str) -> None:
        """Keep a key as a string."""
        self.text(data[begin:end], column)

    def blob(self, data: bytes, at: int, begin: int, end: int, column: str) -> None:
        """Keep bytes."""
        self.binary.append((column, data[begin:end]))

    def number(self, value: int, column: str) -> None:
        """Keep a number as a text if it may be about a person."""
        if text := number_text(value, column):
            self.text(text.encode(), column)

    def text(self, data: bytes, column: str) -> None:
        if data:
            try:
                self.texts.append(data.decode("utf-8"))
            except UnicodeDecodeError:
                self.texts.append(data.decode("utf-8", "replace"))
                self.bad += 1
            self.columns.append(column)


def number(data: bytes, at: int) -> tuple[int, int]:
    """A zigzag number and the offset after it. Raises ValueError if there is none."""
    value, at = varint(data, at)
    return (value >> 1) ^ -(value & 1), at


def stretch(data: bytes, at: int) -> tuple[int, int]:
    """The start and end of bytes that are preceded by their length."""
    size, at = number(data, at)
    if not 0 <= size <= len(data) - at:
        raise Malformed("a value is longer than its block")
    return at, at + size


class Compiler:
    """Compiles one schema. Named types that contain themselves are resolved by name."""

    def __init__(self) -> None:
        self._named: dict[str, tuple[Any, str]] = {}
        self._open: dict[str, list[Step]] = {}
        self._nodes = 0

    def compile(self, schema: Any, path: str = "", namespace: str = "") -> Step:
        """Compile a schema. Raises ValueError if it is invalid."""
        self._nodes += 1
        if self._nodes > _NODES:
            raise Malformed(f"the schema has more than {_NODES} parts")
        if isinstance(schema, list):
            return _union([self.compile(branch, path, namespace) for branch in schema])
        if isinstance(schema, str):
            return _primitive(schema, path) or self._again(schema, path, namespace)
        if not isinstance(schema, dict):
            raise Malformed("a type is neither a name, a list nor an object")  # the data is invalid, not an argument
        kind = schema.get("type")
        if kind == "array":
            return _array(self.compile(schema.get("items"), f"{path}[]"[-256:], namespace))
        if kind == "map":
            return _map(self.compile(schema.get("values"), f"{path}[].value"[-256:], namespace), f"{path}[].key"[-256:])
        if kind in ("record", "error", "enum", "fixed"):
            return self._define(schema, path, namespace)
        if kind == "bytes" and schema.get("logicalType") in _NUMBERS:
            return _number_bytes(path)
        return self.compile(kind, path, namespace)

    def _define(self, schema: dict[str, Any], path: str, namespace: str) -> Step:
        name, namespace = str(schema.get("name", "")), str(schema.get("namespace") or namespace)
        if "." in name:
            namespace = name.rpartition(".")[0]
        else:
            name = f"{namespace}.{name}" if namespace else name
        self._named[name] = schema, namespace
        if schema["type"] == "enum":
            return _long
        if schema["type"] == "fixed":
            size = schema.get("size")
            if not isinstance(size, int) or size < 0:
                raise Malformed("a fixed type has no size")
            return _fixed(size, None if schema.get("logicalType") in _NUMBERS and size <= _NUMBER else path)
        entry: list[Step] = []
        around = self._open.get(name)
        self._open[name] = entry
        fields = schema.get("fields")
        if not isinstance(fields, list):
            raise Malformed("a record has no fields")  # the data is invalid, not an argument
        entry.append(_record([self._field(item, path, namespace) for item in fields]))
        if around is None:
            del self._open[name]
        else:
            self._open[name] = around
        return entry[0]

    def _field(self, item: Any, path: str, namespace: str) -> Step:
        if not isinstance(item, dict):
            raise Malformed("a field is not an object")  # the data is invalid, not an argument
        name = str(item.get("name", ""))
        return self.compile(item.get("type"), (f"{path}.{name}" if path else name)[-256:], namespace)

    def _again(self, name: str, path: str, namespace: str) -> Step:
        full = name if name in self._named else f"{namespace}.{name}"
        if full not in self._named:
            raise Malformed("a type of the schema is not defined")
        if full in self._open:
            entry = self._open[full]
            return lambda data, at, found: entry[0](data, at, found)
        schema, namespace = self._named[full]
        return self._define(schema, path, namespace)


def _primitive(name: str, path: str) -> Step | None:
    if name in _SIZES:
        return _fixed(_SIZES[name], None)
    return {"int": _long, "long": _personal(path), "string": _string(path), "bytes": _bytes(path)}.get(name)


def _long(data: bytes, at: int, _: RecordSink) -> int:
    while at < len(data):
        if data[at] < 0x80:
            return at + 1
        at += 1
    raise Malformed("a number has no end")


def _personal(path: str) -> Step:
    """Skip a number, and give it if it is long enough to be about a person."""

    def step(data: bytes, at: int, found: RecordSink) -> int:
        end = _long(data, at, found)
        if end - at >= _PERSONAL:
            found.number(number(data, at)[0], path)
        return end

    return step


def _string(path: str) -> Step:
    def step(data: bytes, at: int, found: RecordSink) -> int:
        begin, end = stretch(data, at)
        found.string(data, at, begin, end, path)
        return end

    return step


def _map_key(path: str) -> Step:
    def step(data: bytes, at: int, found: RecordSink) -> int:
        begin, end = stretch(data, at)
        found.key(data, at, begin, end, path)
        return end

    return step


def _bytes(path: str) -> Step:
    def step(data: bytes, at: int, found: RecordSink) -> int:
        begin, end = stretch(data, at)
        found.blob(data, at, begin, end, path)
        return end

    return step


def _number_bytes(path: str) -> Step:
    def step(data: bytes, at: int, found: RecordSink) -> int:
        begin, end = stretch(data, at)
        if end - begin > _NUMBER:
            found.blob(data, at, begin, end, path)
        return end

    return step


def _fixed(size: int, path: str | None) -> Step:
    def step(data: bytes, at: int, found: RecordSink) -> int:
        if size > len(data) - at:
            raise Malformed("a value is longer than its block")
        if path is not None:
            found.blob(data, _FIXED, at, at + size, path)
        return at + size

    return step


def _union(branches: list[Step]) -> Step:
    def step(data: bytes, at: int, found: RecordSink) -> int:
        chosen, at = number(data, at)
        if not 0 <= chosen < len(branches):
            raise Malformed("a value refers to a branch that its union does not have")
        return branches[chosen](data, at, found)

    return step


def _record(fields: list[Step]) -> Step:
    def step(data: bytes, at: int, found: RecordSink) -> int:
        for each in fields:
            at = each(data, at, found)
        return at

    return step


def _array(item: Step) -> Step:
    def step(data: bytes, at: int, found: RecordSink) -> int:
        while True:
            count, at = number(data, at)
            if count == 0:
                return at
            if count < 0:
                first = at
                _, at = number(data, at)
                found.opened(first, at)
            for _ in range(abs(count)):
                before, at = at, item(data, at, found)
                if at == before:  # items of size zero: their number may be anything
                    break
            if count < 0:
                found.closed(at)

    return step


def _map(value: Step, keys: str) -> Step:
    key = _map_key(keys)
    return _array(lambda data, at, found: value(data, key(data, at, found), found))
