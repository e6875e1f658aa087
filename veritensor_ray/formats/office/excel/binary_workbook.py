"""Reads binary workbooks (`.xlsb`): sheets, cells, names, formulas, comments and links. Records of other kinds are searched for strings."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from veritensor_ray.core import bounds
from veritensor_ray.core.errors import LimitExceeded, ReadError
from veritensor_ray.core.segments import Block, Gap
from veritensor_ray.formats.common.budget import Budget
from veritensor_ray.formats.common.source import Item
from veritensor_ray.formats.office.excel import binary_records as kinds
from veritensor_ray.formats.office.excel.binary_records import binary_records, number_of, wide_string, wide_strings
from veritensor_ray.formats.office.excel.sheet import SharedStrings
from veritensor_ray.formats.office.shared.formula_tokens import BINARY_WORKBOOK, BookNames, formula_text, sheet_prefix
from veritensor_ray.formats.office.shared.formulas import cell_notice, formula_notice
from veritensor_ray.formats.office.shared.macro_sheets import BINARY_STATES, add_macro_formula, macro_sheet_title, starts_itself
from veritensor_ray.formats.office.shared.ooxml import Document, stem
from veritensor_ray.formats.office.shared.text_blocks import Texts, column_name
from veritensor_ray.formats.residue.read import streams_in
from veritensor_ray.formats.residue.strings import SHORTEST, VIEW, strings

_MAIN = "xl/workbook.bin"
_SHEETS = bounds.SHEETS
_COLUMNS = 1 << 14  # no sheet has more
_RISKY = "=+-@\t\r"
_MACROS = ("xlMacrosheet", "xlIntlMacrosheet")
_MACRO_FOLDER = "/macrosheets/"
_TEXT_TOKEN = b"\x17"
_NAMES = bounds.XLS_NAMES  # names that formulas may use
_REFERENCES = 1 << 16
_VALUES = {kinds.FORMULA_REAL: 16, kinds.FORMULA_TRUTH: 9, kinds.FORMULA_ERROR: 9}  # where the formula begins behind the value of a cell
_AREAS = {kinds.AREA_FORMULA: 17, kinds.SHARED_FORMULA: 16}  # the same behind the area that shares a formula
_PIECE, _BETWEEN = 1 << 20, b"\xff\xff"  # bytes that are searched at once, and what ends a string
_MOST_WHOLE = 1e21  # nobody writes out larger numbers


@dataclass(slots=True)
class BinarySheet:
    """A sheet as the workbook names it."""

    name: str
    relation: str
    state: int  # 0 if it is shown, 1 if it is hidden, 2 if Excel's menu does not offer it either

    @property
    def hidden(self) -> bool:
        """Whether it is not shown."""
        return self.state != 0


@dataclass(slots=True)
class _Grid:
    """What is known of the sheet that is being read."""

    texts: Texts
    hidden: bool
    is_macro: bool = False
    row: int = -1
    row_hidden: bool = False
    column: int = -1
    columns: bytearray = field(default_factory=lambda: bytearray(_COLUMNS + 1))  # which are hidden; the last stands for those behind it

    def hide(self, first: int, last: int) -> None:
        """Hide some columns."""
        count = min(last, _COLUMNS) - first + 1
        if count > 0:
            self.columns[first : first + count] = b"\1" * count

    def view(self, column: int) -> str:
        """The view of a cell in the present row."""
        unseen = self.hidden or self.row_hidden or self.columns[column]
        return "hidden" if unseen else "visible"


class _Rest:
    """Bytes that are not taken apart, which are searched for strings and streams together, because most records are short."""

    def __init__(self, budget: Budget) -> None:
        self._budget, self._held, self._is_record = budget, bytearray(), False

    def add(self, data: bytes) -> None:
        """Add what is left of a record, if there may be a string in it."""
        if len(data) >= SHORTEST:
            self._held += _BETWEEN + data
        self._is_record = False

    def add_record(self, data: bytes) -> None:
        """Add a record of another kind, with its header. Several in a row may be bytes of something else."""
        self._held += data if self._is_record else _BETWEEN + data
        self._is_record = True

    def take(self, texts: Texts, least: int = 0) -> Iterator[Item]:
        """Add the strings so far, and yield the streams, if there are more bytes than `least`."""
        if len(self._held) > least:
            data, self._held, self._is_record = bytes(self._held), bytearray(), False
            for found in strings(data):
                texts.add(found.text, VIEW)
            yield from streams_in(data, texts.part or "", self._budget)


class BinaryWorkbook:
    """The parts of one workbook, in the order of its sheets."""

    def __init__(self, document: Document, budget: Budget) -> None:
        self._document, self._shared, self._rest = document, SharedStrings(budget), _Rest(budget)
        self._sheets: list[BinarySheet] = []
        self._names: list[str] = []
        self._books: list[bool] = []  # whether each book that references name is this one
        self._references: list[str] = []
        self._starts_itself, self._unknown = False, 0

    def read(self) -> Iterator[Item]:
        """Yield what the parts hold, those that nothing names as hidden sheets."""
        document, main = self._document, self._document.main(_MAIN)
        yield from document.bodiless(main)
        yield from self._part(main, Texts("workbook"), self._workbook)
        if name := document.part(main, "sharedStrings", "xl/sharedStrings.bin"):
            yield from self._part(name, self._shared.texts, self._string)
        related = document.related(main)
        for sheet in self._sheets:
            if sheet.relation not in related:
                yield Gap("the workbook names a sheet that does not exist", location=sheet.name)
                continue
            kind, name = related[sheet.relation]
            if kind in _MACROS:
                title = macro_sheet_title(BINARY_STATES[min(sheet.state, 2)])
                yield Block([title], part=sheet.name, view="metadata", notice="macro")
            yield from self._sheet(name, sheet.name, sheet.hidden, kind in _MACROS)
        for name in document.package.names:
            if name.startswith("xl/") and name.endswith(".bin") and name.count("/") >= 1 and not _is_file(name):
                yield from self._sheet(name, stem(name).removesuffix(".bin"), hidden=True, is_macro=_MACRO_FOLDER in name.lower())
        if self._unknown:
            yield Gap("formulas hold tokens that are not known, behind which they were not read", count=self._unknown, coverage="no-reader")
        yield from self._shared.unused()

    def _part(self, name: str, texts: Texts, take: Callable[[int, bytes, Texts], bool]) -> Iterator[Item]:
        """Read a part, record by record. What `take` does not know is searched for strings."""
        if not self._document.take(name):
            return
        try:
            for kind, head, data in binary_records(self._document.package.chunks(name)):
                if not take(kind, data, texts):
                    self._rest.add_record(head + data)
                yield from self._rest.take(texts, _PIECE)
                if texts.full:
                    yield from texts.take()
        except ReadError as error:
            yield from self._rest.take(texts)
            yield from texts.take()
            if isinstance(error, LimitExceeded) and error.bound == "document_bytes":
                raise
            yield Gap.of(error, name)
        yield from self._rest.take(texts)
        yield from texts.take()

    def _sheet(self, name: str, title: str, hidden: bool, is_macro: bool) -> Iterator[Item]:
        """Read a sheet and the comments on it."""
        grid = _Grid(Texts(title), hidden, is_macro)
        yield from self._part(name, grid.texts, lambda kind, data, texts: self._cell(kind, data, grid))
        for kind, other in self._document.related(name).values():
            if kind == "comments":
                yield from self._part(other, Texts(title), _Notes(self._rest).take)

    def _workbook(self, kind: int, data: bytes, texts: Texts) -> bool:
        if kind == kinds.SHEET:
            relation, at = wide_string(data, 8)
            name = wide_string(data, at)[0][:200]
            sheet = BinarySheet(name, relation, int.from_bytes(data[:4], "little"))
            if len(self._sheets) < _SHEETS:
                self._sheets.append(sheet)
            texts.add(name, "hidden" if sheet.hidden else "visible", column="sheet")
        elif kind == kinds.NAME:
            name, at = wide_string(data, 9)
            formula = self._written(data, at)
            itself = starts_itself(name)
            self._starts_itself |= itself
            notice = "macro-suspicious" if itself else formula_notice(formula)
            texts.add(f"{name}={formula}" if formula else name, "metadata", column="defined name", notice=notice)
            self._names.append(name) if len(self._names) < _NAMES else None
        elif kind in (kinds.BOOK, kinds.THIS_BOOK, kinds.SAME_BOOK, kinds.ADD_IN):
            self._books.append(kind == kinds.THIS_BOOK) if len(self._books) < _REFERENCES else None
            self._rest.add(data)
        elif kind == kinds.REFERENCES:
            self._references += [self._prefix(*one) for one in struct.iter_unpack("<Iii", data[4 : 4 + (len(data) - 4) // 12 * 12])][
                :_REFERENCES
            ]
        else:
            return False
        return True

    def _prefix(self, book: int, first: int, last: int) -> str:
        """How formulas write a reference to sheets, which may be in another workbook."""
        sheets = self._sheets
        own = book < len(self._books) and self._books[book] and 0 <= first < len(sheets) and 0 <= last < len(sheets)
        return sheet_prefix(sheets[first].name, sheets[last].name) if own else f"[{book}]SHEET.{first}!"

    def _written(self, data: bytes, at: int) -> str:
        """Return the formula at this place. What is behind it, and what is not understood of it, is searched for strings. Raises LimitExceeded."""
        tokens = data[at + 4 : at + 4 + int.from_bytes(data[at : at + 4], "little")]
        text, read = formula_text(tokens, BINARY_WORKBOOK, BookNames(self._names, self._references))
        self._unknown += read < len(tokens)
        self._shared.count(len(text) - len(tokens))
        self._rest.add(data[at + 4 + read :])
        return text

    def _formula(self, data: bytes, at: int, column: int, grid: _Grid) -> None:
        """Add a formula of a macro sheet, or one with words in it."""
        if not grid.is_macro and _TEXT_TOKEN not in data[at + 4 :]:
            self._rest.add(data[at:])
            return
        text = self._written(data, at)
        if grid.is_macro and text:
            add_macro_formula(grid.texts, text, grid.row, column_name(column), self._starts_itself)
        elif '"' in text:
            grid.texts.add(text, "metadata", row=grid.row, column=column_name(column), notice=formula_notice(text))

    def _string(self, kind: int, data: bytes, _: Texts) -> bool:
        """Take a text that cells share. Behind it may stand a phonetic reading."""
        if kind != kinds.STRING:
            return False
        text, at = wide_string(data, 1)
        self._shared.add(text)
        self._rest.add(data[at:])
        return True

    def _cell(self, kind: int, data: bytes, grid: _Grid) -> bool:
        if kind == kinds.ROW:
            grid.row, grid.column = int.from_bytes(data[:4], "little"), -1
            grid.row_hidden = len(data) > 11 and bool(data[11] & 0x10)
            self._rest.add(data[17:])
            return True
        if kind == kinds.COLUMNS and len(data) >= 18:
            if data[16] & 1:
                grid.hide(int.from_bytes(data[:4], "little"), int.from_bytes(data[4:8], "little"))
            self._rest.add(data[18:])
            return True
        if kind == kinds.LINK:
            for text in wide_strings(data, 16):
                grid.texts.add(text, "metadata", column="hyperlink") if text else None
            return True
        if kind == kinds.HEADERS:
            for text in wide_strings(data, 2):
                grid.texts.add(text, column="header") if text else None
            return True
        if kind in _AREAS:
            column = min(int.from_bytes(data[8:12], "little"), _COLUMNS)
            self._formula(data, _AREAS[kind], column, grid)
            return True
        if kind in kinds.SHORT:
            kind, data = kinds.SHORT[kind], (grid.column + 1).to_bytes(4, "little") + data
        if kinds.BLANK <= kind <= kinds.LAST or kind == kinds.RICH:
            grid.column = min(int.from_bytes(data[:4], "little"), _COLUMNS)
        column = grid.column
        if kind in (kinds.TEXT, kinds.FORMULA_TEXT, kinds.RICH):
            text, at = wide_string(data, 9 if kind == kinds.RICH else 8)
            self._add(text, column, grid)
            if kind == kinds.FORMULA_TEXT:
                self._formula(data, at + 2, column, grid)
            else:
                self._rest.add(data[at:])
        elif kind == kinds.SHARED and len(data) >= 12:
            self._add_shared(int.from_bytes(data[8:12], "little"), column, grid)
            self._rest.add(data[12:])
        elif (number := number_of(kind, data)) is not None:
            self._add(_as_shown(number), column, grid)
            if kind == kinds.FORMULA_REAL:
                self._formula(data, _VALUES[kind] + 2, column, grid)
            else:
                self._rest.add(data[12 if kind == kinds.RK else 16 :])
        elif kind in _VALUES:
            self._formula(data, _VALUES[kind] + 2, column, grid)
        else:
            return False
        return True

    def _add(self, text: str, column: int, grid: _Grid) -> None:
        notice = cell_notice(text) if text[:1] and text[0] in _RISKY else None
        if text:
            grid.texts.add(text, grid.view(column), row=grid.row, column=column_name(column), notice=notice)

    def _add_shared(self, number: int, column: int, grid: _Grid) -> None:
        if number < len(self._shared.values):
            text = self._shared.values[number]
            self._shared.used[number] = 1
            self._shared.count(len(text))
            self._add(text, column, grid)


class _Notes:
    """Reads the comments of a sheet, each at its cell; authors are metadata."""

    def __init__(self, rest: _Rest) -> None:
        self._row, self._column, self._rest = 0, "", rest

    def take(self, kind: int, data: bytes, texts: Texts) -> bool:
        """Take a record."""
        if kind == kinds.COMMENT:
            self._row = int.from_bytes(data[4:8], "little")
            self._column = column_name(min(int.from_bytes(data[12:16], "little"), 1 << 14))
            self._rest.add(data[36:])
        elif kind == kinds.COMMENT_TEXT:
            text, at = wide_string(data, 1)
            texts.add(text, "comment", row=self._row, column=self._column)
            self._rest.add(data[at:])
        elif kind == kinds.AUTHOR:
            author, at = wide_string(data, 0)
            texts.add(author, "metadata", column="author")
            self._rest.add(data[at:])
        else:
            return False
        return True


def _is_file(name: str) -> bool:
    """Whether a part is a file of another kind: macros, settings of a printer, embedded files."""
    lower = name.lower()
    return "vba" in lower or "/embeddings/" in lower or "/printersettings/" in lower or "/activex/" in lower or "/media/" in lower


def _as_shown(value: float) -> str:
    return str(int(value)) if math.isfinite(value) and value.is_integer() and abs(value) < _MOST_WHOLE else repr(value)
