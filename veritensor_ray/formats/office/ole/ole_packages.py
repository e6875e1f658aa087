"""Reads OLE packages: a file in a document, or a link to one ([MS-OLEDS] 2.3.6, and how programs write it)."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Protocol

from veritensor_ray.core.format_table import EXECUTABLES
from veritensor_ray.core.segments import Block, Gap
from veritensor_ray.formats.common.source import Item, Member
from veritensor_ray.formats.recognition import by_magic

_NAME = 1024
_LINK = 1
_CONTROLS = bytes(range(32))
_PROGRAMS = (
    *(".exe", ".scr", ".com", ".pif", ".bat", ".cmd", ".ps1", ".js", ".jse", ".vbs", ".vbe", ".wsf", ".wsh", ".hta", ".lnk"),
    *(".msi", ".dll", ".cpl", ".jar", ".iso", ".img", ".vhd", ".chm", ".reg", ".scf", ".url", ".settingcontent-ms"),
)


class Streams(Protocol):
    """An object that opens streams."""

    def open(self, path: str) -> bytes:
        """The content of a stream. Raises ReadError."""


def native(streams: Streams, path: str) -> Iterator[Item]:
    """Yield the embedded file, and its names as metadata. Its declared size is not trusted."""
    data = streams.open(path)
    where = "".join(c for c in path if c.isprintable())
    label, at = _name(data, 6)
    original, at = _name(data, at)
    kind = int.from_bytes(data[at + 2 : at + 4], "little")
    at += 4
    if kind == _LINK:
        target = data[at:].lstrip(_CONTROLS).partition(b"\x00")[0][:_NAME].decode("cp1252", "replace")
        yield Block([target or original], view="metadata", column="package link", part=where, notice=_notice(target) or "external-relation")
        return
    size = int.from_bytes(data[at : at + 4], "little")
    former = data[at + 4 : at + 4 + size].rstrip(b"\x00").decode("cp1252", "replace")
    at += 4 + size
    length = int.from_bytes(data[at : at + 4], "little")
    name = (label or original or "object").replace("\\", "/").rpartition("/")[2] or "object"
    names = list(dict.fromkeys(text[:_NAME] for text in (label, original, former) if text))
    program = "embedded-program" if by_magic(data[at + 4 : at + 516]) in EXECUTABLES else None
    if names or program:
        notices = [program or _notice(names[0]), *[None] * (len(names) - 1)]
        yield Block(names or [name], view="metadata", column="package", part=where, notice=notices)
    if not 6 < at < len(data):
        yield Gap("an embedded object is damaged", location=where)
        return
    if at + 4 + length > len(data):
        yield Gap("an embedded object ends early", location=where)
    yield Member(name, io.BytesIO(data[at + 4 : at + 4 + length]))


def _notice(name: str) -> str | None:
    return "embedded-program" if name.lower().rstrip(" .").endswith(_PROGRAMS) else None


def _name(data: bytes, at: int) -> tuple[str, int]:
    """A name that ends with a zero byte, and the offset after it."""
    end = data.find(b"\x00", at, at + _NAME)
    return (data[at:end].decode("cp1252", "replace"), end + 1) if end >= 0 else ("", len(data))
