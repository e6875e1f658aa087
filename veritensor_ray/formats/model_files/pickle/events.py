"""The events that a walk over the opcodes of a pickle yields; data only."""

from __future__ import annotations

from dataclasses import dataclass

from veritensor_ray.core import bounds
from veritensor_ray.formats.model_files.pickle.pickle_values import Blob, Called, Name, storage_of

_RANGES = 10_000
PIECE = 1 << 20  # characters or bytes of long strings


@dataclass(slots=True)
class WalkBudget:
    """The number of operations that are left for a whole file."""

    left: int = bounds.PICKLE_STEPS


class PickleAside:
    """What a walk passes over: `ranges` of the file, in ascending order, and the sizes of the `storages` of torch that persistent ids name.

    `storages` is None if the size of one is unknown.
    """

    def __init__(self) -> None:
        self.ranges: list[tuple[int, int]] = []
        self.storages: dict[str, int] | None = {}

    def unread(self, start: int, end: int) -> None:
        """Note a range that is not read. If there are many, those between them count as unread too."""
        if len(self.ranges) >= _RANGES:
            start = self.ranges.pop()[0]
        self.ranges.append((start, end))

    def persistent(self, value: object) -> None:
        """Note a persistent id."""
        found = storage_of(value)
        if found is None or self.storages is None or len(self.storages) >= _RANGES:
            self.storages = None
        else:
            self.storages[found[0]] = max(found[1], self.storages.get(found[0], 0))


class Broken(Exception):
    """The opcodes are invalid from this point on."""


class BrokenOff(Broken):
    """The pickle ends prematurely."""


@dataclass(frozen=True, slots=True)
class PickleText:
    """A string, or a piece of one that begins `start` characters into it. `offset` is the position of the string's first byte."""

    text: str
    offset: int | None
    start: int = 0


@dataclass(frozen=True, slots=True)
class Call:
    """A call with arguments. The function is a Name, the result of another call, or something that the walk does not know."""

    function: object
    args: object
    offset: int
    new: bool = False  # whether only `__new__` of a class is called


@dataclass(frozen=True, slots=True)
class Filled:
    """A value that is given a state, or items although it may not be a container: `how` says which. Its class decides what that does."""

    target: object
    value: object
    offset: int
    how: str


@dataclass(frozen=True, slots=True)
class Raw:
    """The bytes of an array that stand between opcodes."""

    offset: int
    size: int
    wrapper: Called


@dataclass(frozen=True, slots=True)
class Doubtful:
    """An event for an unpickler that does not know joblib and takes the bytes of an array for opcodes."""

    event: Name | Call


Event = Name | Call | Filled | PickleText | Blob | Raw | Doubtful
