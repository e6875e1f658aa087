"""XML: texts by element, sentences in one piece, nothing expanded, big files as a stream."""

from __future__ import annotations

import tracemalloc

import pytest

from tests.cases import each
from tests.formats.markup.origins import by_view, check, items, texts
from veritensor_ray.core.segments import Block

XML = "text/xml"


def visible(source: str) -> list[tuple[str, str | None]]:
    found = items(source.encode(), XML)
    check(found, source)
    return [(text, column) for view, text, column in texts(found) if view == "visible"]


@each(
    ("source", "expected"),
    [
        ("<a>x</a>", [("x", "a")]),
        ("<r>\n <rec><name>Bob</name>\n <age>5</age></rec></r>", [("Bob", "r/rec/name"), ("5", "r/rec/age")]),
        ("<r><name>Bob</name><age>5</age></r>", [("Bob", "r/name"), ("5", "r/age")]),
        ("<r><p>an <x>or</x>der in\n pieces</p><p>two</p></r>", [("an order in pieces", "r/p"), ("two", "r/p")]),
        ("<para><emphasis>Note</emphasis> this</para>", [("Note this", "para")]),
        ("<para><b>Note</b> <b>that</b></para>", [("Note that", "para/b")]),
        ("<d><![CDATA[<p>raw & ready</p>]]></d>", [("<p>raw & ready</p>", "d")]),
        ("<d>a &lt; b &#65; &own; &amp;amp;</d>", [("a < b A &own; &amp;", "d")]),
        ("<größe>ü</größe>", [("ü", "größe")]),
        ("<Rec>x</Rec><rec>y</rec>", [("x", "Rec"), ("y", "rec")]),
        ("<r><a/>one</r><b>two</b>three</b>", [("onetwothree", None)]),
        ("<r><a x='1'>one</a><b y='2'>two words</b> tail</r>", [("onetwo words tail", "r")]),
        ("<a> one</a><b>two  words</b><c>three\n</c>", [("onetwo words", "a"), ("three", "c")]),
        ("<r><i>an</i><i>d</i><p>so</p></r>", [("and", "r/i"), ("so", "r/p")]),
        ("<a>x</A></a>", [("x", "a")]),
        ("<a>one</a >", [("one", "a")]),
        ("no markup at all", [("no markup at all", None)]),
        ("</x></y>text", [("text", None)]),
        (
            "<rss><item><title>One</title><description>&lt;b>two</description></item></rss>",
            [("One", "rss/item/title"), ("<b>two", "rss/item/description")],
        ),
    ],
)
def test_texts(source: str, expected: list[tuple[str, str | None]]) -> None:
    assert visible(source) == expected


def test_a_tag_that_does_not_end_is_no_text_however_it_goes_on() -> None:
    source = '<r>x<a/b="</a>"'
    found = items(source.encode(), "text/xml")
    check(found, source)
    assert sorted(texts(found)) == [("hidden", '<a/b="</a>"', None), ("visible", "x", "r")]


def test_what_is_no_text() -> None:
    source = b'<?xml version="1.0"?><?do it now?><r xmlns="u" a="1" b=\'two words\'><!-- note --><c a="1"/><c a="1"/></r>'
    assert by_view(source, XML) == {
        "metadata": ["instruction: <?do it now?>", "r@a: 1", "r@b: two words", "c@a: 1"],
        "comment": ["<!-- note -->"],
    }


BOMB = (
    b"""<!DOCTYPE r [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;"><!ENTITY d "&c;&c;&c;&c;&c;">]><r>&d;</r>"""
)


@pytest.mark.parametrize(
    ("source", "notice"),
    [
        ("""<Cell ss:Formula="=cmd|'/c calc.exe'!A1"/>""", "dde"),
        ("""<Cell ss:Formula="=cmd|&#39;/c calc.exe&apos;!A1"/>""", "dde"),
        ("""<Cell ss:Formula="=SUM(R[-2]C:R[-1]C)"/>""", None),
        ("""<molecule formula="C|'x'!A1"/>""", None),
        ("""<Cell ss:Name="=cmd|'/c calc.exe'!A1"/>""", None),
    ],
)
def test_formulas_of_sheets(source: str, notice: str | None) -> None:
    [block] = [item for item in items(source.encode(), XML) if isinstance(item, Block)]
    assert [*(block.notice or [None])] == [notice]


@pytest.mark.parametrize(
    ("source", "notices"),
    [
        (b'<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]><r>&x;</r>', ["xml-external-entity"]),
        (b"<!DOCTYPE r [<!ENTITY % x SYSTEM 'http://x.example/a.dtd'> %x;]><r/>", ["xml-external-entity"]),
        (BOMB, ["xml-entity-bomb"]),
        (b'<!DOCTYPE r SYSTEM "r.dtd" [<!ENTITY version "1.0"><!ELEMENT r ANY>]><r>&version;</r>', []),
        (
            b'<!DOCTYPE book PUBLIC "-//OASIS//DTD DocBook XML V4.5//EN" "http://www.oasis-open.org/docbook/xml/4.5/docbookx.dtd"><book/>',
            [],
        ),
    ],
)
def test_declarations_are_shown_and_never_expanded(source: bytes, notices: list[str]) -> None:
    found = items(source, XML)
    check(found, source.decode())
    named = [notice for block in found if isinstance(block, Block) for notice in block.notice or () if notice]
    assert named == notices
    assert not any("haha" in text for _, text, _ in texts(found))


@pytest.mark.slow
def test_a_big_file_is_read_in_little_memory() -> None:
    source = b"<r>" + b'<rec id="x"><name>Some name</name><note>A note of <i>some</i> words.</note></rec>\n' * 20_000 + b"</r>"
    tracemalloc.start()
    try:
        count = sum(text == "A note of some words." for text in _streamed(source))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert count == 20_000
    assert peak < 24 << 20


def _streamed(source: bytes):  # type: ignore[no-untyped-def]
    import io

    from veritensor_ray.core.config import Limits
    from veritensor_ray.formats.common.kind import Kind
    from veritensor_ray.formats.common.source import Source
    from veritensor_ray.formats.markup.xml import read_xml

    for block in read_xml(Source(io.BytesIO(source), Kind(XML, "utf-8"), Limits())):
        if isinstance(block, Block):
            yield from block.texts


def test_depth_is_bounded() -> None:
    found = items(b"<a>" * 100_000 + b"deep" + b"</a>" * 100_000, XML)
    assert [text for _, text, _ in texts(found)] == ["deep"]
    ((_, _, column),) = texts(found)
    assert column is not None
    assert len(column) <= 256
