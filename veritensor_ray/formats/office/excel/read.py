"""Reads workbooks: sheets in order, comments, defined names, links to other workbooks, then everything else with text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from veritensor_ray.core import bounds
from veritensor_ray.core.segments import Gap
from veritensor_ray.formats.common.source import Item, Source
from veritensor_ray.formats.office.excel.binary_workbook import BinaryWorkbook
from veritensor_ray.formats.office.excel.cell_styles import CellFormats
from veritensor_ray.formats.office.excel.sheet import SharedStrings, Sheet, place
from veritensor_ray.formats.office.powerpoint.drawing import Drawing
from veritensor_ray.formats.office.shared.dde import dde_notice
from veritensor_ray.formats.office.shared.formulas import formula_notice
from veritensor_ray.formats.office.shared.generic_xml import Leaves
from veritensor_ray.formats.office.shared.macro_sheets import starts_itself
from veritensor_ray.formats.office.shared.ooxml import Document, read_left, stem
from veritensor_ray.formats.office.shared.package import Package
from veritensor_ray.formats.office.shared.text_blocks import Texts
from veritensor_ray.formats.office.shared.traced import Trace
from veritensor_ray.formats.office.shared.xml_parts import Attributes, PartReading, Walker, attribute, only, read_xml, relation

_MAIN = "xl/workbook.xml"
_SHEETS = bounds.SHEETS
_GRIDS = frozenset({"worksheet", "macrosheet", "chartsheet", "dialogsheet"})
_DRAWINGS = frozenset({"chartSpace", "dataModel", "drawing", "wsDr", "userShapes"})


@dataclass(frozen=True, slots=True)
class _Entry:
    name: str
    state: str
    relation: str


class _Workbook(Leaves):
    """The sheets and defined names."""

    def __init__(self) -> None:
        super().__init__(Texts("workbook"))
        self.sheets: list[_Entry] = []
        self.starts_itself = False
        self._defined: str | None = None
        self._formula: list[str] = []
        self.starts = {"sheet": self._sheet, "definedName": self._define}
        self.ends = {"definedName": self._defined_end}

    def _sheet(self, attrs: Attributes) -> None:
        name = (attribute(attrs, "name", "") or "")[:200]
        state = attribute(attrs, "state", "") or "visible"
        if len(self.sheets) < _SHEETS:
            self.sheets.append(_Entry(name, state, relation(attrs) or ""))
        self.texts.add(name, "visible" if state == "visible" else "hidden", column="sheet")

    def _define(self, attrs: Attributes) -> None:
        self._defined = (attribute(attrs, "name", "") or "")[:200]
        self._formula.clear()
        self.listen(self._formula.append)

    def _defined_end(self) -> None:
        self.listen(None)
        name, formula = self._defined or "", self.join(self._formula)
        if starts_itself(name):
            self.starts_itself = True
            self.texts.add(self.join((name, "=", formula)), "metadata", column="defined name", notice="macro-suspicious")
        elif not name.startswith("_xlnm."):
            self.texts.add(self.join((name, "=", formula)), "metadata", column="defined name", notice=formula_notice(formula))
        self._formula.clear()


class _Comments(Leaves):
    """Old comments and threads, each at its cell; authors are metadata."""

    def __init__(self, texts: Texts) -> None:
        super().__init__(texts, "comment")
        self._place: tuple[int, str] | None = None
        self._words: list[str] = []
        self.starts = dict.fromkeys(("comment", "threadedComment"), self._comment)
        self.starts |= {"t": self._text, "text": self._text}
        self.ends = {name: self._comment_end for name in self.starts if name.endswith("omment")}
        self.ends["t"] = lambda: self.listen(None)

    def _comment(self, attrs: Attributes) -> None:
        self._place = place(attribute(attrs, "ref", "") or "")
        self._words.clear()

    def _text(self, attrs: Attributes) -> None:
        self.listen(self._words.append)

    def _comment_end(self) -> None:
        self.listen(None)
        text = self.join(self._words).strip()
        self._words.clear()
        if text:
            row, column = self._place or (None, None)
            self.texts.add(text, "comment", row=row, column=column)


class _Link(Leaves):
    """Another workbook whose values are cached here, or a program that supplies them."""

    def __init__(self, texts: Texts) -> None:
        super().__init__(texts)
        self.starts = {"ddeLink": self._dde, "oleLink": self._ole}

    def _dde(self, attrs: Attributes) -> None:
        service, topic = attribute(attrs, "ddeService", "") or "", attribute(attrs, "ddeTopic", "") or ""
        self.texts.add(self.join((service, "|", topic)), "metadata", column="DDE", notice=dde_notice(service, topic))

    def _ole(self, attrs: Attributes) -> None:
        self.texts.add(attribute(attrs, "progId", "") or "", "metadata", column="OLE link", notice="external-relation")


class _Connections(Leaves):
    """The sources from which data is fetched, and the commands used."""

    def _attributes(self, attrs: Attributes) -> None:
        for key, value in attrs.items():
            if key in ("connection", "command", "url", "sourceFile", "odcFile", "post"):
                self.texts.add(value, "metadata", column=f"connection {key}", notice="external-relation")
            elif key in ("name", "description") and value:
                self.texts.add(value, "metadata", column=key)


def read_xlsx(source: Source, trace: Trace | None = None) -> Iterator[Item]:
    """Read a workbook. Sheets that it does not name are read too, as hidden."""
    document = Document(Package(source, trace))
    package = document.package
    yield from document.relations()
    main, workbook, formats, shared = document.main(_MAIN), _Workbook(), CellFormats(), SharedStrings(source.budget)
    yield from document.bodiless(main)
    if document.take(main):
        yield from read_xml(package, main, only(workbook))
    if name := document.part(main, "styles", "xl/styles.xml"):
        yield from (item for item in read_xml(package, name, only(formats), ahead=True) if isinstance(item, Gap))
    if (name := document.part(main, "sharedStrings", "xl/sharedStrings.xml")) and document.take(name):
        yield from read_xml(package, name, only(shared), kept=shared.values)
    related = document.related(main)
    for entry in workbook.sheets:
        if entry.relation in related:
            sheet = Sheet(Texts(entry.name), shared, formats.hidden, entry.state, workbook.starts_itself)
            yield from _sheet(document, related[entry.relation][1], entry.name, sheet)
        else:
            yield Gap("the workbook names a sheet that does not exist", location=entry.name)
    for name in document.xml_left():
        if name.startswith("xl/") and name.endswith(".xml") and document.take(name):
            yield from read_xml(package, name, _other(name, shared, formats, workbook.starts_itself))
    yield from shared.unused()
    yield from read_left(document, {})


def _sheet(document: Document, name: str, title: str, sheet: Sheet) -> Iterator[Item]:
    """Read a sheet and the comments on it."""
    if not document.take(name):
        return
    yield from read_xml(document.package, name, only(sheet))
    for kind, other in document.related(name).values():
        if kind in ("comments", "threadedComment") and document.take(other):
            yield from read_xml(document.package, other, only(_Comments(Texts(title))))


def _other(name: str, shared: SharedStrings, formats: CellFormats, starts_itself: bool) -> PartReading:
    texts = Texts(stem(name))

    def choose(root: str, attrs: Attributes) -> Walker:
        if root in _GRIDS:
            return Sheet(texts, shared, formats.hidden, "hidden", starts_itself)
        if root in _DRAWINGS:
            return Drawing(texts)
        known = {"comments": _Comments, "ThreadedComments": _Comments, "externalLink": _Link, "connections": _Connections}
        return known[root](texts) if root in known else Leaves(texts)

    return PartReading(texts, choose)


def read_xlsb(source: Source) -> Iterator[Item]:
    """Read a workbook of binary records, then everything else in its package."""
    document = Document(Package(source))
    yield from document.relations()
    yield from BinaryWorkbook(document, source.budget).read()
    yield from read_left(document, {})
