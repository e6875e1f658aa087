"""Finds UUIDs used as values in code and configuration. Most are plain identifiers, but some services use one as a key."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from veritensor_ray.engines.joined import JoinedBytes
from veritensor_ray.engines.secrets import likelihood
from veritensor_ray.engines.secrets.assignments import SOURCE
from veritensor_ray.engines.secrets.shaped import ShapedSecret
from veritensor_ray.engines.secrets.word_likeness import listed

READ = SOURCE | listed("json yaml yml toml ini cfg conf config properties env sql sh bash bat ps1 tf tfvars")
_TAIL = re.compile(r"-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}(?![0-9A-Za-z_-])")
_HEAD = 8
_HEX = frozenset("0123456789abcdefABCDEF")
# Names of identifiers: of an interface, class or project type, the same on every machine, or of a message or request.
_KIND = re.compile(
    r"(?:guid|clsid|iid|uuid|interface|project|typelib|request|trace|span|correlation|transaction|message|event)[\w.-]{0,20}[\s\"'(=:{]{0,6}\Z",
    re.IGNORECASE,
)
_OF_DOCUMENTATION = ("123e4567-", "550e8400-")
_FEW = 6  # with at most this many different characters, it was typed by hand
_MANY = 100  # a text with more UUIDs is a table of identifiers


def uuids(joined: JoinedBytes, extension: Callable[[int], str]) -> Iterator[ShapedSecret]:
    """Yield UUIDs at the lowest severity, except in a text that is full of them. `extension` returns the file extension of a row."""
    text = joined.text
    rows: dict[int, list[ShapedSecret]] = {}
    for tail in _TAIL.finditer(text):
        start = tail.start() - _HEAD
        value = text[max(start, 0) : tail.end()]
        row = joined.index(tail.start())
        if start >= joined.starts[row] and _stands_alone(text, start) and _HEX.issuperset(value[:_HEAD]) and _is_drawn(value):
            rows.setdefault(row, []).append(
                ShapedSecret("uuid", start, tail.end(), 0.2, "info", "UUID as a value: rarely a key, usually an identifier")
            )
    for row, found in rows.items():
        if len(found) <= _MANY and extension(joined.first + row) in READ:
            yield from (one for one in found if not _KIND.search(text, max(joined.starts[row], one.start - 40), one.start))


def _stands_alone(text: str, start: int) -> bool:
    before = text[start - 1 : start]  # in an address or resource name, it is only an identifier
    return not before.isalnum() and before not in ("-", "_", "/", ":", ".")


def _is_drawn(value: str) -> bool:
    return (
        len(set(value.lower())) > _FEW and not value.startswith(_OF_DOCUMENTATION) and not likelihood.has_sequence(value.replace("-", ""))
    )
