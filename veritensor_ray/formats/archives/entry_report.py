"""Collects the irregularities of an archive while its members are read, in bounded numbers: 100,000 bad names must not become 100,000
findings.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

from veritensor_ray.core.reasons import ReasonCode
from veritensor_ray.core.segments import Block, Gap
from veritensor_ray.formats.archives.entry_names import hazards
from veritensor_ray.formats.json.value_tree import may_be_value
from veritensor_ray.formats.residue.xml_tokens import may_matter

_EACH = 50  # this many of a kind are reported one by one
_SUMMED_UP = frozenset({"encrypted-member"})  # one password, one notice
_LONGEST = 1000
_BATCH, _BATCH_CHARS = 4096, 1 << 20


class ArchiveReport:
    """The notices and gaps of one archive."""

    def __init__(self) -> None:
        self._notices: list[tuple[str, str]] = []
        self._gaps: list[Gap] = []
        self._names: list[str] = []
        self._chars = 0
        self._told: Counter[str] = Counter()
        self._summed: dict[str, str] = {}
        self._first: dict[str, Gap] = {}

    def notice(self, kind: str, text: str) -> None:
        """Add a notice: a kind for which the engine `structure` has a rule, and the name or words that show it."""
        self._told[kind] += 1
        if kind in _SUMMED_UP:
            self._summed.setdefault(kind, text[:_LONGEST])
        elif self._told[kind] <= _EACH:
            self._notices.append((kind, text[:_LONGEST]))

    def name(self, name: str) -> None:
        """Add the notices for a name, and the name itself if it may be a value, such as an email address."""
        for kind in hazards(name):
            self.notice(kind, name)
        if any(may_be_value(part) and may_matter(part) for part in name.split("/")):
            self._names.append(name)
            self._chars += len(name)

    def gap(self, reason: str, member: str | None = None, bound: str | None = None, code: ReasonCode | None = None) -> None:
        """Add a gap for a member that was not read. Many gaps with the same reason become one."""
        gap = self._first.setdefault(f"gap {reason}", Gap(reason, bound=bound, code=code))
        self._told[f"gap {reason}"] += 1
        if self._told[f"gap {reason}"] <= _EACH:
            self._gaps.append(replace(gap, member=member))

    def take(self) -> Iterator[Block | Gap]:
        """Yield what was collected since the last call, and names once there are many."""
        if len(self._names) >= _BATCH or self._chars >= _BATCH_CHARS:
            yield from self._take_names()
        if self._notices:
            yield Block([text for _, text in self._notices], view="metadata", notice=[kind for kind, _ in self._notices])
        yield from self._gaps
        self._notices, self._gaps = [], []

    def rest(self) -> Iterator[Block | Gap]:
        """Yield the rest at the end, with counts of everything that was not reported one by one."""
        for kind, count in self._told.items():
            if count > _EACH and kind in self._first:
                self._gaps.append(replace(self._first[kind], count=count - _EACH))
            elif kind in _SUMMED_UP:
                more = f" and {count - 1} more" if count > 1 else ""
                self._notices.append((kind, f"{self._summed[kind]}{more}"))
            elif count > _EACH:
                self._notices.append((kind, f"{kind}: {count - _EACH} more"))
        yield from (*self.take(), *self._take_names())
        self._told.clear()

    def _take_names(self) -> Iterator[Block]:
        if self._names:
            yield Block(self._names, column="names", view="metadata")
            self._names, self._chars = [], 0


class Comments:
    """Collects the comments of an archive and its members into blocks."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._of: list[str] = []

    def add(self, text: str, of: str) -> None:
        """Add a comment of the member `of`."""
        if text.strip("\x00 \r\n\t"):
            self._texts.append(text)
            self._of.append(of[:256])

    def take(self, least: int = 1) -> Iterator[Block]:
        """Yield the collected comments if there are at least `least` of them."""
        if len(self._texts) >= least:
            yield Block(self._texts, column=self._of, view="metadata")
            self._texts, self._of = [], []

    def full(self) -> Iterator[Block]:
        """Yield the collected comments if they fill a block."""
        return self.take(_BATCH)
