"""A process beside this one that decodes hostile bytes for it: bounded in memory and time, kept for the next call, replaced when it dies.

Requests go there as pickles, from us to ourselves. What comes back was made by a process that read an attacker's file, so it is
data: a line of JSON, and a table as an Arrow stream that is validated. It knows no Ray.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import pickle
import signal
import struct
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from typing import IO, Any, NamedTuple

import pyarrow as pa

import veritensor_ray.errors as errors
from veritensor_ray.config import Settings
from veritensor_ray.corpus.listing import Listed, Root
from veritensor_ray.corpus.planning import PlanRow
from veritensor_ray.findings.schema import COMMIT
from veritensor_ray.pipeline.context import Context
from veritensor_ray.reasons import ReasonCode

HEAD = struct.Struct("<QQ")  # lengths of the two parts of a message
_LARGEST = 1 << 30  # bytes of an answer
_LAST_LINES, _LINE = 30, 2000
_NO_MEMORY = ("MemoryError", "bad_alloc", "Out of memory", "out of memory", "Cannot allocate memory", "malloc of size", "OOM")


class Died(errors.VeritensorError):
    """The process died over a request; the message says why, as the reason of a ledger row, and `reason_code` in a word."""

    def __init__(self, message: str, code: ReasonCode = ReasonCode.PROCESS_DIED) -> None:
        super().__init__(message)
        self.reason_code = code


class Worker:
    """One such process, started when it is first needed. Calls of several threads wait for each other."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._owner = 0
        self._said: deque[bytes] = deque(maxlen=_LAST_LINES)
        self._listener: threading.Thread | None = None

    def call(self, function: str, *arguments: Any, seconds: float, memory: int | None) -> tuple[dict[str, Any], bytes]:
        """What `function` of veritensor_ray.pipeline.child answers: small values, and bytes.

        It may go `seconds` without progress, and allocate `memory` bytes. Raises Died, or the VeritensorError that was raised there.
        """
        request = pickle.dumps((function, arguments, seconds, memory))
        with self._lock:
            process = self._running()
            try:
                answer, data = self._exchanged(process, request)
            except (OSError, EOFError, ValueError):
                raise self._died(process, seconds) from None
            except BaseException:  # an interrupt leaves an answer behind that belongs to nobody
                self._end(kill=True)
                raise
        if "error" in answer:
            raise _raised(str(answer["error"]), str(answer.get("message")), str(answer.get("bound")))
        return answer, data

    @property
    def pid(self) -> int | None:
        """Of the process, where there is one."""
        return self._process.pid if self._process else None

    def close(self) -> None:
        """Let the process go; the next call starts another one."""
        with self._lock:
            self._end()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._owner != os.getpid():  # a fork has the pipes of its parent's process, and must not speak on them
            self._process, self._owner = None, os.getpid()
        if self._process is not None and self._process.poll() is not None:
            self._end()
        if self._process is None:
            self._said = deque(maxlen=_LAST_LINES)
            self._process, self._listener = _started(self._said)
        return self._process

    @staticmethod
    def _exchanged(process: subprocess.Popen[bytes], request: bytes) -> tuple[dict[str, Any], bytes]:
        assert process.stdin is not None  # noqa: S101  # both are pipes
        assert process.stdout is not None  # noqa: S101
        process.stdin.write(HEAD.pack(len(request), 0) + request)
        process.stdin.flush()
        first, second = HEAD.unpack(exactly(process.stdout, HEAD.size))
        if first + second > _LARGEST:
            raise ValueError("an answer is too long")
        answer = json.loads(exactly(process.stdout, first))
        if not isinstance(answer, dict):
            raise ValueError("an answer is not a mapping")  # noqa: TRY004  # about what came, not about a caller
        return answer, exactly(process.stdout, second)

    def _died(self, process: subprocess.Popen[bytes], seconds: float) -> Died:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
        code, listener = self._end(kill=True), self._listener
        if listener is not None:
            listener.join(10)  # until then its last lines, which say why, may not have arrived
        said = b"\n".join(self._said).decode("utf-8", "replace")
        if "Timeout (" in said:
            return Died(f"no progress for {seconds:g} s", ReasonCode.TIMEOUT)
        if any(word in said for word in _NO_MEMORY):
            return Died("needs more memory than worker_memory allows")
        if code < 0:
            name = signal.Signals(-code).name if -code in {*signal.Signals} else str(-code)
            return Died(f"the worker died while reading it ({name}): a crash, or more memory than worker_memory allows")
        return Died(f"the worker ended with {code} while reading it")

    def _end(self, kill: bool = False) -> int:
        process, self._process = self._process, None
        if process is None or self._owner != os.getpid():
            return 0
        if kill:
            process.kill()
        for pipe in (process.stdin, process.stdout):  # which ends it
            with contextlib.suppress(OSError):
                pipe.close()  # type: ignore[union-attr]  # both are pipes
        try:
            return process.wait(1)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()


def exactly(stream: IO[bytes], count: int) -> bytes:
    """So many bytes. Raises EOFError where there are fewer."""
    data = stream.read(count)
    if len(data) < count:
        raise EOFError
    return data


def _started(said: deque[bytes]) -> tuple[subprocess.Popen[bytes], threading.Thread]:
    """A process, and a thread that keeps its last lines: they explain a death, and are nothing for the user's terminal.

    The thread starts it too, and lives as long: the kernel ends the process with the thread that started it, and the caller's may go.
    """
    # not by multiprocessing, which imports the user's script again; -P: nothing is imported from the working directory
    command = [sys.executable, "-P", "-m", "veritensor_ray.pipeline.child", str(os.getpid())]
    started: Future[subprocess.Popen[bytes]] = Future()

    def run() -> None:
        try:
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        except OSError as error:
            started.set_exception(error)
            return
        started.set_result(process)
        with contextlib.suppress(OSError, ValueError), process.stderr as stream:  # type: ignore[union-attr]  # a pipe
            while line := stream.readline(_LINE):
                said.append(line.rstrip())
        process.wait()

    thread = threading.Thread(target=run, name="bounded", daemon=True)
    thread.start()
    try:
        return started.result(), thread
    except OSError as error:
        raise errors.CannotRunError(f"no process can be started: {error}") from None


def _raised(name: str, message: str, bound: str) -> errors.VeritensorError:
    kind = getattr(errors, name, None)
    if isinstance(kind, type) and issubclass(kind, errors.LimitExceeded):
        return kind(bound, message)
    if isinstance(kind, type) and issubclass(kind, errors.VeritensorError):
        return kind(message)
    return errors.CannotRunError(f"the worker failed: {message}")


SHARED = Worker()
atexit.register(SHARED.close)


class Scanned(NamedTuple):
    """A table that a commit stores, CPU seconds that it took, and those of them that models took."""

    table: pa.Table
    seconds: float
    models: float


def scan(
    context: Context,
    rows: Sequence[PlanRow],
    fingerprints: Mapping[str, str],
    memory: Mapping[str, bytes] | None = None,
    seconds: float | None = None,
) -> Scanned:
    """`scan_shard` over there: the table that a commit stores, and the CPU seconds that it took.

    `memory` has files that the process puts into fsspec's memory filesystem. Raises Died, or what `scan_shard` raises.
    """
    limits = context.settings.limits
    arguments = (context, list(rows), dict(fingerprints), dict(memory or {}))
    answer, data = SHARED.call("scan", *arguments, seconds=seconds or limits.artifact_seconds, memory=limits.worker_memory)
    try:
        table = pa.ipc.open_stream(data).read_all().cast(COMMIT)
        table.validate(full=True)
    except (pa.ArrowException, ValueError) as error:
        raise errors.CannotRunError(f"the worker's answer is damaged: {error}") from None
    return Scanned(table, float(answer["seconds"]), float(answer["models"]))


class Splitter:
    """`cuts` over there, for the planner: parts as (kind, start, end), nothing where the artifact has to be read in one piece.

    What kills the process is not cut either: the worker that reads it in one piece says so in the ledger.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings, self._worker = settings, Worker()

    def __call__(self, entry: Listed, root: Root) -> list[tuple[str, int, int]]:
        limits = self._settings.limits
        try:
            answer, _ = self._worker.call(
                "split", self._settings, entry, root, seconds=limits.artifact_seconds, memory=limits.worker_memory
            )
        except Died:
            return []
        return [(str(kind), int(start), int(end)) for kind, start, end in answer["cuts"]]

    def __enter__(self) -> Callable[[Listed, Root], list[tuple[str, int, int]]]:
        return self

    def __exit__(self, *_: object) -> None:
        self._worker.close()
