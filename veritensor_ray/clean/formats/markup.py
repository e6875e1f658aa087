"""Rewrites HTML, XHTML, SVG and XML: texts, attributes, comments and scripts, each escaped as its place needs; tags stay as they are."""

from __future__ import annotations

import hashlib
import html
import io
import itertools
import re
from collections.abc import Iterator, Sequence
from typing import BinaryIO

from veritensor_ray import bounds, media_types
from veritensor_ray.clean.actions import CannotRewriteError, Strippable
from veritensor_ray.clean.formats.placing import Range, Span, combined, fitted, joined, near, placed, removed, widened
from veritensor_ray.clean.formats.views import Views
from veritensor_ray.clean.orders import Edit, Orders, applied
from veritensor_ray.clean.splice import encoding_of, spliced, text_of
from veritensor_ray.extract.readers import reader_for
from veritensor_ray.extract.readers.common.writer import Writer
from veritensor_ray.extract.readers.markup import tokens as t
from veritensor_ray.extract.readers.markup.characters import Characters
from veritensor_ray.extract.readers.text import read_text
from veritensor_ray.extract.sniff import Kind
from veritensor_ray.extract.source import Source

_TEXT, _VALUE, _COMMENT, _CDATA, _SCRIPT, _RAW, _DECLARATION, _BROKEN = (
    *("text", "value", "comment", "cdata", "script", "raw", "declaration", "broken"),
)
_SHOWN = (_TEXT, _CDATA, _RAW)  # what a sentence may consist of
_WHOLE = (_COMMENT, _DECLARATION, _BROKEN)  # what can be removed with its delimiters
_REFERENCE = re.compile(r"&(?:#\d+;?|#[xX][0-9A-Fa-f]+;?|[A-Za-z][A-Za-z0-9]{1,31};?)")
_ESCAPE = re.compile(r"\\(?:u[0-9A-Fa-f]{4}|x[0-9A-Fa-f]{2}|u\{[0-9A-Fa-f]{1,6}\}|.)", re.DOTALL)
_UNQUOTED = re.compile(r"[^\s\"'=<>`]+")
_BREAK = re.compile(r"\s*[\r\n]\s*")
_UNSAFE = re.compile(r"[<>\"'&\\`\r\n]")
# Names of <meta> elements that describe how the page is shown rather than where it comes from.
_NEEDED = frozenset({"viewport", "theme-color", "color-scheme", "referrer", "robots", "format-detection"})
_NAMING = ("name", "property", "itemprop")


def rewrite_html(source: Source, out: BinaryIO, orders: Orders) -> None:
    """Write the page with the ordered changes. Raises CannotRewriteError, ReadError."""
    _rewrite(source, out, orders, xml=False, page=True)


def rewrite_xml(source: Source, out: BinaryIO, orders: Orders) -> None:
    """Write XHTML, SVG or other XML with the ordered changes. Raises CannotRewriteError, ReadError."""
    _rewrite(source, out, orders, xml=True, page=source.kind.media_type in (media_types.XHTML, media_types.SVG))


def _rewrite(source: Source, out: BinaryIO, orders: Orders, xml: bool, page: bool) -> None:
    text = text_of(source, bounds.HELD)
    views = Views(source, reader_for(source.kind) or read_text)
    edits = placed(source, text, orders, views.whole)
    whole: list[Range] = []
    if Strippable.COMMENTS in orders.strip:
        whole += _counted(views.all_of("comment"), Strippable.COMMENTS, orders)
    if Strippable.HIDDEN_TEXT in orders.strip:
        whole += _counted(views.all_of("hidden"), Strippable.HIDDEN_TEXT, orders)
    if Strippable.METADATA in orders.strip and page:
        values = _Metadata()
        _walk(source, text, values, xml, page)
        whole += _counted(([one] for one in values.found), Strippable.METADATA, orders)
    edits = combined(edits, removed(whole))
    spans = _Spans(edits)
    _walk(source, text, spans, xml, page)
    encoding = encoding_of(source)
    found = fitted(edits, spans.found, text, _chosen, lambda span, some: _written(text, span, some, encoding, xml))
    after = _Spans([])
    _walk(source, applied(text, sorted(found)), after, xml, page)
    if after.structure.digest() != spans.structure.digest():
        raise CannotRewriteError("the changes would change its elements")
    spliced(source, out, found, orders)


def _counted(texts: Iterator[Sequence[Range]], kind: Strippable, orders: Orders) -> list[Range]:
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


class _Spans:
    """Collects the spans that edits touch, and a digest of all tags."""

    def __init__(self, edits: Sequence[Edit]) -> None:
        self._edits = edits
        self.found: list[Span] = []
        self.structure = hashlib.blake2b()

    def _add(self, start: int, end: int, kind: str, quote: str = "") -> bool:
        span = Span(start, end, kind, quote)
        is_near = start < end and near(span, self._edits)
        if is_near:
            self.found.append(span)
        return is_near

    def text(self, raw: str, start: int, line: int) -> None:
        """Take the text between two tags."""
        self._add(start, start + len(raw), _TEXT)

    def begin(self, raw: str, start: int, line: int, name: str) -> None:
        """Take a start tag."""
        self.structure.update(f"<{name}".encode("utf-8", "surrogatepass"))
        is_near = near(Span(start, start + len(raw), _VALUE), self._edits)
        for attribute, at, value in t.attributes(raw, name):
            self.structure.update(f" {attribute}{'=' if value is not None else ''}".encode("utf-8", "surrogatepass"))
            if value and is_near:
                mark = raw[at - 1]
                self._add(start + at, start + at + len(value), _VALUE, mark if mark in "\"'" and raw[at + len(value)] == mark else "")

    def leaf(self, raw: str, start: int, line: int, name: str, text: str) -> None:
        """Take an element that contains only text."""
        self.begin(raw, start, line, name)
        self._add(start + len(raw), start + len(raw) + len(text), _TEXT)
        self.finish("", start, line, name)

    def finish(self, raw: str, start: int, line: int, name: str) -> None:
        """Take an end tag."""
        self.structure.update(f"</{name}".encode("utf-8", "surrogatepass"))

    def other(self, kind: int, raw: str, start: int, line: int, name: str) -> None:
        """Take any other token."""
        end = start + len(raw)
        if kind == t.RAW:
            self._add(start, end, _SCRIPT if name in ("script", "style") else _TEXT if name in ("title", "textarea") else _RAW)
        elif kind == t.CDATA:
            self._add(start + 9, end - 3, _CDATA)
        else:
            self._add(start, end, {t.COMMENT: _COMMENT, t.DECLARATION: _DECLARATION}.get(kind, _BROKEN))

    def end(self) -> None:
        """Take the end of the file."""


class _Metadata(_Spans):
    """Collects what describes a page: the contents of its <meta> elements, except those that browsers need, and <metadata> of drawings."""

    def __init__(self) -> None:
        super().__init__([])
        self.found: list[Range] = []  # type: ignore[assignment]  # ranges instead of spans
        self._depth = 0

    def text(self, raw: str, start: int, line: int) -> None:
        """Take text, which is metadata within <metadata>."""
        if self._depth and not raw.isspace():
            self.found.append((start, start + len(raw)))

    def begin(self, raw: str, start: int, line: int, name: str) -> None:
        """Take a start tag."""
        self._depth += name == "metadata" and raw[-2] != "/"
        if name != "meta":
            return
        values = {attribute.lower(): (at, value) for attribute, at, value in t.attributes(raw, name) if value}
        named = next((values[one][1].lower() for one in _NAMING if one in values), None)
        if named and named not in _NEEDED and "content" in values:
            at, value = values["content"]
            self.found.append((start + at, start + at + len(value)))

    def leaf(self, raw: str, start: int, line: int, name: str, text: str) -> None:
        """Take an element that contains only text."""
        self.begin(raw, start, line, name)
        self.text(text, start + len(raw), line)
        self.finish("", start, line, name)

    def finish(self, raw: str, start: int, line: int, name: str) -> None:
        """Take an end tag."""
        self._depth -= name == "metadata" and self._depth > 0


def _chosen(spans: Sequence[Span]) -> Sequence[Span]:
    """A sentence consists of texts: the tags and comments between them are not a part of it."""
    return [span for span in spans if span.kind in _SHOWN] if spans and spans[0].kind in _SHOWN else spans


def _written(text: str, span: Span, edits: list[Edit], encoding: str, xml: bool) -> list[Edit]:
    """Return the changes within a span, escaped. Raises CannotRewriteError."""
    start, end, kind, _ = span
    if kind in _WHOLE and (start, end, "") in edits:
        opening = text[start : start + 9].lower()
        if xml and (opening.startswith("<?xml") or (opening == "<!doctype" and "[" in text[start:end])):
            raise CannotRewriteError("a finding lies in the declaration that its text depends on")
        return [Edit(start, end, "")]
    if kind == _TEXT:
        return [edit._replace(text=_escaped(edit.text, encoding)) for edit in widened(edits, _REFERENCE, text, start, end)]
    if kind == _VALUE:
        return joined(_in_value(text, span, edits, encoding))
    if kind == _SCRIPT:
        some = widened(edits, _ESCAPE, text, start, end)
        return [edit._replace(text=_UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", edit.text)) for edit in some]
    if kind == _CDATA:
        return [edit._replace(text=edit.text.replace("]", "").replace(">", "")) for edit in edits] if _plain(edits) else list(edits)
    if kind == _COMMENT:
        return _in_comment(text, start, end, edits, xml)
    return [edit._replace(text=_UNSAFE.sub("", edit.text)) for edit in _inside(edits, start + 2, end - 1)]


def _plain(edits: Sequence[Edit]) -> bool:
    """Return whether a text would end a section of characters."""
    return any("]]" in edit.text or ">" in edit.text for edit in edits)


def _escaped(text: str, encoding: str) -> str:
    """Return a text for markup; characters that the encoding lacks become references."""
    return html.escape(text).encode(encoding, "xmlcharrefreplace").decode(encoding)


def _in_value(text: str, span: Span, edits: list[Edit], encoding: str) -> Iterator[Edit]:
    """Yield the changes within the value of an attribute. It gets quotation marks if it needs them now."""
    some = [edit._replace(text=_escaped(edit.text, encoding)) for edit in widened(edits, _REFERENCE, text, span.start, span.end)]
    old = text[span.start : span.end]
    new = applied(old, [Edit(edit.start - span.start, edit.end - span.start, edit.text) for edit in some])
    if span.quote or _UNQUOTED.fullmatch(new):
        yield from some
        return
    mark = '"' if '"' not in new else "'"
    if mark in new:
        raise CannotRewriteError("a finding lies in an attribute that cannot be quoted")
    yield Edit(span.start, span.start, mark)
    yield from some
    yield Edit(span.end, span.end, mark)


def _in_comment(text: str, start: int, end: int, edits: list[Edit], xml: bool) -> list[Edit]:
    """Return the changes within a comment, whose delimiters stay."""
    last = end - 3 if text.endswith("-->", start + 4, end) else end - 4 if text.endswith("--!>", start + 4, end) else end
    some = [edit._replace(text=edit.text.replace("--", "- -").replace(">", "").rstrip("-")) for edit in _inside(edits, start + 4, last)]
    new = applied(text[start + 4 : last], [Edit(edit.start - start - 4, edit.end - start - 4, edit.text) for edit in some])
    if new.startswith(("->", ">")) or "-->" in new or "--!>" in new or (xml and ("--" in new or new.endswith("-"))):
        raise CannotRewriteError("with the changes a comment would end too early")
    return some


def _inside(edits: list[Edit], start: int, end: int) -> list[Edit]:
    """Return the edits without the delimiters that they cover."""
    return [Edit(max(edit.start, start), min(edit.end, end), edit.text) for edit in edits if min(edit.end, end) > max(edit.start, start)]
