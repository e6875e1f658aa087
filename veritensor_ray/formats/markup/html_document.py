"""The open elements of an HTML page and their visibility, bounded in depth. The cost of an end tag is limited to the elements it closes."""

from __future__ import annotations

from veritensor_ray.formats.markup.css.selectors import Element
from veritensor_ray.formats.markup.css.visibility import State
from veritensor_ray.formats.markup.elements import BARRIERS

_DEPTH = 512  # the nesting depth of browsers
_REACH = 16  # open elements that an implied end tag examines


class Open:
    """The stack of open elements. On pages with style sheets, it also serves the selectors."""

    def __init__(self, outermost: State) -> None:
        self._stack: list[tuple[str, State, Element | None]] = []
        self._places: dict[str, list[int]] = {}  # the positions in the stack of elements with each name
        self._walls = [-1]  # the positions of barriers
        self._nothing = "", outermost, None
        self.state = outermost
        self.element: Element | None = None

    def make_room(self) -> None:
        """End the innermost element if another one would be too deep: the next becomes its sibling, as in a browser."""
        if len(self._stack) >= _DEPTH:
            self._cut(_DEPTH - 1)

    def push(self, name: str, state: State, element: Element | None) -> None:
        """Begin an element."""
        if element:
            element.state = state
        place = len(self._stack)
        self._stack.append((name, state, element))
        if name in self._places:
            self._places[name].append(place)
        else:
            self._places[name] = [place]
        if name in BARRIERS:
            self._walls.append(place)
        self.state, self.element = state, element

    def close_implied(self, closes: frozenset[str], stops: frozenset[str]) -> None:
        """End the elements that a new element implicitly closes."""
        if self._places.keys().isdisjoint(closes):
            return
        stack = self._stack
        for index in range(len(stack) - 1, max(-1, len(stack) - 1 - _REACH), -1):
            there = stack[index][0]
            if there in closes:
                self._cut(index)
                return
            if there in stops:
                return

    def has(self, name: str) -> bool:
        """Whether an end tag of that name closes an element."""
        places = self._places.get(name)
        return places is not None and (places[-1] > self._walls[-1] or name in BARRIERS)

    def end(self, name: str) -> None:
        """Handle an end tag. It has no effect without its element."""
        if self.has(name):
            self._cut(self._places[name][-1])

    def _cut(self, index: int) -> None:
        while len(self._stack) > index:
            self._pop()
        _, self.state, self.element = self._stack[-1] if self._stack else self._nothing

    def _pop(self) -> None:
        name, _, element = self._stack.pop()
        if element:
            element.close()
        places = self._places[name]
        places.pop()
        if not places:
            del self._places[name]
        if name in BARRIERS:
            self._walls.pop()
