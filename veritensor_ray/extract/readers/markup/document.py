"""The open elements of an HTML page and how each is shown: bounded in depth, and no end tag costs more than what it closes."""

from __future__ import annotations

from collections import Counter

from veritensor_ray.extract.readers.markup.elements import BARRIERS, CLOSES
from veritensor_ray.extract.readers.markup.matching import Element
from veritensor_ray.extract.readers.markup.visibility import State

_DEPTH = 512  # as deep as browsers nest
_REACH = 16  # open elements that an implied end tag looks at


class Open:
    """The stack of open elements; those of a page with style sheets are there for its selectors too."""

    def __init__(self, outermost: State) -> None:
        self._stack: list[tuple[str, State, Element | None]] = []
        self._scopes: list[Counter[str]] = [Counter()]  # open elements since the last barrier
        self._barriers: Counter[str] = Counter()
        self._nothing = "", outermost, None
        self.state = outermost
        self.element: Element | None = None

    def make_room(self) -> None:
        """End the innermost element where one more is too deep: the next stands beside it, as in a browser."""
        if len(self._stack) >= _DEPTH:
            self._cut(_DEPTH - 1)

    def push(self, name: str, state: State, element: Element | None) -> None:
        """An element begins."""
        if element:
            element.state = state
        self._stack.append((name, state, element))
        if name in BARRIERS:
            self._barriers[name] += 1
            self._scopes.append(Counter())
        else:
            self._scopes[-1][name] += 1
        self.state, self.element = state, element

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
        _, self.state, self.element = self._stack[-1] if self._stack else self._nothing

    def _cut(self, index: int) -> None:
        while len(self._stack) > index:
            self._pop()
        _, self.state, self.element = self._stack[-1] if self._stack else self._nothing

    def _pop(self) -> str:
        name, _, element = self._stack.pop()
        if element:
            element.close()
        if name in BARRIERS:
            self._barriers[name] -= 1
            self._scopes.pop()
        else:
            self._scopes[-1][name] -= 1
        return name
