"""The wire format of protocol buffers, and the two messages that TFRecord files usually contain."""

from __future__ import annotations

import re
from collections.abc import Iterator

from veritensor_ray.core.errors import Malformed
from veritensor_ray.formats.common.personal_numbers import BELOW, LEAST

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_INTEGERS = 3  # the kind of a feature
_LEAST_LONG = LEAST * 1000  # of twelve digits, since shorter numbers in lists are rarely about persons
_LONG = re.compile(rb"[\x80-\xff]{5}")  # within such a number


def fields(data: bytes) -> Iterator[tuple[int, bytes | int]]:
    """Yield the number and value of each field: bytes unchanged, anything else as a number.

    Raises ValueError if the data is not a message.
    """
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        number, wire = key >> 3, key & 7
        if not number:
            raise Malformed("a field has no number")
        if wire == _VARINT:
            value, at = varint(data, at)
            yield number, value
            continue
        if wire == _BYTES:
            size, at = varint(data, at)
        elif wire in (_FIXED64, _FIXED32):
            size = 8 if wire == _FIXED64 else 4
        else:
            raise Malformed("a field has an unknown type")
        if size > len(data) - at:
            raise Malformed("a field is longer than its message")
        piece = data[at : at + size]
        yield number, piece if wire == _BYTES else int.from_bytes(piece, "little")
        at += size


def varint(data: bytes, at: int) -> tuple[int, int]:
    """Decode a number with seven bits per byte, as many formats use, and return it with the offset after it.

    Raises ValueError if there is none.
    """
    value = shift = 0
    while at < len(data) and shift < 70:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    raise Malformed("a number has no end")


def varints(data: bytes) -> Iterator[int]:
    """Decode consecutive numbers."""
    at = 0
    while at < len(data):
        value, at = varint(data, at)
        yield value


def example_values(data: bytes) -> list[tuple[str, bytes]]:
    """The feature names and byte values of a tf.train.Example or SequenceExample. Raises ValueError for anything else."""
    found: list[tuple[str, bytes]] = []
    for number, value in fields(data):
        if number not in (1, 2):
            raise Malformed("an example has an unknown field")
        for name, content in _entries(_bytes(value)):
            if number == 1:
                found += _feature(name, content)
            else:
                steps = [_bytes(step) for _, step in fields(content)]
                found += [pair for i, step in enumerate(steps) for pair in _feature(f"{name}[{i}]", step)]
    return found


def _entries(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield the keys and values of a message that consists of a map."""
    for number, entry in fields(data):
        if number != 1:
            raise Malformed("a map of features has an unknown field")
        known = list(fields(_bytes(entry)))
        parts = dict(known)
        if not parts.keys() <= {1, 2} or len(parts) < len(known):
            raise Malformed("an entry of a map has an unknown field, or one twice")
        yield _bytes(parts.get(1, b"")).decode("utf-8", "replace"), _bytes(parts.get(2, b""))


def _feature(name: str, data: bytes) -> list[tuple[str, bytes]]:
    """The values of a list of bytes; for other lists, an empty one under their name."""
    values: list[bytes] = []
    for kind, content in fields(data):
        if kind not in (1, 2, 3):
            raise Malformed("a feature has an unknown kind")
        if kind == 1:
            values += [_bytes(value) for _, value in fields(_bytes(content))]
        elif kind == _INTEGERS and _LONG.search(_bytes(content)):
            values += [str(value).encode() for value in _integers(_bytes(content)) if _LEAST_LONG <= value < BELOW]
    if not values:
        return [(name, b"")]
    return [(name if len(values) == 1 else f"{name}[{i}]", value) for i, value in enumerate(values)]


def _integers(data: bytes) -> Iterator[int]:
    """Yield the numbers of a list, which may be packed into one field."""
    for _, value in fields(data):
        yield from (value,) if isinstance(value, int) else varints(value)


def _bytes(value: bytes | int) -> bytes:
    if isinstance(value, int):
        raise Malformed("a number stands in place of bytes")  # the data is invalid, not an argument
    return value
