"""Audits many small files in one process, and says of each whether the canary was reported, or at least that something was not checked."""

from __future__ import annotations

import contextlib
import io
import multiprocessing
import resource
import tempfile
from collections.abc import Callable, Iterator, Sequence
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
    from veritensor_ray.core.config import Settings
    from veritensor_ray.findings.outcome import Outcome

REPORTED, SAID, ESCAPED, DIED = "reported", "said", "escaped", "died"
_ROOT = Path(__file__).resolve().parents[2]
_BLIND = f"{__name__}:Blind"
_ENGINES = ("signatures", "structure", "secrets", "pii", "blind")
_SECONDS = 120  # CPU seconds for a group of files, more than ten times what it takes
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
    """Audits groups of files, each in a process forked from this one, in which the engines are loaded."""

    def __init__(self) -> None:
        flags = {
            "sources": ["corpus"],
            "engines": list(_ENGINES),
            "pii": {"free_text": False},
            "plugins": [_BLIND],
            "plugin_folder": str(_ROOT),
        }
        self._settings = load_settings(flags=flags, environ={})
        for names in split_engines(context := self._context(_ROOT)):
            workbench(context, names)
        _audited(self._context, [("warm.txt", b"rules and libraries are loaded when they are first needed")])

    def verdicts(self, files: Sequence[tuple[str, bytes]]) -> list[Verdict]:
        """Return a verdict for each file, given as its name and its bytes. If the process dies, its halves are tried."""
        found: list[Verdict] = list(self._forked(files))
        if len(found) == len(files):
            return found
        if len(files) == 1:
            return [Verdict(DIED)]
        half = len(files) // 2
        return self.verdicts(files[:half]) + self.verdicts(files[half:])

    def _forked(self, files: Sequence[tuple[str, bytes]]) -> Iterator[Verdict]:
        processes = multiprocessing.get_context("fork")
        mine, theirs = processes.Pipe(duplex=False)
        process = processes.Process(target=_child, args=(self._context, files, theirs))
        process.start()
        theirs.close()
        with contextlib.suppress(EOFError):  # it died
            yield from mine.recv()
        process.join()

    def _context(self, folder: Path) -> Context:
        return Context(self._settings, tuple(roots([str(folder)], {})), _ENGINES, b"account", "account")


def _child(context: Callable[[Path], Context], files: Sequence[tuple[str, bytes]], pipe: Connection) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (_SECONDS, _SECONDS))
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
