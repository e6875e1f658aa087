"""Undoes the coders of a 7z folder, one after the other, a bounded piece at a time."""

from __future__ import annotations

import bz2
import lzma
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import bcj

from veritensor_ray.core.errors import Malformed, told
from veritensor_ray.formats.common.budget import Budget
from veritensor_ray.formats.common.decoders import Decoder, Inflate, Inflate64, Zstd, lzma_filter, pumped, raw_lzma
from veritensor_ray.formats.common.streams import Pieces, Window

AES = b"\x06\xf1\x07\x01"


class Coder(NamedTuple):
    """One step from packed to plain bytes."""

    method: bytes
    properties: bytes
    size: int = 0  # of the output


def _lzma1(properties: bytes, size: int) -> Decoder:
    return raw_lzma([lzma_filter(properties, size)])


def _lzma2(properties: bytes, size: int) -> Decoder:
    code = properties[0]
    wanted = 0xFFFFFFFF if code >= 40 else (2 | code & 1) << (code // 2 + 11)
    return raw_lzma([{"id": lzma.FILTER_LZMA2, "dict_size": max(4096, min(wanted, size))}])


class _Branch:
    """A filter for machine code, which needs the size to find the end."""

    unused_data = b""

    def __init__(self, make: Callable[[int], Any], size: int) -> None:
        self._inner, self._left = make(size), size

    @property
    def eof(self) -> bool:
        return self._left <= 0

    @property
    def needs_input(self) -> bool:
        return True

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        out: bytes = self._inner.decode(data)
        self._left -= len(out)
        return out


class _Delta:
    """Restores bytes that are stored as the difference from the one `distance` bytes before."""

    unused_data = b""
    needs_input = True
    eof = False

    def __init__(self, distance: int) -> None:
        self._before, self._at = bytearray(distance), 0

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        before, at, out = self._before, self._at, bytearray(data)
        for i, byte in enumerate(data):
            before[at] = out[i] = byte + before[at] & 0xFF
            at = (at + 1) % len(before)
        self._at = at
        return bytes(out)


class _Copy:
    unused_data = b""
    needs_input = True
    eof = False

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        return data


# Each method has an old and a short identifier.
_BRANCHES: dict[bytes, Callable[[int], Any]] = {
    **dict.fromkeys((b"\x03\x03\x01\x03", b"\x04"), bcj.BCJDecoder),
    **dict.fromkeys((b"\x03\x03\x02\x05", b"\x05"), bcj.PPCDecoder),
    **dict.fromkeys((b"\x03\x03\x04\x01", b"\x06"), bcj.IA64Decoder),
    **dict.fromkeys((b"\x03\x03\x05\x01", b"\x07"), bcj.ARMDecoder),
    **dict.fromkeys((b"\x03\x03\x07\x01", b"\x08"), bcj.ARMTDecoder),
    **dict.fromkeys((b"\x03\x03\x08\x05", b"\x09"), bcj.SparcDecoder),
}
_ZSTD = b"\x04\xf7\x11\x01"
_COPY, _DELTA = b"\x00", b"\x03"
_OF_EQUAL_SIZE = frozenset((_COPY, _DELTA, *_BRANCHES))  # methods whose output has the size of their input
METHODS: dict[bytes, Callable[[bytes, int], Decoder]] = {
    _COPY: lambda properties, size: _Copy(),
    b"\x21": _lzma2,
    b"\x03\x01\x01": _lzma1,
    _DELTA: lambda properties, size: _Delta(properties[0] + 1),
    b"\x04\x01\x08": lambda properties, size: Inflate(),
    b"\x04\x01\x09": lambda properties, size: Inflate64(),
    b"\x04\x02\x02": lambda properties, size: bz2.BZ2Decompressor(),
    _ZSTD: lambda properties, size: Inflate(),  # handled in `_step`, since one decoder handles only one frame
    **{method: lambda properties, size, make=make: _Branch(make, size) for method, make in _BRANCHES.items()},  # type: ignore[misc]
}


def chain(coders: Sequence[Coder], packed: Window, budget: Budget) -> Iterator[bytes]:
    """Apply the coders, in order, to packed bytes. Raises LimitExceeded."""
    pieces: Iterator[bytes] = iter(())
    read: Callable[[int], bytes] = packed.read
    try:
        for number, coder in enumerate(coders):
            pieces = _step(coder, read, partial(_applied, coders[:number], packed))
            if coder.method not in _OF_EQUAL_SIZE:
                pieces = budget.pieces(pieces)
            read = Pieces(pieces).read1
        yield from pieces
    except (IndexError, OverflowError) as error:
        raise Malformed(f"the properties of a coder are damaged: {told(error)}") from None


def _step(coder: Coder, read: Callable[[int], bytes], reopened: Callable[[], Callable[[int], bytes]] | None = None) -> Iterator[bytes]:
    """Apply one coder to what `read` reads. With `reopened`, which reads the same once more, it gives everything before a damaged place."""
    if coder.method == _ZSTD:
        return iter(Zstd(read))
    make = partial(METHODS[coder.method], coder.properties, coder.size)
    return pumped(make(), read, coder.size, None if reopened is None else lambda: (make(), reopened()))


def _applied(coders: Sequence[Coder], packed: Window) -> Callable[[int], bytes]:
    """Return a function that reads what the coders make of the packed bytes. Each decodes once only, however many of them break."""
    read: Callable[[int], bytes] = packed.again().read
    for coder in coders:
        read = Pieces(_step(coder, read)).read1
    return read
