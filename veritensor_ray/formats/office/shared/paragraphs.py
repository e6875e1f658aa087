"""Splits a paragraph with differently visible characters into one text per view, with locations."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from veritensor_ray.core.origins import Origin
from veritensor_ray.formats.office.shared.traced import Join, plainly

Pieces = list[tuple[str, list[str]]]
"""Characters in order, as runs with the view of each."""


class Told(NamedTuple):
    """A text of a paragraph. `start` counts only if `origins` is None, that is, if the text has no interruptions."""

    kind: str
    text: str
    start: int
    origins: Sequence[Origin] | None


def pieces_of(pieces: Pieces, kind: str) -> list[str]:
    """The list to which the next characters of that view are added."""
    if not pieces or pieces[-1][0] != kind:
        pieces.append((kind, []))
    return pieces[-1][1]


def length_of(pieces: Pieces) -> int:
    """The number of characters so far."""
    return sum(len(piece) for _, some in pieces for piece in some)


def told(pieces: Pieces, at: int, join: Join = plainly) -> tuple[list[Told], int]:
    """The texts of a paragraph that begins at `at`, unless they are only white space, and its length; 0 if it has no characters."""
    runs = [(kind, text) for kind, some in pieces if (text := join(some))]
    length = sum(len(text) for _, text in runs)
    if len({kind for kind, _ in runs}) <= 1:
        text = join(text for _, text in runs)
        return ([Told(runs[0][0], text, at, None)] if text and not text.isspace() else []), length
    return list(_apart(runs, at, join)), length


def _apart(runs: list[tuple[str, str]], at: int, join: Join) -> Iterator[Told]:
    texts: dict[str, list[str]] = {}
    origins: dict[str, list[Origin]] = {}
    sizes = Counter[str]()
    for kind, text in runs:
        origins.setdefault(kind, []).append(Origin(sizes[kind], at, at + len(text)))
        texts.setdefault(kind, []).append(text)
        sizes[kind] += len(text)
        at += len(text)
    for kind, some in texts.items():
        if not (text := join(some)).isspace():
            yield Told(kind, text, 0, origins[kind])
