"""Reads TOML documents, and the tables of names and versions that several kinds of Python manifests have."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from typing import Any

from veritensor_ray.core.errors import told
from veritensor_ray.engines.dependencies.advisory_model import NAMES, PYPI, Dependency, Item, Unparsable, Unread

Pairs = Iterator[tuple[str, Item]]
_LONGEST = 256  # characters of a version
# The parser copies a dotted key once for each of its parts, so a very long key in a hostile file would take hours.
_DOTTED = re.compile(r"""(?<![\w-])(?>(?:[\w-]+|"[^"\n]*"|'[^'\n]*')[ \t]*\.[ \t]*){64}""")
_EXACT = re.compile(r"\s*={0,3}\s*v?(\d[A-Za-z0-9._!+-]*)\s*\Z")


def load_toml(text: str) -> dict[str, Any]:
    """Parse a TOML document. Raises Unparsable."""
    if _DOTTED.search(text):
        raise Unparsable("it has a key with more than 64 parts")
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise Unparsable(f"it is not valid TOML: {told(error)}") from None


def constraints(table: Any) -> Pairs:
    """Yield dependencies from a table of names and versions as Poetry and Pipenv write it: each a text, a table or a list of tables."""
    for name, value in as_table(table).items():
        if name.lower() == "python":
            continue
        if name.isascii() and not NAMES[PYPI].match(name):
            yield name, Unread("the name of a package is not valid")
            continue
        for one in value if isinstance(value, list) else [value]:
            wanted = one.get("version", "") if isinstance(one, dict) else one
            if isinstance(one, dict) and any(key in one for key in ("git", "url", "file")):
                yield from addressed(name, one)
            elif isinstance(wanted, str) and len(wanted) <= _LONGEST:
                exact = _EXACT.match(wanted)
                yield name, Dependency(PYPI, name, exact[1] if exact else None, 0, 0, "" if exact else wanted[:100])
            else:
                yield name, Unread("the version of a package cannot be parsed")


def addressed(name: str, table: dict[str, Any]) -> Pairs:
    """Yield a dependency that a table gives an address."""
    url = next((table[key] for key in ("git", "url", "file") if isinstance(table.get(key), str)), None)
    if url is not None and NAMES[PYPI].match(name):
        yield name, Dependency(PYPI, name, None, 0, 0, url=url)


def as_table(value: Any) -> dict[str, Any]:
    """Return a table of TOML, which is empty if there is something else in its place."""
    return value if isinstance(value, dict) else {}
