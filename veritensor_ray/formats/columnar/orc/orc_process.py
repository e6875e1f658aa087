"""Has an ORC file decoded in a process of its own, which gets no secrets of this one, because a damaged file can end the process that decodes it."""

from __future__ import annotations

import contextlib
import importlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from veritensor_ray.core.errors import CannotRunError, ReadError
from veritensor_ray.core.reasons import ReasonCode

_KEPT = ("PATH", "PYTHONPATH", "PYTHONSAFEPATH", "LD_LIBRARY_PATH", "LANG", "LC_ALL", "TMPDIR", "TZDIR")  # of the environment
_SECONDS = 1  # between two signs of life


def decoded_orc(path: Path, out: Path, most: int, pulse: Callable[[], None]) -> None:
    """Write the rows of an ORC file as an Arrow stream of at most so many bytes. Raises ReadError, or what `pulse` raises."""
    module = importlib.import_module("veritensor_ray.formats.columnar.orc.orc_child").__name__
    environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
    command = [sys.executable, "-P", "-m", module, str(os.getpid()), str(path), str(out), str(most)]
    try:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment)
    except OSError as error:
        raise CannotRunError(f"cannot start a process for ORC files: {error}") from None
    with process:
        try:
            while True:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    said, _ = process.communicate(timeout=_SECONDS)
                    break
                pulse()
        except BaseException:
            process.kill()
            raise
    if process.returncode == 1:
        raise ReadError(f"the library for ORC files cannot decode it: {said.decode('utf-8', 'replace')}")
    if process.returncode:
        raise ReadError(
            "the library for ORC files ended on it: it is damaged, or needs more memory than worker_memory", ReasonCode.PROCESS_DIED
        )


__all__ = ["decoded_orc"]
