"""Detects names that imitate popular ones through typos, look-alike characters, separators, word order or affixes."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from veritensor_ray.core.config import Severity
from veritensor_ray.engines.dependencies.advisory_model import NPM, PYPI

_EDITED = 5  # characters; shorter names are naturally one typo away from each other
_LONG = 7  # from this length on, a typo rarely produces another word
_TWO_SLIPS = 10  # characters a name needs before two typos are unlikely to produce another word
_LONGEST = 64
_HEAD = 1_000  # the most popular names, which attackers imitate. Short names, two typos and affixes are compared only with these
_SEPARATORS = re.compile(r"[-_./@~]+")
_AFFIXES = {
    PYPI: frozenset({"python", "python2", "python3", "py", "py2", "py3", "pip", "pypi", "official", "original", "latest", "install"}),
    NPM: frozenset({"js", "node", "nodejs", "npm", "official", "original", "latest", "install"}),
}
# Letters that look like Latin ones, besides those that Unicode's compatibility forms map: each pair is a letter and its Latin look-alike.
_PAIRS = (
    "аa еe оo рp сc уy хx іi їi јj ѕs ԁd ԛq ԝw һh ӏl кk мm тt вb нh гr пn αa βb εe κk νv οo ρp τt υu χx ιi ωw ηn ɡg ıi łl øo đd ħh ŧt ʟl ᴏo"
)

_LETTERS = str.maketrans({pair[0]: pair[1] for pair in _PAIRS.split()})
_ALIKE = str.maketrans("01i|", "olll")


@dataclass(frozen=True, slots=True)
class Squat:
    """An imitation of `target`. `how` names the technique; `exists` means that the name was in the registry when the list was made."""

    target: str
    how: str
    severity: Severity
    exists: bool = False


def skeleton(name: str) -> str:
    """Return a name as the eye reads it: without accents and separators, and with look-alike characters unified."""
    if not name.isascii():
        name = "".join(c for c in unicodedata.normalize("NFKD", name) if not unicodedata.combining(c) and unicodedata.category(c) != "Cf")
    return _SEPARATORS.sub("", name.lower().translate(_LETTERS).translate(_ALIKE)).replace("rn", "m").replace("vv", "w")


class Lookalikes:
    """An index of the names in one ecosystem that are worth imitating: the first `targets` of a list sorted by popularity.

    The rest of the list never counts as an imitation. `existing` are further registry names that resemble a popular one: their severity
    is low at most. A lookup costs about ten dictionary probes.
    """

    def __init__(self, ecosystem: str, popular: Sequence[str], targets: int, existing: Iterable[str] = ()) -> None:
        self._affixes = _AFFIXES[ecosystem]
        self._known = frozenset(popular)
        self._existing = frozenset(name.lower() for name in existing)
        self._rank: dict[str, int] = {}
        self._skeletons: dict[str, str] = {}
        self._orders: dict[str, str] = {}
        self._scopes: dict[str, str] = {}
        for rank, name in enumerate(popular[:targets]):  # the most popular first, and the first keeps its key
            self._rank.setdefault(name, rank)
            self._skeletons.setdefault(skeleton(name), name)
            self._orders.setdefault(_order(name), name)
            if name.startswith("@"):
                self._scopes.setdefault(name.partition("/")[0][1:], name)
        bare = [name for name in self._rank if not name.startswith("@") and len(name) <= _LONGEST]
        self._near = _OneSlip(name for name in bare if len(name) >= _EDITED)
        self._near_scopes = _OneSlip(scope for scope in self._scopes if _EDITED <= len(scope) <= _LONGEST)
        self._ends: dict[str, list[str]] = {}
        for name in bare:
            if len(name) >= _TWO_SLIPS and self._rank[name] < _HEAD:
                self._ends.setdefault(name[0] + name[-1], []).append(name)

    def is_popular(self, name: str) -> bool:
        """Return whether the list contains a name."""
        return name in self._known

    def check(self, name: str) -> Squat | None:
        """Return the popular name that a normalized name imitates, if any."""
        if name in self._known or not name or len(name) > _LONGEST:
            return None
        lower = name.lower()
        if lower in self._known:
            return None
        found = next(self._scoped(lower) if lower.startswith("@") else self._bare(lower), None)
        if found is not None and lower in self._existing:
            return Squat(found.target, found.how, "low", exists=True) if found.severity != "low" and self._head(found.target) else None
        return found

    def _bare(self, name: str) -> Iterator[Squat]:
        target = self._skeletons.get(skeleton(name))
        if target is not None and (not name.isascii() or len(name) >= _EDITED):
            separated = _SEPARATORS.sub("", name) == _SEPARATORS.sub("", target.lower())
            if separated:
                yield Squat(target, "different separators", "medium" if self._head(target) else "low")
            else:
                yield Squat(target, "look-alike characters", "medium" if name.isascii() and not self._head(target) else "high")
        for target in self._first(self._near.of(name) if len(name) >= _EDITED else ()):
            if len(name) >= _LONG or self._head(target):
                yield Squat(target, "one typo", "high" if len(name) >= _LONG and self._head(target) else "medium")
        if (target := self._orders.get(_order(name))) is not None:
            yield Squat(target, "different word order", "low")
        if (target := self._without_affix(name)) is not None:
            yield Squat(target, "an added prefix or suffix", "medium")
        for target in self._first(self._two_slips(name)):
            yield Squat(target, "two typos", "low")

    def _head(self, target: str) -> bool:
        return self._rank[target] < _HEAD

    def _first(self, targets: Iterable[str]) -> list[str]:
        return sorted(targets, key=self._rank.__getitem__)[:1]

    def _two_slips(self, name: str) -> list[str]:
        """Return long names with the same first and last letter that are at most two typos away."""
        if len(name) < _TWO_SLIPS:
            return []
        near = (other for other in self._ends.get(name[0] + name[-1], ()) if abs(len(other) - len(name)) <= 2)
        return [other for other in near if len(set(other) ^ set(name)) <= 4 and distance(name, other) <= 2]

    def _without_affix(self, name: str) -> str | None:
        words = [word for word in _SEPARATORS.split(name) if word]
        for affix, rest in ((words[:1], words[1:]), (words[-1:], words[:-1])):
            target = "-".join(rest)
            if affix and affix[0] in self._affixes and len(target) >= _EDITED and self._rank.get(target, _HEAD) < _HEAD:
                return target
        return None

    def _scoped(self, name: str) -> Iterator[Squat]:
        """Yield imitations of scoped names.

        A scope belongs to its owner, so only a scope that resembles a popular one and holds a package of the same name counts.
        """
        scope, _, rest = name[1:].partition("/")
        if scope in self._scopes:
            return
        for near in sorted(self._near_scopes.of(scope)):
            if f"@{near}/{rest}" in self._rank:
                yield Squat(f"@{near}/{rest}", "one typo", "high")


def _order(name: str) -> str:
    words = sorted(word for word in _SEPARATORS.split(name) if word)
    return " ".join(words) if len(words) > 1 else f"={name}"


class _OneSlip:
    """Indexes names by their remainders after dropping one character: two names that are one typo apart share a remainder."""

    def __init__(self, names: Iterable[str]) -> None:
        self._rests: dict[str, str | tuple[str, ...]] = {}
        for name in names:
            for rest in {name, *_rests(name)}:
                there = self._rests.get(rest)
                self._rests[rest] = name if there is None else (there, name) if isinstance(there, str) else (*there, name)

    def of(self, name: str) -> list[str]:
        """Return the names that are one typo away. A different digit is a different version, not a typo."""
        get = self._rests.get
        found: set[str] = set()
        for rest in (name, *_rests(name)):
            if (there := get(rest)) is not None:
                found.update((there,) if isinstance(there, str) else there)
        return [other for other in found if distance(name, other) == 1 and not _another_digit(name, other)]


def _rests(name: str) -> list[str]:
    return [name[:i] + name[i + 1 :] for i in range(len(name))]


def _another_digit(a: str, b: str) -> bool:
    return len(a) == len(b) and any(x != y and x.isdigit() and y.isdigit() for x, y in zip(a, b, strict=True))


def distance(a: str, b: str) -> int:
    """Count the edits between two names: insertions, deletions, changes and swaps of neighbors (optimal string alignment)."""
    before: list[int] = []
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        last, before, row = before, row, [i]
        for j, y in enumerate(b, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (x != y))
            if i > 1 and j > 1 and x == b[j - 2] and a[i - 2] == y:
                cost = min(cost, last[j - 2] + 1)
            row.append(cost)
    return row[-1]
