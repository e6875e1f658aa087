"""Rewrites files inside a tar. Everything else is copied as it is: headers, other entries, and what follows the end marker.

Padding that is not made of zeros is replaced by zeros, because no program reads it.
"""

from __future__ import annotations

import contextlib
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import BinaryIO, cast

from veritensor_ray.formats.archives.archive_comments import changed_comment
from veritensor_ray.formats.archives.members import ambiguous, member
from veritensor_ray.formats.archives.tar.read import EXTENDED, TarArchive, TarEntry
from veritensor_ray.formats.archives.tar.structure import BLOCK, number
from veritensor_ray.formats.common.file_ranges import copy_range, length
from veritensor_ray.formats.common.source import Source
from veritensor_ray.formats.common.streams import Pieces, Window
from veritensor_ray.formats.editing.actions import CannotRewriteError
from veritensor_ray.formats.editing.edits import Orders
from veritensor_ray.masking.redaction import name_safe

_SIZE, _CHECKSUM = slice(124, 136), slice(148, 156)
_LINKS = "123456"  # entries without content, whatever size they have
_PAX = "xg"  # headers that hold records, for the next entry or for all that follow


def rewrite_tar(source: Source, out: BinaryIO, orders: Orders) -> None:
    """Rewrite the members that have orders, under the names that the reader gives them, and the comments in extended headers."""
    counts = Counter(entry.name for entry in TarArchive(source).entries() if entry.is_file)
    archive = TarArchive(source)
    at = 0
    for headers in _groups(archive):
        entry = headers[-1]
        with contextlib.ExitStack() as stack:
            new = None if entry.kind in EXTENDED else _content(archive, entry, counts, source, orders)
            if new is not None:
                stack.enter_context(contextlib.closing(new))
            size = None if new is None else length(new)
            for header in headers:
                changed = _header(source.file, header, size if header is entry or header.kind == "x" else None, orders)
                if changed is not None:
                    copy_range(source.file, out, at, header.at, orders.pulse)
                    out.write(changed)
                    at = header.start if header is entry else _end(header)
                if changed is None or (header is entry and new is None):
                    at = _without_slack(source.file, out, at, header, orders)
            if new is not None and size is not None:
                copy_range(new, out, 0, size, orders.pulse)
                out.write(bytes(-size % BLOCK))
                at = _end(entry)
        orders.pulse()
    copy_range(source.file, out, at, None, orders.pulse)


def _groups(archive: TarArchive) -> Iterator[list[TarEntry]]:
    """Yield each entry behind the extended headers that belong to it."""
    headers: list[TarEntry] = []
    for entry in archive.entries():
        headers.append(entry)
        if entry.kind not in EXTENDED:
            yield headers
            headers = []
    if headers:
        yield headers


def _end(entry: TarEntry) -> int:
    return entry.start + -(-entry.size // BLOCK) * BLOCK


def _without_slack(file: BinaryIO, out: BinaryIO, at: int, entry: TarEntry, orders: Orders) -> int:
    """Write zeros in place of what stands between the content of an entry and the next block, if anything does.

    Returns up to where the archive has been dealt with.
    """
    start, end = entry.start + entry.size, _end(entry)
    if orders.drop_residue is None or entry.kind in _LINKS or not Window(file, start, end - start).read(end - start).strip(b"\0"):
        return at
    copy_range(file, out, at, start, orders.pulse)
    out.write(bytes(end - start))
    orders.drop_residue()
    return end


def _content(archive: TarArchive, entry: TarEntry, counts: Counter[str], source: Source, orders: Orders) -> BinaryIO | None:
    """Return the new content of an entry, or None if it stays as it is."""
    inner = orders.member_orders(entry.name)
    if not inner or not entry.is_file:
        return None
    if any(inner) and (counts[entry.name] > 1 or ambiguous(entry.name, counts)):
        raise CannotRewriteError(f"{name_safe(entry.name)}: the archive has more than one file of that name")
    if entry.is_sparse:
        if any(inner):
            raise CannotRewriteError(f"{name_safe(entry.name)}: sparse files are not rewritten")
        return None
    return member(entry.name, cast("BinaryIO", Pieces(archive.content(entry))), source, inner)


def _header(file: BinaryIO, entry: TarEntry, size: int | None, orders: Orders) -> bytes | None:
    """Return a header as it should be, an extended one with its data, or None if it stays. `size` is the new one of the file."""
    file.seek(entry.at)
    block = file.read(BLOCK)
    if entry.kind not in EXTENDED:
        return None if size is None else _sized(block, entry, size)
    if entry.kind not in _PAX:
        return None
    file.seek(entry.start)
    old = _records(file.read(entry.size))
    new = [_record(key, value, entry, size, orders) for key, value in old]
    if new == old:
        return None
    data = b"".join(_joined(key, value) for key, value in new if value)
    if not data:
        return b""
    return _numbered(block, len(data)) + data + bytes(-len(data) % BLOCK)


def _record(key: bytes, value: bytes, entry: TarEntry, size: int | None, orders: Orders) -> tuple[bytes, bytes]:
    if key == b"comment":
        changed = changed_comment(orders, entry.name, value)
        return key, value if changed is None else changed
    if key == b"size" and entry.kind == "g":
        raise CannotRewriteError("a header for all entries sets their size")
    return key, b"%d" % size if key == b"size" and size is not None else value


def _records(data: bytes) -> list[tuple[bytes, bytes]]:
    """Return the records of an extended header, which the reader has found to be sound."""
    found, at = [], 0
    while begin := re.compile(rb"(\d+) ").match(data, at):
        end = at + int(begin[1])
        key, _, value = data[begin.end() : end - 1].partition(b"=")
        found.append((key, value))
        at = end
    return found


def _joined(key: bytes, value: bytes) -> bytes:
    """Return a record: its own length in digits, a space, the key, an equals sign, the value, and a line end."""
    rest = b" %s=%s\n" % (key, value)
    size = len(rest)
    while len(b"%d" % size) + len(rest) != size:
        size = len(b"%d" % size) + len(rest)
    return b"%d" % size + rest


def _sized(block: bytes, entry: TarEntry, size: int) -> bytes:
    """Return the header of a file with its new size. If a record has the size, the field may hold anything."""
    if number(block[_SIZE]) == entry.size:
        return _numbered(block, size)
    if "size" not in entry.records:
        raise CannotRewriteError(f"{name_safe(entry.name)}: the size in its header is damaged")
    return block


def _numbered(block: bytes, size: int) -> bytes:
    """Return a header with another size, and the checksum in the form that it has: as octal digits, over signed bytes if it was."""
    head = bytearray(block)
    signed = _sum(block) != number(block[_CHECKSUM])
    head[_SIZE] = _field(block[_SIZE], size)
    head[_CHECKSUM] = _field(block[_CHECKSUM], _sum(head) - (256 * sum(byte > 127 for byte in _summed(head)) if signed else 0))
    return bytes(head)


def _summed(block: Sequence[int]) -> Sequence[int]:
    """Return the bytes that a checksum is made from: its own field counts as spaces."""
    return [*block[:148], *b" " * 8, *block[156:]]


def _sum(block: Sequence[int]) -> int:
    return sum(_summed(block))


def _field(old: bytes, value: int) -> bytes:
    """Return a number written like the old one: with the same number of digits, padding and end, or in base 256."""
    if old[:1] == b"\x80":
        return b"\x80" + value.to_bytes(len(old) - 1, "big")
    lead = re.match(rb" *[0-7]*", old)
    width = len(lead[0]) if lead else 0
    digits = (b"%o" % value).rjust(width, b" " if old[:1] == b" " else b"0")
    if len(digits) > max(width, len(old) - 1):
        raise CannotRewriteError("a file would become too large for its header")
    return digits + old[len(digits) :]
