"""What libraries raise, in our words."""

from __future__ import annotations

import csv
import errno
import json
import sqlite3
import struct
import tomllib
import zlib
from collections.abc import Callable
from xml.parsers import expat

import numpy as np
import pyarrow as pa
import pytest
import yaml

from veritensor_ray.core.errors import LimitExceeded, Malformed, ReadError, as_read_error
from veritensor_ray.core.reasons import ReasonCode
from veritensor_ray.core.segments import Gap

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
        (caught(lambda: int("9" * 5000)), VALUE),
        (caught(lambda: struct.unpack("<I", b"ab")), ENDS),
        (caught(lambda: [][1]), ENDS),
        (caught(lambda: np.frombuffer(b"abc", np.uint16)), VALUE),
        (caught(lambda: b"\xff".decode()), "some of its characters do not decode"),
        (caught(lambda: dict[str, int]()["4111111111111111"]), f"{STRUCTURE} (KeyError)"),
        (caught(lambda: None.sheets), f"{STRUCTURE} (AttributeError)"),  # type: ignore[attr-defined]
        (RecursionError(), "it is nested too deeply"),
        (AssertionError(), f"{STRUCTURE} (AssertionError)"),
        (EOFError(), "it ends too early"),
        (OSError(errno.EIO, "Input/output error"), "Input/output error"),
        # words of a library may quote the file, but for those of a few that never do
        (OSError("cannot identify image file <_io.BytesIO object at 0x7f0>"), f"{STRUCTURE} (OSError)"),
        (pa.ArrowInvalid("Column 'card 4111111111111111' is not there"), f"{STRUCTURE} (ArrowInvalid)"),
        (caught(lambda: json.loads('{"a":\n4929x}')), f"{STRUCTURE} (JSONDecodeError, line 2)"),
        (caught(lambda: tomllib.loads('a = 1\n["Tr0ub4dor"]\n["Tr0ub4dor"]')), f"{STRUCTURE} (TOMLDecodeError, line 3)"),
        (caught(lambda: yaml.safe_load("a: 1\nb: *Tr0ub4dor")), f"{STRUCTURE} (ComposerError, line 2)"),
        (caught(lambda: sqlite3.connect(":memory:").execute("select Tr0ub4dor")), f"{STRUCTURE} (SQLITE_ERROR)"),
        (caught(lambda: expat.ParserCreate().Parse("<a>\n</Tr0ub4dor>", True)), "mismatched tag: line 2, column 2"),
        (caught(lambda: list(csv.reader(["x" * 131_073]))), "field larger than field limit (131072)"),
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
