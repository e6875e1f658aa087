"""What is looked at closely is all that is worth it: the searches that go ahead of the patterns lose nothing that those would find."""

from __future__ import annotations

import re

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from veritensor_ray.core.invisible_characters import INVISIBLE
from veritensor_ray.core.origins import Mapped
from veritensor_ray.formats.encoded_text import encodings, hidden_characters
from veritensor_ray.formats.encoded_text.text_rows import JoinedRows, runs

_LETTERS = st.sampled_from(
    [*"aegi1043@$!|  .\n-_+/=%&;#xAB9", "ignore", "1gn0re", "pr0mpt", "\u200b", "\u00ad", "\u202e", "\x01", "\0", "\ufffb", "\ufdd0", "а", "е", "ο", "Ａ", "ｂ", "，", "漢", "é", "\ufe0f",
     "\U000e0041", "\U0001d41a", "👩", "aWdub3JlIGFsbCBw", "cHJldmlvdXMg", "%41%42", "&#65;&#66;", "\\x41\\x42", "=41=42", "deadbeef" * 4]
)  # fmt: skip
_TEXTS = st.lists(_LETTERS, max_size=25).map("".join)
_LIKELY_TOKEN = re.compile(r"[A-Za-z0-9+/_-]{16,}")


@pytest.mark.slow
@given(st.lists(st.one_of(st.none(), _TEXTS), max_size=6))
def test_a_row_with_something_in_it_is_suspected(texts: list[str | None]) -> None:
    column = pa.array(texts, pa.string())
    joined = JoinedRows(column)
    suspected = {*hidden_characters.suspects(column, joined), *encodings.suspects(joined)}
    for row, text in enumerate(texts):
        for via in _plainly_suspect(text or ""):
            assert (row, via) in suspected, (text, via)
        for _, via in encodings._MARKS:
            if (row, via) not in suspected:
                assert not any(pattern.search((text or "").encode()) for pattern, name in encodings._MARKS if name == via)


def _plainly_suspect(text: str) -> set[str]:
    """By patterns over all of it."""
    found = set()
    invisible, beside = f"[{INVISIBLE}]", hidden_characters._BESIDE
    wide, carriers = f"[{hidden_characters._WIDE_LETTERS}]", f"[{hidden_characters._CARRIERS}]"
    if re.search(f"(?<={beside}){invisible}+(?={beside})|{wide}{{2}}|[\u0370-\u052f]|{carriers}{{4}}", text):
        found.add(hidden_characters.VIA)
    for token in re.findall(r"[A-Za-z0-9@$!|]+", text):
        if re.search(r"[A-Za-z][0134579@$!|][A-Za-z]", token) and hidden_characters._is_order(token.encode()):
            found.add(hidden_characters.VIA)
    for match in _LIKELY_TOKEN.finditer(text):
        head = match.group()[:32]
        odd = len(match.group()) >= 40 or text[match.end() : match.end() + 1] == "=" or re.search("[0-9+]", head)
        if ((re.search("[A-Z]", head) and odd) or re.fullmatch("[0-9A-Fa-f]+", head)) and encodings._begins(head):
            found.add(encodings.TOKENS)
    return found


@given(_TEXTS)
def test_tokens_are_those_that_the_pattern_finds_everywhere(text: str) -> None:
    for quick, pattern, replace in (
        (hidden_characters._of_two_scripts, hidden_characters._TOKEN, _unmixed),
        (hidden_characters._of_orders, hidden_characters._LEET_TOKEN, lambda match: hidden_characters._plain(match.group())),
    ):
        mapped, plain = Mapped(text), Mapped(text)
        mapped.put(list(quick(text)))
        plain.sub(pattern, replace)
        assert (mapped.text, mapped.starts.tolist()) == (plain.text, plain.starts.tolist())


def _unmixed(match: re.Match[str]) -> str | None:
    token = match.group()
    mixed = hidden_characters._GREEK_OR_CYRILLIC.search(token) and hidden_characters._LATIN.search(token)
    return token.translate(hidden_characters._LOOK_ALIKES) if mixed else None


@given(_TEXTS)
def test_encoded_tokens_are_those_that_the_pattern_finds_everywhere(text: str) -> None:
    found = [(int(layer.mapped.starts[0]), layer.mapped.text) for layer in encodings._tokens(text)]
    plain = []
    for match in encodings._TOKEN.finditer(text):
        if encodings._begins(match.group()[:32]):
            packed = "".join(match.group().split())
            data = bytes.fromhex(packed) if encodings._HEX.fullmatch(packed) else encodings._decode64(packed)
            if data and (said := encodings._decoded_text(data)) is not None:
                plain.append((match.start(), said))
    assert found == plain


def test_bytes_that_may_hide_something_are_those_of_every_such_character() -> None:
    first = re.compile(hidden_characters._SUSPECT.pattern.partition("(?:")[0])
    for code in range(0x80, 0x110000):
        if not 0xD800 <= code < 0xE000 and first.match(chr(code)):
            assert hidden_characters._SUSPECT_BYTES.match(chr(code).encode()), hex(code)


@given(st.text("a1 ", max_size=40), st.sampled_from(["a1", "1a", "aaa"]))
def test_runs_are_those_with_the_mark(text: str, mark: str) -> None:
    expected = [match.span() for match in re.finditer("[^ ]+", text) if mark in match.group()]
    assert list(runs(text.encode(), mark.encode())) == expected


@given(st.lists(st.text("a\n", max_size=4), min_size=1, max_size=8))
def test_a_place_belongs_to_its_row(texts: list[str]) -> None:
    joined = JoinedRows(pa.array([None, *texts])[1:])  # a column that is a part of another
    for row, text in enumerate(texts):
        start, end = joined.span(row)
        assert joined.data[start:end].decode() == text
        assert all(joined.row(at) == row for at in range(start, end))
