"""Gives names of elements and attributes, and values that only programs read, if they are too long or too odd for what they are."""

from __future__ import annotations

from veritensor_ray.formats.common.block_writer import Writer
from veritensor_ray.formats.residue.strings import VIEW
from veritensor_ray.formats.residue.xml_tokens import may_matter

LONG = 20  # characters: shorter names hold no key
_REMEMBERED = 50_000


def is_odd(name: str) -> bool:
    """Return whether a name has to be looked at: most have not, and this is asked for every one."""
    return len(name) >= LONG or "@" in name


class OddNames:
    """Takes odd names of one file, and gives each of them once."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._known: set[str] = set()

    def take(self, name: str, start: int, line: int) -> None:
        """Give a name that begins at the character `start`."""
        if name not in self._known and len(self._known) < _REMEMBERED:
            self._known.add(name)
            if may_matter(name):
                self._writer.source(VIEW, name, start, line, "name")
