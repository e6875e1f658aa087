"""Folders that are datasets of Hugging Face: how they are recognized by the names in them, and what can be said of a file in one."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from veritensor_ray.corpus.datasets.hub_cache import DATASETS, repository
from veritensor_ray.stores.filesystems import Stores

DICT, INFO, STATE, CARD = "dataset_dict.json", "dataset_info.json", "state.json", "README.md"
DOWNLOADED = ".cache/huggingface/download/README.md.metadata"  # its first line is the revision that was downloaded
_MARKS = frozenset(name.encode() for name in (DICT, INFO, CARD))
_DATA = (".parquet", ".arrow", ".jsonl", ".json", ".csv", ".tsv", ".tar", ".zip", ".gz", ".zst")


class DatasetPart(NamedTuple):
    """What is known of the dataset that a file belongs to: its name, its revision on the hub, and the configuration and split of the file."""

    name: str | None = None
    revision: str | None = None
    config: str | None = None
    split: str | None = None


NOTHING = DatasetPart()


class DatasetFolder(NamedTuple):
    """A folder to describe: its address, and the paths in its store of the files that may say something of it, by their names.

    `part` is what its place in a cache of the hub says of it. With `as_of`, its bucket is read as it was at that moment.
    """

    uri: str
    files: Mapping[str, bytes]
    stores: Stores
    part: DatasetPart = NOTHING
    as_of: float | None = None


class FileRule(NamedTuple):
    """Which files of a folder belong to a configuration and a split. In `pattern`, `*` stays within a folder and `**` does not."""

    pattern: str
    config: str | None
    split: str | None


@dataclass(frozen=True)
class Description:
    """What the files of a folder say of it. `needed` are data files that have to be there; `by_name` allows to guess a split by a file's name."""

    part: DatasetPart = NOTHING
    rules: list[FileRule] = field(default_factory=list)
    needed: list[str] = field(default_factory=list)
    by_name: bool = False
    gated: bool = False

    @classmethod
    def from_json(cls, said: Mapping[str, Any]) -> Description:
        """Return the description that was sent as JSON, which has lists for tuples."""
        rules = [FileRule(*rule) for rule in said["rules"]]
        return cls(DatasetPart(*said["part"]), rules, list(said["needed"]), said["by_name"] is True, said["gated"] is True)


Describer = Callable[[DatasetFolder], Description]  # raises ReadError


@dataclass(frozen=True, slots=True)
class DatasetStart:
    """Stands in a listing before the entries of a folder that may be a dataset."""

    folder: bytes
    artifact: str
    about: DatasetFolder


def may_be_dataset(path: bytes, names: Collection[bytes]) -> bool:
    """Return whether it is worth a closer look: most folders are not datasets, and a corpus may have millions."""
    return b"/snapshots/" in path or not _MARKS.isdisjoint(names)


def dataset_at(path: bytes, uri: str, files: Mapping[str, bytes], folders: Collection[str], stores: Stores) -> DatasetFolder | None:
    """Return a folder that may be a dataset, judged by the names of its files, which come with their paths, and of its folders."""
    here = repository(path)
    part = NOTHING
    if here is not None and here.kind == DATASETS and here.revision and len(here.below) == 2:
        part = DatasetPart(here.name, here.revision)
    wanted: tuple[str, ...] = ()
    if DICT in files:
        wanted = (DICT,)
    elif INFO in files and (STATE in files or any(name.endswith(".arrow") for name in files)):
        wanted = (INFO, STATE)
    elif CARD in files and (
        part.name or ".cache" in folders or ".gitattributes" in files or "data" in folders or any(name.endswith(_DATA) for name in files)
    ):
        wanted = (CARD,)
    found = {name: files[name] for name in wanted if name in files}
    if CARD in found and not part.revision and ".cache" in folders:
        found[DOWNLOADED] = path + b"/" + DOWNLOADED.encode()
    return DatasetFolder(uri, found, stores, part) if found or part.name else None


class NotingDatasets:
    """Describes datasets, and notes which it described, for run.json."""

    def __init__(self, describe: Describer) -> None:
        self._describe = describe
        self.tables: list[dict[str, str | int | bool | None]] = []
        self._folders: set[str] = set()

    def __call__(self, folder: DatasetFolder) -> Description:
        """Describe a folder. Raises ReadError."""
        found = self._describe(folder)
        noted: dict[str, str | int | bool | None] = {
            "table": folder.uri,
            "kind": "hf",
            "version": found.part.revision,
            "dataset": found.part.name,
        }
        noted |= {"gated": True} if found.gated else {}
        is_split = folder.uri.rpartition("/")[0] in self._folders  # it has been noted with the others
        if is_known(found) and not is_split and noted not in self.tables:  # a sample needs two listings
            self.tables.append(noted)
            self._folders.add(folder.uri)
        return found


def is_known(found: Description) -> bool:
    """Return whether a description says that its folder is a dataset."""
    return bool(found.part.name or found.rules or found.by_name)


def undescribed(folder: DatasetFolder) -> Description:
    """Describe a folder by its place alone."""
    return Description(folder.part)


__all__ = [
    "CARD",
    "DICT",
    "DOWNLOADED",
    "INFO",
    "NOTHING",
    "STATE",
    "DatasetFolder",
    "DatasetPart",
    "DatasetStart",
    "Describer",
    "Description",
    "FileRule",
    "NotingDatasets",
    "dataset_at",
    "is_known",
    "may_be_dataset",
    "undescribed",
]
