"""Measure the answers of the live page: CPU and wall-clock seconds for the start and for each kind of query, and the peak memory.

    python -m bench.view [--rows 1000000]

The findings are invented; ten of them share a file. Writing them takes longer than the measurement.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tests.exports.report.many import many
from veritensor_ray import api
from veritensor_ray.results.labels import Labels
from veritensor_ray.view.http_requests import Query
from veritensor_ray.view.queries import Queries
from veritensor_ray.view.table_copy import copied

QUERIES: dict[str, dict[str, Any]] = {
    "first page by place": {"group": "place"},
    "ungrouped": {},
    "page 2,000, ungrouped": {"offset": 200_000},
    "by folder": {"group": "folder"},
    "by rule": {"group": "rule"},
    "by equal evidence": {"group": "evidence"},
    "search for words": {"filter": {"text": "bada"}},
    "SQL condition": {"filter": {"where": "rule glob 'pii.*' and confidence < 0.6"}},
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a row of a Markdown table for each step."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rows", type=int, default=1_000_000, help="Number of findings. Default: 1,000,000.")
    rows = parser.parse_args(arguments).rows
    with tempfile.TemporaryDirectory() as folder:
        many(Path(folder) / "out", rows)
        print(f"{rows:,} findings\n\n| step | CPU seconds | seconds |\n| --- | --- | --- |")
        began = _now()
        with copied(api.open(Path(folder) / "out", stores={})) as copy:
            _row("start: copying the tables", began)
            queries = Queries(copy, Labels())
            with copy.connection() as cursor:
                _measure("numbers of the filters", lambda: queries.facets(cursor))
                for name, asked in QUERIES.items():
                    _measure(name, lambda asked=asked: queries.page(cursor, Query.model_validate(asked)))  # type: ignore[misc]
    print(f"\npeak memory, the writing of the findings included: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000:,.0f} MB")


def _now() -> tuple[float, float]:
    return time.process_time(), time.monotonic()


def _measure(name: str, work: Callable[[], object]) -> None:
    began = _now()
    work()
    _row(name, began)


def _row(name: str, began: tuple[float, float]) -> None:
    cpu, wall = (now - then for now, then in zip(_now(), began, strict=True))
    print(f"| {name} | {cpu:.2f} | {wall:.2f} |", flush=True)


if __name__ == "__main__":
    main()
