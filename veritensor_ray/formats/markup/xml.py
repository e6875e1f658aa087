"""Reads XML of any kind: texts with the path of their element, attributes, comments, instructions and declarations.

Entities are never expanded.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator

from veritensor_ray.core.origins import Origin
from veritensor_ray.formats.common.block_writer import Writer
from veritensor_ray.formats.common.column_paths import shorten
from veritensor_ray.formats.common.joined_text import Paragraph, value_text
from veritensor_ray.formats.common.name_sets import names
from veritensor_ray.formats.common.source import Item, Source
from veritensor_ray.formats.markup import html_tokens as t
from veritensor_ray.formats.markup.character_references import Characters
from veritensor_ray.formats.markup.declared_encoding import read_declaration
from veritensor_ray.formats.markup.elements import BLOCKS
from veritensor_ray.formats.markup.odd_names import OddNames, is_odd
from veritensor_ray.formats.markup.reading import walked
from veritensor_ray.formats.office.shared.formulas import formula_notice
from veritensor_ray.formats.text.read import via_of

_FIRST = 1 << 20
_DEPTH = 4096  # elements deeper than this have the path of the one at this depth
_REMEMBERED = 100_000
_SHORT = 256
_LONGEST = 64  # longer than any name that has a meaning here
_MOST = 10_000  # attributes of one tag that are read separately
# Inline elements of HTML, DocBook, TEI, JATS, DITA, XLIFF and SVG.
_INLINE = names(
    "a abbr acronym b bdi bdo big br cite code del dfn em font i ins kbd mark q s samp small span strike strong sub sup tt u var ruby rt "
    "tspan textpath emphasis literal filename command ulink xref quote phrase foreignphrase firstterm citetitle productname userinput "
    "systemitem classname varname hi persname placename italic bold underline sc ext-link named-content ph mrk bpt ept"
)
_PARAGRAPHS = BLOCKS | names(
    "para simpara formalpara listitem entry row chapter sect1 sect2 sect3 subtitle screen programlisting step term item note tip warning"
)


def read_xml(source: Source) -> Iterator[Item]:
    """Read the file in bounded memory. Nothing fails to parse: anything that is not markup is text."""
    chars = Characters(source, _FIRST)
    writer = Writer(via_of(source, source.kind.encoding or "utf-8"))
    tree = _Tree(writer)
    yield from walked(tree, chars, writer, xml=True, html=False)


class _Tree:
    """Takes tokens in order. A paragraph belongs to the outermost element that contributed to it; `root` is the depth of that element.

    Text and elements side by side are one paragraph. Elements separated only by white space are not, unless they are known as parts of
    sentences.
    """

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._paths: list[str] = []
        self._depth = self._root = 0
        self._column = ""
        self._paragraph = Paragraph(self._give)
        self._known: set[int] = set()
        self._odd = OddNames(writer)

    def _give(self, text: str, origins: list[Origin], owned: int) -> None:
        self._writer.add("visible", text, origins, self._column or None, owned)

    def other(self, kind: int, raw: str, start: int, line: int, name: str) -> None:
        """Take a token that is neither text nor a tag."""
        if kind == t.CDATA:
            self._belongs()
            self._paragraph.keep_all(raw[9:-3], start + 9, line)
        elif kind == t.COMMENT:
            self._writer.source("comment", raw, start, line, self._path())
        elif kind == t.DECLARATION:
            read_declaration(self._writer, raw, start, line)
        else:
            self._writer.source("hidden", raw, start, line)

    def end(self) -> None:
        """End the document."""
        self._paragraph.end()

    def _path(self) -> str | None:
        return self._paths[-1] if self._paths else None

    def text(self, raw: str, start: int, line: int) -> None:
        """Take text."""
        paragraph = self._paragraph
        if not raw.isspace():
            self._belongs()
        elif paragraph.size:
            if self._root > self._depth and "\n" in raw:
                paragraph.end()
                return
        elif raw.isascii():
            return
        paragraph.flow(raw, start, line)

    def _belongs(self) -> None:
        if not self._paragraph.size or self._depth < self._root:
            self._root = self._depth
            self._column = self._path() or ""

    def begin(self, raw: str, start: int, line: int, name: str) -> None:
        """Take a start tag."""
        if self._paragraph.size:
            role = _role(name[-_LONGEST:])
            if role is not _INLINE and (self._root > self._depth or role is _PARAGRAPHS):
                self._paragraph.end()
        if is_odd(name):
            self._odd.take(name, start + 1, line)
        if len(raw) > len(name) + 3:
            self._attributes(raw, start, line, name)
        if raw[-2] != "/":
            self._depth += 1
            if self._depth <= _DEPTH:
                self._paths.append(shorten(f"{self._paths[-1]}/{name}") if self._paths else name[:_SHORT])

    def _attributes(self, raw: str, start: int, line: int, name: str) -> None:
        seen, known, short, breaks = 0, self._known, name[:_SHORT], "\n" in raw
        if len(raw) > _MOST and raw.count("=") > _MOST:
            self._writer.source("metadata", raw, start, line, short)
            return
        for attribute, at, value in t.attributes(raw, name):
            if breaks:
                line += raw.count("\n", seen, at)
                seen = at
            if is_odd(attribute):
                self._odd.take(attribute, start + (at if value is None else raw.rfind(attribute, 0, at)), line)
            if not value or value.isspace():
                continue
            if attribute.startswith("xmlns"):
                self._odd.take(value, start + at, line)
                continue
            if len(value) <= _SHORT:
                key = hash((name, attribute, value))
                if key in known:
                    continue
                if len(known) < _REMEMBERED:
                    known.add(key)
            text, origins = value_text(value, start + at, line)
            # in a sheet of Excel 2003 XML
            notice = formula_notice(text) if text[:1] == "=" and _local(attribute) == "formula" else None
            self._writer.add("metadata", text, origins, f"{short}@{attribute[:_SHORT]}", notice=notice)

    def leaf(self, raw: str, start: int, line: int, name: str, text: str) -> None:
        """Take an element that contains only text."""
        self.begin(raw, start, line, name)
        if text:
            self.text(text, start + len(raw), line + raw.count("\n"))
        self.finish("", start, line, name)

    def finish(self, raw: str, start: int, line: int, name: str) -> None:
        """Take an end tag."""
        if not self._depth:
            return
        if self._paragraph.size and (self._root > self._depth or _role(name[-_LONGEST:]) is _PARAGRAPHS):
            self._paragraph.end()
        if self._depth <= _DEPTH:
            self._paths.pop()
        self._depth -= 1


@functools.lru_cache(4096)
def _role(name: str) -> frozenset[str] | None:
    """Which of the two sets contains an element."""
    local = _local(name)
    return _INLINE if local in _INLINE else _PARAGRAPHS if local in _PARAGRAPHS else None


def _local(name: str) -> str:
    return name.rpartition(":")[2].lower()
