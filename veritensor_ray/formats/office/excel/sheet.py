"""Walks over a worksheet: cells, formulas and the text around the grid. It does not open packages."""

from __future__ import annotations

import re
from collections.abc import Iterator

from veritensor_ray.core import bounds
from veritensor_ray.core.segments import Block
from veritensor_ray.formats.common.budget import Budget
from veritensor_ray.formats.office.shared.formulas import cell_notice, formula_notice
from veritensor_ray.formats.office.shared.macro_sheets import add_macro_formula, macro_sheet_title
from veritensor_ray.formats.office.shared.text_blocks import Texts, column_name
from veritensor_ray.formats.office.shared.xml_parts import Attributes, End, Start, Walker, attribute

_SHARED_CHARS = bounds.HELD
_SHARED = bounds.SHARED_STRINGS
_LONG = 1000  # characters; repeats of longer texts are not read again
_REPEATS = 10
_COUNTED = 1 << 16  # displayed characters that accumulate before they are counted
_HIDDEN_RANGES = 2000
_SPOKEN = {
    "dataValidation": ("promptTitle", "prompt", "errorTitle", "error"),
    "hyperlink": ("tooltip", "display", "location"),
}
_WORDS = frozenset({"oddHeader", "oddFooter", "evenHeader", "evenFooter", "firstHeader", "firstFooter"})
_RISKY = frozenset("=+-@\t\r\n＝＋－＠")
_DIGITS = 40
_WHOLE = 1e21  # nobody writes out larger numbers
_ON = frozenset({"1", "true"})


class SharedStrings(Walker):
    """`sharedStrings.xml`: texts by number. Texts beyond the memory limit are emitted directly, with their number as row.

    The characters that all cells display count as expanded once they exceed those stored.
    """

    def __init__(self, budget: Budget) -> None:
        super().__init__(Texts("shared strings"))
        self._budget = budget
        self._uncounted = 0  # displayed characters minus stored ones
        self.values: list[str] = []
        self.used = bytearray()  # by number, whether any cell shows the text
        self.notices: dict[int, str] = {}
        self._size, self._count = 0, 0
        self._before = 0  # the number of parts of the text before its phonetic reading
        self._parts: list[str] = []
        self.starts = {
            "si": lambda attrs: self._parts.clear(),
            "t": lambda attrs: self.listen(self._parts.append),
            "rPh": lambda attrs: setattr(self, "_before", len(self._parts)),
        }
        self.ends = {"si": self._item, "t": lambda: self.listen(None), "rPh": self._reading}

    def _reading(self) -> None:
        """Add the phonetic reading of a text, which no cell shows."""
        text = self.join(self._parts[self._before :])
        del self._parts[self._before :]
        if text:
            self.texts.add(text, "hidden", row=self._count, column="phonetic")

    def _item(self) -> None:
        text = self.join(self._parts)
        self._parts.clear()
        self.add(text)

    def add(self, text: str) -> None:
        """Take the next text."""
        number, self._count = self._count, self._count + 1
        self._size += len(text)
        if self._size > _SHARED_CHARS or number >= _SHARED:
            if text:
                self.texts.add(text, row=number)
            return
        self.values.append(text)
        self.used.append(0)
        self._uncounted -= len(text)
        if text and text[0] in _RISKY and (notice := cell_notice(text)):
            self.notices[number] = notice

    def count(self, shown: int) -> None:
        """Count the characters that a cell displays. Raises LimitExceeded."""
        self._uncounted += shown
        if self._uncounted > _COUNTED:
            count, self._uncounted = self._uncounted, 0
            self._budget.add(count)

    def unused(self) -> Iterator[Block]:
        """Yield the texts that no cell shows, with their numbers as rows."""
        for number, text in enumerate(self.values):
            if text and not self.used[number]:
                self.texts.add(text, "residue", row=number)
                if self.texts.full:
                    yield from self.texts.take()
        yield from self.texts.take()

    def overflow(self) -> None:
        """Emit an unfinished text."""
        if sum(map(len, self._parts)) > _SHARED_CHARS:
            self._item()


class Sheet(Walker):
    """Cells with row and column as the program shows them, except that rows count from 0. `part` is the sheet's name, `state` what the workbook says of it."""

    def __init__(self, texts: Texts, shared: SharedStrings, hidden_formats: set[str], state: str, starts_itself: bool) -> None:
        super().__init__(texts)
        self._shared, self._formats, self._state, self._starts_itself = shared, hidden_formats, state, starts_itself
        self._hidden, self._is_macro = state != "visible", False
        self._repeats: dict[int, int] = {}
        self._row, self._index = -1, -1
        self._row_hidden = self._hidden
        self._ranges: list[tuple[int, int]] = []
        self._letters: dict[str, bool] = {}
        self._where = ""
        self._kind, self._style = "", ""
        self._value: list[str] = []
        self._formula: list[str] = []
        self._inline: list[str] = []
        self.starts = {
            "row": self._open_row,
            "c": self._cell,
            "v": lambda attrs: self.listen(self._value.append),
            "f": lambda attrs: self.listen(self._formula.append),
            "t": lambda attrs: self.listen(self._inline.append),
            "col": self._columns,
            "sheetFormatPr": self._format,
            "macrosheet": self._macros,
            **{name: self._speaker(name, keys) for name, keys in _SPOKEN.items()},
            **dict.fromkeys(_WORDS, self._words),
            **dict.fromkeys(("formula1", "formula2", "formula"), self._words),
        }
        silent = lambda: self.listen(None)  # noqa: E731  # one name for the same action at four end tags
        self.ends = {
            "v": silent,
            "f": silent,
            "t": silent,
            "c": self._cell_end,
            **{name: self._speech(name) for name in _WORDS},
            **{name: self._condition(name) for name in ("formula1", "formula2", "formula")},
        }

    def _macros(self, attrs: Attributes) -> None:
        self._is_macro = True
        self.texts.add(macro_sheet_title(self._state), "metadata", notice="macro")

    # Rows, columns and their visibility

    def _format(self, attrs: Attributes) -> None:
        if (attribute(attrs, "zeroHeight", "") or "") in _ON:
            self._hidden = self._row_hidden = True  # applies to all rows without an explicit setting, which is rare

    def _columns(self, attrs: Attributes) -> None:
        first, last = attribute(attrs, "min", "") or "", attribute(attrs, "max", "") or ""
        unseen = (attribute(attrs, "hidden", "") or "") in _ON or attribute(attrs, "width", "") in ("0", "0.0")
        if unseen and first[:6].isdigit() and last[:6].isdigit() and len(self._ranges) < _HIDDEN_RANGES:
            self._ranges.append((int(first[:6]) - 1, int(last[:6]) - 1))

    def _open_row(self, attrs: Attributes) -> None:
        number = attrs.get("r", "")
        self._row = int(number[:9]) - 1 if number.isdigit() else self._row + 1
        self._index = -1
        self._row_hidden = self._hidden or attrs.get("hidden", "") in _ON or attrs.get("ht") in ("0", "0.0")

    def _cell(self, attrs: Attributes) -> None:
        self._where = attrs.get("r", "")
        self._kind = attrs.get("t", "")
        self._style = attrs.get("s", "")

    def _letter(self) -> str:
        """The column letters from the cell's address, or those of the next column if it has none."""
        letters = self._where.rstrip("0123456789")[:3].upper()
        if letters not in self._letters:
            index = column_index(letters) if letters else self._index + 1
            self._index = index
            letters = letters or column_name(index)
            if letters not in self._letters:
                self._letters[letters] = any(first <= index <= last for first, last in self._ranges)
        elif not self._where:
            self._index += 1
        return letters

    # Cells

    def _cell_end(self) -> None:
        value = self.join(self._value)
        column = self._letter()
        if self._formula:
            self._give_formula(self.join(self._formula), column)
        notice = None
        if self._kind == "s":
            value, notice = self._shared_text(value)
        elif self._inline:
            value = self.join(self._inline)
        elif self._kind in ("b", "e"):
            value = ""
        elif not self._kind or self._kind == "n":
            value = plain_number(value)
        self._value.clear()
        self._formula.clear()
        self._inline.clear()
        if not value:
            return
        if self._kind == "inlineStr" and value[0] in _RISKY:
            notice = cell_notice(value)
        unseen = self._row_hidden or self._letters[column] or self._style in self._formats
        self.texts.add(value, "hidden" if unseen else "visible", column=column, row=self._row, notice=notice)

    def _shared_text(self, number: str) -> tuple[str, str | None]:
        try:
            index = int(number)
            text = self._shared.values[index] if index >= 0 else ""
            self._shared.used[index] = 1
        except (ValueError, IndexError):
            return "", None
        if len(text) > _LONG and self.texts.tracer is None:
            self._repeats[index] = self._repeats.get(index, 0) + 1
            if self._repeats[index] > _REPEATS:
                return "", None
        self._shared.count(len(text))
        return text, self._shared.notices.get(index)

    def _give_formula(self, formula: str, column: str) -> None:
        """Add formulas that contain words, those that do more than calculate, and all of a macro sheet."""
        if self._is_macro:
            add_macro_formula(self.texts, formula, self._row, column, self._starts_itself)
            return
        notice = formula_notice(formula) if "(" in formula or "|" in formula else None
        if notice or '"' in formula:
            self.texts.add(formula, "metadata", column=column, row=self._row, notice=notice)

    # Around the grid

    def _speaker(self, name: str, keys: tuple[str, ...]) -> Start:
        def speak(attrs: Attributes) -> None:
            for key in keys:
                if (value := attribute(attrs, key, "")) and value.strip():
                    self.texts.add(value, "metadata", column=name)

        return speak

    def _words(self, attrs: Attributes) -> None:
        self._value.clear()
        self.listen(self._value.append)

    def _speech(self, name: str) -> End:
        return lambda: self._said(name, "visible")

    def _condition(self, name: str) -> End:
        return lambda: self._said(name, "metadata")

    def _said(self, name: str, view: str) -> None:
        self.listen(None)
        text = self.join(self._value)
        self._value.clear()
        if view == "visible" or '"' in text:
            self.texts.add(text, view, column=name, notice=formula_notice(text) if view == "metadata" else None)

    def overflow(self) -> None:
        """Emit the current content of an unfinished cell."""
        for pieces in (self._value, self._inline, self._formula):
            if sum(map(len, pieces)) > 1 << 20:
                self.texts.add(self.join(pieces), row=max(0, self._row), column=self._letter())
                pieces.clear()

    def done(self) -> None:
        """Emit the text in which the part ended."""
        if self._value or self._inline or self._formula:
            self._cell_end()


def plain_number(value: str) -> str:
    """Write a number without the exponent that Excel stores for long ones."""
    if "E" not in value and "e" not in value:
        return value
    try:
        number = float(value[:_DIGITS])
    except ValueError:
        return value
    return str(int(number)) if number.is_integer() and abs(number) < _WHOLE else value


def column_index(letters: str) -> int:
    """The index of a column, counted from 0; 0 if the letters are invalid."""
    index = 0
    for letter in letters:
        index = index * 26 + (ord(letter) - 64 if "A" <= letter <= "Z" else 0)
    return max(0, index - 1)


_ADDRESS = re.compile(r"\$?([A-Za-z]{1,3})\$?(\d{1,9})")


def place(address: str) -> tuple[int, str] | None:
    """The row and column of a cell's address."""
    found = _ADDRESS.match(address)
    return (max(0, int(found[2]) - 1), found[1].upper()) if found else None
