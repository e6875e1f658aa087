"""Reads the text of Windows metafiles, as lines, as the reader of enhanced metafiles does."""

from __future__ import annotations

from collections.abc import Iterator

from veritensor_ray.core.errors import ReadError
from veritensor_ray.core.reasons import ReasonCode
from veritensor_ray.core.segments import Gap
from veritensor_ray.formats.common.file_ranges import length
from veritensor_ray.formats.common.source import Item, Source
from veritensor_ray.formats.common.trailing import behind
from veritensor_ray.formats.drawings.emf.read import BATCH, DrawnLines, unread
from veritensor_ray.formats.drawings.wmf.structure import ESCAPE, wmf_records, wmf_start, wmf_string


def read_wmf(source: Source) -> Iterator[Item]:
    """Yield the lines of text, with the number of the record that begins them as `row`. Raises ReadError if the drawing is cut off."""
    lines, bitmaps, end = DrawnLines(), 0, wmf_start(source.file)
    source.account.claim(0, end, "structure")
    error: ReadError | None = None
    try:
        for number, record in enumerate(wmf_records(source.file, end, length(source.file)), 1):
            string = wmf_string(record, source.file)
            if string and (gap := unread(string, number)):
                yield gap
            elif string:
                lines.add(string, number, source)
                yield from lines.take(BATCH)
            source.account.claim(record.at, record.at + 6 if record.kind == ESCAPE else record.end, "values")
            bitmaps, end = bitmaps + record.has_bitmap, record.end
    except ReadError as problem:
        error = problem
    yield from lines.take()
    if bitmaps:
        yield Gap("bitmaps in a drawing are not read", count=bitmaps, coverage=ReasonCode.NO_READER)
    if error:
        raise error
    yield from behind(source, end)
