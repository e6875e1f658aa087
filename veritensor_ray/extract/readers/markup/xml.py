"""XML of any kind: texts with the path of their element, attributes, comments, instructions, declarations; entities are never expanded."""

from __future__ import annotations

from collections.abc import Iterator

from veritensor_ray.extract.readers.data.json_reader import shorten
from veritensor_ray.extract.readers.formulas import formula_notice
from veritensor_ray.extract.readers.markup import tokens as t
from veritensor_ray.extract.readers.markup.characters import Characters
from veritensor_ray.extract.readers.markup.declared import read_declaration
from veritensor_ray.extract.readers.markup.elements import BLOCKS, names
from veritensor_ray.extract.readers.markup.paragraph import Paragraph, value_text
from veritensor_ray.extract.readers.markup.reading import walked
from veritensor_ray.extract.readers.markup.writer import Writer
from veritensor_ray.extract.readers.text import via_of
from veritensor_ray.extract.source import Item, Source
from veritensor_ray.origins import Origin

_FIRST = 1 << 20
_DEPTH = 4096  # elements below that have the path of the one there
_REMEMBERED = 100_000
_SHORT = 256
_MOST = 10_000  # attributes of one tag that are told apart
# Parts of a sentence in HTML, DocBook, TEI, JATS, DITA, XLIFF and SVG.
_INLINE = names(
    "a abbr acronym b bdi bdo big br cite code del dfn em font i ins kbd mark q s samp small span strike strong sub sup tt u var ruby rt "
    "tspan textpath emphasis literal filename command ulink xref quote phrase foreignphrase firstterm citetitle productname userinput "
    "systemitem classname varname hi persname placename italic bold underline sc ext-link named-content ph mrk bpt ept"
)
_PARAGRAPHS = BLOCKS | names(
    "para simpara formalpara listitem entry row chapter sect1 sect2 sect3 subtitle screen programlisting step term item note tip warning"
)


def read_xml(source: Source) -> Iterator[Item]:
    """In bounded memory. Nothing fails to parse: what is not markup is text."""
    chars = Characters(source, _FIRST)
    writer = Writer(via_of(source, source.kind.encoding or "utf-8"))
    tree = _Tree(writer)
    yield from walked(tree, chars, writer, xml=True, html=False)


class _Tree:
    """Takes tokens in their order. A paragraph belongs to the outermost element that had a part of it: `root` is its depth.

    Text and elements side by side are one paragraph. Elements side by side with only white space between are not, unless they are known as
    parts of sentences.
    """

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._paths: list[str] = []
        self._depth = self._root = 0
        self._column = ""
        self._paragraph = Paragraph(self._give)
        self._known: set[int] = set()

    def _give(self, text: str, origins: list[Origin], owned: int) -> None:
        self._writer.add("visible", text, origins, self._column or None, owned)

    def take(self, kind: int, start: int, line: int, raw: str, name: str) -> None:
        """One token."""
        if kind == t.TEXT:
            self._text(raw, start, line)
        elif kind == t.START:
            self._start(raw, start, line, name)
        elif kind == t.END:
            self._end(name)
        elif kind == t.CDATA:
            self._belongs()
            self._paragraph.keep_all(raw[9:-3], start + 9, line)
        elif kind == t.COMMENT:
            self._writer.source("comment", raw, start, line, self._path())
        elif kind == t.DECLARATION:
            read_declaration(self._writer, raw, start, line)
        else:
            self._writer.source("hidden", raw, start, line)

    def end(self) -> None:
        """The document ends."""
        self._paragraph.end()

    def _path(self) -> str | None:
        return self._paths[-1] if self._paths else None

    def _text(self, raw: str, start: int, line: int) -> None:
        if not raw.isspace():
            self._belongs()
        elif self._paragraph.size and self._root > self._depth and "\n" in raw:
            self._paragraph.end()
            return
        self._paragraph.flow(raw, start, line)

    def _belongs(self) -> None:
        if not self._paragraph.size or self._depth < self._root:
            self._root = self._depth
            self._column = self._path() or ""

    def _start(self, raw: str, start: int, line: int, name: str) -> None:
        if self._paragraph.size:
            local = _local(name)
            if local not in _INLINE and (self._root > self._depth or local in _PARAGRAPHS):
                self._paragraph.end()
        if len(raw) > len(name) + 3:
            self._attributes(raw, start, line, name)
        if raw[-2] != "/":
            self._depth += 1
            if self._depth <= _DEPTH:
                self._paths.append(shorten(f"{self._paths[-1]}/{name}") if self._paths else name[:_SHORT])

    def _attributes(self, raw: str, start: int, line: int, name: str) -> None:
        seen = 0
        if len(raw) > _MOST and raw.count("=") > _MOST:
            self._writer.source("metadata", raw, start, line, name[:_SHORT])
            return
        for attribute, at, value in t.attributes(raw):
            line += raw.count("\n", seen, at)
            seen = at
            if not value or value.isspace() or attribute.startswith("xmlns"):
                continue
            if len(value) <= _SHORT:
                key = hash((name, attribute, value))
                if key in self._known:
                    continue
                if len(self._known) < _REMEMBERED:
                    self._known.add(key)
            text, origins = value_text(value, start + at, line)
            # of a sheet in Excel's XML of 2003
            notice = formula_notice(text) if text[:1] == "=" and _local(attribute) == "formula" else None
            self._writer.add("metadata", text, origins, f"{name[:_SHORT]}@{attribute[:_SHORT]}", notice=notice)

    def _end(self, name: str) -> None:
        if not self._depth:
            return
        if self._paragraph.size and (self._root > self._depth or _local(name) in _PARAGRAPHS):
            self._paragraph.end()
        if self._depth <= _DEPTH:
            self._paths.pop()
        self._depth -= 1


def _local(name: str) -> str:
    return name.rpartition(":")[2].lower()
