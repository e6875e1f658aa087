"""HTML: what a reader sees, what he does not, and where each of it stands."""

from __future__ import annotations

import gzip
import re
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.cases import each
from tests.clock import AtMost
from tests.formats.markup.origins import by_view, check, harmless, items, texts
from tests.formats.reading import members, read, reader_source, until_error
from veritensor_ray.core.errors import LimitExceeded, ReadError
from veritensor_ray.formats.common.kind import Kind
from veritensor_ray.formats.markup import html_tokens
from veritensor_ray.formats.recognition import sniff

HTML, XHTML = "text/html", "application/xhtml+xml"


@each(
    ("source", "expected"),
    [
        ("", []),
        ("plain words", ["plain words"]),
        ("<p>one<p>two</p>three", ["one", "two", "three"]),
        ("<p>an <b>order</b> in <i>pie</i>ces\n   of  text</p>", ["an order in pieces of text"]),
        ("ig<b>nore</b> <span>all</span>", ["ignore all"]),
        ("<p>caf&eacute; &amp; cr&#232;me&#x21;</p>", ["café & crème!"]),
        ("AT&T &unknown; &", ["AT&T &unknown; &"]),
        ("a &lt;tag&gt;", ["a <tag>"]),
        ("first<br>second", ["first\nsecond"]),
        ("<ul><li>a<li>b</ul>", ["a", "b"]),
        ("<table><tr><td>a<td>b<tr><th>c</table>", ["a", "b", "c"]),
        ("<pre>  kept\n   space</pre>", ["  kept\n   space"]),
        ("<textarea> a\n &lt;b&gt; <i></textarea>", [" a\n <b> <i>"]),
        ("1 < 2 and 3 > 2 <- x", ["1 < 2 and 3 > 2 <- x"]),
        ("<p title='a > b'>x</p>", ["x"]),
        ("<details><summary>more</summary>closed</details>", ["more", "closed"]),
        ("<svg><text fill='white'>drawn</text></svg>", ["drawn"]),
        ("<svg><![CDATA[a <b> c]]></svg>", ["a <b> c"]),
        ("List<String> of <tool_call>{</tool_call>", ["List<String> of <tool_call>{</tool_call>"]),
        ("<my-element>inside</my-element>", ["inside"]),
        ("<p style='display:none'>x</p>y</div></b>z", ["yz"]),
        ("x<input type=submit value=Send>", ["x", "Send"]),
        # the same tag in other surroundings
        ("<p class=x>one</p><div hidden><p class=x>two</p></div><p class=x>three</p>", ["one", "three"]),
        ("<style>.y .x{display:none}</style><p class=x>one</p><div class=y><p class=x>two</p></div><p class=x>three", ["one", "three"]),
        # the same style sheet with other conditions
        ("<style>.x{display:none}</style><p class=x>one", []),
        ("<style media=print>.x{display:none}</style><p class=x>one", ["one"]),
        ("&#" + "0" * 9000 + "65;", ["A"]),
        ("&#9999999999;", ["\ufffd"]),
    ],
)
def test_what_a_reader_sees(source: str, expected: list[str]) -> None:
    assert sorted(by_view(source.encode(), HTML).get("visible", [])) == sorted(expected)


HIDDEN = [
    "<p hidden>X</p>",
    '<div style="display:none">X</div>',
    '<div style="DISPLAY : NONE !important">X</div>',
    '<div style="d\\69splay:none">X</div>',
    "<div style=display&#58;none>X</div>",
    '<div style="display:none"><p><b>X</b></p></div>',
    '<p style="visibility:hidden">X</p>',
    '<p style="opacity:0">X</p>',
    '<p style="opacity: 0.01">X</p>',
    '<p style="opacity:1%">X</p>',
    '<p style="font-size:0">X</p>',
    '<p style="font-size:1px">X</p>',
    '<p style="font: 0/0 a">X</p>',
    '<p style="width:0;height:0;overflow:hidden">X</p>',
    '<p style="position:absolute;left:-9999px">X</p>',
    '<p style="position:fixed;top:-100em">X</p>',
    '<p style="text-indent:-9999px">X</p>',
    '<p style="margin-left:-5000px">X</p>',
    '<p style="position:absolute;clip:rect(0 0 0 0)">X</p>',
    '<p style="clip-path:inset(100%)">X</p>',
    '<p style="transform:scale(0)">X</p>',
    '<p style="transform:translateX(-9999px)">X</p>',
    '<p style="color:white">X</p>',
    '<p style="color:#fefefe">X</p>',
    '<p style="color:rgb(255,255,255)">X</p>',
    '<p style="color:hsl(0, 0%, 100%)">X</p>',
    '<p style="color:transparent">X</p>',
    '<p style="color:rgba(0,0,0,0)">X</p>',
    '<div style="background:#123456"><p style="color:#133355">X</p></div>',
    '<body bgcolor=black><font color="#000000">X</font>',
    "<font color=white>X</font>",
    "<style>.a{display:none}</style><p class='b a'>X</p>",
    "<style>div > p.a, #q { display : none }</style><div><p class=a>X</p></div>",
    "<style>#q{color:#fff}</style><p id=q>X</p>",
    "<style>.a.b{display:none}</style><p class='b a'>X</p>",
    "<style>@media screen{.a{display:none}}</style><p class=a>X</p>",
    "<p class=a>X</p><style>em{} .a{opacity:0}</style>",
    "<template><p>X</p></template>",
    "<noscript><p>X</p></noscript>",
    "<dialog>X</dialog>",
    "<iframe>X</iframe>",
    "<input type=hidden value=X>",
    "<svg><text opacity='0'>X</text></svg>",
    "<svg><text fill='none'>X</text></svg>",
    "<head><title>t</title></head><body><p style='display:none'><b>X",
    "<div style='display:none'><table><tr><td></div>X</table></div>",
    "<div>" * 600 + "<p style='display:none'>X",
]


@each("source", HIDDEN)
def test_what_he_does_not_see(source: str) -> None:
    rows = by_view(source.encode(), HTML)
    assert rows.get("hidden") == ["X"]
    assert "X" not in rows.get("visible", [])


@each(
    "source",
    [
        '<p style="display:block;opacity:1;left:0;font-size:12px">X</p>',
        '<p style="color:white;background:navy">X</p>',
        '<div style="dis/**/play:none">X</div>',
        '<div style="background:black"><p style="color:white">X</p></div>',
        '<div style="background:url(a.png)"><p style="color:white">X</p></div>',
        '<div style="background-image:linear-gradient(red,blue)"><p style="color:#fff">X</p></div>',
        '<p style="color:var(--ink)">X</p>',
        '<p style="visibility:hidden"><b style="visibility:visible">X</b></p>',
        '<p style="font-size:0"><b style="font-size:12px">X</b></p>',
        '<p style="font-size:small;position:absolute;left:-10px">X</p>',
        '<p style="transform:translate(-50%,-50%)">X</p>',
        "<style>@media print{.a{display:none}}</style><p class=a>X</p>",
        "<style>.a:hover{display:none} .a[x]{display:none} .b .c{display:none}</style><p class=a>X</p>",
        "<style>body{opacity:0}</style><body>X",
        "<p style='display:none'>a</p>X",
        "<li style='display:none'>a<li>X",
        "<p style='display:none'><b>a<p>X",
        "<table><tr style='display:none'><td>a<tr><td>X</table>",
        "<dialog open>X</dialog>",
        "<div aria-hidden=true>X</div>",
        "<!-- <style>p{display:none}</style> --><p>X</p>",
    ],
)
def test_what_he_sees_none_the_less(source: str) -> None:
    assert "X" in by_view(source.encode(), HTML)["visible"]


def test_hidden_words_within_a_sentence_do_not_stand_in_it() -> None:
    rows = by_view(b"<p>Pay <span hidden>ignore</span>the <span hidden>all rules</span>bill <b hidden>a</b><b hidden>b</b></p>", HTML)
    assert rows == {"visible": ["Pay the bill"], "hidden": ["ignore all rules ab"]}


def test_comments_stand_as_in_the_source() -> None:
    source = b"a<!-- Note to AI: obey --><!----><!--[if IE]><p>old</p><![endif]--><!--> b <!-- no end"
    assert by_view(source, HTML) == {
        "visible": ["a b"],
        "comment": ["<!-- Note to AI: obey -->", "<!--[if IE]><p>old</p><![endif]-->", "<!-- no end"],
    }


def test_metadata() -> None:
    source = b"""<!DOCTYPE html PUBLIC "-//W3C//DTD"><html lang=en><head><title>My &amp; title</title>
    <meta name=description content="About us"><meta property="og:title" content="Shared"><style>p{margin:0}</style></head>
    <body onload="start()" class="a b"><img src="/a.png" alt="a cat"><a href="https://x.example/?a=1&copy=2" title="go">x</a>
    <a href="https://x.example/?a=1&copy=2">x</a><input placeholder="Your name" aria-label="Name"><script>var a = "</p>";</script>
    <p class="ignore all previous instructions" data-note="two words">x</p><p ignore all rules>y</p></body></html>"""
    assert by_view(source, HTML)["metadata"] == [
        'doctype: <!DOCTYPE html PUBLIC "-//W3C//DTD">',
        "title: My & title",
        "description: About us",
        "og:title: Shared",
        "style: p{margin:0}",
        "onload: start()",
        "src: /a.png",
        "alt: a cat",
        "href: https://x.example/?a=1&copy=2",
        "title: go",
        "placeholder: Your name",
        "aria-label: Name",
        'script: var a = "</p>";',
        "class: ignore all previous instructions",
        "data-note: two words",
        "p: <p ignore all rules>",
    ]


def test_files_in_addresses_are_members() -> None:
    source = b"<img src='data:image/png;base64,iVBORw0K'><a href='data:text/html,%3Cb%3Ehi'>x</a><iframe srcdoc='&lt;p>in</p>'></iframe>"
    assert members(source, Kind(HTML, "utf-8")) == {
        "data-url@10": b"\x89PNG\r\n",
        "data-url@51.html": b"<b>hi",
        "srcdoc@98.html": b"<p>in</p>",
    }


def test_an_address_that_does_not_decode_is_a_text() -> None:
    assert by_view(b"<img src='data:image/png;base64,A'>", HTML) == {"metadata": ["src: data:image/png;base64,A"]}


def test_svg_and_xhtml_have_the_syntax_of_xml() -> None:
    source = b"""<?xml version="1.0"?><!DOCTYPE svg [<!ENTITY a "<p>">]><svg xmlns="http://www.w3.org/2000/svg"><title>T</title>
    <script/><style><![CDATA[.a{display:none}]]></style><text class="a">X</text><text>shown<tspan> too</tspan></text><desc>d</desc></svg>"""
    rows = by_view(source, XHTML)
    assert (rows["visible"], rows["hidden"]) == (["shown too", "d"], ["X"])
    assert 'doctype: <!DOCTYPE svg [<!ENTITY a "<p>">]>' in rows["metadata"]


def test_a_tag_without_end_is_hidden_and_read() -> None:
    assert by_view(b"a <b c='d' and the rest", HTML) == {"visible": ["a"], "hidden": ["<b c='d' and the rest"]}


def test_encoding_and_compression_are_said() -> None:
    blocks, _ = read("grün".encode("cp1252"), Kind(HTML, "cp1252"))
    assert [block.decoded_via for block in blocks] == ["cp1252"]
    (blocks, _), _ = until_error(
        reader_source(gzip.compress(b"<p>one<p>two " * 9, mtime=0)[:-9], Kind(HTML, "utf-8"), None, "application/gzip"), ReadError
    )
    assert blocks[0].texts[0] == "one"


def test_places_count_behind_a_byte_order_mark() -> None:
    (block,), _ = read(b"\xef\xbb\xbf<p>x", Kind(HTML, "utf-8", 3))
    assert block.origins is not None
    assert block.origins[0][0].start == 3


def test_bytes_that_do_not_decode_are_a_gap() -> None:
    assert len(read(b"<p>a\xff", Kind(HTML, "utf-8"))[1]) == 1


def test_a_long_paragraph_overlaps() -> None:
    source = b"".join(b"<b>w%d</b> " % i for i in range(60_000))
    found = items(source, HTML)
    check(found, source.decode())
    whole = [text for _, text, _ in texts(found)]
    assert len(whole) > 2
    assert all(before[-500:] in after for before, after in pairwise(whole))


def test_a_token_beyond_the_bound_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(html_tokens, "LARGEST", 1 << 19)
    source = b"<p>before</p><!--" + b"x" * (5 << 20)
    (blocks, _), error = until_error(reader_source(source, Kind(HTML, "utf-8")), LimitExceeded)
    assert isinstance(error, LimitExceeded)
    assert (blocks[0].texts[0], error.bound) == ("before", "markup_chars")


@pytest.mark.slow
def test_a_file_larger_than_the_window_is_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(html_tokens, "LARGEST", 1 << 19)
    source = b"<p>some words &amp; <b>more</b>\n" * 40_000 + b"<p>last"
    found = items(source, HTML)
    rows = [text for _, text, _ in texts(found)]
    assert len(rows) == 40_001
    assert set(rows) == {"some words & more", "last"}
    last = found[-1]
    assert getattr(last, "origins", [[None]])[-1][0][1:] == (len(source) - 4, len(source), 40_001)


MARKUP = """<p>|</p>|<b>|</b>|<i style='display:none'>|</i>|<!-- c -->|<script>|</script>|<style>|</style>|<pre>|</pre>|<td>|<li>|</ul>|&amp;|&
<svg>|</svg>|<br>|<title>|</title>|<x>|<|>|</|<!|<?|'|"|=|<a href='u' title="t">| |  \t|<textarea>|</textarea>|&#65;|<template>"""
PIECES = st.sampled_from([*re.split(r"[|\n]", MARKUP), "\n"])
WORDS = st.from_regex(r"[a-z]{3,8}", fullmatch=True)


@settings(max_examples=100)
@given(st.lists(st.one_of(PIECES, WORDS), max_size=40))
def test_no_word_is_lost(pieces: list[str]) -> None:
    source = "".join(pieces)
    for media_type in (HTML, XHTML, "text/xml"):
        found = items(source.encode(), media_type)
        check(found, source)
        everything = "\n".join(text for _, text, _ in texts(found))
        text_only = re.sub(r"<[^<>]*>|&[#\w]*;?|<|>", " ", source)
        for word in re.findall(r"[a-z]{3,}", text_only):
            assert word in everything or word in re.sub(r"<[^>]*>", "", everything) or f"&{word}" in source or _in_tag(source, word)


def _in_tag(source: str, word: str) -> bool:
    """A word between two brackets that are not next to each other: an attribute's name or the name of a tag."""
    return re.search(rf"</?[^>]*{word}", source) is not None


REAL = b"""<!DOCTYPE html><html><head><title>T</title><style>.x{display:none}</style></head><body><p class=x>caf&eacute; <b>a</b>
<!-- c --><img alt="b" src="data:text/plain;base64,YQ=="></p><script>1</script><svg><text>s</text></svg><table><td>d</table></body></html>"""


@pytest.mark.parametrize("media_type", [HTML, XHTML, "text/xml"])
def test_damaged_input(media_type: str) -> None:
    for end in range(0, len(REAL), 2):
        harmless(REAL[:end], media_type)
    for i in range(0, len(REAL), 5):
        harmless(REAL[:i] + bytes([REAL[i] ^ 31]) + REAL[i + 1 :], media_type)


@pytest.mark.results
@pytest.mark.parametrize("media_type", [HTML, XHTML, "text/xml"])
@pytest.mark.parametrize(
    "source",
    [
        b"<a " * 20_000,
        b"<!--" * 20_000,
        b"<div>" * 20_000,
        b"<b>" * 10_000 + b"</i>" * 10_000,
        b'<a b="' * 20_000,
        b"<a b=\"'='" * 10_000 + b">",
        b"<a title='" + b"x" * 1_000_000 + b"'>",
        b"<![CDATA[" * 20_000,
        b"<!DOCTYPE [" + b"<!--" * 20_000,
        b"<!DOCTYPE a [" + b"<!ENTITY a '" * 10_000 + b"]>",
        b"<style>" * 20_000,
        b"<style" * 20_000,
        b"<style>" + b"/*" * 20_000 + b"</style>",
        b"<p class='" + b"ab" * 40_000 + b"'>",
        b"<p class='ab" + b" " * 80_000 + b"'>",
        b"&amp;" * 20_000,
        b"&" * 80_000,
        b"a<b>b</b>" * 10_000,
        b"<ul>" + b"<b>" * 500 + b"<li></li>" * 10_000,
        b"<a " + b"x=y " * 40_000 + b">",
        b"<a x" + b" " * 100_000 + b">",
        b"<a" + b"/" * 100_000 + b"=>",
    ],
)
def test_hostile_input_takes_linear_time(source: bytes, media_type: str, at_most: AtMost) -> None:
    with at_most(3):
        items(source, media_type)


@pytest.mark.parametrize(
    ("head", "extension", "media_type"),
    [
        (b"<!-- saved -->\n<!DOCTYPE html><p>", "", HTML),
        (b"<?xml version='1.0'?>\n<!DOCTYPE html><html>", "", XHTML),
        (b"<?xml version='1.0'?>\n<html>", ".html", HTML),
        (b"<svg xmlns='x'>", "", "image/svg+xml"),
        (b"<svg xmlns='x'>", ".md", "text/markdown"),
        (b"<?xml version='1.0'?><rss>", ".rss", "text/xml"),
        (b"\\documentclass{a}", "", "text/x-tex"),
    ],
)
def test_what_is_markup(head: bytes, extension: str, media_type: str) -> None:
    assert sniff(head, extension).media_type == media_type
