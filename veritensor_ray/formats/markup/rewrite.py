"""Rewrites HTML, XHTML, SVG and XML: texts, attributes, comments and scripts, each escaped as its place needs; tags stay as they are."""

from __future__ import annotations

import bisect
import html
import io
import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from html.entities import html5
from typing import BinaryIO

from veritensor_ray.core import bounds, media_types
from veritensor_ray.formats.common.block_writer import Writer
from veritensor_ray.formats.common.kind import Kind
from veritensor_ray.formats.common.source import Source
from veritensor_ray.formats.editing.actions import CannotRewriteError, Strippable
from veritensor_ray.formats.editing.edits import Edit, Orders, applied
from veritensor_ray.formats.editing.placing import Slot, combined, fitted, inside, joined, placed, removed, widened
from veritensor_ray.formats.editing.spans import UNSEEN, Range
from veritensor_ray.formats.editing.splice import encoding_of, spliced, text_of
from veritensor_ray.formats.editing.views import Views
from veritensor_ray.formats.format_registry import reader_for
from veritensor_ray.formats.markup import html_tokens as t
from veritensor_ray.formats.markup.character_references import Characters
from veritensor_ray.formats.markup.slots_to_rewrite import (
    BROKEN,
    CDATA,
    COMMENT,
    DECLARATION,
    RAW,
    SCRIPT,
    TEXT,
    VALUE,
    MarkupSlots,
    Removable,
    Twins,
)
from veritensor_ray.formats.text.read import read_text

_SHOWN = (TEXT, CDATA, RAW)  # what a sentence may consist of
_WHOLE = (COMMENT, DECLARATION, BROKEN)  # what can be removed with its delimiters
_WITHOUT_END = "|".join(sorted((name for name in html5 if not name.endswith(";")), key=len, reverse=True))  # `&copy`, as in old pages
_NUMBER = r"&(?:#\d+;?|#[xX][0-9A-Fa-f]+;?|[A-Za-z][A-Za-z0-9]{1,31};"
_REFERENCE = re.compile(rf"{_NUMBER}|(?:{_WITHOUT_END}))")
_IN_VALUE = re.compile(rf"{_NUMBER}|(?:{_WITHOUT_END})(?![=\w]))")  # in an address, `&copy=1` is an argument
_MAYBE_INVISIBLE = re.compile(rf"{UNSEEN.pattern}|&#?\w{{1,31}};")
_ESCAPE = re.compile(r"\\(?:u[0-9A-Fa-f]{4}|x[0-9A-Fa-f]{2}|u\{[0-9A-Fa-f]{1,6}\}|.)", re.DOTALL)
_QUOTED = re.compile(r"\"[^\"]*\"|'[^']*'")
_NAME = re.compile(r"<!\[CDATA\[|<[!?][^\s>]*\s")
_UNQUOTED = re.compile(r"[^\s\"'=<>`]+")
_BREAK = re.compile(r"\s*[\r\n]\s*")
_UNSAFE = re.compile(r"[<>\"'&\\`\r\n]")


def rewrite_html(source: Source, out: BinaryIO, orders: Orders) -> None:
    """Write the page with the ordered changes. Raises CannotRewriteError, ReadError."""
    _rewrite(source, out, orders, xml=False, page=True)


def rewrite_xml(source: Source, out: BinaryIO, orders: Orders) -> None:
    """Write XHTML, SVG or other XML with the ordered changes. Raises CannotRewriteError, ReadError."""
    _rewrite(source, out, orders, xml=True, page=source.kind.media_type in (media_types.XHTML, media_types.SVG))


def _rewrite(source: Source, out: BinaryIO, orders: Orders, xml: bool, page: bool) -> None:
    text = text_of(source, bounds.HELD)
    views = Views(source, reader_for(source.kind) or read_text)
    edits = placed(source, text, orders, views.whole, _invisible)
    whole: list[Range] = []
    removable = Removable()
    if page and orders.strip:
        _walk(source, text, removable, xml, page)
    if Strippable.COMMENTS in orders.strip:
        whole += _counted(removable.comments, Strippable.COMMENTS, orders)
        whole += _counted(views.all_of("comment"), Strippable.COMMENTS, orders)
    if Strippable.HIDDEN_TEXT in orders.strip:
        whole += _counted(views.all_of("hidden"), Strippable.HIDDEN_TEXT, orders)
    if Strippable.METADATA in orders.strip:
        whole += _counted(removable.metadata, Strippable.METADATA, orders)
    edits = combined(edits, removed(whole))
    slots = MarkupSlots(edits)
    _walk(source, text, slots, xml, page)
    if values := _edited_values(text, slots.found, edits):
        twins = Twins(values, edits)
        _walk(source, text, twins, xml, page)
        edits = sorted([*edits, *twins.edits])
        slots.found = sorted([*slots.found, *twins.found])
    encoding = encoding_of(source)
    found = fitted(edits, slots.found, text, _chosen, lambda slot, some: _written(text, slot, some, encoding, xml))
    after = MarkupSlots([])
    _walk(source, applied(text, sorted(found)), after, xml, page)
    if after.structure.digest() != slots.structure.digest():
        raise CannotRewriteError("the changes would change its elements")
    spliced(source, out, found, orders.pulse)


def _invisible(text: str, start: int, end: int) -> Iterator[Range]:
    """Yield the runs of invisible characters in a part of a text, and the references to such characters."""
    found = _MAYBE_INVISIBLE.finditer(text, start, end)
    return (one.span() for one in found if not UNSEEN.sub("", html.unescape(one[0])))


def _edited_values(text: str, slots: Sequence[Slot], edits: Sequence[Edit]) -> dict[str, list[Edit]]:
    """Return the values of attributes that are changed, with their edits, counted from the beginning of the value."""
    values: dict[str, list[Edit]] = {}
    for start, end, kind, _ in slots:
        if kind == VALUE:
            first = bisect.bisect_right(edits, start, key=lambda edit: edit.end)
            last = bisect.bisect_left(edits, end, key=lambda edit: edit.start)
            own = [edit for edit in edits[first:last] if start <= edit.start and edit.end <= end]
            values.setdefault(text[start:end], [Edit(edit.start - start, edit.end - start, edit.text) for edit in own])
    return {value: own for value, own in values.items() if own}


def _counted(texts: Iterable[Sequence[Range]], kind: Strippable, orders: Orders) -> list[Range]:
    some = list(texts)
    if some:
        orders.stripped(kind, len(some))
    return [*itertools.chain.from_iterable(some)]


def _walk(source: Source, text: str, taker: t.Taker, xml: bool, page: bool) -> None:
    """Pass all tokens of the text to a taker."""
    file = io.BytesIO(text.encode("utf-8", "surrogatepass"))
    inner = Source(file, Kind(source.kind.media_type, "utf-8"), source.limits, budget=source.budget)
    for _ in t.tokens(Characters(inner, t.LARGEST), taker, Writer(), xml=xml, html=page):
        pass


def _chosen(slots: Sequence[Slot]) -> Sequence[Slot]:
    """A sentence consists of texts: the tags and comments between them are not a part of it."""
    return [slot for slot in slots if slot.kind in _SHOWN] if slots and slots[0].kind in _SHOWN else slots


def _written(text: str, slot: Slot, edits: list[Edit], encoding: str, xml: bool) -> list[Edit]:
    """Return the changes within a slot, escaped. Raises CannotRewriteError."""
    start, end, kind, _ = slot
    if kind in _WHOLE and (start, end, "") in edits:
        opening = text[start : start + 9].lower()
        if xml and (opening.startswith("<?xml") or (opening == "<!doctype" and "[" in text[start:end])):
            raise CannotRewriteError("a finding lies in the declaration that its text depends on")
        return [Edit(start, end, "")]
    if kind == TEXT:
        return [edit._replace(text=_escaped(edit.text, encoding)) for edit in widened(edits, _REFERENCE, text, start, end)]
    if kind == VALUE:
        return joined(_in_value(text, slot, edits, encoding))
    if kind == SCRIPT:
        some = widened(edits, _ESCAPE, text, start, end)
        return [edit._replace(text=_UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", edit.text)) for edit in some]
    if kind == CDATA:
        return [edit._replace(text=edit.text.replace("]", "").replace(">", "")) for edit in edits] if _plain(edits) else list(edits)
    if kind == DECLARATION:
        return _in_declaration(text, start, end, edits)
    if kind == COMMENT:
        return _in_comment(text, start, end, edits, xml)
    return [edit._replace(text=_UNSAFE.sub("", edit.text)) for edit in (edits if kind == RAW else inside(edits, start + 1, end))]


def _plain(edits: Sequence[Edit]) -> bool:
    """Return whether a text would end a section of characters."""
    return any("]]" in edit.text or ">" in edit.text for edit in edits)


def _escaped(text: str, encoding: str) -> str:
    """Return a text for markup; characters that the encoding lacks become references."""
    return html.escape(text).encode(encoding, "xmlcharrefreplace").decode(encoding)


def _in_value(text: str, slot: Slot, edits: list[Edit], encoding: str) -> Iterator[Edit]:
    """Yield the changes within the value of an attribute. It gets quotation marks if it needs them now."""
    some = [edit._replace(text=_escaped(edit.text, encoding)) for edit in widened(edits, _IN_VALUE, text, slot.start, slot.end)]
    old = text[slot.start : slot.end]
    new = applied(old, [Edit(edit.start - slot.start, edit.end - slot.start, edit.text) for edit in some])
    if slot.quote or _UNQUOTED.fullmatch(new):
        yield from some
        return
    mark = '"' if '"' not in new else "'"
    if mark in new:
        raise CannotRewriteError("a finding lies in an attribute that cannot be quoted")
    yield Edit(slot.start, slot.start, mark)
    yield from some
    yield Edit(slot.end, slot.end, mark)


def _in_declaration(text: str, start: int, end: int, edits: list[Edit]) -> list[Edit]:
    """Return the changes within `<!...>` or `<?...?>`: after its name, and in a document type only between quotation marks."""
    opening = text[start : start + 9].lower()
    ranges = [found.span() for found in _QUOTED.finditer(text, start, end)]
    if opening != "<!doctype":
        name = _NAME.match(text, start, end)
        ranges = [(name.end() - 1, end)] if name and not opening.startswith("<?xml ") else []
    if not all(any(first < edit.start and edit.end < last for first, last in ranges) for edit in edits):
        raise CannotRewriteError("a finding lies in a declaration, where nothing can take its place")
    return [edit._replace(text=_UNSAFE.sub("", edit.text)) for edit in edits]


def _in_comment(text: str, start: int, end: int, edits: list[Edit], xml: bool) -> list[Edit]:
    """Return the changes within a comment, whose delimiters stay."""
    last = end - 3 if text.endswith("-->", start + 4, end) else end - 4 if text.endswith("--!>", start + 4, end) else end
    some = [edit._replace(text=edit.text.replace("--", "- -").replace(">", "").rstrip("-")) for edit in inside(edits, start + 4, last)]
    new = applied(text[start + 4 : last], [Edit(edit.start - start - 4, edit.end - start - 4, edit.text) for edit in some])
    if new.startswith(("->", ">")) or "-->" in new or "--!>" in new or (xml and ("--" in new or new.endswith("-"))):
        raise CannotRewriteError("with the changes a comment would end too early")
    return some
