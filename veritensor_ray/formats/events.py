"""What a walk over the opcodes of a pickle tells of; data only."""

from __future__ import annotations

from dataclasses import dataclass

from veritensor_ray import bounds
from veritensor_ray.formats.pickle_values import Blob, Called, Name

PIECE = 1 << 20  # characters or bytes of long texts


@dataclass(slots=True)
class WalkBudget:
    """Operations that are left, for a whole file."""

    left: int = bounds.PICKLE_STEPS


class Broken(Exception):
    """The opcodes make no sense from here on."""


class BrokenOff(Broken):
    """It ends before it is through."""


@dataclass(frozen=True, slots=True)
class PickleText:
    """A string, or a piece of one that begins `start` characters into it; `offset` is where the string's first byte stands."""

    text: str
    offset: int | None
    start: int = 0


@dataclass(frozen=True, slots=True)
class Call:
    """A name that is called with arguments."""

    function: Name
    args: object
    offset: int


@dataclass(frozen=True, slots=True)
class Raw:
    """Bytes of an array that stand between opcodes."""

    offset: int
    size: int
    wrapper: Called


@dataclass(frozen=True, slots=True)
class Doubtful:
    """What an unpickler would see that knows nothing of joblib and takes the bytes of an array for opcodes."""

    event: Name | Call


Event = Name | Call | PickleText | Blob | Raw | Doubtful
