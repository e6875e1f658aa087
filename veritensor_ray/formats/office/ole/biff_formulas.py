"""Reads the formulas of an old Excel workbook ([MS-XLS] 2.4.127): all that are in macro sheets, and those with words in other sheets."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from veritensor_ray.core.segments import Block, Gap
from veritensor_ray.formats.common.budget import Copies
from veritensor_ray.formats.office.ole.biff import BiffSheet, Extras
from veritensor_ray.formats.office.shared.formula_tokens import EXCEL_5, EXCEL_97, BookNames, TokenLayout, formula_text, sheet_prefix
from veritensor_ray.formats.office.shared.formulas import formula_notice
from veritensor_ray.formats.office.shared.macro_sheets import add_macro_formula, starts_itself
from veritensor_ray.formats.office.shared.text_blocks import Texts, column_name

_BEGIN, _END = 0x809, 0x0A
_PLACES = {0x06: (0, 2, 20), 0x221: (0, 4, 12), 0x4BC: (0, 4, 8)}  # of a formula, one over an area, a shared one: row, column, tokens
_STRING = b"\x17"  # the token of a text
_TIMES = 4  # the stream, for all sheets together: two may claim the same records
_WORKSHEET, _MACRO_SHEET = b"\x10\x00", b"\x40\x00"


class BiffFormulas:
    """The formulas of one workbook stream."""

    def __init__(self, data: bytes, found: Extras, copies: Copies) -> None:
        self._data, self._sheets, self._copies = data, found.sheets, copies
        self._layout: TokenLayout = EXCEL_97 if found.wide else EXCEL_5
        self._book = BookNames(
            [name.name for name in found.names],
            [_prefix(found, *reference) for reference in found.references]
            if found.wide
            else [sheet_prefix(sheet.name, sheet.name) for sheet in found.sheets],
            [book for book, _, _ in found.references],
            found.others,
        )
        has_macros = any(sheet.is_macro for sheet in found.sheets)
        self.starts_itself = any(starts_itself(name.name) and (name.is_macro or has_macros) for name in found.names)
        self._unknown = 0

    def text(self, tokens: bytes) -> str:
        """Write a formula. Raises LimitExceeded."""
        text, read = formula_text(tokens, self._layout, self._book)
        self._unknown += read < len(tokens)
        self._copies.add(len(text))
        return text

    def blocks(self) -> Iterator[Block | Gap]:
        """Yield the formulas, sheet by sheet, and what was not read of them. Raises LimitExceeded."""
        left = _TIMES * len(self._data)
        for sheet in self._sheets:
            texts = Texts(sheet.name[:200])
            for kind, body in _records(self._data, sheet.at):
                left -= 4 + len(body)
                if kind in _PLACES and len(body) > (start := _PLACES[kind][2]) + 2:
                    self._add(kind, body, body[start + 2 : start + 2 + int.from_bytes(body[start : start + 2], "little")], sheet, texts)
                    if texts.full:
                        yield from texts.take()
                if left < 0:
                    break
            yield from texts.take()
            if left < 0:
                yield Gap("sheets of the workbook claim the same records: not all formulas were read", location=sheet.name[:200])
                break
        if self._unknown:
            yield Gap("formulas hold tokens that are not known, behind which they were not read", count=self._unknown, coverage="no-reader")

    def _add(self, kind: int, body: bytes, tokens: bytes, sheet: BiffSheet, texts: Texts) -> None:
        if not sheet.is_macro and _STRING not in tokens:
            return
        text = self.text(tokens)
        row, column = int.from_bytes(body[:2], "little"), body[4] if kind != 0x06 else int.from_bytes(body[2:4], "little")
        if sheet.is_macro and text:
            add_macro_formula(texts, text, row, column_name(column), self.starts_itself)
        elif '"' in text:
            texts.add(text, "metadata", row=row, column=column_name(column), notice=formula_notice(text))


def _prefix(found: Extras, book: int, first: int, last: int) -> str:
    own = book < len(found.books) and found.books[book] and max(first, last) < len(found.sheets)
    return sheet_prefix(found.sheets[first].name, found.sheets[last].name) if own else f"[{book}]SHEET.{first}!"


def _records(data: bytes, at: int) -> Iterator[tuple[int, bytes]]:
    """Yield the records of one sheet up to its end."""
    header = struct.Struct("<HH").unpack_from
    while at + 4 <= len(data):
        kind, size = header(data, at)
        yield kind, data[at + 4 : at + 4 + size]
        if kind == _END:
            return
        at += 4 + size


def as_worksheets(data: bytes, sheets: list[BiffSheet]) -> bytes:
    """Return the stream with its macro sheets declared as worksheets, which they are except for their formulas, so that xlrd reads their cells."""
    macros = [sheet for sheet in sheets if sheet.is_macro]
    if not macros:
        return data
    changed = bytearray(data)
    for sheet in macros:
        begin = sheet.at
        if data[begin : begin + 2] == _BEGIN.to_bytes(2, "little") and data[begin + 6 : begin + 8] == _MACRO_SHEET:
            changed[begin + 6 : begin + 8] = _WORKSHEET
            changed[sheet.entry] &= 0xF0
    return bytes(changed)
