"""Documents as the product's readers hand them to an engine; it knows no labels."""

from __future__ import annotations

import tarfile
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa

from veritensor_ray.core.config import load_settings
from veritensor_ray.core.detection import Hit
from veritensor_ray.corpus.planning import PlanRow, plan_rows
from veritensor_ray.engines.base import Onlooker
from veritensor_ray.pipeline.context import Workbench
from veritensor_ray.pipeline.extract import Extraction
from veritensor_ray.pipeline.run_description import local_context


class _Keeper(Onlooker):
    """Keeps what it is shown: the segments that every engine over text gets of a document."""

    name = "keeper"

    def __init__(self) -> None:
        self.batches: list[pa.RecordBatch] = []

    def scan_text(self, texts: pa.RecordBatch) -> list[Hit]:
        self.batches.append(texts)
        return []


def read_folder(folder: Path, choose: Callable[[list[PlanRow]], list[PlanRow]] = list) -> tuple[list[PlanRow], list[pa.RecordBatch]]:
    """The files of a folder, whole and with what is in them; the column `artifact` of a batch is the number of a row."""
    settings = load_settings(flags={"sources": [str(folder)], "engines": ["signatures"]}, environ={})
    rows = choose([row for row in plan_rows(settings, ["signatures"], lambda *_: []) if row.status is None])
    keeper = _Keeper()
    context = local_context(settings, b"reading")
    for _ in Extraction(context, rows, Workbench((keeper,), {}), ()).batches():
        raise AssertionError("nothing is handed to a model here")
    return rows, keeper.batches


def unpacked(folder: Path) -> Iterator[tuple[str, Path]]:
    """Kind and folder of the archives of a folder, each unpacked for as long as it is looked at."""
    for archive in sorted(folder.glob("*.tar.xz")):
        with tempfile.TemporaryDirectory(prefix="veritensor-reading-") as place:
            with tarfile.open(archive, "r:xz") as packed:
                packed.extractall(place, filter="data")
            yield archive.name.removesuffix(".tar.xz"), Path(place)
