"""What libraries raise, in our words."""

from __future__ import annotations

import errno
import struct
import zlib
from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest

from veritensor_ray.errors import LimitExceeded, Malformed, ReadError, as_read_error
from veritensor_ray.reasons import ReasonCode
from veritensor_ray.segments import Gap

WHAT = "the sheet cannot be read"
ENDS = "it ends early, or one of its lengths or positions is wrong"
VALUE = "it contains an impossible number or value"
STRUCTURE = "its structure violates its format"


def caught(raising: Callable[[], object]) -> Exception:
    with pytest.raises(Exception) as info:  # whatever it is
        raising()
    return info.value


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (caught(lambda: int("9" * 5000)), f"{VALUE} (ValueError)"),
        (caught(lambda: struct.unpack("<I", b"ab")), f"{ENDS} (error)"),
        (caught(lambda: [][1]), f"{ENDS} (IndexError)"),
        (caught(lambda: np.frombuffer(b"abc", np.uint16)), f"{VALUE} (ValueError)"),
        (caught(lambda: b"\xff".decode()), "some of its characters do not decode (UnicodeDecodeError)"),
        (caught(lambda: dict[str, int]()["4111111111111111"]), f"{STRUCTURE} (KeyError)"),
        (caught(lambda: None.sheets), f"{STRUCTURE} (AttributeError)"),  # type: ignore[attr-defined]
        (RecursionError(), "it is nested too deeply (RecursionError)"),
        (AssertionError(), f"{STRUCTURE} (AssertionError)"),
        (OSError(errno.EIO, "Input/output error"), "Input/output error"),
        # what a library says in a class of its own, or by what has no number of the system, is about the file
        (OSError("cannot identify image file <_io.BytesIO object at 0x7f0>"), "cannot identify image file"),
        (pa.ArrowInvalid("Parquet magic bytes not found\nmore"), "Parquet magic bytes not found"),
        (zlib.error("Error -3 while decompressing data"), "Error -3 while decompressing data"),
        (Malformed("a stream ends early"), "a stream ends early"),
    ],
)
def test_what_is_said_of_an_error(error: Exception, reason: str) -> None:
    found = as_read_error(error, WHAT)
    assert (type(found), str(found)) == (ReadError, f"{WHAT}: {reason}")
    code = ReasonCode.STORE_FAILED if isinstance(error, OSError) and error.errno else ReasonCode.DAMAGED
    assert Gap.of(found, "Sheet1") == Gap(f"{WHAT}: {reason}", "Sheet1", code=code)


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        pa.ArrowMemoryError("malloc of size 1024000000 failed"),
        pa.ArrowException("malloc of size 1024000000 failed"),
        RuntimeError("std::bad_alloc"),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
        caught(lambda: np.zeros(1 << 60, np.uint8)),
    ],
)
def test_memory_that_ran_out_is_a_bound(error: Exception) -> None:
    gap = Gap.of(as_read_error(error, WHAT))
    assert (gap.bound, gap.reason) == ("worker_memory", "reading it needs more memory than limits.worker_memory allows")


def test_errors_of_ours_stay() -> None:
    error = LimitExceeded("members", "too many")
    assert as_read_error(error, WHAT) is error
