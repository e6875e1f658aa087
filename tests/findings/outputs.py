"""Complete outputs that are written directly: rows of findings and of the ledger in few words, and the run.json that fits them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tests.findings.building import INFO, RULE
from veritensor_ray.findings.rule_texts import RuleText, text_of
from veritensor_ray.findings.schema import LOCATION, TABLES
from veritensor_ray.findings.summary import RunInfo, run_json
from veritensor_ray.policy.judge import Judge, load_policy
from veritensor_ray.results.results import Results, find
from veritensor_ray.stores.outputs import OutputStore

Rows = Sequence[Mapping[str, Any]]
WHEN = datetime(2026, 1, 31, 22, tzinfo=UTC)


def finding(number: int, artifact: str = "a.txt", at: dict[str, Any] | None = None, **about: Any) -> dict[str, Any]:
    """A row of findings. Its id is `number` in 32 hexadecimal digits; `at` are the fields of its location that are not null."""
    location = None if at is None else dict.fromkeys(field.name for field in LOCATION) | at
    return {
        "finding_id": f"{number:032x}",
        "content_fingerprint": f"{number:032x}"[::-1],
        "scan_id": INFO.run,
        "artifact": artifact,
        "location": location,
        "engine": "test",
        "rule_id": RULE.id,
        "category": RULE.category,
        "severity": "medium",
        "severity_original": "medium",
        "confidence": 1.0,
        "message": RULE.title,
        "evidence": "bad",
        "count": 1,
        "state": "new",
        "first_seen": WHEN,
        "last_seen": WHEN,
        "detected_at": WHEN,
    } | about


def checked(artifact: str, status: str = "scanned", **about: Any) -> dict[str, Any]:
    """A row of the ledger."""
    coverage = [{"engine": "test", "status": "complete", "fingerprint": "e1"}]
    size = {"size": 100, "bytes_scanned": 100, "segments": 1, "gaps_total": 0, "findings": 0, "seconds": 0.1}
    known = {"artifact": artifact, "uri": f"file:///data/{artifact}", "media_type": "text/plain", "status": status, "coverage": coverage}
    return known | size | about


def written(
    folder: Path, findings: Rows, ledger: Rows | None = None, trends: Rows = (), rules: Iterable[RuleText] = (text_of(RULE),), **about: Any
) -> Results:
    """An audit or, if `about` says so, a sweep with these rows and rules. `about` changes its run.json.

    Without a ledger, every artifact with a finding was fully checked.
    """
    rows = ledger if ledger is not None else [checked(name) for name in dict.fromkeys(row["artifact"] for row in findings)]
    tables: dict[str, Rows] = {"findings": findings, "ledger": rows, "rollup": (), "rules": [asdict(rule) for rule in rules]}
    if about.get("job") == "sweep":
        tables = dict.fromkeys(TABLES, ()) | tables | {"trends": trends}
    for name, values in tables.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.Table.from_pylist(list(values), TABLES[name]), folder / name / "part-00000.parquet")
    info = RunInfo(
        INFO.run, INFO.fingerprint, INFO.roots, INFO.rules, {"test": INFO.engines["test"]}, {"sources": ["/data"], **INFO.about}, 10
    )
    run = run_json(OutputStore(str(folder)), info, (), Judge(load_policy(None), date(2026, 1, 1))) | about
    (folder / "run.json").write_text(json.dumps(run))
    return Results(*find(str(folder), {}))
