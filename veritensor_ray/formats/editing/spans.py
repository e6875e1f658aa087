"""Finds the characters of a text that have to go because of a finding, which may be more than its rule matched."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from veritensor_ray.core.invisible_characters import INVISIBLE
from veritensor_ray.formats.editing.actions import Action
from veritensor_ray.formats.editing.marks import Mark
from veritensor_ray.masking.secret_kinds.secret_shapes import KEY_REST

_KEY, _KEY_END = "-----BEGIN", "-----END"
_LONGEST_KEY = 16_384
Range = tuple[int, int]
Runs = Callable[[str, int, int], Iterator[Range]]  # the runs of invisible characters in a part of a text
UNSEEN_VIEWS = ("hidden", "comment", "metadata")  # texts that people do not see
ENCODED = re.compile(r"[A-Za-z0-9+/=_%&#;\\-]+")
_RUN_ENCODINGS = ("base64", "hex", "url", "percent", "quoted", "escape", "entities", "base32", "base85", "ascii85")
UNSEEN = re.compile(f"[{INVISIBLE}]+")
_LETTER = "[0-9A-Za-z\u00c0-\u024f\u0370-\u052f@._ -]"
# Invisible characters that no script and no picture needs: between letters that take none, or more in a row than anything is written with.
NEEDLESS = re.compile(
    f"(?<={_LETTER}){UNSEEN.pattern}(?={_LETTER})|(?<!\U0001f3f4)(?<![\U000e0020-\U000e007f])[\U000e0020-\U000e007f]{{4,}}"
    "|[\ufe00-\ufe0f\U000e0100-\U000e01ef]{4,}|[\u200b-\u200d\u2060-\u2064\ufeff]{16,}"
)


def invisible_runs(value: str, start: int, end: int) -> Iterator[Range]:
    """Yield the runs of invisible characters in a part of a text."""
    return (found.span() for found in UNSEEN.finditer(value, start, end))


def is_there(mark: Mark, value: str) -> bool:
    """Return whether a text has the characters of a mark, and its text if that stands in the file as it is."""
    return 0 <= mark.start <= mark.end <= len(value) and not (mark.straight and value[mark.start : mark.end] != mark.text)


def spans(
    mark: Mark,
    action: Action,
    value: str,
    at: Range | None = None,
    runs: Runs = invisible_runs,
) -> list[Range]:
    """Return the ranges of a text that an action changes. `at` is where the mark is, if it does not count the characters of this text.

    Stripping visible text removes each run of invisible characters by itself, as found by `runs`, so that everything visible stays; without
    such a run, it removes the text. Hidden values are stripped as a whole, and encoded texts are changed as a whole.
    """
    start, end = at or (mark.start, mark.end)
    if action is Action.STRIP and mark.view == "visible":
        start, end = _widened(value, start, end, UNSEEN)
        return [*runs(value, start, end)] or [(start, end)]
    if action is Action.STRIP and mark.view in UNSEEN_VIEWS and mark.column is not None:
        return [(0, len(value))]
    if mark.view == "decoded" and any(name in (mark.decoded_via or "").lower() for name in _RUN_ENCODINGS):
        start, end = _widened(value, start, end, ENCODED)
    if mark.text is not None and mark.text.startswith(_KEY) and _KEY_END not in mark.text:
        # engines see a long text in pieces, and the key may go on in the next one
        rest = KEY_REST.match(value, end, end + _LONGEST_KEY)
        end = rest.end() if rest else end
    if start < end:  # a run of invisible characters is not cut in two
        start = _widened(value, start, start, UNSEEN)[0] if UNSEEN.match(value[start]) else start
        end = _widened(value, end, end, UNSEEN)[1] if UNSEEN.match(value[end - 1]) else end
    return [(start, end)]


def _widened(value: str, start: int, end: int, pattern: re.Pattern[str]) -> Range:
    """Return a range with all characters of a kind that stand directly before and after it."""
    while start > 0 and pattern.match(value[start - 1]):
        start -= 1
    more = pattern.match(value, end)
    return start, more.end() if more else end
