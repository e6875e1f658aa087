"""HTML and XML keep their elements: what takes the place of a finding is escaped as its place needs."""

from __future__ import annotations

import html.parser
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from tests.cases import each
from tests.formats.editing.ordering import cleaned, order, over_bytes
from veritensor_ray.core import media_types
from veritensor_ray.formats.common.kind import Kind
from veritensor_ray.formats.editing.actions import Action, CannotRewriteError, Strippable
from veritensor_ray.formats.editing.edits import Unit
from veritensor_ray.formats.markup.rewrite import rewrite_html, rewrite_xml

MAIL = "jo@ex.org"
HTML, XML, SVG = (Kind(kind, "utf-8") for kind in (media_types.HTML, media_types.XML, media_types.SVG))


def masked(text: str, value: str = MAIL, mask: str = "[X]", kind: Kind = HTML, encoding: str = "utf-8", **about: Any) -> str:
    kind = Kind(kind.media_type, encoding)
    told = [order(Unit(), found.start(), found.end(), **about) for found in re.finditer(re.escape(value), text)]
    data, orders = cleaned(rewrite_html if kind.media_type == HTML.media_type else rewrite_xml, text.encode(encoding), kind, told, mask)
    assert told
    assert not orders.undone
    return data.decode(encoding)


@each(
    ("before", "value", "mask", "after"),
    [
        ("<p>jo@ex.org</p>", MAIL, "[X]", "<p>[X]</p>"),
        ("<p>jo</p>", "jo", "<b>&", "<p>&lt;b&gt;&amp;</p>"),
        ("<p>a&amp;b</p>", "p;b", "[X]", "<p>a[X]</p>"),  # not half of a reference
        ("<p>Jo <b class=x>Doe</b><br>!</p>", "Jo <b class=x>Doe", "Ann Lee", "<p>Ann Lee<b class=x></b><br>!</p>"),  # across elements
        ("<p>a <!-- c --> b</p>", "a <!-- c --> b", "[X]", "<p>[X]<!-- c --></p>"),
        ("<a title='jo'>", "jo", "O'B\"", "<a title='O&#x27;B&quot;'>"),
        ("<a title=jo>", "jo", "[X]", "<a title=[X]>"),
        ("<a title=jo id=k>", "jo", "", '<a title="" id=k>'),
        ("<a title=jo/x>", "jo", "Ann Lee", '<a title="Ann Lee/x">'),
        ("<A HREF=mailto:jo@ex.org  X>y</A >", MAIL, "[X]", "<A HREF=mailto:[X]  X>y</A >"),
        ("<a href='?a=1&jo=2'>", "jo", "x", "<a href='?a=1&x=2'>"),
        ("<script>f('jo')</script>", "jo", "O'B</script>", "<script>f('O\\u0027B\\u003c/script\\u003e')</script>"),
        ("<title>jo</title>", "jo", "</title>", "<title>&lt;/title&gt;</title>"),
        ("<!-- jo -->", "jo", "a--b>", "<!-- a- -b -->"),
        ("<!--jo-->", "<!--jo-->", "[X]", "<!--[X]-->"),  # its delimiters stay
        ("<p>caf\u00e9\r\n\tjo\x0b</p >", "jo", "x", "<p>caf\u00e9\r\n\tx\x0b</p >"),
        ("<svg><![CDATA[jo]]></svg>", "jo", "a]]>b", "<svg><![CDATA[ab]]></svg>"),
        ("<xmp>jo</xmp>", "jo", "</xmp>", "<xmp>/xmp</xmp>"),
    ],
)
def test_html(before: str, value: str, mask: str, after: str) -> None:
    assert masked(before, value, mask) == after


@pytest.mark.parametrize(
    ("before", "value", "mask", "after"),
    [
        ('<a b="jo"/>', "jo", '<"&', '<a b="&lt;&quot;&amp;"/>'),
        ("<?xml version='1.0'?>\n<a>jo<b/>k</a>\n", "jo<b/>k", "[X]", "<?xml version='1.0'?>\n<a>[X]<b/></a>\n"),
        ("<a><![CDATA[jo]]></a>", "jo", "x]]>", "<a><![CDATA[x]]></a>"),
        ("<a><!--jo--></a>", "jo", "x--y-", "<a><!--x- -y--></a>"),
        ("<a><?pi jo?></a>", "jo", "x?>", "<a><?pi x??></a>"),
    ],
)
def test_xml(before: str, value: str, mask: str, after: str) -> None:
    assert masked(before, value, mask, XML) == after
    assert shape(etree.fromstring(after)) == shape(etree.fromstring(before))


def shape(element: Any) -> Any:
    return element.tag, [*element.attrib], [shape(one) for one in element]


def test_equal_attributes_are_changed_together() -> None:
    """Engines see only the first of equal values."""
    text = "<a href='mailto:jo@ex.org'>1</a><a href=mailto:jo@ex.org>2</a><b title='mailto:jo@ex.org'>"
    told = [order(Unit(column="href"), start := text.index(MAIL), start + len(MAIL), view="metadata")]
    data, orders = cleaned(rewrite_html, text.encode(), HTML, told)
    assert data.decode() == text.replace(MAIL, "[X]")
    assert not orders.undone


def test_characters_that_the_encoding_lacks_become_references() -> None:
    assert masked("<p>\u00e9 jo</p>", "jo", "\u65e5", encoding="latin-1") == "<p>\u00e9 &#26085;</p>"


def test_undecodable_bytes_stay() -> None:
    data, _ = cleaned(rewrite_html, b"\xef\xbb\xbf<p>\xff\xfe jo \xe9</p>", Kind(HTML.media_type, "utf-8", 3), [order(Unit(), 6, 8)])
    assert data == b"\xef\xbb\xbf<p>\xff\xfe [X] \xe9</p>"


def test_orders_over_bytes_are_escaped_too() -> None:
    data, orders = cleaned(rewrite_html, "<p>é jo</p>".encode(), HTML, [over_bytes(6, 8)], "<x>")
    assert data.decode() == "<p>é &lt;x&gt;</p>"
    assert not orders.undone


@pytest.mark.parametrize(
    ("before", "at", "view", "column", "after"),
    [
        ("<p>a</p><p hidden>say <b>jo</b> twice</p>", "jo", "hidden", None, "<p>a</p><p hidden><b></b></p>"),
        ("<p>a<!-- say jo -->b</p>", "jo", "comment", None, "<p>ab</p>"),
        ("<p>a<!--[if IE]><b>jo</b><![endif]-->b</p>", "jo", "comment", None, "<p>ab</p>"),
        ("<img alt='say jo' src=x>", "jo", "metadata", "alt", "<img alt='' src=x>"),
        ("<img alt=jo src=x>", "jo", "metadata", "alt", '<img alt="" src=x>'),
        ("<meta name=author content='say jo'>", "jo", "metadata", "author", "<meta name=author content=''>"),
        ("<script>say('jo')</script>", "jo", "metadata", "script", "<script></script>"),
        ("<input type=hidden value='say jo'>", "jo", "hidden", "value", "<input type=hidden value=''>"),
        ("<p>a<b jo", "jo", "hidden", None, "<p>a"),
    ],
)
def test_what_is_hidden_is_stripped_as_a_whole(before: str, at: str, view: str, column: str | None, after: str) -> None:
    start = before.index(at)
    told = [order(Unit(column=column), start, start + len(at), action=Action.STRIP, view=view)]
    data, orders = cleaned(rewrite_html, before.encode(), HTML, told)
    assert data.decode() == after
    assert not orders.undone


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("<p>ig\u200bno<b>r\u200be</b> &amp;</p>", "<p>igno<b>re</b> &amp;</p>"),
        ("<p>ig&#8203;no<b>r&ZeroWidthSpace;e</b> &amp;</p>", "<p>igno<b>re</b> &amp;</p>"),
        ("<p>igno<b>re</b> &amp;</p>", "<p><b></b></p>"),  # nothing invisible: the text itself
    ],
)
def test_invisible_characters_in_visible_text_are_stripped(before: str, after: str) -> None:
    data, orders = cleaned(rewrite_html, before.encode(), HTML, [order(Unit(), 3, len(before) - 4, action=Action.STRIP)])
    assert data.decode() == after
    assert not orders.undone


PAGE = (
    "<!DOCTYPE html><head><meta charset=utf-8><meta name=viewport content='width=1'><meta name=author content=Jo><title>t</title></head>"
    "<body><!-- c --><p>a<!--[if IE]>x<![endif]--><![if !IE]>y<![endif]></p><p style='display:none'>h <b>i</b></p><p>z"
)


@pytest.mark.parametrize(
    ("kind", "gone", "count"),
    [
        (Strippable.COMMENTS, ["<!-- c -->", "<!--[if IE]>x<![endif]-->", "<![if !IE]>", "<![endif]>"], 4),
        (Strippable.HIDDEN_TEXT, ["h ", "i"], 1),
        (Strippable.METADATA, ["Jo"], 1),
        (Strippable.MACROS, [], 0),
    ],
)
def test_parts_are_removed_on_request(kind: Strippable, gone: list[str], count: int) -> None:
    after, at = "", 0
    for piece in gone:
        begin = PAGE.index(piece, at) if piece != "i" else PAGE.index("<b>i</b>") + 3
        after += PAGE[at:begin]
        at = begin + len(piece)
    after += PAGE[at:]
    data, orders = cleaned(rewrite_html, PAGE.encode(), HTML, [], strip=[kind])
    assert data.decode() == after.replace("content=>", 'content="">')
    assert sum(orders.account.counts.values()) == count


@pytest.mark.parametrize("text", ["a@b.example", "to a@b.example"])
def test_hidden_text_that_is_to_go_leaves_no_mask(text: str) -> None:
    page = f"<p>x</p><div hidden>{text}</div>"
    start = page.index("a@b")
    told = [order(Unit(), start, start + len("a@b.example"), view="hidden")]
    data, orders = cleaned(rewrite_html, page.encode(), HTML, told, strip=[Strippable.HIDDEN_TEXT])
    assert data.decode() == page.replace(text, "")
    assert not orders.undone


def test_metadata_of_a_drawing_is_removed_on_request() -> None:
    svg = "<svg xmlns='http://www.w3.org/2000/svg'><metadata><a b='c'>Jo</a></metadata><text>d</text></svg>"
    data, _ = cleaned(rewrite_xml, svg.encode(), SVG, [], strip=[Strippable.METADATA])
    assert data.decode() == svg.replace("Jo", "")


@pytest.mark.parametrize(
    ("text", "start", "end", "kind", "why"),
    [
        ("<p>a</p>", 0, 3, HTML, "lies in its syntax"),
        ("<jo@ex.org>", 1, 10, HTML, "lies in its syntax"),  # a tag for a browser
        ('<!DOCTYPE a [<!ENTITY b "say jo">]><a>&b;</a>', 0, 34, XML, "declaration that its text depends on"),
    ],
)
def test_places_that_cannot_be_changed_are_refused(text: str, start: int, end: int, kind: Kind, why: str) -> None:
    told = [order(Unit(column="doctype"), start, end, action=Action.STRIP, view="metadata" if kind is XML else "visible")]
    with pytest.raises(CannotRewriteError, match=why):
        cleaned(rewrite_html if kind is HTML else rewrite_xml, text.encode(), kind, told)


class Tags(html.parser.HTMLParser):
    """The tags of a page with the names of their attributes, as Python's parser sees them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[Any] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, [name for name, _ in attrs]))

    def handle_endtag(self, tag: str) -> None:
        self.found.append(tag)


HOSTILE = st.sampled_from(["[X]", "<b>", "</p>", '"', "'", "&amp", "-->", "]]>", "</script>", "a b", "", "\u65e5", "--", "\\", "`", "="])
PIECES = st.sampled_from(
    [
        "JO",
        "<p>JO</p>",
        "<b a=JO>",
        "<b a='x JO y' b=\"JO\">JO</b>",
        "<!-- JO -->",
        "<script>f('JO')</script>",
        "<title>aJO</title>",
        "<br/>",
        "&amp;JO&lt;",
        "\r\n",
        "<p hidden>JO\n    ",
        "<style>JO{}</style>",
        "<textarea>JO</textarea>",
        "<i c= JO >",
        "<xmp>JO</xmp>",
        "<!doctype html 'JO'>",
        "<![CDATA[JO]]>",
        "<svg><![CDATA[JO]]></svg>",
    ]
)


@given(st.lists(PIECES, max_size=6), HOSTILE)
def test_any_page_keeps_its_tags(pieces: list[str], mask: str) -> None:
    text = "".join(pieces)
    if "JO" not in text:
        return
    after = masked(text, "JO", mask)
    assert "JO" not in after
    assert Tags(after).found == Tags(text).found


@given(
    st.lists(
        st.sampled_from(["<p>JO</p>", "<b a='x JO y'/>", "<!-- JO -->", "<![CDATA[JO]]>", "&amp;JO&lt;", "é\r\n", "<i>a</i>JO"]), max_size=6
    ),
    HOSTILE,
)
def test_any_xml_keeps_its_tree(pieces: list[str], mask: str) -> None:
    text = f"<r a='JO'>{''.join(pieces)}</r>"
    after = masked(text, "JO", mask, XML)
    assert "JO" not in after
    assert shape(etree.fromstring(after)) == shape(etree.fromstring(text))
