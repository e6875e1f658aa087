"""The process that `bounded` starts for hostile bytes: what it can be asked."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pyarrow as pa

from veritensor_ray.core.config import Settings
from veritensor_ray.core.errors import ReadError
from veritensor_ray.corpus.datasets.dataset_folders import DatasetFolder
from veritensor_ray.corpus.datasets.descriptions import described
from veritensor_ray.corpus.fetch import OpenArtifact
from veritensor_ray.corpus.listing import Listed, Root
from veritensor_ray.corpus.planning import PlanRow
from veritensor_ray.corpus.tables.table_kinds import DATA_FILES, TableFolder, loaded, opened
from veritensor_ray.engines.base import ForeseeingTranscriber
from veritensor_ray.pipeline.bounded import shard_steps
from veritensor_ray.pipeline.bounded.serving import Answer, Bounds, main
from veritensor_ray.pipeline.bounded.shard_steps import load
from veritensor_ray.pipeline.context import Context, without_weights
from veritensor_ray.pipeline.explained_verdicts import explained
from veritensor_ray.pipeline.passages.reading_back import Request, found_again
from veritensor_ray.pipeline.shard import scan_shard, split_engines
from veritensor_ray.pipeline.splitting import splitter
from veritensor_ray.pipeline.strongest_passages import attack_passages, strongest_passages


def ready(bounds: Bounds, context: Context) -> Answer:
    """Load the engines and run their self-tests."""
    for names in split_engines(context):
        load(bounds, context, names)
    return {}, b""


def scan(
    bounds: Bounds,
    context: Context,
    rows: Sequence[PlanRow],
    memory: Mapping[str, bytes],
) -> Answer:
    """Scan a shard and return its table, with CPU seconds: of this process before, of loading engines without a model and with one, and of
    the scan.

    Engines with a model are loaded when a batch needs them.
    """
    models, modelled = list[float](), list[float]()
    imports = time.process_time()
    local = load(bounds, context, split_engines(context)[0])
    bounds.bind()
    with _in_memory(memory):
        started = time.process_time()
        table = scan_shard(context, rows, bounds.pulse, modelled.append, lambda names: models.append(load(bounds, context, names)))
        seconds = time.process_time() - started - sum(models)
    took = {"seconds": seconds, "modelled": sum(modelled), "imports": imports, "local": local, "models": sum(models)}
    return took, _streamed(table)


def foresee(bounds: Bounds, context: Context, row: PlanRow) -> Answer:
    """Return about how many CPU seconds an image takes, if an engine can tell."""
    engines = [one for one in without_weights(context, context.engines) if isinstance(one, ForeseeingTranscriber)]
    bounds.bind()
    if not engines:
        return {"seconds": None}, b""
    with contextlib.closing(OpenArtifact(row, context.roots[row.root], context.settings.stores)) as opened:
        data = opened.file().read()
    return {"seconds": sum(one.foreseen(data) for one in engines)}, b""


def explain(bounds: Bounds, context: Context, row: PlanRow) -> Answer:
    """Scan one artifact and return its table, with an explanation of the verdicts on it."""
    ready(bounds, context)
    bounds.bind()
    table, explanation = explained(context, row, bounds.pulse)
    return explanation, _streamed(table)


def _streamed(table: pa.Table) -> bytes:
    out = io.BytesIO()
    with pa.ipc.new_stream(out, table.schema) as writer:
        writer.write_table(table)
    return out.getvalue()


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


def snapshot(bounds: Bounds, folder: TableFolder) -> Answer:
    """Read the snapshot of a table. Returns its version and a table of its data files, or what is wrong with it."""

    def load() -> None:
        with contextlib.suppress(ReadError):  # `opened` raises it again
            loaded(folder.kind)

    bounds.prepare(folder.kind, load)  # the library's own memory does not count
    bounds.bind()
    try:
        found = opened(folder, bounds.pulse)
    except ReadError as error:
        return {"problem": str(error), "code": error.reason_code}, b""
    rows = [{"path": name, "size": file.size, "view": file.view, "problem": file.problem} for name, file in found.files.items()]
    return {"version": found.version}, _streamed(pa.Table.from_pylist(rows, DATA_FILES))


def dataset(bounds: Bounds, folder: DatasetFolder) -> Answer:
    """Return what a folder of a dataset says of its files, or what is wrong with it."""
    bounds.bind()
    try:
        return {"said": dataclasses.asdict(described(folder))}, b""
    except ReadError as error:
        return {"problem": str(error), "code": error.reason_code}, b""


def score(bounds: Bounds, context: Context, row: PlanRow) -> Answer:
    """Return the passages of a document that may score highest."""
    ready(bounds, context)
    bounds.bind()
    return strongest_passages(context, row, bounds.pulse), b""


def attacks(bounds: Bounds, context: Context) -> Answer:
    """Return the passages of the known attacks."""
    ready(bounds, context)
    bounds.bind()
    return {"attacks": attack_passages(context, bounds.pulse)}, b""


def passage(bounds: Bounds, request: Request) -> Answer:
    """Return the text around a finding."""
    bounds.bind()
    return found_again(request, bounds.pulse), b""


_FUNCTIONS: dict[str, Callable[..., Answer]] = {
    "assemble": shard_steps.assemble,
    "attacks": attacks,
    "commit": shard_steps.commit,
    "dataset": dataset,
    "explain": explain,
    "foresee": foresee,
    "pass": shard_steps.scan,
    "passage": passage,
    "ready": ready,
    "scan": scan,
    "score": score,
    "snapshot": snapshot,
    "split": split,
}


if __name__ == "__main__":
    main(_FUNCTIONS, int(sys.argv[1]))
