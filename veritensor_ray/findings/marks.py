"""Every single place that an engine reported, exactly as `clean` needs it: findings list only the first places of equal evidence.

A run keeps marks only while it cleans. They hold the matched text in clear, so they stay in memory and are never written.
"""

from __future__ import annotations

from typing import NamedTuple

from veritensor_ray.detection import FileInfo, Hit
from veritensor_ray.findings.positions import Place


class Mark(NamedTuple):
    """One place that a rule reported.

    `start` and `end` are characters of the unit that `part`, `page`, `row` and `column` name, as the reader counts them: of the whole file
    for formats made of lines. If `over_bytes`, they are bytes of the file instead. `text` is what the engine matched; None if the hit was
    over bytes, or its evidence was put together. `straight` means that the unit's characters from `start` to `end` are that text.
    """

    rule: str
    severity: str
    member: str | None
    part: str | None
    page: int | None
    row: int | None
    column: str | None
    view: str
    decoded_via: str | None
    start: int
    end: int
    text: str | None
    straight: bool
    over_bytes: bool = False


def text_mark(place: Place, hit: Hit, severity: str, start: int, end: int) -> Mark:
    """Return the mark of a hit in a text; `start` and `end` are the original's characters behind it."""
    values = place.values
    return Mark(
        hit.rule,
        severity,
        values["member"],
        values["part"],
        values["page"],
        values["row"],
        values["column"],
        values["view"],
        values["decoded_via"],
        start,
        end,
        None if hit.evidence is not None else place.text[hit.start : hit.end],
        straight=place.is_original and hit.evidence is None,
    )


def bytes_mark(about: FileInfo, hit: Hit, severity: str) -> Mark:
    """Return the mark of a hit in the bytes of a file."""
    return Mark(
        hit.rule,
        severity,
        about.member,
        None,
        None,
        None,
        None,
        "visible",
        None,
        hit.start,
        max(hit.end, hit.start),
        None,
        straight=False,
        over_bytes=True,
    )
