"""Reads Word documents: every part with text.

`start` counts the characters of a part's paragraphs, joined by line ends, and `paragraph` the paragraphs, in the order in which they end.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from veritensor_ray.core.segments import Gap
from veritensor_ray.formats.common.source import Item, Source
from veritensor_ray.formats.office.shared.generic_xml import Leaves
from veritensor_ray.formats.office.shared.ooxml import Document, read_left, stem
from veritensor_ray.formats.office.shared.package import Package
from veritensor_ray.formats.office.shared.text_blocks import Texts
from veritensor_ray.formats.office.shared.traced import Trace
from veritensor_ray.formats.office.shared.xml_parts import Attributes, PartReading, Walker, only, read_xml
from veritensor_ray.formats.office.word.word_body import Body
from veritensor_ray.formats.office.word.word_styles import Styles

_MAIN = "word/document.xml"
_BODIES = frozenset({"document", "hdr", "ftr", "footnotes", "endnotes", "comments", "glossaryDocument"})
# Drawings and charts beside the body, whose text is visible.
_VIEWS = {"chart": "visible", "data": "visible", "drawing": "visible"}


def read_docx(source: Source, trace: Trace | None = None) -> Iterator[Item]:
    """Read the body first, then every other part by its root element, whatever its name, and then embedded files."""
    document = Document(Package(source, trace))
    yield from document.relations()
    main = document.main(_MAIN)
    styles = Styles()
    if name := document.part(main, "styles", "word/styles.xml"):
        yield from (item for item in read_xml(document.package, name, only(styles), ahead=True) if isinstance(item, Gap))
    yield from document.bodiless(main)
    if document.take(main):
        yield from read_xml(document.package, main, _reading(main, "body", styles))
    for name in document.xml_left():
        if (
            name.startswith(f"{posixpath.dirname(main)}/")
            and name.endswith(".xml")
            and "/" not in name[len("word/") :]
            and document.take(name)
        ):
            yield from read_xml(document.package, name, _reading(name, stem(name), styles))
    glossary = "word/glossary/document.xml"
    if document.take(glossary):
        yield from read_xml(document.package, glossary, _reading(glossary, "glossary", styles))
    yield from read_left(document, _VIEWS)


def _reading(name: str, part: str, styles: Styles) -> PartReading:
    texts = Texts(part)

    def choose(root: str, attrs: Attributes) -> Walker:
        if root in _BODIES:
            return Body(texts, styles, "comment" if root == "comments" else "visible")
        return Leaves(texts)

    return PartReading(texts, choose)
