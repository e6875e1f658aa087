"""Gathers the fields of the messages that somebody asks for, such as the nodes of a graph, while a file of protocol buffers streams by."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field

from veritensor_ray.core import bounds
from veritensor_ray.formats.model_files.wire import Closed, Opened, UnreadField, WireEvent, WireNumber, WireText

_MOST = bounds.MESSAGE_VALUES


@dataclass(slots=True)
class Record:
    """The fields of one message, and of the messages in it that are not records themselves, by name. `cut` counts those left out, and `long` the texts
    that were too long to be read."""

    message: str
    start: int
    end: int
    outer: str = ""
    texts: dict[str, list[WireText]] = field(default_factory=dict)
    numbers: dict[str, int] = field(default_factory=dict)
    parts: list[Record] = field(default_factory=list)
    kept: int = 0
    cut: int = 0
    long: int = 0

    def text(self, name: str) -> str:
        """Return the last text of a field, as a parser would; empty if there is none."""
        found = self.texts.get(name)
        return found[-1].text if found else ""

    def all(self, name: str) -> list[str]:
        """Return all texts of a field."""
        return [one.text for one in self.texts.get(name, ())]

    def add(self, found: WireText | WireNumber | Record) -> None:
        """Add a field, unless there are too many."""
        self.kept += 1
        if self.kept > _MOST:
            self.cut += 1
        elif isinstance(found, WireText):
            self.long += bool(found.too_long)
            self.texts.setdefault(found.name, []).append(found)
        elif isinstance(found, WireNumber):
            self.numbers[found.name] = found.value
        else:
            self.parts.append(found)
            self.cut += found.cut
            self.long += found.long


def records(events: Iterable[WireEvent], whole: Collection[str], parts: Collection[str] = ()) -> Iterator[Record | UnreadField]:
    """Yield each message of the types in `whole` when it ends, with the messages of the types in `parts` that it contains.

    A message of another type has no record: its fields belong to the record around it. Fields that were not read are yielded too.
    """
    stack: list[Record | None] = []
    kept: list[Record] = []
    for found in events:
        if isinstance(found, Opened):
            record = (
                Record(found.message, found.start, found.end or found.start, found.name)
                if found.message in whole or found.message in parts
                else None
            )
            stack.append(record)
            if record:
                kept.append(record)
        elif isinstance(found, Closed):
            if ended := stack.pop():
                kept.pop()
                if ended.message in whole or not kept:
                    yield ended
                else:
                    kept[-1].add(ended)
        elif isinstance(found, UnreadField):
            yield found
        elif kept:
            kept[-1].add(found)
