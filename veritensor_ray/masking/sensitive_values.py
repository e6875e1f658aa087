"""Find every occurrence of an artifact's secret or personal values in its texts.

It does not depend on engines or rows.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from unicodedata import normalize

import numpy as np
import numpy.typing as npt

from veritensor_ray.core import bounds
from veritensor_ray.masking.redaction import GIVEN, INNER, PERSONAL, SECRET, stars, visible
from veritensor_ray.masking.spellings import Spelling, readings, unescaped

SHORTEST = 6
_HEAD = 6  # values are looked up by their first characters
_GRAM = 12  # this many characters of a secret are masked wherever they appear, even without the rest
_EDGE = 5  # a text may be cut inside a value: this much of its beginning or end is masked there
_BUFFER = 1 << 20  # characters that are searched at once
_STRENGTH = (GIVEN, PERSONAL, SECRET)
_COMMON = frozenset(
    [
        "password",
        "passwd",
        "passphrase",
        "secret",
        "secrets",
        "token",
        "tokens",
        "access",
        "private",
        "public",
        "default",
        "example",
        "required",
        "optional",
        "string",
        "boolean",
        "integer",
        "number",
        "object",
        "undefined",
        "disabled",
        "enabled",
        "unknown",
        "changeme",
        "username",
        "localhost",
        "client",
        "server",
        "bearer",
        "basic",
        "digest",
        "authorization",
        "redacted",
        "hidden",
        "please",
        "missing",
        "invalid",
        "expired",
        "value",
        "values",
        "header",
        "cookie",
        "session",
        "account",
        "system",
        "windows",
    ]
)
_TELLING = re.compile(r"\d|[^\w\s]|_|[a-z][A-Z]")  # in a value that only a word before it calls a secret
_LOGIN = re.compile(r"://[^\s/:@]*:([^\s@]+)@")
_ASSIGNED = re.compile(r"[\w$-]{2,30}\s?=\s?(\S+)")
_TRIMMED = " \t\r\n\"'`,;.:!?()[]{}<>“”‘’«»"
_LINES = re.compile(r"[\r\n]+|\\n")
_MULTIPLIER = 0x9E3779B97F4A7C15

Codes = npt.NDArray[np.uint32]
Hashes = npt.NDArray[np.uint64]


@dataclass(slots=True)
class Values:
    """Values as they were found, with their kinds. They exist only in memory, never in a table."""

    kinds: dict[str, str] = field(default_factory=dict)

    def note(self, kind: str, value: str) -> None:
        """Remember a value. The kind is SECRET, PERSONAL or, if only a word before it says so, GIVEN."""
        if len(value) >= SHORTEST:
            self._keep(kind, value[: bounds.VALUE])

    def merge(self, other: Values) -> None:
        """Merge what another stage found."""
        for value, kind in other.kinds.items():
            self._keep(kind, value)

    def _keep(self, kind: str, value: str) -> None:
        known = self.kinds.get(value)
        if (known is None and len(self.kinds) < bounds.VALUES) or (known is not None and _STRENGTH.index(kind) > _STRENGTH.index(known)):
            self.kinds[value] = kind

    def __bool__(self) -> bool:
        return bool(self.kinds)


def without_values(texts: Sequence[str], values: Values) -> dict[str, str]:
    """Return the texts that contain a value, each mapped to what may be shown of it. Lengths do not change."""
    search = _Search(values.kinds) if values else None
    if search is None or not search:
        return {}
    changed: dict[str, str] = {}
    for group in _groups(dict.fromkeys(text for text in texts if len(text) >= _EDGE)):
        for at, ranges in search.found(group):
            changed[group[at]] = _hidden(group[at], ranges)
        said = [(text, reading) for text in group for reading in readings(text)]
        for at, ranges in search.found([reading.text for _, reading in said]):
            text, reading = said[at]
            changed[text] = _hidden(changed.get(text, text), (_led_back(reading, *one) for one in ranges))
    return changed


def _led_back(reading: Spelling, start: int, end: int, kind: str) -> tuple[int, int, str]:
    """Map a match back to the original text. An encoded value is hidden completely, because initials would be meaningless."""
    first, last = reading.behind(start, end)
    return first, last, kind if last - first == end - start else SECRET


def _groups(texts: Iterable[str]) -> Iterator[list[str]]:
    group, size = [], 0
    for text in texts:
        group.append(text)
        size += len(text)
        if size > _BUFFER:
            yield group
            group, size = [], 0
    if group:
        yield group


def _hidden(text: str, ranges: Iterable[tuple[int, int, str]]) -> str:
    for start, end, kind in ranges:
        piece = text[start:end]
        text = text[:start] + (INNER.sub("*", piece) if kind == PERSONAL else stars(piece)) + text[end:]
    return text


class _Search:
    """A search compiled for one artifact. Texts are compared in lower case, with a space for each white space character."""

    def __init__(self, kinds: Mapping[str, str]) -> None:
        self._exact: dict[str, str] = {}
        long: set[str] = set()
        for value, kind in kinds.items():
            for form in _forms(value, kind):
                if kind == PERSONAL or len(form) < _GRAM or (kind == GIVEN and " " in form):
                    self._exact.setdefault(form, kind)
                else:
                    long.add(form)
        lengths: dict[tuple[str, bool], set[int]] = {}
        for form, kind in self._exact.items():
            lengths.setdefault((form[:_HEAD], kind == PERSONAL or form.isalpha()), set()).add(len(form))
        # lengths of the values with this beginning, by whether only whole words count
        self._lengths = {head: sorted(sizes, reverse=True) for head, sizes in lengths.items()}
        self._heads = _ValueTable(_hashes(_codes("\1".join(head for head, _ in self._lengths)), _HEAD))
        self._grams = _ValueTable(_hashes(_codes("\1".join(long)), _GRAM))
        secret = [*long, *(form for form, kind in self._exact.items() if kind != PERSONAL and not form.isalpha())]
        self._begins = {form[:size] for form in secret for size in range(_EDGE, _GRAM)}
        self._ends = {form[-size:] for form in secret for size in range(_EDGE, _GRAM)}

    def __bool__(self) -> bool:
        return bool(self._exact or len(self._grams.hashes))

    def found(self, texts: Sequence[str]) -> Iterator[tuple[int, list[tuple[int, int, str]]]]:
        """Yield the number of each text that contains values, and their ranges in order."""
        joined = "\0".join(_normal(text) for text in texts)
        codes = _codes(joined)
        covered = np.zeros(len(codes) + 1, bool)
        places = self._grams.places(_hashes(codes, _GRAM))
        for i in range(_GRAM):
            covered[places + i] = True
        exact = list(self._whole(joined, self._heads.places(_hashes(codes, _HEAD)).tolist()))
        first = i = 0
        for number, text in enumerate(texts):
            last = first + len(text)
            ranges = [(start - first, end - first, SECRET) for start, end in _runs(covered[first:last], first)]
            while i < len(exact) and exact[i][0] < last:
                start, end, kind = exact[i]
                ranges.append((start - first, end - first, kind))
                i += 1
            ranges += self._cut(joined[first:last])
            if ranges:
                yield number, ranges
            first = last + 1

    def _whole(self, text: str, places: Iterable[int]) -> Iterator[tuple[int, int, str]]:
        done = 0
        for at in places:
            size = self._size(text, at) if at >= done else 0
            if size:
                done = at + size
                yield at, done, self._exact[text[at:done]]

    def _size(self, text: str, at: int) -> int:
        """Return the length of the longest value there. Personal data and values made only of letters count as whole words only."""
        head = text[at : at + _HEAD]
        for size in self._lengths.get((head, False), ()):
            if len(form := text[at : at + size]) == size and form in self._exact:
                return size
        if at and text[at - 1].isalnum() and text[at].isalnum():
            return 0
        for size in self._lengths.get((head, True), ()):
            if len(form := text[at : at + size]) == size and form in self._exact and not _goes_on(text, at + size):
                return size
        return 0

    def _cut(self, text: str) -> Iterator[tuple[int, int, str]]:
        for size in range(min(_GRAM - 1, len(text)), _EDGE - 1, -1):
            if text[:size] in self._ends:
                yield 0, size, SECRET
                break
        for size in range(min(_GRAM - 1, len(text)), _EDGE - 1, -1):
            if text[-size:] in self._begins:
                yield len(text) - size, len(text), SECRET
                break


def _goes_on(text: str, at: int) -> bool:
    return text[at - 1].isalnum() and at < len(text) and text[at].isalnum()


def _forms(value: str, kind: str) -> Iterator[str]:
    """Yield the value, its secret part alone, and both in the forms that readers and form fields write."""
    parts = {value, value.strip(_TRIMMED)}
    if kind != PERSONAL and not value.isalnum():  # a token has no parts
        parts |= {found[1] for pattern in (_LOGIN, _ASSIGNED) for found in pattern.finditer(value)}
        parts |= {line for line in _LINES.split(value) if len(line) >= 2 * _GRAM}
    for part in [one for one in parts if not one.isalnum()]:
        parts |= {unescaped(part), unescaped(normalize("NFD", part)), normalize("NFC", part), part.replace(" ", "+")}
    for part in parts:
        form = _normal(visible(part))
        if len(form) < SHORTEST or form in _COMMON or not form.strip("*"):
            continue
        if kind != GIVEN or _TELLING.search(part):
            yield form


def _normal(text: str) -> str:
    low = text.lower()
    low = low if len(low) == len(text) else "".join(c.lower() if len(c.lower()) == 1 else c for c in text)
    return low if low.isprintable() else re.sub(r"\s|\0", " ", low)


def _codes(text: str) -> Codes:
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)


def _hashes(codes: Codes, size: int) -> Hashes:
    """Return a hash for each stretch of `size` characters."""
    count = max(0, len(codes) - size + 1)
    found = np.zeros(count, np.uint64)
    for i in range(size):
        found *= np.uint64(_MULTIPLIER)
        found += codes[i : i + count]
    return found


class _ValueTable:
    """A set of hashes that answers a million lookups at once."""

    def __init__(self, hashes: Hashes) -> None:
        self.hashes = np.unique(hashes)
        self._bits = max(10, min(24, len(self.hashes).bit_length() + 4))
        self._seen = np.zeros(1 << self._bits, bool)
        self._seen[self._short(self.hashes)] = True

    def _short(self, hashes: Hashes) -> npt.NDArray[np.int64]:
        return (hashes >> np.uint64(64 - self._bits)).astype(np.int64)

    def places(self, hashes: Hashes) -> npt.NDArray[np.int64]:
        """Return the positions at which a hash of the set stands."""
        if not len(self.hashes):
            return np.zeros(0, np.int64)
        likely = np.flatnonzero(self._seen[self._short(hashes)])
        at = np.minimum(np.searchsorted(self.hashes, hashes[likely]), len(self.hashes) - 1)
        found: npt.NDArray[np.int64] = likely[self.hashes[at] == hashes[likely]]
        return found


def _runs(covered: npt.NDArray[np.bool_], first: int) -> Iterator[tuple[int, int]]:
    """Yield the ranges that are covered."""
    if not covered.any():
        return
    edges = np.flatnonzero(np.diff(np.concatenate(([False], covered, [False]))))
    for start, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        yield first + start, first + end


__all__ = ["Values", "without_values"]
