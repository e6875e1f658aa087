"""Text of documents as the product's readers hand it to an engine; it knows no labels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa

from veritensor_ray.config import Settings
from veritensor_ray.detection import FileInfo, Hit, Rule
from veritensor_ray.engines.base import Needs
from veritensor_ray.models.model_store import ModelStore


class _Collector:
    """An engine that finds nothing and keeps what it was given."""

    name = "collector"
    version = "1"
    needs = Needs()

    def __init__(self) -> None:
        self.seen: list[tuple[str, str]] = []

    def applies(self, about: FileInfo) -> bool:
        return True

    def rules(self) -> Sequence[Rule]:
        return []

    def fingerprint(self) -> str:
        return "collector"

    def load(self, models: ModelStore) -> None:
        pass

    def scan_text(self, texts: pa.RecordBatch) -> list[Hit]:
        self.seen += zip(texts.column("path").to_pylist(), texts.column("text").to_pylist(), strict=True)
        return []


def segments_of(folder: Path) -> Iterator[tuple[str, str]]:
    """(artifact, text) of every segment of every document below a folder."""
    from veritensor_ray.corpus.listing import roots
    from veritensor_ray.corpus.planning import Shard, plan_rows, shards_of
    from veritensor_ray.pipeline.context import Context, Workbench
    from veritensor_ray.pipeline.extract import Extraction

    settings = Settings.model_validate({"sources": [str(folder)], "engines": []})
    collector = _Collector()
    context = Context(settings, tuple(roots(settings.sources, settings.stores)), (), b"training", "training")
    for shard in shards_of(list(plan_rows(settings, ("collector",), lambda *_: []))):
        if isinstance(shard, Shard):
            for _ in Extraction(context, shard.rows, Workbench((collector,), {}), ()).batches():
                pass
    yield from ((path, text) for path, text in collector.seen if text)
