"""A passage of the corpus around a finding, and the lines that show it. It does not depend on readers or terminals."""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from veritensor_ray.masking.redaction import visible

MOST_LINES = 100
HIT = 4096  # characters shown of a hit
ROW = 16  # bytes in a line
_LINE = 400  # maximum average length of a line, in characters


@dataclass(frozen=True, slots=True)
class Amount:
    """How much of a passage is shown: a number of lines on each side of the hit."""

    lines: int

    @property
    def chars(self) -> int:
        """The maximum number of characters shown on each side."""
        return _LINE * (self.lines + 1)

    def edges(self, text: str, start: int, end: int, kind: str) -> tuple[int, int]:
        """Return where the lines around the hit `[start, end)` begin and end."""
        if kind == "bytes":
            return max(0, start - ROW * self.lines), min(len(text), end + ROW * self.lines)
        first, last = start, end
        for _ in range(self.lines + 1):
            first = text.rfind("\n", 0, first)
            if first < 0:
                break
        for number in range(self.lines + 1):
            last = text.find("\n", last + (number > 0))
            if last < 0:
                last = len(text)
                break
        return max(first + 1, start - self.chars), min(last, end + self.chars)


@dataclass(frozen=True, slots=True)
class ShownLine:
    """A line as it is shown: its line number (or byte offset), and its pieces, each with a flag for the hit."""

    number: int | None
    pieces: tuple[tuple[str, bool], ...]

    @property
    def hit(self) -> bool:
        """Whether a part of the hit is in it."""
        return any(is_hit for _, is_hit in self.pieces)


@dataclass(frozen=True, repr=False)
class Passage:
    """The text around a finding: the characters `before`, the hit itself (`text`), and `after`, masked unless `revealed`.

    If `kind` is `bytes`, each character is a byte. `cells` holds names and beginnings of the other cells of the row, or of named values
    nearby. `first` is the number of the first line or the offset of the first byte; None if neither applies. The characters come straight
    from the corpus: print `str(passage)` instead, which is safe to show. `blind` means that every word is masked, because the artifact has
    more findings than rows.
    """

    finding: Mapping[str, Any]
    location: Mapping[str, Any]
    before: str
    text: str
    after: str
    kind: str = "text"
    first: int | None = None
    cells: tuple[tuple[str, str], ...] = ()
    revealed: bool = False
    cut: tuple[bool, bool, bool] = (False, False, False)  # whether more follows: before the first line, in the hit, after the last line
    blind: bool = False

    def lines(self) -> Iterator[ShownLine]:
        """Yield the passage line by line, free of anything a terminal or a web page would interpret."""
        yield from self._dump() if self.kind == "bytes" else self._written()

    def _written(self) -> Iterator[ShownLine]:
        parts = ((f"{'…' * self.cut[0]}{self.before}", False), (f"{self.text}{'…' * self.cut[1]}", True))
        number, pieces = self.first, list[tuple[str, bool]]()
        for text, is_hit in (*parts, (f"{self.after}{'…' * self.cut[2]}", False)):
            for count, piece in enumerate(text.split("\n")):
                if count:
                    yield ShownLine(number, tuple(pieces))
                    number, pieces = None if number is None else number + 1, []
                if piece or is_hit:
                    pieces.append((visible(piece.rstrip("\r")), is_hit))
        yield ShownLine(number, tuple(pieces))

    def _dump(self) -> Iterator[ShownLine]:
        data = f"{self.before}{self.text}{self.after}"
        begin, end = len(self.before), len(self.before) + max(1, len(self.text))
        for at in range(0, len(data), ROW):
            row = range(at, min(at + ROW, len(data)))
            numbers = [(f"{ord(data[i]):02x} ", begin <= i < end) for i in row]
            said = [(data[i] if data[i].isascii() and data[i].isprintable() else ".", begin <= i < end) for i in row]
            gap = (f"{'   ' * (ROW - len(row))} ", False)
            yield ShownLine((self.first or 0) + at, tuple(_joined([*numbers, gap, *said])))

    def __repr__(self) -> str:
        about = f"{self.finding['rule_id']} in {visible(self.finding['artifact'])}"
        size = len(self.before) + len(self.text) + len(self.after)
        return f"<Passage of {about}: {size:,} {'bytes' if self.kind == 'bytes' else 'characters'}, {'revealed' if self.revealed else 'masked'}>"

    def __str__(self) -> str:
        return "\n".join("".join(piece for piece, _ in line.pieces) for line in self.lines())

    def _repr_html_(self) -> str:
        shown = "\n".join(
            "".join(f"<mark>{html.escape(piece)}</mark>" if is_hit else html.escape(piece) for piece, is_hit in line.pieces)
            for line in self.lines()
        )
        rows = "".join(f"<tr><th>{html.escape(visible(n))}</th><td>{html.escape(visible(text))}</td></tr>" for n, text in self.cells)
        about = " · ".join(html.escape(visible(str(self.finding[name]))) for name in ("severity", "rule_id", "artifact"))
        return f"<p>{about}</p><pre>{shown}</pre><table>{rows}</table>"


def _joined(pieces: list[tuple[str, bool]]) -> Iterator[tuple[str, bool]]:
    """Join neighboring pieces of the same kind."""
    text, kind = "", False
    for piece, is_hit in pieces:
        if is_hit != kind and text:
            yield text, kind
            text = ""
        text, kind = text + piece, is_hit
    if text:
        yield text, kind
