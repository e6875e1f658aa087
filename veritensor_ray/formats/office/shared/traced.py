"""Texts that remember from which bytes of a part they come. Only `clean` asks for them; an audit reads plain texts."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Any, NamedTuple, Protocol, SupportsIndex

from veritensor_ray.core.origins import Origin


class Spot(NamedTuple):
    """The beginning of a piece of text in the XML of a part.

    `at` is the byte where a run of characters begins, or the tag that holds the attribute `key` of the element `tag`.
    """

    part: str
    at: int
    tag: str
    key: str | None = None
    cdata: bool = False


class TextRun(NamedTuple):
    """Characters `first` to `last` of a piece of text, `whole` as the parser reported it. `spot` is None if the file has no such text."""

    spot: Spot | None
    whole: str
    first: int
    last: int


class Traced(str):
    """A text with the runs that it consists of, or with the fields of the spot where it stands as one piece: there may be millions of those."""

    __slots__ = ("_runs", "_spot", "_starts")
    _runs: tuple[TextRun, ...]
    _starts: list[int]  # where the runs begin; it exists once somebody has asked for runs of a text that has several
    _spot: tuple[Any, ...] | None

    def __new__(cls, text: str, runs: tuple[TextRun, ...], spot: tuple[Any, ...] | None = None) -> Traced:
        """Return the text; the lengths of its runs add up to its length."""
        self = str.__new__(cls, text)
        self._runs = runs
        self._spot = spot
        return self

    @property
    def spot(self) -> Spot | None:
        """Where the text begins in the file, if it is there."""
        if self._runs:
            return self._runs[0].spot
        return None if self._spot is None else Spot(*self._spot)

    @property
    def runs(self) -> tuple[TextRun, ...]:
        """The runs of the text, in order."""
        return self._runs or (TextRun(self.spot, str(self), 0, len(self)),)

    def strip(self, chars: str | None = None, /) -> str:
        """Return the text without characters at its ends, still traced."""
        first = len(self) - len(self.lstrip(chars))
        return self[first : max(first, len(self.rstrip(chars)))]

    def __getitem__(self, key: SupportsIndex | slice, /) -> str:
        """Return a part of the text, still traced, or one character."""
        text = str.__getitem__(self, key)
        if not isinstance(key, slice):
            return text
        first, last, _ = key.indices(len(self))
        return self if len(text) == len(self) else Traced(text, tuple(self.between(first, max(first, last))))

    def between(self, first: int, last: int) -> Iterator[TextRun]:
        """Yield the runs behind some of its characters: a paragraph may have very many, of which an edit touches few."""
        runs = self.runs
        starts = self._run_starts() if len(runs) > 1 else [0]
        for number in range(max(0, bisect_right(starts, first) - 1), len(runs)):
            run, at = runs[number], starts[number]
            if at >= last:
                break
            begin, end = max(first, at), min(last, at + run.last - run.first)
            if begin < end:
                yield run._replace(first=run.first + begin - at, last=run.first + end - at)

    def _run_starts(self) -> list[int]:
        if not hasattr(self, "_starts"):
            self._starts = [0, *accumulate(run.last - run.first for run in self._runs)]
        return self._starts


def joined(pieces: Iterable[str]) -> str:
    """Join texts, traced or not, into a traced one."""
    some = pieces if isinstance(pieces, list) else list(pieces)
    if len(some) == 1 and isinstance(some[0], Traced):
        return some[0]
    runs: list[TextRun] = []
    for piece in some:
        runs += piece.runs if isinstance(piece, Traced) else (TextRun(None, piece, 0, len(piece)),)
    return Traced("".join(some), tuple(runs))


Join = Callable[[Iterable[str]], str]
plainly: Join = "".join


def in_lines(pieces: Sequence[str], join: Join) -> str:
    """Join texts with line ends between them, by the same means as `join`."""
    if join is plainly:
        return "\n".join(pieces)
    return join([one for number, piece in enumerate(pieces) for one in (("\n", piece) if number else (piece,))])


def on_one_line(text: str) -> str:
    """Return a text with blanks for its line ends, traced if it was."""
    if "\n" not in text:
        return text
    new = text.replace("\n", " ")
    return Traced(new, text.runs) if isinstance(text, Traced) else new


class Tracer(Protocol):
    """Follows the reading of one part."""

    @property
    def wants(self) -> Mapping[str, bool]:
        """Which elements it follows to their ends, by tag."""

    def start(self, tag: str, attrs: dict[str, str], at: int) -> dict[str, str]:
        """Note the start tag of a followed element, or one with attributes, at byte `at`. Returns its attributes with traced values."""

    def end(self, tag: str, at: int) -> None:
        """Note the end tag of a followed element at byte `at`, before its walker handles it."""

    def ended(self, tag: str) -> None:
        """Note the end of a followed element after its walker has handled it."""

    def taking(self, take: Callable[[str], object], parser: Any) -> Callable[[str], object]:
        """Return what receives the characters of the parser, and gives them to `take` as traced texts."""

    def comment(self, text: str, at: int) -> str:
        """Return the comment at byte `at` as a traced text."""

    def cdata(self, begins: bool) -> None:
        """Note that a CDATA section begins or ends."""

    def added(
        self, part: str | None, text: str, view: str, column: str | None, row: int | None, start: int, origins: Sequence[Origin] | None
    ) -> None:
        """Note a text that is read; see `Texts.add`."""

    def repeated(self, part: str | None, text: str) -> None:
        """Note a text that repeats what has been read, and is not read again."""

    def placed(self, part: str | None, row: int) -> None:
        """Note in which row of which sheet the cell stands whose start tag came last, for formats whose cells do not say so."""


Trace = Callable[[str], Tracer]  # by the name of the part
