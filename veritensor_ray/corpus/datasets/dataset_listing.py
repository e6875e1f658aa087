"""Adds to a listing what is known of the dataset that each entry belongs to. No entry is left out, and a data file that is missing is added."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from veritensor_ray.core import bounds
from veritensor_ray.core.errors import LimitExceeded, ReadError
from veritensor_ray.core.reasons import ReasonCode
from veritensor_ray.corpus.datasets.dataset_folders import NOTHING, DatasetPart, DatasetStart, Describer, Description, FileRule, is_known
from veritensor_ray.corpus.datasets.hub_cache import DATASETS, is_unfinished, repository
from veritensor_ray.corpus.listing import Listed, TableStart, printable

_WILD = re.compile(r"[*?[]")
_BETWEEN = "[-._ 0-9/]"
_SPLITS = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "dev", "val"),
    "test": ("test", "testing", "eval", "evaluation"),
}
_WORDS = {word: split for split, words in _SPLITS.items() for word in words}
_WORD = re.compile(rf"(?:^|{_BETWEEN})({'|'.join(sorted(_WORDS, key=len, reverse=True))})(?={_BETWEEN}|$)")
_BESIDE = re.compile(r"(?:^|/)\.|(?:^|/)README|\.(?:py|md|json)$")  # what a name says nothing of: code and descriptions
_UNFINISHED = "its download was not finished, so that the rest of it is not here; download it again"


class Datasets:
    """Describes the datasets that a listing meets."""

    def __init__(self, describe: Describer) -> None:
        self._describe = describe

    def __call__(self, entries: Iterable[Listed | TableStart | DatasetStart]) -> Iterator[Listed | TableStart]:
        """Yield the entries of a listing. The entries below a folder follow its DatasetStart, without others in between."""
        inside: list[_Dataset] = []
        for entry in entries:
            path = entry.path if isinstance(entry, Listed) else entry.folder
            while inside and not path.startswith(inside[-1].above):
                yield from inside.pop().missing()
            if isinstance(entry, DatasetStart):
                try:
                    inside.append(_Dataset(entry, self._describe(entry.about)))
                except ReadError as error:
                    yield _undescribed(entry, error)
            elif isinstance(entry, TableStart):
                yield entry
            else:
                yield _named(entry, inside)
        while inside:
            yield from inside.pop().missing()


def _undescribed(start: DatasetStart, error: ReadError) -> Listed:
    reason = f"what this dataset says of its configurations and splits was not read, but its files are: {error}"
    return Listed(start.artifact, start.folder, status="unreadable", reason=reason, reason_code=error.reason_code)


def _named(entry: Listed, inside: list[_Dataset]) -> Listed:
    """Return an entry with what the folders around it say of it. The outermost one that says something counts.

    Without a name, the outermost folder gives the dataset its own.
    """
    known = NOTHING
    for one in inside:
        said = one.part_of(entry)
        name, revision = (known.name, known.revision) if known.name else (said.name, said.revision)
        known = DatasetPart(name, revision, known.config or said.config, known.split or said.split)
    if known.name is None and (here := repository(entry.path)) is not None and here.kind == DATASETS:
        known = known._replace(name=here.name, revision=here.revision)
    if known.name is None:
        known = known._replace(name=next((one.folder for one in inside if is_known(one.said)), None))
    if any(known):
        entry = replace(entry, dataset=known)
    if entry.status is None and is_unfinished(entry.path):
        entry = replace(entry, reason=_UNFINISHED, reason_code=ReasonCode.DAMAGED)
    return entry


@dataclass
class _Dataset:
    """A dataset that is being listed. `left` are the data files that were not listed yet."""

    start: DatasetStart
    said: Description
    left: set[str] = field(init=False)

    def __post_init__(self) -> None:
        self.above = self.start.folder.rstrip(b"/") + b"/"
        self.left = set(self.said.needed)
        self._rules = _Rules(self.said.rules)

    @property
    def folder(self) -> str:
        """The name of the folder."""
        return self.start.artifact if self.start.artifact != "." else self.start.about.uri.rstrip("/").rpartition("/")[2]

    def part_of(self, entry: Listed) -> DatasetPart:
        """Return what the folder says of an entry in it."""
        if not is_known(self.said):
            return NOTHING
        name = printable(entry.path[len(self.above) :])
        self.left.discard(name)
        rule = self._rules.of(name)
        if rule is not None:
            return self.said.part._replace(config=rule.config, split=rule.split)
        return self.said.part._replace(split=_split_in(name) if self.said.by_name else None)

    def missing(self) -> Iterator[Listed]:
        """Yield a row for each data file that the description names and the folder does not have."""
        base = "" if self.start.artifact == "." else f"{self.start.artifact}/"
        for name in sorted(self.left):
            is_outside = name.startswith("/") or ".." in name.split("/")
            why = "it is outside of the folder, and such paths are not followed" if is_outside else "it does not exist"
            reason = f"a data file of this dataset by its state.json, but {why}"
            path = self.above + name.encode("utf-8", "surrogateescape")
            code = ReasonCode.NOT_FOUND
            yield Listed(
                base + name,
                path,
                status="unreadable",
                reason=reason,
                reason_code=code,
                dataset=self.said.part._replace(name=self.said.part.name or self.folder),
            )


class _Rules:
    """Finds the first rule for a file. Those with wildcards whose first folder is a plain name are tried only in this folder.

    Each file of a folder takes the time of all its patterns, so their number has a limit. Raises LimitExceeded.
    """

    def __init__(self, rules: list[FileRule]) -> None:
        self._named: dict[str, tuple[int, FileRule]] = {}
        self._of_folder: dict[str, list[tuple[int, _Pattern, FileRule]]] = {}
        for number, rule in enumerate(rules):
            top = rule.pattern.partition("/")[0]
            if not _WILD.search(rule.pattern):
                self._named.setdefault("/".join(filter(None, rule.pattern.split("/"))), (number, rule))
                continue
            patterns = self._of_folder.setdefault("" if _WILD.search(top) else top, [])
            if len(patterns) >= bounds.DATASET_PATTERNS:
                raise LimitExceeded(
                    "dataset_patterns", f"there are more than {bounds.DATASET_PATTERNS:,} patterns for the files of one folder in it"
                )
            patterns.append((number, _Pattern(rule.pattern), rule))

    def of(self, name: str) -> FileRule | None:
        parts = name.split("/")
        some = [next((one for one in self._of_folder.get(top, ()) if one[1].matches(parts)), None) for top in (parts[0], "")]
        found = [(number, rule) for number, _, rule in filter(None, some)]
        if name in self._named:
            found.append(self._named[name])
        return min(found, key=lambda one: one[0], default=(0, None))[1]


class _Pattern:
    """A pattern for paths, whose time does not grow with what stands in the place of wildcards."""

    def __init__(self, pattern: str) -> None:
        parts = list[str]()
        for part in filter(None, pattern.split("/")):
            if part != "**" or parts[-1:] != ["**"]:  # one after another means the same as one
                parts.append(part)
        self._parts = [None if part == "**" else re.compile(fnmatch.translate(part)) for part in parts]
        self._fewest = len(parts) - parts.count("**")

    def matches(self, name: list[str]) -> bool:
        """Return whether the parts of a path match; `**` stands for any number of them, also for none."""
        if len(name) < self._fewest:
            return False
        reached = {0}
        for part in self._parts:
            if part is None:
                reached = set(range(min(reached, default=len(name) + 1), len(name) + 1))
            else:
                reached = {at + 1 for at in reached if at < len(name) and part.match(name[at])}
        return len(name) in reached


def _split_in(name: str) -> str | None:
    """Return the split that a name speaks of, as `datasets` takes it: the word in the file's own name counts before those of folders."""
    if _BESIDE.search(name):
        return None
    folder, _, file = name.rpartition("/")
    found = _WORD.search(file) or _WORD.search(folder)
    return _WORDS[found[1]] if found else None


__all__ = ["Datasets"]
