"""Blocks to bounded batches: long texts cut with overlap, nothing lost, nothing twice."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from veritensor_ray.core.config import Limits
from veritensor_ray.core.origins import Origin
from veritensor_ray.core.segments import SEGMENTS, Batcher, Block, Identity, clean_array, cut_point, one_batch, texts_of, to_batch

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


@pytest.mark.parametrize("speakers", [["user", None], pa.array(["user", None])], ids=["list", "array"])
def test_each_piece_of_a_long_turn_has_its_speaker(speakers: Any) -> None:
    assert rows(Block(["x" * 9000, "short"], speaker=speakers), "speaker") == [("user",), ("user",), ("user",), (None,)]


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


NAMES = st.none() | st.sampled_from(["a", "b", "é"])


@st.composite
def blocks(draw: st.DrawFn) -> Block:
    """A block whose fields are said once or for each text, as lists or as Arrow arrays."""
    texts = draw(st.lists(st.sampled_from(["", "x", "é€", "long " * 9]), max_size=4))
    count = len(texts)

    def field(one: st.SearchStrategy[Any], kind: pa.DataType | None = None) -> Any:
        form = draw(st.sampled_from(["one", "list", *(["array"] if kind else [])]))
        many = draw(st.lists(one, min_size=count, max_size=count))
        return draw(one) if form == "one" else many if form == "list" else pa.array(many, kind)

    number, images = st.none() | st.integers(0, 9), draw(st.booleans())
    origin = st.builds(Origin, st.integers(0, 9), st.integers(0, 9), st.integers(0, 9), number)
    return Block(
        pa.array(texts, pa.string()) if draw(st.booleans()) and not images else texts,
        row=field(number, pa.int64()),
        column=field(NAMES, pa.string()),
        page=draw(number),
        paragraph=draw(st.none() | st.lists(st.integers(1, 9), min_size=count, max_size=count)),
        line=field(number),
        start=field(st.integers(0, 9)),
        owned=draw(st.none() | st.lists(st.integers(0, 9), min_size=count, max_size=count)),
        view=draw(st.sampled_from(["visible", "decoded"])),
        images=[b"png"] * count if images else None,
        origins=draw(st.none() | st.lists(st.lists(origin, max_size=3), min_size=count, max_size=count)),
        notice=field(NAMES),
        speaker=field(NAMES, pa.string()),
        key=field(NAMES, pa.string()),
    )


def plainly(block: Block, identity: Identity) -> list[dict[str, Any]]:
    """The rows of a block, text by text."""

    def of(value: Any, i: int) -> Any:
        if isinstance(value, pa.Array):
            return value[i].as_py()
        return value[i] if isinstance(value, list) else value

    fields = (
        "row",
        "column",
        "page",
        "paragraph",
        "part",
        "line",
        "byte_offset",
        "start",
        "owned",
        "view",
        "decoded_via",
        "notice",
        "speaker",
        "key",
    )
    return [
        {name: getattr(identity, name) for name in ("artifact", "path", "media_type", "member")}
        | {name: of(getattr(block, name), i) for name in fields}
        | {"text": of(block.texts, i) if block.images is None else None, "image": block.images and block.images[i], "boxes": None}
        | {"origins": None if block.origins is None else [origin._asdict() for origin in block.origins[i]]}
        for i in range(len(block.texts))
    ]


@pytest.mark.slow
@settings(max_examples=150)
@given(
    st.lists(st.tuples(blocks(), st.builds(Identity, st.integers(0, 3), st.sampled_from("ab"), st.just("text/plain"), NAMES)), max_size=5)
)
def test_blocks_of_many_files_are_one_batch_as_they_would_be_many(parts: list[tuple[Block, Identity]]) -> None:
    batch = one_batch(parts)
    batch.validate(full=True)
    assert batch.schema == SEGMENTS
    expected = [row for block, identity in parts for row in plainly(block, identity)]
    assert batch.to_pylist() == [{name: row[name] for name in SEGMENTS.names} for row in expected]
    assert texts_of([block for block, _ in parts]).equals(batch.column("text"))
