"""HTML, XHTML and SVG: what a reader sees, and apart from it what he does not: comments, invisible text, attributes, scripts."""

from __future__ import annotations

import re
from collections.abc import Iterator

from veritensor_ray import media_types
from veritensor_ray.extract.readers.common.paragraph import Paragraph, decoded_value
from veritensor_ray.extract.readers.common.writer import Writer
from veritensor_ray.extract.readers.markup import tokens as t
from veritensor_ray.extract.readers.markup.attributes import Attributes
from veritensor_ray.extract.readers.markup.cascade import Cascade
from veritensor_ray.extract.readers.markup.characters import Characters
from veritensor_ray.extract.readers.markup.declared import read_declaration
from veritensor_ray.extract.readers.markup.document import Open
from veritensor_ray.extract.readers.markup.elements import BLOCKS, CLOSES, KEEP_SPACE, KNOWN, RAW_ELEMENTS, UNSEEN, VOID
from veritensor_ray.extract.readers.markup.matching import Element
from veritensor_ray.extract.readers.markup.reading import walked
from veritensor_ray.extract.readers.markup.styles import StyleSheet
from veritensor_ray.extract.readers.markup.visibility import State, hiding, keeping, unknown_paper
from veritensor_ray.extract.readers.text import via_of
from veritensor_ray.extract.source import Item, Source

_STYLE = re.compile("<style", re.IGNORECASE)
# What holds a style sheet, and what may look as if it did: nothing in these is one.
_STYLE_SHEET = re.compile(r"<!--|<(style|script|noscript|template|textarea|title|xmp|iframe)(?=[\s/>])[^<>]*+>", re.IGNORECASE)
_ENDS = {
    name: re.compile(rf"</{name}", re.IGNORECASE)
    for name in ("style", "script", "noscript", "template", "textarea", "title", "xmp", "iframe")
}
_CSS = ("", media_types.CSS)


def read_html(source: Source) -> Iterator[Item]:
    """Nothing fails to parse: what is not markup is text, as in a browser."""
    yield from _read(source, xml=False)


def read_xhtml(source: Source) -> Iterator[Item]:
    """The same in the syntax of XML: SVG too."""
    yield from _read(source, xml=True)


def _read(source: Source, xml: bool) -> Iterator[Item]:
    chars = Characters(source, t.LARGEST)
    writer = Writer(via_of(source, source.kind.encoding or "utf-8"))
    page = _Page(writer, Cascade(_style_sheets(chars.text, xml), xml), xml)
    yield from walked(page, chars, writer, xml=xml, html=True)


def _style_sheets(text: str, xml: bool) -> StyleSheet:
    """All of a page's own, wherever they stand: they hold for what comes before them too."""
    sheet, first = StyleSheet(), _STYLE.search(text)
    at = 0 if first else len(text)
    while found := _STYLE_SHEET.search(text, at):
        at = found.end()
        if not found.group(1):
            at = text.find("-->", at)
            if at < 0:
                break
        elif not (xml and found.group().endswith("/>")):
            name = found.group(1).lower()
            end_tag = _ENDS[name].search(text, at)
            end = end_tag.start() if end_tag else len(text)
            if name == "style":
                values = {one.lower(): decoded_value(value or "") for one, _, value in t.attributes(found.group())}
                if values.get("type", "").lower() in _CSS:
                    sheet.add(text[at:end], values.get("media", ""))
            at = end
    return sheet


class _Page:
    """Takes tokens in their order; what a reader sees and what is hidden are two paragraphs that grow side by side."""

    def __init__(self, writer: Writer, cascade: Cascade, xml: bool) -> None:
        self._writer, self._cascade, self._xml = writer, cascade, xml
        self._styled = cascade.rules
        self._attributes = Attributes(writer, cascade)
        self._open = Open(cascade.outermost)
        self._visible = Paragraph(lambda text, origins, owned: writer.add("visible", text, origins, None, owned))
        self._hidden = Paragraph(lambda text, origins, owned: writer.add("hidden", text, origins, None, owned))
        self._visible_since = False  # the last hidden text
        self._svg = 0

    def take(self, kind: int, start: int, line: int, raw: str, name: str) -> None:
        """One token."""
        if kind == t.TEXT:
            self._text(raw, start, line)
        elif kind == t.START:
            self._start(raw, start, line, name)
        elif kind == t.END:
            self._end(raw, start, line, name)
        elif kind == t.COMMENT:
            if raw.strip("<!->\n\t "):
                self._writer.source("comment", raw, start, line)
        elif kind == t.RAW:
            self._raw(raw, start, line, name)
        elif kind == t.CDATA:
            self._into(start, line).keep_all(raw[9:-3], start + 9, line)
        elif kind == t.DECLARATION:
            read_declaration(self._writer, raw, start, line)
        else:  # a tag that does not end: a browser shows nothing of it
            self._writer.source("hidden", raw, start, line)

    def end(self) -> None:
        """The page ends."""
        self._visible.end()
        self._hidden.end()
        self._writer.ready += self._cascade.gaps()

    def _into(self, start: int, line: int) -> Paragraph:
        """The paragraph that a text belongs to now."""
        if not self._open.state.hidden:
            self._visible_since = True
            return self._visible
        if self._visible_since:
            self._hidden.space(start, line)
            self._visible_since = False
        return self._hidden

    def _text(self, raw: str, start: int, line: int) -> None:
        into = self._into(start, line)
        if self._open.state.keeps_space:
            into.keep(raw, start, line)
        else:
            into.flow(raw, start, line)

    def _raw(self, raw: str, start: int, line: int, name: str) -> None:
        """The content of an element that holds no markup."""
        if name in ("script", "style"):
            self._writer.source("metadata", raw, start, line, name)
        elif name == "title":
            title = Paragraph(lambda text, origins, _: self._writer.add("metadata", text, origins, "title"))
            title.flow(raw, start, line)
            title.end()
        elif name == "textarea":
            self._into(start, line).keep(raw, start, line)
        elif name in ("xmp", "plaintext"):
            self._into(start, line).keep_all(raw, start, line)
        else:
            self._writer.source("hidden", raw, start, line, name)

    def _break(self) -> None:
        if not self._open.state.hidden:
            self._visible.end()
        self._hidden.end()

    def _end(self, raw: str, start: int, line: int, name: str) -> None:
        if name in BLOCKS:  # one that was not open ends nothing: a browser shows the word around it in one piece
            if self._open.has(name) or name == "p" or name in RAW_ELEMENTS:
                self._break()
        elif name not in KNOWN:
            self._unknown(raw, start, line, name)
        self._open.end(name)
        if name == "svg":
            self._svg = max(0, self._svg - 1)

    def _start(self, raw: str, start: int, line: int, name: str) -> None:
        if name in BLOCKS:
            self._break()
            if name in CLOSES:
                self._open.close_implied(name)
        elif name == "br":
            self._into(start, line).shown("\n", start, start + len(raw), line)
        elif name not in KNOWN:
            self._unknown(raw, start, line, name)
        empty = raw[-2] == "/" and (self._xml or self._svg > 0 or name == "svg")
        holds = not empty and name not in VOID and name not in RAW_ELEMENTS
        if holds:
            self._open.make_room()
        state, element = self._shown(raw, start, line, name)
        if not holds:
            return
        self._svg += name == "svg"
        self._open.push(name, state, element)

    def _unknown(self, raw: str, start: int, line: int, name: str) -> None:
        """A browser ignores such a tag; who reads the source sees a word in angle brackets: <tool_call>, or a type in a listing."""
        if not (self._xml or self._svg or "-" in name or ":" in name):
            self._into(start, line).keep_all(raw, start, line)

    def _shown(self, raw: str, start: int, line: int, name: str) -> tuple[State, Element | None]:
        """The state of an element that begins; what its attributes say is read on the way."""
        state, element, around = self._open.state, None, None
        if self._styled:
            around = self._cascade.around(name, self._open.element)
            state = around.state if around else state
        if name == "svg":
            state = unknown_paper(state)  # what is drawn behind a text is not followed
        if len(raw) > len(name) + 3 or self._styled or name == "dialog":
            state, element = self._attributes.read(raw, start, line, name, state, around, self._svg > 0)
        if name in UNSEEN:
            state = hiding(state)
        return keeping(state) if name in KEEP_SPACE else state, element
