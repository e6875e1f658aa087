"""The process that `bounded` starts.

It answers one request at a time under a watchdog and a memory limit, and ends with its parent.
"""

from __future__ import annotations

import contextlib
import ctypes
import io
import json
import os
import pickle
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import IO, Any, BinaryIO

import pyarrow as pa

from veritensor_ray.config import Settings
from veritensor_ray.corpus.listing import Listed, Root
from veritensor_ray.corpus.planning import PlanRow
from veritensor_ray.errors import LimitExceeded, VeritensorError
from veritensor_ray.pipeline.bounded import HEAD, exactly
from veritensor_ray.pipeline.calibration import highest_passage
from veritensor_ray.pipeline.context import Context, workbench
from veritensor_ray.pipeline.limits import Watchdog, bound_memory, unbound_memory
from veritensor_ray.pipeline.reading_back import Request, found_again
from veritensor_ray.pipeline.shard import scan_shard, split_engines
from veritensor_ray.pipeline.splitting import splitter

Answer = tuple[dict[str, Any], bytes]
_PR_SET_PDEATHSIG = 1
_PLACES = 4  # workbenches that `context` keeps


class Bounds:
    """The limits for the current request: the time without a `pulse`, and the memory it may allocate."""

    def __init__(self) -> None:
        self._watchdog = Watchdog(0)
        self._memory: int | None = None
        self._ours = False
        self._ready: list[object] = []

    def renew(self, seconds: float, memory: int | None) -> None:
        """Set the limits for the next request."""
        self._watchdog, self._memory = Watchdog(seconds), memory

    def bind(self) -> None:
        """Apply the limits. From now on the bytes are an attacker's."""
        self._ours |= bound_memory(self._memory)
        self.pulse()

    def pulse(self) -> None:
        """Report progress to the watchdog."""
        self._watchdog.pulse()

    def rest(self) -> None:
        """Stop the watchdog when the request is done."""
        self._watchdog.rest()

    def prepare(self, key: object, load: Callable[[], None]) -> None:
        """Load what belongs to `key` without limits, once. Model weights do not count against the artifact."""
        if key not in self._ready:
            if self._ours:
                unbound_memory()
                self._ours = False
            load()
            self._ready = [*self._ready[1 - _PLACES :], key]


def ready(bounds: Bounds, context: Context) -> Answer:
    """Load the engines and run their self-tests."""

    def load() -> None:
        for names in split_engines(context):
            workbench(context, names)

    bounds.prepare((context.fingerprint, context.engines, context.settings.model_dump_json()), load)
    return {}, b""


def scan(
    bounds: Bounds,
    context: Context,
    rows: Sequence[PlanRow],
    fingerprints: Mapping[str, str],
    memory: Mapping[str, bytes],
) -> Answer:
    """Scan a shard and return its table."""
    ready(bounds, context)
    bounds.bind()
    with _in_memory(memory):
        started, models = time.process_time(), list[float]()
        table = scan_shard(context, rows, fingerprints, bounds.pulse, models.append)
        seconds = time.process_time() - started
    out = io.BytesIO()
    with pa.ipc.new_stream(out, table.schema) as writer:
        writer.write_table(table)
    return {"seconds": seconds, "models": sum(models)}, out.getvalue()


@contextlib.contextmanager
def _in_memory(files: Mapping[str, bytes]) -> Any:
    import fsspec

    store = fsspec.filesystem("memory")
    for path, data in files.items():
        store.pipe_file(path, data)
    try:
        yield
    finally:
        for path in files:
            store.rm(path)


def split(bounds: Bounds, settings: Settings, entry: Listed, root: Root) -> Answer:
    """Return where a big artifact can be cut."""
    bounds.bind()
    return {"cuts": splitter(settings)(entry, root)}, b""


def score(bounds: Bounds, context: Context, row: PlanRow) -> Answer:
    """Return the highest-scoring passage of a document."""
    ready(bounds, context)
    bounds.bind()
    return highest_passage(context, row, bounds.pulse), b""


def passage(bounds: Bounds, request: Request) -> Answer:
    """Return the text around a finding."""
    bounds.bind()
    return found_again(request, bounds.pulse), b""


_FUNCTIONS: dict[str, Callable[..., Answer]] = {"passage": passage, "ready": ready, "scan": scan, "score": score, "split": split}


def _answered(bounds: Bounds, request: bytes) -> Answer:
    function, arguments, seconds, memory = pickle.loads(request)  # noqa: S301  # from our parent, over a pipe that nobody else has
    bounds.renew(seconds, memory)
    try:
        return _FUNCTIONS[function](bounds, *arguments)
    except LimitExceeded as error:
        return {"error": "LimitExceeded", "message": str(error), "bound": error.bound}, b""
    except VeritensorError as error:
        return {"error": type(error).__name__, "message": str(error)}, b""
    except Exception as error:  # noqa: BLE001  # the boundary of a request: the caller must hear about any failure
        return {"error": "", "message": f"{type(error).__name__}: {error}"[:1000]}, b""
    finally:
        bounds.rest()


def serve(requests: IO[bytes], answers: BinaryIO) -> None:
    """Answer requests until standard input ends."""
    bounds = Bounds()
    while head := requests.read(HEAD.size):
        small, data = _answered(bounds, exactly(requests, HEAD.unpack(head)[0]))
        about = json.dumps(small).encode()
        answers.write(HEAD.pack(len(about), len(data)))
        answers.write(about)
        answers.write(data)
        answers.flush()


def main(parent: int) -> None:
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
        serve(requests, answers)


if __name__ == "__main__":
    main(int(sys.argv[1]))
