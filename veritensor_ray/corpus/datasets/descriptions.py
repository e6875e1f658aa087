"""Reads what a folder of a dataset says of its files: what `datasets` saves beside them, or the YAML at the beginning of a card.

It asks no hub, reads no data file, and does not depend on the library.
"""

from __future__ import annotations

import itertools
import json
import os
import re
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from veritensor_ray.core import bounds
from veritensor_ray.core.errors import LimitExceeded, ReadError, as_read_error
from veritensor_ray.core.reasons import access_code
from veritensor_ray.core.uris import is_local
from veritensor_ray.corpus.datasets.dataset_folders import (
    CARD,
    DICT,
    DOWNLOADED,
    INFO,
    STATE,
    DatasetFolder,
    DatasetPart,
    Description,
    FileRule,
)
from veritensor_ray.stores.bucket_versions import BucketAsOf
from veritensor_ray.stores.descriptors import READING
from veritensor_ray.stores.filesystems import denied, filesystem

_BYTES = bounds.DATASET_DESCRIPTION
_MOST = bounds.DATASET_FILES
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml's parser is ten times as fast
_FRONT = re.compile(r"---[ \t]*\r?\n(.*?\n)---[ \t]*(?:\r?\n|$)", re.DOTALL)
_OF_DATASET = re.compile(r"^(?:configs|dataset_info)[ \t]*:", re.MULTILINE)
_GATED = re.compile(r"^extra_gated_\w+[ \t]*:", re.MULTILINE)
_NAME = re.compile(r"\w[\w.+ -]{0,99}")  # of a configuration or a split
_REVISION = re.compile(r"[0-9a-f]{40}")
_ORIGIN = re.compile(r"hf://datasets/([\w.-]+(?:/[\w.-]+)?)@([0-9a-f]{40})/")


def described(folder: DatasetFolder) -> Description:
    """Describe a folder by the files in it that say something of it. Raises ReadError."""
    try:
        if DICT in folder.files:
            return Description(folder.part, [FileRule(f"{split}/**", None, split) for split in _names(_json(folder, DICT).get("splits"))])
        if INFO in folder.files:
            return _saved(folder) if STATE in folder.files else _prepared(folder)
        return _repository(folder)
    except ReadError:
        raise
    except Exception as error:  # noqa: BLE001  # the boundary of a folder: a hostile description may raise anything in its parser
        raise as_read_error(error, "its description cannot be read") from None


def says_dataset(folder: DatasetFolder) -> bool:
    """Return whether a folder says that it is a dataset, by its place, its names or its card. Nothing is parsed. Raises ReadError."""
    if folder.part.name is not None or DICT in folder.files or INFO in folder.files:
        return True
    front = _front(folder)
    return front is not None and _OF_DATASET.search(front) is not None


def _front(folder: DatasetFolder) -> str | None:
    """Return the front matter of the card, if there is any. Raises ReadError."""
    front = _FRONT.match(_read(folder, CARD)) if CARD in folder.files else None
    return front[1] if front is not None else None


def _saved(folder: DatasetFolder) -> Description:
    """Describe a folder that `save_to_disk` made."""
    info, state = _json(folder, INFO), _json(folder, STATE)
    part = _origin(info, folder.part)
    config, split = _name(info.get("config_name")), _name(state.get("_split"))
    named = _each(state.get("_data_files"), itertools.count())
    files = [str(one["filename"]) for one in named if isinstance(one, Mapping) and one.get("filename")]
    return Description(part, [_rule(_literal(name), config, split) for name in files], files)


def _prepared(folder: DatasetFolder) -> Description:
    """Describe a folder in which `datasets` keeps what it has prepared: a file or more for each split."""
    info = _json(folder, INFO)
    config, splits = _name(info.get("config_name")), _names(info.get("splits"))
    endings = (f"*-{split}{shard}.arrow" for split in splits for shard in ("", "-[0-9]*-of-[0-9]*"))
    rules = [FileRule(ending, config, split) for ending, split in zip(endings, (s for s in splits for _ in range(2)), strict=True)]
    return Description(_origin(info, folder.part), rules)


def _origin(info: Mapping[str, Any], known: DatasetPart) -> DatasetPart:
    """Return the repository and the revision that a dataset was made from, as far as it says so."""
    downloads = info.get("download_checksums")
    for name in itertools.islice(downloads, _MOST) if isinstance(downloads, Mapping) else ():
        if found := _ORIGIN.match(str(name)):
            return DatasetPart(found[1], found[2])
    return known._replace(name=known.name or _name(info.get("dataset_name")))


def _repository(folder: DatasetFolder) -> Description:
    """Describe a repository by the front matter of its card. Without any, only its place in a cache says that it is a dataset."""
    revision = folder.part.revision or _downloaded(folder)
    part = folder.part._replace(revision=revision)
    front = _front(folder)
    is_gated = bool(front and _GATED.search(front))
    if front is None or not _OF_DATASET.search(front):
        return Description(part, by_name=part.name is not None, gated=is_gated and part.name is not None)
    try:
        said = yaml.load(front, _LOADER)  # noqa: S506  # a safe loader
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ReadError(f"the front matter of {CARD} is not YAML: {str(error).partition(chr(10))[0]}") from None
    rules = list(_of_configs(said)) if isinstance(said, Mapping) else []
    return Description(part, rules, by_name=not rules, gated=is_gated)


def _of_configs(said: Mapping[str, Any]) -> Iterator[FileRule]:
    """Yield the rules that `configs` has for files, in any of the forms that `datasets` takes.

    The steps of all loops are counted together, since lists that name each other multiply.
    """
    steps = itertools.count()
    for config in _each(said.get("configs"), steps):
        if not isinstance(config, Mapping):
            continue
        name = _name(config.get("config_name")) or "default"
        folder, files = config.get("data_dir"), config.get("data_files")
        base = f"{folder.strip('/')}/" if isinstance(folder, str) and folder else ""
        if files is None and base:
            yield _rule(f"{base}**", name, None)
        for one in _each(files, steps) if isinstance(files, list) else [files]:
            split, paths = (_name(one.get("split")), one.get("path")) if isinstance(one, Mapping) else ("train", one)
            for path in _each(paths, steps) if isinstance(paths, list) else [paths]:
                if isinstance(path, str) and "://" not in path:
                    yield _rule(base + path.removeprefix("./"), name, split)


def _each(values: Any, steps: Iterator[int]) -> Iterator[Any]:
    """Yield the values of a list, each of which is a step. Raises LimitExceeded."""
    for value in values if isinstance(values, list) else ():
        if next(steps) >= _MOST:
            raise LimitExceeded("dataset_files", f"there are more than {_MOST:,} files, patterns or splits in it")
        yield value


def _rule(pattern: str, config: str | None, split: str | None) -> FileRule:
    if len(pattern) > bounds.DATASET_PATTERN:
        raise LimitExceeded("dataset_pattern", f"a name or a pattern in it has more than {bounds.DATASET_PATTERN:,} characters")
    return FileRule(pattern, config, split)


def _name(value: Any) -> str | None:
    return value if isinstance(value, str) and _NAME.fullmatch(value) else None


def _names(values: Any) -> list[str]:
    some = _each(list(values), itertools.count()) if isinstance(values, list | dict) else ()
    return [value for value in some if _name(value)]


def _literal(name: str) -> str:
    """Return a pattern for exactly one name."""
    return re.sub(r"[*?[]", r"[\g<0>]", name)


def _downloaded(folder: DatasetFolder) -> str | None:
    """Return the revision that the hub's client notes beside files that it downloads to a folder of the user's."""
    if DOWNLOADED not in folder.files:
        return None
    try:
        first = _read(folder, DOWNLOADED).partition("\n")[0].strip()
    except ReadError:  # the folder may be there without this file
        return None
    return first if _REVISION.fullmatch(first) else None


def _json(folder: DatasetFolder, name: str) -> Mapping[str, Any]:
    try:
        found = json.loads(_read(folder, name))
    except (ValueError, RecursionError) as error:
        raise ReadError(f"{name} is not JSON: {error}") from None
    if not isinstance(found, Mapping):
        raise ReadError(f"{name} is not a JSON object")
    return found


def _read(folder: DatasetFolder, name: str) -> str:
    """Return the text of a description. Raises ReadError. Of a card, only the beginning is read."""
    path = folder.files[name]
    try:
        data = _beginning(path) if is_local(folder.uri) else _object(folder, path)
    except Exception as error:  # noqa: BLE001  # every store raises its own kind
        raise ReadError(denied(name, "read", error), access_code(error)) from None
    if len(data) > _BYTES and name != CARD:
        raise LimitExceeded("dataset_description", f"{name} has more than {_BYTES:,} bytes")
    return data[:_BYTES].decode("utf-8-sig", "replace")


def _beginning(path: bytes) -> bytes:
    with open(os.open(path, READING), "rb") as file:  # noqa: PTH123  # a descriptor, not a path
        return file.read(_BYTES + 1)


def _object(folder: DatasetFolder, path: bytes) -> bytes:
    fs, _ = filesystem(folder.uri, folder.stores)
    name = os.fsdecode(path)
    with fs.open(name, "rb") if folder.as_of is None else BucketAsOf(fs, folder.as_of).opened(name) as file:
        return bytes(file.read(_BYTES + 1))


__all__ = ["described", "says_dataset"]
