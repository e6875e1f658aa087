"""Zip archives: whole ones of every method, hostile ones of every kind, damaged ones at every byte."""

from __future__ import annotations

import bz2
import io
import random
import stat
import struct
import tracemalloc
import warnings
import zipfile
import zlib
from collections.abc import Callable

import inflate64
import pytest
import zstandard

from tests.cases import each
from tests.formats.archives.gathering import ZIP, fuzzed, gather
from veritensor_ray.core.config import Limits
from veritensor_ray.core.errors import LimitExceeded
from veritensor_ray.core.media_types import PYTORCH
from veritensor_ray.engines.structure import RULES

FILES = {"a.txt": b"some words " * 50, "d/b.bin": random.Random(1).randbytes(5000), "d/empty": b"", "long.txt": b"0123456789" * 300_000}


def zipped(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED, **comments: bytes) -> bytes:
    """An archive by the standard library."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, data in files.items():
            archive.writestr(name, data)
        archive.comment = comments.get("comment", b"")
    return out.getvalue()


class Builder:
    """Writes an archive record by record, so that any of them can lie."""

    def __init__(self) -> None:
        self.out, self.directory, self.count = b"", b"", 0

    def local(self, name: bytes, packed: bytes, method: int = 0, flags: int = 0, crc: int = 0, size: int = 0, **lies: int) -> int:
        """A local header and data; returns where."""
        at = len(self.out)
        told = (lies.get("local_crc", crc), lies.get("local_packed", len(packed)), lies.get("local_size", size))
        self.out += struct.pack("<4s5H3L2H", b"PK\x03\x04", 20, flags, method, 0, 0, *told, len(name), 0) + name + packed
        return at

    def listed(
        self, name: bytes, at: int, packed: int, method: int = 0, flags: int = 0, crc: int = 0, size: int = 0, mode: int = 0
    ) -> None:
        """An entry of the directory."""
        fields = (20, 3, 20, 0, flags, method, 0, 0, crc, packed, size, len(name), 0, 0, 0, 0, mode << 16, at)
        self.directory += struct.pack("<4s4B4H3L5H2L", b"PK\x01\x02", *fields) + name
        self.count += 1

    def add(self, name: bytes, data: bytes, method: int = 0, packed: bytes | None = None, flags: int = 0, mode: int = 0) -> None:
        """Both, in agreement."""
        packed = data if packed is None else packed
        at = self.local(name, packed, method, flags, zlib.crc32(data), len(data))
        self.listed(name, at, len(packed), method, flags, zlib.crc32(data), len(data), mode)

    def bytes(self, behind: bytes = b"", counted: int | None = None) -> bytes:
        """The archive."""
        count = self.count if counted is None else counted
        end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, count, count, len(self.directory), len(self.out), 0)
        return self.out + self.directory + end + behind


def built(*entries: tuple[bytes, bytes]) -> Builder:
    """A builder with some stored entries."""
    builder = Builder()
    for name, data in entries:
        builder.add(name, data)
    return builder


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_members_in_order_whatever_the_method(method: int) -> None:
    found = gather(zipped(FILES, method), ZIP)
    assert found.members == list(FILES.items())
    assert (found.notices, found.gaps, found.broken, found.error) == ([], [], [], None)


def _deflate64(data: bytes) -> bytes:
    packer = inflate64.Deflater()
    return bytes(packer.deflate(data) + packer.flush())


@pytest.mark.parametrize(("method", "pack"), [(9, _deflate64), (93, zstandard.compress), (20, zstandard.compress)])
def test_methods_that_the_standard_library_lacks(method: int, pack: Callable[[bytes], bytes]) -> None:
    builder = Builder()
    for name, data in FILES.items():
        builder.add(name.encode(), data, method, pack(data))
    found = gather(builder.bytes(), ZIP)
    assert (found.members, found.notices, found.gaps, found.broken) == (list(FILES.items()), [], [], [])


def test_an_unknown_method_is_a_gap_and_its_neighbours_are_read() -> None:
    builder = built((b"a", b"x"))
    builder.add(b"ppmd", b"x", 98)
    builder.add(b"b", b"y")
    found = gather(builder.bytes(), ZIP)
    assert found.members == [("a", b"x"), ("b", b"y")]
    assert found.gaps == [("ppmd", "no decoder for compression method 98")]


def test_streamed_and_wide_archives() -> None:
    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

        def tell(self) -> int:
            raise OSError

    out = Pipe()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in FILES.items():
            with archive.open(name, "w", force_zip64=True) as member:
                member.write(data)
    found = gather(out.getvalue(), ZIP)
    assert (found.members, found.notices, found.gaps) == (list(FILES.items()), [], [])


@pytest.mark.slow
def test_more_entries_than_sixteen_bits_count() -> None:
    found = gather(zipped({f"{i}": b"" for i in range(70_000)}), ZIP)
    assert (len(found.members), found.notices, found.gaps) == (70_000, [], [])


def test_folders_are_no_members_and_comments_are_texts() -> None:
    out = io.BytesIO(zipped({"d/": b"", "a": b"x"}, comment=b"of all"))
    with zipfile.ZipFile(out, "a") as archive:
        info = zipfile.ZipInfo("b")
        info.comment = b"of b"
        archive.writestr(info, b"y")
    found = gather(out.getvalue(), ZIP)
    assert found.members == [("a", b"x"), ("b", b"y")]
    assert sorted(found.comments) == [("", "of all"), ("b", "of b")]


@pytest.mark.parametrize(("raw", "name"), [("é.txt".encode(), "é.txt"), ("é.txt".encode("cp437"), "é.txt"), (b"plain", "plain")])
def test_names_in_either_encoding(raw: bytes, name: str) -> None:
    assert gather(built((raw, b"x")).bytes(), ZIP).members == [(name, b"x")]


def test_torch_checkpoints_hold_opaque_tensors() -> None:
    import torch

    out = io.BytesIO()
    torch.save({"weight": torch.ones(3)}, out)
    found = gather(out.getvalue(), PYTORCH)
    assert any(name.endswith("data.pkl") for name, _ in found.members)
    assert found.opaque == [name for name, _ in found.members if "/data/" in name] != []
    assert (found.notices, found.gaps) == ([], [])


def encrypted(flagged: int = 1) -> Builder:
    """An archive with an entry that says it is encrypted, and holds noise."""
    builder = built((b"plain", b"x"))
    builder.add(b"secret", b"y" * 100, 8, random.Random(1).randbytes(112), flags=flagged)
    return builder


def lying(**local: int | bytes) -> Builder:
    """A local header that says something else than the directory."""
    builder, data = Builder(), b"payload"
    said = {"name": b"a", "method": 0, "flags": 0, "crc": zlib.crc32(data), "size": len(data), **local}
    name = said.pop("name")
    assert isinstance(name, bytes)
    at = builder.local(name, data, **said)  # type: ignore[arg-type]
    builder.listed(b"a", at, len(data), crc=zlib.crc32(data), size=len(data))
    return builder


def ghost(where: str) -> bytes:
    """An entry that no directory lists, in front of, between or behind the others."""
    builder = Builder()
    for place in ("front", "between"):
        if place == where:
            builder.local(b"ghost", b"boo", crc=zlib.crc32(b"boo"), size=3)
        builder.add(place.encode(), b"x" * 40)
    hidden = built((b"ghost", b"boo")).out if where == "behind" else b""
    return builder.bytes(hidden)


def bomb(count: int) -> bytes:
    """Entries that share one kernel of packed bytes (as in Fifield's bomb)."""
    data = bytes(1 << 20)
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    kernel = packer.compress(data) + packer.flush()
    builder = Builder()
    at = builder.local(b"0", kernel, 8, crc=zlib.crc32(data), size=len(data))
    for i in range(count):
        builder.listed(f"{i}".encode(), at, len(kernel), 8, crc=zlib.crc32(data), size=len(data))
    return builder.bytes()


def linked(target: bytes) -> Builder:
    """A symbolic link."""
    builder = Builder()
    builder.add(b"dir/link", target, mode=stat.S_IFLNK | 0o777)
    return builder


def slack() -> Builder:
    """Bytes behind the end of an entry's deflate stream."""
    builder = Builder()
    builder.add(b"a", b"x" * 50, 8, zlib.compress(b"x" * 50)[2:-4] + b"hidden words")
    return builder


def falsified(**fields: int) -> bytes:
    """Both headers agree on what the data is not."""
    builder = Builder()
    said = {"crc": zlib.crc32(b"payload"), "size": 7, **fields}
    builder.listed(b"a", builder.local(b"a", b"payload", **said), 7, **said)
    return builder.bytes()


# Archive, notices, members, gaps.
HOSTILE = {
    "encrypted": (encrypted().bytes(), {"encrypted-member"}, ["plain"], ["encrypted"]),
    "flag without encryption": (
        built((b"a", b"payload")).bytes().replace(b"PK\x03\x04\x14\x00\x00", b"PK\x03\x04\x14\x00\x01").replace(b"\x14\x00\x14\x00\x00", b"\x14\x00\x14\x00\x01").replace(b"\x14\x03\x14\x00\x00", b"\x14\x03\x14\x00\x01"),
        {"tampered-archive"}, ["a"], [],
    ),
    "flag in one header": (lying(flags=1).bytes(), {"tampered-archive"}, ["a"], []),
    "aes": (built((b"a", b"x")).bytes().replace(b"\x14\x00\x00\x00\x00\x00", b"\x14\x00\x00\x00\x63\x00"), {"encrypted-member"}, [], ["encrypted"]),
    "other name": (lying(name=b"b").bytes(), {"tampered-archive"}, ["a"], []),
    "other size": (lying(size=9).bytes(), {"tampered-archive"}, ["a"], []),
    "other checksum": (lying(crc=9).bytes(), {"tampered-archive"}, ["a"], []),
    "other method": (lying(method=8).bytes(), {"tampered-archive"}, ["a"], []),
    "wrong checksum": (falsified(crc=1), {"bad-checksum"}, ["a"], ["its checksum does not match its data"]),
    "wrong size": (falsified(size=5), {"tampered-archive"}, ["a"], ["holds 7 bytes, but the directory says 5"]),
    "wrong count": (built((b"a", b"x"), (b"b", b"y")).bytes(counted=1), {"tampered-archive"}, ["a", "b"], ["the central directory is damaged or does not hold as many entries as its end record counts"]),
    "two of a name": (built((b"a", b"x"), (b"a", b"y")).bytes(), {"duplicate-member"}, ["a", "a"], []),
    "two of a name, one in full": (built((b"a/b", b"x"), (b"/a\\b", b"y")).bytes(), {"absolute-path", "duplicate-member"}, ["a/b", "/a\\b"], []),
    "the front cut off": (built((b"a", b"x")).bytes()[5:], {"archive-prefix"}, [], ["the entry is not where the directory says"]),
    "the same twice": (built((b"a", b"x"), (b"a", b"x")).bytes(), set(), ["a", "a"], []),
    "path": (built((b"../../a", b"x")).bytes(), {"unsafe-path"}, ["../../a"], []),
    "link": (linked(b"../../etc/hosts").bytes(), {"unsafe-link"}, [], []),
    "link inside": (linked(b"../other").bytes(), set(), [], []),
    "ghost in front": (ghost("front"), {"ghost-member"}, ["front", "between", "ghost"], []),
    "ghost between": (ghost("between"), {"ghost-member"}, ["front", "between", "ghost"], []),
    "ghost behind": (ghost("behind"), {"ghost-member"}, ["front", "between", "ghost"], []),
    "bytes behind": (built((b"a", b"x")).bytes(b"hidden words"), {"hidden-bytes"}, ["a", "bytes 101-113"], []),
    "zeros behind": (built((b"a", b"x")).bytes(bytes(512)), set(), ["a"], []),
    "slack": (slack().bytes(), {"hidden-bytes"}, ["a", "bytes 37-49"], []),
    "prefix": (b"#!/bin/sh\n" + built((b"a", b"x")).bytes(), {"archive-prefix"}, ["a"], []),
    "empty": (b"PK\x05\x06" + bytes(18), set(), [], []),
    "bomb": (bomb(3), {"archive-bomb", "tampered-archive"}, ["0", "1", "2"], []),
}  # fmt: skip


@each("case", HOSTILE)
def test_hostile_archives(case: str) -> None:
    data, kinds, names, gaps = HOSTILE[case]
    found = gather(data, ZIP)
    assert (found.kinds, [name for name, _ in found.members], [reason for _, reason in found.gaps]) == (kinds, names, gaps)
    assert (found.error, found.broken) == (None, [])


def test_hidden_content_is_read() -> None:
    for where in ("front", "between", "behind"):
        assert ("ghost", b"boo") in gather(ghost(where), ZIP).members
    assert gather(slack().bytes(), ZIP).members == [("a", b"x" * 50), ("bytes 37-49", b"hidden words")]


def test_a_prefix_with_unchanged_offsets_is_read_like_one_with_changed_ones() -> None:
    inner = zipped(FILES)
    found = gather(b"MZ" + bytes(1000) + b"code" + inner, ZIP)
    assert (found.members, found.kinds) == (list(FILES.items()), {"archive-prefix"})


def test_two_archives_one_behind_the_other_are_both_read() -> None:
    found = gather(zipped({"first": b"hidden"}) + zipped({"second": b"shown in full"}), ZIP)
    assert found.members == [("second", b"shown in full"), ("first", b"hidden")]
    assert found.notices == [("ghost-member", "first")]


def test_a_bomb_of_shared_data_is_read_up_to_a_bound() -> None:
    found = gather(bomb(500), ZIP, Limits(expanded_ratio=100_000))
    assert 60 < len(found.members) < 80
    assert len(found.gaps) > 50
    assert len([kind for kind, _ in found.notices if kind == "archive-bomb"]) == 51
    assert found.notices[-1] == ("archive-bomb", "archive-bomb: 449 more")


def test_more_entries_than_members_allows() -> None:
    found = gather(zipped({f"{i}": b"x" for i in range(20)}), ZIP, Limits(members=5))
    assert len(found.members) == 5
    assert isinstance(found.error, LimitExceeded)
    assert found.error.bound == "members"


@pytest.mark.parametrize("streamed", [False, True])
def test_without_a_directory_local_headers_lead_to_the_members(streamed: bool) -> None:
    builder = Builder()
    for name, data in FILES.items():
        packed = zlib.compress(data)[2:-4]
        told: dict[str, int] = {"local_crc": 0, "local_packed": 0, "local_size": 0} if streamed else {}
        builder.local(name.encode(), packed, 8, 8 if streamed else 0, zlib.crc32(data), len(data), **told)
        builder.out += struct.pack("<4s3L", b"PK\x07\x08", zlib.crc32(data), len(packed), len(data)) if streamed else b""
    found = gather(builder.out, ZIP)
    assert (found.members, found.broken, found.kinds) == (list(FILES.items()), [], set())
    assert "no central directory" in str(found.error)
    cut = gather(builder.out[: len(builder.out) - 3000], ZIP)
    assert [name for name, _ in cut.members] == list(FILES)
    assert cut.broken == ["long.txt"]
    assert cut.members[-1][1]
    assert FILES["long.txt"].startswith(cut.members[-1][1])


def test_a_truncated_stored_member_gives_what_there_is() -> None:
    builder = Builder()
    builder.local(b"a", b"word " * 100, crc=1, size=500)
    found = gather(builder.out[:-100], ZIP)
    assert (found.members, found.broken) == ([("a", b"word " * 80)], ["a"])


@pytest.mark.parametrize("hostile", ["headers", "descriptors", "names"])
def test_floods_of_signatures_take_no_quadratic_time(hostile: str) -> None:
    flood = {"headers": b"PK\x03\x04" * 200_000, "descriptors": Builder().out, "names": b""}[hostile]
    if hostile == "descriptors":
        one = Builder()
        one.local(b"a", b"", 0, 8)
        flood = one.out * 20_000
    if hostile == "names":
        one = Builder()
        one.local(b"n" * 60_000, b"", 8, 8)
        flood = one.out * 50
    found = gather(flood, ZIP, Limits(members=1000), most=1 << 16)
    assert found.error is not None
    assert len(found.members) <= 1000


def test_memory_is_bounded() -> None:
    data = zipped({f"{i}": b"words " * 100 for i in range(2000)} | {"zeros": bytes(64 << 20)})
    tracemalloc.start()
    gather(data, ZIP, most=1 << 16)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 24 << 20


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_damage_anywhere_gives_a_result(method: int) -> None:
    fuzzed(zipped({"a.txt": b"some words " * 9, "b": b"x"}, method, comment=b"c"), ZIP)


def test_damage_to_other_methods_gives_a_result() -> None:
    builder = Builder()
    for method, pack in ((9, _deflate64), (93, zstandard.compress), (12, bz2.compress)):
        builder.add(b"%d" % method, b"some words" * 9, method, pack(b"some words" * 9))
    fuzzed(builder.bytes(), ZIP, 2)
    fuzzed(builder.out, ZIP, 3)


def test_engine_structure_has_a_rule_for_every_notice() -> None:
    known = {rule.id.removeprefix("structure.") for rule in RULES}
    assert set().union(*(kinds for _, kinds, _, _ in HOSTILE.values())) <= known
    assert {"unsafe-path", "absolute-path", "deceptive-name", "reserved-name", "unsafe-link", "absolute-link", "device-file"} <= known


def test_an_entry_is_read_up_to_its_damaged_place() -> None:
    """Not only up to the last whole piece of a megabyte, which may be all of it."""
    text = b"".join(b"line %d of the text\n" % n for n in range(1500))
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.txt", text)
    data = bytearray(out.getvalue())
    packed = archive.infolist()[0].compress_size
    data[35 + packed * 3 // 4 : 35 + packed] = bytes(packed - packed * 3 // 4)
    found = gather(bytes(data), ZIP)
    [(name, content)] = found.members
    assert name == "a.txt" and content.startswith(text[: len(text) // 2])
    assert found.broken == ["a.txt"]
