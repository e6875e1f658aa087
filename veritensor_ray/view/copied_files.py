"""What became of each file of a cleaned copy, for the page: its manifest as a table, and the questions about it. It does not depend on the server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from veritensor_ray.cleaning.copy_manifest import MANIFEST, Result
from veritensor_ray.cleaning.levers import lever
from veritensor_ray.exports.opened_copy import OpenedCopy, copy_of
from veritensor_ray.results.results import Results
from veritensor_ray.view.http_requests import FileFilter, FileQuery

_NAMES = ("artifact", "result", "path", "reason", "reason_code", "media_type", "source_size", "clean_size", "changes", "rows_dropped")
_ACTIONS = 50  # of a file that are shown
_CHOICES = 200  # of a filter that are offered
_FIRST = (Result.HELD, Result.QUARANTINED, Result.DROPPED, Result.LEFT_OUT, Result.CLEANED, Result.COPIED)  # the order of the table
_RANK = " ".join(f"WHEN '{result}' THEN {rank}" for rank, result in enumerate(_FIRST))
# Names and reasons are lowered once, so that a search needs no second. `o` is the number of a file in the order of the page.
_FILES = f"""CREATE TABLE files AS SELECT row_number() OVER (ORDER BY CASE result {_RANK} ELSE 9 END, artifact) - 1 AS o,
    {", ".join(_NAMES)}, coalesce(actions, []) AS actions, lower(concat_ws(chr(10), artifact, path, reason)) AS searched FROM given"""  # noqa: S608
_COUNTED = "SELECT one.{0} AS name, count(DISTINCT o)::BIGINT AS files FROM (SELECT o, unnest(actions) AS one FROM files) GROUP BY ALL"


def take_manifest(connection: Any, results: Results) -> None:
    """Add the table `files` if the results belong to a cleaned copy. Raises StoreError or SignatureError if the copy is damaged."""
    copy = copy_of(results)
    if copy is not None:
        connection.register("given", pa.RecordBatchReader.from_batches(MANIFEST, _rows(copy)))
        connection.execute(_FILES)
        connection.unregister("given")


def _rows(copy: OpenedCopy) -> Iterator[pa.RecordBatch]:
    yield from copy.manifest()


def files_page(cursor: Any, query: FileQuery) -> dict[str, Any]:
    """Return one page of the files that match: `total` of them, of which `rows` are on this page, with their `changes` in all."""
    where, values = _where(query.filter)
    [(total, changes)] = cursor.execute(f"SELECT count(*), coalesce(sum(changes), 0)::BIGINT FROM files WHERE {where}", values).fetchall()  # noqa: S608
    chosen = f"SELECT {', '.join(_NAMES)}, actions[:{_ACTIONS}] AS actions, len(actions) AS kinds FROM files WHERE {where} ORDER BY o LIMIT ? OFFSET ?"  # noqa: S608
    found = cursor.sql(chosen, params=[*values, query.limit, query.offset])
    rows = found.to_arrow_table().to_pylist()
    return {"total": total, "changes": changes, "rows": [row | {"lever": lever(row["reason_code"])} for row in rows]}


def file_facets(cursor: Any) -> dict[str, dict[str, int]]:
    """Return the numbers of files by result, reason code, rule and action, the most frequent first."""
    queries = {
        "result": "SELECT result AS name, count(*) AS files FROM files GROUP BY ALL",
        "code": "SELECT reason_code AS name, count(*) AS files FROM files GROUP BY ALL",
        "rule": _COUNTED.format("rule"),
        "action": _COUNTED.format("action"),
    }
    return {
        facet: dict(
            cursor.execute(f"SELECT * FROM ({query}) WHERE name IS NOT NULL ORDER BY files DESC, name LIMIT {_CHOICES}").fetchall()  # noqa: S608
        )
        for facet, query in queries.items()
    }


def _where(about: FileFilter) -> tuple[str, list[Any]]:
    """Return a condition over `files` and its values."""
    parts: list[str] = []
    values: list[Any] = []
    for column, name in (("result", about.result), ("reason_code", about.code)):
        if name:
            parts.append(f"{column} = ?")
            values.append(name)
    for field, name in (("rule", about.rule), ("action", about.action)):
        if name:
            parts.append(f"list_contains(list_transform(actions, lambda one: one.{field}), ?)")
            values.append(name)
    if text := about.text.strip().lower():
        parts.append("contains(searched, ?)")
        values.append(text)
    return " AND ".join(parts) or "true", values
