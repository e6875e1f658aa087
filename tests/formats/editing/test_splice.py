"""Changes to characters of a text file leave every other byte as it is, whatever the encoding."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.cases import each
from tests.formats.editing.ordering import over_bytes
from veritensor_ray.core.config import Limits
from veritensor_ray.core.media_types import PLAIN
from veritensor_ray.formats.common.kind import Kind
from veritensor_ray.formats.common.source import Source
from veritensor_ray.formats.common.streams import decoded
from veritensor_ray.formats.editing import splice
from veritensor_ray.formats.editing.actions import Action, CannotRewriteError
from veritensor_ray.formats.editing.edits import Edit, Orders

ENCODINGS = [
    "utf-8",
    "utf-16-le",
    "utf-16-be",
    "utf-32-le",
    "latin-1",
    "cp1252",
    "cp932",
    "gb18030",
    "big5",
    "euc_jp",
    "euc_kr",
    "cp949",
    "koi8-r",
]
MOST = 1 << 20
BOMS = {"utf-8": b"\xef\xbb\xbf", "utf-16-le": b"\xff\xfe", "utf-16-be": b"\xfe\xff", "utf-32-le": b"\xff\xfe\x00\x00"}


def source(data: bytes, encoding: str = "utf-8", bom: int = 0) -> Source:
    return Source(io.BytesIO(data), Kind(PLAIN, encoding, bom), Limits())


def spliced(data: bytes, edits: list[Edit], encoding: str = "utf-8", bom: int = 0, pulse: Callable[[], None] = lambda: None) -> bytes:
    out = io.BytesIO()
    splice.spliced(source(data, encoding, bom), out, edits, pulse)
    return out.getvalue()


@pytest.fixture(params=[(1, 1), (5, 3), (1 << 20, 1 << 12)], ids=lambda sizes: f"chunks of {sizes[0]}")
def sizes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every character be cut by a chunk once, and let some edits be written before others are looked up."""
    monkeypatch.setattr(splice, "_CHUNK", request.param[0])
    monkeypatch.setattr(splice, "_STEP", request.param[1])
    monkeypatch.setattr(splice, "_BATCH", request.param[0])


@pytest.mark.usefixtures("sizes")
@each(
    ("data", "edits", "after"),
    [
        (b"one two three", [(4, 7, "2")], b"one 2 three"),
        (b"one two three", [(8, 13, "3"), (0, 3, "1")], b"1 two 3"),  # in any order
        (b"one two three", [(0, 5, "short"), (4, 13, "the longest")], b"the longest"),  # overlapping: joined
        (b"one two", [(0, 3, "a"), (3, 7, "b")], b"ab"),  # touching: not joined
        (b"a\r\nb\rc\n", [(3, 4, "B")], b"a\r\nB\rc\n"),
        ("é日🙂x".encode(), [(2, 3, "[X]")], "é日[X]x".encode()),
        (b"caf\xe9 \xff\xfe bar", [(7, 8, "B")], b"caf\xe9 \xff\xfeBbar"),  # each stray byte is a character
        (b"\xe2\x82", [(0, 1, "x")], b"x"),  # the beginning of a character, at the end
        (b"ab", [(2, 2, "!")], b"ab!"),
        (b"", [], b""),
    ],
)
def test_edits(data: bytes, edits: list[tuple[int, int, str]], after: bytes) -> None:
    assert spliced(data, [Edit(*edit) for edit in edits]) == after


@pytest.mark.usefixtures("sizes")
@each("encoding", ENCODINGS)
def test_every_encoding_and_line_end(encoding: str) -> None:
    bom = BOMS.get(encoding, b"")
    before = "first\r\nmail jo@example.org, please\rlast\n"
    after = spliced(bom + before.encode(encoding), [Edit(12, 26, "[EMAIL]")], encoding, len(bom))
    assert after == bom + before.replace("jo@example.org", "[EMAIL]").encode(encoding)


@given(
    st.binary(max_size=40), st.sampled_from([one for one in ENCODINGS if one != "gb18030"]), st.data()
)  # it may need four bytes to see an error
def test_all_bytes_around_an_edit_stay(data: bytes, encoding: str, drawn: st.DataObject) -> None:
    text = "".join(piece for piece, _ in decoded(io.BytesIO(data), encoding))
    start = drawn.draw(st.integers(0, len(text)))
    end = drawn.draw(st.integers(start, len(text)))
    after = spliced(data, [Edit(start, end, "[X]")], encoding)
    new = "[X]".encode(encoding)
    befores = [at for at in range(len(data) + 1) if len(splice.text_of(source(data[:at], encoding), MOST)) == start]
    at = next(at for at in befores if after[:at] == data[:at] and after[at : at + len(new)] == new)
    kept = len(after) - at - len(new)
    assert data.endswith(after[len(after) - kept :])
    assert len(splice.text_of(source(data[at : len(data) - kept], encoding), MOST)) == end - start


@given(st.binary(max_size=60), st.sampled_from(ENCODINGS))
def test_text_and_lines_are_what_readers_see(data: bytes, encoding: str) -> None:
    text = "".join(piece for piece, _ in decoded(io.BytesIO(data), encoding))
    lines = list(splice.lines_of(source(data, encoding)))
    assert splice.text_of(source(data, encoding), MOST) == text
    assert [line.text for line in lines] == [line + "\n" for line in text.split("\n")[:-1]] + [text.split("\n")[-1]] * bool(
        text.split("\n")[-1]
    )
    assert [line.number for line in lines] == [*range(len(lines))]
    for line in lines:
        assert text[line.start :].startswith(line.text)
        assert spliced(data, [Edit(line.start, line.start, "")], encoding) == data


@pytest.mark.usefixtures("sizes")
@each(
    ("start", "end", "after"),
    [
        (0, 1, "[X]ab日cd"),  # within a character: all of it
        (1, 6, "[X]cd"),
        (2, 4, "é[X]日cd"),
        (5, 6, "éab[X]cd"),
        (7, 9, "éab日[X]"),
    ],
)
def test_orders_over_bytes_take_whole_characters(start: int, end: int, after: str) -> None:
    data = "éab日cd".encode()
    orders = Orders([over_bytes(start, end)], frozenset(), lambda *_: "[X]")
    ((first, last, _),) = splice.over_characters(source(data), orders)
    assert spliced(data, [Edit(first, last, "[X]")]).decode() == after


def test_orders_that_no_range_of_characters_can_express_are_left_out() -> None:
    orders = Orders(
        [over_bytes(0, 0), over_bytes(0, 99, number=1), over_bytes(0, 1, Action.DROP_ROW, 2), over_bytes(0, 1, Action.DROP_CELL, 3)],
        frozenset(),
        lambda *_: "[X]",
    )
    assert splice.over_characters(source(b"text"), orders) == []
    assert [one.order.number for one in splice.over_characters(source(b"text"), orders, dropping=True)] == [2, 3]


def test_characters_that_the_encoding_lacks_become_question_marks() -> None:
    assert spliced(b"a \xe9 b", [Edit(0, 1, "é日")], "latin-1") == b"\xe9? \xe9 b"


@pytest.mark.parametrize("encoding", ["utf-7", "iso2022_jp", "hz", "utf-16"])
def test_encodings_with_a_state_are_refused(encoding: str) -> None:
    with pytest.raises(CannotRewriteError, match="is not rewritten"):
        spliced(b"text", [Edit(0, 1, "x")], encoding)


def test_a_place_behind_the_end_is_refused() -> None:
    with pytest.raises(CannotRewriteError, match="its text has 4 characters"):
        spliced(b"text", [Edit(3, 5, "x")])


def test_a_text_that_is_too_long_is_refused() -> None:
    with pytest.raises(CannotRewriteError, match="longer than 3 characters"):
        splice.text_of(source(b"text"), 3)


def test_memory_is_bounded_and_progress_is_reported() -> None:
    beats: list[int] = []
    data = b"a line of text\n" * 400_000
    assert spliced(data, [Edit(len(data) - 5, len(data) - 1, "TEXT")], pulse=lambda: beats.append(1)).endswith(b"a line of TEXT\n")
    assert len(beats) >= 10
