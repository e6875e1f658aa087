"""Finds identifiers that the user configured, matching them in pieces of text of limited size."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from typing import Any

from veritensor_ray.core.config import CustomPii, PiiSettings
from veritensor_ray.core.errors import UsageError
from veritensor_ray.engines.pii.joining import JoinedBatch, PiiSpan, words_of
from veritensor_ray.engines.pii.validators import CUSTOM
from veritensor_ray.engines.regex_syntax import operations, parse, parts

PIECE = 4096  # characters matched at once, which limits the cost of a slow pattern
OVERLAP = 256
_NEAR = 64


@functools.lru_cache(64)
def compiled(pattern: str, ignore_case: bool) -> re.Pattern[str]:
    """Compile a pattern once per process."""
    return re.compile(pattern, re.IGNORECASE if ignore_case else 0)


def check(settings: PiiSettings) -> None:
    """Raise UsageError, naming the key, for patterns that may take exponential time and for duplicate names."""
    names = [one.name for one in settings.custom]
    for i, one in enumerate(settings.custom, 1):  # configuration messages count from 1
        if names.index(one.name) != i - 1:
            raise UsageError(f"configuration key pii.custom.{i}.name: {one.name} occurs twice")
        if _nested(parse(one.pattern), False):
            raise UsageError(
                f"configuration key pii.custom.{i}.pattern: an unlimited repetition inside another, as in (a+)+, may take forever. Limit one of them: {{1,20}}"
            )


def _nested(parsed: Any, inside: bool) -> bool:
    for operation, argument in parsed:
        repeats = operation in (operations.MAX_REPEAT, operations.MIN_REPEAT) and argument[1] > 100
        if repeats and inside:
            return True
        for part in parts(argument):
            if _nested(part, inside or repeats):
                return True
    return False


def find(joined: JoinedBatch, settings: PiiSettings) -> Iterator[PiiSpan]:
    """Yield matches of all configured patterns, each within one text."""
    for one in settings.custom:
        pattern = compiled(one.pattern, one.ignore_case)
        for begin, end in zip(joined.starts, joined.ends, strict=True):
            at = begin
            while at < end:
                last = min(at + PIECE + OVERLAP, end)
                for match in pattern.finditer(joined.text, at, last):
                    if match.end() > match.start() and (match.start() < at + PIECE or last == end):
                        yield from _held(joined, one, match)
                at += PIECE


def _held(joined: JoinedBatch, one: CustomPii, match: re.Match[str]) -> Iterator[PiiSpan]:
    if one.validator and not CUSTOM[one.validator](match.group()):
        return
    score = 0.95 if one.validator else 0.75
    if one.context:
        around = joined.before(match.start(), _NEAR) + " " + joined.after(match.end(), _NEAR // 2)
        words = {*words_of(around), *joined.column_words(match.start())}
        phrases = " ".join(words_of(around))
        if not any(word.lower() in words or (" " in word and word.lower() in phrases) for word in one.context):
            return
        score = 0.99 if one.validator else 0.9
    yield PiiSpan(f"custom-{one.name}", match.start(), match.end(), score, one.name)
