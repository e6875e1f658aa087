"""Asks processes of their own to decode files, because a damaged file can end the process that decodes it.

A process is kept for the next file, and replaced when it dies. It gets no secrets of this one. What it answers is an attacker's, like the
bytes of a file.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from typing import IO, Any, NamedTuple

from veritensor_ray.core.errors import CannotRunError, ReadError
from veritensor_ray.core.reasons import ReasonCode
from veritensor_ray.formats.columnar.decoding_child import DONE, FAILED, HEAD, MISSING, Answer

_KEPT = ("PATH", "PYTHONPATH", "PYTHONSAFEPATH", "LD_LIBRARY_PATH", "LANG", "LC_ALL", "TMPDIR", "TZ")  # of the environment
_LARGEST = 1 << 30  # bytes, the longest answer accepted


class IsolatedDecoder(NamedTuple):
    """What decodes files of one format: the module of its process, what the files are called, and the extra that brings the library."""

    module: str
    what: str
    extra: str
    environment: Mapping[str, str]

    def answers(self, request: Mapping[str, Any]) -> Iterator[Answer]:
        """Yield the kinds and the contents of the answers to a request. Raises ReadError."""
        process = self._free_process()
        try:
            yield from process.answers(request)
        except ReadError:
            process.close()
            raise
        except GeneratorExit:  # the rest is not wanted, and would be the answer to the next request
            process.close()
            raise
        _idle.setdefault(self.module, []).append(process)

    def _free_process(self) -> DecodingProcess:
        """Return a process that is not in use."""
        while waiting := _idle.get(self.module):
            process = waiting.pop()
            if process.is_alive:
                return process
            process.close()
        return DecodingProcess(self)


class DecodingProcess:
    """A process that decodes one file at a time."""

    def __init__(self, decoder: IsolatedDecoder) -> None:
        module = importlib.import_module(decoder.module).__name__
        environment = {name: os.environ[name] for name in _KEPT if name in os.environ} | dict(decoder.environment)
        command = [sys.executable, "-P", "-m", module, str(os.getpid())]
        pipe, nothing = subprocess.PIPE, subprocess.DEVNULL
        self._decoder, self.owner = decoder, os.getpid()
        try:
            self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=nothing, env=environment)
        except OSError as error:
            raise CannotRunError(f"cannot start a process for {decoder.what}: {error}") from None

    @property
    def is_alive(self) -> bool:
        """Whether it can be asked. After a fork, it belongs to the parent."""
        return self.owner == os.getpid() and self._process.poll() is None

    def answers(self, request: Mapping[str, Any]) -> Iterator[Answer]:
        """Yield the kinds and the contents of answers. Raises ReadError."""
        assert self._process.stdin is not None  # noqa: S101  # both are pipes
        assert self._process.stdout is not None  # noqa: S101
        try:
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()
            while (found := _next(self._process.stdout))[0] != DONE:
                yield self.checked(*found)
        except (OSError, EOFError):
            raise ReadError(f"the library for {self._decoder.what} {self._fate()}", ReasonCode.PROCESS_DIED) from None

    def checked(self, kind: bytes, data: bytes) -> Answer:
        """Return an answer. Raises ReadError if it says that there is none."""
        what, extra = self._decoder.what, self._decoder.extra
        if kind == MISSING:
            remedy = f"pip install 'veritensor-ray[{extra}]'" if extra else "pip install veritensor-ray"
            raise ReadError(f"the library for {what} is not installed: {remedy}", ReasonCode.NO_READER)
        if kind == FAILED:
            raise ReadError(f"the library for {what} cannot decode it: {data.decode('utf-8', 'replace')}")
        return kind, data

    def _fate(self) -> str:
        """Return how the process ended."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            code = self._process.wait(10)
            if code < 0 and -code in {*signal.Signals}:
                return f"ended on it ({signal.Signals(-code).name}): it is damaged, or needs more memory than worker_memory"
            return f"ended on it with code {code}"
        return "stopped answering"

    def close(self) -> None:
        """End the process."""
        if self.owner == os.getpid():
            self._process.kill()
            for pipe in (self._process.stdin, self._process.stdout):
                with contextlib.suppress(OSError):
                    pipe.close()  # type: ignore[union-attr]  # both are pipes
            self._process.wait()


_idle: dict[str, list[DecodingProcess]] = {}  # by the module of the process


def _next(stream: IO[bytes]) -> Answer:
    head = stream.read(HEAD.size)
    if len(head) < HEAD.size:
        raise EOFError
    kind, length = HEAD.unpack(head)
    data = stream.read(length) if length <= _LARGEST else b""
    if len(data) < length:
        raise EOFError
    return kind, data


@atexit.register
def close() -> None:
    """End all processes that are not in use."""
    for waiting in _idle.values():
        while waiting:
            waiting.pop().close()


__all__ = ["DecodingProcess", "IsolatedDecoder", "close"]
