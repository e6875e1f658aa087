"""Reads Excel 5 to 2003: cells through xlrd, and anything that xlrd omits, such as formulas, from the records themselves."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import Any

import xlrd

from veritensor_ray.core import bounds
from veritensor_ray.core.errors import LimitExceeded, ReadError, as_read_error
from veritensor_ray.core.reasons import ReasonCode
from veritensor_ray.core.segments import Block, Gap
from veritensor_ray.formats.common.budget import Budget, Copies
from veritensor_ray.formats.common.source import Item
from veritensor_ray.formats.office.ole.biff import Extras, extras
from veritensor_ray.formats.office.ole.biff_formulas import BiffFormulas, as_worksheets
from veritensor_ray.formats.office.ole.old_pictures import pictures
from veritensor_ray.formats.office.shared.formulas import cell_notice, formula_notice
from veritensor_ray.formats.office.shared.macro_sheets import BINARY_STATES, macro_sheet_title, starts_itself
from veritensor_ray.formats.office.shared.text_blocks import Texts, column_name

_ROWS = bounds.XLS_ROWS  # rows of all sheets: a sheet with one cell may claim to have all its rows
_SHEETS = bounds.XLS_SHEETS
_WHITE = (255, 255, 255)
_NAMES = bounds.XLS_NAMES
_RISKY = "=+-@\t\r"


def read_xls(streams: dict[str, str], open_stream: Callable[[str], bytes], storage: str, budget: Budget) -> Iterator[Item]:
    """Read one workbook stream: the text around the sheets, the sheets with row and column, and images. Raises LimitExceeded."""
    data = open_stream(streams["workbook" if "workbook" in streams else "book"])
    found = extras(data)
    if found.encrypted:
        reason = "the workbook is encrypted: its text cannot be read"
        yield Block([reason], part=storage or None, view="metadata", notice="encrypted-document")
        yield Gap(reason, location=storage or None, code=ReasonCode.ENCRYPTED)
        return
    copies = Copies(budget, len(data))  # cells may share their texts, and formulas their names
    formulas = BiffFormulas(data, found, copies)
    yield from _around(found, f"{storage} workbook".strip())
    yield from _names(found, formulas)
    if found.cut:
        yield Gap("the workbook has more text boxes, headers, links or drawings than the limit allows", bound=found.cut)
    yield from pictures(found.drawings, "picture")
    notes: set[str] = set()
    damage: ReadError | None = None
    try:
        yield from _sheets(as_worksheets(data, found.sheets), notes, copies)
    except ReadError as error:
        damage = error
    boxes = [text for text in found.boxes if text.strip() and text not in notes]  # a note is a box too
    if boxes:
        yield Block(boxes, column="textbox", part=f"{storage} workbook".strip())
    yield from formulas.blocks()
    if damage:
        raise damage


def _around(found: Extras, part: str) -> Iterator[Block]:
    """Yield headers, links to programs, and macro sheets."""
    texts = Texts(part)
    for text in found.headers:
        texts.add(text, column="header")
    for link in found.links:
        texts.add(link.target, "metadata", column=link.kind, notice=link.notice)
    for sheet in found.sheets:
        if sheet.is_macro:
            texts.part = sheet.name[:200]
            texts.add(macro_sheet_title(BINARY_STATES[sheet.state]), "metadata", notice="macro")
    yield from texts.take()


def _open(data: bytes) -> Any:
    """Open a workbook. xlrd raises arbitrary exceptions for hostile files; if formats cause one, a second try is made without them."""
    problem = ReadError("")
    for formats in (True, False):
        try:
            return xlrd.open_workbook(file_contents=data, logfile=io.StringIO(), formatting_info=formats, on_demand=True, ragged_rows=True)
        except Exception as error:  # noqa: BLE001  # see above
            problem = as_read_error(error, "the workbook cannot be read")
    raise problem


def _sheets(data: bytes, notes: set[str], copies: Copies) -> Iterator[Block | Gap]:
    book = _open(data)
    rows = 0
    for number in range(book.nsheets):
        if number >= _SHEETS:
            raise LimitExceeded("xls_sheets", f"the workbook has {book.nsheets} sheets, more than the limit")
        title = str(book.sheet_names()[number])[:200]
        try:
            sheet = book.sheet_by_index(number)
        except Exception as error:  # noqa: BLE001  # as above
            yield Gap.of(as_read_error(error, "a sheet cannot be read"), title)
            continue
        rows += sheet.nrows
        if rows > _ROWS:
            raise LimitExceeded("xls_rows", f"the workbook has more than {_ROWS} rows")
        texts = Texts(title)
        try:
            yield from _cells(book, sheet, texts, notes, copies)
        except LimitExceeded:
            yield from texts.take()
            raise
        except Exception as error:  # noqa: BLE001  # in a damaged workbook, xlrd's objects lack attributes
            yield from texts.take()
            yield Gap.of(as_read_error(error, "a sheet cannot be read to its end"), title)
        book.unload_sheet(number)


def _names(found: Extras, formulas: BiffFormulas) -> Iterator[Block | Gap]:
    """Yield the defined names with their formulas, except those that Excel gives areas to print and the like."""
    texts = Texts("workbook")
    for name in found.names[:_NAMES]:
        if name.name:
            formula = formulas.text(name.tokens)
            itself = formulas.starts_itself and starts_itself(name.name)
            notice = "macro-suspicious" if itself else formula_notice(formula)
            texts.add(f"{name.name}={formula}" if formula else name.name, "metadata", column="defined name", notice=notice)
    yield from texts.take()
    if len(found.names) > _NAMES:
        yield Gap(f"only the first {_NAMES} names were read", bound="xls_names")


def _cells(book: Any, sheet: Any, texts: Texts, notes: set[str], copies: Copies) -> Iterator[Block]:
    unseen_columns = {index for index, info in sheet.colinfo_map.items() if info.hidden or info.width == 0}
    formats = _unseen_formats(book)
    for row in range(sheet.nrows):
        info = sheet.rowinfo_map.get(row)
        unseen_row = sheet.visibility != 0 or (info is not None and bool(info.hidden or info.height == 0))
        kinds, values = sheet.row_types(row), sheet.row_values(row)
        copies.add(sum(len(value) for kind, value in zip(kinds, values, strict=True) if kind == xlrd.XL_CELL_TEXT))
        for index, (kind, value) in enumerate(zip(kinds, values, strict=True)):
            if kind not in (xlrd.XL_CELL_TEXT, xlrd.XL_CELL_NUMBER, xlrd.XL_CELL_DATE) or value == "":
                continue
            text = value if kind == xlrd.XL_CELL_TEXT else _number_as_shown(value)
            unseen = unseen_row or index in unseen_columns or (bool(formats) and sheet.cell_xf_index(row, index) in formats)
            notice = cell_notice(text) if text[0] in _RISKY else None
            texts.add(text, "hidden" if unseen else "visible", row=row, column=column_name(index), notice=notice)
        if texts.full:
            yield from texts.take()
    for (row, index), note in sheet.cell_note_map.items():
        if note.text:
            notes.add(note.text)
            texts.add(note.text, "comment", row=row, column=column_name(index))
    for link in getattr(sheet, "hyperlink_list", ()):
        if address := link.url_or_path or link.textmark:
            shown = address.decode("utf-8", "replace") if isinstance(address, bytes) else str(address)
            texts.add(shown, "metadata", column="hyperlink")
    yield from texts.take()


def _unseen_formats(book: Any) -> set[int]:
    """The cell formats that show nothing: white without a background, or a number format without a digit."""
    found = set()
    for number, xf in enumerate(book.xf_list):
        font = book.font_list[xf.font_index] if 0 <= xf.font_index < len(book.font_list) else None
        white = font is not None and book.colour_map.get(font.colour_index) == _WHITE and xf.background.fill_pattern == 0
        code = getattr(book.format_map.get(xf.format_key), "format_str", None) or ""
        if white or (font is not None and 0 < font.height <= 20) or (code.startswith(";") and not code.strip(";")):
            found.add(number)
    return found


def _number_as_shown(value: float) -> str:
    return str(int(value)) if value.is_integer() and -1e21 < value < 1e21 else repr(value)
