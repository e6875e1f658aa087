"""JSON documents and JSON lines: exactly the ordered strings and rows change, under the names that the readers give them."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.cases import each
from tests.formats.editing.ordering import cleaned, covering, order, over_bytes, texts_of
from veritensor_ray.core.config import Limits
from veritensor_ray.formats.common import streams
from veritensor_ray.formats.common.kind import Kind
from veritensor_ray.formats.editing.actions import Action, CannotRewriteError, Strippable
from veritensor_ray.formats.editing.edits import Unit
from veritensor_ray.formats.format_registry import Rewriter
from veritensor_ray.formats.json import read as json_reader
from veritensor_ray.formats.json import value_tree
from veritensor_ray.formats.json.rewrite import rewrite_json, rewrite_jsonl
from veritensor_ray.formats.json.value_tree import text_of

JSON, LINES = Kind("application/json", "utf-8"), Kind("application/jsonl", "utf-8")
REWRITERS: dict[str, Rewriter] = {JSON.media_type: rewrite_json, LINES.media_type: rewrite_jsonl}
NEW = "changed, and long enough to be read as a key"
LONG = "a key that is long enough to be read"


def all_masked(data: bytes, kind: Kind, mask: str = "[X]") -> bytes:
    out, orders = cleaned(REWRITERS[kind.media_type], data, kind, [covering(*text) for text in texts_of(data, kind)], mask)
    assert not orders.undone
    return out


@each(
    ("before", "after"),
    [
        ('"only a string"', '"[X]"'),
        ('{"a": "x", "n": 1.50e+3, "t": true, "z": null, "k": "y"}', '{"a": "[X]", "n": 1.50e+3, "t": true, "z": null, "k": "[X]"}'),
        ('{ "a" : {"b":["x",{"c":"y"}]} }\r\n', '{ "a" : {"b":["[X]",{"c":"[X]"}]} }\r\n'),
        ('{"a": "x", "a": "y"}', '{"a": "[X]", "a": "[X]"}'),
        ('{"card": 4929421234567897, "n": 12345678, "f": 0.123456789012}', '{"card": "[X]", "n": 12345678, "f": 0.123456789012}'),
        (
            '[4929421234567897, -1, 1.5e3, [492942123456.0, "x"], 123456789012345678901]',
            '["[X]", -1, 1.5e3, ["[X]", "[X]"], 123456789012345678901]',
        ),
        ('{"a":123456789.5,"b":-123456789,"c":123456789}', '{"a":123456789.5,"b":-123456789,"c":"[X]"}'),
        (
            '{"acct":1234567,"n":1234567,"o":{"phone":1234567.0,"a":[7654321]}}',
            '{"acct":"[X]","n":1234567,"o":{"phone":"[X]","a":[7654321]}}',
        ),
        ('["p", 3, {"a": "q"},\t["r", ["s"]], null, "t"]', '["[X]", 3, {"a": "[X]"},\t["[X]", ["[X]"]], null, "[X]"]'),
        (f'{{"o": {{"{LONG}": 1}}}}', '{"o": {"[X]": 1}}'),
        ('{"jo@ex.org": 1, "jo2@ex.org": {"b": "c"}}', '{"[X]": 1, "[X] 2": {"b": "[X]"}}'),
        (r'{"a": "tab\t, \/, \"quoted\", \u0000, \ud83d\ude00"}', '{"a": "[X]"}'),
        ('{"": "x", "[]": ["y"], "a.b": {"c": "z"}}', '{"": "[X]", "[]": ["[X]"], "a.b": {"c": "[X]"}}'),
    ],
)
@each("kind", [JSON, LINES])
def test_strings_are_changed_and_nothing_else(kind: Kind, before: str, after: str) -> None:
    assert all_masked(before.encode(), kind).decode() == after


@each(
    ("before", "mask", "after"),
    [
        (r'{"a": "gr\u00fcn"}', "é😀", r'{"a": "\u00e9\ud83d\ude00"}'),
        ('{"a": "grün"}', "é😀", '{"a": "é😀"}'),
        (r'{"a": "gr\u00fcn", "b": "ß"}', "é", r'{"a": "\u00e9", "b": "é"}'),
        (r'{"a": "tab\t\u0001"}', "é", '{"a": "é"}'),
        ('{"a": "x"}', 'say "\\"\n\x00', r'{"a": "say \"\\\"\n\u0000"}'),
    ],
)
@each("kind", [JSON, LINES])
def test_the_new_text_is_escaped_as_the_old_one_was(kind: Kind, before: str, mask: str, after: str) -> None:
    assert all_masked(before.encode(), kind, mask).decode() == after


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-32-be", "cp1252"])
@pytest.mark.parametrize("kind", [JSON, LINES])
def test_other_encodings(kind: Kind, codec: str) -> None:
    new = r"\u2021\u4e2d" if codec == "cp1252" else "‡中"
    after = all_masked('{"a": "grün", "b": 1}'.encode(codec), Kind(kind.media_type, codec), "‡中")
    assert after == f'{{"a": "{new}", "b": 1}}'.encode(codec)


@pytest.mark.parametrize(
    ("value", "start", "end", "after"),
    [
        (r"a\u00e9b\n\"c\"", 1, 2, r"a[X]b\n\"c\""),
        (r"a\u00e9b\n\"c\"", 3, 5, r"a\u00e9b[X]c\""),
        (r"\ud83d\ude00 \ud83d\ude01", 2, 3, r"\ud83d\ude00 [X]"),
        (r"\/\/x\\", 2, 3, r"\/\/[X]\\"),
        (r"lone \udc00\ud800 x", 8, 9, r"lone \udc00\ud800 [X]"),
    ],
)
def test_parts_of_strings_with_escapes(value: str, start: int, end: int, after: str) -> None:
    data = f'{{"a": "{value}"}}'.encode()
    text, unit = texts_of(data, LINES)[0]
    out, orders = cleaned(rewrite_jsonl, data, LINES, [order(unit, start, end, text[start:end].replace("\ud800", "\ufffd"))])
    assert (out.decode(), orders.undone) == (f'{{"a": "{after}"}}', [])


@pytest.mark.parametrize("value", [r"\ud800 x secret", r"\ud800\u0041x secret", r"\ud83d\ude00 secret", r"a\ud83d\n secret"])
def test_surrogates_as_the_streaming_parser_reads_them(value: str) -> None:
    data = f'{{"a": "{value}"}}'.encode()
    text, unit = texts_of(data, JSON)[0]
    at = text.index("secret")
    out, orders = cleaned(rewrite_json, data, JSON, [order(unit, at, at + 6, "secret")])
    assert (out.decode(), orders.undone) == (data.decode().replace("secret", "[X]"), [])


@pytest.mark.parametrize(
    ("rows", "after"),
    [
        ([0], '[\n {"b": 2},\n [3],\n "four"\n]'),
        ([1], '[\n {"a": "1"},\n [3],\n "four"\n]'),
        ([3], '[\n {"a": "1"},\n {"b": 2},\n [3]\n]'),
        ([2, 3], '[\n {"a": "1"},\n {"b": 2}\n]'),
        ([0, 2], '[\n {"b": 2},\n "four"\n]'),
        ([0, 1, 2, 3], "[\n \n]"),
    ],
)
def test_items_of_an_array_are_dropped_with_a_comma(rows: list[int], after: str) -> None:
    data = b'[\n {"a": "1"},\n {"b": 2},\n [3],\n "four"\n]'
    out, orders = cleaned(rewrite_json, data, JSON, [order(Unit(row=row, column="x"), text="", action=Action.DROP_ROW) for row in rows])
    assert (out.decode(), orders.undone) == (after, [])
    assert [row.row for row in orders.account.rows] == rows


@each(
    ("data", "rows", "after"),
    [
        ("{}\n[]\n1\n", [1], "{}\n1\n"),
        ("{}\r\n[]\r\n1", [2], "{}\r\n[]\r\n"),
        ("{}\n\nbroken\n1", [2], "{}\n\n1"),
        ("\x1e{}\n\x1e[]\n", [0], "\x1e[]\n"),
        ("{}", [0], ""),
    ],
)
@each(("codec", "bom"), [("utf-8", b""), ("utf-8", b"\xef\xbb\xbf"), ("utf-16-le", b"\xff\xfe")])
def test_lines_are_dropped_with_their_ends(data: str, rows: list[int], after: str, codec: str, bom: bytes) -> None:
    given = [order(Unit(row=row, column="x"), text="", action=Action.DROP_ROW) for row in rows]
    out, orders = cleaned(rewrite_jsonl, bom + data.encode(codec), Kind(LINES.media_type, codec, len(bom)), given)
    assert (out, orders.undone) == (bom + after.encode(codec), [])


def test_a_dropped_row_takes_everything_with_it() -> None:
    for data, kind in ((b'[{"a": "x", "b": "y"}, {"a": "x"}]', JSON), (b'{"a": "x", "b": "y"}\n{"a": "x"}', LINES)):
        texts = texts_of(data, kind)
        given = [covering(*texts[0], Action.DROP_ROW), covering(*texts[1])]
        out, orders = cleaned(REWRITERS[kind.media_type], data, kind, given)
        assert json.loads(out) in ({"a": "x"}, [{"a": "x"}])
        assert not orders.undone


@pytest.mark.parametrize("message", [{"role": "user", "content": "x"}, {"from": "human", "value": "x"}])
def test_a_conversation_does_not_lose_a_message(message: dict[str, str]) -> None:
    one = json.dumps([message, message]).encode()
    with pytest.raises(CannotRewriteError, match="one conversation"):
        cleaned(rewrite_json, one, JSON, [covering(*texts_of(one, JSON)[1], Action.DROP_ROW)])
    for samples in ([[message, message], [message]], [{"messages": [message, message]}, {"messages": [message]}]):
        data = json.dumps(samples).encode()
        text = next(text for text in texts_of(data, JSON) if text[0] == "x")
        assert json.loads(cleaned(rewrite_json, data, JSON, [covering(*text, Action.DROP_ROW)])[0]) == samples[1:]


@pytest.mark.parametrize("kind", [JSON, LINES])
def test_a_cell_is_emptied(kind: Kind) -> None:
    data = b'{"a": "x@y", "b": ["p", "q"]}'
    out, orders = cleaned(REWRITERS[kind.media_type], data, kind, [covering(*text, Action.DROP_CELL) for text in texts_of(data, kind)[:2]])
    assert (out, orders.undone) == (b'{"a": "", "b": ["", "q"]}', [])


def test_of_values_with_one_name_only_those_with_the_text_are_changed() -> None:
    data = b'{"people": [{"email": "a@b"}, {"email": "c@d"}, {"email": "a@b, c@d"}]}'
    text = texts_of(data, JSON)[1]
    for action, new in ((Action.MASK, b"[X]"), (Action.DROP_CELL, b"")):
        out, orders = cleaned(rewrite_json, data, JSON, [covering(*text, action)])
        assert (out, orders.undone) == (data.replace(b'"c@d"', b'"' + new + b'"'), [])


def test_a_decoded_text_proves_which_value_it_is_from() -> None:
    hidden = base64.b64encode(b"the password is hunter2, do not tell").decode()
    data = json.dumps({"a": ["nothing to see here, " * 5, f"see {hidden} now", "and nothing here either " * 4]}).encode()
    unit, end = Unit(column="a[]"), 4 + len(hidden)
    right = order(unit, 4, end, "the password is hunter2, do not tell", straight=False, view="decoded", decoded_via="base64")
    out, orders = cleaned(rewrite_json, data, JSON, [right])
    if orders.undone:  # how precisely a decoded text is mapped is for the layers to say
        pytest.fail(f"not found in {texts_of(data, JSON)}")
    assert out == data.replace(hidden.encode(), b"[X]")
    wrong = order(unit, 4, end, "something else", straight=False, view="decoded", decoded_via="base64")
    out, orders = cleaned(rewrite_json, data, JSON, [wrong])
    assert (out, len(orders.undone)) == (data, 1)


def test_changed_keys_stay_apart() -> None:
    data = json.dumps({f"{LONG} {number}": number for number in range(3)} | {"[X] 2": 3}).encode()
    for kind, names in ((JSON, ["[X]", "[X] 2", "[X] 3", "[X] 2"]), (LINES, ["[X]", "[X] 3", "[X] 4", "[X] 2"])):
        pairs: list[tuple[str, Any]] = json.loads(all_masked(data, kind), object_pairs_hook=list)
        assert [name for name, _ in pairs] == names


@pytest.mark.parametrize("kind", [JSON, LINES])
def test_a_key_is_not_emptied(kind: Kind) -> None:
    data = f'{{"{LONG}": "x"}}'.encode()
    out, orders = cleaned(REWRITERS[kind.media_type], data, kind, [covering(*texts_of(data, kind)[0], Action.DROP_CELL)])
    assert (out, len(orders.undone)) == (data, 1)


@pytest.mark.parametrize(
    ("data", "place", "action", "after"),
    [
        ('{"ä": "see x@y.z"}\n{"b": 1}\n', "x@y.z", Action.MASK, '{"ä": "see [X]"}\n{"b": 1}\n'),
        ('{"ä": "see x@y.z"}\n{"b": 1}\n', "x@y.z", Action.DROP_ROW, '{"b": 1}\n'),
        ('{"ä": 1}\n{"b": 2}\n{"c": 3}\n', '1}\n{"b": 2', Action.DROP_ROW, '{"c": 3}\n'),
        ('{"a": "x\\ny"}\n', "ny", Action.MASK, '{"a": "x[X]"}\n'),
        ('{"a": "x", "b": "y"}\n', 'x", "b": "y', Action.MASK, None),
        ('{"a": 12345}\n', "234", Action.MASK, None),
        ("broken 12345\n", "234", Action.MASK, "broken 1[X]5\n"),
    ],
)
def test_orders_over_bytes_of_lines(data: str, place: str, action: Action, after: str | None) -> None:
    start = len(data[: data.index(place)].encode())
    out, orders = cleaned(rewrite_jsonl, data.encode(), LINES, [over_bytes(start, start + len(place.encode()), action)])
    assert out.decode() == (data if after is None else after)
    assert bool(orders.undone) == (after is None)


@pytest.mark.parametrize(
    ("place", "action", "after"),
    [
        ("x@y.z", Action.MASK, '[{"ä": "[X]"}, {"b": 1}, ["c"]]'),
        ("x@y.z", Action.DROP_ROW, '[{"b": 1}, ["c"]]'),
        ('"b": 1', Action.DROP_ROW, '[{"ä": "x@y.z"}, ["c"]]'),
        ('1}, ["c', Action.DROP_ROW, '[{"ä": "x@y.z"}]'),
        ('"b": 1', Action.MASK, None),
    ],
)
def test_orders_over_bytes_of_a_document(place: str, action: Action, after: str | None) -> None:
    data = '[{"ä": "x@y.z"}, {"b": 1}, ["c"]]'
    start = len(data[: data.index(place)].encode())
    out, orders = cleaned(rewrite_json, data.encode(), JSON, [over_bytes(start, start + len(place.encode()), action)])
    assert out.decode() == (data if after is None else after)
    assert bool(orders.undone) == (after is None)


@pytest.mark.parametrize("data", ['{"a": "x"', "{'a': 'x'}", '{"a": "x"} and more', '{"a": NaN, "b": "x"}'])
def test_what_was_read_as_text_is_changed_as_text(data: str) -> None:
    at = data.index("x")
    out, orders = cleaned(rewrite_json, data.encode(), JSON, [order(Unit(), at, at + 1, "x")])
    assert (out.decode(), orders.undone) == (data.replace("x", "[X]"), [])


def test_a_valid_document_that_was_read_as_text_stays_valid() -> None:
    for data in ('{"a": "x\\n", "n": 9223372036854775808}', '{"a": "x\\n", "d": ' + "[" * 300 + "]" * 300 + "}"):
        out, orders = cleaned(rewrite_json, data.encode(), JSON, [order(Unit(), 7, 10, "x\\n")], '"\n')
        assert (json.loads(out)["a"], orders.undone) == ('"\n', [])
        out, orders = cleaned(rewrite_json, data.encode(), JSON, [order(Unit(), 7, 11, 'x\\n"')])
        assert (out.decode(), len(orders.undone)) == (data, 1)


def test_lines_that_are_not_json_are_changed_as_text() -> None:
    deep = "[" * 5 + '"x"' + "]" * 5
    data = f'{{"a": "x"}}\nbroken "x\\n\n{deep}\n'.encode()
    limits = Limits(json_depth=3)
    texts = texts_of(data, LINES, limits)
    given = [order(unit, text.index("x"), text.index("x") + 1, "x") for text, unit in texts]
    out, orders = cleaned(rewrite_jsonl, data, LINES, given, limits=limits)
    assert (out, orders.undone) == (data.replace(b"x", b"[X]"), [])


def test_a_string_that_is_too_long_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("veritensor_ray.core.bounds.HELD", 100)
    monkeypatch.setattr(streams, "CHUNK", 32)
    data = json.dumps(["short", "long" * 100, "short"]).encode()
    with pytest.raises(CannotRewriteError, match=r"longer than 100 characters \(held_bytes\)"):
        cleaned(rewrite_json, data, JSON, [covering("short", Unit(row=0, column=""))])


@pytest.mark.parametrize("kind", [JSON, LINES])
def test_hidden_text_is_removed_from_every_string(kind: Kind) -> None:
    data = '{"a": "pay\u200bpal", "b": ["x\\u200by", "p\u200bq"], "emoji": "\U0001f469\u200d\U0001f4bb"}'.encode()
    given = [covering(*text) for text in texts_of(data, kind) if text[0].startswith("p\u200b")]
    out, orders = cleaned(REWRITERS[kind.media_type], data, kind, given, strip=[Strippable.HIDDEN_TEXT])
    assert out.decode() == '{"a": "paypal", "b": ["xy", "[X]"], "emoji": "\U0001f469\u200d\U0001f4bb"}'
    assert orders.account.counts["clean.hidden-text", "strip"] == 2
    assert cleaned(REWRITERS[kind.media_type], out, kind, [], strip=[Strippable.HIDDEN_TEXT])[0] == out


texts = st.text(st.characters(codec="utf-8"), max_size=12) | st.sampled_from(["a.b", "[0]", "a[]", LONG, LONG + "2", 'é\n"\\/', "k" * 300])
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4), max_leaves=12)
styles = st.fixed_dictionaries(
    {"ensure_ascii": st.booleans(), "indent": st.sampled_from([None, 1, "\t"]), "separators": st.sampled_from([None, (",", ":")])}
)


def shape(value: Any) -> Any:
    """The structure of a value: everything except what its strings, its keys and the numbers are that may be about a person."""
    if isinstance(value, dict):
        return [shape(item) for item in value.values()]
    if isinstance(value, list):
        return [shape(item) for item in value]
    return "" if text_of(value) is not None else value


def check(data: bytes, kind: Kind, choose: st.DataObject, parse: Any) -> None:
    """Change some of the strings that the reader yields, and compare with what it yields then."""
    before = [text for text in texts_of(data, kind) if text[0]]
    if any(unit == Unit() for _, unit in before):  # a number is too large for the streaming parser
        return
    chosen = choose.draw(st.lists(st.sampled_from(range(len(before))), unique=True)) if before else []
    out, orders = cleaned(REWRITERS[kind.media_type], data, kind, [covering(*before[number]) for number in chosen], NEW)
    assert not orders.undone
    after = [text for text, _ in texts_of(out, kind) if text]
    named = {before[number] for number in chosen}
    for (text, unit), new in zip(before, after, strict=True):
        # of values with equal names, all that have a text in the same place are changed together
        repeated = [its for _, its in before].count(unit) > 1 or kind is JSON
        matching = [old for old, its in named if its == unit and (text == old or (repeated and text.startswith(old)))]
        expected = NEW + text[len(max(matching, key=len)) :] if matching else text
        assert new == expected or (matching and new.startswith(f"{expected} "))  # a changed key may get a number
    assert shape(parse(out)) == shape(parse(data))
    if not chosen:
        assert out == data


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(values, styles, st.booleans(), st.data())
def test_the_reader_and_the_rewriter_agree_on_names_in_documents(value: Any, style: Any, streamed: bool, choose: st.DataObject) -> None:
    data = json.dumps(value, **style).encode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_reader, "SMALL", -1 if streamed else value_tree.SMALL)
        check(data, JSON, choose, json.loads)


@settings(max_examples=200, deadline=None)
@given(st.lists(values, min_size=1, max_size=4), st.booleans(), st.sampled_from(["\n", "\r\n"]), st.data())
def test_the_reader_and_the_rewriter_agree_on_names_in_lines(rows: Any, ascii_only: bool, end: str, choose: st.DataObject) -> None:
    data = end.join(json.dumps(row, ensure_ascii=ascii_only) for row in rows).encode()
    check(data, LINES, choose, lambda lines: [json.loads(line) for line in lines.decode().split("\n")])


@settings(max_examples=150, deadline=None)
@given(st.lists(values, min_size=1, max_size=6), styles, st.data())
def test_dropping_items_leaves_the_others(rows: list[Any], style: Any, choose: st.DataObject) -> None:
    dropped = choose.draw(st.sets(st.sampled_from(range(len(rows)))))
    given = [order(Unit(row=row, column=""), text="", action=Action.DROP_ROW) for row in sorted(dropped)]
    out, orders = cleaned(rewrite_json, json.dumps(rows, **style).encode(), JSON, given)
    assert json.loads(out) == [row for number, row in enumerate(rows) if number not in dropped]
    assert not orders.undone


@settings(max_examples=60, deadline=None)
@given(values, st.integers(1, 40), st.data())
def test_where_the_pieces_of_a_document_end_makes_no_difference(value: Any, size: int, choose: st.DataObject) -> None:
    data = json.dumps([value, value, {"a": "x"}], indent=1).encode()
    before = [text for text in texts_of(data, JSON) if text[0]]
    given = [covering(*choose.draw(st.sampled_from(before)))]
    whole, _ = cleaned(rewrite_json, data, JSON, given)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(streams, "CHUNK", size)
        assert cleaned(rewrite_json, data, JSON, given)[0] == whole
