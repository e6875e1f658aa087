"""Names that pass for popular ones: slips of a key, look-alike letters, separators, word order, affixes; it knows no manifest."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from veritensor_ray.engines.dependencies.model import NPM, PYPI

_EDITED = 5  # characters; shorter names are one slip away from each other by nature
_LONG = 7  # from here on a slip is rarely another word
_TWO_SLIPS = 10  # characters that a name needs for two slips to be less than another word
_LONGEST = 64
_HEAD = 1_000  # the most popular: what attackers imitate. Short names, two slips and affixes are compared with these only
_SEPARATORS = re.compile(r"[-_./@~]+")
_AFFIXES = {
    PYPI: frozenset({"python", "python2", "python3", "py", "py2", "py3", "pip", "pypi", "official", "original", "latest", "install"}),
    NPM: frozenset({"js", "node", "nodejs", "npm", "official", "original", "latest", "install"}),
}
# Letters that look like Latin ones, beside those that Unicode's compatibility forms map anyway: each pair is the letter and its model.
_PAIRS = (
    "аa еe оo рp сc уy хx іi їi јj ѕs ԁd ԛq ԝw һh ӏl кk мm тt вb нh гr пn αa βb εe κk νv οo ρp τt υu χx ιi ωw ηn ɡg ıi łl øo đd ħh ŧt ʟl ᴏo"
)

_LETTERS = str.maketrans({pair[0]: pair[1] for pair in _PAIRS.split()})
_ALIKE = str.maketrans("01i|", "olll")


@dataclass(frozen=True, slots=True)
class Squat:
    """A name passes for `target`; `how` says by which trick. `exists` says that the name was in the registry when the list was made."""

    target: str
    how: str
    severity: str
    exists: bool = False


def skeleton(name: str) -> str:
    """The name as the eye reads it: accents off, look-alikes of one shape, no separators."""
    if not name.isascii():
        name = "".join(c for c in unicodedata.normalize("NFKD", name) if not unicodedata.combining(c) and unicodedata.category(c) != "Cf")
    return _SEPARATORS.sub("", name.lower().translate(_LETTERS).translate(_ALIKE)).replace("rn", "m").replace("vv", "w")


class Lookalikes:
    """An index over the names of one ecosystem that are imitated: the first `targets` of a list by popularity.

    The rest of the list is never taken for an imitation. `existing` are further names of the registry that are like a popular one: these
    imitate with low severity at most. A look-up costs some ten probes of dictionaries.
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
        """Whether the name stands in the list."""
        return name in self._known

    def check(self, name: str) -> Squat | None:
        """What a normalised name passes for, if anything."""
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
                yield Squat(target, "other separators", "medium" if self._head(target) else "low")
            else:
                yield Squat(target, "look-alike characters", "medium" if name.isascii() and not self._head(target) else "high")
        for target in self._first(self._near.of(name) if len(name) >= _EDITED else ()):
            if len(name) >= _LONG or self._head(target):
                yield Squat(target, "one slip of a key", "high" if len(name) >= _LONG and self._head(target) else "medium")
        if (target := self._orders.get(_order(name))) is not None:
            yield Squat(target, "another order of the words", "low")
        if (target := self._without_affix(name)) is not None:
            yield Squat(target, "a word put before or behind it", "medium")
        for target in self._first(self._two_slips(name)):
            yield Squat(target, "two slips of a key", "low")

    def _head(self, target: str) -> bool:
        return self._rank[target] < _HEAD

    def _first(self, targets: Iterable[str]) -> list[str]:
        return sorted(targets, key=self._rank.__getitem__)[:1]

    def _two_slips(self, name: str) -> list[str]:
        """Long names with the same first and last letter."""
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
        """A scope belongs to its owner: only a scope that is like a popular one, around a name that is in that one, is an imitation."""
        scope, _, rest = name[1:].partition("/")
        if scope in self._scopes:
            return
        for near in sorted(self._near_scopes.of(scope)):
            if f"@{near}/{rest}" in self._rank:
                yield Squat(f"@{near}/{rest}", "one slip of a key", "high")


def _order(name: str) -> str:
    words = sorted(word for word in _SEPARATORS.split(name) if word)
    return " ".join(words) if len(words) > 1 else f"={name}"


class _OneSlip:
    """Names by what is left of them when one character is dropped: two names one slip apart share such a rest."""

    def __init__(self, names: Iterable[str]) -> None:
        self._rests: dict[str, str | tuple[str, ...]] = {}
        for name in names:
            for rest in {name, *_rests(name)}:
                there = self._rests.get(rest)
                self._rests[rest] = name if there is None else (there, name) if isinstance(there, str) else (*there, name)

    def of(self, name: str) -> list[str]:
        """The names one slip away; another digit is another version, not a slip."""
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
    """Edits from one to the other: characters put in, dropped, changed, and neighbours swapped (optimal string alignment)."""
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
