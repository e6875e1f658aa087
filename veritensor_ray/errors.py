"""Every error this package raises on purpose; of the package it knows the codes of reasons alone.

VeritensorError
├── UsageError                  exit 2: the command or the configuration is wrong
│   └── OutputConflict          the output holds another corpus or another fingerprint
├── CannotRunError              exit 4: the command is right, the surroundings are not
│   ├── StoreError              a store refuses, is unknown or cannot be reached
│   ├── ModelError              a model is missing, changed or fails its self-test
│   ├── BundleError             a bundle is missing, damaged, hostile or too old
│   ├── SignatureError          signed by nobody who is trusted, or changed since
│   ├── NotAsScanned            what a finding was made in is not there any more, or is something else now
│   ├── ResourceError           not enough CPUs, memory or GPUs to ever finish
│   └── LeaseHeld               another run writes this output
├── IncompleteOutput            exit 4: the output has no run.json
├── DeadlineReached             exit 3: what is under way was committed, the rest is for the next run
└── ReadError                   one artifact cannot be read, wholly or in part; becomes a ledger entry
    ├── ChangedDuringRun        it is not what was planned any more
    ├── Encrypted               it takes a password to read it
    └── LimitExceeded           a bound on size, depth, ratio or count cut it off

Malformed (a ValueError) is what our own parsers of formats raise; readers turn it, and what libraries raise, into a ReadError (`as_read_error`).
"""

from __future__ import annotations

import re
import struct

from veritensor_ray.reasons import ReasonCode, access_code


class VeritensorError(Exception):
    """Base of all; `exit_code` is what the command line ends with."""

    exit_code = 4


class UsageError(VeritensorError):
    """The command or its configuration is wrong; the message names what to type instead."""

    exit_code = 2


class OutputConflict(UsageError):
    """The output belongs to another corpus or to a run with another fingerprint."""


class CannotRunError(VeritensorError):
    """The surroundings do not allow the run; the message ends with the remedy."""


class StoreError(CannotRunError):
    """A store refuses access, is unknown, or cannot be reached."""


class ModelError(CannotRunError):
    """A model is missing, changed, or fails its self-test."""


class BundleError(CannotRunError):
    """A bundle is missing, damaged, hostile or too old."""


class SignatureError(CannotRunError):
    """Nobody who is trusted signed it, or it was changed since; the message names keys and remedy."""


class NotAsScanned(CannotRunError):
    """The artifact of a finding, or what readers make of it, is not what was scanned; the message says what differs."""


class ResourceError(CannotRunError):
    """The machine or cluster could never finish this run."""


class LeaseHeld(CannotRunError):
    """Another run is writing the same output."""


class IncompleteOutput(VeritensorError):
    """The output has no run.json: the run that made it has not ended."""


class DeadlineReached(VeritensorError):
    """No further shard was begun; the same command goes on where this one stopped."""

    exit_code = 3


class ReadError(VeritensorError):
    """One artifact or member cannot be read, wholly or in part; `reason_code` says why in a word."""

    reason_code = ReasonCode.DAMAGED

    def __init__(self, message: str, code: ReasonCode | None = None) -> None:
        super().__init__(message)
        self.reason_code = code or self.reason_code


class ChangedDuringRun(ReadError):
    """The artifact is not the one that was planned."""

    reason_code = ReasonCode.CHANGED_DURING_RUN


class Encrypted(ReadError):
    """It takes a password to read it."""

    reason_code = ReasonCode.ENCRYPTED


class LimitExceeded(ReadError):
    """A bound cut the artifact off.

    `bound` is the configuration name of the limit, for the ledger's gap.
    """

    reason_code = ReasonCode.LIMIT

    def __init__(self, bound: str, message: str) -> None:
        super().__init__(message)
        self.bound = bound

    def __reduce__(self) -> tuple[type[LimitExceeded], tuple[str, str]]:
        return LimitExceeded, (self.bound, str(self))


class Malformed(ValueError):
    """Something is not as its format demands; the message says what."""


_MEMORY = re.compile(
    r"malloc of size \d+ failed|bad_alloc|out of memory|cannot allocate memory|unable to allocate|memory usage limit", re.IGNORECASE
)
# What Python's own errors come to in a parser. Their messages are about code, and quote whatever stands in the file.
_MEANINGS: tuple[tuple[type[BaseException] | tuple[type[BaseException], ...], str], ...] = (
    (RecursionError, "it is nested too deeply"),
    (UnicodeError, "characters in it do not decode"),
    ((IndexError, EOFError, struct.error), "it ends early, or a length or position in it is wrong"),
    ((ValueError, ArithmeticError), "a number or value in it is not possible"),
    (Exception, "its structure is not what its format demands"),
)
_ADDRESS = re.compile(r" <[^<>]* at 0x[0-9a-f]+>")  # of an object, which some messages name
_SHOWN = 200


def as_read_error(error: BaseException, what: str) -> ReadError:
    """A library's error in our words. `what` says what was read and what became of it, such as `the sheet cannot be read`.

    The first line of what a library says in an error of its own is kept; of Python's errors only the kind. Where memory ran out, the
    result is a LimitExceeded, whatever class and words the library has for that.
    """
    if isinstance(error, ReadError):
        return error
    said = _ADDRESS.sub("", " ".join(str(error).partition("\n")[0].split()))[:_SHOWN]
    if isinstance(error, MemoryError) or _MEMORY.search(said):
        return LimitExceeded("worker_memory", "reading it needs more memory than limits.worker_memory allows")
    kind, code = type(error), ReasonCode.DAMAGED
    if isinstance(error, OSError) and error.strerror:
        said, code = error.strerror, access_code(error)
    elif not said or (kind is not OSError and kind.__module__ == "builtins") or kind is struct.error:
        said = f"{next(meaning for kinds, meaning in _MEANINGS if isinstance(error, kinds))} ({kind.__name__})"
    return ReadError(f"{what}: {said}", code)
