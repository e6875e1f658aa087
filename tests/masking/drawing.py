"""Texts that a pattern matches, drawn by chance."""

from __future__ import annotations

import random
import re
from re import _constants as sre  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any


def drawn(source: str, chance: random.Random, flags: int = re.ASCII) -> str:
    """A text that a pattern matches, drawn by chance, apart from what must stand around it."""
    return "".join(_drawn(one, chance) for one in parser.parse(source, flags))


def _drawn(one: Any, chance: random.Random) -> str:
    op, value = one
    if op is sre.LITERAL:
        return chr(value)
    if op is sre.IN:
        return _of_class(chance.choice(value), chance)
    if op in (sre.MAX_REPEAT, sre.MIN_REPEAT):
        least, most, inner = value
        times = chance.randint(least, min(most, least + 3))
        return "".join(_drawn(one, chance) for _ in range(times) for one in inner)
    if op is sre.SUBPATTERN:
        return "".join(_drawn(one, chance) for one in value[3])
    if op is sre.BRANCH:
        return "".join(_drawn(one, chance) for one in chance.choice(value[1]))
    assert op in (sre.ASSERT, sre.ASSERT_NOT, sre.AT, sre.CATEGORY, sre.NOT_LITERAL), op
    return "" if op in (sre.ASSERT, sre.ASSERT_NOT, sre.AT) else " "


def _of_class(one: Any, chance: random.Random) -> str:
    op, value = one
    return chr(chance.randint(*value)) if op is sre.RANGE else chr(value) if op is sre.LITERAL else " "
