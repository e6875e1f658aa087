"""What is shown of a hit and its surroundings, redacted as one text.

It does not depend on engines or on positions in a file.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Sequence
from typing import NamedTuple

from veritensor_ray.core.detection import CONTEXT, EVIDENCE
from veritensor_ray.masking.redaction import INNER, PERSONAL, SECRET, Note, blanked, mask, masked_with_values, stars, visible

MARGIN = 200  # characters read around the shown text, so that a secret at its edge is still recognized
_INSIDE = re.compile(rf"[\w+/=.*-]{{{MARGIN},}}", re.ASCII)  # a run that starts before the text may be the inside of any key or token
_INSIDE_WIDE = re.compile(
    rf"[\w+/=.*-]{{{MARGIN // 4},}}", re.ASCII
)  # the same for text with two or four bytes per character, without its NULs
_RUN, _DIGIT = re.compile(r"[A-Za-z0-9+/=_-]{16,}"), re.compile("[0-9]")
_AROUND = CONTEXT + MARGIN
KEYED = 4096  # characters of a hit that identify it
_PIECE = 8192  # characters that are masked at once for hits close together

Masks = Callable[[int, int, Note], str]  # masks a range of a text


class Evidence(NamedTuple):
    """A hit as it stands in the text, and what is shown of it and around it."""

    raw: str
    shown: str
    before: str
    after: str


def around(length: int, start: int, end: int) -> tuple[int, int]:
    """Return the range to read for a hit `[start, end)`.

    It is wider than what is shown, so that a secret at the edge is still recognized.
    """
    left, right = start - _AROUND, (end if end < start + EVIDENCE else start + EVIDENCE) + _AROUND
    return left if left > 0 else 0, right if right < length else length


class SharedMasks:
    """A text with many hits, masked once for hits that are close together.

    Masking each hit alone would mask its neighbors again and again. `windows` are the ranges around the hits, in the order of the hits.
    """

    def __init__(self, text: str, windows: Sequence[tuple[int, int]]) -> None:
        self._text = text
        self._pieces: list[tuple[int, int]] = []
        self._piece_of: list[int] = []
        first, last, number = 0, -1, -1
        self._ready: tuple[int, str] = (-1, "")
        self.may_be_wide = "\0" in text
        for left, right in windows:
            if left < last and right - first <= _PIECE:
                last = right if right > last else last
                self._pieces[number] = first, last
            else:
                first, last, number = left, right, number + 1
                self._pieces.append((left, right))
            self._piece_of.append(number)

    def ready(self, number: int) -> bool:
        """Return whether everything around a hit has been noted: its piece is masked and does not have two bytes per character."""
        return self._ready[0] == self._piece_of[number] and not self.may_be_wide

    def of(self, number: int, left: int, right: int, note: Note) -> str:
        """Return the masked window of a hit."""
        self.note(number, note)
        first = self._pieces[self._piece_of[number]][0]
        return self._ready[1][left - first : right - first]

    def note(self, number: int, note: Note) -> None:
        """Note the values around a hit."""
        piece = self._piece_of[number]
        if self._ready[0] != piece:
            masked, values = masked_with_values(self._text[slice(*self._pieces[piece])])
            for kind, value in values:
                note(kind, value)
            self._ready = piece, masked


class EvidenceAhead:
    """A hit that can be shown later. Its surroundings are masked at once, to note values that must not be shown elsewhere.

    `masks` masks ranges of the text, if the caller shares that work. `is_cut` means that more text precedes this one.
    """

    def __init__(self, text: str, start: int, end: int, category: str, note: Note, is_cut: bool, masks: Masks | None = None) -> None:
        self.raw = text[start : min(end, start + KEYED)]
        self._category, self._note = category, note
        self._left, right = around(len(text), start, end)
        self._start, self._end = start - self._left, min(end, start + EVIDENCE) - self._left
        self._text = text[self._left : right]
        self._is_cut = bool(self._left) or is_cut
        self._masked = masks(self._left, right, note) if masks else mask(self._text, note)
        self._covered = self._cover() if _is_wide(self._text) else None

    def _cover(self) -> str:
        return covered_around(self._text, self._masked, self._start, self._end, self._category, self._note, self._is_cut)

    def evidence(self) -> Evidence:
        """Return the hit and its surroundings, redacted as one text before they are cut.

        Personal data keeps the initials of its words. A secret keeps an eighth of its length, at most four characters: the prefix of a
        token.
        """
        covered = self._cover() if self._covered is None else self._covered
        first, start, end = max(0, self._start - CONTEXT), self._start, self._end
        before, shown, after = (visible(covered[a:b]) for a, b in ((first, start), (start, end), (end, end + CONTEXT)))
        return Evidence(self.raw, shown[:EVIDENCE], before[-CONTEXT:], after[:CONTEXT])


def evidence_of(text: str, start: int, end: int, category: str, note: Note, is_cut: bool) -> Evidence:
    """Return the evidence of a single hit."""
    return EvidenceAhead(text, start, end, category, note, is_cut).evidence()


def masked_around(text: str, start: int, end: int, category: str, note: Note, is_cut: bool) -> str:
    """Mask a text with a hit `[start, end)` of that category. The length does not change.

    `is_cut` means that more text precedes this one.
    """
    return covered_around(text, mask(text, note), start, end, category, note, is_cut)


def covered_around(text: str, masked: str, start: int, end: int, category: str, note: Note, is_cut: bool) -> str:
    """Finish a text that is already masked: mask the hit, and what only its surroundings reveal."""
    inside = _INSIDE if is_cut else None
    masked = _without_inside(masked, start, end, inside) if inside else masked
    wide = _is_wide(text)
    if wide:
        masked = _masked_wide(text, masked, start, end, note, inside and _INSIDE_WIDE)
    if category == PERSONAL:
        return masked[:start] + (stars(masked[start:end]) if wide else INNER.sub("*", masked[start:end])) + masked[end:]
    return _covered(masked, slice(start, end)) if category == SECRET else masked


def _is_wide(text: str) -> bool:
    """Return whether the text has two or four bytes per character."""
    return text.count("\0") * 3 > len(text)


def _masked_wide(text: str, masked: str, start: int, end: int, note: Note, inside: re.Pattern[str] | None) -> str:
    """Mask text with two or four bytes per character also by what it says without its NULs."""
    places = [at for at, character in enumerate(text) if character != "\0"]
    said = "".join(text[at] for at in places)
    covered, shown = mask(said, note), list(masked)
    if inside:
        covered = _without_inside(covered, bisect_left(places, start), bisect_left(places, end), inside)
    for at, character in zip(places, covered, strict=True):
        if character == "*":
            shown[at] = character
    return "".join(shown)


def _without_inside(text: str, start: int, end: int, inside: re.Pattern[str]) -> str:
    """Mask a random-looking run at the beginning of the text, which may be the inside of any key, except in the hit."""
    run = inside.match(text)
    if run is None or not (_has_digit(run.group()) and any(map(str.isupper, run.group())) and any(map(str.islower, run.group()))):
        return text
    size = run.end()
    return stars(text[: min(size, start)]) + text[min(size, start) : end] + stars(text[end : max(end, size)]) + text[max(end, size) :]


def _covered(text: str, hit: slice) -> str:
    """Mask a secret, and random-looking text next to it that may be the other half of a pair."""
    keep = min(4, (hit.stop - hit.start) // 8)
    inside = text[hit][:keep] + blanked(text[hit][keep:])
    return _without_runs(text[: hit.start]) + inside + _without_runs(text[hit.stop :])


def _without_runs(text: str) -> str:
    """Mask what looks random."""
    if not _has_digit(text):  # often, because the secrets around are masked already
        return text
    return _RUN.sub(lambda run: "*" * len(run.group()) if _has_digit(run.group()) else run.group(), text)


def _has_digit(text: str) -> bool:
    return _DIGIT.search(text) is not None
