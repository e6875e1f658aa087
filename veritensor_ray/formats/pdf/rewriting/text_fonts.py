"""The codes in the strings that a PDF shows, and how far each of them moves the next one.

That is all that must be known of a font to take single glyphs out of a line. What the codes mean, PDFium knows: it says which character stands
where. So a font may lack a map to characters, but its widths must be known.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Callable
from typing import Any, NamedTuple

import pikepdf

from veritensor_ray.formats.pdf import pdf_library as pdfium

_MOST_CODES = 1 << 16
_EXACT = 1e-6
USUAL_REACH = (-0.4, -0.5, 0.4, 1.2)  # in units of the size
_HEX = rb"<([0-9A-Fa-f\x00\t\n\f\r ]+)>"
_GAP = rb"[\x00\t\n\f\r ]*"
_SECTION = re.compile(rb"begin(codespacerange|cidrange|cidchar)(.*?)end\1", re.DOTALL)
_PAIR = re.compile(_HEX + _GAP + _HEX)
_RANGE = re.compile(_HEX + _GAP + _HEX + _GAP + rb"(\d{1,7})")
_CHAR = re.compile(_HEX + _GAP + rb"(\d{1,7})")
# The names under which programs use the 14 fonts that every viewer has, and whose widths they may leave out.
_FAMILIES = {
    "Helvetica": ("Helvetica", "Helvetica-Bold", "Helvetica-Oblique", "Helvetica-BoldOblique"),
    "Arial": ("Helvetica", "Helvetica-Bold", "Helvetica-Oblique", "Helvetica-BoldOblique"),
    "ArialMT": ("Helvetica", "Helvetica-Bold", "Helvetica-Oblique", "Helvetica-BoldOblique"),
    "Courier": ("Courier", "Courier-Bold", "Courier-Oblique", "Courier-BoldOblique"),
    "CourierNew": ("Courier", "Courier-Bold", "Courier-Oblique", "Courier-BoldOblique"),
    "Times": ("Times-Roman", "Times-Bold", "Times-Italic", "Times-BoldItalic"),
    "TimesNewRoman": ("Times-Roman", "Times-Bold", "Times-Italic", "Times-BoldItalic"),
}
_CODECS = {"/WinAnsiEncoding": "cp1252", "/MacRomanEncoding": "mac_roman"}
_MARKS = {"dieresis": "diaeresis", "ring": "ring above", "slash": "stroke"}
_NAMES = """
space exclam quotedbl numbersign dollar percent ampersand quotesingle parenleft parenright asterisk plus comma hyphen period slash
zero one two three four five six seven eight nine colon semicolon less equal greater question at
bracketleft backslash bracketright asciicircum underscore grave braceleft bar braceright asciitilde
germandbls ae AE oe OE bullet endash emdash quoteleft quoteright quotedblleft quotedblright quotesinglbase quotedblbase
Euro sterling section copyright registered degree ellipsis nbspace sfthyphen
"""
_CHARACTERS = " !\"#$%&'()*+,-./0123456789:;<=>?@[\\]^_`{|}~ßæÆœŒ•–—‘’“”‚„€£§©®°…\u00a0\u00ad"
_GLYPHS = dict(zip(_NAMES.split(), _CHARACTERS, strict=True))
Content = Callable[[Any], bytes | None]  # the content of a stream, as far as it may be unpacked


class ShownCode(NamedTuple):
    """One code of a string, its width in units of the font's size (None: unknown), and whether the spacing of words applies to it.

    PDFium rounds widths; `rounded` is what it takes.
    """

    code: bytes
    width: float | None
    spaced: bool
    rounded: float | None


class TextFont:
    """A font, as far as it says how to divide a string into codes and how wide they are. `key` tells fonts apart."""

    def __init__(self, font: Any, content: Content, key: int) -> None:
        self.key = key
        self._known: dict[bytes, ShownCode] = {}
        self._lengths: list[tuple[int, int, int]] | None = [(1, 0, 255)]  # the length, first and last of codes; None: unknown
        self._width: Callable[[int], float | None]
        self.reach = USUAL_REACH  # how far a glyph reaches from its place: to the left, down, to the right of its width, and up
        self.is_drawn = font.get("/Subtype") == "/Type3"  # its glyphs are drawings of their own, in their own units
        if font.get("/Subtype") == "/Type0":
            self._composite(font, content)
        else:
            self._simple(font)

    def codes(self, text: bytes) -> list[ShownCode] | None:
        """Return the codes of a string; None if nobody can say where they begin."""
        if self._lengths is None:
            return None
        found: list[ShownCode] = []
        at = 0
        while at < len(text):
            size = self._size(text, at)
            if size is None or at + size > len(text):
                return None
            code = text[at : at + size]
            known = self._known.get(code)
            if known is None:
                width = self._width(int.from_bytes(code))
                known = self._known[code] = ShownCode(code, width, code == b" ", None if width is None else self._rounded(width))
            found.append(known)
            at += size
        return found

    def _rounded(self, width: float) -> float:
        thousandths = 1000 * width
        near = round(thousandths)
        return (near if self.is_drawn or abs(thousandths - near) < _EXACT else int(thousandths)) / 1000

    def _size(self, text: bytes, at: int) -> int | None:
        lengths = self._lengths or []
        if len(lengths) == 1:
            return lengths[0][0]
        for size, first, last in lengths:
            code = text[at : at + size]
            low, high = first.to_bytes(size), last.to_bytes(size)
            if len(code) == size and all(a <= b <= c for a, b, c in zip(low, code, high, strict=True)):
                return size
        return None

    def _simple(self, font: Any) -> None:
        unit = 1000.0
        if self.is_drawn:
            matrix = [float(one) for one in font.get("/FontMatrix", [])]
            unit = 1 / matrix[0] if len(matrix) == 6 and matrix[0] and not matrix[1] and not matrix[2] else 0.0
            self.reach = _drawn_reach(font.get("/FontBBox"), matrix)
        widths, first = font.get("/Widths"), font.get("/FirstChar")
        if isinstance(widths, pikepdf.Array) and unit:
            begin = int(first) if first is not None else 0
            known = {begin + number: _number(one) / unit for number, one in enumerate(widths) if number < _MOST_CODES}
            descriptor = font.get("/FontDescriptor")
            missing = _number(descriptor.get("/MissingWidth", 0)) / unit if isinstance(descriptor, pikepdf.Dictionary) else 0.0
            self._width = lambda code: known.get(code, missing)
            return
        name = _standard_name(str(font.get("/BaseFont", "")))
        self._width = _standard_widths(name, _meanings(font.get("/Encoding"))).get if name and not self.is_drawn else lambda _: None

    def _composite(self, font: Any, content: Content) -> None:
        encoding = font.get("/Encoding")
        cids: Callable[[int], int | None] = lambda code: code  # noqa: E731  # replaced below
        if encoding == "/Identity-H":
            self._lengths = [(2, 0, 0xFFFF)]
        elif isinstance(encoding, pikepdf.Stream) and not int(encoding.get("/WMode", 0)) and "/UseCMap" not in encoding:
            self._lengths, cids = _code_map(content(encoding) or b"")
        else:  # predefined ones, and vertical writing
            self._lengths = None
        inner = font.get("/DescendantFonts")
        cid_font = inner[0] if isinstance(inner, pikepdf.Array) and len(inner) else pikepdf.Dictionary()
        widths, usual = _cid_widths(cid_font.get("/W")), _number(cid_font.get("/DW", 1000)) / 1000

        def width(code: int) -> float | None:
            cid = cids(code)
            return None if cid is None else widths.get(cid, usual)

        self._width = width


def _drawn_reach(box: Any, matrix: list[float]) -> tuple[float, float, float, float]:
    """Return how far the glyphs of a Type 3 font may reach, as its box says."""
    edges = [_number(one) for one in box] if isinstance(box, pikepdf.Array) else []
    if len(edges) != 4 or len(matrix) != 6:
        return USUAL_REACH
    across, up = sorted((edges[0] * matrix[0], edges[2] * matrix[0])), sorted((edges[1] * matrix[3], edges[3] * matrix[3]))
    return min(USUAL_REACH[0], across[0]), min(USUAL_REACH[1], up[0]), max(USUAL_REACH[2], across[1]), max(USUAL_REACH[3], up[1])


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return 0.0


def _standard_name(name: str) -> str | None:
    """Return the standard font that a name means, in any of its styles."""
    family, _, style = name.lstrip("/").replace(",", "-").removesuffix("PSMT").partition("-")
    styles = _FAMILIES.get(family.removesuffix("PS"))
    if styles is None:
        return None
    lower = style.lower()
    return styles[("bold" in lower) + 2 * ("italic" in lower or "oblique" in lower)]


def _meanings(encoding: Any) -> tuple[str, ...]:
    """Return the characters that codes mean in a standard font; empty where that is not known."""
    base = encoding.get("/BaseEncoding") if isinstance(encoding, pikepdf.Dictionary) else encoding
    codec = _CODECS.get(str(base), "ascii")
    meant = [bytes([code]).decode(codec, "ignore") if code >= 0x20 else "" for code in range(256)]
    if codec == "ascii":  # two characters are not where ASCII has them
        meant[0x27], meant[0x60] = "\u2019", "\u2018"
    code = 0
    differences = encoding.get("/Differences") if isinstance(encoding, pikepdf.Dictionary) else None
    for one in differences if isinstance(differences, pikepdf.Array) else ():
        if isinstance(one, pikepdf.Name):
            if 0 <= code < len(meant):
                meant[code] = _character(str(one)[1:])
            code += 1
        else:
            code = int(one)
    return tuple(meant)


def _character(name: str) -> str:
    """Return the character that the name of a glyph means; empty if it is unknown."""
    if len(name) == 1:
        return name
    if name in _GLYPHS:
        return _GLYPHS[name]
    letter, mark = name[:1], _MARKS.get(name[1:], name[1:])
    try:
        return unicodedata.lookup(f"latin {'small' if letter.islower() else 'capital'} letter {letter} with {mark}")
    except KeyError:
        return ""


@functools.lru_cache(64)
def _standard_widths(name: str, meant: tuple[str, ...]) -> dict[int, float]:
    """Return the widths of codes in a standard font. PDFium knows those of the characters in Windows' code page."""
    known = dict.fromkeys(one for one in meant if one and one.encode("cp1252", "ignore"))
    widths = pdfium.standard_widths(name, "".join(known))
    return {code: widths[one] / 1000 for code, one in enumerate(meant) if one in widths}


def mask_width(text: str) -> float:
    """Return the width of a text in Helvetica, in units of its size."""
    widths = _standard_widths("Helvetica", _meanings("/WinAnsiEncoding"))
    return sum(widths.get(code, 0.0) for code in text.encode("cp1252"))


def _cid_widths(listed: Any) -> dict[int, float]:
    widths: dict[int, float] = {}
    if not isinstance(listed, pikepdf.Array):
        return widths
    items = iter(listed)
    for first in items:
        second = next(items, None)
        if isinstance(second, pikepdf.Array):
            widths.update((int(first) + number, _number(one) / 1000) for number, one in enumerate(second))
        elif second is not None:
            value = _number(next(items, 0)) / 1000
            widths.update((cid, value) for cid in range(int(first), min(int(second), int(first) + _MOST_CODES) + 1))
        if len(widths) > _MOST_CODES:
            break
    return widths


def _code_map(data: bytes) -> tuple[list[tuple[int, int, int]] | None, Callable[[int], int | None]]:
    """Return the lengths of codes and the glyphs that they stand for, as a map in the document gives them."""
    lengths: list[tuple[int, int, int]] = []
    ranges: list[tuple[int, int, int]] = []
    if b"usecmap" in data:
        return None, lambda _: None
    for kind, body in _SECTION.findall(data):
        if kind == b"codespacerange":
            for first, last in _PAIR.findall(body):
                low, high = _bytes(first), _bytes(last)
                if len(low) != len(high) or not 1 <= len(low) <= 4:
                    return None, lambda _: None
                lengths.append((len(low), int.from_bytes(low), int.from_bytes(high)))
        elif kind == b"cidrange":
            ranges += [(int.from_bytes(_bytes(a)), int.from_bytes(_bytes(b)), int(c)) for a, b, c in _RANGE.findall(body)]
        else:
            ranges += [(int.from_bytes(_bytes(a)), int.from_bytes(_bytes(a)), int(c)) for a, c in _CHAR.findall(body)]
    if len(lengths) > 100 or len(ranges) > _MOST_CODES:
        return None, lambda _: None

    def cid(code: int) -> int | None:
        return next((start + code - first for first, last, start in ranges if first <= code <= last), None)

    return sorted(lengths) or None, cid


def _bytes(digits: bytes) -> bytes:
    return bytes.fromhex(re.sub(rb"[^0-9A-Fa-f]", b"", digits).decode())
