"""Places in pickles and protocol buffers, which are sequences of small records."""

from __future__ import annotations

import pickletools
import struct
from collections.abc import Callable, Iterator

from bench.account.canary import EMAIL, NUMBER, RAW, TEXT, TOKEN, Place, in_all_forms, put, put_all

_SIZE = len(RAW)
_TEXT = b"X" + struct.pack("<I", _SIZE) + RAW
# Instructions that put the text on the stack. A POP follows, so the object that is loaded stays as it is.
_PUSHED = {
    "text": _TEXT,
    "short text": b"\x8c" + bytes([_SIZE]) + RAW,
    "text of a line": b"V" + RAW + b"\n",
    "string of a line": b"S'" + RAW + b"'\n",
    "string": b"T" + struct.pack("<I", _SIZE) + RAW,
    "bytes": b"B" + struct.pack("<I", _SIZE) + RAW,
    "short bytes": b"C" + bytes([_SIZE]) + RAW,
    "long bytes": b"\x8e" + struct.pack("<Q", _SIZE) + RAW,
    "byte array": b"\x96" + struct.pack("<Q", _SIZE) + RAW,
    "bytes in UTF-16": b"B" + struct.pack("<I", 2 * _SIZE) + TEXT.encode("utf-16-le"),
    "long number": b"\x8a" + bytes([_SIZE]) + RAW,
    "number": b"\x8a\x08" + struct.pack("<q", NUMBER),
    "number of a line": b"I%d\n" % NUMBER,
    "floating-point number": b"G" + struct.pack(">d", NUMBER),
    "persistent id": b"P" + RAW + b"\n",
    "name of a class": b"c" + TOKEN.encode() + b"\nnote\n",
    "key of the memo": b"Np" + EMAIL.encode() + b"\n",
}
_NUMBERS = (15, 77, 5000)  # of fields that no message has
_DEPTH = 4  # messages in messages
_VARINT, _EIGHT, _BYTES, _FOUR = 0, 1, 2, 5
Field = tuple[int, int, bytes]  # its number, its kind and what follows these


def is_pickle(data: bytes) -> bool:
    """Return whether it begins like a pickle of protocol 2 or later."""
    return data[:1] == b"\x80" and data[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05")


def pickle_places(data: bytes) -> Iterator[Place]:
    """Yield places before each instruction, in their texts, and behind the end."""
    end = len(data)
    for code, argument, at in pickletools.genops(data):
        start = at or 0
        if start and code.name != "FRAME":
            for kind, pushed in _PUSHED.items():
                yield put(f"pickle: {kind} that is not kept", f"before {code.name}", data, start, pushed + b"0")
        if isinstance(argument, str) and code.name.endswith("UNICODE"):
            raw = argument.encode("utf-8", "surrogatepass")
            yield put("pickle: text", code.name, data, start, _TEXT, data.index(raw, start) + len(raw))
        end = start + 1
    yield from put_all("pickle: behind the end", "", data, end)
    yield put("pickle: second pickle", "", data, end, b"\x80\x04" + _TEXT + b".")
    yield from in_all_forms("pickle: in a frame behind the end", "", lambda raw: data + b"\x80\x04\x95" + struct.pack("<Q", len(raw)) + raw)


def proto_places(data: bytes, written: Callable[[bytes], bytes] = bytes, depth: int = _DEPTH, where: str = "") -> Iterator[Place]:
    """Yield a new field at each level of a message, and each of its texts replaced. `written` returns the file for a message."""
    fields = proto_fields(data)
    if fields is None:
        return
    for number in _NUMBERS:
        yield from _unknown(data, number, written, where)
    group = _varint(77 << 3 | 3) + _of(1, RAW) + _varint(77 << 3 | 4)
    yield Place("field: unknown group", where, lambda: written(data + group))
    for index, (number, kind, value) in enumerate(fields):
        if kind == _BYTES:
            yield from _in_field(fields, index, value[varint_at(value, 0)[1] :], written, depth, f"{where}/{number}".lstrip("/"))


def _unknown(data: bytes, number: int, written: Callable[[bytes], bytes], where: str) -> Iterator[Place]:
    yield from in_all_forms("field: unknown", where, lambda raw: written(data + _of(number, raw)))
    yield from in_all_forms("field: unknown, as the first", where, lambda raw: written(_of(number, raw) + data))


def _in_field(fields: list[Field], index: int, body: bytes, written: Callable[[bytes], bytes], depth: int, where: str) -> Iterator[Place]:
    number = fields[index][0]
    before, behind = _joined(fields[:index]), _joined(fields[index + 1 :])

    def packed(new: bytes) -> bytes:
        return written(before + _of(number, new) + behind)

    yield from in_all_forms("field: value", where, packed)
    yield Place("field: earlier one of the same number", where, lambda: written(_of(number, RAW) + _joined(fields)))
    if depth and len(body) > 1:
        yield from proto_places(body, packed, depth - 1, where)


def proto_fields(data: bytes) -> list[Field] | None:
    """Return the fields of a message, or None if it is not one."""
    found: list[Field] = []
    at = 0
    while at < len(data):
        key, start = varint_at(data, at)
        number, kind = key >> 3, key & 7
        sizes = {_VARINT: varint_at(data, start)[1] - start, _EIGHT: 8, _FOUR: 4}
        if kind == _BYTES:
            length, begins = varint_at(data, start)
            sizes[_BYTES] = begins - start + length
        if not 0 < number < 1 << 16 or kind not in sizes or start + sizes[kind] > len(data):
            return None
        found.append((number, kind, data[start : start + sizes[kind]]))
        at = start + sizes[kind]
    return found


def _joined(fields: list[Field]) -> bytes:
    return b"".join(_varint(number << 3 | kind) + value for number, kind, value in fields)


def _of(number: int, raw: bytes) -> bytes:
    return _varint(number << 3 | _BYTES) + _varint(len(raw)) + raw


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes(out + bytes([value]))


def varint_at(data: bytes, at: int) -> tuple[int, int]:
    """Return the number at this offset, and where it ends. A number that does not end is too large for any length."""
    value = shift = 0
    while at < len(data) and shift < 64:
        value |= (data[at] & 127) << shift
        shift, at = shift + 7, at + 1
        if data[at - 1] < 128:
            return value, at
    return 1 << 63, at
