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
