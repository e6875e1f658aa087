"""Makes compressed files and archives, with the programs that own the formats if they are installed, and cleans them."""

from __future__ import annotations

import io
import re
import shutil
import struct
import subprocess
import tarfile
import warnings
import zipfile
import zlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pytest

from tests.cleaning.marked import Rewritten, rewritten
from veritensor_ray.cleaning.cleaning_policy import CleanPolicy
from veritensor_ray.core.config import Limits
from veritensor_ray.formats.editing.actions import Action, Strippable
from veritensor_ray.formats.editing.edits import Order, Orders
from veritensor_ray.formats.editing.marks import Mark
from veritensor_ray.formats.format_registry import rewrite
from veritensor_ray.formats.opened_files import opened

EMAIL, MASKED = b"john.smith@acme.org", b"[EMAIL]"
TEXT = b"first line\r\nmail " + EMAIL + b" now\n" + b"a line of text\n" * 300
CLEAN = TEXT.replace(EMAIL, MASKED)


def run(folder: Path, *command: str, stdin: bytes = b"") -> bytes:
    """Run a program in a folder and return its output; skip the test if it is not installed."""
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    return subprocess.run(command, cwd=folder, input=stdin, capture_output=True, check=True, timeout=60).stdout


def cleaned(data: bytes, name: str, engines: tuple[str, ...] = ("pii",), policy: CleanPolicy | None = None) -> bytes:
    """The bytes of the file in the copy, which must have been rewritten, and in which nothing may be found any more.

    Members may be files without a reader.
    """
    policy = policy or CleanPolicy(unchecked="copy")
    found = rewritten(data, name, policy, engines)
    assert found.cleaned.result == "cleaned", found.cleaned.reason
    assert found.data is not None
    assert rewritten(data, name, policy, engines).data == found.data
    again = rewritten(found.data, name, policy, engines)
    assert (again.marks, again.cleaned.result, again.cleaned.media_type) == ([], "copied", found.cleaned.media_type)
    assert notices(found.data, name) == notices(data, name)
    return found.data


def notices(data: bytes, name: str) -> list[str]:
    """The rules of everything that is odd about the structure of a file."""
    return sorted(mark.rule for mark in rewritten(data, name, engines=("structure",)).marks)


def held(data: bytes, name: str, policy: CleanPolicy | None = None) -> str:
    """The reason why a file was held back."""
    found: Rewritten = rewritten(data, name, policy, ("pii",))
    assert (found.cleaned.result, found.data) == ("held", None)
    return found.cleaned.reason or ""


def emails(contents: Mapping[str, bytes] | Mapping[None, bytes]) -> list[Order]:
    """An order to mask every email address in the texts of members."""
    texts: dict[str | None, str] = {member: data.decode() for member, data in contents.items()}
    found = [(member, text, hit.start()) for member, text in texts.items() for hit in re.finditer(re.escape(EMAIL.decode()), text)]
    return [order(member, text, at) for member, text, at in found]


def order(member: str | None, text: str, at: int, action: Action = Action.MASK, length: int = len(EMAIL)) -> Order:
    """An order for a place in a text."""
    mark = Mark(
        "pii.email", "medium", member, None, None, None, None, "visible", None, at, at + length, text[at : at + length], straight=True
    )
    return Order(0, mark, action, keep_length=False)


def carried_out(
    data: bytes,
    name: str,
    orders: Iterable[Order],
    strip: Sequence[Strippable] = (),
    limits: Limits | None = None,
    mask: str = MASKED.decode(),
) -> tuple[bytes, Orders]:
    """The file rewritten with the orders, and the orders after that."""
    numbered = [one._replace(number=number) for number, one in enumerate(orders)]
    given = Orders(numbered, frozenset(strip), lambda *_: mask)
    out = io.BytesIO()
    rewrite(opened(io.BytesIO(data), name, limits or Limits()), out, given)
    return out.getvalue(), given


def zipped(*files: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # names may be equal on purpose
        for name, data in files:
            archive.writestr(zipfile.ZipInfo(name, (2020, 1, 2, 3, 4, 6)), data, method)
    return out.getvalue()


def taped(*files: tuple[str, bytes], format: int = tarfile.PAX_FORMAT) -> bytes:
    """A tar."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=format) as archive:
        for name, data in files:
            info = tarfile.TarInfo(name)
            info.size, info.mtime, info.uname = len(data), 1_600_000_000, "käthe"
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def ar_entry(name: bytes, data: bytes, field: bytes = b"%-10d") -> bytes:
    """A header of an ar, with its data and the padding of GNU. `field` is the form of the size."""
    return b"%-16s%-12d%-6d%-6d%-8o%s`\n%s" % (name, 1_600_000_000, 0, 0, 0o100644, field % len(data), data) + b"\n" * (len(data) % 2)


def gnu_ar(*files: tuple[str, bytes]) -> bytes:
    """An ar as GNU programs write it: names above 15 bytes are in a table."""
    names, made = b"", []
    for name, data in files:
        raw = name.encode()
        if len(raw) > 15:
            raw, names = b"/%d" % len(names), names + raw + b"/\n"
        else:
            raw += b"/"
        made.append(ar_entry(raw, data))
    return b"!<arch>\n" + (ar_entry(b"//", names) if names else b"") + b"".join(made)


def bsd_ar(*files: tuple[str, bytes]) -> bytes:
    """An ar as BSD programs write it: names above 16 bytes precede the content, with zeros up to a multiple of four."""
    made = []
    for name, data in files:
        raw = name.encode()
        padded = raw + bytes(-len(raw) % 4)
        made.append(ar_entry(raw, data) if len(raw) <= 16 and b" " not in raw else ar_entry(b"#1/%d" % len(padded), padded + data))
    return b"!<arch>\n" + b"".join(made)


def cpio_entry(name: str, data: bytes = b"", mode: int = 0o100644, form: bytes = b"070701") -> bytes:
    """An entry of a cpio, in the form that its magic says."""
    named = name.encode() + b"\0"
    if form == b"070707":
        return b"%b%06o%06o%06o%024o%011o%06o%011o%b%b" % (form, 1, 2, mode, 0, 0, len(named), len(data), named, data)
    fields = (2, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(named), 0)
    head = form + b"".join(b"%08X" % field for field in fields) + named
    return head + bytes(-len(head) % 4) + data + bytes(-len(data) % 4)


def cpio(*files: tuple[str, bytes], form: bytes = b"070701") -> bytes:
    """A cpio with its end marker."""
    return b"".join(cpio_entry(name, data, form=form) for name, data in (*files, ("TRAILER!!!", b"")))


def rpm_header(*values: tuple[int, int, int, bytes]) -> bytes:
    """A header of an RPM package: of each value the tag, the type, the count and the bytes."""
    index, store = b"", b""
    for tag, kind, count, data in values:
        index += struct.pack(">IIII", tag, kind, len(store), count)
        store += data
    return struct.pack(">4s4xII", b"\x8e\xad\xe8\x01", len(values), len(store)) + index + store


def rpm(payload: bytes, *values: tuple[int, int, int, bytes]) -> bytes:
    """An RPM package with these values in its header, and a signature that says its size."""
    header = rpm_header(*values)
    signature = rpm_header((1000, 4, 1, struct.pack(">I", len(header) + len(payload))), (269, 6, 1, b"ab" * 20 + b"\0"))
    lead = b"\xed\xab\xee\xdb\x03\0\0\0\0\1" + b"a-1-1".ljust(66, b"\0") + b"\0\1\0\5" + bytes(16)
    return lead + signature + bytes(-len(signature) % 8) + header + payload


def cab_block(data: bytes, size: int | None = None, checksum: int = 0) -> bytes:
    """A block of a cabinet. Without a checksum, none is compared."""
    return struct.pack("<IHH", checksum, len(data), len(data) if size is None else size) + data


def cab(*folders: tuple[int, list[bytes], list[tuple[str, int, int]]], flags: int = 0, names: bytes = b"") -> bytes:
    """A cabinet: of each folder its method, its blocks, and the names of its files with their places and sizes."""
    lists = b"".join(
        struct.pack("<IIHHHH", size, at, number, 0, 0, 0x80) + name.encode() + b"\0"
        for number, (_, _, files) in enumerate(folders)
        for name, at, size in files
    )
    start, heads, blocks = 36 + len(names) + 8 * len(folders) + len(lists), b"", b""
    for method, some, _ in folders:
        heads += struct.pack("<IHH", start + len(blocks), len(some), method)
        blocks += b"".join(some)
    count = sum(len(files) for _, _, files in folders)
    header = struct.pack(
        "<4sIIIIIBBHHHHH", b"MSCF", 0, start + len(blocks), 0, start - len(lists), 0, 3, 1, len(folders), count, flags, 0, 0
    )
    return header + names + heads + lists + blocks


def image(*files: tuple[str, bytes]) -> bytes:
    """An ISO image whose files are in its first folder."""
    first, folder, contents = 22, b"", b""
    for name, data in (("\0", b""), ("\1", b""), *files):
        at = 18 if name < " " else first + len(contents) // 2048
        size = 2048 * 4 if name < " " else len(data)
        width = 33 + len(name) + (len(name) + 1) % 2
        record = struct.pack("<BBIIII7sBBB4sB", width, 0, at, 0, size, 0, bytes(7), 2 * (name < " "), 0, 0, bytes(4), len(name))
        folder += bytes(-len(folder) % 2048 if len(folder) % 2048 + width > 2048 else 0) + (record + name.encode()).ljust(width, b"\0")
        contents += data + bytes(-len(data) % 2048)
    root = struct.pack("<BBIIII7sBBB4sBB", 34, 0, 18, 0, 2048 * 4, 0, bytes(7), 2, 0, 0, bytes(4), 1, 0)
    size = 22 + len(contents) // 2048
    head = bytearray(b"\1CD001\1" + bytes(2041))
    struct.pack_into("<I", head, 80, size)
    struct.pack_into("<H", head, 128, 2048)
    head[156:190] = root
    return bytes(16 * 2048) + bytes(head) + (b"\xffCD001\1").ljust(2048, b"\0") + folder.ljust(4 * 2048, b"\0") + contents


def seven(value: int) -> bytes:
    """A number of RAR 5."""
    made = bytearray()
    while value > 0x7F:
        made.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*made, value])


def rar_header(kind: int, body: bytes, data: bytes = b"", extra: bytes = b"", flags: int = 0) -> bytes:
    """A header of RAR 5, and what follows it."""
    flags |= bool(extra) | 2 * bool(data)
    head = seven(kind) + seven(flags) + (seven(len(extra)) if extra else b"") + (seven(len(data)) if data else b"") + body + extra
    sized = seven(len(head)) + head
    return struct.pack("<I", zlib.crc32(sized)) + sized + data


def rar_entry(
    name: str, data: bytes = b"", method: int = 0, extra: bytes = b"", kind: int = 2, flags: int = 0, checksum: int | None = None
) -> bytes:
    """A file of a RAR 5."""
    known = zlib.crc32(data) if checksum is None else checksum
    body = seven(4) + seven(len(data)) + seven(0o100644) + struct.pack("<I", known) + seven(method << 7) + seven(1)
    return rar_header(kind, body + seven(len(name.encode())) + name.encode(), data, extra, flags)


RAR_END = rar_header(5, seven(0))


def rar(*entries: bytes, volume: bool = False, end: bytes = RAR_END) -> bytes:
    """A RAR 5 of these entries."""
    return b"Rar!\x1a\x07\1\0" + rar_header(1, seven(volume)) + b"".join(entries) + end


def old_rar_header(kind: int, flags: int, body: bytes, data: bytes = b"") -> bytes:
    """A header of RAR 4, and what follows it."""
    rest = struct.pack("<BHH", kind, flags, 7 + len(body)) + body
    return struct.pack("<H", zlib.crc32(rest) & 0xFFFF) + rest + data


def old_rar_entry(name: bytes, data: bytes = b"", method: int = 0x30, flags: int = 0) -> bytes:
    """A file of a RAR 4."""
    body = struct.pack("<IIBIIBBHI", len(data), len(data), 3, zlib.crc32(data), 0, 29, method, len(name), 0o100644) + name
    return old_rar_header(0x74, 0x8000 | flags, body, data)


def old_rar(*entries: bytes, flags: int = 0) -> bytes:
    """A RAR 4 of these entries."""
    return b"Rar!\x1a\x07\0" + old_rar_header(0x73, flags, bytes(6)) + b"".join(entries) + old_rar_header(0x7B, 0, b"")
