"""What engines have found in one artifact so far: facts with their first places, full counts, and values to hide.

A fact is equal evidence of one rule in one file. It has one row, however many places it has. The row shows the first place with the fact's
highest severity. It does not depend on segments.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from veritensor_ray.core import bounds
from veritensor_ray.core.config import SEVERITIES
from veritensor_ray.core.detection import unknown_value
from veritensor_ray.findings.located import Located, PlaceTexts
from veritensor_ray.formats.editing.marks import Marks
from veritensor_ray.masking.concealment import Covered
from veritensor_ray.masking.sensitive_values import Values

RANK: dict[str, int] = {name: rank for rank, name in enumerate(SEVERITIES)}
Fact = tuple[str | None, bytes]  # the file in the artifact, and the key of the evidence, which depends on the rule


@dataclass(slots=True)
class Tally:
    """A line of the rollup. Its counts are complete even if some findings have no row."""

    count: int = 0
    keys: set[bytes] = field(default_factory=set)

    def add(self, count: int, keys: Iterable[bytes]) -> None:
        """Add `count` places with evidence of these keys."""
        self.count += count
        self.keys.update(keys)


@dataclass(slots=True)
class Recorded:
    """The results for one artifact after a stage.

    `facts` are rows (schema COMMITTED_FINDING, plus `shown` until the commit). `tallies` are keyed by column, rule and severity. `values`
    must not be shown anywhere, and `covered` is where they stand. `marks` are for `clean`, and empty otherwise. `located` is every place, if
    the run asks for them.
    """

    facts: dict[Fact, dict[str, Any]] = field(default_factory=dict)
    tallies: dict[tuple[str | None, str, str], Tally] = field(default_factory=dict)
    values: Values = field(default_factory=Values)
    covered: Covered = field(default_factory=Covered)
    located: Located | None = None
    _marks: Marks | None = None  # made when the first one comes, since most artifacts of most runs have none
    _facts_of: dict[str, int] = field(default_factory=dict)
    _places_of: dict[str, int] = field(default_factory=dict)

    @property
    def marks(self) -> Marks:
        """Return the marks, to which the recorder adds."""
        if self._marks is None:
            self._marks = Marks()
        return self._marks

    def forget_marks(self) -> None:
        """Drop the marks once nobody needs them any more."""
        self._marks = None

    @property
    def rows(self) -> list[dict[str, Any]]:
        """Return the rows in the order in which their facts first appeared."""
        return list(self.facts.values())

    def tally(self, column: str | None, rule: str, severity: str) -> Tally:
        """Return the line of the rollup for these."""
        found = self.tallies.get((column, rule, severity))
        if found is None:
            if severity not in RANK:  # an engine's own; checked here because few hits are the first of their kind
                raise ValueError(unknown_value(f"a hit of {rule}: severity", severity, SEVERITIES))
            found = self.tallies[column, rule, severity] = Tally()
        return found

    def merge(self, other: Recorded, limit: int) -> None:
        """Merge what another stage found, with at most `limit` facts per rule."""
        for fact, row in other.facts.items():
            self.keep(fact, row, limit)
        self.values.merge(other.values)
        self.covered.merge(other.covered, limit)
        if self._marks is None:
            self._marks = other._marks  # without a second copy
        elif other._marks is not None:
            self._marks.extend(other._marks)
        if self.located is None:
            self.located = other.located
        elif other.located is not None:
            self.located.merge(other.located)
        for key, tally in other.tallies.items():
            self.tally(*key).add(tally.count, tally.keys)

    def locate(self, fact: Fact, spot: PlaceTexts, location: Mapping[str, Any], limit: int) -> None:
        """Keep a place in full, before its fact is kept or counted."""
        if self.located is None:
            self.located = Located()
        has_row = fact in self.facts or self._facts_of.get(spot.rule_id, 0) < limit
        self.located.add(fact if has_row else None, spot, location)

    def is_full_of(self, rule: str, limit: int) -> bool:
        """Return whether a rule has all the facts it may have, so that no others get a row."""
        return self._facts_of.get(rule, 0) >= limit

    def counted(self, fact: Fact, rule: str, severity: str, confidence: float, hides: bool, limit: int) -> bool:
        """Count another place of a fact if counting is all that remains to do. Returns whether it did.

        `hides` means that the place itself must be recorded while there is room, because nothing of it may be shown.
        """
        known = self.facts.get(fact)
        if known is None:
            return self.is_full_of(rule, limit)
        room = (hides or len(known["places"]) < bounds.PLACES) and self._places_of.get(rule, 0) < limit
        if room or RANK[severity] > RANK[known["severity"]]:
            return False
        known["counts"][RANK[severity]] += 1
        known["confidence"] = max(known["confidence"], confidence)
        return True

    def count(self, tally: Tally, fact: Fact, severity: str) -> None:
        """Count one more place of a fact for which `counted` was true before."""
        tally.count += 1
        if (known := self.facts.get(fact)) is not None:
            known["counts"][RANK[severity]] += 1

    def known_enough(self, fact: Fact, rule: str, severity: str, confidence: float, location: Mapping[str, Any]) -> bool:
        """Count another place of a fact whose list of places is full and earlier than this one. Returns whether it did."""
        known = self.facts.get(fact)
        if known is None or len(known["places"]) < bounds.PLACES or RANK[severity] > RANK[known["severity"]]:
            return False
        if order(location) < max(order(known["places"][-1]), order(known["location"])):
            return False
        known["counts"][RANK[severity]] += 1
        known["confidence"] = max(known["confidence"], confidence)
        self._places_of[rule] = self._places_of.get(rule, 0) + 1
        return True

    def keep(self, fact: Fact, row: dict[str, Any], limit: int) -> None:
        """Merge a row with that of its fact.

        Once a rule has reached its limit, no new facts are kept, and no further places of old ones.
        """
        rule, known = row["rule_id"], self.facts.get(fact)
        if known is None:
            if self._facts_of.get(rule, 0) >= limit:
                return
            self._facts_of[rule] = self._facts_of.get(rule, 0) + 1
            self.facts[fact] = row
        else:
            self.facts[fact] = joined(known, row, self._places_of.get(rule, 0) < limit)
        self._places_of[rule] = self._places_of.get(rule, 0) + len(places(row))


def joined(first: Mapping[str, Any], later: Mapping[str, Any], room: bool = True) -> dict[str, Any]:
    """Merge two rows of one fact, in either order. Without `room`, only the place that is shown is kept."""
    ranks = RANK[first["severity"]], RANK[later["severity"]]
    sooner = ranks[0] == ranks[1] and order(later["location"]) < order(first["location"])
    shown = later if sooner or ranks[1] > ranks[0] else first
    return {
        **shown,
        "confidence": max(first["confidence"], later["confidence"]),
        "counts": [one + other for one, other in zip(first["counts"], later["counts"], strict=True)],
        "places": _together(places(first), places(later)) if room else places(first),
    }


def places(row: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the first places of a fact in order. A row need not list a single place."""
    return row["places"] or [row["location"]]


def order(at: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return a key that sorts the places in a file."""
    page, row, byte, start = at.get("page"), at.get("row"), at.get("byte_offset"), at.get("start")
    return (
        at.get("part") or "",
        -1 if page is None else page,
        -1 if row is None else row,
        -1 if byte is None else byte,
        -1 if start is None else start,
        at.get("column") or "",
    )


def _together(some: list[dict[str, Any]], others: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Merge two ordered lists of places and keep the first ones."""
    listed = [*some, *others]
    if order(others[0]) < order(some[-1]):
        listed.sort(key=order)
    return listed[: bounds.PLACES]


def ranked(counts: Mapping[str, int]) -> list[int]:
    """Return counts by severity as a row stores them, from the least severe to the worst."""
    return [counts.get(name, 0) for name in SEVERITIES]
