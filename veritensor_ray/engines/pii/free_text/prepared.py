"""Defines the table between the two steps of the engine: the findings so far, and the passages that wait for the model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

import pyarrow as pa

from veritensor_ray.engines.pii.free_text.tagger import UnclearPassage
from veritensor_ray.engines.pii.joining import PiiSpan

_DOUBT = ""
# A row is a span. A row without a rule is a passage that the model has to read, and one with an empty rule is a doubt in the preceding
# passage. Offsets are characters of the segment `row`.
PREPARED = pa.schema(
    [
        ("row", pa.int32()),
        ("start", pa.int32()),
        ("end", pa.int32()),
        ("rule", pa.string()),
        ("score", pa.float64()),
        ("detail", pa.string()),
        ("severity", pa.string()),
    ]
)


@dataclass(frozen=True, slots=True)
class Read:
    """The findings and open passages of one segment."""

    row: int
    found: list[PiiSpan] = field(default_factory=list)
    passages: list[UnclearPassage] = field(default_factory=list)


def to_table(read: Iterable[Read]) -> pa.RecordBatch:
    """Return segments, given in ascending order, as a table with schema PREPARED."""
    rows = [
        row
        for one in read
        for row in (
            *((one.row, s.start, s.end, s.rule, s.score, s.detail, s.severity) for s in one.found),
            *(
                (one.row, start, end, rule, None, None, None)
                for passage in one.passages
                for rule, start, end in ((None, passage.start, passage.end), *((_DOUBT, *doubt) for doubt in passage.doubts))
            ),
        )
    ]
    columns = zip(*rows, strict=True) if rows else [()] * len(PREPARED)
    return pa.RecordBatch.from_arrays([pa.array(c, f.type) for c, f in zip(columns, PREPARED, strict=True)], schema=PREPARED)


def from_table(table: pa.RecordBatch) -> Iterator[Read]:
    """Yield the segments of a table, in order."""
    one: Read | None = None
    for row, start, end, rule, score, detail, severity in zip(*(column.to_pylist() for column in table.columns), strict=True):
        if one is None or one.row != row:
            if one:
                yield one
            one = Read(row)
        if rule is None:
            one.passages.append(UnclearPassage(start, end, ()))
        elif rule == _DOUBT:
            one.passages[-1] = replace(one.passages[-1], doubts=(*one.passages[-1].doubts, (start, end)))
        else:
            one.found.append(PiiSpan(rule, start, end, score, detail, severity))
    if one:
        yield one
