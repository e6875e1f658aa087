"""Zips: a member is cleaned, and everything else in the archive stays, byte for byte."""

from __future__ import annotations

import io
import re
import shutil
import struct
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.formats.archives.packed import CLEAN, EMAIL, MASKED, TEXT, carried_out, cleaned, emails, held, order, run, zipped
from veritensor_ray.core.config import Limits
from veritensor_ray.core.errors import LimitExceeded, ReadError
from veritensor_ray.formats.archives.zip.structure import STREAMED, find_directory, local_header
from veritensor_ray.formats.editing.actions import Action, CannotRewriteError, Strippable

OTHERS = {"in/b.bin": bytes(range(256)) * 20, "ü.txt": b"plain\n" * 100, "empty.txt": b""}


class Stored(NamedTuple):
    """What an archive says about an entry, and its bytes: the local header, the packed data and the descriptor."""

    about: dict[str, Any]
    raw: bytes


SHIFTING = {"header_offset", "CRC", "compress_size", "file_size", "_end_offset", "extra"}
WIDE = re.compile(rb"\x01\x00\x08\x00.{8}", re.DOTALL)  # an extra field with one size of more than 32 bits


def stored(data: bytes) -> list[Stored]:
    """Every entry as it is stored."""
    directory = find_directory(io.BytesIO(data))
    assert directory is not None
    infos = zipfile.ZipFile(io.BytesIO(data)).infolist()
    ends = sorted([info.header_offset for info in infos] + [directory.start])
    found = []
    for info in infos:
        end = ends[ends.index(info.header_offset) + 1]
        about = {key: getattr(info, key) for key in info.__slots__ if hasattr(info, key) and key not in SHIFTING}
        about["extra"] = WIDE.sub(b"", info.extra)
        found.append(Stored(about, data[info.header_offset : end]))
    return found


def untouched(old: bytes, new: bytes, changed: set[str]) -> None:
    """Every entry is described as before, and has the same bytes unless it was to change."""
    before, after = stored(old), stored(new)
    assert [one.about for one in before] == [one.about for one in after]
    for one, other in zip(before, after, strict=True):
        name = one.about["filename"]
        assert (one.raw == other.raw) == (name not in changed), name


def sound(folder: Path, data: bytes) -> None:
    """Programs find nothing wrong with the archive."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
    if shutil.which("unzip"):
        (folder / "tested.zip").write_bytes(data)
        done = subprocess.run(["unzip", "-t", "tested.zip"], cwd=folder, capture_output=True, check=False, timeout=60)
        assert b"No errors detected" in done.stdout or b"need PK compat" in done.stdout, done.stdout + done.stderr


def streamed(**options: Any) -> bytes:
    """A zip that was written to a pipe: sizes and checksums follow the data."""

    class Pipe(io.RawIOBase):
        def __init__(self) -> None:
            self.data = bytearray()

        def writable(self) -> bool:
            return True

        def write(self, data: Any) -> int:
            self.data += data
            return len(data)

    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in (("a.txt", TEXT), *OTHERS.items()):
            with archive.open(zipfile.ZipInfo(name), "w", **options) as member:
                member.write(data)
    return bytes(pipe.data)


def by_python(method: int = zipfile.ZIP_DEFLATED, wide: bool = False, level: int | None = None) -> bytes:
    """A zip with a comment on the archive and on an entry, extra fields, attributes and a folder."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method, compresslevel=level) as archive:
        archive.mkdir("in") if hasattr(archive, "mkdir") else archive.writestr("in/", b"")
        for name, data in (*OTHERS.items(), ("a.txt", TEXT), ("z.txt", b"last")):
            info = zipfile.ZipInfo(name, (2021, 2, 3, 4, 5, 6))
            info.compress_type, info.external_attr, info.comment = method, 0o100640 << 16, f"about {name}".encode()
            info.extra = struct.pack("<HH", 0x7777, 3) + b"abc"
            with archive.open(info, "w", force_zip64=wide) as member:
                member.write(data)
        archive.comment = b"the whole archive"
    return out.getvalue()


def without_signatures(data: bytes) -> bytes:
    """The streamed archive with descriptors that do not begin with a signature."""
    at = data.index(b"PK\x07\x08")
    shorter = data[:at] + data[at + 4 :]
    return shorter if find_directory(io.BytesIO(shorter)) else data


MADE: dict[str, Callable[[], bytes]] = {
    "python, deflated": by_python,
    "python, stored": lambda: by_python(zipfile.ZIP_STORED),
    "python, bzip2": lambda: by_python(zipfile.ZIP_BZIP2),
    "python, lzma": lambda: by_python(zipfile.ZIP_LZMA),
    "python, zip64 sizes": lambda: by_python(wide=True),
    "python, streamed": streamed,
    "python, streamed with zip64 sizes": lambda: streamed(force_zip64=True),
    "data in front": lambda: b"PK\x05\x06 no entry, and offsets that count from the archive" + by_python(),
    "data behind": lambda: by_python().replace(b"the whole archive", b"") [:-2] + b"\x00\x00" + bytes(30),
}  # fmt: skip


@pytest.mark.parametrize("made", MADE)
def test_one_member_changes_and_everything_else_stays(tmp_path: Path, made: str) -> None:
    old = MADE[made]()
    new = cleaned(old, "a.zip")

    untouched(old, new, {"a.txt"})
    sound(tmp_path, new)
    with zipfile.ZipFile(io.BytesIO(new)) as archive:
        assert archive.read("a.txt") == CLEAN
        assert archive.comment == zipfile.ZipFile(io.BytesIO(old)).comment
    assert new.partition(b"PK\x03\x04")[0] == old.partition(b"PK\x03\x04")[0]


@pytest.mark.parametrize(
    "command",
    [
        ["zip", "-r", "a.zip", "."],
        ["zip", "-r0", "a.zip", "."],
        ["zip", "-r9", "a.zip", "."],
        ["zip", "-rX1", "a.zip", "."],
        ["zip", "-r", "-Z", "bzip2", "a.zip", "."],
        ["zip", "-r", "-fd", "a.zip", "."],
        ["zip", "-r", "-fz", "a.zip", "."],
        ["sh", "-c", "zip -r - . | cat > a.zip"],
    ],
    ids=" ".join,
)
def test_a_zip_by_info_zip(tmp_path: Path, command: list[str]) -> None:
    run(tmp_path, "zip", "-v")
    for name, data in {"a.txt": TEXT, **OTHERS}.items():
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    run(tmp_path / "in", *command)
    old = (tmp_path / "in" / "a.zip").read_bytes()

    new = cleaned(old, "a.zip")

    changed = next(info.filename for info in zipfile.ZipFile(io.BytesIO(old)).infolist() if info.filename.endswith("a.txt"))
    untouched(old, new, {changed})
    sound(tmp_path, new)
    assert zipfile.ZipFile(io.BytesIO(new)).read(changed) == CLEAN


@pytest.mark.parametrize("level", [1, 6, 9])
def test_a_deflated_member_is_packed_as_hard_as_its_flags_say(tmp_path: Path, level: int) -> None:
    (tmp_path / "a.txt").write_bytes(TEXT)
    run(tmp_path, "zip", f"-X{level}", "a.zip", "a.txt")
    old = (tmp_path / "a.zip").read_bytes()
    assert stored(cleaned(old, "a.zip"))[0].about["flag_bits"] == stored(old)[0].about["flag_bits"]


def test_a_descriptor_keeps_its_form(tmp_path: Path) -> None:
    old = streamed()
    new = cleaned(old, "a.zip")
    entry = local_header(io.BytesIO(new), 0)
    assert entry is not None
    assert (entry.flags & STREAMED, entry.crc, entry.packed, entry.size) == (STREAMED, 0, 0, 0)
    assert new.count(b"PK\x07\x08") == old.count(b"PK\x07\x08") == 4


def test_archives_in_archives() -> None:
    inner = zipped(("d.txt", TEXT), ("e.txt", b"stays"))
    new = cleaned(zipped(("c/b.zip", zipped(("i.zip", inner), ("x", b"y")))), "a.zip")
    assert new == zipped(("c/b.zip", zipped(("i.zip", zipped(("d.txt", CLEAN), ("e.txt", b"stays"))), ("x", b"y"))))


def test_comments_are_masked_or_stripped() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        info = zipfile.ZipInfo("b.txt")
        info.comment = b"by " + EMAIL
        info.extra = struct.pack("<HHBL", 0x6375, 5 + len(EMAIL), 1, 0) + EMAIL
        archive.writestr(info, b"plain")
        archive.comment = b"from " + EMAIL
    data = out.getvalue()
    local = data[: data.index(b"PK\x01\x02")]

    masked = zipfile.ZipFile(io.BytesIO(cleaned(data, "a.zip")))
    assert (masked.comment, masked.infolist()[0].comment, masked.infolist()[0].extra) == (b"from [EMAIL]", b"by [EMAIL]", b"")

    stripped, orders = carried_out(data, "a.zip", [], [Strippable.METADATA])
    archive = zipfile.ZipFile(io.BytesIO(stripped))
    assert (archive.comment, archive.infolist()[0].comment, stripped.startswith(local)) == (b"", b"", True)
    assert orders.account.counts == {("clean.metadata", "strip"): 2}
    assert carried_out(stripped, "a.zip", [], [Strippable.METADATA])[0] == stripped


def test_a_zip_with_nothing_to_strip_is_the_same() -> None:
    data = zipped(("a.txt", TEXT), ("b.png", b"\x89PNG\r\n\x1a\n" + bytes(50)), ("broken.gz", b"\x1f\x8b\x08\x00"), ("c.json", b"{"))
    new, orders = carried_out(data, "a.zip", [], list(Strippable))
    assert (new, not orders.account.counts) == (data, True)


def patched(data: bytes, pattern: bytes, by: bytes, count: int = 1) -> bytes:
    """The archive with other bytes in some place."""
    new, done = re.subn(pattern, lambda found: by[: len(found[0])], data, count=count, flags=re.DOTALL)
    assert done == count
    return new


PLAIN = zipped(("a.txt", TEXT), ("b.txt", b"fine"))


@pytest.mark.parametrize(
    ("data", "member", "words"),
    [
        (zipped(("a.txt", TEXT), ("a.txt", b"other")), "a.txt", "more than one file of that name"),
        (zipped(("a", zipped(("b", TEXT))), ("a!/b", TEXT)), "a!/b", "more than one file of that name"),
        (patched(PLAIN, rb"(?<=PK\x03\x04.{26})a\.txt", b"c.txt"), "a.txt", "contradict each other"),
        (patched(PLAIN, rb"(?<=PK\x01\x02.{4})\x00\x00", b"\x01\x00"), "a.txt", "headers contradict"),
        (zipped(("a.png", b"8BPS\x00\x01" + EMAIL)), "a.png", "a.png: files of type image/vnd.adobe.photoshop are not rewritten"),
        (zipped(("b.zip", zipped(("a.png", b"8BPS\x00\x01" + EMAIL)))), "b.zip!/a.png", "b.zip: a.png: files of type image/vnd.adobe.photoshop are"),
        (PLAIN[:-30], "a.txt", "central directory is damaged"),
        (patched(PLAIN, rb"(?<=PK\x05\x06.{4})\x02\x00\x02\x00", b"\x03\x00\x03\x00"), "a.txt", "central directory is damaged"),
    ],
)  # fmt: skip
def test_an_archive_that_is_not_what_it_says_is_held_back(data: bytes, member: str, words: str) -> None:
    with pytest.raises((CannotRewriteError, ReadError), match=words):
        carried_out(data, "a.zip", [order(member, TEXT.decode(), TEXT.index(EMAIL))])


def test_entries_that_share_their_bytes_are_held_back() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("a.txt", TEXT)
        archive.filelist.append(archive.filelist[0])
        archive.filelist[1] = zipfile.ZipInfo("b.txt")
        for key in ("header_offset", "CRC", "compress_size", "file_size", "compress_type"):
            setattr(archive.filelist[1], key, getattr(archive.filelist[0], key))
    with pytest.raises(CannotRewriteError, match="shares its bytes"):
        carried_out(out.getvalue(), "a.zip", emails({"a.txt": TEXT}))


@pytest.mark.parametrize(
    ("data", "limits", "words"),
    [
        (zipped(("a.txt", TEXT * 3000)), Limits(expanded_bytes=1 << 20), "more than 1048576 bytes"),
        (zipped(("b.zip", zipped(("a.txt", TEXT)))), Limits(depth=1), "nested more than 1 levels"),
    ],
)
def test_a_bomb_is_stopped_as_in_an_audit(data: bytes, limits: Limits, words: str) -> None:
    with pytest.raises(LimitExceeded, match=words):
        carried_out(data, "a.zip", emails({"a.txt": TEXT, "b.zip!/a.txt": TEXT}), limits=limits)


def test_an_order_for_a_file_that_is_not_there_stays_undone() -> None:
    _, orders = carried_out(PLAIN, "a.zip", [*emails({"a.txt": TEXT}), *emails({"nowhere.txt": TEXT})])
    assert [one.mark.member for one in orders.undone] == ["nowhere.txt"]


def test_a_row_in_a_text_cannot_be_dropped() -> None:
    new, orders = carried_out(PLAIN, "a.zip", [order("a.txt", TEXT.decode(), TEXT.index(EMAIL), Action.DROP_ROW)])
    assert (new, len(orders.undone)) == (PLAIN, 1)


@pytest.mark.parametrize("name", ["g.txt", "b.txt"])
def test_what_the_scan_finds_in_a_ghost_is_held_back(name: str) -> None:
    """A file that the directory does not list may have the name of one that it lists."""
    ghost = zipped((name, TEXT))
    data = ghost[: ghost.index(b"PK\x01\x02")]
    with zipfile.ZipFile(out := io.BytesIO(data), "a") as archive:
        archive.writestr("b.txt", TEXT)
    assert held(out.getvalue(), "a.zip") == "it holds files that its central directory does not list"


def test_an_entry_that_reaches_into_the_directory_is_held_back() -> None:
    data = zipped(("a.txt", TEXT), ("b.txt", b"fine"), method=zipfile.ZIP_STORED)
    longer = struct.pack("<LL", 100, 100)
    data = patched(data, rb"(?<=PK\x03\x04.{14})\x04\x00\x00\x00\x04\x00\x00\x00", longer)
    data = patched(data, rb"(?<=PK\x01\x02.{16})\x04\x00\x00\x00\x04\x00\x00\x00", longer)
    with pytest.raises(CannotRewriteError, match="reaches into its central directory"):
        carried_out(data, "a.zip", emails({"a.txt": TEXT}))


def test_an_empty_zip_stays() -> None:
    data = zipped()
    assert carried_out(data, "a.zip", [], list(Strippable))[0] == data


NAMES = st.sampled_from(["a.txt", "b.txt", "in/c.txt", "ü/d.md", "e.txt"])
CONTENTS = st.lists(st.sampled_from([EMAIL, b" ", b"\r\n", "ü".encode(), b"text " * 40]), max_size=6).map(b"".join)
METHODS = st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(NAMES, st.tuples(CONTENTS, METHODS, st.binary(max_size=5)), min_size=1), st.binary(max_size=5), st.booleans())
def test_only_members_with_an_address_change(files: dict[str, tuple[bytes, int, bytes]], comment: bytes, wide: bool) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, (data, method, about) in files.items():
            info = zipfile.ZipInfo(name)
            info.compress_type, info.comment = method, about
            with archive.open(info, "w", force_zip64=wide) as member:
                member.write(data)
        archive.comment = comment
    old = out.getvalue()
    contents = {name: data for name, (data, _, _) in files.items()}

    new, orders = carried_out(old, "a.zip", emails(contents))

    assert orders.undone == []
    untouched(old, new, {name for name, data in contents.items() if EMAIL in data})
    with zipfile.ZipFile(io.BytesIO(new)) as archive:
        assert archive.testzip() is None
        assert {name: archive.read(name) for name in archive.namelist()} == {
            name: data.replace(EMAIL, MASKED) for name, data in contents.items()
        }
        assert archive.comment == comment
