"""Compute the numbers of run.json from the tables that were written. It does not depend on commits or plans."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from veritensor_ray.core.config import SEVERITIES
from veritensor_ray.core.detection import VERDICTS, Rule
from veritensor_ray.corpus.listing import Root
from veritensor_ray.findings.schema import FINDINGS, LEDGER, RULES, SCHEMA_VERSION
from veritensor_ray.findings.unsuppressed import SUPPRESSED, UNSUPPRESSED
from veritensor_ray.policy.judge import Judge
from veritensor_ray.stores.outputs import OutputStore

_REASONS = 50
_RANK = f"array_position({list(VERDICTS)}, c.verdict)"
_MEMORY = "2GB"  # beyond this, DuckDB spills to disk
# How many findings a row stands for: one fact, in however many places, or a number of findings that are only counted.
NUMBER = "CASE WHEN location IS NULL THEN count ELSE 1 END"
_RECENT = "state IN ('new', 'reopened')"
_SUPPRESSED = f"SELECT coalesce(sum({NUMBER}), 0)::BIGINT AS n FROM findings WHERE {SUPPRESSED}"  # noqa: S608  # constants
_NOT_COVERED = f"""
    SELECT CASE WHEN u.artifact IS NULL THEN l.status ELSE 'unlisted' END AS status, coalesce(l.reason, '') AS reason, l.reason_code,
    count(*) AS artifacts
    FROM ledger l LEFT JOIN unlisted u USING (artifact) WHERE l.status <> 'scanned' OR l.reason IS NOT NULL
    GROUP BY ALL ORDER BY artifacts DESC, status, reason LIMIT {_REASONS}"""  # noqa: S608  # constants
# Something of an artifact that was read was not checked. A gap with a bound of COUNTING only counts what has no row.
COUNTING = ("hits_per_rule", "locations")  # gaps with these bounds count what has no row; nothing is unchecked because of them
_LACKING = f"""reason IS NOT NULL OR gaps_total > coalesce(len(list_filter(gaps, lambda one: coalesce(one.bound, '') IN {COUNTING})), 0)
    OR len(list_filter(coverage, lambda one: one.status NOT IN ('complete', 'not-applicable'))) > 0"""
# Every number of artifacts that were fully checked, or not, is one of these: see `FullyChecked`.
CHECKED = f"""SELECT count(*)::BIGINT AS artifacts,
    count(*) FILTER (status = 'scanned' AND NOT ({_LACKING}))::BIGINT AS fully,
    count(*) FILTER (status = 'partial' OR (status = 'scanned' AND ({_LACKING})))::BIGINT AS partly,
    count(*) FILTER (status = 'scanned' AND ({_LACKING}))::BIGINT AS lacking,
    count(*) FILTER (status NOT IN ('scanned', 'partial'))::BIGINT AS unread FROM ledger"""  # noqa: S608  # constants
# Artifacts on which an engine has passed a verdict, with the worst one and the reasons of the engine that passed it.
JUDGED_ARTIFACTS = f"""
    SELECT artifact, media_type, arg_max(c.verdict, {_RANK}) AS verdict, arg_max(c.verdict_reasons, {_RANK}) AS reasons, max({_RANK}) AS rank
    FROM (SELECT artifact, media_type, unnest(coverage) AS c FROM ledger) WHERE c.verdict IS NOT NULL GROUP BY ALL"""  # noqa: S608  # constants
_STATUS = """
    SELECT CASE WHEN u.artifact IS NULL THEN l.status ELSE 'unlisted' END AS name, count(*) AS n
    FROM ledger l LEFT JOIN unlisted u USING (artifact) GROUP BY ALL ORDER BY ALL"""
_COVERAGE = """
    SELECT c.engine AS engine, c.status AS status, count(*) AS n FROM (SELECT unnest(coverage) AS c FROM ledger) GROUP BY ALL ORDER BY ALL"""
_MODELS = f"SELECT verdict, count(*)::BIGINT AS n FROM ({JUDGED_ARTIFACTS}) GROUP BY verdict"  # noqa: S608  # constants
_CODES = """
    SELECT code, count(*) AS n FROM (SELECT unnest(list_distinct(list_concat([reason_code],
    list_transform(coverage, lambda c: c.reason_code), list_transform(gaps, lambda g: g.reason_code)))) AS code FROM ledger)
    WHERE code IS NOT NULL GROUP BY code ORDER BY code"""
_TOTALS = """
    SELECT (count(*) - (SELECT count(*) FROM unlisted))::BIGINT AS artifacts, coalesce(sum(size), 0)::BIGINT AS bytes,
    coalesce(sum(bytes_scanned), 0)::BIGINT AS bytes_scanned, coalesce(sum(segments), 0)::BIGINT AS segments,
    coalesce(sum(gaps_total), 0)::BIGINT AS gaps FROM ledger"""


@dataclass(frozen=True)
class RunInfo:
    """What a run says about itself in run.json and in every finding. It contains no secrets."""

    run: str
    fingerprint: str
    roots: tuple[Root, ...]
    rules: Mapping[str, Rule]
    engines: Mapping[str, Mapping[str, Any]]  # name to version, fingerprint, model
    about: Mapping[str, Any]  # further fields of run.json
    hits_per_rule: int

    @property
    def locates(self) -> bool:
        """Whether the results list every place of every finding."""
        return self.about.get("locations") == "all"


@contextlib.contextmanager
def database() -> Iterator[Any]:
    """Open an empty DuckDB database without network access, with times in UTC. It spills to a temporary folder."""
    import duckdb

    with tempfile.TemporaryDirectory(prefix="veritensor-ray-") as folder:
        settings = {"autoinstall_known_extensions": "false", "autoload_known_extensions": "false", "memory_limit": _MEMORY}
        with duckdb.connect(config={**settings, "temp_directory": folder}) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            yield connection


def rows(connection: Any, query: str) -> list[dict[str, Any]]:
    """Return all rows of a small result."""
    found: list[dict[str, Any]] = connection.sql(query).to_arrow_table().to_pylist()
    return found


def run_json(results: OutputStore, info: RunInfo, unlisted: Sequence[str], judge: Judge) -> dict[str, Any]:
    """Return the run.json of a finished run. Severities count only findings that the policy lets count."""
    with database() as connection:
        connection.register("findings", results.dataset("findings", FINDINGS))
        connection.register("ledger", results.dataset("ledger", LEDGER))
        connection.register("unlisted", pa.table({"artifact": pa.array(unlisted, pa.string())}))
        known = results.dataset("rules", RULES).to_table(columns=["rule_id", "title"])
        titles = dict(zip(*(column.to_pylist() for column in known), strict=True))
        coverage: dict[str, dict[str, int]] = {}
        for row in rows(connection, _COVERAGE):
            coverage.setdefault(row["engine"], {})[row["status"]] = row["n"]
        return {
            "schema_version": SCHEMA_VERSION,
            "scan_id": info.run,
            "fingerprint": info.fingerprint,
            "finished_at": datetime.now(UTC).isoformat(timespec="seconds"),
            **info.about,
            "engines": dict(info.engines),
            "totals": rows(connection, _TOTALS)[0],
            "status": {row["name"]: row["n"] for row in rows(connection, _STATUS)},
            "checked": rows(connection, CHECKED)[0],
            "severity": _by_severity(connection, UNSUPPRESSED),
            "severity_new": _by_severity(connection, f"{UNSUPPRESSED} AND {_RECENT}"),
            "suppressed": rows(connection, _SUPPRESSED)[0]["n"],
            "rules": [row | {"title": titles.get(row["rule_id"], row["rule_id"])} for row in rows(connection, _rules())],
            "not_covered": rows(connection, _NOT_COVERED),
            "reason_codes": {row["code"]: row["n"] for row in rows(connection, _CODES)},
            "coverage": coverage,
            "models": {row["verdict"]: row["n"] for row in rows(connection, _MODELS)},
            "policy": judge.report(),
        }


def _by_severity(connection: Any, condition: str) -> dict[str, int]:
    found = rows(connection, f"SELECT severity, sum({NUMBER})::BIGINT AS n FROM findings WHERE {condition} GROUP BY ALL")  # noqa: S608  # constants
    counts = {row["severity"]: row["n"] for row in found}
    return {name: counts[name] for name in reversed(SEVERITIES) if name in counts}


def _rules() -> str:
    return f"""SELECT rule_id, severity, sum({NUMBER})::BIGINT AS count FROM findings WHERE {UNSUPPRESSED}
        GROUP BY rule_id, severity ORDER BY count DESC, rule_id, severity"""  # noqa: S608  # constants
