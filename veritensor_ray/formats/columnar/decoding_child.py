"""The frame of a process in which a library decodes hostile files. A damaged file may end it, and what it reads by mistake is not the memory of a worker.

It answers one request at a time and ends with its parent. What is asked and answered is up to the format.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import struct
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any, BinaryIO

from veritensor_ray.core.errors import told

HEAD = struct.Struct("<cQ")  # the kind of an answer, and its length
FAILED, MISSING, DONE = b"F", b"M", b"D"  # the other kinds are the format's
_PR_SET_PDEATHSIG = 1
Answer = tuple[bytes, bytes]
Answers = Callable[[Mapping[str, Any]], Iterator[Answer]]


def told_answers(answers: Answers, request: Mapping[str, Any], folder: str) -> Iterator[Answer]:
    """Yield the answers to a request, the last of which says how it ended. The path of the scratch folder is left out of what libraries say."""
    try:
        yield from answers(request)
    except ModuleNotFoundError:
        yield MISSING, b""
    except BaseException as error:  # noqa: BLE001  # a panic of a library is no Exception
        yield FAILED, told(error).replace(f"{folder.lstrip('/')}/", "").encode("utf-8", "replace")
    else:
        yield DONE, b""


def serve(told_by: Callable[[Mapping[str, Any]], Iterator[Answer]], requests: BinaryIO, out: BinaryIO) -> None:
    """Answer one request after the other, until the input ends."""
    for line in requests:
        for kind, data in told_by(json.loads(line)):
            out.write(HEAD.pack(kind, len(data)))
            out.write(data)
            out.flush()


def main(parent: int, told_by: Callable[[Mapping[str, Any]], Iterator[Answer]]) -> None:
    """Keep the pipes for requests and answers, so that no library can write into one, and serve."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # the parent died in between
        return
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends this process
    requests, out = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    serve(told_by, requests, out)


__all__ = ["DONE", "FAILED", "HEAD", "MISSING", "Answer", "Answers", "main", "serve", "told_answers"]
