"""Draws from a key and a value: always the same for the same two, and unpredictable without the key."""

from __future__ import annotations

import hashlib
import hmac
import string
from collections.abc import Callable, Sequence
from typing import TypeVar

_Any = TypeVar("_Any")
_ATTEMPTS = 64
_ROUNDS = 8
_DIGITS = string.digits
_LOWER = string.ascii_lowercase


class Draw:
    """A sequence of draws. `kind` separates values of different kinds, and `attempt` counts draws that the caller rejected."""

    def __init__(self, key: bytes, kind: str, value: str, attempt: int = 0) -> None:
        self._seed = hmac.digest(key, f"{kind}\0{attempt}\0{value}".encode("utf-8", "surrogatepass"), hashlib.sha256)
        self._block = 0
        self._pool, self._size = 0, 1  # the pool is a random number below the size

    def below(self, limit: int) -> int:
        """Return a number from 0 to `limit` - 1, each about equally likely."""
        while self._size < limit << 64:
            block = hashlib.sha256(self._seed + self._block.to_bytes(4, "big")).digest()
            self._pool, self._size = self._pool << 256 | int.from_bytes(block, "big"), self._size << 256
            self._block += 1
        self._pool, number = divmod(self._pool, limit)
        self._size //= limit
        return number

    def one_of(self, choices: Sequence[_Any]) -> _Any:
        """Return one of the choices."""
        return choices[self.below(len(choices))]

    def digits(self, count: int) -> str:
        """Return a text of digits."""
        return f"{self.below(10**count):0{count}d}" if count else ""

    def like(self, char: str) -> str:
        """Return a digit for a digit, a letter of the same case for an ASCII letter, and any other character as it is."""
        if char in _DIGITS:
            return self.one_of(_DIGITS)
        if char.isascii() and char.isalpha():
            drawn = self.one_of(_LOWER)
            return drawn.upper() if char.isupper() else drawn
        return char


def first_good(key: bytes, kind: str, value: str, make: Callable[[Draw], str | None], good: Callable[[str], bool]) -> str | None:
    """Return the first result that is good, of a limited number of attempts. Other processes find the same one."""
    for attempt in range(_ATTEMPTS):
        made = make(Draw(key, kind, value, attempt))
        if made is not None and good(made):
            return made
    return None


def permuted(key: bytes, kind: str, digits: str) -> str:
    """Return as many digits for digits. Different digits of one length give different ones, unlike draws."""
    if len(digits) < 2:
        order = list(_DIGITS)
        draw = Draw(key, kind, "order")
        return "".join(order.pop(draw.below(len(order))) for _ in _DIGITS)[int(digits)] if digits else ""
    left, right = digits[: len(digits) // 2], digits[len(digits) // 2 :]
    for step in range(_ROUNDS):  # a Feistel network
        added = (int(left) + Draw(key, f"{kind}\0{step}", right).below(10 ** len(left))) % 10 ** len(left)
        left, right = right, f"{added:0{len(left)}d}"
    return left + right


def filled(text: str, characters: str, replaced: Callable[[str], bool] = str.isalnum) -> str:
    """Return the text with its characters for which `replaced` holds exchanged, in order, so that separators and case stay."""
    new = iter(characters)
    return "".join((c.lower() if old.islower() else c) if replaced(old) and (c := next(new, "")) else old for old in text)
