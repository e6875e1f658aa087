"""JSON and JSON lines: every string with its path, row and line."""

from __future__ import annotations

import gzip
import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.cases import each
from tests.formats.reading import flat, read, reader_source, reasons, split, until_error
from veritensor_ray.core.config import Limits
from veritensor_ray.core.errors import LimitExceeded, ReadError
from veritensor_ray.core.segments import Block
from veritensor_ray.formats.common.kind import Kind
from veritensor_ray.formats.json import read as json_reader
from veritensor_ray.formats.json.read import _strings

JSON, LINES = Kind("application/json", "utf-8"), Kind("application/jsonl", "utf-8")
LONG = "a key that is long enough to hold an order"
GZIP = "application/gzip"


@each(
    ("data", "rows"),
    [
        ('"just a string"', [("just a string", None, "")]),
        ('{"a": "x", "n": 1, "t": true, "z": null}', [("x", None, "a")]),
        ('{"a": {"b": ["x", {"c": "y"}]}}', [("x", None, "a.b[]"), ("y", None, "a.b[].c")]),
        ('{"a": "x", "a": "y"}', [("x", None, "a"), ("y", None, "a")]),
        ('["p", 3, {"a": "q"}, ["r", ["s"]], null, "t"]', [("p", 0, ""), ("q", 2, "a"), ("r", 3, "[]"), ("s", 3, "[][]"), ("t", 5, "")]),
        ('[{"a": "x"}, {"a": "y", "b": ["z"]}]', [("x", 0, "a"), ("y", 1, "a"), ("z", 1, "b[]")]),
        (f'{{"o": {{"{LONG}": 1}}}}', [(LONG, None, "o")]),
        (
            '{"jo@ex.org": 1, "AKIAIOSFODNN7EXAMPLE": 2, "+49 170 123": 3, "name_2": 4}',
            [("jo@ex.org", None, ""), ("AKIAIOSFODNN7EXAMPLE", None, ""), ("+49 170 123", None, "")],
        ),
        (r'{"a": "tab\t, nul\u0000, \ud83d\ude00"}', [("tab\t, nul\x00, 😀", None, "a")]),
        ('{"": "x"}', [("x", None, "")]),
        ("{}", []),
        ("[]", []),
        ("[" * 30 + '"x"' + "]" * 30, [("x", 0, "[]" * 29)]),
    ],
)
def test_json(data: str, rows: list[tuple[str, int | None, str]]) -> None:
    blocks, gaps = read(data.encode(), JSON)
    shorter = [(text, row, path if len(path) <= 256 else f"{path[:128]}…{path[-127:]}") for text, row, path in rows]
    assert (flat(blocks, "row", "column"), gaps) == (shorter, [])


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        ('{"a": "x"', ""),
        ('{"a": "x"} and more', ""),
        ('{"a": "x"}{"b": "y"}', ""),
        ('{"a": "x",}', ""),
        ("{'a': 'x'}", ""),
        ('{"a": "nul \x00"}', ""),
        ('{"a": NaN}', ""),
        ('{"deep": ' + "[" * 300 + "]" * 300 + ', "a": "x"}', "nested deeper than 200"),
        ("[" * 100_000, "nested deeper than 200"),
    ],
)
def test_what_is_no_json_is_read_as_text_and_said_once(data: str, problem: str) -> None:
    blocks, gaps = read(data.encode(), JSON, name_says="application/json")
    assert flat(blocks, "line", "start") == [(data, 1, 0)]
    assert len(gaps) == 1
    assert problem in gaps[0].reason
    assert gaps[0].reason.endswith("read as plain text")
    assert gaps[0].bound == ("json_depth" if "nested" in problem else None)


def test_text_that_only_looks_like_json_is_no_gap() -> None:
    assert read(b"[1] see the first reference", JSON, name_says="text/plain")[1] == []


@pytest.mark.parametrize("text", [r'{"a": "\ud800 x"}', r'{"\udfff": "y"}', r'{"a": "\ud83d"}'])
@pytest.mark.parametrize("kind", [JSON, LINES])
def test_lone_surrogates_lose_no_other_character(text: str, kind: Kind) -> None:
    blocks, _ = read(text.encode(), kind)
    assert any("x" in found or "y" in found or found in ("?", "\ud83d") for found in flat(blocks))


@pytest.mark.parametrize("bad", [b"\xff", b"\xed\xa0\x80"])
def test_bytes_that_do_not_decode_hide_nothing(bad: bytes) -> None:
    blocks, gaps = read(b'{"a": "before ' + bad + b' behind"}', JSON, name_says="application/json")
    assert "before" in flat(blocks)[0]
    assert "behind" in flat(blocks)[0]
    assert gaps


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-32-be", "cp1252"])
@pytest.mark.parametrize("kind", ["application/json", "application/jsonl"])
def test_other_encodings(codec: str, kind: str) -> None:
    assert flat(read('{"a": "grün"}'.encode(codec), Kind(kind, codec))[0], "column") == [("grün", "a")]


def test_a_byte_order_mark_is_not_part_of_it() -> None:
    for kind in ("application/json", "application/jsonl"):
        assert read(b'\xef\xbb\xbf{"a": "x"}', Kind(kind, "utf-8", 3))[1] == []


def test_a_giant_key_is_not_repeated_for_every_value() -> None:
    data = json.dumps({"k" * 100_000: ["x"] * 5000}).encode()
    for kind in (JSON, LINES):
        blocks, _ = read(data, kind)
        paths = [path for text, path in flat(blocks, "column") if text == "x"]
        assert len(paths) == 5000
        assert max(map(len, paths)) == 256


def test_a_giant_string_and_many_small_ones() -> None:
    big = "word " * 2_000_000
    blocks, gaps = read(json.dumps(["small", big, *["x"] * 9000]).encode(), JSON)
    rows = flat(blocks, "row")
    assert (rows[1], rows[-1], len(rows), gaps) == ((big, 1), ("x", 9001), 9002, [])
    assert max(len(block.texts) for block in blocks) <= 4096


@each(
    ("data", "encoding", "gaps"),
    [
        (b"", "utf-8", 0),
        (b" \n\t\r\n", "utf-8", 0),
        (b" " * 200_000, "utf-8", 0),
        (b" \x00\n\x00", "utf-16-le", 0),
        (b" {", "utf-8", 1),
        (b" " * 200_000 + b"x", "utf-8", 1),
    ],
)
@each("name", ["application/json", "application/x-ipynb+json"])
def test_what_is_blank_is_no_damage(data: bytes, encoding: str, gaps: int, name: str) -> None:
    _, found = read(data, Kind(name, encoding), name_says=name)
    assert len(found) == gaps


def test_rows_are_counted() -> None:
    for data, kind, rows, lines in ((b'["a", 1, {}, []]', JSON, 4, 0), (b'{"a": 1}\n\n3\n"x"', LINES, 4, 4), (b"", LINES, 0, 0)):
        source = reader_source(data, kind)
        split(source)
        assert (source.counts.rows, source.counts.lines) == (rows, lines)


@each(
    ("data", "rows"),
    [
        ('{"a": "x"}\n{"a": "y"}\n', [("x", 0, 1, "a"), ("y", 1, 2, "a")]),
        ('{"a": "x"}\r\n\r\n{"a": "y"}', [("x", 0, 1, "a"), ("y", 2, 3, "a")]),
        ('{"a": "x", "a": "y"}', [("x", 0, 1, "a"), ("y", 0, 1, "a")]),
        ('{"a": {"b": ["x", ["y"]]}}', [("x", 0, 1, "a.b[0]"), ("y", 0, 1, "a.b[1][0]")]),
        ('"x"\n["y"]\n1', [("x", 0, 1, ""), ("y", 1, 2, "[0]")]),
        (f'{{"{LONG}": 1}}', [(LONG, 0, 1, f"{LONG[:40]}<key>")]),
        ('{"jo@ex.org": {"b": "c"}}', [("jo@ex.org", 0, 1, "jo@ex.org<key>"), ("c", 0, 1, "jo@ex.org.b")]),
        ('{"a": "line\\u2028end"}\n{"a": "y\u2028"}', [("line\u2028end", 0, 1, "a"), ("y\u2028", 1, 2, "a")]),
        ('{"a": NaN, "b": "x"}', [("x", 0, 1, "b")]),
        ('{"a": 1e999, "b": "x"}', [("x", 0, 1, "b")]),
        ("{}\n[]\n{}", []),
    ],
)
def test_json_lines(data: str, rows: list[tuple[str, int, int, str]]) -> None:
    blocks, gaps = read(data.encode(), LINES)
    assert (flat(blocks, "row", "line", "column"), gaps) == (rows, [])


@pytest.mark.parametrize(
    "line",
    [
        '{"a": "cut',
        "plain words",
        '{"a": "nul \x00"}',
        '{"a": 1} {"b": 2}',
        '{"n": ' + "9" * 5000 + "}",
        "[" * 250 + '"x"' + "]" * 250,
        "[" * 100_000,
        '{"a":' * 100_000,
    ],
    ids=lambda line: line[:12],
)
def test_a_line_that_is_no_json_is_read_as_text_and_the_others_as_json(line: str) -> None:
    blocks, gaps = read(f'{{"a": "x"}}\n{line}\n{{"a": "y"}}'.encode(), LINES)
    rows = flat(blocks, "row", "line", "column")
    assert (line, 1, 2, "") in rows
    assert (rows[0], rows[-1]) == (("x", 0, 1, "a"), ("y", 2, 3, "a"))
    assert [(gap.location, gap.count) for gap in gaps] == [("row 1", 1)]


def test_broken_lines_are_one_gap_with_their_number() -> None:
    _, gaps = read(b"no\n" * 1000, LINES)
    assert [(gap.count, gap.location) for gap in gaps] == [(1000, "row 0")]


def test_lines_longer_than_a_chunk() -> None:
    texts = ["a" * 3_000_000, "b", "c" * 1_048_576]
    blocks, gaps = read("\n".join(json.dumps({"t": text}) for text in texts).encode(), LINES)
    assert (flat(blocks), gaps) == (texts, [])


@pytest.mark.parametrize("kind", [JSON, LINES])
def test_what_came_before_a_damaged_place_of_the_stream_is_read(kind: Kind) -> None:
    data = b'["first", "second"' if kind is JSON else b'"first"\n"second"\n"third"'
    (blocks, _), _ = until_error(reader_source(gzip.compress(data, mtime=0)[:-8], kind, packed=GZIP), ReadError)
    assert flat(blocks, "decoded_via")[:2] == [("first", "gzip"), ("second", "gzip")]


@pytest.mark.parametrize("data", [b'["first", "second"', b'["first", "second", ' + b"[" * 250, b'["first", "second"] more'])
def test_compressed_json_that_does_not_parse_keeps_what_did(data: bytes) -> None:
    (blocks, _), error = until_error(reader_source(gzip.compress(data, mtime=0), JSON, packed=GZIP), ReadError)
    assert flat(blocks)[:2] == ["first", "second"]
    assert "cannot be read again" in str(error)


def test_a_bomb_keeps_its_bound() -> None:
    limits = Limits.model_validate({"expanded_bytes": 2_000_000})
    data = gzip.compress(b'["first", "' + b"x" * 9_000_000, mtime=0)
    (blocks, _), error = until_error(reader_source(data, JSON, limits, GZIP), LimitExceeded)
    assert flat(blocks) == ["first"]
    assert isinstance(error, LimitExceeded)
    assert error.bound == "expanded_bytes"


def test_reasons_are_one_line() -> None:
    assert "\n" not in reasons(read(b'{"a": \n\n nope}', JSON, name_says="application/json")[1])[0]


@pytest.mark.parametrize("data", [b"[" * 1_000_000, b'{"k":' * 300_000, (b'{"' + b"k" * 1000 + b'":') * 300])
def test_depth_costs_no_memory(data: bytes) -> None:
    tracemalloc.start()
    with pytest.raises(LimitExceeded):
        list(_strings(reader_source(data, JSON)))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 64 << 20


def test_a_giant_key_is_not_kept_for_every_depth() -> None:
    data = b'{"' + b"k" * 1_000_000 + b'":' + b'{"a":' * 60 + b'"x"' + b"}" * 61
    tracemalloc.start()
    texts = [text for text in flat(read(data, LINES)[0]) if text == "x"]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (texts, peak < 16 << 20) == (["x"], True)


def test_lines_that_do_not_decode_are_said() -> None:
    blocks, gaps = read(b'{"a": "x"}\n{"a": "before \xff behind"}\n', Kind("application/jsonl", "utf-8"))
    assert "before \ufffd behind" in flat(blocks)
    assert [gap.reason for gap in gaps] == ["characters that could not be decoded as utf-8, replaced: 1"]


PIECES = [
    *'{}[],: 1"',
    '"a"',
    '"b":',
    '"é"',
    r'"\ud800"',
    r'"\u00e9"',
    "null",
    "NaN",
    "-0",
    "1e5",
    "\n",
    f'"{LONG}":',
    '{"a":{"b":["x",{"c":"y"}]}}',
    '[["x"],"y"]',
]
TURN = st.dictionaries(
    st.sampled_from(["role", "content", "from", "value", "x"]), st.sampled_from(["user", "tool", "hi", 1234567, None, {LONG: "y"}, ["z"]])
)
CONVERSATIONS = st.lists(st.dictionaries(st.sampled_from(["messages", "chosen", "output", ""]), st.lists(TURN, max_size=4)), max_size=4)
VALUES = st.recursive(
    st.one_of(st.text(max_size=6), st.integers(-9, 9), st.none()),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.one_of(st.text(max_size=4), st.just(LONG * 8)), inner, max_size=4)
    ),
    max_leaves=20,
)


@settings(max_examples=300)
@given(st.one_of(st.lists(st.sampled_from(PIECES), max_size=8).map("".join), VALUES.map(json.dumps), CONVERSATIONS.map(json.dumps)))
def test_a_small_document_is_read_as_the_stream_reads_it(text: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        small = read(text.encode(), JSON, Limits(json_depth=5))
        patch.setattr(json_reader, "SMALL", -1)
        stream = read(text.encode(), JSON, Limits(json_depth=5))
    assert flat(small[0], "row", "column", "speaker") == flat(stream[0], "row", "column", "speaker")
    assert small[1] == stream[1]


def said(blocks: list[Block]) -> list[tuple[str, str]]:
    """The texts whose speaker is known."""
    return [(text, speaker) for text, speaker in flat(blocks, "speaker") if speaker is not None]


ORDER = {"role": "user", "content": "order"}


@each(
    ("record", "expected"),
    [
        ({"messages": [{"role": "system", "content": "a"}, {"content": "b", "role": "user"}]}, [("a", "system"), ("b", "user")]),
        ({"messages": [{"role": "assistant", "content": "a"}, {"role": "tool", "content": "b"}]}, [("a", "assistant"), ("b", "tool")]),
        (
            {"id": "1", "conversations": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]},
            [("a", "user"), ("b", "assistant")],
        ),
        ({"chosen": [ORDER], "rejected": [ORDER]}, [("order", "user")] * 2),
        # What a tool says may look like a record, wherever it stands.
        ({"messages": [{"role": "tool", "content": json.dumps({"messages": [ORDER]})}]}, [(json.dumps({"messages": [ORDER]}), "tool")]),
        ({"messages": [{"role": "tool", "content": {"messages": [ORDER]}}]}, []),
        ({"messages": [{"role": "tool", "content": [ORDER]}]}, []),
        ({"messages": [{"role": "tool", "content": "a", "result": ORDER}]}, [("a", "tool")]),
        ({"messages": [{"role": "user", "content": [{"type": "tool_result", "content": "a"}]}]}, []),
        ({"messages": [{"role": "user", "content": {LONG: "a"}}]}, []),
        ({"messages": [[ORDER]]}, []),
        ({"messages": ORDER}, []),
        ({"messages[]": ORDER, "": {"messages[]": ORDER, "messages": [ORDER]}}, []),
        ({"output": {"messages": [ORDER]}}, []),
        ({"output": [ORDER]}, []),
        (ORDER, []),
        ([ORDER], []),
        ([{"messages": [ORDER]}], []),
    ],
)
def test_a_speaker_is_believed_only_in_the_conversation_of_a_record(record: Any, expected: list[tuple[str, str]]) -> None:
    lines, document = f"{json.dumps(record)}\n".encode() * 2, json.dumps([record] * 2).encode()
    found = [said(read(lines, LINES)[0]), said(read(document, JSON)[0])]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_reader, "SMALL", -1)
        found.append(said(read(document, JSON)[0]))
    assert found == [expected * 2] * 3


def test_a_document_that_is_one_conversation_may_be_the_answer_of_a_tool() -> None:
    assert said(read(json.dumps({"messages": [ORDER]}).encode(), JSON)[0]) == []
    assert said(read(json.dumps([ORDER, ORDER]).encode(), JSON)[0]) == []


@pytest.mark.parametrize("rows", range(1, 9))
def test_speakers_do_not_depend_on_where_blocks_end(monkeypatch: pytest.MonkeyPatch, rows: int) -> None:
    """Unless a turn alone fills a block."""
    turns = [{"content": f"{i}", "name": "x", "role": ("user", "tool")[i % 2]} for i in range(5)]
    monkeypatch.setattr(json_reader, "SMALL", -1)
    monkeypatch.setattr(json_reader, "_ROWS", rows)
    blocks, _ = read(json.dumps([{"id": "i", "messages": turns}, {"id": "j"}]).encode(), JSON)
    texts = ["i", *(text for turn in turns for text in turn.values()), "j"]
    assert flat(blocks) == texts
    assert max(len(block.texts) for block in blocks) <= rows
    assert said(blocks) == ([(turn["content"], turn["role"]) for turn in turns] if rows > 3 else [])
