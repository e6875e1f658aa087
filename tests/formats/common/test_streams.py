"""Compressed streams: whole ones, damaged ones, bombs."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import struct
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from functools import cache
from itertools import product

import lz4.frame
import pytest
import zstandard

from tests.cases import each
from veritensor_ray.core.config import Limits
from veritensor_ray.core.errors import LimitExceeded, ReadError
from veritensor_ray.formats.common.budget import Budget
from veritensor_ray.formats.common.decoders import Beside
from veritensor_ray.formats.common.streams import CHUNK, Pieces, decoded, decompressed

PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "application/gzip": gzip.compress,
    "application/x-bzip2": bz2.compress,
    "application/x-xz": lzma.compress,
    "application/zstd": zstandard.ZstdCompressor(write_checksum=True).compress,
    "application/x-lz4": lambda data: lz4.frame.compress(data, content_checksum=True),
    "application/zlib": zlib.compress,
    "application/x-lzma": lambda data: lzma.compress(data, lzma.FORMAT_ALONE),
}
SINGLE = ("application/zlib", "application/x-lzma")  # nothing may come behind these
DATA = b"".join(b"line %d of the text\n" % i for i in range(120_000))  # more than two chunks
packed = pytest.mark.parametrize("media_type", PACKERS)


@cache
def packed_data(media_type: str) -> bytes:
    return PACKERS[media_type](DATA)


def unpack(data: bytes, media_type: str, limits: Limits | None = None) -> tuple[bytes, Exception | None]:
    """What comes out, and what ended it."""
    stream, _ = decompressed(io.BytesIO(data), media_type, Budget(limits or Limits(), len(data)))
    out = bytearray()
    try:
        while piece := stream.read(65_536):
            out += piece
    except ReadError as error:
        return bytes(out), error
    return bytes(out), None


@pytest.mark.slow
@packed
@pytest.mark.parametrize("data", [b"", b"x", DATA], ids=["empty", "byte", "big"])
def test_round_trip(media_type: str, data: bytes) -> None:
    whole = packed_data(media_type) if data is DATA else PACKERS[media_type](data)
    assert unpack(whole, media_type) == (data, None)


@pytest.mark.parametrize("media_type", sorted(set(PACKERS) - set(SINGLE)))
@pytest.mark.parametrize("padding", [0, 8, 3 << 20], ids=["", "padded", "padded more"])
def test_members_one_after_the_other_are_one_stream(media_type: str, padding: int) -> None:
    pack = PACKERS[media_type]
    zeros = bytes(padding)
    between = b"" if media_type == "application/zstd" else zeros  # whose padding is only at the end
    assert unpack(pack(b"one,") + between + pack(b"") + packed_data(media_type) + zeros, media_type) == (b"one," + DATA, None)


def test_skippable_lz4_frames() -> None:
    notes = struct.pack("<II", 0x184D2A53, 5) + b"notes"
    assert unpack(lz4.frame.compress(DATA) + notes + lz4.frame.compress(b"end"), "application/x-lz4") == (DATA + b"end", None)


def test_zstd_frames_of_every_make() -> None:
    streamed = zstandard.ZstdCompressor(write_checksum=True).compressobj()
    parts = [
        zstandard.ZstdCompressor(write_content_size=False).compress(b"a" * 300_000),  # runs
        zstandard.ZstdCompressor(level=1, write_checksum=True).compress(bytes(range(256)) * 2000),
        struct.pack("<II", 0x184D2A50, 5) + b"notes",  # a skippable frame
        streamed.compress(DATA) + streamed.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK) + streamed.flush(),
    ]
    assert unpack(b"".join(parts), "application/zstd") == (b"a" * 300_000 + bytes(range(256)) * 2000 + DATA, None)


@packed
@pytest.mark.parametrize("keep", [0.5, 0.999], ids=["half", "almost all"])
def test_what_comes_before_the_end_of_a_truncated_stream_is_given_out(media_type: str, keep: float) -> None:
    whole = packed_data(media_type)
    out, error = unpack(whole[: int(len(whole) * keep)], media_type)
    assert isinstance(error, ReadError)
    assert "is damaged" in str(error)
    assert DATA.startswith(out)
    assert out


@packed
def test_every_truncation_is_noticed(media_type: str) -> None:
    whole = PACKERS[media_type](b"some words that are packed " * 40)
    for length in range(1, len(whole)):
        assert unpack(whole[:length], media_type)[1], length


@packed
def test_garbage_behind_the_end_costs_nothing_before_it(media_type: str) -> None:
    out, error = unpack(packed_data(media_type) + b"this is no member", media_type)
    assert out == DATA
    assert isinstance(error, ReadError)


CHECKSUMS: dict[str, Callable[[bytes], int]] = {  # where a byte of one is
    "application/gzip": lambda data: len(data) - 6,
    "application/x-bzip2": lambda data: 11,  # of the first block
    "application/x-xz": lambda data: len(data) - 12 - 4 * (1 + int.from_bytes(data[-8:-4], "little")) - 3,  # before the index
    "application/zstd": lambda data: len(data) - 2,
    "application/x-lz4": lambda data: len(data) - 2,
    "application/zlib": lambda data: len(data) - 2,
}


@pytest.mark.parametrize(("media_type", "size"), [*product(CHECKSUMS, (30, 3_000)), ("application/gzip", len(DATA))])
def test_a_wrong_checksum_hides_nothing(media_type: str, size: int) -> None:
    data = bytearray(PACKERS[media_type](DATA[:size]))
    data[CHECKSUMS[media_type](bytes(data))] ^= 1
    out, error = unpack(bytes(data), media_type)
    whole = {"application/x-bzip2": min(size, 899_000) - 1}.get(media_type, size)  # it checks each block of 900,000 with its last byte
    assert DATA.startswith(out[:whole]) and len(out) >= whole
    assert isinstance(error, ReadError) and "is damaged" in str(error)


@pytest.mark.parametrize("media_type", ["application/gzip", "application/zlib", "application/x-xz", "application/x-lzma"])
def test_a_damaged_place_hides_nothing_before_it(media_type: str) -> None:
    """The other compressions decode whole blocks, or none of one."""
    data = bytearray(PACKERS[media_type](DATA[:30_000]))
    data[len(data) * 3 // 4 :] = bytes(len(data) - len(data) * 3 // 4)
    out, error = unpack(bytes(data), media_type)
    assert out.startswith(DATA[:15_000]) and error


@pytest.mark.parametrize("media_type", sorted(set(PACKERS) - set(SINGLE)))
def test_a_damaged_stream_does_not_hide_the_next_ones(media_type: str) -> None:
    first, second, third = (PACKERS[media_type](b"%d: " % n + DATA[:1000]) for n in range(3))
    damaged = second[:20] + bytes(len(second) - 20)
    out, error = unpack(first + damaged + third, media_type)
    assert out.startswith(b"0: " + DATA[:1000]) and out.endswith(b"2: " + DATA[:1000])
    assert str(error).endswith(", and reading continued at the next one")
    assert "is damaged after 1" in str(error)


def test_many_damaged_streams_end_at_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("veritensor_ray.core.bounds.DAMAGED_STREAMS", 3)
    damaged = gzip.compress(DATA[:100])[:20] + bytes(50)
    assert unpack(damaged * 3 + gzip.compress(b"end"), "application/gzip")[0].endswith(b"end")
    assert not unpack(damaged * 4 + gzip.compress(b"end"), "application/gzip")[0].endswith(b"end")


@packed
def test_a_flipped_bit_raises_a_read_error_or_nothing(media_type: str) -> None:
    whole = PACKERS[media_type](b"some words that are packed " * 40)
    for at in range(len(whole)):
        data = bytearray(whole)
        data[at] ^= 0x10
        unpack(bytes(data), media_type)  # anything else than ReadError would come out


@cache
def bomb(media_type: str) -> bytes:
    """Zeros, which are more than any bound below lets through."""
    zeros = bytes(48 << 20)
    return bz2.compress(zeros, 1) if media_type == "application/x-bzip2" else PACKERS[media_type](zeros)


@packed
@pytest.mark.parametrize(
    ("bound", "limits", "most"),
    [("expanded_bytes", Limits(expanded_bytes=3_000_000), 3_000_000), ("expanded_ratio", Limits(expanded_ratio=100), 24 << 20)],
)
def test_a_bomb_stops_at_the_bound_and_in_bounded_memory(media_type: str, bound: str, limits: Limits, most: int) -> None:
    stream, _ = decompressed(io.BytesIO(bomb(media_type)), media_type, Budget(limits, len(bomb(media_type))))
    size = 0
    tracemalloc.start()
    with pytest.raises(LimitExceeded) as caught:
        while piece := stream.read(65_536):
            size += len(piece)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert caught.value.bound == bound
    assert size <= most + CHUNK
    assert peak < 12 << 20


def test_a_header_cannot_ask_for_any_amount_of_memory() -> None:
    filters = [{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 29, "mode": lzma.MODE_FAST, "mf": lzma.MF_HC3, "nice_len": 4}]
    _, error = unpack(lzma.compress(b"x", filters=filters), "application/x-xz")
    assert isinstance(error, LimitExceeded)


WORDS = b"words beside it"
SKIPPED = b"\x53\x2a\x4d\x18" + struct.pack("<I", len(WORDS)) + WORDS
ZSTD = zstandard.compress(b"text")
LZ4 = lz4.frame.compress(b"text")


def gz(flags: int, head: bytes) -> bytes:
    """A gzip member whose header has these fields."""
    plain = gzip.compress(b"text", mtime=0)
    return plain[:3] + bytes([flags]) + plain[4:10] + head + plain[10:]


@each(
    ("kind", "data", "beside"),
    [
        ("gzip", gz(0, b""), b""),
        ("gzip", gz(8, b"a.txt\0"), b""),
        ("gzip", gz(8, b"b.txt\0"), b"b.txt\n"),
        ("gzip", gz(28, b"\x02\0xxa.txt\0" + WORDS + b"\0"), b"xx\n" + WORDS + b"\n"),
        ("gzip", gz(0, b"") + gz(16, WORDS + b"\0"), WORDS + b"\n"),
        ("gzip", gz(16, 300_000 * WORDS + b"\0"), 300_000 * WORDS + b"\n"),
        ("gzip", gz(4, b"\6\0BC\2\0\x1b\0"), b""),
        ("zstd", ZSTD + SKIPPED, WORDS),
        ("zstd", SKIPPED + ZSTD + SKIPPED, WORDS + WORDS),
        ("x-lz4", LZ4 + SKIPPED, WORDS),
        ("x-lz4", SKIPPED + LZ4 + SKIPPED + LZ4, WORDS + WORDS),
        ("x-lz4", LZ4 + b"\x50\x2a\x4d\x18" + struct.pack("<I", 3_000_000) + bytes(3_000_000), bytes(3_000_000)),
    ],
)
def test_what_stands_beside_a_stream_is_kept(kind: str, data: bytes, beside: bytes) -> None:
    kept = Beside("a.txt")
    stream, _ = decompressed(io.BytesIO(data), f"application/{kind}", Budget(Limits(), len(data)), kept)
    assert set(stream.read().split(b"text")) == {b""}
    assert (bytes(kept.data), kept.cut) == (beside, False)


def test_pieces_are_a_file_that_gives_everything_before_an_error_again_and_again() -> None:
    def pieces() -> Iterator[bytes]:
        yield b"abc"
        yield b"defgh"
        raise zlib.error("broken")

    file = Pieces(pieces())
    assert (file.read(2), file.read(4), file.read1(1), file.read()) == (b"ab", b"cdef", b"g", b"h")
    for _ in range(2):
        with pytest.raises(ReadError, match="broken"):
            file.read(1)


@pytest.mark.parametrize(
    ("encoding", "data", "text", "bad"),
    [
        ("utf-8", b"plain", "plain", 0),
        ("utf-8", b"a\xffb\xfe", "a\ufffdb\ufffd", 2),
        ("utf-8", b"cut \xe2\x82", "cut \ufffd", 1),
        ("utf-8", b"\xed\xa0\x80", "\ufffd" * 3, 3),
        ("utf-16-le", "é".encode("utf-16-le") + b"x", "é\ufffd", 1),
        ("utf-16-be", b"\xd8\x00\x00a", "\ufffda", 1),
        ("shift_jis", "日本".encode("shift_jis") + b"\x81", "日本\ufffd", 1),
        ("ascii", b"\x80", "\ufffd", 1),
    ],
)
def test_decoding_replaces_and_counts(encoding: str, data: bytes, text: str, bad: int) -> None:
    pieces = list(decoded(io.BytesIO(data), encoding))
    assert ("".join(piece for piece, _ in pieces), pieces[-1][1]) == (text, bad)


def test_a_character_across_two_chunks_is_one() -> None:
    data = b"a" * (CHUNK - 1) + "€".encode() + b"z"
    assert "".join(text for text, _ in decoded(io.BytesIO(data), "utf-8")) == data.decode()
