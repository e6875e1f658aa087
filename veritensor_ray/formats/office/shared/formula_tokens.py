"""Writes the tokens of a stored formula ([MS-XLS] 2.2.2, [MS-XLSB] 2.2.2) as the text that Excel shows. It computes nothing and trusts no length."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from veritensor_ray.formats.office.shared.text_blocks import column_name

_INFIX = dict(zip(range(0x03, 0x12), ("+", "-", "*", "/", "^", "&", "<", "<=", "=", ">=", ">", "<>", " ", ",", ":"), strict=True))
_PREFIX = {0x12: "+", 0x13: "-"}
_EXPRESSION, _TABLE, _PERCENT, _BRACKET, _ABSENT, _STRING, _EXTENDED, _ATTRIBUTE = 0x01, 0x02, 0x14, 0x15, 0x16, 0x17, 0x18, 0x19
_ERROR, _BOOLEAN, _INTEGER, _REAL = 0x1C, 0x1D, 0x1E, 0x1F
# The codes that follow come in three classes, which differ in bits 5 and 6 only.
_ARRAY, _FIXED, _VARIABLE, _NAME, _CELL, _AREA, _CELL_LOST, _AREA_LOST, _NEAR_CELL, _NEAR_AREA = *range(0x20, 0x26), 0x2A, 0x2B, 0x2C, 0x2D
_MEMORY = (0x26, 0x27, 0x28, 0x29, 0x2E, 0x2F)  # cached areas, whose formula follows
_OTHER_NAME, _OTHER_CELL, _OTHER_AREA, _OTHER_CELL_LOST, _OTHER_AREA_LOST = 0x39, 0x3A, 0x3B, 0x3C, 0x3D
_CHOICES, _SUM = 0x04, 0x10  # attributes: a table of jumps follows; the sum of one argument
_CALLED = 0xFF  # the function with this number calls the one that its first argument names
_COMMAND = 0x8000
_ERRORS = {0x00: "#NULL!", 0x07: "#DIV/0!", 0x0F: "#VALUE!", 0x17: "#REF!", 0x1D: "#NAME?", 0x24: "#NUM!", 0x2A: "#N/A"}
_LOST = "#REF!"


@dataclass(frozen=True, slots=True)
class TokenLayout:
    """How one version of Excel stores operands: formats of a row and a column, and the bytes of tokens that have a size of their own."""

    row: str
    column: str
    rows: int  # of a sheet
    columns: int
    sizes: Mapping[int, int]
    string: str  # the format of a string's length
    wide: bool | None  # whether characters have two bytes; None if a byte of flags says so


BINARY_WORKBOOK = TokenLayout("I", "H", 1 << 20, 1 << 14, {_EXPRESSION: 4, _TABLE: 4, _ARRAY: 14, _NAME: 4, _OTHER_NAME: 6}, "H", wide=True)
EXCEL_97 = TokenLayout("H", "H", 1 << 16, 1 << 8, {_EXPRESSION: 4, _TABLE: 4, _ARRAY: 7, _NAME: 4, _OTHER_NAME: 6}, "B", wide=None)
EXCEL_5 = TokenLayout("H", "B", 1 << 14, 1 << 8, {_EXPRESSION: 4, _TABLE: 4, _ARRAY: 7, _NAME: 14, _OTHER_NAME: 24}, "B", wide=False)


@dataclass(slots=True)
class BookNames:
    """What formulas refer to by number: names from 1, the sheets behind references, and names in other workbooks or add-ins."""

    names: Sequence[str] = ()
    references: Sequence[str] = ()  # each with its `!`
    books: Sequence[int] = ()  # of each reference
    others: Mapping[tuple[int, int], str] = field(default_factory=dict)  # by the number of the book, and from 1


def formula_text(tokens: bytes, layout: TokenLayout, book: BookNames) -> tuple[str, int]:
    """Return the formula without its equals sign, and how many bytes were understood. What stands behind an unknown token is not."""
    reader = _Reader(tokens, layout, book)
    return reader.text(), reader.at


class _Written:
    """The pieces of a formula. An operand keeps its own prefix, so that deeply nested formulas are not copied at each level."""

    def __init__(self) -> None:
        self._pieces: list[list[str]] = []  # each in reverse order
        self._starts: list[int] = []  # of the operands that wait for an operator

    def push(self, text: str) -> None:
        self._starts.append(len(self._pieces))
        self._pieces.append([text])

    def infix(self, sign: str) -> None:
        if len(self._starts) > 1:
            self._pieces[self._starts.pop()].append(sign)

    def around(self, before: str, after: str) -> None:
        if self._starts:
            self._pieces[self._starts[-1]].append(before)
            self._pieces.append([after])

    def call(self, name: str | None, count: int) -> None:
        """Make the last operands the arguments of a function, or without a name, those after the first the arguments of the first."""
        count = min(count, len(self._starts))
        if not count:
            self.push(f"{name or ''}()")
            return
        first = len(self._starts) - count
        arguments = self._starts[first + (name is None) :]
        for later in arguments[1:]:
            self._pieces[later].append(",")
        if name is not None:
            self._pieces[arguments[0]].append(f"{name}(")
        elif arguments:
            self._pieces[arguments[0]].append("(")
        else:
            self._pieces.append(["("])
        del self._starts[first + 1 :]
        self._pieces.append([")"])

    def text(self) -> str:
        for start in self._starts[1:]:
            self._pieces[start].append(" ")  # operands are left over only if the formula is damaged
        return "".join(piece for pieces in self._pieces for piece in reversed(pieces))


class _Reader:
    """Reads one formula, token by token."""

    def __init__(self, tokens: bytes, layout: TokenLayout, book: BookNames) -> None:
        self.at = 0
        self._data, self._layout, self._book, self._out = tokens, layout, book, _Written()
        self._place = struct.Struct(f"<{layout.row}{layout.column}")
        self._area = struct.Struct(f"<{layout.row * 2}{layout.column * 2}")

    def text(self) -> str:
        """Return the text up to the end, or to the first token that is cut off or unknown."""
        try:
            while self.at < len(self._data) and (end := self._token(self._data[self.at], self.at + 1)):
                self.at = end
        except (struct.error, IndexError):
            pass  # the formula ends within a token
        return self._out.text()

    def _token(self, code: int, at: int) -> int | None:
        """Write one token, and return where it ends; None if it is unknown."""
        out, data = self._out, self._data
        if code in _INFIX:
            out.infix(_INFIX[code])
        elif code in _PREFIX:
            out.around(_PREFIX[code], "")
        elif code == _PERCENT:
            out.around("", "%")
        elif code == _BRACKET:
            out.around("(", ")")
        elif code == _ABSENT:
            out.push("")
        elif code == _STRING:
            return self._string(at)
        elif code == _INTEGER:
            out.push(str(_number("<H", data, at)))
            at += 2
        elif code == _REAL:
            out.push(f"{_number('<d', data, at):.15g}")
            at += 8
        elif code == _BOOLEAN:
            out.push("TRUE" if data[at] else "FALSE")
            at += 1
        elif code == _ERROR:
            out.push(_ERRORS.get(data[at], _LOST))
            at += 1
        elif code == _ATTRIBUTE:
            return self._attribute(at)
        elif code in (_EXPRESSION, _TABLE):
            at += self._layout.sizes[code]
        elif code == _EXTENDED:  # a column of a table, a field of a pivot table, or words in the place of an address
            out.push(_LOST)
            at += 13 if data[at] == 0x19 else 5
        elif code >= 0x20:
            return self._operand(code & 0x1F | 0x20, at)
        else:
            return None
        return at

    def _string(self, at: int) -> int:
        layout, data = self._layout, self._data
        count = int(_number(f"<{layout.string}", data, at))
        at += struct.calcsize(layout.string)
        wide = layout.wide
        if wide is None:
            wide, at = bool(data[at] & 1), at + 1
        end = min(len(data), at + count * (1 + wide))  # the beginning of a string that is cut off is still worth reading
        text = data[at:end].decode("utf-16-le" if wide else "cp1252", "replace")
        self._out.push('"' + text.replace('"', '""') + '"')
        return end

    def _attribute(self, at: int) -> int:
        flags, value = self._data[at], int(_number("<H", self._data, at + 1))
        if flags & _SUM:
            self._out.call("SUM", 1)
        return at + 3 + (2 * (value + 1) if flags & _CHOICES else 0)

    def _operand(self, code: int, at: int) -> int | None:
        """Write a token of one of the classes."""
        out, data, layout, book = self._out, self._data, self._layout, self._book
        if code == _FIXED:
            number = int(_number("<H", data, at))
            name, count = functions().get(number, (f"FUNCTION.{number}", 0))
            out.call(name, count or 0)
            return at + 2
        if code == _VARIABLE:
            number = int(_number("<H", data, at + 1))
            name, _ = functions().get(number, (f"COMMAND.{number & ~_COMMAND}" if number & _COMMAND else f"FUNCTION.{number}", 0))
            out.call(None if number == _CALLED else name, data[at] & 0x7F)
            return at + 3
        if code in _MEMORY:
            return at + (2 if code in (0x29, 0x2E, 0x2F) else 6)
        if code == _NAME:
            number = int(_number("<H", data, at))
            out.push(book.names[number - 1] if 0 < number <= len(book.names) else f"NAME.{number}")
            return at + layout.sizes[code]
        if code == _OTHER_NAME:
            reference, number = int(_number("<H", data, at)), int(_number("<H", data, at + (10 if layout is EXCEL_5 else 2)))
            key = (book.books[reference] if reference < len(book.books) else reference, number)
            out.push(book.others.get(key, f"NAME.{reference}.{number}"))
            return at + layout.sizes[code]
        if code == _ARRAY:
            out.push("{…}")  # the values are stored behind the formula
            return at + layout.sizes[code]
        return self._address(code, at)

    def _address(self, code: int, at: int) -> int | None:
        """Write a reference to a cell or an area."""
        sheet = ""
        if code in (_OTHER_CELL, _OTHER_AREA, _OTHER_CELL_LOST, _OTHER_AREA_LOST):
            old = self._layout is EXCEL_5
            number, known = int(_number("<H", self._data, at + 10 if old else at)), self._book.references
            sheet = known[number] if number < len(known) else f"SHEET.{number}!"
            code, at = {0x3A: _CELL, 0x3B: _AREA, 0x3C: _CELL_LOST, 0x3D: _AREA_LOST}[code], at + (14 if old else 2)
        if code in (_CELL, _NEAR_CELL, _CELL_LOST):
            row, column = self._place.unpack_from(self._data, at)
            at += self._place.size
            text = self._cell(row, column, code == _NEAR_CELL)
        elif code in (_AREA, _NEAR_AREA, _AREA_LOST):
            first, last, left, right = self._area.unpack_from(self._data, at)
            at += self._area.size
            text = f"{self._cell(first, left, code == _NEAR_AREA)}:{self._cell(last, right, code == _NEAR_AREA)}"
        else:
            return None
        self._out.push(sheet + (_LOST if code in (_CELL_LOST, _AREA_LOST) else text))
        return at

    def _cell(self, row: int, column: int, near: bool) -> str:
        """The address of a cell; `near` if it is given by its distance, as in formulas that cells share."""
        layout = self._layout
        flags = (row if layout is EXCEL_5 else column) >> 14
        row, column = (row & 0x3FFF, column) if layout is EXCEL_5 else (row, column & 0x3FFF)
        row_moves, column_moves = flags >> 1 & 1, flags & 1
        if near:
            down = _distance(row, layout.rows) if row_moves else str(row + 1)
            across = _distance(column, layout.columns) if column_moves else str(column + 1)
            return f"R{down}C{across}"
        return f"{'' if column_moves else '$'}{column_name(column)}{'' if row_moves else '$'}{row + 1}"


def _distance(value: int, most: int) -> str:
    """Write a distance, which counts on from the other edge of the sheet if it leads back."""
    value %= most
    return f"[{value - most if value >= most // 2 else value}]"


def _number(kind: str, data: bytes, at: int) -> float:
    value: float = struct.unpack_from(kind, data, at)[0]
    return value


def sheet_prefix(first: str, last: str) -> str:
    """Return how a formula writes the sheets that a reference begins with."""
    name = first if first == last else f"{first}:{last}"
    return f"{name}!" if name.isidentifier() else "'" + name.replace("'", "''") + "'!"


@cache
def functions() -> dict[int, tuple[str, int | None]]:
    """The functions and commands of worksheets and macro sheets by number, with the number of arguments of those that always have as many."""
    found: dict[int, tuple[str, int | None]] = {}
    for line in Path(__file__).with_name("excel_functions.txt").read_text("ascii").splitlines():
        number, name, *count = line.split()
        found[int(number)] = (name, int(count[0]) if count else None)
    return found
