"""What `models calibrate` has done in the bounded process, where the bytes are: the passages of a document that may score highest.

Which of them does depends on the mix, which is fitted later. It does not depend on Ray.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib.resources import files
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from veritensor_ray.core.config import Limits
from veritensor_ray.core.detection import Hit
from veritensor_ray.core.errors import VeritensorError
from veritensor_ray.core.media_types import PLAIN
from veritensor_ray.core.segments import Block, Gap, Identity, to_batch
from veritensor_ray.core.text_positions import Columns
from veritensor_ray.corpus.planning import PlanRow
from veritensor_ray.engines.injection import Injection
from veritensor_ray.engines.injection.mixing import undominated
from veritensor_ray.pipeline.context import Context, Workbench, workbench
from veritensor_ray.pipeline.extract import Extraction, Pulse
from veritensor_ray.pipeline.scan import Handover
from veritensor_ray.pipeline.shard import read_images, split_engines

_WINDOWS = 256  # windows scored between two signs of progress


class RatedPassage(NamedTuple):
    """What the transformer and the first stage say of a passage, as log odds, and where it is."""

    deep: float
    first: float
    member: str | None
    location: dict[str, Any]


def strongest_passages(context: Context, row: PlanRow, pulse: Pulse) -> dict[str, Any]:
    """Return the fate of a document, its number of texts, and the passages one of which scores highest, as JSON values."""
    local, models = split_engines(context)
    bench = workbench(context, models)
    engine = _engine(bench)
    extraction = Extraction(context, [row], workbench(context, local), models, pulse)
    outcome = extraction.outcomes[0]
    texts = 0
    found: list[RatedPassage] = []
    try:
        for handover in extraction.batches():
            read: Handover | None = handover
            if handover.images:
                read, (_, gaps) = read_images(context, bench, handover.batch, pulse)
                for _, gap in gaps:
                    outcome.add_gap(gap)
            if read is None:
                continue
            texts += read.batch.num_rows
            passages = (_placed(read.batch, *one) for one in _passages(engine, read, pulse))
            found = undominated([*found, *passages])
    except VeritensorError:
        raise
    except Exception as error:  # noqa: BLE001  # the boundary of a document: the others are still worth reading
        outcome.add_gap(Gap.failed(engine.name, error))
        texts = 0
    outcome.settle()
    about = {"status": outcome.status, "reason": outcome.reason, "media_type": outcome.media_type, "texts": texts}
    return about | {"passages": found}


def attack_passages(context: Context, pulse: Pulse) -> list[list[tuple[float, float]]]:
    """Return what both models say of the passages of each known attack; no passages if the first stage stops it."""
    _, models = split_engines(context)
    engine = _engine(workbench(context, models))
    texts = json.loads((files("veritensor_ray.models") / "attacks.json").read_text("utf-8"))
    windows = engine.prepare(to_batch(Block(texts), Identity(0, "", PLAIN), Limits()))
    found = []
    for row in range(len(texts)):
        own = windows.filter(pc.equal(windows.column("row"), row))
        found.append([(deep, first) for deep, first, _ in engine.strongest(own)])
        pulse()
    return found


def _engine(bench: Workbench) -> Injection:
    [engine] = [engine for engine in bench.engines if isinstance(engine, Injection)]
    return engine


def _placed(batch: pa.RecordBatch, deep: float, first: float, hit: Hit) -> RatedPassage:
    place = Columns(batch, (hit.row or 0,)).at(hit.row or 0)
    return RatedPassage(deep, first, place.values["member"], place.location(hit))


def _passages(engine: Injection, read: Handover, pulse: Pulse) -> Iterator[tuple[float, float, Hit]]:
    """Yield the strongest passages of each group of windows."""
    prepared = read.prepared.get(engine.name)
    windows = engine.prepare(read.batch) if prepared is None else prepared
    for at in range(0, windows.num_rows, _WINDOWS):
        for deep, first, window in engine.strongest(windows.slice(at, _WINDOWS)):
            yield deep, first, engine.located(read.batch, deep, window)
        pulse()
