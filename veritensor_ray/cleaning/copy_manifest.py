"""The tables of a cleaned corpus: manifest.parquet with a row for each artifact, rows.parquet with a row for each row left out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from enum import StrEnum
from typing import Any

import pyarrow as pa

from veritensor_ray.core.reasons import ReasonCode
from veritensor_ray.corpus.planning import PlanRow
from veritensor_ray.findings.outcome import Outcome

MANIFEST_NAME, ROWS_NAME = "manifest.parquet", "rows.parquet"
CORPUS, QUARANTINE = "corpus", "quarantine"
BEFORE, AFTER = "before", "after"  # the audits of the corpus and of the copy

ACTION = pa.struct([("rule", pa.string()), ("action", pa.string()), ("count", pa.int64())])
MANIFEST = pa.schema(
    [
        ("artifact", pa.string()),
        ("result", pa.string()),  # one of `Result`
        ("path", pa.string()),  # of the copy, relative to the destination; null if there is none
        ("reason", pa.string()),
        ("reason_code", pa.string()),  # one of `CopyCode` or `ReasonCode`; null for what was copied or cleaned as ordered
        ("media_type", pa.string()),
        ("source_size", pa.int64()),
        ("source_sha256", pa.string()),
        ("clean_size", pa.int64()),
        ("clean_sha256", pa.string()),
        ("actions", pa.list_(ACTION)),
        ("changes", pa.int64()),
        ("rows_dropped", pa.int64()),
    ]
)
ROWS = pa.schema([("artifact", pa.string()), ("member", pa.string()), ("row", pa.int64()), ("rule", pa.string())])
_ROW = pa.struct([*(field for field in ROWS if field.name != "artifact"), ("stays", pa.bool_())])  # see `DroppedRow`
_PIECES = pa.list_(pa.string())  # a text before, in and after the place of a change
_SAMPLE = pa.struct(
    [
        *((name, pa.string()) for name in ("rule", "action", "before", "after")),
        ("was", _PIECES),
        ("became", _PIECES),
    ]  # values: null unless revealed
)
# What a shard leaves behind, one row for each artifact or part of it; `publish` makes the two tables from it.
CLEANED = pa.schema(
    [
        *MANIFEST,
        ("part", pa.int32()),
        ("parts", pa.int32()),
        ("kind", pa.string()),
        ("start", pa.int64()),
        ("end", pa.int64()),
        ("source_path", pa.binary()),
        ("root", pa.int32()),
        ("size", pa.int64()),  # of all of the artifact, as planned; with the two below, it shows that the artifact is still the same
        ("etag", pa.string()),
        ("mtime", pa.float64()),
        ("rows", pa.list_(_ROW)),
        ("row_count", pa.int64()),  # rows of this part in the source
        ("name", pa.string()),  # what the copy is called instead of `artifact`; null if it keeps that name
        ("expected", pa.string()),  # the name to which references were led, if the content has made it another one
        ("samples", pa.list_(_SAMPLE)),
    ]
)


class Result(StrEnum):
    """What became of an artifact."""

    COPIED = "copied"  # byte for byte
    CLEANED = "cleaned"
    QUARANTINED = "quarantined"  # because of a finding
    HELD = "held"  # because it could not be rewritten, or was not wholly checked
    DROPPED = "dropped"  # left out because of a finding
    LEFT_OUT = "left-out"  # not part of the run: excluded, sampled out, not a file, unreadable


MEANINGS: Mapping[str, str] = {
    Result.COPIED: "byte for byte",
    Result.CLEANED: "with changes",
    Result.QUARANTINED: "set aside because of a finding",
    Result.HELD: "set aside because they could not be rewritten or wholly checked",
    Result.DROPPED: "left out because of a finding",
    Result.LEFT_OUT: "not part of the copy: excluded, not a file, or unreadable",
}


@dataclass(slots=True)
class Cleaned:
    """What became of one artifact, or of one part of it: a row of CLEANED."""

    artifact: str
    result: Result
    path: str | None = None
    reason: str | None = None
    reason_code: str | None = None
    media_type: str | None = None
    source_size: int | None = None
    source_sha256: str | None = None
    clean_size: int | None = None
    clean_sha256: str | None = None
    actions: list[dict[str, Any]] = field(default_factory=list)
    changes: int = 0
    rows_dropped: int = 0
    part: int = 0
    parts: int = 1
    kind: str = "whole"
    start: int | None = None
    end: int | None = None
    source_path: bytes = b""
    root: int = 0
    size: int | None = None
    etag: str | None = None
    mtime: float | None = None
    rows: list[dict[str, Any]] = field(default_factory=list)
    row_count: int = 0
    name: str | None = None
    expected: str | None = None
    samples: list[dict[str, Any]] = field(default_factory=list)

    def planned(self) -> PlanRow:
        """Return the plan's row for the whole artifact, to open it again."""
        return PlanRow(0, self.artifact, self.source_path, self.root, self.size, self.etag, self.mtime)

    def as_row(self) -> dict[str, Any]:
        """Return the row."""
        return asdict(self) | {"result": self.result.value}

    @classmethod
    def of_row(cls, row: Mapping[str, Any]) -> Cleaned:
        """Return what a row of CLEANED says."""
        return cls(**{one.name: row[one.name] for one in fields(cls)} | {"result": Result(row["result"])})


def blank(
    row: PlanRow, outcome: Outcome, result: Result = Result.COPIED, reason: str | None = None, code: ReasonCode | None = None
) -> Cleaned:
    """Return the row for an artifact, or for one part of it, to which nothing has been done."""
    return Cleaned(
        row.artifact,
        result,
        reason=reason,
        reason_code=code,
        media_type=outcome.media_type,
        part=row.part,
        parts=row.parts,
        kind=row.kind,
        start=row.start,
        end=row.end,
        source_path=row.path,
        root=row.root,
        size=row.size,
        etag=row.etag,
        mtime=row.mtime,
        row_count=outcome.rows,
    )
