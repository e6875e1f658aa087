"""Parses conda's environment.yml: packages from conda channels, and the pip requirements among them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import yaml

from veritensor_ray.core import bounds
from veritensor_ray.core.errors import told
from veritensor_ray.engines.dependencies.advisory_model import CONDA, NAMES, Dependency, Index, Item, Unparsable, Unread
from veritensor_ray.engines.dependencies.manifests.positions_of_names import placed
from veritensor_ray.engines.dependencies.manifests.requirements import requirement_line

_LARGEST = bounds.CONDA  # characters: a megabyte of YAML takes seconds
_ITEMS = bounds.CONDA_ITEMS  # aliases let a small file list the same thing endlessly
_SPEC = re.compile(r"(?:[\w./:-]+::)?([A-Za-z0-9_][\w.-]*)\s*(?:\[[^\]]*\])?\s*(.*)\Z", re.DOTALL)
_EXACT = re.compile(r"={1,2}\s*([0-9][A-Za-z0-9._!+-]*)(?:=[\w.*-]+)?\s*\Z")
# No tags, no numbers, no dates, no merge keys: every scalar is text, and an alias is one more reference.
_Loader: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)


def parse(text: str) -> Iterator[Item]:
    """Yield the items of the list `dependencies`. An unrelated YAML file of that name has no such list and yields nothing."""
    if len(text) > _LARGEST:
        raise Unparsable(f"it is larger than {_LARGEST} characters")
    try:
        document = yaml.load(text, Loader=_Loader)  # noqa: S506  # the base loader creates only texts, lists and mappings
    except (yaml.YAMLError, ValueError, RecursionError, AttributeError) as error:
        raise Unparsable(f"it is not valid YAML: {told(error)}") from None
    found = document.get("dependencies") if isinstance(document, dict) else None
    yield from placed(text, _items(found if isinstance(found, list) else []))


def _items(entries: list[Any]) -> Iterator[tuple[str, Item]]:
    left = _ITEMS
    for entry in entries:
        requirements = entry.get("pip") if isinstance(entry, dict) else None
        for one in requirements if isinstance(requirements, list) else [entry]:
            left -= 1
            if left < 0:
                yield "", Unread(f"entries after the first {_ITEMS} were not read")
                return
            if not isinstance(one, str):
                yield "", Unread("an entry cannot be parsed")
            elif requirements is not None:
                yield from _pip(one)
            else:
                yield _conda(one)


def _pip(text: str) -> Iterator[tuple[str, Item]]:
    for item in requirement_line(text, 0, None):
        yield item.name if isinstance(item, Dependency) else item.url if isinstance(item, Index) else text, item


def _conda(text: str) -> tuple[str, Item]:
    match = _SPEC.match(text.strip())
    if match is None or not NAMES[CONDA].match(match[1]):
        return text, Unread("a requirement cannot be parsed")
    exact = _EXACT.match(match[2])
    return match[1], Dependency(CONDA, match[1], exact[1] if exact else None, 0, 0, "" if exact else match[2][:100])
