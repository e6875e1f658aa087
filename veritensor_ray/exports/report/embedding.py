"""Encode rows for the page: columns, each with its distinct values once, compressed in blocks that the browser reads one by one."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from veritensor_ray.findings.unsuppressed import SUPPRESSED, UNSUPPRESSED
from veritensor_ray.results.grouping import key_of
from veritensor_ray.results.place_names import within
from veritensor_ray.results.results import Results
from veritensor_ray.results.shared_places import places

Encode = Callable[[Iterable[Any]], list[Any]]

MOST_ROWS = 100_000
MOST_BYTES = 18_000_000  # of all blocks as base64; charts, styles and the other sections take less than 2 MB
_BLOCK = 5_000  # rows
_LEVEL = 7  # of gzip; 9 takes twice as long to save a hundredth
_COLUMNS = (
    "severity", "rule_id", "engine", "artifact", "member", "evidence", "evidence_before", "evidence_after", "message", "state",
    "suppressed_by",
)  # fmt: skip
_PLAIN = ("finding_id", "confidence", "count", "place_group", "evidence_group")
_NEEDED = ", ".join((*_COLUMNS, *_PLAIN[:3], "location", "first_seen"))
_ORDER = f"""{SUPPRESSED}, severity DESC, artifact, member NULLS FIRST, coalesce(location.page, 0),
    coalesce(location.row, location.line, 0), coalesce(location.start, 0), finding_id"""


@dataclass(frozen=True, slots=True)
class Embedded:
    """Rows of a table as blocks of base64 text, and how many of `total` rows they hold."""

    blocks: tuple[str, ...]
    rows: int
    total: int


def findings(results: Results, most_rows: int = MOST_ROWS, most_bytes: int = MOST_BYTES) -> Embedded:
    """Encode the findings, the worst first, up to a number of rows and of bytes. Suppressed findings come last."""
    total = results.records("SELECT count(*)::BIGINT AS n FROM findings")[0]["n"]
    blocks: list[str] = []
    rows = size = 0
    for chunk in _chunks(results, most_rows):
        block = _block(_finding_columns(chunk), len(chunk))
        if blocks and size + len(block) > most_bytes:
            break
        blocks.append(block)
        rows, size = rows + len(chunk), size + len(block)
    return Embedded(tuple(blocks), rows, total)


def table(rows: Sequence[Mapping[str, Any]], total: int) -> Embedded:
    """Encode the rows of a small table."""
    columns = {name: _coded(row[name] for row in rows) for name in rows[0]} if rows else {}
    return Embedded((_block(columns, len(rows)),) if rows else (), len(rows), total)


def _chunks(results: Results, most: int) -> Iterator[list[dict[str, Any]]]:
    query = f"""WITH chosen AS MATERIALIZED ({_worst(most)}), located AS (SELECT place, unnest(finding_ids) AS finding_id FROM ({places("chosen")}))
        SELECT {_NEEDED}, dense_rank() OVER (ORDER BY coalesce(located.place, chosen.finding_id)) - 1 AS place_group,
        dense_rank() OVER (ORDER BY {key_of("evidence")}) - 1 AS evidence_group
        FROM chosen LEFT JOIN located USING (finding_id) ORDER BY {_ORDER}"""  # noqa: S608
    held: list[dict[str, Any]] = []
    for batch in results.rows(query):
        held += batch.to_pylist()
        while len(held) >= _BLOCK:
            yield held[:_BLOCK]
            held = held[_BLOCK:]
    if held:
        yield held


def _finding_columns(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    plain = {name: [row[name] for row in rows] for name in _PLAIN}
    coded = {name: _coded(row[name] for row in rows) for name in _COLUMNS}
    made = {
        "location": _coded(within(row) for row in rows),
        "first_seen": _coded(_day(row["first_seen"]) for row in rows),
        "only_counted": _coded(row["location"] is None for row in rows),
    }
    return plain | coded | made


def _day(time: datetime | None) -> str | None:
    return time.isoformat(timespec="seconds") if time else None


def _coded(values: Iterable[Any]) -> dict[str, list[Any]]:
    """Return distinct values in order of appearance, and for each row the number of its value."""
    numbers: dict[Any, int] = {}
    codes = [numbers.setdefault(value, len(numbers)) for value in values]
    return {"values": list(numbers), "codes": codes}


def _block(columns: Mapping[str, Any], rows: int) -> str:
    data = json.dumps({"rows": rows, "columns": columns}, separators=(",", ":"))
    return base64.b64encode(gzip.compress(data.encode(), _LEVEL, mtime=0)).decode()


def first(results: Results, rows: int) -> list[dict[str, Any]]:
    """Return the worst findings that are not suppressed, for paper."""
    query = f"SELECT * FROM ({_worst(rows, UNSUPPRESSED)}) ORDER BY {_ORDER}"  # noqa: S608
    return [row | {"location": within(row)} for row in results.records(query)]


def _worst(most: int, where: str = "true") -> str:
    """Return a query for the worst findings. It sorts ids alone: sorting whole rows takes gigabytes if there are millions."""
    ids = f"SELECT finding_id FROM findings WHERE {where} ORDER BY {SUPPRESSED}, severity DESC, finding_id LIMIT {most}"  # noqa: S608
    return f"SELECT {_NEEDED}, category, content_fingerprint FROM findings WHERE finding_id IN ({ids})"  # noqa: S608
