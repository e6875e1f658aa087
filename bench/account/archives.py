"""Places in 7z and Unix archives: in every member, in their headers, and between known ranges."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from bench.account.canary import RAW, TOKEN, Place, Sample, in_all_forms, put_all
from bench.account.finding import places
from tests.formats.archives.packed import ar_entry, bsd_ar, gnu_ar
from tests.formats.archives.sevenzip.test_read import packed

_LINE = b"a line of text that nobody hides anything in"
_MEMBERS: tuple[tuple[str, bytes], ...] = (
    ("one.txt", _LINE),
    ("two.json", b'{"a": "a line of text"}'),
    ("three.xml", b"<a><b>text</b></a>"),
)
Make = Callable[[Sequence[tuple[str, bytes]]], bytes]
_HEAD = 32  # bytes of a 7z before its packed streams


def archive_samples() -> Iterator[Sample]:
    """Yield archives with their places."""
    yield Sample("b.7z", packed(dict(_MEMBERS)), _sevenzip_places)
    for make in (gnu_ar, bsd_ar):
        yield Sample("b.ar", make(*_MEMBERS), partial(_ar_places, make is gnu_ar))


def _sevenzip_places() -> Iterator[Place]:
    base = packed(dict(_MEMBERS))
    yield from _members(lambda members: packed(dict(members)))
    yield Place("7z: name of a member", "", lambda: packed({TOKEN: b"a"}))
    yield Place("7z: name of a folder", "", lambda: packed({f"{TOKEN}/a.txt": b"a"}))
    yield Place("7z: name of an empty member", "", lambda: packed({**dict(_MEMBERS), TOKEN: b""}))
    yield from in_all_forms("7z: before the header", "", lambda raw: _with_gap(base, raw))
    yield from in_all_forms("7z: behind the first header", "", lambda raw: _with_gap(base, raw, first=True))
    yield from put_all("7z: behind the end", "", base, len(base))


def _with_gap(data: bytes, raw: bytes, first: bool = False) -> bytes:
    """Return an archive with bytes before its header, or before all streams, where offsets no longer fit."""
    offset, size, checksum = struct.unpack("<QQI", data[12:_HEAD])
    at = _HEAD if first else _HEAD + offset
    start = struct.pack("<QQI", offset + len(raw), size, checksum)
    return data[:8] + struct.pack("<I", zlib.crc32(start)) + start + data[_HEAD:at] + raw + data[at:]


def _ar_places(gnu: bool) -> Iterator[Place]:
    make = gnu_ar if gnu else bsd_ar
    base = make(*_MEMBERS)
    yield from _members(lambda members: make(*members))
    yield Place("ar: name of a member", "", lambda: make(*_MEMBERS, (TOKEN, b"a")))
    for kind, entry in {
        "table of names": ar_entry(b"//", RAW + b"/\n"),
        "table of symbols": ar_entry(b"/", RAW),
        "table of symbols, BSD": ar_entry(b"__.SYMDEF", RAW),
        "member without a name": ar_entry(b"", RAW),
    }.items():
        yield Place(f"ar: {kind}", "", partial(b"".join, [base, entry]))
        yield Place(f"ar: {kind}, as the first", "", partial(b"".join, [base[:8], entry, base[8:]]))
    second = base.index(b"`\n" + _LINE) + 2 + len(_LINE)
    yield from in_all_forms("ar: between members", "", lambda raw: base[:second] + raw + b"\n" * (len(raw) % 2) + base[second:])
    yield from put_all("ar: behind the end", "", base, len(base))


def _members(make: Make) -> Iterator[Place]:
    for number, (name, data) in enumerate(_MEMBERS):
        for place in places(name, data, 1):
            yield place.within(name, partial(_replaced, make, number))


def _replaced(make: Make, number: int, new: bytes) -> bytes:
    return make([*_MEMBERS[:number], (_MEMBERS[number][0], new), *_MEMBERS[number + 1 :]])
