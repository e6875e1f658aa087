"""Decodes the run-length encodings of ORC: a given number of bits, bytes or unsigned numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from veritensor_ray.core.errors import Malformed
from veritensor_ray.formats.records.protobuf import varint

_WIDTHS = [*range(1, 25), 26, 28, 30, 32, 40, 48, 56, 64]
_SHORT, _DIRECT, _PATCHED = 0, 1, 2


def run_bytes(data: bytes, count: int) -> bytes:
    """Decode `count` bytes. Raises ValueError if there are fewer."""
    out = bytearray()
    at = 0
    while len(out) < count and at < len(data):
        control = data[at]
        if control < 128:
            out += data[at + 1 : at + 2] * (control + 3)
            at += 2
        else:
            out += data[at + 1 : at + 257 - control]
            at += 257 - control
    return bytes(_enough(out, count))


def bits(data: bytes, count: int) -> Any:
    """Decode an array of booleans."""
    return np.unpackbits(np.frombuffer(run_bytes(data, (count + 7) // 8), np.uint8))[:count].astype(bool)


def numbers(data: bytes, count: int, second_version: bool) -> Any:
    """Decode an array of unsigned numbers."""
    pieces: list[Any] = []
    have = at = 0
    while have < count:
        if at >= len(data):
            raise Malformed("a stream of numbers ends early")
        piece, at = (_second if second_version else _first)(data, at)
        pieces.append(piece)
        have += len(piece)
    return np.concatenate(pieces)[:count] if pieces else np.zeros(0, np.int64)


def _first(data: bytes, at: int) -> tuple[Any, int]:
    control = data[at]
    if control < 128:
        step = int.from_bytes(data[at + 1 : at + 2], "little", signed=True)
        base, at = varint(data, at + 2)
        return _wrapped(base) + step * np.arange(control + 3), at
    values, at = [], at + 1
    for _ in range(256 - control):
        value, at = varint(data, at)
        values.append(_wrapped(value))
    return np.array(values, np.int64), at


def _second(data: bytes, at: int) -> tuple[Any, int]:
    kind, head = data[at] >> 6, int.from_bytes(data[at : at + 2], "big")
    if kind == _SHORT:
        size = (data[at] >> 3 & 7) + 1
        value = int.from_bytes(_enough(data[at + 1 : at + 1 + size], size), "big")
        return np.full((data[at] & 7) + 3, _wrapped(value)), at + 1 + size
    _enough(data[at : at + 2], 2)
    code, length = data[at] >> 1 & 31, (head & 511) + 1
    if kind == _DIRECT:
        return _packed(data, at + 2, length, _WIDTHS[code])
    return _patched(data, at, length, _WIDTHS[code]) if kind == _PATCHED else _delta(data, at + 2, length, _WIDTHS[code] if code else 0)


def _packed(data: bytes, at: int, count: int, width: int) -> tuple[Any, int]:
    """Decode numbers of `width` bits, highest bit first."""
    size = (count * width + 7) // 8
    raw = np.frombuffer(_enough(data[at : at + size], size), np.uint8)
    table = np.unpackbits(raw)[: count * width].reshape(count, width)
    powers = np.left_shift(np.uint64(1), np.arange(width - 1, -1, -1, dtype=np.uint64))
    return (table * powers).sum(axis=1, dtype=np.uint64).astype(np.int64), at + size


def _patched(data: bytes, at: int, length: int, width: int) -> tuple[Any, int]:
    _enough(data[at : at + 4], 4)
    third, fourth = data[at + 2], data[at + 3]
    base_size, patch_width, gap_width, patches = (third >> 5) + 1, _WIDTHS[third & 31], (fourth >> 5) + 1, fourth & 31
    base = int.from_bytes(_enough(data[at + 4 : at + 4 + base_size], base_size), "big")
    sign = 1 << (8 * base_size - 1)
    base = -(base & ~sign) if base & sign else base
    values, at = _packed(data, at + 4 + base_size, length, width)
    entry = next((w for w in _WIDTHS if w >= patch_width + gap_width), 64)
    found, at = _packed(data, at, patches, entry)
    place = 0
    for item in found.tolist():
        place += item >> patch_width & ((1 << gap_width) - 1)
        if place >= length:
            raise Malformed("a patch lies beyond its run")
        values[place] |= _wrapped((item & ((1 << patch_width) - 1)) << width)
    return values + _wrapped(base), at


def _delta(data: bytes, at: int, length: int, width: int) -> tuple[Any, int]:
    base, at = varint(data, at)
    step, at = varint(data, at)
    step = (step >> 1) ^ -(step & 1)
    steps = np.full(max(0, length - 1), _wrapped(step))
    if width and length > 2:
        rest, at = _packed(data, at, length - 2, width)
        steps[1:] = rest if step >= 0 else -rest
    return np.concatenate(([_wrapped(base)], _wrapped(base) + np.cumsum(steps)))[:length], at


def _wrapped(value: int) -> Any:
    """Wrap a number to signed 64 bits; larger values are not valid lengths or offsets anyway."""
    return np.int64((value + (1 << 63)) % (1 << 64) - (1 << 63))


def _enough(data: bytes | bytearray, count: int) -> bytes | bytearray:
    if len(data) < count:
        raise Malformed("a stream ends early")
    return data[:count]
