"""Texts that a pattern matches, made from the pattern itself."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from re import _constants as sre  # type: ignore[attr-defined]
from re import _parser as sre_parser  # type: ignore[attr-defined]
from typing import Any

STRING = re.compile(r"^\s*(?P<name>\$\w+)\s*=\s*(?:/(?P<regex>.*)/(?P<flags>[is]*)|\"(?P<words>.*)\")(?P<more>(?:[ ]\w+)*)\s*$")
_ORDINARY = [c for c in range(0x21, 0x7F) if chr(c).isalnum()] + [0x20, 0x2D, 0x2E]


def matched_by(line: str, chance: random.Random) -> bytes:
    """A text that the string of a rule, a line of its source, was written for."""
    found = STRING.match(line)
    assert found, line
    if found["regex"] is None:
        words = found["words"].replace('\\"', '"').replace("\\\\", "\\").encode()
        return chance.choice([words, words.upper()]) if "nocase" in found["more"] else words
    return b"".join(_made(sre_parser.parse(found["regex"].encode()), chance, "i" in found["flags"]))


def _made(parsed: Any, chance: random.Random, caseless: bool) -> Iterator[bytes]:
    for operation, argument in parsed:
        if operation is sre.LITERAL:
            one = bytes([argument])
            yield chance.choice([one.upper(), one.lower()]) if caseless else one
        elif operation is sre.NOT_LITERAL:
            yield bytes([chance.choice([c for c in _ORDINARY if c != argument])])
        elif operation is sre.ANY:
            yield bytes([chance.choice(_ORDINARY)])
        elif operation is sre.IN:
            allowed = _allowed(argument)
            yield b" " if 0x20 in allowed and chance.random() < 0.6 else bytes([chance.choice(allowed)])
        elif operation is sre.BRANCH:
            yield from _made(chance.choice(argument[1]), chance, caseless)
        elif operation is sre.SUBPATTERN:
            yield from _made(argument[3], chance, caseless)
        elif operation in (sre.MAX_REPEAT, sre.MIN_REPEAT):
            least, most, inner = argument
            for _ in range(chance.choice([least, min(most, least + 1), min(most, least + 3)])):
                yield from _made(inner, chance, caseless)


def _allowed(items: Any) -> list[int]:
    found = re.compile(b"[" + b"".join(_written(items)) + b"]")
    return [c for c in _ORDINARY if found.match(bytes([c]))] or [c for c in range(256) if found.match(bytes([c]))]


def _written(items: Any) -> Iterator[bytes]:
    categories = {"SPACE": b"s", "WORD": b"w", "DIGIT": b"d"}
    for operation, argument in items:
        if operation is sre.NEGATE:
            yield b"^"
        elif operation is sre.LITERAL:
            yield b"\\x%02x" % argument
        elif operation is sre.RANGE:
            yield b"\\x%02x-\\x%02x" % argument
        else:
            letter = categories[str(argument).rpartition("_")[2]]
            yield b"\\" + (letter.upper() if "NOT" in str(argument) else letter)
