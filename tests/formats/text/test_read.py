"""Plain text: segments with line, character and byte offsets."""

from __future__ import annotations

import gzip

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.cases import each
from tests.formats.reading import flat, read, reader_source, reasons, split, until_error
from veritensor_ray.core.config import Limits
from veritensor_ray.core.errors import LimitExceeded, ReadError
from veritensor_ray.formats.common.kind import Kind
from veritensor_ray.formats.common.streams import CHUNK

UTF8 = Kind("text/plain", "utf-8")
SMALL = Limits(segment_chars=4096, overlap_chars=16)


@each(
    ("data", "kind", "text", "byte_offset", "via", "gaps"),
    [
        (b"one\ntwo", UTF8, "one\ntwo", 0, None, []),
        (b"one\r\ntwo\r", UTF8, "one\r\ntwo\r", 0, None, []),
        (b"nul \x00 inside", UTF8, "nul \x00 inside", 0, None, []),
        (b"\xef\xbb\xbfmarked", Kind("text/plain", "utf-8", 3), "marked", 3, None, []),
        ("é€😀".encode(), UTF8, "é€😀", 0, None, []),
        ("\ufeffwide".encode("utf-16-le"), Kind("text/plain", "utf-16-le", 2), "wide", None, "utf-16-le", []),
        ("grün".encode("cp1252"), Kind("text/plain", "cp1252"), "grün", None, "cp1252", []),
        (b"a\xff b\xfe", UTF8, "a\ufffd b\ufffd", 0, None, ["characters that could not be decoded as utf-8, replaced: 2"]),
        (b"\xed\xa0\x80", UTF8, "\ufffd" * 3, 0, None, ["characters that could not be decoded as utf-8, replaced: 3"]),
        (b"<p>as it stands</p>", Kind("text/markdown", "utf-8"), "<p>as it stands</p>", 0, None, []),
    ],
)
def test_one_segment(data: bytes, kind: Kind, text: str, byte_offset: int | None, via: str | None, gaps: list[str]) -> None:
    blocks, found = read(data, kind)
    assert flat(blocks, "line", "start", "byte_offset", "owned", "decoded_via") == [(text, 1, 0, byte_offset, len(text), via)]
    assert reasons(found) == gaps


def test_an_empty_file_has_no_segment() -> None:
    assert read(b"", UTF8) == ([], [])


def test_a_part_counts_bytes_from_the_beginning_of_the_file() -> None:
    assert flat(read(b"part", UTF8, byte_base=1000)[0], "byte_offset") == [("part", 1000)]


def test_positions_count_lines_and_characters() -> None:
    source = reader_source(b"one\ntwo\nthree", UTF8)
    assert len(split(source)[0]) == 1
    assert (source.counts.lines, source.counts.chars) == (2, 13)


@settings(max_examples=40)
@given(st.lists(st.text(st.sampled_from("ab é€😀\n\t"), max_size=3000), max_size=12), st.integers(0, 64))
def test_cut_text_is_whole_and_every_piece_stands_where_it_says(pieces: list[str], overlap: int) -> None:
    text = "".join(pieces)
    data = text.encode()
    blocks, gaps = read(data, UTF8, Limits(segment_chars=4096, overlap_chars=overlap))
    rows = flat(blocks, "line", "start", "byte_offset", "owned")
    assert gaps == []
    assert "".join(piece[:owned] for piece, *_, owned in rows) == text
    for piece, line, start, byte_offset, _ in rows:
        assert text[start : start + len(piece)] == piece
        assert data[byte_offset:].startswith(piece.encode())
        assert line == 1 + text.count("\n", 0, start)
        assert len(piece) <= 4096 + overlap


def test_cuts_fall_behind_a_line() -> None:
    text = "a line of words\n" * 600
    blocks, _ = read(text.encode(), UTF8, SMALL)
    assert len(blocks) > 2
    assert all(text[: block.start].endswith("\n") for block in blocks[1:] if isinstance(block.start, int))


def test_behind_a_damaged_place_bytes_are_not_counted() -> None:
    blocks, gaps = read(b"\xff" + b"words " * 3000, UTF8, SMALL)
    assert [block.byte_offset for block in blocks] == [0, *[None] * (len(blocks) - 1)]
    assert len(gaps) == 1


def test_a_text_without_any_break_is_cut_at_the_limit() -> None:
    rows = flat(read(b"x" * (2 * CHUNK), UTF8, SMALL)[0], "start", "owned")
    assert {owned for *_, owned in rows[:-1]} == {4096}


def test_compressed_text_says_so_and_has_no_byte_offset() -> None:
    blocks, _ = read(gzip.compress(b"words", mtime=0), UTF8, packed="application/gzip")
    assert flat(blocks, "byte_offset", "decoded_via") == [("words", None, "gzip")]
    blocks, _ = read(gzip.compress("grün".encode("cp1252"), mtime=0), Kind("text/plain", "cp1252"), packed="application/gzip")
    assert flat(blocks, "decoded_via") == [("grün", "gzip+cp1252")]


@pytest.mark.parametrize(
    ("data", "limits", "error"),
    [
        (gzip.compress(b"first words, then damage " * 50, mtime=0)[:-9], Limits(), ReadError),
        (gzip.compress(b"first words" + b" " * 9_000_000, mtime=0), Limits.model_validate({"expanded_bytes": 2_000_000}), LimitExceeded),
    ],
)
def test_what_came_before_the_end_of_the_stream_is_read(data: bytes, limits: Limits, error: type[Exception]) -> None:
    (blocks, _), _ = until_error(reader_source(data, UTF8, limits, "application/gzip"), error)
    assert flat(blocks)[0].startswith("first words")
