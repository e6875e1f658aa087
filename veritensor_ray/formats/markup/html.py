"""Reads HTML, XHTML and SVG: the text that a reader sees and, separately, comments, invisible text, attributes and scripts."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator

from veritensor_ray.core import media_types
from veritensor_ray.formats.common.block_writer import Writer
from veritensor_ray.formats.common.joined_text import Paragraph, decoded_value
from veritensor_ray.formats.common.source import Item, Source
from veritensor_ray.formats.markup import html_tokens as t
from veritensor_ray.formats.markup.attributes import Attributes
from veritensor_ray.formats.markup.character_references import Characters
from veritensor_ray.formats.markup.css.cascade import Cascade
from veritensor_ray.formats.markup.css.selectors import Element
from veritensor_ray.formats.markup.css.styles import StyleSheet
from veritensor_ray.formats.markup.css.visibility import State, hiding, keeping, unknown_paper
from veritensor_ray.formats.markup.declared_encoding import read_declaration
from veritensor_ray.formats.markup.elements import ELEMENTS, UNKNOWN, ElementKind
from veritensor_ray.formats.markup.html_document import Open
from veritensor_ray.formats.markup.odd_names import is_odd
from veritensor_ray.formats.markup.reading import walked
from veritensor_ray.formats.text.read import via_of

_STYLE = re.compile("<style", re.IGNORECASE)
# Style sheets, and elements in which anything that looks like a style sheet is not one.
_STYLE_SHEET = re.compile(r"<!--|<(style|script|noscript|template|textarea|title|xmp|iframe)(?=[\s/>])[^<>]*+>", re.IGNORECASE)
_ENDS = {
    name: re.compile(rf"</{name}", re.IGNORECASE)
    for name in ("style", "script", "noscript", "template", "textarea", "title", "xmp", "iframe")
}
_CSS = ("", media_types.CSS)
_REMEMBERED = 50_000
_SHORT_SHEET = 1 << 15  # characters, of which each takes at most half a kilobyte as rules


def read_html(source: Source) -> Iterator[Item]:
    """Read HTML. Nothing fails to parse: anything that is not markup is text, as in a browser."""
    yield from _read(source, xml=False)


def read_xhtml(source: Source) -> Iterator[Item]:
    """Read HTML in XML syntax, including SVG."""
    yield from _read(source, xml=True)


def _read(source: Source, xml: bool) -> Iterator[Item]:
    chars = Characters(source, t.LARGEST)
    writer = Writer(via_of(source, source.kind.encoding or "utf-8"))
    page = _Page(writer, Cascade(_style_sheets(chars.text, xml), xml), xml)
    yield from walked(page, chars, writer, xml=xml, html=True)


def _style_sheets(text: str, xml: bool) -> StyleSheet:
    """Collect all style sheets of the page, wherever they stand, because they also apply to what precedes them."""
    pieces: list[tuple[str, str]] = []
    at = 0 if _STYLE.search(text) else len(text)
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
                values = {one.lower(): decoded_value(value or "") for one, _, value in t.attributes(found.group(), name)}
                if values.get("type", "").lower() in _CSS:
                    pieces.append((text[at:end], values.get("media", "")))
            at = end
    short = sum(len(css) + len(media) for css, media in pieces) <= _SHORT_SHEET
    return _known_sheet(*pieces) if short else _sheet(*pieces)


def _sheet(*pieces: tuple[str, str]) -> StyleSheet:
    sheet = StyleSheet()
    for css, media in pieces:
        sheet.add(css, media)
    return sheet


_known_sheet = functools.lru_cache(4)(_sheet)  # the pages of one site, and the mails of one sender, have the same


class _Page:
    """Takes tokens in order. Visible and hidden text are two paragraphs that grow in parallel."""

    def __init__(self, writer: Writer, cascade: Cascade, xml: bool) -> None:
        self._writer, self._cascade, self._xml = writer, cascade, xml
        self._styled = cascade.rules
        self._attributes = Attributes(writer, cascade)
        self._open = Open(cascade.outermost)
        self._visible = Paragraph(lambda text, origins, owned: writer.add("visible", text, origins, None, owned))
        self._hidden = Paragraph(lambda text, origins, owned: writer.add("hidden", text, origins, None, owned))
        self._visible_since = False  # since the last hidden text
        self._svg = 0
        self._silent: dict[tuple[str, int, int, bool], tuple[State, Element | None, State, Element | None]] = {}

    def other(self, kind: int, raw: str, start: int, line: int, name: str) -> None:
        """Take a token that is neither text nor a tag."""
        if kind == t.COMMENT:
            if raw.strip("<!->\n\t "):
                self._writer.source("comment", raw, start, line)
        elif kind == t.RAW:
            self._raw(raw, start, line, name)
        elif kind == t.CDATA:
            self._into(start, line).keep_all(raw[9:-3], start + 9, line)
        elif kind == t.DECLARATION:
            read_declaration(self._writer, raw, start, line)
        else:  # a tag that does not end, which browsers do not show
            self._writer.source("hidden", raw, start, line)

    def end(self) -> None:
        """End the page."""
        self._visible.end()
        self._hidden.end()
        self._writer.ready += self._cascade.gaps()

    def _into(self, start: int, line: int) -> Paragraph:
        """The paragraph to which text belongs now."""
        if not self._open.state.hidden:
            self._visible_since = True
            return self._visible
        if self._visible_since:
            self._hidden.space(start, line)
            self._visible_since = False
        return self._hidden

    def text(self, raw: str, start: int, line: int) -> None:
        """Take text."""
        state = self._open.state
        if state.hidden:
            into = self._into(start, line)
        else:
            self._visible_since, into = True, self._visible
        if state.keeps_space:
            into.keep(raw, start, line)
        else:
            into.flow(raw, start, line)

    def _raw(self, raw: str, start: int, line: int, name: str) -> None:
        """Take the content of an element that contains no markup."""
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
        if self._visible.size and not self._open.state.hidden:
            self._visible.end()
        if self._hidden.size:
            self._hidden.end()

    def finish(self, raw: str, start: int, line: int, name: str) -> None:
        """Take an end tag."""
        about = ELEMENTS.get(name, UNKNOWN)
        if about.block:  # an end tag without a start tag ends nothing: browsers show the surrounding word in one piece
            if name == "p" or about.raw or self._open.has(name):
                self._break()
        elif not about.known:
            self._unknown(raw, start, line, name)
        self._open.end(name)
        if name == "svg":
            self._svg = max(0, self._svg - 1)

    def begin(self, raw: str, start: int, line: int, name: str) -> None:
        """Take a start tag."""
        about = ELEMENTS.get(name, UNKNOWN)
        holds, state, element = self._begun(raw, start, line, name, about)
        if holds:
            self._svg += name == "svg"
            self._open.push(name, state, element)

    def leaf(self, raw: str, start: int, line: int, name: str, text: str) -> None:
        """Take an element that contains only text. It is not pushed, since nothing refers to it before it ends."""
        about = ELEMENTS[name]
        _, state, element = self._begun(raw, start, line, name, about)
        if element:
            element.state = state
        around, self._open.state = self._open.state, state
        if text:
            self.text(text, start + len(raw), line + raw.count("\n"))
        if about.block:
            self._break()
        self._open.state = around

    def _begun(self, raw: str, start: int, line: int, name: str, about: ElementKind) -> tuple[bool, State, Element | None]:
        """Begin an element. Returns whether it has content, the state of that content, and the element if selectors need it."""
        if about.block:
            self._break()
            if about.closes:
                self._open.close_implied(*about.closes)
        elif name == "br":
            self._into(start, line).shown("\n", start, start + len(raw), line)
        elif not about.known:
            self._unknown(raw, start, line, name)
        holds = about.holds and not (raw[-2] == "/" and (self._xml or self._svg > 0 or name == "svg"))
        if holds:
            self._open.make_room()
        if len(raw) > len(name) + 3 or self._styled or about.looks:
            return holds, *self._shown(raw, start, line, name, about)
        return holds, self._open.state, None

    def _unknown(self, raw: str, start: int, line: int, name: str) -> None:
        """Keep an unknown tag as text: browsers ignore it, but in the source it is a word in angle brackets, such as <tool_call> or a type
        in a listing.
        """
        if not (self._xml or self._svg or "-" in name or ":" in name):
            self._into(start, line).keep_all(raw, start, line)
        elif is_odd(name):
            self._attributes.odd.take(raw[1 : 1 + len(name)], start + 1, line)

    def _shown(self, raw: str, start: int, line: int, name: str, about: ElementKind) -> tuple[State, Element | None]:
        """The state of an element that begins. Its attributes are read on the way; tags that contain no text are cached."""
        outer, parent = self._open.state, self._open.element
        key = raw, id(outer), id(parent), self._svg > 0
        if known := self._silent.get(key):
            return known[2:]
        around = self._cascade.around(name, parent) if self._styled else None
        state, element, repeats = around.state if around else outer, None, not self._styled
        if name == "svg":
            state = unknown_paper(state)  # drawings behind text are not analyzed
        if len(raw) > len(name) + 3 or self._styled or name == "dialog":
            state, element, repeats = self._attributes.read(raw, start, line, name, state, around, self._svg > 0)
        if about.unseen:
            state = hiding(state)
        if about.keeps_space:
            state = keeping(state)
        if repeats and len(self._silent) < _REMEMBERED:
            self._silent[key] = outer, parent, state, element  # their predecessors are kept too, so that their ids are not reused
        return state, element
