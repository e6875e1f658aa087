"""Compressed files: the content is cleaned, and the compression stays what it was."""

from __future__ import annotations

import bz2
import functools
import gzip
import io
import lzma
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import lz4.frame
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.formats.archives.packed import CLEAN, EMAIL, MASKED, TEXT, carried_out, cleaned, emails, held, order, run, taped, zipped
from veritensor_ray.cleaning.cleaning_policy import CleanPolicy
from veritensor_ray.core.config import Limits
from veritensor_ray.core.errors import LimitExceeded, ReadError
from veritensor_ray.formats.common.decoders import COMPRESSIONS, Beside
from veritensor_ray.formats.editing.actions import Action, CannotRewriteError, Strippable
from veritensor_ray.formats.recognition import recognise

gz = functools.partial(gzip.compress, mtime=7)  # the same bytes at any time, since they are names of tests

SKIPPED = b"\x5a\x2a\x4d\x18" + struct.pack("<L", 5) + b"notes"
SEEK_TABLE = b"\x5e\x2a\x4d\x18" + struct.pack("<L", 9) + bytes(5) + b"\xb1\xea\x92\x8f"


def unpacked(data: bytes) -> bytes:
    """The content of a compressed file, as the readers see it."""
    kind = recognise(io.BytesIO(data), "").kind.media_type
    return b"".join(COMPRESSIONS[kind][1](io.BytesIO(data), Beside()))


def gzip_header(data: bytes) -> bytes:
    """The fixed fields and the name of a gzip file."""
    return data[: data.index(b"\x00", 10) + 1] if data[3] & 8 else data[:10]


@pytest.mark.parametrize(
    ("command", "suffix", "head"),
    [
        (["gzip", "-1"], ".gz", gzip_header),
        (["gzip", "-6"], ".gz", gzip_header),
        (["gzip", "-9n"], ".gz", gzip_header),
        (["bzip2", "-1"], ".bz2", lambda data: data[:4]),
        (["bzip2", "-9"], ".bz2", lambda data: data[:4]),
        (["xz", "-0", "--threads=1"], ".xz", lambda data: data[:16]),
        (["xz", "-6", "--threads=1", "--check=sha256"], ".xz", lambda data: data[:16]),
        (["xz", "-2", "--threads=1", "--check=none"], ".xz", lambda data: data[:16]),
        (["xz", "-1", "--threads=2", "--check=crc32"], ".xz", lambda data: data[:8]),
        (["xz", "-3", "--format=lzma"], ".lzma", lambda data: data[:5]),
        (["zstd", "-1", "--no-check"], ".zst", lambda data: data[:5]),
        (["zstd", "-19", "--check"], ".zst", lambda data: data[:5]),
        (["zstd", "-3", "--no-content-size"], ".zst", lambda data: data[:5]),
        (["lz4", "-B4"], ".lz4", lambda data: data[:6]),
        (["lz4", "-B5D", "-BX", "--content-size"], ".lz4", lambda data: data[:6]),
        (["lz4", "-1", "--no-frame-crc"], ".lz4", lambda data: data[:6]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)  # fmt: skip
def test_a_file_by_the_program_that_owns_the_format(
    tmp_path: Path, command: list[str], suffix: str, head: Callable[[bytes], bytes]
) -> None:
    (tmp_path / "a.txt").write_bytes(TEXT)
    run(tmp_path, *command, "a.txt")
    path = tmp_path / f"a.txt{suffix}"
    old = path.read_bytes()

    new = cleaned(old, path.name)

    assert head(new) == head(old)
    path.write_bytes(new)
    run(tmp_path, command[0], "-t", path.name)
    assert run(tmp_path, command[0], "-dc", path.name) == CLEAN


@pytest.mark.parametrize("level", [1, 6, 9])
@pytest.mark.parametrize("suffix", ["gz", "zlib"])
def test_the_level_is_the_one_that_the_header_names(level: int, suffix: str) -> None:
    def pack(data: bytes) -> bytes:
        return gzip.compress(data, level, mtime=7) if suffix == "gz" else zlib.compress(data, level)

    assert cleaned(pack(TEXT), f"a.txt.{suffix}") == pack(CLEAN)


@pytest.mark.parametrize(
    ("name", "data", "expected"),
    [
        ("a.jsonl.gz", gz(b'{"a": "%s", "n": 1.50}\n{}\n' % EMAIL), b'{"a": "%s", "n": 1.50}\n{}\n' % MASKED),
        ("a.json.zst", zstandard.compress(b'[ {"a" : "%s"} ]' % EMAIL), b'[ {"a" : "%s"} ]' % MASKED),
        ("a.txt.gz", gz("\ufeffGrüße ".encode("utf-16-le") + EMAIL.decode().encode("utf-16-le")),
         "\ufeffGrüße ".encode("utf-16-le") + MASKED.decode().encode("utf-16-le")),
        ("a.txt.gz.xz", lzma.compress(gzip.compress(TEXT, mtime=0)), gzip.compress(CLEAN, mtime=0)),
        ("a.tgz", gz(taped(("a.txt", TEXT))), taped(("a.txt", CLEAN))),
        ("backup", bz2.compress(zipped(("in/a.txt", TEXT), ("b", b"x"))), zipped(("in/a.txt", CLEAN), ("b", b"x"))),
        ("b.zip.gz", gz(zipped(("b.tar.gz", gz(taped(("c.zip", zipped(("d.txt", TEXT)))), mtime=0)))),
         zipped(("b.tar.gz", gz(taped(("c.zip", zipped(("d.txt", CLEAN)))), mtime=0)))),
    ],
)  # fmt: skip
def test_the_content_is_rewritten_as_the_format_that_it_is(name: str, data: bytes, expected: bytes) -> None:
    assert unpacked(cleaned(data, name)) == expected


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gz": lambda data: gzip.compress(data, mtime=5),
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zst": zstandard.ZstdCompressor(write_checksum=True).compress,
    "lz4": lz4.frame.compress,
}


@pytest.mark.parametrize("suffix", PACKERS)
def test_streams_without_a_change_stay_as_they_are(suffix: str) -> None:
    pack = PACKERS[suffix]
    first, second, third = pack(b"one\n" * 50), pack(TEXT), pack(b"three\n")
    padding = bytes(8) if suffix in ("gz", "xz") else b""

    new = cleaned(first + padding + second + padding + third + padding, f"a.txt.{suffix}")

    assert new.startswith(first + padding)
    assert new.endswith(padding)
    assert unpacked(new) == b"one\n" * 50 + CLEAN + b"three\n"
    assert new.count(first[:3]) == 3, "as many streams as before"


def bgzipped(content: bytes) -> bytes:
    """A file as bgzip writes it: blocks that say how long they are, and an empty one at the end."""
    blocks = []
    for at in range(0, len(content) + 0xFF00, 0xFF00):
        piece = content[at : at + 0xFF00]
        packer = zlib.compressobj(6, wbits=-15)
        body = packer.compress(piece) + packer.flush() + struct.pack("<LL", zlib.crc32(piece), len(piece))
        blocks.append(b"\x1f\x8b\x08\x04" + bytes(5) + b"\xff\x06\x00BC\x02\x00" + struct.pack("<H", 18 + len(body) - 1) + body)
    return b"".join(blocks)


def block_sizes(data: bytes) -> list[int]:
    """The size of the content of each block, found by the sizes in their headers."""
    sizes, at = [], 0
    while at < len(data):
        assert data[at + 12 : at + 16] == b"BC\x02\x00"
        size = 1 + int.from_bytes(data[at + 16 : at + 18], "little")
        sizes.append(len(gzip.decompress(data[at : at + size])))
        at += size
    return sizes


def test_blocks_of_bgzip_say_how_long_they_are() -> None:
    text = b"a line of text\n" * 9000
    data = bgzipped(text[:70_000] + EMAIL + text[70_000:])
    orders = emails({None: text[:70_000] + EMAIL + text[70_000:]})

    new, _ = carried_out(data, "a.txt.gz", orders)
    assert unpacked(new) == text[:70_000] + MASKED + text[70_000:]
    assert block_sizes(new)[:-2] == [0xFF00, 0xFF00]
    assert new.startswith(data[: data.index(b"\x1f\x8b\x08\x04", 5)])
    assert block_sizes(new)[-1] == 0, "the end of the file stays marked"


def test_the_last_block_of_bgzip_may_become_two() -> None:
    noise = bytes(65 + i % 26 for i in range(0xFF00 - len(EMAIL)))
    new, _ = carried_out(bgzipped(noise + EMAIL), "a.txt.gz", [order(None, (noise + EMAIL).decode(), len(noise) - 3, length=3)])
    assert block_sizes(new) == [0xFF00, 4, 0]


@pytest.mark.parametrize(
    ("between", "kept"),
    [
        (SKIPPED, True),
        (SEEK_TABLE, False),
        (b"\x50\x2a\x4d\x18" + struct.pack("<LL", 4, len(PACKERS["zst"](TEXT))), False),
    ],
    ids=["notes", "seek table", "pzstd"],
)  # fmt: skip
def test_frames_that_programs_skip_stay_unless_they_are_an_index(between: bytes, kept: bool) -> None:
    data = between + PACKERS["zst"](TEXT)
    new, orders = carried_out(data, "a.txt.zst", emails({None: TEXT}))
    assert (orders.undone, unpacked(new), new.startswith(between)) == ([], CLEAN, kept)


@pytest.mark.parametrize(("name", "suffix"), [("a.txt.zst", "zst"), ("a.txt.lz4", "lz4")])
def test_frames_that_programs_skip_can_be_stripped(name: str, suffix: str) -> None:
    stream = PACKERS[suffix](b"text")
    new, orders = carried_out(SKIPPED + stream + SKIPPED, name, [], [Strippable.METADATA])
    assert new == stream
    assert orders.account.counts == {("clean.metadata", "strip"): 2}


def commented(name: bytes, comment: bytes, extra: bytes = b"") -> bytes:
    """A gzip file with a name, a comment, an extra field if there is one, and a checksum of its header."""
    field = struct.pack("<H", len(extra)) + extra if extra else b""
    head = b"\x1f\x8b\x08" + bytes([26 + 4 * bool(extra)]) + b"\x01\x02\x03\x04\x00\x03" + field + name + b"\x00" + comment + b"\x00"
    return head + struct.pack("<H", zlib.crc32(head) & 0xFFFF) + gzip.compress(TEXT, mtime=0)[10:]


@pytest.mark.parametrize("name", [b"a.txt", b"john.txt"])
def test_a_gzip_header_keeps_its_fields_unless_they_are_stripped(name: bytes) -> None:
    data = commented(name, b"by hand", b"xx\x00\x00")
    plain = gzip.compress(TEXT, mtime=0)

    masked, _ = carried_out(data, "a.txt.gz", emails({None: TEXT}))
    assert (masked[: len(data) - len(plain) + 10], unpacked(masked)) == (data[: len(data) - len(plain) + 10], CLEAN)

    stripped, orders = carried_out(data, "a.txt.gz", [], [Strippable.METADATA])
    assert orders.account.counts["clean.metadata", "strip"] == (2 if name == b"a.txt" else 3)
    kept = name + b"\x00" if name == b"a.txt" else b""
    assert stripped == data[:3] + bytes([8 if kept else 0]) + data[4:10] + kept + plain[10:]
    assert carried_out(stripped, "a.txt.gz", [], [Strippable.METADATA])[0] == stripped


def test_an_address_in_a_comment_takes_the_comment_with_it() -> None:
    new = cleaned(commented(b"a.txt", b"by " + EMAIL), "a.txt.gz")
    assert (new[3], EMAIL in new, unpacked(new)) == (8, False, CLEAN)


@pytest.mark.parametrize("suffix", PACKERS)
def test_a_file_with_nothing_to_strip_is_the_same(suffix: str) -> None:
    data = PACKERS[suffix](TEXT)
    new, orders = carried_out(data, f"a.txt.{suffix}", [], list(Strippable))
    assert (new, not orders.account.counts) == (data, True)


@settings(max_examples=60, deadline=None)
@given(
    suffix=st.sampled_from(sorted(PACKERS)),
    parts=st.lists(st.lists(st.sampled_from([EMAIL, b" ", b"\r\n", "ü".encode(), b"text " * 40]), max_size=8).map(b"".join), min_size=1, max_size=4),
)  # fmt: skip
def test_the_content_is_masked_whatever_the_streams(suffix: str, parts: list[bytes]) -> None:
    content = b"".join(parts)
    data = b"".join(map(PACKERS[suffix], parts))
    new, orders = carried_out(data, f"a.txt.{suffix}", emails({None: content}))
    assert (unpacked(new), orders.undone) == (content.replace(EMAIL, MASKED), [])
    assert new == data or EMAIL in content


@pytest.mark.parametrize(
    ("data", "limits", "error", "words"),
    [
        (gz(TEXT)[:-9], Limits(), ReadError, "ends"),
        (gz(TEXT) + b"more", Limits(), ReadError, "not a stream"),
        (gz(TEXT * 3000), Limits(expanded_bytes=1 << 20), LimitExceeded, "more than 1048576 bytes"),
        (gz(TEXT) * 5, Limits(members=4), CannotRewriteError, "more than 4 streams"),
        (gz(gz(gz(TEXT))), Limits(depth=1), LimitExceeded, "nested more than 1 levels"),
        (zstandard.compress(TEXT) + SKIPPED[:-2], Limits(), ReadError, "in the middle of a frame"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_not_rewritten(data: bytes, limits: Limits, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        carried_out(data, "a.txt.gz", [*emails({None: TEXT}), *emails({"a.txt": TEXT})], limits=limits)


def test_content_that_cannot_be_rewritten_is_held_back() -> None:
    ole = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(2000)
    with pytest.raises(CannotRewriteError, match=r"^in its content, files of type \S+ are not rewritten$"):
        carried_out(gz(ole), "a.doc.gz", emails({"a.doc": EMAIL}))


def test_a_hit_in_the_compressed_bytes_stays_undone() -> None:
    data = gz(TEXT)
    over_bytes = order(None, "", 3)
    over_bytes = over_bytes._replace(mark=over_bytes.mark._replace(over_bytes=True, straight=False))
    new, orders = carried_out(data, "a.txt.gz", [over_bytes, *emails({None: TEXT})])
    assert [one.mark.over_bytes for one in orders.undone] == [True]
    assert unpacked(new) == CLEAN


def test_an_action_that_a_format_inside_cannot_do_holds_the_file_back() -> None:
    policy = CleanPolicy.model_validate({"rules": [{"rule": "pii.email", "action": Action.DROP_ROW}]})
    assert "pii.email" in held(gz(TEXT), "a.txt.gz", policy)
    assert unpacked(cleaned(gz(b'{"a": "%s"}\n{"b": 1}\n' % EMAIL), "a.jsonl.gz", policy=policy)) == b'{"b": 1}\n'
