"""Places in tar archives: in every member, in their headers and records, and in the blocks around them."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator, Sequence

from bench.account.canary import RAW, TEXT, TOKEN, Place, in_all_forms, put_all, spliced
from bench.account.zips import Inner

_BLOCK = 512
_LINK, _CHECKSUM = 157, 148  # offsets in a header
_RECORDS = ("comment", "SCHILY.xattr.user.note", "LIBARCHIVE.note", "GNU.sparse.note", "hdrcharset", TOKEN)
_TYPES = (tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.CONTTYPE, b"Z", b"V", b"M", b"S", b"D")
Member = tuple[tarfile.TarInfo, bytes]


def tar_places(data: bytes, inner: Inner) -> Iterator[Place]:
    """Yield the places in each member, and those of the archive."""
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        found = [(info, content.read() if (content := archive.extractfile(info)) else b"") for info in archive]
    for number in range(len(found)):
        yield from _in_member(found, number, inner)
    yield from _fields(found)
    for key in _RECORDS:
        yield from _records(found, key)
    for kind in _TYPES:
        yield _typed(found, kind)
    plain = _tar(found)
    with tarfile.open(fileobj=io.BytesIO(plain)) as archive:
        for info in list(archive)[:3]:
            yield from _slack(plain, info)
    yield from _ends(data)


def _in_member(found: Sequence[Member], number: int, inner: Inner) -> Iterator[Place]:
    info, content = found[number]

    def packed(new: bytes) -> bytes:
        return _tar([*found[:number], _member(info, new), *found[number + 1 :]])

    yield from (place.within(info.name, packed) for place in inner(info.name, content))


def _fields(found: Sequence[Member]) -> Iterator[Place]:
    (first, content), *rest = found

    def field(name: str, value: str) -> Place:
        return Place(f"tar: {name}", "", lambda: _tar([(_changed(first, name, value), content), *rest]))

    yield from (field(name, TEXT[:31] if name.endswith("uname") or name == "gname" else TEXT) for name in ("uname", "gname", "linkname"))
    yield field("name", TOKEN)


def _records(found: Sequence[Member], key: str) -> Iterator[Place]:
    (first, content), *rest = found
    yield Place("tar: PAX record", key, lambda: _tar([(_changed(first, "pax_headers", {key: TEXT}), content), *rest]))
    yield Place("tar: global PAX record", key, lambda: _tar(found, {key: TEXT}))


def _typed(found: Sequence[Member], kind: bytes) -> Place:
    """Return an archive whose first member is not a file, and has content."""
    info, content = _member(tarfile.TarInfo("note"), RAW)
    info.type = kind
    head = info.tobuf(tarfile.USTAR_FORMAT)
    return Place("tar: content of a member that is not a file", repr(kind), lambda: head + content.ljust(_BLOCK, b"\0") + _tar(found))


def _slack(data: bytes, info: tarfile.TarInfo) -> Iterator[Place]:
    """Yield places behind the content of a member, in its last block, and in a field of its header that it does not use."""
    end = info.offset_data + info.size
    if -info.size % _BLOCK > 80:
        yield from in_all_forms("tar: behind content, in its block", "", lambda raw: spliced(data, end, raw, end + len(raw)))
    head = bytearray(spliced(data[info.offset : info.offset + _BLOCK], _LINK, RAW, _LINK + len(RAW)))
    head[_CHECKSUM : _CHECKSUM + 8] = b" " * 8
    head[_CHECKSUM : _CHECKSUM + 8] = b"%06o\0 " % sum(head)
    yield Place("tar: link of a header that is none", "", lambda: spliced(data, info.offset, bytes(head), info.offset + _BLOCK))


def _ends(data: bytes) -> Iterator[Place]:
    yield from put_all("tar: behind the end", "", data, len(data))
    yield from in_all_forms("tar: behind the end, in a block", "", lambda raw: data + raw.ljust(_BLOCK, b"\0"))
    yield from in_all_forms(
        "tar: in the last blocks of zeros", "", lambda raw: spliced(data, len(data) - 700, raw, len(data) - 700 + len(raw))
    )
    yield from in_all_forms("tar: before the first header", "", lambda raw: raw.ljust(_BLOCK, b"\0") + data)
    yield Place("tar: second archive behind the end", "", lambda: data + _tar([_member(tarfile.TarInfo("note.txt"), RAW)]))


def _tar(members: Sequence[Member], records: dict[str, str] | None = None) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT, pax_headers=records or {}) as archive:
        for info, content in members:
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def _member(info: tarfile.TarInfo, content: bytes) -> Member:
    return _changed(info, "size", len(content)), content


def _changed(info: tarfile.TarInfo, name: str, value: object) -> tarfile.TarInfo:
    new = info.replace(deep=True)
    setattr(new, name, value)
    return new
