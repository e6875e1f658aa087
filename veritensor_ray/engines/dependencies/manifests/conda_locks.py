"""Parses the lock files of conda environments, conda-lock.yml and pixi.lock, line by line as these programs write them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import chain, pairwise
from urllib.parse import unquote

from veritensor_ray.engines.dependencies.advisory_model import CONDA, NAMES, PYPI, Dependency, Item, Unparsable, Unread
from veritensor_ray.engines.dependencies.manifests.line_positions import LineNumbers

_SECTION = re.compile(r"^packages?:[ \t]*(?:\[\])?\r?$", re.MULTILINE)
_END = re.compile(r"^[^\s#-]", re.MULTILINE)
_ENTRIES = {indent: re.compile(rf"^{indent}- (?=\w)", re.MULTILINE) for indent in ("", "  ")}
_FIELDS = {
    indent: re.compile(rf"^{indent}(?:- |  )(\w+):[ ]*+([^\s][^\n]{{0,2000}}+)$", re.MULTILINE) for indent in _ENTRIES
}  # fields are indented as far as the first one of their entry
_ARCHIVE = re.compile(r"([A-Za-z0-9_][\w.-]*)-([^-/]+)-[^-/]+\.(?:conda|tar\.bz2)\Z")
_WHEEL = re.compile(r"([A-Za-z0-9][\w.]*)-(\d[\w.!+]*)-")


def parse(text: str) -> Iterator[Item]:
    """Yield the packages in the list `package` of a conda-lock.yml, or `packages` of a pixi.lock of any version, from channels and from PyPI."""
    section = _SECTION.search(text)
    if section is None:
        raise Unparsable("it has no list of packages")
    end = _END.search(text, section.end())
    stop = end.start() if end else len(text)
    indent = "" if _ENTRIES[""].search(text, section.end(), stop) else "  "
    lines, starts = LineNumbers(text), (found.start() for found in _ENTRIES[indent].finditer(text, section.end(), stop))
    for start, following in pairwise(chain(starts, [stop])):
        item = _package(
            text, start, following, {found[1]: found[2].strip().strip("\"'") for found in _FIELDS[indent].finditer(text, start, following)}
        )
        if item is not None:
            yield replace(item, line=lines.of(start)) if isinstance(item, Unread) else item


def _package(text: str, start: int, stop: int, fields: Mapping[str, str]) -> Dependency | Unread | None:
    """Return the item of an entry, or None for a folder of the project itself."""
    address = fields.get("conda") or fields.get("pypi") or fields.get("url", "")
    python = "pypi" in fields or "pypi" in (fields.get("kind"), fields.get("manager")) or fields.get("manager") == "pip"
    if python and address.startswith((".", "/", "file:")):
        return None
    ecosystem, file = PYPI if python else CONDA, unquote(address.partition("#")[0].rpartition("/")[2])
    written = (_WHEEL if python else _ARCHIVE).match(file)
    name = fields.get("name") or (written[1] if written else "")
    version = fields.get("version") or (written[2] if written else None)
    if not NAMES[ecosystem].match(name):
        return Unread("the entry of a package cannot be parsed")
    at = max(text.find(name, start, stop), start)
    return Dependency(ecosystem, name, version, at, at + len(name), url=address if address.startswith("git+") else None)
