"""Walks through the records of a file of protocol buffers, and counts what was left out of them. It does not depend on any format."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from veritensor_ray.core import bounds
from veritensor_ray.core.errors import Malformed
from veritensor_ray.core.segments import Gap
from veritensor_ray.engines.modelfiles.effects import Found
from veritensor_ray.engines.modelfiles.graphs.found import MALFORMED, Place, broken, unknown
from veritensor_ray.formats.model_files.wire import UnreadField
from veritensor_ray.formats.model_files.wire_records import Record


@dataclass(slots=True)
class RecordWalk:
    """How many values and long texts of a file were left out so far."""

    lost: int = 0
    long: int = 0

    def judged(
        self,
        found: Iterable[Record | UnreadField],
        judge: Callable[[Record], Iterator[Found]],
        unread: tuple[str, str] = ("a field", "the format does not have it"),
        malformed: str = MALFORMED,
    ) -> Iterator[Found]:
        """Yield what `judge` says of each record, and that a field was not read or the file is not well-formed."""
        try:
            for one in found:
                if isinstance(one, Record):
                    self.lost, self.long = self.lost + one.cut, self.long + one.long
                    yield from judge(one)
                elif not one.numbers:
                    yield unknown("holds", *unread, (one.start, one.end))
        except Malformed as error:
            yield broken(error, malformed)

    def note(self, seen: dict[Any, Place], key: object, place: Place) -> None:
        """Take note of the first place of something, or count it as left out if there are too many."""
        if len(seen) < bounds.EFFECTS:
            seen.setdefault(key, place)
        else:
            self.lost += key not in seen

    def left_out(self, values: str) -> Iterator[Gap]:
        """Yield the gaps for what was left out, if there is anything."""
        for count, what, bound in ((self.lost, values, "message_values"), (self.long, "long texts", "message_text")):
            if count:
                yield Gap(f"{count} {what} were not checked", engine="modelfiles", bound=bound, count=count)
