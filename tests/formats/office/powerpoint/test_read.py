"""Presentations: slides in their order, and what nobody sees on them."""

from __future__ import annotations

from typing import Any

from tests.cases import each
from tests.formats.office.building import FILES, PPTX, pptx, relations, shape
from tests.formats.reading import flat, read

WHITE = '<a:rPr><a:solidFill><a:srgbClr val="FFFFFF"/></a:solidFill></a:rPr>'
INSIDE = "100 100 500 500"


def texts(data: bytes, *fields: str) -> list[Any]:
    return flat(read(data, PPTX)[0], *fields)


@each(
    ("shapes", "expected"),
    [
        (shape("seen", INSIDE), [("seen", "visible")]),
        (shape("beside", "9144000 0 500 500"), [("beside", "hidden")]),
        (shape("above", "0 -900 500 800"), [("above", "hidden")]),
        (shape("reaches in", "-100 -100 500 500"), [("reaches in", "visible")]),
        (shape("off", INSIDE, name='hidden="1"'), [("off", "hidden")]),
        (shape("white", INSIDE, WHITE), [("white", "hidden")]),
        (shape("scheme", INSIDE, WHITE.replace("srgbClr", "schemeClr").replace("FFFFFF", "bg1")), [("scheme", "hidden")]),
        (f'<p:pic><p:spPr><a:xfrm><a:off x="0" y="0"/><a:ext cx="900" cy="900"/></a:xfrm></p:spPr></p:pic>{shape("on it", INSIDE, WHITE)}', [("on it", "visible")]),
        (f'<p:pic><p:spPr><a:xfrm><a:off x="5000" y="0"/><a:ext cx="900" cy="900"/></a:xfrm></p:spPr></p:pic>{shape("beside it", INSIDE, WHITE)}', [("beside it", "hidden")]),
        (shape("filled", INSIDE, WHITE).replace("</p:spPr>", "<a:solidFill/></p:spPr>"), [("filled", "visible")]),
        (shape("outlined", INSIDE, WHITE).replace("</p:spPr>", "<a:ln><a:solidFill/></a:ln></p:spPr>"), [("outlined", "hidden")]),
        ('<p:bg><p:bgPr><a:solidFill><a:srgbClr val="003366"/></a:solidFill></p:bgPr></p:bg>' + shape("on blue", INSIDE, WHITE), [("on blue", "visible")]),
        (shape("tiny", INSIDE, '<a:rPr sz="100"/>'), [("tiny", "hidden")]),
        (shape("clear", INSIDE, "<a:rPr><a:noFill/></a:rPr>"), [("clear", "hidden")]),
        (shape("glass", INSIDE, '<a:rPr><a:solidFill><a:srgbClr val="000000"><a:alpha val="0"/></a:srgbClr></a:solidFill></a:rPr>'), [("glass", "hidden")]),
        (f"<p:grpSp>{shape('in a group', INSIDE)}</p:grpSp>", [("in a group", "visible")]),
        (shape("", INSIDE, name='descr="a boat"'), [("a boat", "metadata")]),
        ("<p:graphicFrame><a:tbl><a:tr><a:tc><a:txBody><a:p><a:r><a:t>cell</a:t></a:r></a:p></a:txBody></a:tc></a:tr></a:tbl></p:graphicFrame>", [("cell", "visible")]),
        (f"<a:p><a:r><a:t>se</a:t></a:r><a:r>{WHITE}<a:t>x</a:t></a:r><a:r><a:t>en</a:t></a:r><a:br/><a:r><a:t>!</a:t></a:r></a:p>", [("sexen\n!", "visible")]),
    ],
)  # fmt: skip
def test_shapes(shapes: str, expected: list[tuple[str, str]]) -> None:
    assert texts(pptx([shapes]), "view") == expected


def test_order_notes_comments_and_slides_that_nothing_names() -> None:
    data = pptx(
        [shape("one"), "!" + shape("two")],
        **{
            "ppt/slides/_rels/slide1.xml.rels": relations(
                ("notesSlide", "../notes/n.xml", False), ("comments", "../comments/c.xml", False)
            ),
            "ppt/notes/n.xml": f"<p:notes>{shape('say hello')}</p:notes>",
            "ppt/comments/c.xml": "<p:cmLst><p:cm><p:text>really?</p:text></p:cm></p:cmLst>",
            "ppt/slides/lost.xml": f"<p:sld>{shape('lost')}</p:sld>",
            "ppt/slideLayouts/slideLayout1.xml": f"<p:sldLayout>{shape('Click here')}</p:sldLayout>",
            "ppt/charts/chart1.xml": "<c:chartSpace><a:p><a:r><a:t>Sales</a:t></a:r></a:p><c:v>12</c:v><c:v>North</c:v></c:chartSpace>",
        },
    )
    assert texts(data, "part", "view") == [
        ("one", "slide 1", "visible"),
        ("say hello", "notes 1", "comment"),
        ("really?", "comments 1", "comment"),
        ("two", "slide 2", "hidden"),
        ("lost", "slide lost", "hidden"),
        ("Click here", "slideLayout1", "metadata"),
        ("Sales", "chart1", "visible"),
        ("North", "chart1", "visible"),
    ]


def test_places_count_the_characters_of_a_slide() -> None:
    data = pptx([shape("first") + shape("ab") + "<a:p><a:r><a:t>se</a:t></a:r><a:r><a:rPr sz='100'/><a:t>X</a:t></a:r></a:p>"])
    blocks, _ = read(data, PPTX)
    assert flat(blocks, "start")[:2] == [("first", 0), ("ab", 6)]
    assert flat(blocks, "origins")[2:] == [("se", [(0, 9, 11, None)]), ("X", [(0, 11, 12, None)])]


def test_a_button_that_starts_a_program() -> None:
    action = shape("go").replace("<a:p>", '<a:p><a:hlinkClick action="ppaction://program"/>')
    assert ("ppaction://program", "external-content") in texts(pptx([action]), "notice")
    jump = shape("go").replace("<a:p>", '<a:p><a:hlinkClick action="ppaction://hlinkshowjump?jump=nextslide"/>')
    assert texts(pptx([jump]), "notice") == [("go", None)]


def test_a_layout_with_a_picture_may_be_dark() -> None:
    parts = {
        "ppt/slides/_rels/slide1.xml.rels": relations(("slideLayout", "../slideLayouts/l.xml", False)),
        "ppt/slideLayouts/l.xml": "<p:sldLayout><p:pic/></p:sldLayout>",
    }
    assert texts(pptx([shape("white", INSIDE, WHITE)], **parts), "view") == [("white", "visible")]


def test_a_presentation_of_libreoffice() -> None:
    blocks, gaps = read((FILES / "slides.pptx").read_bytes(), PPTX)
    assert gaps == []
    assert {row for row in flat(blocks, "part", "view") if row[2] != "metadata"} == {
        ("Boats of the year", "slide 1", "visible"),
        ("Words beside the slide", "slide 1", "hidden"),
        ("White on white", "slide 1", "hidden"),
        ("Say hello first.", "notes 1", "comment"),
        ("A hidden slide", "slide 2", "hidden"),
    }
