"""Judges Excel 4.0 macros: names that start them, and formulas of macro sheets. It does not depend on how a workbook stores them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain

from veritensor_ray.core.origins import Origin
from veritensor_ray.formats.office.shared.formulas import formula_notice
from veritensor_ray.formats.office.shared.text_blocks import EVIDENCE, Texts

_STARTS = ("auto_open", "auto_close", "auto_activate", "auto_deactivate")
# Functions that start programs, call into libraries, write files, send keys to other windows, or run a text as a formula.
_REACHES = re.compile(
    r"\b(?:EXEC|EXECUTE|CALL|REGISTER(?:\.ID)?|INITIATE|POKE|SEND\.KEYS|FOPEN|FWRITE(?:LN)?|FILE\.DELETE|SAVE\.AS|OPEN|EVALUATE"
    r'|VBA\.INSERT\.FILE|INSERT\.OBJECT|SQL\.\w+)\(|\bFORMULA(?:\.FILL|\.ARRAY)?\((?!\s*"[^"]*"\s*[,)])',
    re.IGNORECASE,
)
_STATES = {"hidden": ", hidden", "veryhidden": ", very hidden"}  # a sheet of the second kind is not offered by Excel's menu either
BINARY_STATES = ("visible", "hidden", "veryHidden")
# A text that is written out, perhaps to its end, the code of a character, what joins these, and anything else.
_SPELLED = re.compile(r'"([^"]*+(?:""[^"]*+)*+)"?|\bCHAR\((\d{1,3})\)|(&)|[^"&C]+|C', re.IGNORECASE)
_SHORTEST = 4  # characters


def starts_itself(name: str) -> bool:
    """Return whether Excel runs the macro of this name when a workbook is opened, closed or shown. It ignores what does not print."""
    return "".join(filter(str.isprintable, name)).lower().removeprefix("_xlnm.").startswith(_STARTS)


def macro_sheet_title(state: str) -> str:
    """Return what is said of a macro sheet. Its state is `visible`, `hidden` or `veryHidden`."""
    return f"Excel 4.0 macro sheet{_STATES.get(state.lower(), '')}"


def add_macro_formula(texts: Texts, formula: str, row: int, column: str, itself: bool) -> None:
    """Add a formula of a macro sheet, and the words that it spells. One that reaches out is suspicious if macros start by themselves."""
    notice = "macro-suspicious" if itself and "(" in formula and _REACHES.search(formula) else formula_notice(formula)
    texts.add(formula, "metadata", row=row, column=column, notice=notice)
    if texts.tracer is not None:
        return  # what is spelled stands nowhere in the file
    if notice and len(formula) > EVIDENCE:
        texts.add(formula[EVIDENCE:], "metadata", row=row, column=column, start=EVIDENCE)
    for text, origins in spelled(formula):
        texts.add(text, "decoded", row=row, column=column, origins=origins)


def spelled(formula: str) -> Iterator[tuple[str, list[Origin]]]:
    """Yield the texts that a formula joins from pieces of text and codes of characters, if there are any codes."""
    if "CHAR(" not in formula.upper():
        return
    pieces: list[str] = []
    origins: list[Origin] = []
    size, coded, joined = 0, False, False
    for found in chain(_SPELLED.finditer(formula), [None]):
        text, code, sign = found.groups() if found else (None, None, None)
        if sign:
            joined = bool(pieces)
            continue
        if pieces and not (joined and (text is not None or code)):
            if coded and size >= _SHORTEST:
                yield "".join(pieces), origins
            pieces, origins, size, coded = [], [], 0, False
        joined = False
        if found and (text is not None or code):
            piece = bytes([int(code) & 0xFF]).decode("cp1252", "replace") if code else (text or "").replace('""', '"')
            start, end = found.span() if code else found.span(1)
            pieces.append(piece)
            origins += [Origin(size, start, end)] if piece else []
            size, coded = size + len(piece), coded or bool(code)
