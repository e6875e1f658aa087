"""Tars: a member is cleaned, and everything else in the archive stays, byte for byte."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.formats.archives.packed import CLEAN, EMAIL, MASKED, TEXT, carried_out, cleaned, emails, order, run, taped, zipped
from veritensor_ray.core.config import Limits
from veritensor_ray.core.errors import LimitExceeded, ReadError
from veritensor_ray.formats.editing.actions import CannotRewriteError, Strippable

LONG, SPLIT = "folder/" * 25 + "a.txt", "folder/" * 18 + "a.txt"
CHANGING = {"offset", "offset_data", "size", "chksum", "pax_headers", "tarfile", "_link_target", "_sparse_structs", "sparse"}


def described(data: bytes) -> list[dict[str, object]]:
    """What each header says, except sizes and offsets."""
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        return [
            {key: getattr(info, key) for key in info.__slots__ if hasattr(info, key) and key not in CHANGING}
            | {"pax": {key: value for key, value in info.pax_headers.items() if key != "size"}}
            for info in archive.getmembers()
        ]


def contents(data: bytes) -> dict[str, bytes]:
    """The content of each file."""
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        return {info.name: file.read() for info in archive.getmembers() if info.isreg() and (file := archive.extractfile(info))}


def raw(data: bytes) -> list[bytes]:
    """The bytes of each entry: its own header and its data."""
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        return [data[info.offset_data - 512 : info.offset_data + -(-info.size // 512) * 512] for info in archive.getmembers()]


def untouched(old: bytes, new: bytes, changed: set[str]) -> None:
    """Every entry is described as before, and has the same bytes unless it was to change."""
    assert described(old) == described(new)
    names = [str(one["name"]) for one in described(old)]
    for name, one, other in zip(names, raw(old), raw(new), strict=True):
        assert (one == other) == (name not in changed), name


@pytest.mark.parametrize(
    ("options", "name"),
    [
        (["--format=v7"], "a.txt"),
        (["--format=oldgnu"], LONG),
        (["--format=gnu"], LONG),
        (["--format=ustar"], SPLIT),
        (["--format=posix"], LONG),
        (["--format=posix", "--pax-option=comment=by hand"], "a.txt"),
        (["--format=posix", "--pax-option=globexthdr.name=g,comment=by hand"], "ü.txt"),
        (["--format=gnu", "--owner=someone:5000000", "--numeric-owner", "-b1"], "a.txt"),
        (["--format=gnu", "--mtime=@99999999999"], "a.txt"),
        (["--label=volume"], "a.txt"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_tar_by_gnu_tar(tmp_path: Path, options: list[str], name: str) -> None:
    for path, data in {f"in/{name}": TEXT, "in/b.bin": bytes(700), "in/empty": b""}.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(data)
    linked = name if options != ["--format=ustar"] else "b.bin"  # this format has no long names of links
    os.link(tmp_path / "in" / linked, tmp_path / "in" / "z.hard")
    (tmp_path / "in" / "soft").symlink_to("b.bin")
    run(tmp_path, "tar", "-c", "--sort=name", *options, "-f", "a.tar", "in")
    old = (tmp_path / "a.tar").read_bytes()
    file = next(name for name, data in contents(old).items() if data == TEXT)

    new = cleaned(old, "a.tar")

    untouched(old, new, {file})
    assert contents(new) == {**contents(old), file: CLEAN}
    (tmp_path / "b.tar").write_bytes(new)
    listed = [run(tmp_path, "tar", "-tf", archive) for archive in ("a.tar", "b.tar")]
    assert listed[0] == listed[1]
    assert run(tmp_path, "tar", "-xOf", "b.tar", file) == CLEAN
    (tmp_path / "out").mkdir()
    run(tmp_path / "out", "tar", "-xf", "../b.tar")
    assert [path.read_bytes() for path in (tmp_path / "out").rglob("z.hard")] == [CLEAN if linked == name else bytes(700)]


@pytest.mark.parametrize("format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_the_result_is_what_the_program_would_have_written(format: int) -> None:
    name = LONG if format != tarfile.USTAR_FORMAT else "a.txt"
    files = [("b.txt", b"b" * 600), (name, TEXT), ("c.txt", b"")]
    new = cleaned(taped(*files, format=format), "a.tar")
    again = taped(*((name, data.replace(EMAIL, MASKED)) for name, data in files), format=format)
    assert new.rstrip(b"\x00") == again.rstrip(b"\x00")


def with_size_record(size: int) -> bytes:
    """A tar whose file has its size in an extended header, as files of more than 8 GB do."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        info = tarfile.TarInfo("a.txt")
        info.size, info.pax_headers = size, {"size": str(size), "mtime": "1.5"}
        archive.addfile(info, io.BytesIO(TEXT))
    return out.getvalue()


def test_a_size_in_an_extended_header_changes_too() -> None:
    new = cleaned(with_size_record(len(TEXT)), "a.tar")
    with tarfile.open(fileobj=io.BytesIO(new)) as archive:
        info = archive.getmembers()[0]
        assert (info.pax_headers, info.size) == ({"size": str(len(CLEAN)), "mtime": "1.5"}, len(CLEAN))


def checked(block: bytearray, signed: bool = False) -> bytes:
    """A header with its checksum."""
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\x00 " % sum(byte - 256 * (signed and byte > 127) for byte in block)
    return bytes(block)


@pytest.mark.parametrize(
    ("field", "written"),
    [
        (b"%011o\x00" % len(TEXT), b"%011o\x00" % len(CLEAN)),
        (b"%11o " % len(TEXT), b"%11o " % len(CLEAN)),
        (b"%o" % len(TEXT) + bytes(12 - len(b"%o" % len(TEXT))), (b"%o" % len(CLEAN)).rjust(len(b"%o" % len(TEXT)), b"0") + bytes(12 - len(b"%o" % len(TEXT)))),
        (b"\x80" + len(TEXT).to_bytes(11, "big"), b"\x80" + len(CLEAN).to_bytes(11, "big")),
    ],
    ids=["zeros", "spaces", "bare", "base 256"],
)  # fmt: skip
@pytest.mark.parametrize("signed", [False, True])
def test_numbers_are_written_as_before(field: bytes, written: bytes, signed: bool) -> None:
    data = taped(("ä.txt", TEXT), format=tarfile.GNU_FORMAT)
    block = bytearray(data[:512])
    block[124:136] = field
    old = checked(block, signed) + data[512:]

    new, orders = carried_out(old, "a.tar", emails({"ä.txt": TEXT}))

    block[124:136] = written
    assert (new[:512], orders.undone) == (checked(block, signed), [])
    assert contents(new) == {"ä.txt": CLEAN}


def test_archives_in_archives() -> None:
    new = cleaned(taped(("c/b.zip", zipped(("i.tar", taped(("d.txt", TEXT))), ("x", b"y")))), "a.tar")
    expected = taped(("c/b.zip", zipped(("i.tar", taped(("d.txt", CLEAN))), ("x", b"y"))))
    assert new.rstrip(b"\x00") == expected.rstrip(b"\x00")


def test_comments_are_masked_or_stripped() -> None:
    out = io.BytesIO()
    about = {"comment": f"by {EMAIL.decode()}"}
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT, pax_headers=about) as archive:
        info = tarfile.TarInfo("b.txt")
        info.pax_headers = {"comment": f"from {EMAIL.decode()}", "mtime": "1.5"}
        archive.addfile(info)
    data = out.getvalue()

    with tarfile.open(fileobj=io.BytesIO(cleaned(data, "a.tar"))) as archive:
        assert archive.pax_headers == {"comment": "by [EMAIL]"}
        assert archive.getmembers()[0].pax_headers == {"comment": "from [EMAIL]", "mtime": "1.5"}

    stripped, orders = carried_out(data, "a.tar", [], [Strippable.METADATA])
    with tarfile.open(fileobj=io.BytesIO(stripped)) as archive:
        assert (archive.pax_headers, archive.getmembers()[0].pax_headers) == ({}, {"mtime": "1.5"})
    assert len(stripped) == len(data) - 1024, "a header without records is left out"
    assert orders.account.counts == {("clean.metadata", "strip"): 2}


def test_a_tar_with_nothing_to_strip_is_the_same() -> None:
    data = taped(("a.txt", TEXT), ("b.png", b"\x89PNG\r\n\x1a\n" + bytes(50)), ("broken.gz", b"\x1f\x8b\x08\x00"), ("c.json", b"{"))
    new, orders = carried_out(data, "a.tar", [], list(Strippable))
    assert (new, not orders.account.counts) == (data, True)


def test_what_follows_the_end_marker_stays() -> None:
    data = taped(("a.txt", TEXT)) + taped(("b.txt", TEXT)) + bytes(512)
    new, orders = carried_out(data, "a.tar", emails({"a.txt": TEXT}))
    second = taped(("b.txt", TEXT)) + bytes(512)
    assert (new.endswith(second), orders.undone, len(new) % 512) == (True, [], 0)


def test_padding_that_is_not_zeros_becomes_zeros() -> None:
    data = bytearray(taped(("o.txt", b"other"), ("a.txt", TEXT), ("z.txt", b"last")))
    expected, _ = carried_out(bytes(data), "a.tar", emails({"a.txt": TEXT}))
    for name in (b"other", b"last"):
        at = data.index(name + bytes(99))
        data[at + 20 : at + 28] = b"nobody's"
    new, orders = carried_out(bytes(data), "a.tar", emails({"a.txt": TEXT}))
    assert (new, orders.account.counts["clean.residue", "strip"]) == (expected, 2)
    assert carried_out(bytes(data), "a.tar", [], list(Strippable))[0] == data


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (taped(("a.txt", TEXT), ("a.txt", b"newer")), "a.txt: the archive has more than one file of that name"),
        (taped(("a.txt", TEXT), ("a.txt!/b", b"x")), None),
        (taped(("a.txt", b"8BPS\x00\x01" + EMAIL)), "a.txt: files of type image/vnd.adobe.photoshop are not rewritten"),
        (taped(("a.txt", TEXT))[:2000], "is damaged"),
    ],
)
def test_an_archive_that_is_not_clear_is_held_back(data: bytes, words: str | None) -> None:
    orders = [order("a.txt", TEXT.decode(), TEXT.index(EMAIL))]
    if words is None:
        orders = [order("a.txt!/b", TEXT.decode(), TEXT.index(EMAIL))]
        words = "more than one file of that name"
    with pytest.raises((CannotRewriteError, ReadError), match=words):
        carried_out(data, "a.tar", orders)


def test_sparse_files_are_held_back(tmp_path: Path) -> None:
    with (tmp_path / "a.txt").open("wb") as file:
        file.write(TEXT)
        file.truncate(1 << 20)
    for options in (["--format=gnu"], ["--format=posix"]):
        run(tmp_path, "tar", "-cS", *options, "-f", "a.tar", "a.txt")
        with pytest.raises(CannotRewriteError, match=r"a\.txt: sparse files are not rewritten"):
            carried_out((tmp_path / "a.tar").read_bytes(), "a.tar", emails({"a.txt": TEXT}))


def test_a_bomb_is_stopped_as_in_an_audit() -> None:
    with pytest.raises(LimitExceeded, match="nested more than 1 levels"):
        carried_out(taped(("b.tar", taped(("a.txt", TEXT)))), "a.tar", emails({"b.tar!/a.txt": TEXT}), limits=Limits(depth=1))


NAMES = st.sampled_from(["a.txt", "b.txt", "in/c.txt", "ü/d.md", LONG, SPLIT])
CONTENTS = st.lists(st.sampled_from([EMAIL, b" ", b"\r\n", "ü".encode(), b"text " * 60]), max_size=6).map(b"".join)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(NAMES, CONTENTS, min_size=1), st.sampled_from([tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]))
def test_only_members_with_an_address_change(files: dict[str, bytes], format: int) -> None:
    assume(LONG not in files or format != tarfile.USTAR_FORMAT)
    old = taped(*((name, data) for name, data in files.items()), format=format)
    new, orders = carried_out(old, "a.tar", emails(files))
    assert orders.undone == []
    untouched(old, new, {name for name, data in files.items() if EMAIL in data})
    assert contents(new) == {name: data.replace(EMAIL, MASKED) for name, data in files.items()}
