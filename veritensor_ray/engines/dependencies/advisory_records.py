"""Converts advisories in the OSV format to a compact form, and matches them by OSV's rules."""

from __future__ import annotations

import functools
import itertools
import json
import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from veritensor_ray.core.config import SEVERITIES, Severity
from veritensor_ray.engines.dependencies.advisory_model import ECOSYSTEMS, normal
from veritensor_ray.engines.dependencies.cvss_severity import severity_of
from veritensor_ray.engines.dependencies.versions import LONGEST, canonical, order

ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}\Z")
_SUMMARY = 160
_EVENTS = ("introduced", "fixed", "last_affected", "limit")
_MOST = 50_000  # versions, events or aliases of one record
_LOWEST = (-1,)  # `introduced: "0"` sorts before every version

Range = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Advisory:
    """The part of a record that concerns one package. `versions` are canonical and include only those that no range covers."""

    id: str
    aliases: tuple[str, ...]
    summary: str
    severity: Severity | None
    ecosystem: str
    versions: frozenset[str]
    ranges: tuple[Range, ...]

    @property
    def malicious(self) -> bool:
        """Whether the record reports the package itself as malicious."""
        return any(name.startswith("MAL-") for name in (self.id, *self.aliases))

    @functools.cached_property
    def _ordered(self) -> tuple[tuple[tuple[Any, str], ...], ...]:
        return tuple(_sorted(self.ecosystem, events) for events in self.ranges)

    def affects(self, version: str) -> bool:
        """Return whether `versions` or a range contains a version."""
        if self.versions and canonical(self.ecosystem, version) in self.versions:
            return True
        key = order(self.ecosystem, version)
        if key is None:  # the version cannot be compared: only a range without an end is sure to contain it
            return self.affects_all
        return any(_inside(events, (1, key)) for events in self._ordered)

    @property
    def affects_all(self) -> bool:
        """Whether a range begins with the first version and has no end."""
        return any(all(kind == "introduced" for kind, _ in events) and ("introduced", "0") in events for events in self.ranges)

    def fixed_after(self, version: str | None) -> list[str]:
        """Return the fixed versions above the given one, in order."""
        fixed = {value for events in self.ranges for kind, value in events if kind == "fixed"}
        low = order(self.ecosystem, version) if version else None
        keyed = [(key, value) for value in fixed if (key := order(self.ecosystem, value)) is not None and (low is None or key > low)]
        return [value for _, value in sorted(keyed)]

    def packed(self) -> bytes:
        """Return the advisory as bytes for a database; `unpacked` reads them."""
        fields = [self.id, self.aliases, self.summary, self.severity, sorted(self.versions), self.ranges]
        return json.dumps(fields, separators=(",", ":")).encode()


def unpacked(ecosystem: str, data: bytes) -> Advisory:
    """Read an advisory that `packed` wrote."""
    name, aliases, summary, severity, versions, ranges = json.loads(data)
    events = tuple(tuple((kind, value) for kind, value in events) for events in ranges)
    return Advisory(name, tuple(aliases), summary, severity, ecosystem, frozenset(versions), events)


def _sorted(ecosystem: str, events: Range) -> tuple[tuple[Any, str], ...]:
    """Sort events by version, stably. An end that is not a version is ignored, which errs on the side of a finding."""
    keyed: list[tuple[Any, str]] = []
    for kind, value in events:
        key = order(ecosystem, value)
        if kind == "introduced":
            keyed.append((_LOWEST if value == "0" else (0,) if key is None else (1, key), kind))
        elif key is not None:
            keyed.append(((1, key), kind))
    return tuple(sorted(keyed, key=lambda event: event[0]))


def _inside(events: Iterable[tuple[Any, str]], version: Any) -> bool:
    """Return whether a range contains a version, by OSV's algorithm: walk the events up to the version."""
    vulnerable, limits, below = False, False, False
    for at, kind in events:
        if kind == "introduced":
            vulnerable = vulnerable or version >= at
        elif kind == "fixed":
            vulnerable = vulnerable and version < at
        elif kind == "last_affected":
            vulnerable = vulnerable and version <= at
        else:
            limits, below = True, below or version < at
    return vulnerable and (below or not limits)


def advisories(record: Any) -> Iterator[tuple[str, Advisory]]:
    """Yield name and advisory for every package of a record; a withdrawn record has none. Raises ValueError for an invalid record."""
    if not isinstance(record, dict) or not isinstance(record.get("id"), str) or not ID.match(record["id"]):
        raise ValueError("not an OSV record: it has no usable id")
    if record.get("withdrawn"):
        return
    grouped: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for affected in _dicts(record.get("affected")):
        package = affected.get("package")
        if not isinstance(package, dict) or not isinstance(package.get("name"), str) or len(package["name"]) > 256:
            continue
        ecosystem = str(package.get("ecosystem")).partition(":")[0]
        if ecosystem in ECOSYSTEMS:
            grouped.setdefault((ecosystem, normal(ecosystem, package["name"])), []).append(affected)
    for (ecosystem, name), parts in grouped.items():
        yield name, _advisory(record, ecosystem, parts)


def _advisory(record: Mapping[str, Any], ecosystem: str, parts: Sequence[Mapping[str, Any]]) -> Advisory:
    ranges = tuple(events for part in parts for found in _dicts(part.get("ranges")) if (events := _events(found)))
    ordered = [_sorted(ecosystem, events) for events in ranges]
    listed = {value for part in parts for value in _strings(part.get("versions"), _MOST) if len(value) <= LONGEST}
    # Most records also list the versions that their ranges cover, which would double the size of a database.
    covered = _covered({key for value in listed if (key := order(ecosystem, value)) is not None}, ordered)
    odd = frozenset(canonical(ecosystem, value) for value in listed if order(ecosystem, value) not in covered)
    severities = [word for part in parts if (word := severity_of(record, part)) is not None]
    return Advisory(
        record["id"],
        tuple(value for value in _strings(record.get("aliases"), 50) if ID.match(value)),
        _summary(record),
        max(severities, key=SEVERITIES.index) if severities else None,
        ecosystem,
        odd,
        ranges,
    )


def _covered(versions: Iterable[Any], ranges: Iterable[Sequence[tuple[Any, str]]]) -> set[Any]:
    """Return the versions that a range contains. Each event is looked up once, since a record may list very many of both."""
    keys = sorted(versions)
    marked = [0] * (len(keys) + 1)  # where ranges begin and end
    for events in ranges:
        limits = [at for at, kind in events if kind == "limit"]
        stop = bisect_left(keys, max(limits)[1]) if limits else len(keys)
        vulnerable, begin = False, 0
        for at, here in itertools.groupby(events, key=lambda event: event[0]):
            first, behind = (0, 0) if at[0] != 1 else (bisect_left(keys, at[1]), bisect_right(keys, at[1]))
            if vulnerable:
                _mark(marked, begin, min(first, stop))
            equal = vulnerable
            for _, kind in here:
                if kind in ("introduced", "fixed"):
                    equal = vulnerable = kind == "introduced"
                elif kind == "last_affected":
                    vulnerable = False
            if equal:
                _mark(marked, first, min(behind, stop))
            begin = behind
        if vulnerable:
            _mark(marked, begin, stop)
    return {key for key, depth in zip(keys, itertools.accumulate(marked), strict=False) if depth > 0}


def _mark(marked: list[int], first: int, last: int) -> None:
    if first < last:
        marked[first] += 1
        marked[last] -= 1


def _events(found: Mapping[str, Any]) -> Range:
    """Return the events of a version range. Commit ranges say nothing about versions and have none."""
    if found.get("type") not in ("ECOSYSTEM", "SEMVER"):
        return ()
    events = [
        (kind, value)
        for event in _dicts(found.get("events"))[:_MOST]
        for kind, value in event.items()
        if kind in _EVENTS and isinstance(value, str) and len(value) <= LONGEST and (kind, value) != ("limit", "*")
    ]
    return tuple(events) if any(kind == "introduced" for kind, _ in events) else ()


def _summary(record: Mapping[str, Any]) -> str:
    """Return a one-line summary of a record: the first sentence of its text."""
    for key in ("summary", "details"):
        text = record.get(key)
        if isinstance(text, str) and text.strip():
            line = " ".join(text[:2000].split())
            sentence = re.split(r"(?<=[.!?])\s", line, maxsplit=1)[0]
            shown = "".join(c if c.isprintable() else " " for c in sentence)
            return shown if len(shown) <= _SUMMARY else f"{shown[: _SUMMARY - 1]}…"
    return ""


def _dicts(value: Any) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _strings(value: Any, most: int) -> list[str]:
    return [item for item in value[:most] if isinstance(item, str)] if isinstance(value, list) else []


@dataclass(frozen=True, slots=True)
class Group:
    """Records about the same flaw, under all their names: malware ids first, then CVE, GHSA and PYSEC ids."""

    names: tuple[str, ...]
    members: tuple[Advisory, ...]

    @property
    def malicious(self) -> bool:
        """Whether any record reports the package as malicious."""
        return any(member.malicious for member in self.members)

    @property
    def severity(self) -> Severity:
        """The highest severity of the records, or `medium` if none has one, as is the case for most PYSEC records."""
        words = [member.severity for member in self.members if member.severity]
        return max(words, key=SEVERITIES.index) if words else "medium"

    @property
    def summary(self) -> str:
        """The summary of the first record that has one."""
        return next((member.summary for member in self.members if member.summary), "")


def grouped(found: Iterable[Advisory]) -> list[Group]:
    """Group advisories by their aliases, so that each flaw is reported once."""
    owner: dict[str, list[Advisory]] = {}
    for advisory in sorted(found, key=lambda one: one.id):
        members = [advisory]
        names = {advisory.id, *advisory.aliases}
        for other in {id(owner[name]): owner[name] for name in sorted(names) if name in owner}.values():
            members = other + members
            names.update(name for one in other for name in (one.id, *one.aliases))
        owner.update(dict.fromkeys(names, members))
    distinct = {id(members): members for members in owner.values()}
    return [Group(_names(members), tuple(members)) for members in distinct.values()]


def _names(members: Iterable[Advisory]) -> tuple[str, ...]:
    return tuple(sorted({name for one in members for name in (one.id, *one.aliases)}, key=_rank))


def _rank(name: str) -> tuple[int, str]:
    prefixes = ("MAL-", "CVE-", "GHSA-", "PYSEC-")
    return next((place for place, prefix in enumerate(prefixes) if name.startswith(prefix)), len(prefixes)), name
