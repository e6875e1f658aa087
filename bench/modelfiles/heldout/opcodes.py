"""Assemble pickles opcode by opcode. Nothing is pickled from objects, and nothing is unpickled."""

from __future__ import annotations

import struct

from bench.modelfiles.heldout.parts import npy, zipped

ECHO = "echo harmless"
NONE, EMPTY, MARK, NEWDICT, NEWLIST = b"N", b")", b"(", b"}", b"]"


def name(dotted: str) -> bytes:
    """Return GLOBAL for `module:name`."""
    module, _, what = dotted.partition(":")
    return f"c{module}\n{what}\n".encode()


def stacked(dotted: str) -> bytes:
    """Return STACK_GLOBAL for `module:name`."""
    module, _, what = dotted.partition(":")
    return short(module) + short(what) + b"\x93"


def text(value: str) -> bytes:
    """Return BINUNICODE."""
    return b"X" + struct.pack("<I", len(value.encode())) + value.encode()


def short(value: str) -> bytes:
    """Return SHORT_BINUNICODE."""
    return b"\x8c" + bytes([len(value.encode())]) + value.encode()


def raw(value: bytes) -> bytes:
    """Return BINBYTES."""
    return b"B" + struct.pack("<I", len(value)) + value


def number(value: int) -> bytes:
    """Return BININT."""
    return b"J" + struct.pack("<i", value)


def item(value: bytes | str | int) -> bytes:
    """Return the opcodes of a value; bytes are opcodes already."""
    return text(value) if isinstance(value, str) else number(value) if isinstance(value, int) else value


def tuple_of(*values: bytes | str | int) -> bytes:
    """Return MARK, the values and TUPLE."""
    return b"(" + b"".join(map(item, values)) + b"t"


def call(function: bytes | str, *values: bytes | str | int) -> bytes:
    """Return the call of a name or of opcodes by REDUCE."""
    return (name(function) if isinstance(function, str) else function) + tuple_of(*values) + b"R"


def build(thing: bytes, state: bytes) -> bytes:
    """Return BUILD."""
    return thing + state + b"b"


def dict_of(**values: bytes | str | int) -> bytes:
    """Return a dictionary."""
    return b"}(" + b"".join(text(key) + item(value) for key, value in values.items()) + b"u"


def list_of(*values: bytes | str | int) -> bytes:
    """Return a list."""
    return b"](" + b"".join(map(item, values)) + b"e"


def method(owner: str, what: str) -> bytes:
    """Return getattr(owner, what)."""
    return call("builtins:getattr", name(owner), what)


def done(body: bytes, protocol: int = 4) -> bytes:
    """Return a whole pickle."""
    return (b"\x80" + bytes([protocol]) if protocol > 1 else b"") + body + b"."


def framed(body: bytes, protocol: int = 4) -> bytes:
    """Return a whole pickle in one frame."""
    body += b"."
    return b"\x80" + bytes([protocol]) + b"\x95" + struct.pack("<Q", len(body)) + body


def torch_zip(data: bytes, folder: str = "archive", more: dict[str, bytes] | None = None) -> bytes:
    """Return what torch.save writes around a pickle."""
    return zipped({f"{folder}/data.pkl": data, f"{folder}/byteorder": "little", f"{folder}/version": "3\n", **(more or {})})


def object_array(data: bytes) -> bytes:
    """Return an array of objects, whose elements are pickled."""
    return npy("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }", data)


# ---------------------------------------------------------------- what ordinary pickles hold

STATE = b"ccollections\nOrderedDict\n)R"
SYSTEM = call("os:system", ECHO)
WEIGHTS = done(dict_of(epoch=3, loss="0.25", classes=list_of("cat", "dog")))


def tensor_state(key: str = "weight") -> bytes:
    """Return a state dictionary of one tensor of two floats, as torch.save writes it."""
    storage = tuple_of("storage", name("torch:FloatStorage"), "0", "cpu", number(2)) + b"Q"
    made = call("torch._utils:_rebuild_tensor_v2", storage, number(0), b"K\x02\x85", b"K\x01\x85", b"\x89", STATE)
    return STATE + text(key) + made + b"s"
