"""Take the texts out of chat messages, and put others in their place. A list may hold texts and messages.

A message is a mapping with a role, as the APIs of chat models have it: `{"role": "user", "content": "…"}`, or with a list of parts as its
content. Every text in it is read, wherever it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from veritensor_ray.api.arguments import described
from veritensor_ray.api.batches import text_of, values_in
from veritensor_ray.core.errors import UsageError

_DEPTH = 32  # levels of lists and mappings in a message


@dataclass(frozen=True, slots=True)
class Spread:
    """The texts of some items, each of which is a text or a message.

    `ranges` are the numbers of each item's texts, and `places` say where a text of a message is; those of other texts are None.
    """

    items: list[Any]
    texts: list[str | None]
    ranges: list[range]
    places: list[str | None]

    def put(self, texts: Sequence[str | None], dropped: Sequence[bool]) -> list[Any]:
        """Return the items with other texts. A message that has lost one of its texts is None."""
        return [self._item(item, texts, numbers, dropped) for item, numbers in zip(self.items, self.ranges, strict=True)]

    def _item(self, item: Any, texts: Sequence[str | None], numbers: range, dropped: Sequence[bool]) -> Any:
        if not isinstance(item, Mapping):
            return texts[numbers[0]]
        if any(dropped[number] for number in numbers):
            return None
        left = iter(numbers)
        return _with_texts(item, "", lambda _, __: texts[next(left)])


def spread(values: Any, role: str) -> Spread:
    """Return the texts of a list of texts and messages. Raises UsageError, which says what to pass instead."""
    made = Spread(values_in(values, role), [], [], [])

    def add(place: str | None, text: str | None) -> None:
        made.texts.append(text)
        made.places.append(place)

    for number, item in enumerate(made.items):
        first = len(made.texts)
        if isinstance(item, Mapping) and isinstance(item.get("role"), str):
            _with_texts(item, f"messages[{number}]", add)
        else:
            add(None, text_of(item, number, role))
        made.ranges.append(range(first, len(made.texts)))
    return made


def _with_texts(value: Any, place: str, text: Callable[[str, str], Any], depth: int = 0) -> Any:
    """Return a value of a message in which `text` has replaced every text."""
    if isinstance(value, str):
        return text(place, value)
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if depth < _DEPTH:
        if isinstance(value, Mapping):
            return {key: _with_texts(each, f"{place}.{key}", text, depth + 1) for key, each in value.items()}
        if isinstance(value, (list, tuple)):
            return [_with_texts(each, f"{place}[{number}]", text, depth + 1) for number, each in enumerate(value)]
    what = f"nested more than {_DEPTH} levels deep" if isinstance(value, (Mapping, list, tuple)) else described(value)
    raise UsageError(f"{place} is {what}; a message consists of texts, numbers, lists and mappings, as in JSON")
