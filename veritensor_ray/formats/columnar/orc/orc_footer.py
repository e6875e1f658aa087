"""Gives the footer of an ORC file the types and the metadata of another one, which pyarrow does not write."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import BinaryIO

from veritensor_ray.formats.columnar.orc.read import OrcTail
from veritensor_ray.formats.editing.actions import CannotRewriteError
from veritensor_ray.formats.records import protobuf

_TYPE, _METADATA = 4, 5  # fields of a footer
_FOOTER_LENGTH = 1  # of a postscript
_KIND, _LENGTH, _PRECISION, _SCALE, _ATTRIBUTES = 1, 4, 5, 6, 7  # of a type
_STRING, _STRINGS = 7, (16, 17)
_CHUNK = 1 << 15
Field = tuple[int, bytes | int]


def with_footer_of(file: BinaryIO, new: OrcTail, old: OrcTail, metadata: Iterable[tuple[bytes, bytes]]) -> None:
    """Write the tail of the new file again, with the types of the old one, and with metadata. Raises CannotRewriteError if other types differ."""
    types = [value for number, value in old.footer if number == _TYPE and isinstance(value, bytes)]
    others = [value for number, value in new.footer if number == _TYPE and isinstance(value, bytes)]
    if [_comparable(one) for one in types] != [_comparable(one) for one in others]:
        raise CannotRewriteError("it has a column of a type that the library for ORC writes as another one")
    kept = [field for field in new.footer if field[0] not in (_TYPE, _METADATA)]
    added = [(_METADATA, message([(1, key), (2, value)])) for key, value in metadata]
    footer = _packed(message(sorted([*kept, *((_TYPE, one) for one in types), *added], key=lambda field: field[0])), new)
    postscript = message((number, len(footer) if number == _FOOTER_LENGTH else value) for number, value in new.postscript)
    file.seek(new.footer_at)
    file.truncate()
    file.write(footer + postscript + bytes([len(postscript)]))


def message(fields: Iterable[Field]) -> bytes:
    """Return a message with these fields, whose numbers are all of variable length."""
    made = bytearray()
    for number, value in fields:
        if isinstance(value, int):
            made += varint(number << 3) + varint(value)
        else:
            made += varint(number << 3 | 2) + varint(len(value)) + value
    return bytes(made)


def varint(number: int) -> bytes:
    """Return a number with seven bits per byte."""
    made = bytearray()
    while number > 0x7F:
        made.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*made, number])


def _comparable(described: bytes) -> Sequence[tuple[int, object]]:
    """Return what a type says, without the length and the attributes of texts, which pyarrow does not keep."""
    said: list[tuple[int, object]] = []
    for number, value in protobuf.fields(described):
        if number == 2 and isinstance(value, bytes):
            said += [(2, one) for one in protobuf.varints(value)]
        elif number == _KIND:
            said.append((_KIND, _STRING if value in _STRINGS else value))
        elif number not in (_LENGTH, _ATTRIBUTES):
            said.append((number, value))
    return sorted(said, key=lambda one: one[0])


def _packed(data: bytes, tail: OrcTail) -> bytes:
    """Return data as a stream, in chunks that are stored as they are."""
    if not tail.codec:
        return data
    pieces = [data[at : at + _CHUNK] for at in range(0, len(data), _CHUNK)]
    return b"".join((len(piece) << 1 | 1).to_bytes(3, "little") + piece for piece in pieces)


__all__ = ["Field", "message", "varint", "with_footer_of"]
