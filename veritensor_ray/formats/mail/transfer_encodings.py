"""Writes the changed body of a part in the transfer encoding that it had; lines in which nothing changes stay as they are.

It depends on neither parts nor orders.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator, Sequence
from typing import AnyStr, Generic, NamedTuple

from veritensor_ray.formats.editing.actions import CannotRewriteError
from veritensor_ray.formats.mail.mime import decoded_body

_AS_THEY_ARE = frozenset({"", "7bit", "8bit", "binary"})
_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_PHYSICAL = re.compile(rb"[^\n]*\n|[^\n]+")
_LINE_END = re.compile(rb"\r?\n\Z")
_ESCAPED_END = re.compile(rb"=0[AaDd]")
_WIDTH = 76  # characters of an encoded line
_FROM = b"From "


class Hunk(NamedTuple, Generic[AnyStr]):
    """A range of a text or of bytes, and what takes its place."""

    start: int
    end: int
    new: AnyStr


def written_again(raw: bytes, new: bytes, encoding: str, newline: bytes) -> bytes:
    """Return a body with another content. `raw` is the body as it stands in the message, whose lines end with `newline`.

    Raises CannotRewriteError.
    """
    old = decoded_body(raw, encoding)[0]
    if old == new:
        return raw
    if encoding in _AS_THEY_ARE:
        return new
    if encoding == "base64":
        written = _base64(raw, new, newline)
    elif encoding == "quoted-printable":
        written = _quoted_printable(raw, old, new, newline)
    else:
        raise CannotRewriteError("a part has a transfer encoding in which nothing is written")
    if decoded_body(written, encoding)[0] != new:
        raise CannotRewriteError(f"a part cannot be written in {encoding} again")
    return written


def _base64(raw: bytes, new: bytes, newline: bytes) -> bytes:
    """Lines are as long as the first one, so that those before the change are the same."""
    bare = raw.strip()
    whole = bare.translate(None, b" \t\r\n")
    code = whole.rstrip(b"=")
    if len(whole) - len(code) > 2 or code.translate(None, _ALPHABET):
        raise CannotRewriteError("a part in base64 has lines that are not base64")
    first, end, _ = bare.partition(b"\n")
    width = max(4, len(first.strip()) // 4 * 4)
    if end:
        newline = b"\r\n" if first.endswith(b"\r") else b"\n"
    code = binascii.b2a_base64(new, newline=False)
    if not end:  # one line, of any length
        width = len(first) if len(first) > _WIDTH else _WIDTH
    lines = newline.join(code[at : at + width] for at in range(0, len(code), width))
    begin = len(raw) - len(raw.lstrip())
    return raw[:begin] + lines + raw[begin + len(bare) :]


class _PhysicalLine(NamedTuple):
    """A line of quoted-printable, and the bytes that it stands for."""

    begin: int
    end: int
    first: int
    last: int


def _quoted_printable(raw: bytes, old: bytes, new: bytes, newline: bytes) -> bytes:
    lines = _physical_lines(raw)
    if not lines or lines[-1].last != len(old):
        raise CannotRewriteError("a part is not in quoted-printable as its lines say")
    pieces, at = list[bytes](), 0
    for first, last, some in _grouped(lines, hunks(old, new)):
        start, stop = lines[first], lines[last]
        content, done = list[bytes](), start.first
        for hunk in some:
            content += [old[done : hunk.start], hunk.new]
            done = hunk.end
        content.append(old[done : stop.last])
        pieces += [raw[at : start.begin], _encoded(b"".join(content), raw[start.begin : stop.end], newline)]
        at = stop.end
    return b"".join([*pieces, raw[at:]])


def _physical_lines(raw: bytes) -> list[_PhysicalLine]:
    found, first = list[_PhysicalLine](), 0
    for line in _PHYSICAL.finditer(raw):
        size = len(binascii.a2b_qp(line[0]))
        found.append(_PhysicalLine(*line.span(), first, first + size))
        first += size
    return found


def _grouped(lines: Sequence[_PhysicalLine], some: Sequence[Hunk[bytes]]) -> Iterator[tuple[int, int, list[Hunk[bytes]]]]:
    """Yield the first and the last line that hunks touch, with those hunks. Hunks that share lines come together."""
    group = list[Hunk[bytes]]()
    first = last = number = 0
    for hunk in some:
        while lines[number].last <= hunk.start and lines[number].last < lines[-1].last:
            number += 1
        begin = number
        while lines[number].last < hunk.end:
            number += 1
        if group and begin > last:
            yield first, last, group
            group = []
        if not group:
            first = begin
        last = number
        group.append(hunk)
    if group:
        yield first, last, group


def _encoded(content: bytes, lines: bytes, newline: bytes) -> bytes:
    """Return content in quoted-printable, in place of some lines. If these have escaped line ends, the new ones are escaped too."""
    end = found[0] if (found := _LINE_END.search(lines)) else b""
    newline = end or newline
    if end and lines.endswith(b"=" + end):  # the line goes on
        end = b"=" + end
    else:
        end = end if content.endswith(end) else b""
        content = content.removesuffix(end)
    parts = [content] if _ESCAPED_END.search(lines) else content.split(newline)
    return newline.join(_soft_lines(_quoted(part), newline) for part in parts) + end


def _quoted(line: bytes) -> bytes:
    """Return a line in quoted-printable, however long."""
    return binascii.b2a_qp(line, quotetabs=False, istext=False, header=False).replace(b"=\r\n", b"").replace(b"=\n", b"")


def _soft_lines(code: bytes, newline: bytes) -> bytes:
    """Break a line into lines that are short enough. None begins as a line of a mailbox does, or ends the message for a server."""
    lines, at = list[bytes](), 0
    while len(code) - at > _WIDTH:
        end = at + _WIDTH - 3
        end -= 1 if code[end - 1 : end] == b"=" else 2 if code[end - 2 : end - 1] == b"=" else 0
        lines.append(code[at:end])
        at = end
    lines.append(code[at:])
    safe = [b"=%02X" % line[0] + line[1:] if line.startswith(_FROM) or line == b"." else line for line in lines]
    return (b"=" + newline).join(safe)


def hunks(old: AnyStr, new: AnyStr) -> list[Hunk[AnyStr]]:
    """Return where two contents differ: line by line if they have equally many lines, or else as one range."""
    before, after = old.splitlines(keepends=True), new.splitlines(keepends=True)
    if len(before) != len(after):
        return [_hunk(old, new, 0)]
    found, at = list[Hunk[AnyStr]](), 0
    for one, other in zip(before, after, strict=True):
        if one != other:
            found.append(_hunk(one, other, at))
        at += len(one)
    return found


def _hunk(old: AnyStr, new: AnyStr, at: int) -> Hunk[AnyStr]:
    first = _common(old, new)
    last = _common(old[first:][::-1], new[first:][::-1])
    return Hunk(at + first, at + len(old) - last, new[first : len(new) - last])


def _common(one: AnyStr, other: AnyStr) -> int:
    """Return how much two contents have in common at their beginning."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if one[low:middle] == other[low:middle] else (low, middle - 1)
    return low
