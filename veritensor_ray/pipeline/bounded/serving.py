"""What a process does that `bounded` starts, whatever it is asked: it answers one request at a time, under limits, and ends with its parent.

The limits are a watchdog and a bound on memory.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import json
import os
import pickle
import signal
import struct
import sys
from collections.abc import Callable, Mapping
from typing import IO, Any, BinaryIO

from veritensor_ray.core.errors import LimitExceeded, VeritensorError, failure
from veritensor_ray.pipeline.bounded.process_limits import WORKBENCHES, Watchdog, bound_memory, raised_memory, unbound_memory

HEAD = struct.Struct("<QQ")  # lengths of the two parts of a message
Answer = tuple[dict[str, Any], bytes]
Functions = Mapping[str, Callable[..., Answer]]
_PR_SET_PDEATHSIG = 1


def exactly(stream: IO[bytes], count: int) -> bytes:
    """Read exactly `count` bytes. Raises EOFError if there are fewer."""
    data = stream.read(count)
    if len(data) < count:
        raise EOFError
    return data


class Bounds:
    """The limits for the current request: the time without a `pulse`, and the memory it may allocate."""

    def __init__(self, tell: Callable[[Any], None] = lambda said: None) -> None:
        self.tell = tell  # sends a small value to the caller, before the answer
        self._watchdog = Watchdog(0)
        self._memory: int | None = None
        self._ours = self._bound = False
        self._ready: list[object] = []

    def renew(self, seconds: float, memory: int | None) -> None:
        """Set the limits for the next request."""
        self._watchdog, self._memory, self._bound = Watchdog(seconds), memory, False

    def bind(self) -> None:
        """Apply the limits. From now on the bytes are an attacker's."""
        self._ours |= bound_memory(self._memory)
        self._bound = True
        self.pulse()

    def pulse(self) -> None:
        """Report progress to the watchdog."""
        self._watchdog.pulse()

    def rest(self) -> None:
        """Stop the watchdog when the request is done."""
        self._watchdog.rest()

    def prepare(self, key: object, load: Callable[[], object]) -> bool:
        """Load what belongs to `key` without limits, once: model weights do not count against the artifact. Returns whether it was loaded now."""
        if key in self._ready:
            return False
        if self._bound:  # an artifact is being read, and must not gain any memory by this
            self.rest()
            with raised_memory():
                load()
            self.pulse()
        else:
            if self._ours:
                unbound_memory()
                self._ours = False
            load()
        self._ready = [*self._ready[1 - WORKBENCHES :], key]
        return True


def _answered(functions: Functions, bounds: Bounds, request: bytes) -> Answer:
    function, arguments, seconds, memory = pickle.loads(request)  # noqa: S301  # from our parent, over a pipe that nobody else has
    bounds.renew(seconds, memory)
    try:
        return functions[function](bounds, *arguments)
    except LimitExceeded as error:
        return {"error": "LimitExceeded", "message": str(error), "bound": error.bound}, b""
    except VeritensorError as error:
        return {"error": type(error).__name__, "message": str(error)}, b""
    except Exception as error:  # noqa: BLE001  # the boundary of a request: the caller must hear about any failure
        return {"error": "", "message": failure(error)}, b""
    finally:
        bounds.rest()


def serve(functions: Functions, requests: IO[bytes], answers: BinaryIO) -> None:
    """Answer requests until standard input ends."""

    def say(small: dict[str, Any], data: bytes = b"") -> None:
        about = json.dumps(small).encode()
        answers.write(HEAD.pack(len(about), len(data)))
        answers.write(about)
        answers.write(data)
        answers.flush()

    bounds = Bounds(lambda said: say({"told": said}))
    while head := requests.read(HEAD.size):
        say(*_answered(functions, bounds, exactly(requests, HEAD.unpack(head)[0])))


def main(functions: Functions, parent: int) -> None:
    """Reserve the pipes for answers, so that no library can write into one, and serve."""
    if sys.platform == "linux":  # elsewhere the process ends when its parent's pipe closes
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # the parent died in between
        return
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends this process
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    with open(os.devnull, "rb") as nothing:  # noqa: PTH123  # dup2 needs a descriptor
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)
    with contextlib.suppress(BrokenPipeError, EOFError):
        serve(functions, requests, answers)
    gc.freeze()  # the parent waits for the end, which need not search all models and rules for cycles
