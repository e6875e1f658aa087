"""Recognizes text and its encoding.

UTF-16 and UTF-32 without a byte order mark are recognized by the resulting characters, strictly, so that arrays of numbers stay numbers.
"""

from __future__ import annotations

import bisect
import codecs
import re
import unicodedata
from collections import Counter

from charset_normalizer import from_bytes

_SAMPLE = 16_384
_FEWEST = 12  # characters
_CODECS = (("utf-16-le", 2), ("utf-16-be", 2), ("utf-32-le", 4), ("utf-32-be", 4))

# The first character of each script and its name. A script may occur more than once; ? marks characters that texts do not contain.
_SCRIPTS = (
    (0x0000, "latin"), (0x0250, "?"), (0x0300, "any"), (0x0370, "greek"), (0x0400, "cyrillic"), (0x0530, "armenian"), (0x0590, "hebrew"),
    (0x0600, "arabic"), (0x0700, "?"), (0x0750, "arabic"), (0x0780, "?"), (0x0900, "devanagari"), (0x0980, "bengali"), (0x0A00, "gurmukhi"),
    (0x0A80, "gujarati"), (0x0B00, "oriya"), (0x0B80, "tamil"), (0x0C00, "telugu"), (0x0C80, "kannada"), (0x0D00, "malayalam"),
    (0x0D80, "sinhala"), (0x0E00, "thai"), (0x0E80, "lao"), (0x0F00, "tibetan"), (0x1000, "burmese"), (0x10A0, "georgian"), (0x1100, "?"),
    (0x1200, "ethiopic"), (0x13A0, "?"), (0x1780, "khmer"), (0x1800, "?"), (0x1E00, "latin"), (0x1F00, "greek"), (0x2000, "any"),
    (0x2070, "?"), (0x20A0, "any"), (0x2190, "?"), (0x3000, "east"), (0x3130, "?"), (0x4E00, "east"), (0xA000, "?"), (0xAC00, "korean"),
    (0xD7A4, "?"), (0xFB50, "arabic"), (0xFE00, "any"), (0xFE10, "?"), (0xFE70, "arabic"), (0xFF00, "east"), (0xFFF0, "?"), (0x1F300, "any"),
    (0x1FB00, "?"),
)  # fmt: skip
_BEGINNINGS = [begin for begin, _ in _SCRIPTS]
_MARKS = " \n\u3000\u3001\u3002\uff0c\u060c\u0964\u1361\u17d4\u104b"  # characters between words or sentences
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_ANY_BOM = tuple(bom for bom, _ in _BOMS)
_CONTROLS = bytes(set(range(32)) - {7, 8, 9, 10, 12, 13, 27, 30})


def text_encoding(head: bytes, whole: bool) -> tuple[str, int] | None:
    """The codec and the length of the byte order mark, or None if the bytes are not text."""
    for bom, codec in _BOMS if head.startswith(_ANY_BOM) else ():
        if head.startswith(bom):
            rest = head[len(bom) :]
            return (codec, len(bom)) if _decodes(rest, codec, whole) or _nearly_decodes(rest, codec) else None
    if b"\x00" in head:
        for codec, zeros in (("utf-16-le", head[1::2]), ("utf-16-be", head[0::2])):
            if len(head) >= 8 and zeros.count(0) > 0.6 * len(zeros) and _decodes(head, codec, whole) and _few_controls(head, codec):
                return codec, 0
    if controls(head) > 0.01 * len(head):
        wide = wide_encoding(head)
        return (wide, 0) if wide else None
    if _decodes(head, "utf-8", whole):
        return "utf-8", 0
    return _legacy_encoding(head) if b"\x00" not in head else None


def controls(data: bytes) -> int:
    """The number of control characters that texts do not contain."""
    return len(data) - len(data.translate(None, _CONTROLS))


def _decodes(data: bytes, codec: str, whole: bool) -> bool:
    if codec == "utf-8" and data.isascii():
        return data.count(0) <= 0.01 * len(data)
    try:
        text = codecs.getincrementaldecoder(codec)().decode(data, final=whole)
    except UnicodeDecodeError:
        return False
    return text.count("\x00") <= 0.01 * len(text)


def _nearly_decodes(data: bytes, codec: str) -> bool:
    """Whether most of the text decodes: after a byte order mark, a single stray byte must not make the file binary and hide all of it."""
    text = data.decode(codec, "replace")
    return text.count("\ufffd") + text.count("\x00") <= 1 + 0.01 * len(text)


def _legacy_encoding(head: bytes) -> tuple[str, int] | None:
    """A one-byte or East Asian encoding that makes sense of the text around the first non-ASCII bytes."""
    first = re.search(rb"[\x80-\xff]", head)
    sample = head[max(0, first.start() - 2048) : first.start() + 6144] if first else head
    best = legacy_encoding(sample)
    if best is None:
        return ("latin-1", 0) if sum(b >= 0x80 for b in sample) < 0.3 * len(sample) else None
    return best, 0


def legacy_encoding(sample: bytes) -> str | None:
    """The one-byte or East Asian encoding that makes most sense of bytes, if any does."""
    best = from_bytes(sample, cp_exclusion=["utf_7"]).best()
    return best.encoding if best else None


def wide_encoding(head: bytes) -> str | None:
    """The codec under which the first bytes are text in one script, possibly mixed with ASCII."""
    for codec, width in _CODECS:
        sample = head[: min(_SAMPLE, len(head) // width * width)]
        if len(sample) >= _FEWEST * width and (codec[4:6] == "16" or _has_zeros(sample, codec)) and _is_text(sample, codec):
            return codec
    return None


def _few_controls(head: bytes, codec: str) -> bool:
    """Whether the bytes are text rather than an array of small numbers, which would decode to control characters."""
    text = head[:_SAMPLE].decode(codec, "ignore")
    return sum(char < " " and char not in "\t\n\r\f\x1b" for char in text) <= 0.01 * len(text)


def _has_zeros(sample: bytes, codec: str) -> bool:
    """Whether the sample has the zeros of its encoding: UTF-32 has at least one in each character."""
    zeros = sample[3::4] if codec.endswith("le") else sample[::4]
    return zeros.count(0) == len(zeros)


def _is_text(sample: bytes, codec: str) -> bool:
    try:
        text = codecs.getincrementaldecoder(codec)().decode(sample)
    except UnicodeDecodeError:
        return False
    counts = Counter(text)
    scripts: Counter[str] = Counter()
    for char, count in counts.items():
        scripts[_script(char)] += count
    total = len(text)
    marks = sum(counts[mark] for mark in _MARKS)
    if total < _FEWEST or scripts["?"] > 0.002 * total or marks < max(1, 0.01 * total):
        return False
    letters = {name: count for name, count in scripts.items() if name not in ("latin", "any")}
    main = max(letters.values(), default=0)
    if codec.startswith("utf-16") and main < 0.3 * total:
        return False  # Latin text is recognized by its many zeros
    return main + scripts["latin"] + scripts["any"] >= 0.97 * total and scripts["any"] < 0.2 * total


def _script(char: str) -> str:
    category = unicodedata.category(char)
    if category in ("Cn", "Co", "Cs") or (category == "Cc" and char not in "\t\n\r\ufeff"):
        return "?"
    return _SCRIPTS[bisect.bisect_right(_BEGINNINGS, ord(char)) - 1][1]
