"""What the engine `secrets` finds in files labeled by others, read as the product reads them.

A secret is found if a finding overlaps its value. A line labeled as not a secret counts as a false positive if a finding overlaps its value
(or the line, if no value was noted), unless the finding also overlaps a secret. Unclear labels are left out, and so are findings in
unlabeled places. In JSON, a finding has a path instead of bytes; it is located wherever its text appears in the file. It prints nothing.
"""

from __future__ import annotations

import json
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from veritensor_ray.core.config import SEVERITIES, load_settings
from veritensor_ray.core.detection import Hit
from veritensor_ray.core.text_positions import Columns
from veritensor_ray.corpus.planning import plan_rows
from veritensor_ray.engines.secrets import Secrets
from veritensor_ray.pipeline.context import Workbench
from veritensor_ray.pipeline.extract import Extraction
from veritensor_ray.pipeline.run_description import local_context


@dataclass(frozen=True, slots=True)
class Found:
    """A finding in a file: its rule, severity, confidence, text and byte range; no range if it is inside a container."""

    rule: str
    severity: str
    confidence: float
    text: str
    places: tuple[tuple[int, int], ...]


@dataclass(slots=True)
class Labelled:
    """A label for a byte range of a file (1 a secret, 0 not a secret, -1 unclear), with the findings there."""

    repo: str
    path: str
    kind: str
    label: int
    start: int
    end: int
    found: list[Found] = field(default_factory=list)

    @property
    def severity(self) -> int:
        """The highest severity found, or -1 for none."""
        return max((SEVERITIES.index(one.severity) for one in self.found), default=-1)

    @property
    def suffix(self) -> str:
        """The kind of file it is in."""
        name = self.path.rpartition("/")[2]
        return name.rpartition(".")[2] if "." in name else "no suffix"


# Labeled as secrets, but names of things: records, buckets, projects and accounts.
IDENTIFIERS = ("UUID", "AWS S3 Bucket", "Firebase Domain", "Tencent WeChat API App ID")


def f1(rows: Iterable[Labelled], least: str) -> tuple[float, float, float]:
    """Return precision, recall and F1 of findings at a severity or worse. Unclear labels are ignored."""
    level = SEVERITIES.index(least)
    counts = Counter((row.label, row.severity >= level) for row in rows)
    right, wrong, missed = counts[1, True], counts[0, True], counts[1, False]
    return right / max(1, right + wrong), right / max(1, right + missed), 2 * right / max(1, 2 * right + wrong + missed)


class _Watched(Secrets):
    """The engine, wrapped to record its input and findings."""

    def __init__(self, settings: Any) -> None:
        super().__init__(settings)
        self.kept: list[tuple[pa.RecordBatch, list[Hit]]] = []

    def scan_text(self, texts: pa.RecordBatch) -> list[Hit]:
        """Return the same hits."""
        hits = super().scan_text(texts)
        self.kept.append((texts, hits))
        return hits


def scan_folder(folder: Path) -> dict[str, list[Found]]:
    """Return the engine's findings in the files of a folder, by path.

    Files in archives and decoded texts count for the file that contains them.
    """
    settings = load_settings(flags={"sources": [str(folder)], "engines": ["secrets"]}, environ={})
    rows = [row for row in plan_rows(settings, ["secrets"], lambda *_: []) if row.status is None]
    engine = _Watched(settings)
    severities = {rule.id: rule.severity for rule in engine.rules()}
    context = local_context(settings, b"bench")
    for _ in Extraction(context, rows, Workbench((engine,), {rule.id: rule for rule in engine.rules()}), ()).batches():
        raise AssertionError("no model is used here")
    found: dict[str, list[Found]] = defaultdict(list)
    for texts, hits in engine.kept:
        columns = Columns(texts, (hit.row or 0 for hit in hits))
        for hit in hits:
            row = hit.row or 0
            place = columns.at(row)
            if hit.start < place.owned:
                artifact = rows[columns.artifact(row)].artifact
                at = place.location(hit)["byte_offset"]
                value = place.text[hit.start : hit.end]
                places = (
                    ((at, at + len(value.encode("utf-8", "replace"))),)
                    if at is not None
                    else tuple(_everywhere(value, (folder / artifact).read_bytes()))
                )
                found[artifact].append(Found(hit.rule, hit.severity or severities[hit.rule], hit.score, value, places))
    return found


def _everywhere(value: str, data: bytes) -> Iterator[tuple[int, int]]:
    """Yield where a text stands in a file, as it is or as JSON writes it."""
    for written in {value, json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1]}:
        wanted = written.encode("utf-8", "replace")
        at = data.find(wanted)
        while at >= 0:
            yield at, at + len(wanted)
            at = data.find(wanted, at + len(wanted))


def _lines(data: bytes) -> list[int]:
    """Return the offsets at which the lines of a file begin, and the end of the last."""
    starts = [0]
    for line in data.split(b"\n"):
        starts.append(starts[-1] + len(line) + 1)
    return starts


def labelled(data: Path) -> tuple[list[Labelled], dict[str, list[Found]]]:
    """Return the labeled lines with their findings, and for each file the findings in unlabeled places."""
    texts = {row["path"]: row["text"] for row in pq.read_table(data / "labelled_files.parquet").to_pylist()}
    with tempfile.TemporaryDirectory() as place:
        for path, text in texts.items():
            file = Path(place) / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(text.encode())
        found = scan_folder(Path(place))
    lines = {path: _lines(text.encode()) for path, text in texts.items()}
    places: dict[str, list[Labelled]] = defaultdict(list)
    for row in pq.read_table(data / "labelled_lines.parquet").to_pylist():
        places[row["path"]].append(_place(row, lines[row["path"]]))
    elsewhere = {path: _told(some, found.get(path, [])) for path, some in places.items()}
    return [one for some in places.values() for one in some], elsewhere


def _place(row: dict[str, Any], lines: Sequence[int]) -> Labelled:
    start, end = lines[row["line_start"] - 1], lines[min(row["line_end"], len(lines) - 1)] - 1
    if row["value_start"] >= 0:
        text = row["text"]
        start, end = start + len(text[: row["value_start"]].encode()), start + len(text[: row["value_end"]].encode())
    return Labelled(row["repo"], row["path"], row["kind"], row["label"], start, end)


def _told(places: Sequence[Labelled], found: Iterable[Found]) -> list[Found]:
    """Credit each finding to the labeled places it overlaps, secrets first. Return the findings that overlap none."""
    left = []
    for one in found:
        over = [place for place in places if any(place.start < end and start < place.end for start, end in one.places)]
        for place in [place for place in over if place.label] or over:
            place.found.append(one)
        if not over:
            left.append(one)
    return left
