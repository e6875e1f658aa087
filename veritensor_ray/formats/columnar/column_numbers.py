"""Finds numbers in columns that may be about a person, and texts that the bytes of numbers spell."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import pyarrow as pa
import pyarrow.compute as pc

from veritensor_ray.formats.columnar.text_columns import has_text
from veritensor_ray.formats.common.decoders import PIECE
from veritensor_ray.formats.common.personal_numbers import BELOW, LEAST
from veritensor_ray.formats.residue.among_numbers import texts_among_numbers

WHOLE = (pa.int64(), pa.uint64(), pa.int32(), pa.uint32())
_LONG = (pa.int64(), pa.uint64(), pa.float64())
LEAST_LONG = LEAST * 1000  # of twelve digits: floating-point numbers, and those in lists, are rarely about persons
_OVERLAP = 4096


def has_long_numbers(kind: pa.DataType) -> bool:
    """Return whether values of a type can be numbers of twelve digits and more, in any depth."""
    if pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind):
        return has_long_numbers(kind.value_type)
    if pa.types.is_nested(kind):
        return any(has_long_numbers(kind.field(i).type) for i in range(kind.num_fields))
    return kind in _LONG or bool(pa.types.is_decimal128(kind))


def matters(column: pa.Array) -> bool:
    """Return whether a column may have text, or has numbers of twelve digits and more, in any depth. Lists are taken apart at some cost."""
    return has_text(column.type) or (has_long_numbers(column.type) and any(map(_is_long, _numbers(column))))


def _is_long(values: pa.Array) -> bool:
    return (values.type in _LONG or pa.types.is_decimal(values.type)) and reaches(values, LEAST_LONG)


def reaches(values: pa.Array, least: int) -> bool:
    """Return whether any number is so large, which is faster to find out than which ones."""
    greatest = pc.max(values).as_py()
    return greatest is not None and bool(greatest >= least)


def _numbers(column: pa.Array) -> Iterator[pa.Array]:
    """Yield the arrays of numbers below a column, with the values of dictionaries."""
    kind = column.type
    if isinstance(kind, pa.BaseExtensionType):
        yield from _numbers(column.storage)
    elif pa.types.is_dictionary(kind):
        yield from _numbers(column.dictionary)
    elif pa.types.is_struct(kind):
        for i in range(kind.num_fields):
            yield from _numbers(column.field(i))
    elif pa.types.is_map(kind):
        yield from (*_numbers(column.keys), *_numbers(column.items))
    elif pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        yield from _numbers(column.flatten())
    elif pa.types.is_run_end_encoded(kind):
        yield from _numbers(column.values)
    elif pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        yield column


def may_be_personal(column: pa.Array, named: int | None = None) -> pa.Array:
    """Return which numbers are whole and have as many digits as cards and accounts have, or as the name of the column asks for."""
    kind = column.type
    least, below = _limits(kind, named)
    wanted = pc.fill_null(pc.greater_equal(column, least), False)
    if below is not None:
        wanted = pc.and_(wanted, pc.fill_null(pc.less(column, below), False))
    if kind not in WHOLE:
        wanted = pc.and_(wanted, pc.fill_null(pc.equal(column, pc.floor(column)), False))
    return wanted


def _limits(kind: pa.DataType, named: int | None) -> tuple[pa.Scalar, pa.Scalar | None]:
    """Return the least number of a type that may be personal, and the one below which it has to be if the type has greater ones."""
    if pa.types.is_decimal(kind):
        return pa.scalar(Decimal(named or LEAST)), pa.scalar(Decimal(BELOW))
    if kind == pa.float64():
        return pa.scalar(float(named or LEAST_LONG)), pa.scalar(float(BELOW))
    return pa.scalar(named or LEAST, kind), pa.scalar(BELOW, kind) if kind == pa.uint64() else None


def number_texts(values: pa.Array) -> pa.Array:
    """Return the digits of whole numbers that may be about a person."""
    if values.type == pa.float64():
        values = values.cast(pa.uint64(), safe=False)
    return pc.replace_substring_regex(values.cast(pa.string()), r"\.0*$", "")


def texts_in_numbers(column: pa.Array) -> Iterator[str]:
    """Yield the texts that the bytes of numbers below a column spell."""
    for values in _numbers(column):
        if (data := values.buffers()[1]) is None or pa.types.is_decimal(values.type):
            continue
        width = values.type.bit_width // 8
        held = memoryview(data)[values.offset * width : (values.offset + len(values)) * width]
        for at in range(0, len(held), PIECE):
            piece = bytes(held[at : at + PIECE + _OVERLAP])
            if piece.count(0) < len(piece):
                yield from (found.text for found in texts_among_numbers(piece) if found.at < PIECE)
