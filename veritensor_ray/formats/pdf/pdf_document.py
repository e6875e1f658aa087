"""Reads the content of a PDF outside its pages: titles, comments, form values, scripts, actions and files, all from the bytes of the
objects.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from itertools import chain, islice, repeat
from typing import BinaryIO, NamedTuple

from veritensor_ray.core import bounds
from veritensor_ray.core.reasons import ReasonCode
from veritensor_ray.core.segments import Block, Gap
from veritensor_ray.formats.common.budget import Budget
from veritensor_ray.formats.common.source import Item, Member
from veritensor_ray.formats.pdf.drawn_text import MOST, Drawn
from veritensor_ray.formats.pdf.named_strings import find_strings, to_text
from veritensor_ray.formats.pdf.pdf_objects import Objects, opened
from veritensor_ray.formats.residue.markup_strings import markup_strings
from veritensor_ray.formats.residue.strings import SHORTEST
from veritensor_ray.formats.residue.xml_tokens import may_matter

_SPACE = rb"[\x00\t\n\f\r ]"
_REF = _SPACE + rb"*+(\d{1,10})" + _SPACE + rb"++\d{1,5}" + _SPACE + rb"++R(?![A-Za-z])"
_REFS = re.compile(rb"(\d{1,10})" + _SPACE + rb"++\d{1,5}" + _SPACE + rb"++R(?![A-Za-z])")
_PAGE = re.compile(rb"/Type" + _SPACE + rb"*+/Page(?![A-Za-z])")
_PAGES = bounds.PDF_PAGES
_STEPS = 10 * _PAGES  # of a walk through a page tree, which may contain few pages
_CATALOG = re.compile(rb"/Type" + _SPACE + rb"*+/Catalog(?![A-Za-z])")
_KIDS = re.compile(rb"/Kids" + _SPACE + rb"*+\[([^\[\]]*+)\]")
_ROOT = re.compile(rb"/Pages" + _REF)
_ANNOTS = re.compile(rb"/Annots" + _SPACE + rb"*+(?:\[([^\[\]]*+)\]|(\d{1,10})" + _SPACE + rb"++\d{1,5}" + _SPACE + rb"++R)")
_SCRIPT_REF = re.compile(rb"/JS" + _REF)
_ACTION = re.compile(rb"/S" + _SPACE + rb"*+/(Launch|SubmitForm|ImportData|GoToR|GoToE|RichMediaExecute|Rendition|Movie|Sound)(?![A-Za-z])")
_MEDIA = re.compile(rb"/Subtype" + _SPACE + rb"*+/(RichMedia|3D|Movie|Sound|Screen)(?![A-Za-z])")
_FILE = re.compile(rb"/EF" + _SPACE + rb"*+<<([^<>]*+)>>")
_FILE_STREAM = re.compile(rb"/Type" + _SPACE + rb"*+/EmbeddedFile(?![A-Za-z])")
_METADATA = re.compile(rb"/Type" + _SPACE + rb"*+/Metadata(?![A-Za-z])")
_XFA = re.compile(rb"/XFA" + _SPACE + rb"*+(?:\[([^\[\]]*+)\]|(\d{1,10})" + _SPACE + rb"++\d{1,5}" + _SPACE + rb"++R)")
_MARKUP = re.compile(
    rb"/Subtype" + _SPACE + rb"*+/(?:FreeText|Line|Square|Circle|Poly|Highlight|Underline|Squiggly|StrikeOut|Stamp|Caret|Ink|FileAtt"
    rb"|Sound|Movie|Screen|PrinterMark|Watermark|Redact|3D|RichMedia|Projection)"
)
_APPEARANCE = re.compile(rb"/AP" + _SPACE + rb"*+(?:<<|\d)")
_LAYERS_OFF = re.compile(rb"/OFF" + _SPACE + rb"*+(?:\[" + _SPACE + rb"*+)?\d|/(?:BaseState|ViewState)" + _SPACE + rb"*+/OFF")
_NOTICES = {
    b"Launch": "pdf-launch",
    b"SubmitForm": "pdf-form-data",
    b"ImportData": "pdf-form-data",
    b"GoToR": "pdf-other-document",
    b"GoToE": "pdf-other-document",
}
_COMMENTS = frozenset({"Contents", "RC", "T", "Subj", "TU"})
# Keys whose values programs choose, unless they are long or contain spaces; the first of them have bytes rather than text.
_BINARY = frozenset({"ID", "CheckSum", "Panose", "O", "U", "OE", "UE", "Perms"})
_NAMES = _BINARY | {"Lang", "NM", "DA", "D", "Dest", "Limits", "Registry", "Ordering", "CharSet", "FontFamily"}
_NAMES |= {"CreationDate", "ModDate", "M", "P", "Names"}
_LONGEST_NAME = 64
_DATE = re.compile(r"D:[\d+'Z-]+")
_PACKET_VALUES = ("http://", "adobe:", "uuid:", "xmp.", "W5M0MpCehi")
# What packets of properties have besides their values.
_PACKET = re.compile(
    r"\?xpacket (?:begin=.{0,3}[\"'].{0,3}[\"'] id=[\"']W5M0MpCehiHzreSzNTczkc9d[\"']|end=[\"'][rw][\"'])\s?\?|[\w ,.():-]{0,60}Adobe XMP Core .{0,60}|[\d:TZ.+-]{19,29}|(?:xmp\.[di]id|uuid|adobe):[\w:/.-]{8,80}"
)
# A word, or a number that is too long for a date.
_PACKET_TEXT = re.compile(r"[^\W\d_]{3}|\d(?:[ -]?\d){8}")
PACKET_VALUE = re.compile(r'<([\w:.-]{1,80})[^<>]*>([^<]*)|[\s:]([\w.-]{1,80}="[^"<]{3,}")')
# The scripts that form programs put into every number or date field.
_STANDARD_SCRIPT = re.compile(r"\s*(AF(Number|Date|Time|Percent|Special|Simple|Range|Merge)\w{0,40}\s*\([^()]{0,500}\)\s*;?\s*)+", re.ASCII)
_SNIPPET = 2000
_NOTICE_CHARS = 4000
_SCRIPT_BYTES = bounds.PDF_STREAM
_BATCH = 4096
_MOST_STRINGS = bounds.PDF_STRINGS
_MOST_OTHERS = bounds.PDF_ACTIONS  # scripts, actions and properties, each
_FILE_NAME_KEYS = ("UF", "F", "Desc")


class _Text(NamedTuple):
    text: str
    column: str
    page: int | None
    view: str
    notice: str | None = None
    start: int = 0


def pages_that_draw_too_much(objects: Objects, drawn: Drawn) -> frozenset[int] | None:
    """The numbers of the pages that must not be given to PDFium; None, meaning all, if one of them cannot be identified."""
    listed = listed_pages(objects)
    heavy = set(drawn.too_much(sorted(_pages(objects).union(listed))))
    return None if heavy - set(listed) else frozenset(at for at, number in enumerate(listed, 1) if number in heavy)


def drawn_again(objects: Objects, drawn: Drawn, count: int, most: int) -> list[int]:
    """The bytes that each of `count` pages draws although an earlier one drew them, up to the page at which the sum exceeds `most`."""
    listed = listed_pages(objects)
    unknown = max((cost for cost in map(drawn.page, _pages(objects)) if cost <= MOST), default=0) if count > len(listed) else 0
    costs: list[int] = []
    for cost in islice(chain(drawn.again(listed), repeat(unknown)), count):
        costs.append(cost)
        most -= cost
        if most < 0:
            break
    return costs


def _pages(objects: Objects) -> set[int]:
    return {objects.number(match.start()) for match in _PAGE.finditer(objects.text)}


def has_hidden_layers(objects: Objects) -> bool:
    """Whether layers (optional content) may be switched off."""
    return _LAYERS_OFF.search(objects.text) is not None


def has_annotations_over_text(objects: Objects) -> bool:
    """Whether there are annotations that may cover text, other than links, fields and comments beside it."""
    return _MARKUP.search(objects.text) is not None or objects.too_many or objects.broken is not None


def pages_with_appearances(objects: Objects) -> frozenset[int] | None:
    """The pages with annotations that are drawn by separate content; None if unknown."""
    if objects.too_many or objects.broken:
        return None
    found = [objects.number(match.start()) for match in _APPEARANCE.finditer(objects.text)]
    pages = pages_of_annotations(objects) if found else {}
    return None if any(number not in pages for number in found) else frozenset(pages[number] for number in found)


def read_document(objects: Objects, file: BinaryIO, budget: Budget, unlocked: tuple[Objects, BinaryIO] | None = None) -> Iterator[Item]:
    """Yield texts as blocks with the view `metadata` or `comment`, and files as members.

    `unlocked`: for a copy of an encrypted document, the original, whose properties may be stored in it unencrypted.
    """
    pages = pages_of_annotations(objects)
    properties = [*_properties(objects, file, budget, maybe=unlocked is not None)]
    if unlocked is not None:
        properties += _properties(*unlocked, budget, maybe=True)
    yield from _blocks([*_strings(objects, pages), *_script_streams(objects, file, budget), *_actions(objects, pages), *properties])
    yield from _members(objects, file, budget)
    yield from _bounds(objects)


def _bounds(objects: Objects) -> Iterator[Gap]:
    others = (len(_SCRIPT_REF.findall(objects.text)), len(_ACTION.findall(objects.text)), len(_METADATA.findall(objects.text)))
    if max(others) > _MOST_OTHERS:
        yield Gap("not all scripts, actions and properties were read", bound="pdf_actions")
    if objects.too_many:
        yield Gap("the objects of the document beyond the limit were not read", bound="pdf_object_bytes")


def _strings(objects: Objects, pages: dict[int, int]) -> Iterator[_Text]:
    scripts = {int(number) for number in _SCRIPT_REF.findall(objects.text)}
    seen: set[tuple[str, str, int | None]] = set()
    for key, text, number, _ in find_strings(objects):
        if len(seen) >= _MOST_STRINGS:
            objects.too_many = True
            return
        page = pages.get(number)
        if not text.strip() or (key, text, page) in seen:
            continue
        if key == "ID" or (key in _NAMES and len(text) < _LONGEST_NAME and " " not in text):
            if len(text) >= SHORTEST and not _DATE.fullmatch(text) and (key not in _BINARY or (text.isascii() and text.isprintable())):
                objects.names.add(text)
            continue
        seen.add((key, text, page))
        if key == "JS" or (not key and number in scripts):
            yield from _script(text, f"object {number}.JS", page)
        else:
            column = key if page is not None else f"object {number}.{key}" if key else f"object {number}"
            yield _Text(text, column, page, "comment" if key in _COMMENTS else "metadata")


def _script_streams(objects: Objects, file: BinaryIO, budget: Budget) -> Iterator[_Text]:
    for number in sorted({int(found) for found in _SCRIPT_REF.findall(objects.text)} & objects.streams.keys())[:_MOST_OTHERS]:
        content = opened(file, objects.streams[number], budget)
        text = to_text(content.read(_SCRIPT_BYTES)) if content else None
        if content and content.read(1):
            yield _Text("", f"object {number}.JS", None, "cut")
        if text:
            yield from _script(text, f"object {number}.JS", None)
        else:
            yield _Text("", f"object {number}.JS", None, "gap")


def _script(text: str, column: str, page: int | None) -> Iterator[_Text]:
    notice = None if _STANDARD_SCRIPT.fullmatch(text) else "pdf-javascript"
    yield _Text(text[:_NOTICE_CHARS], column, page, "metadata", notice)
    if len(text) > _NOTICE_CHARS:
        yield _Text(text[_NOTICE_CHARS:], column, page, "metadata", None, _NOTICE_CHARS)


def _actions(objects: Objects, pages: dict[int, int]) -> Iterator[_Text]:
    """Yield the source of each action that does more than turn pages, as evidence."""
    done: set[tuple[int, str]] = set()
    for match in [*_ACTION.finditer(objects.text), *_MEDIA.finditer(objects.text)]:
        number, notice = objects.number(match.start()), _NOTICES.get(match[1], "pdf-media")
        if (number, notice) in done:
            continue
        done.add((number, notice))
        if len(done) > _MOST_OTHERS:
            return
        begin, end = objects.span(match.start())
        begin = max(begin, match.start() - _SNIPPET // 2)
        source = objects.text[begin : min(end, begin + _SNIPPET)].partition(b"endobj")[0]
        text = " ".join(source.decode("latin-1").replace("\x00", " ").split())
        yield _Text(text, f"object {number}.{match[1].decode()}", pages.get(number), "metadata", notice)


def _properties(objects: Objects, file: BinaryIO, budget: Budget, maybe: bool) -> Iterator[_Text]:
    """Yield the texts of XMP packets without markup. `maybe` says that they may be encrypted and found elsewhere."""
    packets = [(number, stream) for number, stream in objects.streams.items() if _METADATA.search(stream.about)]
    for number, stream in packets[:_MOST_OTHERS]:
        content = opened(file, stream, budget)
        packet = content.read(_SCRIPT_BYTES) if content else b""
        if content and content.read(1):
            yield _Text("", f"object {number}.Metadata", None, "cut")
        if b"<" not in packet[:100].replace(b"\x00", b"").lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n")[:1]:
            if not maybe:
                yield _Text("", f"object {number}.Metadata", None, "gap")
            continue
        text = packet.decode("utf-16" if packet[:2] in (b"\xfe\xff", b"\xff\xfe") else "utf-8", "replace")
        said: set[str] = set()
        for name, quoted, plain in PACKET_VALUE.findall(text):
            value = html.unescape(quoted or plain.partition("=")[2].strip('"')).strip()
            said.add(value)
            if _PACKET_TEXT.search(value) and not value.startswith(_PACKET_VALUES):
                yield _Text(value, f"object {number}.{name or plain.partition('=')[0]}", None, "metadata")
        others = dict.fromkeys(html.unescape(one) for one in markup_strings(text))
        if left := [one for one in others if may_matter(one) and one not in said and not _PACKET.fullmatch(one)]:
            yield _Text("\n".join(left), f"object {number}.Metadata", None, "metadata")


def _blocks(texts: list[_Text]) -> Iterator[Item]:
    """Group texts of the same page and view into blocks."""
    groups: dict[tuple[int | None, str], list[_Text]] = {}
    for text in texts:
        groups.setdefault((text.page, text.view), []).append(text)
    for (page, view), group in groups.items():
        if view == "cut":
            for text in group:
                yield Gap(f"only the first {_SCRIPT_BYTES} bytes of the stream were read", location=text.column, bound="pdf_stream_bytes")
            continue
        if view == "gap":
            for text in group:
                yield Gap("the stream is compressed by an unsupported method", location=text.column, code=ReasonCode.NO_READER)
            continue
        for at in range(0, len(group), _BATCH):
            some = group[at : at + _BATCH]
            notices = [text.notice for text in some]
            yield Block(
                [text.text for text in some],
                column=[text.column for text in some],
                page=page,
                start=[text.start for text in some],
                view=view,
                notice=notices if any(notices) else None,
            )


def _members(objects: Objects, file: BinaryIO, budget: Budget) -> Iterator[Item]:
    """Yield the files attached to the document, and the XML of its forms."""
    for number, name in member_names(objects).items():
        found_stream = objects.streams.get(number)
        content = opened(file, found_stream, budget) if found_stream else None
        if content:
            yield Member(name, content)
        else:
            yield Gap("the attachment cannot be unpacked" if found_stream else "the attachment is missing", member=name)


def member_names(objects: Objects) -> dict[int, str]:
    """The names of the files attached to the document, and of the XML of its forms, by their streams."""
    names = dict(_file_names(objects))
    for number, stream in objects.streams.items():
        if _FILE_STREAM.search(stream.about):
            names.setdefault(number, f"object {number}")
    for found in _XFA.finditer(objects.text):
        for reference in _REFS.findall(found[1]) if found[1] is not None else [found[2]]:
            names.setdefault(int(reference), f"xfa {int(reference)}.xml")
    return names


def _file_names(objects: Objects) -> Iterator[tuple[int, str]]:
    """Yield the streams of the files that file specifications name."""
    specifications = [(match, *objects.span(match.start())) for match in _FILE.finditer(objects.text)]
    if not specifications:
        return
    named: dict[int, dict[str, str]] = {}
    for key, text, number, _ in find_strings(objects):
        if key in _FILE_NAME_KEYS:
            named.setdefault(number, {})[key] = text
    for match, _, _ in specifications:
        known = named.get(objects.number(match.start()), {})
        name = next((known[key] for key in _FILE_NAME_KEYS if key in known), None)
        for reference in dict.fromkeys(_REFS.findall(match[1])):
            yield int(reference), name or f"object {int(reference)}"


def pages_of_annotations(objects: Objects) -> dict[int, int]:
    """The page number (from 1) of each annotation that is an object, and of each page object."""
    order = page_order(objects)
    pages: dict[int, int] = {}
    arrays: dict[int, int] = {}
    for match in _PAGE.finditer(objects.text):
        number = objects.number(match.start())
        page = order.get(number)
        if page is None:
            continue
        pages[number] = page
        begin, end = objects.span(match.start())
        annotations = _ANNOTS.search(objects.text, begin, end)
        if annotations and annotations[1] is not None:
            pages.update((int(found), page) for found in _REFS.findall(annotations[1]))
        elif annotations:
            arrays[int(annotations[2])] = page
    for begin, number in zip(objects.starts, objects.numbers, strict=True) if arrays else ():
        if number in arrays:
            array = objects.text[begin : objects.span(begin)[1]].partition(b"]")[0]
            pages.update((int(found), arrays[number]) for found in _REFS.findall(array))
    return pages


def page_order(objects: Objects) -> dict[int, int]:
    """The page numbers by object; for a page that is listed several times, the first."""
    return {number: at for at, number in reversed([*enumerate(listed_pages(objects), 1)])}


def listed_pages(objects: Objects) -> list[int]:
    """The page objects along the page tree, with duplicates. Loops and pages beyond the limit are left out."""
    kids = {objects.number(match.start()): [int(found) for found in _REFS.findall(match[1])] for match in _KIDS.finditer(objects.text)}
    roots = [
        int(found[1]) for match in _CATALOG.finditer(objects.text) if (found := _ROOT.search(objects.text, *objects.span(match.start())))
    ]
    listed: list[int] = []
    above: set[int] = set()
    ahead = [(number, False) for number in roots[-1:]]
    steps = 0
    while ahead and len(listed) < _PAGES and steps < _STEPS:
        steps += 1
        number, done = ahead.pop()
        if done:
            above.discard(number)
        elif number not in kids:
            listed.append(number)
        elif number not in above:
            above.add(number)
            ahead.append((number, True))
            ahead += ((kid, False) for kid in reversed(kids[number]))
    return listed
