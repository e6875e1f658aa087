"""Texts that remember from which bytes of a part they come. Only `clean` asks for them; an audit reads plain texts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple, Protocol, SupportsIndex

from veritensor_ray.origins import Origin


class Spot(NamedTuple):
    """The beginning of a piece of text in the XML of a part.

    `at` is the byte where a run of characters begins, or the tag that holds the attribute `key` of the element `tag`.
    """

    part: str
    at: int
    tag: str
    key: str | None = None
    cdata: bool = False


class Run(NamedTuple):
    """Characters `first` to `last` of a piece of text, `whole` as the parser reported it. `spot` is None if the file has no such text."""

    spot: Spot | None
    whole: str
    first: int
    last: int


class Traced(str):
    """A text with the runs that it consists of, or with the spot where it stands as one piece: there may be millions of those."""

    __slots__ = ("_runs", "_spot")
    _runs: tuple[Run, ...]
    _spot: Spot | None

    def __new__(cls, text: str, runs: tuple[Run, ...], spot: Spot | None = None) -> Traced:
        """Return the text; the lengths of its runs add up to its length."""
        self = super().__new__(cls, text)
        self._runs, self._spot = runs, spot
        return self

    @property
    def runs(self) -> tuple[Run, ...]:
        """The runs of the text, in order."""
        return self._runs or (Run(self._spot, str(self), 0, len(self)),)

    def strip(self, chars: str | None = None, /) -> Traced:
        """Return the text without characters at its ends, still traced."""
        first = len(self) - len(self.lstrip(chars))
        return self[first : max(first, len(self.rstrip(chars)))]

    def __getitem__(self, key: SupportsIndex | slice, /) -> Traced:
        """Return a part of the text, still traced."""
        text = super().__getitem__(key)
        if not isinstance(key, slice):
            key = slice(key, len(self) if int(key) == -1 else int(key) + 1)
        first, last, _ = key.indices(len(self))
        return self if len(text) == len(self) else Traced(text, tuple(self.between(first, max(first, last))))

    def between(self, first: int, last: int) -> Iterator[Run]:
        """Yield the runs behind some of its characters."""
        at = 0
        for run in self.runs:
            length = run.last - run.first
            begin, end = max(first, at), min(last, at + length)
            if begin < end:
                yield run._replace(first=run.first + begin - at, last=run.first + end - at)
            at += length


def joined(pieces: Iterable[str]) -> str:
    """Join texts, traced or not, into a traced one."""
    some = list(pieces)
    if len(some) == 1 and isinstance(some[0], Traced):
        return some[0]
    runs: list[Run] = []
    for piece in some:
        runs += piece.runs if isinstance(piece, Traced) else (Run(None, piece, 0, len(piece)),)
    return Traced("".join(some), tuple(runs))


Join = Callable[[Iterable[str]], str]
plainly: Join = "".join


class Added(NamedTuple):
    """A text as a walker adds it to the texts of its part; see `Texts.add`."""

    part: str | None
    text: str
    view: str
    column: str | None
    row: int | None
    start: int
    origins: Sequence[Origin] | None


class Tracer(Protocol):
    """Follows the reading of one part."""

    def start(self, tag: str, attrs: dict[str, str], at: int) -> dict[str, str]:
        """Note the start tag at byte `at`, and return its attributes with traced values."""

    def end(self, tag: str, at: int) -> None:
        """Note the end of an element, before its walker handles it."""

    def ended(self, tag: str) -> None:
        """Note the end of an element, after its walker has handled it."""

    def characters(self, text: str, at: int) -> str:
        """Return the characters at byte `at` as a traced text."""

    def comment(self, text: str, at: int) -> str:
        """Return the comment at byte `at` as a traced text."""

    def cdata(self, begins: bool) -> None:
        """Note that a CDATA section begins or ends."""

    def added(self, added: Added) -> None:
        """Note a text that is read."""

    def repeated(self, part: str | None, text: str) -> None:
        """Note a text that repeats what has been read, and is not read again."""


Trace = Callable[[str], Tracer]  # by the name of the part
