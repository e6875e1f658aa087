"""Finds text in encodings older than Unicode among arbitrary bytes: Windows and ISO code pages, KOI8, Shift-JIS, EUC, GB18030, Big5, EBCDIC.

Any bytes are text in some of them. So a run of bytes counts only if its characters form words; then the detector names its encoding.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from veritensor_ray.core.errors import LimitExceeded
from veritensor_ray.core.segments import Gap
from veritensor_ray.formats.common.budget import Budget
from veritensor_ray.formats.residue.strings import FoundString
from veritensor_ray.formats.text.recognise import legacy_encoding

_SHORTEST, _SAMPLE = 32, 4096  # bytes
_HIGH = 3  # bytes, and letters, beyond ASCII that a text has at least
_ASKED = 1 << 15  # bytes of wasted work that one question to the detector counts as
_ONE_BYTE = ("cp1251", "koi8-r", "iso-8859-5", "cp866", "cp1250", "cp1252", "cp1253", "cp1255", "cp1256")
_EAST = ("shift_jis", "euc_kr", "gb18030", "big5", "euc_jp")
_EBCDIC = "cp037"
_KNOWN = ("cp125", "iso8859", "koi8", "cp866", "cp1125", "cp85", "cp437", "cp932", "shift_j", "euc_", "cp949", "gb", "big5", "cp950")
# The share of characters, or words, that may be odd, and the shares that have to be letters or characters in use.
_ODD, _LETTERS, _MOST = 0.06, 0.6, 0.85
_VARIED = 15  # different characters, or one in five
_ODD_IN_EAST = 0.08  # where the second byte of a character may be one of ASCII
_WORD = re.compile(r"[^\W\d_]+")
# The lead bytes of the characters that are in use most, in each of these, and of kana and letters.
_LEADS = {
    "gb2312": range(0xB0, 0xD8),
    "big5": range(0xA4, 0xC7),
    "shift_jis": (0x82, 0x83, *range(0x88, 0x98)),
    "euc_kr": range(0xB0, 0xC9),
}

Flags = np.ndarray[Any, np.dtype[np.bool_]]


def _flags(numbers: Sequence[int]) -> Flags:
    found = np.zeros(256, bool)
    found[list(numbers)] = True
    return found


_TEXT = bytes(byte in (9, 10, 13) or (byte >= 32 and byte != 127) for byte in range(256))
_LETTER = _flags(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
_SYMBOL = _flags(b"#$%&*+/<=>@[\\]^_`{|}~")
_IN_EBCDIC = _flags(
    [byte for byte, letter in enumerate(bytes(range(256)).decode(_EBCDIC)) if byte > 127 and letter.isascii() and letter.isalnum()]
)


class LegacyStrings:
    """Searches the pieces of one file, most of whose strings share an encoding. Questions to the detector count as wasted work."""

    def __init__(self, budget: Budget) -> None:
        self._budget, self._last = budget, ""

    def among(self, data: bytes) -> Iterator[FoundString | Gap]:
        """Yield the texts of at least 32 bytes in such encodings, in ascending order."""
        for start, end, codecs in () if data.isascii() else _likely(data):
            if not self._budget.may_try:
                return
            try:
                text = self._decoded(data[start:end], codecs)
            except LimitExceeded as error:
                yield Gap.of(error)
            else:
                if text:
                    yield FoundString(start, end - start, text, self._last)

    def _decoded(self, run: bytes, codecs: Sequence[str]) -> str:
        """Return a run as text if its characters form words, or an empty text. `codecs` are examples of what it may be."""
        head = run[:_SAMPLE]
        if _strictly(head, "utf-8"):
            return ""
        if not any(_is_words(_strictly(head, codec)) for codec in codecs):
            self._budget.in_vain(len(head) * len(codecs))
            return ""
        if not _fits(head, self._last):
            self._last = _EBCDIC if _EBCDIC in codecs and _fits(head, _EBCDIC) else self._detected(head)
        return run.decode(self._last, "replace") if _fits(head, self._last) else ""

    def _detected(self, head: bytes) -> str:
        self._budget.in_vain(_ASKED)
        encoding = legacy_encoding(head) or ""
        return encoding if encoding.startswith(_KNOWN) else ""


def _likely(data: bytes) -> Iterator[tuple[int, int, Sequence[str]]]:
    """Yield the runs of bytes that may be words, and in which encodings."""
    edges = np.flatnonzero(np.diff(np.frombuffer(data.translate(_TEXT), np.int8), prepend=0, append=0))
    starts, ends = edges[::2], edges[1::2]
    long = ends - starts >= _SHORTEST
    starts, ends = starts[long], ends[long]
    if not len(starts):
        return
    size = ends - starts
    begins = np.cumsum(size) - size  # of each run, behind one another
    values = np.frombuffer(data, np.uint8)[np.repeat(starts - begins, size) + np.arange(size.sum())]

    def count(flags: Flags) -> Any:
        return np.add.reduceat(flags, begins, dtype=np.int64)

    high, letter = values >= 128, _LETTER[values]
    above, letters, symbols = count(high), count(letter), count(_SYMBOL[values])
    changes = count(np.append(high[1:] & letter[:-1] | letter[1:] & high[:-1], False))
    plain = (symbols <= _ODD * size) & ((above <= size / 4) & (letters >= size / 2) | (above >= size * 2 / 5) & (changes <= size / 10))
    east = (symbols <= _ODD_IN_EAST * size) & (above >= size / 2)
    ebcdic = count(_IN_EBCDIC[values]) >= _LETTERS * size
    for number in np.flatnonzero((above >= _HIGH) & (plain | east | ebcdic)):
        kinds = ((plain, _ONE_BYTE), (east, _EAST), (ebcdic, (_EBCDIC,)))
        yield int(starts[number]), int(ends[number]), [codec for kind, codecs in kinds if kind[number] for codec in codecs]


def _fits(run: bytes, encoding: str) -> bool:
    """Return whether bytes are words in an encoding, and not only in ASCII."""
    text = _strictly(run, encoding) if encoding else ""
    return (encoding == _EBCDIC or sum(letter.isalpha() for letter in text if letter > "\x7f") >= _HIGH) and _is_words(text)


def _strictly(run: bytes, encoding: str) -> str:
    """Return the text, without a character that may be cut off at the end, or an empty text if there are other bytes."""
    for cut in range(4):
        try:
            return run[: len(run) - cut].decode(encoding)
        except UnicodeDecodeError:
            continue
    return ""


def _is_words(text: str) -> bool:
    """Return whether there are mostly letters and digits, of one script in each word, with capitals only at its beginning or in all of it."""
    letters = sum(map(str.isalpha, text))
    if not letters or sum(map(str.isalnum, text)) < _LETTERS * len(text) or len({*text}) < min(_VARIED, len(text) / 5):
        return False
    east = sum(map(_is_east, text))
    if east > letters / 2:
        return east >= 0.7 * letters and sum(map(_is_common, text)) >= _MOST * east
    words = _WORD.findall(text)
    if not words:
        return False
    odd = sum(not (_is_cased(word) and _is_of_one_script(word)) for word in words)
    return odd <= _ODD * len(words) and 2.5 <= sum(map(len, words)) / len(words) <= 15


def _is_cased(word: str) -> bool:
    return word.isupper() or word[1:] == word[1:].lower()


def _is_of_one_script(word: str) -> bool:
    return word.isascii() or all(ord(letter) < 0x250 for letter in word) or not any(map(str.isascii, word))


def _is_east(character: str) -> bool:
    return "\u3040" <= character <= "\u9fff" or "\uac00" <= character <= "\ud7a3" or "\uff66" <= character <= "\uff9d"


def _is_common(character: str) -> bool:
    """Whether it is a character of East Asia that is in use."""
    return _is_east(character) and any(len(code := character.encode(codec, "ignore")) == 2 and code[0] in _LEADS[codec] for codec in _LEADS)
