"""OpenDocument: what changes, what stays, and that nothing of a value is left in any part."""

from __future__ import annotations

import base64
import io
import re
import zipfile
from typing import Any
from xml.etree import ElementTree

import pytest

from tests.cleaning.marked import Rewritten, rewritten
from tests.formats.office import building
from tests.formats.office.building import FLAT, ODT, manifest, opendocument
from tests.formats.reading import flat, read
from veritensor_ray.cleaning.cleaning_policy import CleanPolicy
from veritensor_ray.cleaning.copy_manifest import Result

MAIL, CARD = "jane.doe@example-mail.de", "4929421234567897"
ENGINES = ("secrets", "pii", "structure")
MASK = {"rules": [{"rule": "pii.*", "action": "mask"}]}
CALC = 'xmlns:calcext="urn:org:documentfoundation:names:experimental:calc:xmlns:calcext:1.0"'


def clean(data: bytes, name: str, policy: dict[str, Any] | None = None) -> Rewritten:
    return rewritten(data, name, CleanPolicy.model_validate(policy or MASK), ENGINES)


def parts(data: bytes) -> dict[str, bytes]:
    """The parts, read by a second program, in which all XML can be parsed."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        assert archive.infolist()[0].filename == "mimetype"
        found = {name: archive.read(name) for name in archive.namelist()}
    for name, content in found.items():
        if name.endswith(".xml"):
            ElementTree.fromstring(content)  # noqa: S314
    return found


def cleaned(data: bytes, name: str, policy: dict[str, Any] | None = None) -> bytes:
    """The clean file, in which nothing of the values is left, and nothing that the policy acts on."""
    found = clean(data, name, policy)
    assert found.cleaned.result == Result.CLEANED, found.cleaned.reason
    assert found.data is not None
    everything = b"".join(parts(found.data).values()) if not name.endswith("fodt") else found.data
    assert not re.search(rb"jane\.doe|example-mail|4929", everything)
    again = clean(found.data, name, policy)
    assert again.cleaned.result == Result.COPIED, again.marks
    return found.data


def body(data: bytes, kind: str) -> str:
    content = parts(data)["content.xml"].decode()
    return content.partition(f"<office:{kind}>")[2].partition(f"</office:{kind}></office:body>")[0]


P = "<text:p>{}</text:p>"
SPAN = '<text:span text:style-name="T1">{}</text:span>'
TEXTS = {
    "a paragraph": (P.format(f"Ask {MAIL} now"), P.format("Ask [EMAIL] now")),
    "split over spans": (
        P.format(f"Ask jane.do{SPAN.format('e@example')}-mail.de now"),
        P.format(f"Ask [EMAIL]{SPAN.format('')} now"),
    ),
    "a line end within it": (
        P.format("4929 4212\n3456 7897 &amp; more"),
        P.format("[PAYMENT_CARD] &amp; more"),
    ),
    "a blank that is an element": (
        P.format("4929 4212<text:s/>3456 7897"),
        P.format("[PAYMENT_CARD]<text:s/>"),
    ),
    "a bookmark within it": (
        P.format('jane.<text:bookmark text:name="b"/>doe@example-mail.de'),
        P.format('[EMAIL]<text:bookmark text:name="b"/>'),
    ),
    "a heading, a list and a note": (
        f"<text:h>{MAIL}</text:h><text:list><text:list-item>{P.format(MAIL)}</text:list-item></text:list>"
        f'<text:p>x<text:note text:note-class="footnote"><text:note-citation>1</text:note-citation>'
        f"<text:note-body>{P.format(MAIL)}</text:note-body></text:note></text:p>",
        "<text:h>[EMAIL]</text:h><text:list><text:list-item><text:p>[EMAIL]</text:p></text:list-item></text:list>"
        '<text:p>x<text:note text:note-class="footnote"><text:note-citation>1</text:note-citation>'
        "<text:note-body><text:p>[EMAIL]</text:p></text:note-body></text:note></text:p>",
    ),
    "a link": (
        P.format(f'<text:a xlink:href="mailto:{MAIL}" office:title="Write to {MAIL}">{MAIL}</text:a>'),
        P.format('<text:a xlink:href="mailto:%5BEMAIL%5D" office:title="Write to [EMAIL]">[EMAIL]</text:a>'),
    ),
    "a comment, and its author, each time": (
        "".join(
            P.format(
                f"<office:annotation><dc:creator>{MAIL}</dc:creator><dc:date>2024</dc:date><text:p>{i} {MAIL}</text:p></office:annotation>"
            )
            for i in range(2)
        ),
        "".join(
            P.format(
                f"<office:annotation><dc:creator>[EMAIL]</dc:creator><dc:date>2024</dc:date><text:p>{i} [EMAIL]</text:p></office:annotation>"
            )
            for i in range(2)
        ),
    ),
    "a tracked change": (
        "<text:tracked-changes><text:changed-region><text:deletion><office:change-info>"
        f"<dc:creator>{MAIL}</dc:creator></office:change-info>{P.format(MAIL)}</text:deletion></text:changed-region></text:tracked-changes>",
        "<text:tracked-changes><text:changed-region><text:deletion><office:change-info>"
        "<dc:creator>[EMAIL]</dc:creator></office:change-info><text:p>[EMAIL]</text:p></text:deletion></text:changed-region></text:tracked-changes>",
    ),
    "hidden text": (
        P.format(f'<text:hidden-text text:string-value="{MAIL}" text:condition="ooow:TRUE"/>'),
        P.format('<text:hidden-text text:string-value="[EMAIL]" text:condition="ooow:TRUE"/>'),
    ),
    "alternative text, and the name of a frame": (
        P.format(f'<draw:frame draw:name="{MAIL}"><svg:title>{MAIL}</svg:title><svg:desc>of {MAIL}</svg:desc></draw:frame>'),
        P.format('<draw:frame draw:name="[EMAIL]"><svg:title>[EMAIL]</svg:title><svg:desc>of [EMAIL]</svg:desc></draw:frame>'),
    ),
    "the value of a field": (
        f'<text:user-field-decls><text:user-field-decl office:value-type="string" office:string-value="{MAIL}" text:name="u"/>'
        f"</text:user-field-decls>{P.format(f'<text:user-field-get text:name={chr(34)}u{chr(34)}>{MAIL}</text:user-field-get>')}",
        '<text:user-field-decls><text:user-field-decl office:value-type="string" office:string-value="[EMAIL]" text:name="u"/>'
        f"</text:user-field-decls>{P.format('<text:user-field-get text:name=' + chr(34) + 'u' + chr(34) + '>[EMAIL]</text:user-field-get>')}",
    ),
    "only the value of a field": (
        f'<text:user-field-decls><text:user-field-decl office:value-type="string" office:string-value="{MAIL}" text:name="u"/></text:user-field-decls>',
        '<text:user-field-decls><text:user-field-decl office:value-type="string" office:string-value="[EMAIL]" text:name="u"/></text:user-field-decls>',
    ),
    "a mark of the index": (
        P.format(f'<text:alphabetical-index-mark text:string-value="Doe, {MAIL}"/>'),
        P.format('<text:alphabetical-index-mark text:string-value="Doe, [EMAIL]"/>'),
    ),
    "a form": (
        f'<office:forms><form:form xmlns:form="f"><form:text form:current-value="{MAIL}" form:label="Mail &amp; {MAIL}"/></form:form></office:forms>',
        '<office:forms><form:form xmlns:form="f"><form:text form:current-value="[EMAIL]" form:label="Mail &amp; [EMAIL]"/></form:form></office:forms>',
    ),
    "a number in a table": (
        f'<table:table><table:table-row><table:table-cell office:value-type="float" office:value="{CARD}">{P.format(CARD)}</table:table-cell>'
        "</table:table-row></table:table>",
        '<table:table><table:table-row><table:table-cell office:value-type="string" office:string-value="[PAYMENT_CARD]"><text:p>[PAYMENT_CARD]</text:p></table:table-cell>'
        "</table:table-row></table:table>",
    ),
    "an XML comment": (f"<!-- ask {MAIL} -->", "<!-- ask [EMAIL] -->"),
    "an element that nobody knows": (f"<x:y xmlns:x='z'>{MAIL}</x:y>", "<x:y xmlns:x='z'>[EMAIL]</x:y>"),
    "CDATA and references": (
        P.format(f"<![CDATA[a&b {MAIL}]]> jane.doe&#64;example-mail.de"),
        P.format("<![CDATA[a&b [EMAIL]]]> [EMAIL]"),
    ),
}


@pytest.mark.parametrize(("before", "after"), TEXTS.values(), ids=TEXTS)
def test_only_the_characters_of_a_text_change(before: str, after: str) -> None:
    assert body(cleaned(opendocument("text", before), "a.odt"), "text") == after


def sheet(*cells: str) -> str:
    return f'<table:table table:name="One" {CALC}><table:table-row>{"".join(cells)}</table:table-row></table:table>'


CELLS = {
    "a text": (f"<table:table-cell>{P.format(MAIL)}</table:table-cell>", "<table:table-cell><text:p>[EMAIL]</text:p></table:table-cell>"),
    "a text and its value": (
        f'<table:table-cell office:value-type="string" office:string-value="{MAIL}">{P.format(MAIL)}</table:table-cell>',
        '<table:table-cell office:value-type="string" office:string-value="[EMAIL]"><text:p>[EMAIL]</text:p></table:table-cell>',
    ),
    "a value that is not shown": (
        f'<table:table-cell office:value-type="string" office:string-value="{MAIL}">{P.format("her address")}</table:table-cell>',
        '<table:table-cell office:value-type="string" office:string-value="[EMAIL]"><text:p>her address</text:p></table:table-cell>',
    ),
    "a number and its text": (
        f'<table:table-cell table:style-name="c" office:value-type="float" office:value="{CARD}" calcext:value-type="float">{P.format(CARD)}</table:table-cell>',
        '<table:table-cell table:style-name="c" office:value-type="string" office:string-value="[PAYMENT_CARD]" calcext:value-type="string"><text:p>[PAYMENT_CARD]</text:p></table:table-cell>',
    ),
    "a number that is shown shortened": (
        f'<table:table-cell office:value-type="currency" office:currency="EUR" office:value="{CARD}">{P.format("4,93E+15")}</table:table-cell>',
        '<table:table-cell office:value-type="string" office:string-value="[PAYMENT_CARD]"><text:p>[PAYMENT_CARD]</text:p></table:table-cell>',
    ),
    "a formula and its result": (
        f'<table:table-cell table:formula="of:=LOWER(&quot;{MAIL}&quot;)" office:value-type="string" office:string-value="{MAIL}">{P.format(MAIL)}</table:table-cell>',
        '<table:table-cell table:formula="of:=LOWER(&quot;[EMAIL]&quot;)" office:value-type="string" office:string-value="[EMAIL]"><text:p>[EMAIL]</text:p></table:table-cell>',
    ),
    "two paragraphs and a comment": (
        f"<table:table-cell><office:annotation>{P.format(MAIL)}</office:annotation>{P.format('4929 4212')}{P.format(MAIL)}</table:table-cell>",
        "<table:table-cell><office:annotation><text:p>[EMAIL]</text:p></office:annotation><text:p>4x29 4212</text:p><text:p>[EMAIL]</text:p></table:table-cell>",
    ),
    "a comment on a number": (
        f'<table:table-cell office:value-type="float" office:value="7"><office:annotation>{P.format(MAIL)}</office:annotation>{P.format("7")}</table:table-cell>',
        '<table:table-cell office:value-type="float" office:value="7"><office:annotation><text:p>[EMAIL]</text:p></office:annotation><text:p>7</text:p></table:table-cell>',
    ),
    "repeated": (
        f'<table:table-cell table:number-columns-repeated="3">{P.format(MAIL)}</table:table-cell>',
        '<table:table-cell table:number-columns-repeated="3"><text:p>[EMAIL]</text:p></table:table-cell>',
    ),
}
CELLS["two paragraphs and a comment"] = tuple(one.replace("4929", "4x29") for one in CELLS["two paragraphs and a comment"])  # type: ignore[assignment]


@pytest.mark.parametrize(("before", "after"), CELLS.values(), ids=CELLS)
def test_only_the_content_of_a_cell_changes(before: str, after: str) -> None:
    assert body(cleaned(opendocument("spreadsheet", sheet(before)), "a.ods"), "spreadsheet") == sheet(after)


def test_a_row_is_emptied_where_it_stands() -> None:
    gone = f'<table:table-cell office:value-type="float" office:value="7">{P.format("7")}</table:table-cell><table:table-cell>{P.format(MAIL)}</table:table-cell>'
    stays = f"<table:table-row><table:table-cell>{P.format('stays')}</table:table-cell></table:table-row>"
    data = opendocument("spreadsheet", sheet(gone).replace("</table:table>", f"{stays}</table:table>"))
    found = body(cleaned(data, "a.ods", {"rules": [{"rule": "pii.*", "action": "drop-row"}]}), "spreadsheet")
    empty = '<table:table-cell office:value-type="string"><text:p></text:p></table:table-cell><table:table-cell><text:p></text:p></table:table-cell>'
    assert found == sheet(empty).replace("</table:table>", f"{stays}</table:table>")


@pytest.mark.parametrize("action", ["strip", "drop-cell"])
def test_a_comment_goes_as_a_whole(action: str) -> None:
    data = opendocument("text", P.format(f"seen<office:annotation>{P.format(f'ask {MAIL}')}</office:annotation>"))
    policy = {"rules": [{"view": "comment", "action": action}]}
    assert body(cleaned(data, "a.odt", policy), "text") == P.format("seen<office:annotation><text:p></text:p></office:annotation>")


def test_slides_and_their_notes() -> None:
    slide = "<draw:page><draw:frame><draw:text-box>{0}</draw:text-box></draw:frame><presentation:notes>{0}</presentation:notes></draw:page>"
    data = opendocument("presentation", slide.format(P.format(MAIL)))
    assert body(cleaned(data, "a.odp"), "presentation") == slide.format(P.format("[EMAIL]"))


META = "<office:document-meta {}><office:meta><dc:creator>Eve</dc:creator><meta:user-defined meta:name='x'>{}</meta:user-defined></office:meta></office:document-meta>"
SPACES = building._SPACES + ' xmlns:meta="urn:oasis:names:tc:opendocument:xmlns:meta:1.0"'


def documented(text: str, **more: str | bytes) -> bytes:
    """A document with properties, a preview, and a list of its parts."""
    entries = "".join(f'<manifest:file-entry manifest:full-path="{name}"/>' for name in ("content.xml", "Thumbnails/thumbnail.png"))
    listed = manifest().replace("></", f">{entries}</")
    found: dict[str, Any] = {
        "meta__xml": META.format(SPACES, text),
        "Thumbnails..thumbnail__png": b"\x89PNG",
        "META-INF..manifest__xml": listed,
        **more,
    }
    return opendocument("text", P.format(text), **found)


def test_properties_change_and_the_preview_goes() -> None:
    found = parts(cleaned(documented(MAIL), "a.odt", MASK | {"unchecked": "copy"}))
    assert found["meta.xml"].decode() == META.format(SPACES, "[EMAIL]")
    assert "Thumbnails/thumbnail.png" not in found
    assert re.findall(rb'full-path="([^"]*)"', found["META-INF/manifest.xml"]) == [b"content.xml"]


def test_what_is_stripped_is_gone() -> None:
    comment = f"<office:annotation><dc:creator>Eve</dc:creator>{P.format('why?')}</office:annotation>"
    module = '<script:module xmlns:script="s" script:name="M">Sub Main\nMsgBox "hi"\nEnd Sub</script:module>'
    content = {"Basic..Standard..M__xml": module, "META-INF..macrosignatures__xml": "<a/>"}
    data = documented("text", **content)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        contents: dict[str, Any] = {name: archive.read(name) for name in archive.namelist()}
    contents["content.xml"] = contents["content.xml"].replace(
        b"<text:p>", f"<office:scripts><office:script>x</office:script></office:scripts><text:p>{comment}".encode()
    )
    policy = {"strip": ["comments", "metadata", "macros"], "unchecked": "copy"}
    result = clean(building.package(contents), "a.odt", policy)
    assert result.data is not None, result.cleaned.reason
    found = parts(result.data)
    assert set(found) == {"mimetype", "content.xml", "meta.xml", "META-INF/manifest.xml"}
    assert body(result.data, "text") == "<office:scripts></office:scripts><text:p>text</text:p>"
    assert found["meta.xml"].decode() == f"<office:document-meta {SPACES}></office:document-meta>"
    assert {one["rule"] for one in result.cleaned.actions} >= {"clean.comments", "clean.metadata", "clean.macros"}


def test_macros_with_a_finding_go() -> None:
    module = '<script:module xmlns:script="s" script:name="M">Sub AutoOpen\nShell "cmd /c calc"\nEnd Sub</script:module>'
    call = '<office:event-listeners><script:event-listener xlink:href="vnd.sun.star.script:Standard.M.AutoOpen"/></office:event-listeners>'
    found = parts(cleaned(opendocument("text", call + P.format("x"), **{"Basic..Standard..M__xml": module}), "a.odt", {"level": "low"}))
    assert set(found) == {"mimetype", "content.xml"}
    assert b"event-listener " not in found["content.xml"]


def test_a_secret_in_a_macro_is_masked_if_the_macro_stays() -> None:
    module = f'<script:module xmlns:script="s" script:name="M">Sub Send\nMail "{MAIL}"\nEnd Sub</script:module>'
    policy = {"rules": [{"rule": "structure.*", "action": "keep"}, *MASK["rules"]]}
    found = parts(cleaned(opendocument("text", P.format("x"), **{"Basic..Standard..M__xml": module}), "a.odt", policy))
    assert found["Basic/Standard/M.xml"].decode() == module.replace(MAIL, "[EMAIL]")


def test_a_signature_becomes_invalid_and_is_counted() -> None:
    data = opendocument("text", P.format(MAIL), **{"META-INF..documentsignatures__xml": "<document-signatures/>"})
    found = clean(data, "a.odt")
    assert {"rule": "clean.signature", "action": "invalid", "count": 1} in found.cleaned.actions
    assert found.data is not None
    assert "META-INF/documentsignatures.xml" in parts(found.data)


def test_the_picture_of_an_object_goes_with_its_text() -> None:
    chart = parts(opendocument("text", P.format(MAIL)))["content.xml"].decode()
    frame = '<draw:frame><draw:object xlink:href="./Object 1"/><draw:image xlink:href="./ObjectReplacements/Object 1"/></draw:frame>'
    data = opendocument("text", P.format(frame), **{"Object 1..content__xml": chart, "ObjectReplacements..Object 1": "a picture"})
    found = cleaned(data, "a.odt", MASK | {"unchecked": "copy"})
    assert set(parts(found)) == {"mimetype", "content.xml", "Object 1/content.xml"}
    assert body(found, "text") == P.format('<draw:frame><draw:object xlink:href="./Object 1"/></draw:frame>')


@pytest.mark.parametrize(
    "content",
    [
        P.format(f'<text:bookmark text:name="{MAIL}"/>'),
        f"<?ask {MAIL}?>",
        P.format(f'<text:a xlink:href="#{MAIL}|outline">x</text:a>'),
    ],
    ids=["a name that others refer to", "an instruction", "a reference to a name"],
)
def test_what_cannot_change_holds_the_file(content: str) -> None:
    found = clean(opendocument("text", content), "a.odt")
    assert (found.cleaned.result, found.data) == (Result.HELD, None)
    assert "cannot be changed in this format" in (found.cleaned.reason or "")


def test_a_file_inside_is_rewritten_too() -> None:
    inside: dict[str, Any] = {"Object 1": opendocument("text", P.format(MAIL))}
    data = opendocument("text", P.format("x"), **inside)
    assert body(parts(cleaned(data, "a.odt"))["Object 1"], "text") == P.format("[EMAIL]")


@pytest.mark.parametrize(("before", "after"), TEXTS.values(), ids=TEXTS)
def test_flat_xml_changes_in_the_same_places(before: str, after: str) -> None:
    assert cleaned(building.flat(before), "a.fodt") == building.flat(after)


def test_flat_xml_and_the_files_in_it() -> None:
    def document(text: str, file: bytes) -> bytes:
        digits = base64.b64encode(file).decode()
        return building.flat(f"<text:p>{text}<draw:frame><office:binary-data>{digits}</office:binary-data></draw:frame></text:p>")

    data = cleaned(document(MAIL, f"Ask {MAIL}".encode()), "a.fodt")
    assert data == document("[EMAIL]", b"Ask [EMAIL]")
    assert flat(read(data, FLAT)[0]) == ["[EMAIL]"]


@pytest.mark.parametrize("name", ["letter.odt", "sheets.ods", "slides.odp", "letter.fodt"])
def test_files_of_libreoffice_keep_their_structure(name: str) -> None:
    """A value is written over each word of six letters in their texts."""
    before = planted((building.FILES / name).read_bytes(), name)
    after = cleaned(before, name, MASK | {"unchecked": "copy"})
    assert outline(after, name) == {part: found for part, found in outline(before, name).items() if not part.startswith("Thumbnails/")}


def planted(data: bytes, name: str) -> bytes:
    def plant(xml: bytes) -> bytes:
        return re.sub(rb"(>[^<>]*?\b)[A-Za-z]{6}(\b[^<>]*</text:)", rb"\g<1>" + MAIL.encode() + rb"\2", xml)

    if name.endswith("fodt"):
        return plant(data)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return building.package(
            {one: plant(archive.read(one)) if one == "content.xml" else archive.read(one) for one in archive.namelist()}
        )


VALUE = re.compile(r"\}(?:currency|formula|(?:\w+-)?value)$")  # a value becomes a text, and a formula that reaches out is stripped


def outline(data: bytes, name: str) -> dict[str, list[tuple[str, list[str]]]]:
    found = {name: data} if name.endswith("fodt") else parts(data)
    return {
        part: [
            (element.tag, sorted(key for key in element.attrib if not VALUE.search(key)))
            for element in ElementTree.fromstring(content).iter()  # noqa: S314
        ]
        for part, content in found.items()
        if part.endswith(("xml", "fodt")) and content and part != "META-INF/manifest.xml"
    }


def test_the_reader_reads_the_copy_as_before_but_for_the_masks() -> None:
    short = "a mark of the index"  # whose value has too few letters with a mask to be read as words
    data = opendocument("text", "".join(before for name, (before, _) in TEXTS.items() if name != short))
    texts = [flat(read(one, ODT)[0], "part", "view", "column") for one in (data, cleaned(data, "a.odt"))]
    assert len(texts[0]) == len(texts[1])
    assert [rest for _, *rest in texts[0]] == [rest for _, *rest in texts[1]]
