"""Decode hostile bytes in a separate process with limits on memory and time.

The process is kept for the next call and replaced when it dies. Requests are pickles that this process sends to its own child. Answers come
from a process that has read an attacker's file, so they are treated as plain data: one line of JSON, plus a table as an Arrow stream that
is validated here. It does not depend on Ray.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import pickle
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from typing import Any, NamedTuple

import pyarrow as pa

import veritensor_ray.core.errors as errors
from veritensor_ray.cleaning.copy_manifest import CLEANED, Cleaned
from veritensor_ray.cleaning.part_assembly import Assembler
from veritensor_ray.core.config import Limits, Settings
from veritensor_ray.core.reasons import ReasonCode
from veritensor_ray.corpus.datasets.dataset_folders import DatasetFolder, Describer, Description, undescribed
from veritensor_ray.corpus.listing import Listed, Root
from veritensor_ray.corpus.planning import PlanRow
from veritensor_ray.corpus.tables.table_kinds import DATA_FILES, DataFile, Opener, Snapshot, TableFolder
from veritensor_ray.findings.schema import COMMIT
from veritensor_ray.pipeline.bounded.process_limits import died
from veritensor_ray.pipeline.bounded.serving import HEAD, exactly
from veritensor_ray.pipeline.context import Context

_LARGEST = 1 << 30  # bytes, the longest answer accepted
_LAST_LINES, _LINE = 1000, 2000  # enough for the stacks of all threads, above which a watchdog says that it ended the process
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # as in a run, so that CPU times and scores are those of a run
_NO_MEMORY = ("MemoryError", "bad_alloc", "Out of memory", "out of memory", "Cannot allocate memory", "malloc of size", "OOM")


class Died(errors.VeritensorError):
    """The process died while handling a request.

    The message is the reason for a ledger row; `reason_code` is its code. `out_of_memory` means that it said so itself.
    """

    def __init__(self, message: str, code: ReasonCode = ReasonCode.PROCESS_DIED, *, out_of_memory: bool = False) -> None:
        super().__init__(message)
        self.reason_code, self.out_of_memory = code, out_of_memory


class Worker:
    """A child process that is started on first use, and runs `module`. Threads that call it at the same time wait for each other."""

    def __init__(self, module: str = "veritensor_ray.pipeline.bounded.child") -> None:
        self._module = module
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._owner = 0
        self._said: deque[bytes] = deque(maxlen=_LAST_LINES)
        self._listener: threading.Thread | None = None

    def start(self) -> None:
        """Start the process if it does not run, so that it imports its modules while the caller prepares the first call."""
        with self._lock:
            self._running()

    def call(
        self, function: str, *arguments: Any, seconds: float, memory: int | None, told: Callable[[Any], None] = lambda said: None
    ) -> tuple[dict[str, Any], bytes]:
        """Call `function` of the module and return its answer: a mapping of small values, and bytes.

        The call may run for `seconds` without progress and allocate `memory` bytes. `told` receives the small values that the child tells
        before it answers. Raises Died, or the VeritensorError raised in the child.
        """
        request = pickle.dumps((function, arguments, seconds, memory))
        with self._lock:
            process = self._running()
            try:
                answer, data = self._exchanged(process, request, told)
            except (OSError, EOFError, ValueError):
                raise self._died(process, seconds) from None
            except BaseException:  # an interrupt leaves an answer in the pipe that no later call should read
                self._end(kill=True)
                raise
        if "error" in answer:
            raise _raised(str(answer["error"]), str(answer.get("message")), str(answer.get("bound")))
        return answer, data

    @property
    def pid(self) -> int | None:
        """Process ID of the child, or None if it is not running."""
        return self._process.pid if self._process else None

    def kill(self) -> None:
        """End the process at once, whatever it does. A call that waits for it raises Died."""
        process = self._process
        if process is not None and self._owner == os.getpid():
            process.kill()

    def close(self) -> None:
        """End the process. The next call starts a new one."""
        with self._lock:
            self._end()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._owner != os.getpid():  # after a fork these pipes belong to the parent's child and must not be used
            self._process, self._owner = None, os.getpid()
        if self._process is not None and self._process.poll() is not None:
            self._end()
        if self._process is None:
            self._said = deque(maxlen=_LAST_LINES)
            self._process, self._listener = _started(self._module, self._said)
        return self._process

    @staticmethod
    def _exchanged(process: subprocess.Popen[bytes], request: bytes, told: Callable[[Any], None]) -> tuple[dict[str, Any], bytes]:
        assert process.stdin is not None  # noqa: S101  # both are pipes
        assert process.stdout is not None  # noqa: S101
        process.stdin.write(HEAD.pack(len(request), 0) + request)
        process.stdin.flush()
        while True:
            first, second = HEAD.unpack(exactly(process.stdout, HEAD.size))
            if first + second > _LARGEST:
                raise ValueError("the answer is too long")
            answer = json.loads(exactly(process.stdout, first))
            if not isinstance(answer, dict):
                raise ValueError("the answer is not a mapping")  # noqa: TRY004  # this reports bad input, not a caller's mistake
            if "told" not in answer:
                return answer, exactly(process.stdout, second)
            told(answer["told"])

    def _died(self, process: subprocess.Popen[bytes], seconds: float) -> Died:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
        code, listener = self._end(kill=True), self._listener
        if listener is not None:
            listener.join(10)  # its last lines, which say why it died, may still be on their way
        said = b"\n".join(self._said).decode("utf-8", "replace")
        if "Timeout (" in said:
            return Died(f"no progress for {seconds:g} s", ReasonCode.TIMEOUT)
        if any(word in said for word in _NO_MEMORY):
            return Died("needs more memory than worker_memory allows", out_of_memory=True)
        if code < 0:
            name = signal.Signals(-code).name if -code in {*signal.Signals} else str(-code)
            return Died(f"the worker died while reading it ({name}): it crashed or exceeded worker_memory")
        return Died(f"the worker exited with code {code} while reading it")

    def _end(self, kill: bool = False) -> int:
        process, self._process = self._process, None
        if process is None or self._owner != os.getpid():
            return 0
        if kill:
            process.kill()
        for pipe in (process.stdin, process.stdout):  # closing them ends the process
            with contextlib.suppress(OSError):
                pipe.close()  # type: ignore[union-attr]  # both are pipes
        try:
            return process.wait(1)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()


def _started(module: str, said: deque[bytes]) -> tuple[subprocess.Popen[bytes], threading.Thread]:
    """Start a process, and a thread that keeps the last lines of its standard error.

    Those lines explain a death and are kept off the user's terminal. The thread also starts the process and outlives it, because the kernel
    ends the process when the thread that started it ends, and the caller's thread may end sooner.
    """
    # multiprocessing would import the user's script again; -P keeps imports out of the working directory
    command = [sys.executable, "-P", "-m", module, str(os.getpid())]
    environment = _ONE_THREAD | os.environ
    started: Future[subprocess.Popen[bytes]] = Future()

    def run() -> None:
        try:
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment)
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
        raise errors.CannotRunError(f"cannot start a worker process: {error}") from None


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
    """A table ready to commit, the CPU seconds it took, and those of them spent in models.

    `imports` are the CPU seconds of the process before, which are those of its imports if it is new. `local` and `models` are those of
    loading engines without a model and with one, as far as this scan was the first to need them.
    """

    table: pa.Table
    seconds: float
    modelled: float
    imports: float
    local: float
    models: float


def scan(
    context: Context,
    rows: Sequence[PlanRow],
    memory: Mapping[str, bytes] | None = None,
    seconds: float | None = None,
) -> Scanned:
    """Run `scan_shard` in the child and return its table and CPU seconds.

    `memory` holds files that the child puts into fsspec's memory filesystem. Raises Died, or whatever `scan_shard` raises.
    """
    limits = context.settings.limits
    arguments = (context, list(rows), dict(memory or {}))
    answer, data = SHARED.call("scan", *arguments, seconds=seconds or limits.artifact_seconds, memory=limits.worker_memory)
    return Scanned(_committed(data), *(float(answer[name]) for name in Scanned._fields[1:]))


def foreseen(context: Context, row: PlanRow, seconds: float) -> float | None:
    """Return about how many CPU seconds an image takes, or None if no engine can tell. Raises Died, or whatever reading it raises."""
    answer, _ = SHARED.call("foresee", context, row, seconds=seconds, memory=context.settings.limits.worker_memory)
    return None if answer["seconds"] is None else float(answer["seconds"])


def explain(context: Context, row: PlanRow) -> tuple[pa.Table, dict[str, Any]]:
    """Run `explained` in the child and return the table and the explanation. Raises Died, or whatever it raises."""
    limits = context.settings.limits
    explanation, data = SHARED.call("explain", context, row, seconds=limits.artifact_seconds, memory=limits.worker_memory)
    return _committed(data), explanation


def assembled(assembler: Assembler, split: Iterable[list[Cleaned]]) -> Iterator[Cleaned]:
    """Assemble split artifacts in the child. If it dies of one twice, that one is held back as it is."""
    limits = assembler.settings.limits
    for parts in split:
        for held in (None, None, died("putting its parts together", limits.artifact_seconds)):
            with contextlib.suppress(Died):
                _, data = SHARED.call("assemble", assembler, parts, held, seconds=limits.artifact_seconds, memory=limits.worker_memory)
                break
        else:
            raise errors.CannotRunError(f"{parts[0].artifact} cannot be held back: the worker died of that, too")
        yield Cleaned.of_row(_validated(data, CLEANED).to_pylist()[0])


def _committed(data: bytes) -> pa.Table:
    return _validated(data, COMMIT)


def _validated(data: bytes, schema: pa.Schema) -> pa.Table:
    try:
        table = pa.ipc.open_stream(data).read_all().cast(schema)
        table.validate(full=True)
    except (pa.ArrowException, ValueError) as error:
        raise errors.CannotRunError(f"the worker's answer is damaged: {error}") from None
    return table


def snapshots(settings: Settings) -> Opener:
    """Return a function that reads the snapshots of tables in the child. It raises ReadError."""

    def opened(folder: TableFolder) -> Snapshot:
        answer, data = _read_of("snapshot", folder, settings.limits)
        return Snapshot(str(answer["version"]), dict(_data_files(_validated(data, DATA_FILES))))

    return opened


def descriptions(settings: Settings) -> Describer:
    """Return a function that reads in the child what datasets say of their files. It raises ReadError."""

    def described(folder: DatasetFolder) -> Description:
        return Description.from_json(_read_of("dataset", folder, settings.limits)[0]["said"]) if folder.files else undescribed(folder)

    return described


def _read_of(what: str, folder: TableFolder | DatasetFolder, limits: Limits) -> tuple[dict[str, Any], bytes]:
    """Have the child read what a folder says of its files. Raises ReadError, also if the child dies of it."""
    try:
        answer, data = SHARED.call(what, folder, seconds=limits.artifact_seconds, memory=limits.worker_memory)
    except Died as death:
        raise errors.ReadError(str(death), death.reason_code) from None
    if "problem" in answer:
        raise errors.ReadError(str(answer["problem"]), ReasonCode(answer["code"]))
    return answer, data


def _data_files(table: pa.Table) -> Iterator[tuple[bytes, DataFile]]:
    known: dict[bytes, bytes] = {}  # a million files may share a view
    for batch in table.to_batches():
        for row in batch.to_pylist():
            yield row["path"], DataFile(row["size"], known.setdefault(row["view"], row["view"]), row["problem"])


class Splitter:
    """Run `cuts` in the child for the planner.

    Returns parts as (kind, start, end), or nothing if the artifact must be read in one piece. An artifact that kills the child is not cut
    either: the worker that reads it whole records the reason in the ledger.
    """

    def __init__(self, settings: Settings, worker: Worker | None = None) -> None:
        self._settings, self._worker = settings, worker or Worker()

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
