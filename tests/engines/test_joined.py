"""Joined buffers of bytes and of characters: places back to texts and characters, for any texts."""

from __future__ import annotations

import random

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from veritensor_ray.engines import joined as joining
from veritensor_ray.engines.joined import SEPARATOR, Joined, JoinedBytes, JoinedText, cuts
from veritensor_ray.engines.pii import joining as characters

TEXTS = st.lists(st.none() | st.text(alphabet="ab \né漢😀\x1e", max_size=8), max_size=12)


@given(TEXTS, st.integers(1, 40))
def test_every_range_of_bytes_leads_to_its_characters(texts: list[str | None], size: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(joining, "BUFFER", size)
        pieces = list(JoinedBytes.pieces(pa.array(texts, pa.string())))
    assert [text or "" for text in texts] == [text for joined in pieces for text in byte_texts(joined)]
    for joined in pieces:
        ranges = [(a, b) for a in range(len(joined.data)) for b in (a + 1, a + 4, a + 30)]
        assert list(joined.spans(ranges)) == [by_counting(joined, texts, a, b) for a, b in ranges]


def byte_texts(joined: JoinedBytes) -> list[str]:
    return [joined.data[a:b].decode() for a, b in zip(joined.starts, joined.ends, strict=True)]


def by_counting(joined: JoinedBytes, texts: list[str | None], start: int, end: int) -> tuple[int, int, int]:
    """As `spans` says it, one character after the other."""
    i = joined.index(start)
    if start >= joined.ends[i] and i + 1 < len(joined.starts):
        i += 1
    owners = [n for n, character in enumerate(texts[joined.first + i] or "") for _ in character.encode()]
    inside = owners[max(start - joined.starts[i], 0) : max(end - joined.starts[i], 0)]
    return joined.first + i, inside[0] if inside else 0, inside[-1] + 1 if inside else 0


def test_ranges_of_one_text_may_begin_together_and_far_apart() -> None:
    joined = JoinedBytes(pa.array(["é" * 1000, None, "é" * 1000]), 7)
    ranges = sorted((random.Random(1).randrange(len(joined.data)),) * 2 for _ in range(200))
    found = list(joined.spans([(a, b + 2) for a, b in ranges for _ in range(2)]))
    assert found[::2] == found[1::2]
    assert {row for row, _, _ in found} <= {7, 8, 9}


def test_no_ranges_have_no_spans() -> None:
    assert list(JoinedBytes(pa.array(["a"])).spans([])) == []
    assert list(JoinedBytes.pieces(pa.array([], pa.string()))) == []


def test_a_byte_is_a_character() -> None:
    joined = JoinedBytes(pa.array(["é", "b"]))
    assert (joined.text.encode("latin-1"), joined.starts, joined.ends) == ("é\n\x1e\nb".encode(), [0, 5], [2, 6])


@given(TEXTS, st.integers(1, 40))
def test_buffers_of_characters_hold_every_text_that_is_not_empty(texts: list[str | None], size: int) -> None:
    names = pa.array([None if i % 3 == 0 else f"column{i}" for i in range(len(texts))], pa.string()).dictionary_encode()
    kinds = pa.array(["text/csv"] * len(texts), pa.string()).dictionary_encode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(characters, "BUFFER", size)
        found = list(characters.pieces(pa.record_batch({"text": pa.array(texts, pa.string()), "column": names, "media_type": kinds})))
    seen = [(row, text, at and at.name) for one in found for row, (_, text), at in zip(one.rows, one.texts(), one.columns, strict=True)]
    assert seen == [(row, text, names[row].as_py()) for row, text in enumerate(texts) if text]


@pytest.mark.parametrize(
    ("start", "end", "before", "after", "line"),
    [
        (5, 6, "漢", "", "漢x"),  # behind the separator, before the next one
        (4, 5, "", "x", "漢x"),
        (9, 10, "", "\nbc", "a"),
        (12, 13, "a\nb", "", "bc"),
    ],
)
def test_what_stands_around_a_place_is_of_the_same_text(start: int, end: int, before: str, after: str, line: str) -> None:
    texts = ["é", "漢x", "a\nbc"]
    joined = JoinedText(SEPARATOR.join(texts), np.array([len(text) for text in texts]))
    assert (joined.before(start, 9), joined.after(end, 9), joined.line(start, end)) == (before, after, line)
    assert (joined.before(start, 1), joined.after(end, 1)) == (before[-1:], after[:1])


@given(st.lists(st.integers(0, 50), max_size=30), st.integers(1, 60))
def test_cuts_are_all_of_a_column_in_order(lengths: list[int], size: int) -> None:
    found = list(cuts(np.array(lengths, np.int32), size))
    assert [i for start, end in found for i in range(start, end)] == list(range(len(lengths)))
    assert all(sum(lengths[start:end]) < 2 * size or max(lengths[start:end]) > size for start, end in found)


@pytest.mark.parametrize(("position", "index"), [(0, 0), (1, 0), (3, 0), (4, 1), (7, 2), (99, 2)])
def test_a_separator_belongs_to_the_text_before_it(position: int, index: int) -> None:
    assert Joined(np.array([1, 0, 1])).index(position) == index
