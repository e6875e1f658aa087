"""The events that a walk over the opcodes of a pickle yields; data only."""

from __future__ import annotations

from dataclasses import dataclass

from veritensor_ray.core import bounds
from veritensor_ray.formats.model_files.pickle.pickle_values import Blob, Called, Name

PIECE = 1 << 20  # characters or bytes of long strings


@dataclass(slots=True)
class WalkBudget:
    """The number of operations that are left for a whole file."""

    left: int = bounds.PICKLE_STEPS


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
    """A call of a name with arguments."""

    function: Name
    args: object
    offset: int


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


Event = Name | Call | PickleText | Blob | Raw | Doubtful
