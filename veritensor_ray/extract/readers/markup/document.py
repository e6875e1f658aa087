"""The open elements of an HTML page and how each is shown: bounded in depth, and no end tag costs more than what it closes."""

from __future__ import annotations

from collections import Counter

from veritensor_ray.extract.readers.markup.elements import BARRIERS, CLOSES
from veritensor_ray.extract.readers.markup.visibility import VISIBLE, State

_DEPTH = 512  # as deep as browsers nest
_REACH = 16  # open elements that an implied end tag looks at


class Open:
    """The stack of open elements."""

    def __init__(self) -> None:
        self._stack: list[tuple[str, State]] = []
        self._scopes: list[Counter[str]] = [Counter()]  # open elements since the last barrier
        self._barriers: Counter[str] = Counter()
        self.state = VISIBLE

    def push(self, name: str, state: State) -> None:
        """An element begins."""
        if len(self._stack) >= _DEPTH:
            self._pop()
        self._stack.append((name, state))
        if name in BARRIERS:
            self._barriers[name] += 1
            self._scopes.append(Counter())
        else:
            self._scopes[-1][name] += 1
        self.state = state

    def close_implied(self, name: str) -> None:
        """End what cannot be open any more where `name` begins."""
        closes, stops = CLOSES[name]
        for index in range(len(self._stack) - 1, max(-1, len(self._stack) - 1 - _REACH), -1):
            there = self._stack[index][0]
            if there in closes:
                self._cut(index)
                return
            if there in stops:
                return

    def has(self, name: str) -> bool:
        """Whether an end tag of that name ends something."""
        return (self._barriers if name in BARRIERS else self._scopes[-1])[name] > 0

    def end(self, name: str) -> None:
        """An end tag; without its element it means nothing."""
        if not self.has(name):
            return
        while self._pop() != name:
            pass
        self.state = self._stack[-1][1] if self._stack else VISIBLE

    def _cut(self, index: int) -> None:
        while len(self._stack) > index:
            self._pop()
        self.state = self._stack[-1][1] if self._stack else VISIBLE

    def _pop(self) -> str:
        name, _ = self._stack.pop()
        if name in BARRIERS:
            self._barriers[name] -= 1
            self._scopes.pop()
        else:
            self._scopes[-1][name] -= 1
        return name
