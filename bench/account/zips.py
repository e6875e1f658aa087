"""Places in zip archives: in every member, and between, around and in the records of the archive itself."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from bench.account.canary import RAW, TEXT, TOKEN, Place, in_all_forms

_LOCAL, _CENTRAL, _END = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"
_STORED, _DEFLATED = 0, 8
_PARTS = (
    "hidden.bin",
    "hidden.xml",
    "word/hidden.xml",
    "docProps/custom.xml",
    "customXml/item9.xml",
    "a.rels",
    "META-INF/note",
    "a/a.json",
)
Inner = Callable[[str, bytes], Iterator[Place]]  # the places in a file


@dataclass(frozen=True, slots=True)
class Entry:
    """A member as it stands in an archive, and what else can stand around it."""

    name: bytes
    method: int
    crc: int
    packed: bytes
    size: int
    extra: bytes = b""
    central_extra: bytes = b""
    comment: bytes = b""
    before: bytes = b""
    local_name: bytes | None = None
    listed: bool = True

    def local(self) -> bytes:
        """Return the local header and the packed content."""
        name = self.name if self.local_name is None else self.local_name
        head = struct.pack(
            "<HHHHHIIIHH", 20, 0x800, self.method, 0, 0x21, self.crc, len(self.packed), self.size, len(name), len(self.extra)
        )
        return self.before + _LOCAL + head + name + self.extra + self.packed

    def central(self, at: int) -> bytes:
        """Return the record of the directory for a local header at this offset."""
        sizes = (self.crc, len(self.packed), self.size, len(self.name), len(self.central_extra), len(self.comment))
        head = struct.pack("<HHHHHHIIIHHHHHII", 20, 20, 0x800, self.method, 0, 0x21, *sizes, 0, 0, 0, at)
        return _CENTRAL + head + self.name + self.central_extra + self.comment


def entry(name: bytes, data: bytes, method: int = _DEFLATED) -> Entry:
    """Return a member of this content."""
    return Entry(name, method, zlib.crc32(data), _deflated(data) if method else data, len(data))


def entries(data: bytes) -> list[tuple[Entry, bytes]]:
    """Return the members of an archive with their contents, stored or deflated."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        found = [(info, archive.read(info)) for info in archive.infolist()]
    return [(entry(info.filename.encode(), content, info.compress_type and _DEFLATED), content) for info, content in found]


def written(members: Sequence[Entry], comment: bytes = b"", before_directory: bytes = b"", after_directory: bytes = b"") -> bytes:
    """Return an archive of these members."""
    out, records, listed = bytearray(), bytearray(), 0
    for one in members:
        if one.listed:
            records += one.central(len(out) + len(one.before))
            listed += 1
        out += one.local()
    out += before_directory
    end = struct.pack("<HHHHIIH", 0, 0, listed, listed, len(records), len(out), len(comment))
    return bytes(out + records + after_directory + _END + end + comment)


def zip_places(data: bytes, inner: Inner) -> Iterator[Place]:
    """Yield the places in each member, and those of the archive."""
    found = entries(data)
    members = [one for one, _ in found]
    for number, (_, content) in enumerate(found):
        yield from _in_member(members, number, content, inner)
    for number in sorted({0, len(members) // 2, len(members) - 1}):
        yield from _around(members, number)
    yield from in_all_forms("zip: before the directory", "", lambda raw: written(members, before_directory=raw))
    yield from in_all_forms("zip: behind the directory", "", lambda raw: written(members, after_directory=raw))
    yield from in_all_forms("zip: comment", "", lambda raw: written(members, comment=raw))
    yield from _more(members)


def _in_member(members: Sequence[Entry], number: int, content: bytes, inner: Inner) -> Iterator[Place]:
    one = members[number]

    def packed(new: bytes) -> bytes:
        return written(_with(members, number, entry(one.name, new, one.method)))

    name = one.name.decode()
    yield from (place.within(name, packed) for place in inner(name, content))


def _around(members: Sequence[Entry], number: int) -> Iterator[Place]:
    """Yield the places in the records of a member, and around it."""
    one = members[number]

    def all_forms(kind: str, new: Callable[[bytes], Entry]) -> Iterator[Place]:
        return in_all_forms(f"zip: {kind}", "", lambda raw: written(_with(members, number, new(raw))))

    yield from all_forms("between entries" if number else "before the first entry", lambda raw: replace(one, before=raw))
    yield from all_forms("extra field of an entry", lambda raw: replace(one, extra=_extra(raw)))
    yield from all_forms("extra field of the directory", lambda raw: replace(one, central_extra=_extra(raw)))
    yield from all_forms("extra field without a header", lambda raw: replace(one, extra=raw))
    yield from all_forms("comment of an entry", lambda raw: replace(one, comment=raw))
    yield from all_forms("behind the data of an entry", lambda raw: replace(one, packed=one.packed + raw))
    named = replace(one, local_name=TOKEN.encode())
    yield Place("zip: name of an entry in its header alone", "", lambda: written(_with(members, number, named)))


def _more(members: Sequence[Entry]) -> Iterator[Place]:
    """Yield archives with one more entry."""
    hidden = entry(b"hidden.txt", RAW)
    unlisted = replace(hidden, listed=False)
    for kind, more in {
        "entry that the directory does not list": [*members, unlisted],
        "first entry that the directory does not list": [unlisted, *members],
        "new entry": [*members, hidden],
        "name of a new entry": [*members, entry(TOKEN.encode(), b"x")],
        "name of a new folder": [*members, entry(f"{TOKEN}/".encode(), b"", _STORED)],
        "content of a folder": [*members, entry(b"folder/", RAW, _STORED)],
        "earlier entry of the same name": [entry(members[-1].name, RAW), *members],
        "later entry of the same name": [*members, entry(members[0].name, RAW)],
    }.items():
        yield _archive(f"zip: {kind}", "", more)
    for name in _PARTS:
        content = f"<note>{TEXT}</note>".encode() if name.endswith(("xml", "rels")) else RAW
        yield _archive("zip: new part", name, [*members, entry(name.encode(), content)])


def _archive(kind: str, where: str, members: Sequence[Entry]) -> Place:
    return Place(kind, where, lambda: written(members))


def _extra(raw: bytes) -> bytes:
    return struct.pack("<HH", 0xCAFE, len(raw)) + raw


def _with(members: Sequence[Entry], number: int, new: Entry) -> list[Entry]:
    return [*members[:number], new, *members[number + 1 :]]


def _deflated(data: bytes) -> bytes:
    squeeze = zlib.compressobj(1, wbits=-15)
    return squeeze.compress(data) + squeeze.flush()
