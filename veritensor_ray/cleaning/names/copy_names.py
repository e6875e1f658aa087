"""What copies are called if the policy asks for pseudonyms in names (`names: pseudonym`).

A part of a path gets the same new name wherever it stands, so a folder stays one folder. Engines are asked by the caller.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from veritensor_ray.cleaning.cleaning_context import Cleaning
from veritensor_ray.cleaning.names.renames import RenamedPart
from veritensor_ray.formats.editing.actions import Action
from veritensor_ray.formats.editing.edits import Edit, Order, OrderedRange, Orders, applied
from veritensor_ray.formats.editing.marks import Mark
from veritensor_ray.masking.redaction import PERSONAL, SECRET

Scan = Callable[[Sequence[str]], Mapping[int, Iterable[Mark]]]  # what engines report in texts, by their numbers
_EXTENSION = re.compile(r"(?<=.)\.[A-Za-z0-9]{1,12}\Z", re.DOTALL)
_WORD = re.compile(r"[^\W_]+")
_LETTERS = 4  # of a single word that is looked for: shorter ones are also parts of other words
NAME_TAG = 12  # digits that keep names apart whose values have equal masks or pseudonyms
_SPACES = str.maketrans("_", " ")
_UNSAFE = re.compile(r"[/\\\x00-\x1f]")


@dataclass(frozen=True)
class CopyNames:
    """Makes names of copies. `categories` maps rules to their categories."""

    cleaning: Cleaning
    categories: Mapping[str, str]
    scan: Scan

    def of(self, artifacts: Sequence[str]) -> dict[str, list[Mark]]:
        """Return what engines find in each part of these names."""
        parts = list(dict.fromkeys(part for artifact in artifacts for part in artifact.split("/")))
        if (known := self.cleaning.renames) is not None and known.complete:
            parts = [part for part in parts if part in known]
        asked = [(part, reading) for part in parts for reading in _readings(part)]
        found: dict[str, list[Mark]] = {}
        stems: dict[str, int] = {}  # how far findings reach that do not need the extension
        for number, marks in sorted(self.scan([reading for _, reading in asked]).items()):
            part, reading = asked[number]
            for mark in marks:
                if len(reading) < len(part):
                    stems[part] = max(stems.get(part, 0), mark.end)
                elif mark.start < stems.get(part, 0):
                    continue  # the same with the extension, as if that were part of an address
                found.setdefault(part, []).append(mark._replace(text=reading[mark.start : mark.end], straight=False))
        return found

    def new(self, artifact: str, found: Mapping[str, Sequence[Mark]], inside: Iterable[Mark]) -> str | None:
        """Return the name of an artifact's copy; None if it keeps its own. `inside` was found in its content, and may stand in its name too."""
        *folders, last = artifact.split("/")
        renamed = [self._renamed(part, found.get(part, ()), artifact) for part in folders]
        renamed.append(self._renamed(last, [*found.get(last, ()), *_named(last, inside)], artifact))
        new = "/".join(renamed)
        return new if new != artifact else None

    def renamed(self, artifacts: Sequence[str]) -> Iterator[RenamedPart]:
        """Yield the folders and files that get another name whatever their content is."""
        found = self.of(artifacts)
        for artifact in artifacts:
            parts = artifact.split("/")
            for number, part in enumerate(parts, 1):
                if edits := self._edits(part, found.get(part, ()), artifact):
                    is_value = (edits[0].start, edits[-1].end) == (0, len(part))
                    yield RenamedPart(part, self._edited(part, edits), number == len(parts) and not is_value)

    def _renamed(self, part: str, marks: Iterable[Mark], artifact: str) -> str:
        edits = self._edits(part, marks, artifact)
        return self._edited(part, edits) if edits else part

    def _edits(self, part: str, marks: Iterable[Mark], artifact: str) -> list[Edit]:
        orders = [Order(number, mark, Action.PSEUDONYM, False) for number, mark in enumerate(marks) if self._goes(mark, artifact)]
        ranges = [OrderedRange(order.mark.start, order.mark.end, order) for order in orders]
        return Orders(orders, frozenset(), self._replace).merged(ranges, part)

    def _edited(self, part: str, edits: Sequence[Edit]) -> str:
        tag = hmac.digest(self.cleaning.key, b"name " + part.encode("utf-8", "surrogateescape"), hashlib.sha256).hex()[:NAME_TAG]
        new = applied(part, edits)
        extension = found.group() if (found := _EXTENSION.search(part)) and edits[-1].end <= found.start() else ""
        return f"{new.removesuffix(extension)}~{tag}{extension}"

    def _goes(self, mark: Mark, artifact: str) -> bool:
        category = self.categories.get(mark.rule, "")
        return category in (SECRET, PERSONAL) and self.cleaning.decide(mark, category, artifact).action is not Action.KEEP

    def _replace(self, mark: Mark, action: Action, keep_length: bool, original: str) -> str:
        made = _UNSAFE.sub("_", self.cleaning.replace(mark, action, keep_length, original))
        return made if " " in original else made.replace(" ", "_")


def has_extension(part: str) -> bool:
    """Return whether a name has an extension, so that it is hardly anything else than the name of a file."""
    return _EXTENSION.search(part) is not None


def _readings(part: str) -> Iterator[str]:
    """Yield a name as engines should see it: first without its extension, and with spaces, because words end there."""
    plain = part.encode("utf-8", "replace").decode()  # lone surrogates become question marks, one for one
    stem = _EXTENSION.sub("", plain)
    yield from dict.fromkeys((stem, stem.translate(_SPACES), plain, plain.translate(_SPACES)))


def _named(name: str, inside: Iterable[Mark]) -> Iterator[Mark]:
    """Yield marks for the values in a name that were found in the content of the file: its words, in this order or the reverse."""
    low, done = name.casefold(), set[tuple[str, str]]()
    for mark in inside:
        words = _WORD.findall(mark.text or "")
        letters = sum(map(len, words))
        if (mark.rule, mark.text or "") in done or not _LETTERS <= letters <= len(name) or words[0].casefold() not in low:
            continue
        done.add((mark.rule, mark.text or ""))
        for some in dict.fromkeys((tuple(words), tuple(reversed(words)))):
            pattern = r"(?<![^\W_])" + r"[\W_]{0,3}".join(map(re.escape, some)) + r"(?![^\W_])"
            for match in re.finditer(pattern, name, re.IGNORECASE):
                value = match.group().translate(_SPACES)
                yield mark._replace(member=None, start=match.start(), end=match.end(), text=value, view="visible", straight=False)
