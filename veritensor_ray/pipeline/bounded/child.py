"""The process that `bounded` starts for hostile bytes: what it can be asked."""

from __future__ import annotations

import contextlib
import io
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pyarrow as pa

from veritensor_ray.core.config import Settings
from veritensor_ray.corpus.listing import Listed, Root
from veritensor_ray.corpus.planning import PlanRow
from veritensor_ray.pipeline.bounded.serving import Answer, Bounds, main
from veritensor_ray.pipeline.calibration import highest_passage
from veritensor_ray.pipeline.context import Context, workbench
from veritensor_ray.pipeline.passages.reading_back import Request, found_again
from veritensor_ray.pipeline.shard import scan_shard, split_engines
from veritensor_ray.pipeline.splitting import splitter


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
    memory: Mapping[str, bytes],
) -> Answer:
    """Scan a shard and return its table."""
    ready(bounds, context)
    bounds.bind()
    with _in_memory(memory):
        started, models = time.process_time(), list[float]()
        table = scan_shard(context, rows, bounds.pulse, models.append)
        seconds = time.process_time() - started
    out = io.BytesIO()
    with pa.ipc.new_stream(out, table.schema) as writer:
        writer.write_table(table)
    return {"seconds": seconds, "models": sum(models), "before": started}, out.getvalue()


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


if __name__ == "__main__":
    main(_FUNCTIONS, int(sys.argv[1]))
