"""A held-out sample, and the pair of an attack and its benign twin. Samples are bytes that nothing here ever loads."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Content = bytes | str | dict[str, Any] | list[Any]
Row = tuple[str, str, Content, Content, str] | tuple[str, str, Content, Content, str, str]


@dataclass(frozen=True)
class Sample:
    """One file. `effect` says what happens when it is loaded, and by which loader; a twin's is that of its attack."""

    name: str
    group: str
    file: str
    data: bytes
    attack: bool
    effect: str


@dataclass(frozen=True)
class Group:
    """The pairs of one class of attacks."""

    title: str

    def pair(self, name: str, file: str, attack: Content, twin: Content, effect: str, twin_file: str | None = None) -> Iterator[Sample]:
        """Yield an attack and its benign twin, which has the same format and shape."""
        yield Sample(f"{name}-attack", self.title, file, as_bytes(attack), True, effect)
        yield Sample(f"{name}-twin", self.title, twin_file or file, as_bytes(twin), False, effect)

    def pairs(self, *rows: Row) -> Iterator[Sample]:
        """Yield the pairs of a table, whose columns are the arguments of `pair`."""
        for row in rows:
            yield from self.pair(*row)


def as_bytes(content: Content) -> bytes:
    """Return text as UTF-8, and anything else that is not bytes as JSON."""
    if isinstance(content, bytes):
        return content
    return (content if isinstance(content, str) else json.dumps(content, indent=2)).encode()
