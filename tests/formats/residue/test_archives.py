"""The bytes of archives: all are accounted for if a program wrote them, and text between them is found."""

from __future__ import annotations

import io
import tarfile
import zlib
from collections.abc import Callable
from typing import Any

import pytest

from tests.cases import each
from tests.formats.archives.packed import bsd_ar, gnu_ar
from tests.formats.archives.sevenzip.test_read import packed
from tests.formats.residue.accounts import PLANTED, both, found
from veritensor_ray.core.segments import Block

FILES = {"a.txt": b"some words " * 50, "a folder/" + "of a long name " * 12 + "ü.txt": b"words", "odd": b"odd"}


def taped(kind: int = tarfile.PAX_FORMAT, files: dict[str, bytes] | None = None, **about: Any) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=kind) as archive:
        for name, data in (files or FILES).items():
            info = tarfile.TarInfo(name)
            info.size, info.mtime, info.uname, info.gname = len(data), 1_700_000_000, "somebody-else", "wheel"
            for key, value in about.items():
                setattr(info, key, value)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def patched(data: bytes, at: int, put: bytes) -> bytes:
    """A tar with other bytes in its first header, whose checksum is right again."""
    block = bytearray(data[:512])
    block[at : at + len(put)] = put
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block) + data[512:]


def placed(data: bytes, at: int) -> bytes:
    return data[:at] + PLANTED + data[at + len(PLANTED) :]


def gap_in_7z() -> bytes:
    """An archive with a gap before its header."""
    data = packed({"a.txt": b"some words"})
    offset = int.from_bytes(data[12:20], "little") + len(PLANTED)
    front = offset.to_bytes(8, "little") + data[20:32]
    at = 32 + offset - len(PLANTED)
    return data[:8] + zlib.crc32(front).to_bytes(4, "little") + front + data[32:at] + PLANTED + data[at:]


WRITTEN: dict[str, Callable[[], bytes]] = {
    "pax.tar": taped,
    "gnu.tar": lambda: taped(tarfile.GNU_FORMAT),
    "ustar.tar": lambda: taped(tarfile.USTAR_FORMAT, {"a.txt": b"some words", "folder/" * 16 + "a.txt": b"words"}),
    "comment.tar": lambda: taped(pax_headers={"comment": "a comment", "mtime": "1700000000.25", "uname": "somebody-else"}),
    "a.7z": lambda: packed(FILES),
    "empty.7z": lambda: packed({}),
    "bsd.a": lambda: bsd_ar(*FILES.items()),
    "gnu.a": lambda: gnu_ar(*FILES.items()),
}


@pytest.mark.parametrize("name", WRITTEN)
def test_nothing_is_left_of_what_programs_write(name: str) -> None:
    given, left = both(WRITTEN[name](), name)
    assert given or name == "empty.7z"
    assert not [one for one in given if isinstance(one, Block) and one.view == "residue"]
    assert left == []


PLACES: dict[str, tuple[str, Callable[[], bytes]]] = {
    "tar: behind a name": ("a.tar", lambda: patched(taped(), 10, PLANTED)),
    "tar: behind a link": ("a.tar", lambda: patched(taped(), 160, PLANTED)),
    "tar: a user": ("a.tar", lambda: patched(taped(), 265, PLANTED + bytes(9))),
    "tar: at the end of a header": ("a.tar", lambda: patched(taped(tarfile.GNU_FORMAT), 480, PLANTED)),
    "tar: an old header": ("a.tar", lambda: patched(taped(tarfile.USTAR_FORMAT, {"a": b"b"}), 257, PLANTED)),
    "tar: the padding of a file": ("a.tar", lambda: placed(taped(files={"a.txt": b"some words"}), 512 + 40)),
    "tar: an unknown record": ("a.tar", lambda: taped(pax_headers={"VENDOR.owner": PLANTED.decode()})),
    "tar: an extended attribute": ("a.tar", lambda: taped(pax_headers={"SCHILY.xattr.user.mail": PLANTED.decode()})),
    "tar: in place of a time": ("a.tar", lambda: taped(pax_headers={"atime": PLANTED.decode()})),
    "tar: the first of two comments": (
        "a.tar",
        lambda: taped(files={"a": b"b"}, pax_headers={"comment": PLANTED.decode(), "commenx": "b" * 23}).replace(b"commenx", b"comment"),
    ),
    "tar: behind a long name": ("a.tar", lambda: placed(taped(tarfile.GNU_FORMAT, {"long/" * 50: b"b"}), 512 + 260)),
    "tar: after the end": ("a.tar", lambda: placed(taped(), len(taped()) - 300)),
    "tar: a name": ("a.tar", lambda: taped(files={f"{PLANTED.decode()}.txt": b"some words"})),
    "tar: a link": ("a.tar", lambda: taped(files={"a": b""}, type=tarfile.SYMTYPE, linkname=PLANTED.decode())),
    "7z: a name": ("a.7z", lambda: packed({f"{PLANTED.decode()}.txt": b"some words"})),
    "ar: a name": ("a.a", lambda: gnu_ar((f"{PLANTED.decode()}.txt", b"some words"))),
    "7z: before the header": ("a.7z", gap_in_7z),
    "7z: at the end": ("a.7z", lambda: packed(FILES) + PLANTED),
    "ar: in place of numbers": ("a.a", lambda: placed(gnu_ar(("a.txt", b"some words")), 8 + 16)),
    "ar: behind a name": ("a.a", lambda: bsd_ar(("a.txt" + "\0" * 6 + PLANTED.decode(), b"some words"))),
    "ar: an unused name": ("a.a", lambda: gnu_ar(("a" * 20, b"some words"), ("b" * 16 + PLANTED.decode(), b"")).replace(b"/22 ", b"/0  ")),
}


@each(("name", "made"), PLACES.values(), ids=PLACES)
def test_text_in_places_that_no_program_shows_is_found(name: str, made: Callable[[], bytes]) -> None:
    assert found(made(), name)
