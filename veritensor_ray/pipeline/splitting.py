"""Find where a big artifact can be cut without loss: lines of UTF-8 text and JSON Lines, row groups of Parquet."""

from __future__ import annotations

from collections.abc import Callable
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from veritensor_ray.core.config import Settings
from veritensor_ray.core.detection import FileInfo
from veritensor_ray.core.errors import ReadError
from veritensor_ray.core.media_types import JSONL, PARQUET
from veritensor_ray.corpus.fetch import OpenArtifact
from veritensor_ray.corpus.listing import Listed, Root
from veritensor_ray.corpus.planning import PlanRow
from veritensor_ray.formats.format_registry import has_own_reader, use
from veritensor_ray.formats.recognition import recognise

_SEARCH = 1 << 20
_LONGEST_KEY = 16_384  # bytes of a PEM block


def splitter(settings: Settings) -> Callable[[Listed, Root], list[tuple[str, int, int]]]:
    """Return a function for the planner.

    It returns parts as (kind, start, end), or nothing if the artifact must be read in one piece.
    """
    use(settings)

    def split(entry: Listed, root: Root) -> list[tuple[str, int, int]]:
        row = PlanRow(0, entry.artifact, entry.path, 0, entry.size, entry.etag, entry.mtime)
        try:
            opened = OpenArtifact(row, root, settings.stores)
        except ReadError:
            return []  # the shard that gets the artifact reports why it cannot be read
        try:
            return _cuts(opened, settings.limits.shard_bytes)
        except (ReadError, OSError, pa.ArrowException):
            return []
        finally:
            opened.close()

    return split


def _cuts(opened: OpenArtifact, target: int) -> list[tuple[str, int, int]]:
    kind = recognise(opened.file(), FileInfo(opened.row.artifact, opened.size, "").extension).kind
    if kind.media_type == PARQUET:
        return _row_groups(opened.file(), target)
    if kind.encoding == "utf-8" and (kind.media_type == JSONL or not has_own_reader(kind.media_type)):
        return _lines("jsonl" if kind.media_type == JSONL else "lines", opened.file(), opened.size, target)
    return []


def _lines(name: str, file: BinaryIO, size: int, target: int) -> list[tuple[str, int, int]]:
    """Cut at a line end near every `target` bytes. There is no cut where no line ends within a megabyte."""
    cuts = [0]
    for nominal in range(target, size - target // 2, target):
        if nominal <= cuts[-1]:
            continue
        file.seek(nominal)
        found = file.read(_SEARCH).find(b"\n")
        if found >= 0 and (cut := _before_key(file, nominal + found + 1)) > cuts[-1]:
            cuts.append(cut)
    ends = [*cuts[1:], size]
    return [(name, start, end) for start, end in zip(cuts, ends, strict=True)] if len(cuts) > 1 else []


def _before_key(file: BinaryIO, cut: int) -> int:
    """Return a cut that does not separate the lines of a private key, which nobody would recognize without the first one."""
    start = max(0, cut - _LONGEST_KEY)
    file.seek(start)
    data = file.read(cut - start)
    begin = data.rfind(b"-----BEGIN ")
    if begin < 0 or data.find(b"-----END ", begin) >= 0 or b"PRIVATE KEY" not in data[begin : begin + 60]:
        return cut
    return start + data.rfind(b"\n", 0, begin) + 1


def _row_groups(file: BinaryIO, target: int) -> list[tuple[str, int, int]]:
    metadata = pq.ParquetFile(file).metadata
    cuts, size = [0], 0
    for group in range(metadata.num_row_groups):
        if size >= target:
            cuts.append(group)
            size = 0
        size += sum(metadata.row_group(group).column(c).total_compressed_size for c in range(metadata.num_columns))
    ends = [*cuts[1:], metadata.num_row_groups]
    return [("rowgroups", start, end) for start, end in zip(cuts, ends, strict=True)] if len(cuts) > 1 else []
