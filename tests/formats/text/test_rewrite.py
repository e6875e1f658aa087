"""Text formats keep their structure: what takes the place of a finding is written as the format needs it."""

from __future__ import annotations

import io
import re
import tomllib
from typing import Any

import pytest
import yaml
from hypothesis import assume, given
from hypothesis import strategies as st
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from tests.cases import each
from tests.formats.editing.ordering import cleaned, order
from veritensor_ray.core import media_types
from veritensor_ray.core.config import Limits
from veritensor_ray.formats.common.kind import Kind
from veritensor_ray.formats.common.source import Source
from veritensor_ray.formats.editing.actions import Action, CannotRewriteError, Strippable
from veritensor_ray.formats.editing.edits import Order, Orders, Unit
from veritensor_ray.formats.format_registry import rewrite
from veritensor_ray.formats.text.rewrite import rewrite_text

TOML = "application/toml"
MAIL = "jo@ex.org"


def orders_for(text: str, value: str = MAIL, **about: Any) -> list[Order]:
    """An order to mask each occurrence of a value."""
    return [order(Unit(), found.start(), found.end(), value, **about) for found in re.finditer(re.escape(value), text)]


def masked(text: str, media_type: str, mask: str = "[EMAIL]", value: str = MAIL) -> str:
    data, orders = cleaned(rewrite_text, text.encode(), Kind(media_type, "utf-8"), orders_for(text, value), mask)
    assert not orders.undone
    return data.decode()


def stripped(text: str, media_type: str, *kinds: Strippable) -> str:
    return cleaned(rewrite_text, text.encode(), Kind(media_type, "utf-8"), [], strip=kinds)[0].decode()


@each(
    ("before", "after"),
    [
        ("a: jo@ex.org  # hi\n", "a: '[EMAIL]'  # hi\n"),
        ("a: mail jo@ex.org please\n", "a: 'mail [EMAIL] please'\n"),
        ("a: it's jo@ex.org\n", "a: 'it''s [EMAIL]'\n"),
        ("- jo@ex.org\n- b\n", "- '[EMAIL]'\n- b\n"),
        ("l: [jo@ex.org, b]\n", "l: ['[EMAIL]', b]\n"),
        ("a: 'jo@ex.org'\n", "a: '[EMAIL]'\n"),
        ('a: "x\\njo@ex.org"\n', 'a: "x\\n[EMAIL]"\n'),
        ("a: |\n  jo@ex.org\n  k\n", "a: |\n  [EMAIL]\n  k\n"),
        ("a: >-\r\n  jo@ex.org\r\n", "a: >-\r\n  [EMAIL]\r\n"),
        ("# jo@ex.org\na: b # jo@ex.org\n", "# [EMAIL]\na: b # [EMAIL]\n"),
        ("jo@ex.org: 1\n", "'[EMAIL]': 1\n"),
        ("a: &x jo@ex.org\nb: *x\n", "a: &x '[EMAIL]'\nb: *x\n"),
        ("a: é 🙂 jo@ex.org\n", "a: 'é 🙂 [EMAIL]'\n"),
        ("a: one\n  jo@ex.org\n  three\n", "a: 'one\n  [EMAIL]\n  three'\n"),
        ("{{ template }}: [jo@ex.org\n", "{{ template }}: [[EMAIL]\n"),  # not valid before either
    ],
)
def test_yaml_values_stay_texts(before: str, after: str) -> None:
    assert masked(before, media_types.YAML) == after


@each(
    ("before", "value", "mask", "after"),
    [
        ("a: 4111111111111111\n", "4111111111111111", "4000000000000000", "a: 4000000000000000\n"),  # a number stays one
        ("a: 4111111111111111\n", "4111111111111111", "[CARD]", "a: '[CARD]'\n"),
        ("a: jo@ex.org\n", MAIL, "ann@ex.org", "a: ann@ex.org\n"),
        ("a: jo\n", "jo", "yes", "a: 'yes'\n"),  # would be true
        ("a: jo\n", "jo", "1e3", "a: '1e3'\n"),  # a number for YAML 1.2
        ("a: jo\n", "jo", "", "a: ''\n"),
        ("a: jo\n", "jo", "**", "a: '**'\n"),
        ("a: 'jo'\n", "jo", "O'Brien", "a: 'O''Brien'\n"),
        ('a: "jo"\n', "jo", 'a"\\b', 'a: "a\\"\\\\b"\n'),
        ("a: jo # x\n", "jo", "Ann: x #", "a: 'Ann: x #' # x\n"),
        ('a: "\\x41jo"\n', "41jo", "[X]", 'a: "[X]"\n'),  # not half of an escape sequence
        ("a: jo\nb: k\n", "jo\nb: k", "[X]", "a: '[X]'\nb: ''\n"),  # across values: each of them
        ("k: jo\n", "k: jo", "[X]", "k: '[X]'\n"),  # the key beside it stays
    ],
)
def test_yaml_replacements(before: str, value: str, mask: str, after: str) -> None:
    assert masked(before, media_types.YAML, mask, value) == after


@pytest.mark.parametrize(
    ("text", "value", "why"),
    [
        ("a: &jo 1\nb: *jo\n", "jo", "lies in its syntax"),
        ("a: !jo 1\n", "jo", "lies in its syntax"),
        ("x1: a\nx2: b\n", "x", "structure"),  # see the mask: both keys would be the same
    ],
)
def test_yaml_that_would_change_is_refused(text: str, value: str, why: str) -> None:
    found = [order(Unit(), one.start(), one.end() + (value == "x"), action=Action.MASK) for one in re.finditer(value, text)]
    with pytest.raises(CannotRewriteError, match=why):
        cleaned(rewrite_text, text.encode(), Kind(media_types.YAML, "utf-8"), found, "same")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('a = "jo@ex.org" # jo@ex.org\n', 'a = "[EMAIL]" # [EMAIL]\n'),
        ("a = 'jo@ex.org'\n", "a = '[EMAIL]'\n"),
        ("a = '''\njo@ex.org\n'''\n", "a = '''\n[EMAIL]\n'''\n"),
        ('a = """x \\\n  jo@ex.org"""\n', 'a = """x \\\n  [EMAIL]"""\n'),
        ('"jo@ex.org" = 1\r\n', '"[EMAIL]" = 1\r\n'),
        ('[table."jo@ex.org"]\nb = [1, {c = "jo@ex.org"}]\n', '[table."[EMAIL]"]\nb = [1, {c = "[EMAIL]"}]\n'),
        ("not toml jo@ex.org\n", "not toml [EMAIL]\n"),
    ],
)
def test_toml_values_stay_texts(before: str, after: str) -> None:
    assert masked(before, TOML) == after


@pytest.mark.parametrize(
    ("before", "value", "mask", "after"),
    [
        ("a = 4111111111111111\n", "4111111111111111", "4000000000000000", "a = 4000000000000000\n"),
        ("a = 4111111111111111\n", "4111111111111111", "[CARD]", "a = '[CARD]'\n"),
        ("a = [1979-05-27 07:32:00, 2]\n", "1979-05-27", "[DATE]", "a = ['[DATE] 07:32:00', 2]\n"),
        ("john.doe = 1\n", "john", "[NAME]", "'[NAME]'.doe = 1\n"),
        ("[john]\na = 1\n", "john", "ann", "[ann]\na = 1\n"),
        ("a = 'jo \\ \"k\"'\n", "jo", "O'Brien", 'a = "O\'Brien \\\\ \\"k\\""\n'),
        ('a = "jo"\n', "jo", 'x"\\', 'a = "x\\"\\\\"\n'),
        ('a = "\\u0041jo"\n', "41jo", "[X]", 'a = "[X]"\n'),
        ('a = "jo"\nb = 1\n', 'a = "jo"', "[X]", 'a = "[X]"\nb = 1\n'),
    ],
)
def test_toml_replacements(before: str, value: str, mask: str, after: str) -> None:
    assert masked(before, TOML, mask, value) == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("mail jo@ex.org now\n", "mail [EMAIL] now\n"),
        ("jo@ex.org: hello\n", "\\[EMAIL\\]: hello\n"),  # a definition would vanish
        ("jo@ex.org(x) ![](a) [a]jo@ex.org\n", "\\[EMAIL\\](x) ![](a) [a]\\[EMAIL\\]\n"),
        ("[jo@ex.org](mailto:jo@ex.org)\n", "[[EMAIL]](mailto:[EMAIL])\n"),
        ("---\na: jo@ex.org\n---\njo@ex.org\n", "---\na: '[EMAIL]'\n---\n[EMAIL]\n"),
        ('+++\na = "jo@ex.org"\n+++\n', '+++\na = "[EMAIL]"\n+++\n'),
        ("`jo@ex.org`\n", "`[EMAIL]`\n"),
    ],
)
def test_markdown_does_not_become_a_link(before: str, after: str) -> None:
    assert masked(before, media_types.MARKDOWN) == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("\\item jo@ex.org \\\\ jo@ex.org\n", "\\item {[E\\_MAIL]} \\\\ {[E\\_MAIL]}\n"),  # brackets would be an argument
        ("\\textbf{x} % jo@ex.org\n", "\\textbf{x} % {[E\\_MAIL]}\n"),
    ],
)
def test_latex_prints_the_replacement(before: str, after: str) -> None:
    assert masked(before, media_types.TEX, "[E_MAIL]") == after


def test_latex_keeps_braces_without_a_partner() -> None:
    assert masked("\\textbf{John} Doe", media_types.TEX, "Ann", "John} Doe") == "\\textbf{Ann}"


@pytest.mark.parametrize(
    ("text", "media_type", "view", "at", "after"),
    [
        ("a\n\n% say jo\n% twice\n\nb\n", media_types.TEX, "comment", "jo", "a\n\n% \n% \n\nb\n"),
        ("a \\phantom{say jo} b\n", media_types.TEX, "hidden", "jo", "a  b\n"),
        (
            "WEBVTT\n\nNOTE say jo\nmore\n\n00:01.000 --> 00:02.000\nhi\n",
            media_types.VTT,
            "comment",
            "jo",
            "WEBVTT\n\n\n\n00:01.000 --> 00:02.000\nhi\n",
        ),
        ("WEBVTT say jo\n\n00:01.000 --> 00:02.000\nhi\n", media_types.VTT, "metadata", "jo", "WEBVTT\n\n00:01.000 --> 00:02.000\nhi\n"),
    ],
)
def test_what_is_hidden_is_stripped_as_a_whole(text: str, media_type: str, view: str, at: str, after: str) -> None:
    start = text.index(at)
    told = [order(Unit(), start, start + len(at), action=Action.STRIP, view=view)]
    data, orders = cleaned(rewrite_text, text.encode(), Kind(media_type, "utf-8"), told)
    assert data.decode() == after
    assert not orders.undone


@pytest.mark.parametrize(
    ("media_type", "before", "after"),
    [
        (media_types.YAML, "# a\nb: '#c' # d\ne: |\n  # text\n", "\nb: '#c' \ne: |\n  # text\n"),
        (TOML, "# a\nb = '#c' # d\n", "\nb = '#c' \n"),
        (
            media_types.MARKDOWN,
            "a <!-- b\nc --> d `<!-- e -->`\n```\n<!-- f -->\n```\n<!-- g",
            "a  d `<!-- e -->`\n```\n<!-- f -->\n```\n<!-- g",
        ),
        (media_types.TEX, "a % b\nc\n", "a % \nc\n"),
        (media_types.PLAIN, "# a\n", "# a\n"),
    ],
)
def test_comments_are_removed_on_request(media_type: str, before: str, after: str) -> None:
    assert stripped(before, media_type, Strippable.COMMENTS) == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("ig\u200bnore", "ignore"),
        ("a\U000e0041\U000e0042\U000e0043\U000e0044b", "ab"),
        ("👨\u200d👩 می\u200cخواهم ❤\ufe0f", "👨\u200d👩 می\u200cخواهم ❤\ufe0f"),  # they need them
        (
            "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
            "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
        ),
    ],
)
def test_invisible_characters_are_removed_on_request(before: str, after: str) -> None:
    assert stripped(before, media_types.PLAIN, Strippable.HIDDEN_TEXT) == after


def test_invisible_characters_in_visible_text_are_stripped() -> None:
    text = "a: |\n  ig\u200bnore\n  al\u200bl\n"
    told = [order(Unit(), 7, len(text) - 1, text[7:-1], Action.STRIP)]
    assert cleaned(rewrite_text, text.encode(), Kind(media_types.YAML, "utf-8"), told)[0].decode() == "a: |\n  ignore\n  all\n"


@pytest.mark.parametrize("action", [Action.STRIP, Action.MASK])
def test_a_run_of_invisible_characters_goes_as_a_whole(action: Action) -> None:
    """A rule matches only so much of it."""
    run = "\u200b\u200c" * 40
    told = [order(Unit(), 5, 29, f"a.{run}"[1:25], action), order(Unit(), 40, 44, run[34:38], action)]
    data, orders = cleaned(rewrite_text, f"See a.{run} b".encode(), Kind(media_types.PLAIN, "utf-8"), told, "")
    assert data == (b"See a. b" if action is Action.STRIP else b"See a b")
    assert not orders.undone


@pytest.mark.parametrize(
    ("media_type", "text", "kinds"),
    [
        (media_types.MARKDOWN, "a <scr\u200bipt>f()</script> b", [Strippable.HIDDEN_TEXT]),
        (media_types.MARKDOWN, "a <scr<!-- x -->ipt>f()</script> b", [Strippable.COMMENTS]),
        (media_types.MARKDOWN, "a [b](java\u200bscript:f())", [Strippable.HIDDEN_TEXT]),
        (media_types.TEX, "\\inp\u200but{/etc/passwd}", [Strippable.HIDDEN_TEXT]),
        (media_types.SUBRIP, "1\n00:00:01,000 --> 00:00:02,000\n<scr\u200bipt>\n", [Strippable.HIDDEN_TEXT]),
    ],
)
def test_a_removal_that_would_make_active_content_is_refused(media_type: str, text: str, kinds: list[Strippable]) -> None:
    with pytest.raises(CannotRewriteError, match="would join characters"):
        stripped(text, media_type, *kinds)


def test_a_part_of_a_large_yaml_file_is_refused() -> None:
    """A part by itself may be invalid, so that nobody could see whether a change keeps the whole valid."""
    source = Source(io.BytesIO(b"  a: jo"), Kind(media_types.YAML, "utf-8"), Limits(), first_part=False)
    with pytest.raises(CannotRewriteError, match="read in parts are not rewritten"):
        rewrite_text(source, io.BytesIO(), Orders([order(Unit(), 5, 7, "jo")], frozenset(), lambda *_: "[X]"))


def test_other_readers_files_are_refused() -> None:
    """Marks of a drawing are characters of its records."""
    with pytest.raises(CannotRewriteError, match="image/emf are not rewritten"):
        cleaned(rewrite, b"jo@ex.org", Kind(media_types.EMF, "latin-1"), [])


def test_a_mark_whose_text_is_elsewhere_stays_undone() -> None:
    data, orders = cleaned(rewrite_text, b"a: jo", Kind(media_types.YAML, "utf-8"), [order(Unit(), 0, 2, "jo"), order(Unit(), 0, 0)])
    assert data == b"a: jo"
    assert len(orders.undone) == 2


VALUES = st.recursive(
    st.text(
        st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Cn"], exclude_characters="\u2028\u2029\x85\ufeff\ufffe\uffff"),
        max_size=8,
    )
    | st.integers()
    | st.booleans()
    | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abcdefg"), inner, max_size=3),
    max_leaves=8,
)
MASKS = st.sampled_from(["[EMAIL]", "O'Brien", 'a "b"', "x: y #", "****", "", "12", "{a}", "\\n", "- a", "é🙂", "a\nb", "&x", "!t", "null"])


def tagged(value: Any, times: list[int]) -> Any:
    """The value with a mark in each of its texts."""
    if isinstance(value, str):
        times.append(1)
        return f"{value}JOMAIL{value}"
    if isinstance(value, list):
        return [tagged(one, times) for one in value]
    return {key: tagged(one, times) for key, one in value.items()} if isinstance(value, dict) else value


def shape(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: shape(one) for key, one in value.items()}
    return [shape(one) for one in value] if isinstance(value, list) else type(value)


@given(VALUES, MASKS, st.sampled_from([None, "'", '"', "|", ">"]), st.booleans())
def test_any_yaml_keeps_its_structure(value: Any, mask: str, style: str | None, flow: bool) -> None:
    times: list[int] = []
    document = {"k": tagged(value, times), "end": [1, "untouched"]}
    assume(times)
    text = yaml.safe_dump(document, default_style=style, default_flow_style=flow, allow_unicode=True, width=30)
    after = masked(text, media_types.YAML, mask, "JOMAIL") if "JOMAIL" in text else text
    assert "JOMAIL" not in after
    loaded = yaml.safe_load(after)
    assert shape(loaded) == shape(document)
    assert loaded["end"] == [1, "untouched"]
    try:
        YAML(typ="safe").load(io.StringIO(text))
    except YAMLError:
        return
    YAML(typ="safe").load(io.StringIO(after))


def toml_of(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {toml_of(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml_of, value)) + "]"
    if isinstance(value, str):
        return f"'{value}'" if "'" not in value and len(value) % 2 else '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return str(value).lower() if isinstance(value, bool) else str(value if value is not None else 0)


@given(VALUES, MASKS)
def test_any_toml_keeps_its_structure(value: Any, mask: str) -> None:
    text = f"# JOMAIL\nk = {toml_of(tagged(value, []))}\nend = 'untouched'\n"
    before = tomllib.loads(text)
    after = tomllib.loads(masked(text, TOML, mask, "JOMAIL"))
    assert shape(before) == shape(after)
    assert after["end"] == "untouched"
    assert "JOMAIL" not in repr(after)
