"""Blocks to bounded batches: long texts cut with overlap, nothing lost, nothing twice."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from veritensor_ray.config import Limits
from veritensor_ray.segments import SEGMENTS, Batcher, Block, Identity, clean_array, cut_point, to_batch

SMALL = Limits(segment_chars=4096, overlap_chars=32)
FILE = Identity(3, "a/b.txt", "text/plain", "in.txt")


def rows(block: Block, *names: str, limits: Limits = SMALL) -> list[Any]:
    """Columns of the block's batch, as tuples."""
    batch = to_batch(block, FILE, limits)
    assert batch.schema == SEGMENTS
    batch.validate(full=True)
    return list(zip(*(batch.column(name).to_pylist() for name in names), strict=True))


@pytest.mark.parametrize(
    ("text", "limit", "at"),
    [
        ("one two three", 10, 8),
        ("one\ntwo three", 8, 8),
        ("aaaa\nbb cc", 9, 5),
        ("aaaaaa\n\nb\nc", 10, 8),
        ("abcdefghij", 6, 6),
        ("a bcdefghij", 8, 8),
        ("", 4, 4),
    ],
)
def test_where_a_text_is_cut(text: str, limit: int, at: int) -> None:
    assert cut_point(text, limit) == at


LONG = st.lists(st.text(st.sampled_from("ab é€😀\n"), max_size=5000), max_size=8).map("".join)


@settings(max_examples=60)
@given(st.lists(LONG, max_size=4), st.integers(0, 100))
def test_owned_pieces_put_together_are_the_text(texts: list[str], overlap: int) -> None:
    limits = Limits(segment_chars=4096, overlap_chars=overlap)
    block = Block(texts, row=list(range(len(texts))), start=[10] * len(texts), line=[7] * len(texts))
    found: dict[int, str] = {}
    for row, start, line, owned, piece in rows(block, "row", "start", "line", "owned", "text", limits=limits):
        text, at = texts[row], start - 10
        assert text[at : at + len(piece)] == piece
        assert line == 7 + text.count("\n", 0, at)
        assert len(piece) <= 4096 + overlap
        assert at == len(found.get(row, ""))
        found[row] = found.get(row, "") + piece[:owned]
    assert [found.get(row, "") for row in range(len(texts))] == texts


@pytest.mark.parametrize("texts", [["x" * 9000, "short"], pa.array(["x" * 9000, "short"])], ids=["list", "array"])
def test_cutting_keeps_place_and_names(texts: Any) -> None:
    block = Block(texts, row=pa.array([5, 6]), column=["a", "b"], page=2, part="p", view="hidden", decoded_via="gzip")
    found = rows(block, "artifact", "path", "media_type", "member", "row", "column", "page", "part", "view", "decoded_via")
    same = (3, "a/b.txt", "text/plain", "in.txt")
    assert found[:-1] == [(*same, 5, "a", 2, "p", "hidden", "gzip")] * (len(found) - 1)
    assert found[-1] == (*same, 6, "b", 2, "p", "hidden", "gzip")
    assert len(found) == 4


def test_an_overlap_that_a_reader_cut_stays_the_next_ones() -> None:
    found = rows(Block(["x" * 9000], start=100, owned=[8990]), "start", "owned", "text")
    assert sum(owned for _, owned, _ in found) == 8990


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("a\ud800b", "a\ufffdb"),
        ("\udfff", "\ufffd"),
        ("end \ud83d", "end \ufffd"),
        ("\ud83d\ude00", "😀"),
        ("nul\x00 and \ufeff", "nul\x00 and \ufeff"),
    ],
)
def test_lone_surrogates_become_replacement_characters(text: str, clean: str) -> None:
    assert clean_array(["plain", text]).to_pylist() == ["plain", clean]
    assert rows(Block([text], column=text, part=text), "text", "column", "part") == [(clean, clean, clean)]


@pytest.mark.parametrize(
    "block", [Block([]), Block([], row=[], column=[], line=[]), Block(pa.array([], pa.string()), row=pa.array([], pa.int64()))]
)
def test_an_empty_block(block: Block) -> None:
    assert rows(block, "text") == []


def test_images_have_no_text() -> None:
    assert rows(Block(["", ""], images=[b"1", b"2"], row=[0, 1]), "text", "image", "row") == [(None, b"1", 0), (None, b"2", 1)]


@settings(max_examples=60)
@given(
    st.lists(st.lists(st.integers(0, 3000), max_size=30), max_size=12),
    st.integers(1, 40),
    st.integers(1000, 20_000),
)
def test_batches_are_bounded_in_rows_and_bytes_and_keep_the_order(blocks: list[list[int]], most_rows: int, most_bytes: int) -> None:
    limits = Limits.model_validate({"batch_rows": most_rows, "batch_bytes": most_bytes})
    batcher = Batcher(limits)
    batches: list[Any] = []
    expected: list[str] = []
    for number, lengths in enumerate(blocks):
        texts = [f"{number}:{i}:".ljust(length, "x") for i, length in enumerate(lengths)]
        expected += texts
        batches += batcher.add(to_batch(Block(texts, column=f"c{number}"), FILE, limits))
    batches += batcher.flush()
    assert [text for batch in batches for text in batch.column("text").to_pylist()] == expected
    for batch in batches:
        assert batch.schema == SEGMENTS
        batch.validate(full=True)
        sizes = [len(text) for text in batch.column("text").to_pylist()]
        assert 0 < len(sizes) <= most_rows
        assert len(sizes) == 1 or sum(sizes) <= most_bytes


def test_images_count_as_bytes() -> None:
    batcher = Batcher(Limits.model_validate({"batch_bytes": 1000}))
    block = Block([""] * 10, images=[b"x" * 400] * 10)
    batches = [*batcher.add(to_batch(block, FILE, Limits())), *batcher.flush()]
    assert [batch.num_rows for batch in batches] == [2] * 5
