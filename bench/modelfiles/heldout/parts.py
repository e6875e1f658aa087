"""Assemble the bytes of archives, protocol buffers, FlatBuffers, GGUF, safetensors, NumPy, HDF5 and R files."""

from __future__ import annotations

import io
import json
import struct
import tarfile
import warnings
import zipfile
from collections.abc import Callable, Mapping
from typing import Any

from bench.modelfiles.heldout.sample import Content, as_bytes

_WHEN = (2026, 1, 1, 0, 0, 0)  # so that two runs write the same bytes


def zipped(files: Mapping[str, Content] | list[tuple[str, Content]], packed: bool = False) -> bytes:
    """Return a zip archive; a list may hold a name twice."""
    out = io.BytesIO()
    with (
        warnings.catch_warnings(action="ignore"),
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED) as archive,
    ):
        for name, content in files.items() if isinstance(files, Mapping) else files:
            archive.writestr(zipfile.ZipInfo(name, _WHEN), as_bytes(content))
    return out.getvalue()


def tarred(files: Mapping[str, Content]) -> bytes:
    """Return a tar archive."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, content in files.items():
            about = tarfile.TarInfo(name)
            about.size = len(as_bytes(content))
            archive.addfile(about, io.BytesIO(as_bytes(content)))
    return out.getvalue()


def varint(number: int) -> bytes:
    """Return a number of a protocol buffer; negative ones take ten bytes."""
    number &= (1 << 64) - 1
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


def field(number: int, *values: int | str | bytes | float) -> bytes:
    """Return one field of a protocol buffer for each value."""
    out = b""
    for value in values:
        if isinstance(value, int):
            out += varint(number << 3) + varint(value)
        elif isinstance(value, float):
            out += varint(number << 3 | 5) + struct.pack("<f", value)
        else:
            data = as_bytes(value)
            out += varint(number << 3 | 2) + varint(len(data)) + data
    return out


def gguf(metadata: Mapping[str, Any], tensors: bytes = b"", count: int = 0, tail: bytes = b"", keys: int | None = None) -> bytes:
    """Return a GGUF file. Values are text, numbers (32 bits), lists of text, or raw bytes that begin with their type."""
    out = b"GGUF" + struct.pack("<IQQ", 3, count, len(metadata) if keys is None else keys)
    for key, value in metadata.items():
        out += text64(key) + _value(value)
    out += tensors
    return out + bytes(-len(out) % 32) + tail


def text64(text: str) -> bytes:
    """Return text after its length."""
    return struct.pack("<Q", len(text.encode())) + text.encode()


def _value(value: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return struct.pack("<I", 8) + text64(value)
    if isinstance(value, int):
        return struct.pack("<II", 4, value)
    if isinstance(value, float):
        return struct.pack("<If", 6, value)
    return struct.pack("<IIQ", 9, 8, len(value)) + b"".join(map(text64, value))


def tensor(name: str, dims: list[int], kind: int = 0, offset: int = 0, rank: int | None = None) -> bytes:
    """Return the description of a tensor in GGUF."""
    sizes = b"".join(struct.pack("<Q", dim & (1 << 64) - 1) for dim in dims)
    return text64(name) + struct.pack("<I", len(dims) if rank is None else rank) + sizes + struct.pack("<IQ", kind, offset)


def safetensors(header: Content, data: bytes = b"", length: int | None = None) -> bytes:
    """Return a safetensors file."""
    text = as_bytes(json.dumps(header) if isinstance(header, dict) else header)
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def npy(header: str, data: bytes) -> bytes:
    """Return a NumPy array with this header."""
    text = header.encode()
    text += b" " * (-(len(text) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + data


def hdf5(write: Callable[[Any], object]) -> bytes:
    """Return an HDF5 file that this function fills."""
    import h5py

    out = io.BytesIO()
    with h5py.File(out, "w", track_order=True) as file:
        write(file)
    return out.getvalue()


# ---------------------------------------------------------------- FlatBuffers

Flat = dict[int, Any]  # slot: an int (32 bits), text, bytes, another table, or a list of tables, texts or ints


def flatbuffer(root: Flat, identifier: bytes) -> bytes:
    """Return a FlatBuffer whose objects come after the tables that refer to them."""
    out = bytearray(4) + identifier
    _refer(out, 0, root)
    return bytes(out)


def _refer(out: bytearray, at: int, value: Any) -> None:
    """Append a value, and write the distance to it at `at`."""
    out += bytes(-len(out) % 4)
    if isinstance(value, dict):
        slots = max(value, default=-1) + 1
        table = bytes(-(4 + 2 * slots) % 4)
        where = len(out)
        out += struct.pack("<HH", 4 + 2 * slots, 4 + 4 * slots)
        out += b"".join(struct.pack("<H", 4 + 4 * slot if slot in value else 0) for slot in range(slots)) + table
        start = len(out)
        out += struct.pack("<i", start - where) + bytes(4 * slots)
        struct.pack_into("<I", out, at, start - at)
        for slot, one in value.items():
            _put(out, start + 4 + 4 * slot, one)
        return
    struct.pack_into("<I", out, at, len(out) - at)
    if isinstance(value, str | bytes):
        out += struct.pack("<I", len(as_bytes(value))) + as_bytes(value) + b"\0"
        return
    start = len(out) + 4
    out += struct.pack("<I", len(value)) + bytes(4 * len(value))
    for number, one in enumerate(value):
        _put(out, start + 4 * number, one)


def _put(out: bytearray, at: int, value: Any) -> None:
    if isinstance(value, int):
        struct.pack_into("<I", out, at, value)
    else:
        _refer(out, at, value)


# ---------------------------------------------------------------- R

NIL, GLOBAL = struct.pack(">i", 254), struct.pack(">i", 253)
R_HEAD = b"X\n" + struct.pack(">iii", 2, 0x00040300, 0x00020300)


def r_text(text: str) -> bytes:
    """Return a vector of one text."""
    return struct.pack(">ii", 16, 1) + _r_chars(text)


def _r_chars(text: str) -> bytes:
    return struct.pack(">ii", 0x00040009, len(text)) + text.encode()


def r_symbol(name: str) -> bytes:
    """Return a name."""
    return struct.pack(">i", 1) + _r_chars(name)


def r_reals(*numbers: float) -> bytes:
    """Return a vector of numbers."""
    return struct.pack(">ii", 14, len(numbers)) + b"".join(struct.pack(">d", number) for number in numbers)


def r_list(*items: tuple[str | None, bytes]) -> bytes:
    """Return a pairlist; items may have a tag."""
    out = b""
    for tag, value in items:
        out += struct.pack(">i", 2 | (0x400 if tag else 0)) + (r_symbol(tag) if tag else b"") + value
    return out + NIL


def r_call(function: str, *arguments: bytes) -> bytes:
    """Return an unevaluated call."""
    return struct.pack(">i", 6) + r_symbol(function) + r_list(*((None, one) for one in arguments))


def r_promise(expression: bytes) -> bytes:
    """Return a promise without a value, which is evaluated as soon as somebody looks at it."""
    return struct.pack(">i", 5 | 0x400) + GLOBAL + struct.pack(">i", 252) + expression  # no value yet


def r_bytecode(function: str, argument: bytes) -> bytes:
    """Return bytecode whose only constant is a call; in bytecode, what is not a list comes after a zero."""
    plain = struct.pack(">i", 0)
    rest = struct.pack(">i", 2) + plain + NIL + plain + argument + plain + NIL
    called = struct.pack(">i", 6) + plain + NIL + plain + r_symbol(function) + rest
    return struct.pack(">iiiiiii", 21, 1, 13, 3, 12, 0, 1) + struct.pack(">i", 1) + called
