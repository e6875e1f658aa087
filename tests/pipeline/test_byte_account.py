"""For every reader: the ledger accounts for each byte of a file, and nothing that a reader gives is found a second time in the residue."""

from __future__ import annotations

import io
from collections.abc import Callable

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.formats.real_files import RealFiles
from veritensor_ray.core.config import Limits
from veritensor_ray.core.detection import FileInfo
from veritensor_ray.findings.outcome import Outcome
from veritensor_ray.findings.recorder import Recorder
from veritensor_ray.findings.schema import BYTES
from veritensor_ray.pipeline.context import Workbench
from veritensor_ray.pipeline.walk import WHOLE, Share, Tools, Walk

pytestmark = pytest.mark.slow

CASES = RealFiles([f"needle{number:02} in a line of words that is long enough" for number in range(30)]).cases()


def residue(name: str, data: bytes) -> tuple[Outcome, str]:
    """The outcome of a file and of everything in it, and all its texts in the residue."""
    return walked(name, data, WHOLE)


def walked(name: str, data: bytes, share: Share) -> tuple[Outcome, str]:
    """The same for a part of a file."""
    outcome = Outcome(name, 0, 0)
    bench = Workbench((), {})
    walk = Walk(Tools(bench, (), (), True, Recorder({}, b"k", 10), Limits(), lambda: None), outcome, len(data))
    source, about = walk.recognised(io.BytesIO(data), FileInfo(name, len(data), ""), share)
    placed = list(walk.artifact(source, about))
    return outcome, "\n".join(str(text) for one in placed if one.block.view == "residue" for text in one.block.texts)


def test_the_parts_of_a_split_table_add_up() -> None:
    out = io.BytesIO()
    table = pa.table({"text": [f"needle{number:02} in a line" for number in range(90)], "number": range(90)})
    pq.write_table(table, out, row_group_size=30)
    outcomes = [walked("a.parquet", out.getvalue(), Share(row_groups=(part, part + 1), first=not part))[0] for part in range(3)]
    counts = [getattr(outcome, column) for outcome in outcomes for column in BYTES]
    assert sum(counts) == len(out.getvalue())
    assert min(counts) == 0


@pytest.mark.parametrize(("name", "build"), CASES.values(), ids=CASES)
def test_every_byte_is_accounted_for(name: str, build: Callable[[], bytes]) -> None:
    data = build()
    outcome, found = residue(name, data)
    counts = [getattr(outcome, column) for column in BYTES]
    assert None not in counts
    assert (sum(counts), min(counts) >= 0) == (len(data), True)
    assert "needle" not in found
