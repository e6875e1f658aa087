"""Audits many small files in one process, and says of each whether the canary was reported, or at least that something was not checked."""

from __future__ import annotations

import contextlib
import io
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pyarrow as pa

from bench.account.canary import EMAIL, NUMBER, TOKEN
from veritensor_ray.core.config import load_settings
from veritensor_ray.core.segments import SEGMENTS, Gap
from veritensor_ray.corpus.listing import roots
from veritensor_ray.corpus.planning import Shard, plan_rows, shards_of
from veritensor_ray.engines.base import FileInfo, Needs, Rule
from veritensor_ray.models.model_store import ModelStore
from veritensor_ray.pipeline.context import Context, workbench
from veritensor_ray.pipeline.shard import scanned, split_engines

if TYPE_CHECKING:
    from multiprocessing.context import SpawnProcess

    from veritensor_ray.core.config import Settings
    from veritensor_ray.findings.outcome import Outcome

REPORTED, SAID, ESCAPED, DIED = "reported", "said", "escaped", "died"
_ROOT = Path(__file__).resolve().parents[2]
_BLIND = f"{__name__}:Blind"
_ENGINES = ("signatures", "structure", "secrets", "pii", "blind")
_SECONDS, _PATIENCE = 120, 900  # seconds of CPU and of time for a group of files, more than ten times what it takes
_MEMORY = Path("/dev/shm")  # noqa: S108  # files in memory, where there is such a folder


class Verdict(NamedTuple):
    """What an audit made of a file: one of the constants above, its media type, and why not all of it was checked."""

    result: str
    media_type: str | None = None
    reason: str | None = None


class Blind:
    """Stands for `ocr`. It decodes images and sees nothing in them, so they count as read although there is no model."""

    name = "blind"
    version = "1"
    needs = Needs(model="none")

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def applies(self, about: FileInfo) -> bool:
        """Return True for images."""
        return about.media_type.startswith("image/")

    def load(self, models: ModelStore) -> None:
        """Do nothing, because there is no model."""

    def rules(self) -> Sequence[Rule]:
        """Return no rules, because a transcriber returns texts."""
        return []

    def fingerprint(self) -> str:
        """Return a constant."""
        return "blind-1"

    def read_images(self, images: pa.RecordBatch) -> pa.RecordBatch:
        """Return no text. Raises if an image cannot be decoded."""
        from PIL import Image

        for data in images.column("image"):
            Image.open(io.BytesIO(data.as_py())).load()
        return pa.RecordBatch.from_pylist([], SEGMENTS)

    def gaps(self) -> list[tuple[int, Gap]]:
        """Return nothing."""
        return []


class Auditor:
    """Audits groups of files in a process of its own, in which the engines are loaded. `blind` names what reads images.

    The process is spawned: one that is forked while other libraries have threads may wait for their locks for ever.
    """

    def __init__(self, blind: str = _BLIND) -> None:
        flags = {
            "sources": ["corpus"],
            "engines": list(_ENGINES),
            "pii": {"free_text": False},
            "plugins": [blind],
            "plugin_folder": str(_ROOT),
        }
        self._settings = load_settings(flags=flags, environ={})
        self._process: SpawnProcess | None = None
        self._pipe: Connection

    def verdicts(self, files: Sequence[tuple[str, bytes]]) -> list[Verdict]:
        """Return a verdict for each file, given as its name and its bytes. If the process dies, its halves are tried."""
        found = self._answered(files)
        if found is not None:
            return found
        if len(files) == 1:
            return [Verdict(DIED)]
        half = len(files) // 2
        return self.verdicts(files[:half]) + self.verdicts(files[half:])

    def _answered(self, files: Sequence[tuple[str, bytes]]) -> list[Verdict] | None:
        """Return the verdicts of the process, which is started if there is none; None if it died."""
        if self._process is None:
            processes = multiprocessing.get_context("spawn")
            self._pipe, theirs = processes.Pipe()
            self._process = processes.Process(target=_serve, args=(self._settings, theirs), daemon=True)
            self._process.start()
            theirs.close()
        with contextlib.suppress(EOFError, ConnectionError):
            self._pipe.send(files)
            if self._pipe.poll(_PATIENCE):
                found: list[Verdict] = self._pipe.recv()
                return found
        self._process.kill()
        self._process.join()
        self._process = None
        return None


def _serve(settings: Settings, pipe: Connection) -> None:
    """Audit what comes, group by group."""

    def context(folder: Path) -> Context:
        return Context(settings, tuple(roots([str(folder)], {})), _ENGINES, b"account", "account")

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for names in split_engines(here := context(_ROOT)):
        workbench(here, names)
    with contextlib.suppress(EOFError):
        while True:
            files = pipe.recv()
            resource.setrlimit(resource.RLIMIT_CPU, (int(time.process_time()) + _SECONDS, resource.RLIM_INFINITY))
            pipe.send(_audited(context, files))


def _audited(context: Callable[[Path], Context], files: Sequence[tuple[str, bytes]]) -> list[Verdict]:
    with tempfile.TemporaryDirectory(dir=_MEMORY if _MEMORY.is_dir() else None) as folder:
        for number, (name, data) in enumerate(files):
            path = Path(folder, f"{number:06}", name)
            path.parent.mkdir()
            path.write_bytes(data)
        here = context(Path(folder))
        planned = shards_of(plan_rows(here.settings, _ENGINES, lambda *_: [], starts=here.roots))
        rows = [row for shard in planned if isinstance(shard, Shard) for row in shard.rows]
        found = {int(outcome.artifact.partition("/")[0]): _verdict(outcome) for outcome in scanned(here, rows)}
    return [found[number] for number in range(len(files))]


def _verdict(outcome: Outcome) -> Verdict:
    """Return what a reader of the ledger knows about the canary."""
    outcome.settle()
    if any(canary in value for value in outcome.recorded.values.kinds for canary in (EMAIL, TOKEN, str(NUMBER))):
        return Verdict(REPORTED, outcome.media_type)
    return Verdict(SAID if outcome.unchecked else ESCAPED, outcome.media_type, outcome.unchecked)
