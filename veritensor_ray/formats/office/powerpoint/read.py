"""Reads presentations: slides in order with notes and comments, then layouts, charts and everything else with text."""

from __future__ import annotations

from collections.abc import Iterator

from veritensor_ray.core import bounds
from veritensor_ray.core.segments import Gap
from veritensor_ray.formats.common.colors import near_white
from veritensor_ray.formats.common.source import Item, Source
from veritensor_ray.formats.office.powerpoint.drawing import Drawing
from veritensor_ray.formats.office.shared.generic_xml import Leaves
from veritensor_ray.formats.office.shared.ooxml import Document, read_left, stem
from veritensor_ray.formats.office.shared.package import Package
from veritensor_ray.formats.office.shared.text_blocks import Texts
from veritensor_ray.formats.office.shared.traced import Trace
from veritensor_ray.formats.office.shared.xml_parts import Attributes, PartReading, Walker, attribute, only, read_xml, relation

_MAIN = "ppt/presentation.xml"
_LAYOUTS = frozenset({"sldLayout", "sldMaster", "notesMaster", "handoutMaster"})
_DRAWINGS = frozenset({"chartSpace", "dataModel", "drawing", "sld", "notes", "userShapes"})
_SLIDES = bounds.SHEETS


class _Presentation(Leaves):
    """The order and size of the slides, and words in attributes."""

    def __init__(self) -> None:
        super().__init__(Texts("presentation"))
        self.order: list[str] = []
        self.size: tuple[int, int] | None = None
        self.starts = {"sldId": self._slide, "sldSz": self._measure}

    def _slide(self, attrs: Attributes) -> None:
        if (found := relation(attrs)) and len(self.order) < _SLIDES:
            self.order.append(found)

    def _measure(self, attrs: Attributes) -> None:
        width, height = attribute(attrs, "cx", "p") or "", attribute(attrs, "cy", "p") or ""
        if width[:12].isdigit() and height[:12].isdigit():
            self.size = (int(width[:12]), int(height[:12]))


class _Background(Walker):
    """Determines whether a layout or master defines its background, and whether that is white."""

    def __init__(self) -> None:
        super().__init__(Texts(None))
        self.white: bool | None = None
        self.painted = False  # whether there are images beneath the text of a slide
        self._inside = 0
        self.starts = {
            "bg": lambda attrs: setattr(self, "_inside", 1),
            "srgbClr": lambda attrs: self._colour(near_white(attribute(attrs, "val", "a") or "")),
            "schemeClr": lambda attrs: self._colour(attribute(attrs, "val", "a") in ("bg1", "lt1")),
            "blipFill": lambda attrs: self._colour(False),
            "gradFill": lambda attrs: self._colour(False),
            "pic": lambda attrs: setattr(self, "painted", True),
        }
        self.ends = {"bg": lambda: setattr(self, "_inside", 0)}

    def _colour(self, white: bool) -> None:
        if self._inside:
            self.white = white and self.white is not False


class _Slides:
    """The data of a presentation that is needed to read its slides."""

    def __init__(self, document: Document, size: tuple[int, int] | None) -> None:
        self._document, self._size = document, size
        self._known: dict[str, tuple[bool | None, bool]] = {}

    def _background(self, name: str) -> tuple[bool | None, bool]:
        if name not in self._known:
            found = _Background()
            for _ in read_xml(self._document.package, name, only(found), ahead=True):
                pass  # its gaps are reported when the text of the part is read
            self._known[name] = (found.white, found.painted)
        return self._known[name]

    def _white(self, slide: str) -> bool:
        """Whether the background of the slide's layout or master is white. The slide itself may override it."""
        name: str | None = slide
        for kind in ("slideLayout", "slideMaster"):
            name = next((part for found, part in self._document.related(name or "").values() if found == kind), None)
            white, painted = self._background(name) if name else (None, False)
            if white is not None or painted:
                return bool(white) and not painted
        return True

    def read(self, name: str, part: str, hidden: bool = False) -> Iterator[Item]:
        """Read a slide, then its notes and comments."""
        document = self._document
        if not document.take(name):
            return
        white = self._white(name)
        yield from read_xml(document.package, name, only(Drawing(Texts(part), "visible", self._size, white, hidden)))
        number = part.removeprefix("slide ")
        for kind, other in document.related(name).values():
            if kind == "notesSlide" and document.take(other):
                yield from read_xml(document.package, other, only(Drawing(Texts(f"notes {number}"), "comment")))
            elif kind == "comments" and document.take(other):
                yield from read_xml(document.package, other, only(Leaves(Texts(f"comments {number}"), "comment")))


def read_pptx(source: Source, trace: Trace | None = None) -> Iterator[Item]:
    """Read a presentation. Slides that the slide list does not contain are read too, as hidden."""
    document = Document(Package(source, trace))
    yield from document.relations()
    main, presentation = document.main(_MAIN), _Presentation()
    yield from document.bodiless(main)
    if document.take(main):
        yield from read_xml(document.package, main, only(presentation))
    slides = _Slides(document, presentation.size)
    related = document.related(main)
    for number, key in enumerate(presentation.order, 1):
        if key in related:
            yield from slides.read(related[key][1], f"slide {number}")
        else:
            yield Gap("the slide list refers to a slide that does not exist", location=f"slide {number}")
    for name in document.xml_left():
        if name.startswith("ppt/slides/") and name.endswith(".xml"):
            yield from slides.read(name, f"slide {stem(name)}", hidden=True)
    for name in document.xml_left():
        if name.startswith("ppt/") and name.endswith(".xml") and document.take(name):
            yield from read_xml(document.package, name, _other(Texts(stem(name))))
    yield from read_left(document, {})


def _other(texts: Texts) -> PartReading:
    def choose(root: str, attrs: Attributes) -> Walker:
        if root in _LAYOUTS:
            return Drawing(texts, "metadata")
        if root in _DRAWINGS:
            return Drawing(texts)
        return Leaves(texts, "comment" if root == "cmLst" else "metadata")

    return PartReading(texts, choose)
