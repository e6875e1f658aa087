"""Collect a sweep: merge what this run scanned with what is carried over, into one complete set of tables.

DuckDB joins the tables of the last complete sweep with those of this run in bounded memory. Rows of artifacts whose content is known may
come from another run instead, which has no part in the history. For an unchanged artifact, only its position in
the new tables is computed. It does not depend on any engine.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from veritensor_ray.core.config import SEVERITIES
from veritensor_ray.core.errors import LeaseHeld
from veritensor_ray.core.uris import is_local
from veritensor_ray.corpus.planning import plan_key
from veritensor_ray.findings.collect import REPEATS, Assembly, assemble, finding_id
from veritensor_ray.findings.lifecycle import SLIM, follow
from veritensor_ray.findings.rule_texts import rules_table
from veritensor_ray.findings.schema import ALL_TABLES, FINDINGS, KNOWN, LEDGER, LOCATIONS, OF_AUDIT, ROLLUP, RULES, TRENDS
from veritensor_ray.findings.summary import NUMBER, RunInfo, database, rows, run_json
from veritensor_ray.findings.sweep_state import folder_of, latest
from veritensor_ray.findings.table_files import TableWriter
from veritensor_ray.findings.unsuppressed import SUPPRESSED, UNSUPPRESSED
from veritensor_ray.policy.judge import Judge
from veritensor_ray.stores.outputs import OutputStore

_ROWS = 20_000
_REMEMBERED = "INTERVAL 365 DAY"  # how long a resolved finding is remembered, so that it can be reopened
_FOLDERS = 500  # in the trends of one sweep; smaller folders are counted together
_CARRIED = """
    CREATE TEMP TABLE carried AS
    SELECT artifact, carried_from, false AS elsewhere, engines, size, etag, mtime, root, dataset, shard >= 0 AS beside FROM plan
    WHERE carried_from IS NOT NULL AND part = 0
    AND (shard < 0 OR artifact IN (SELECT artifact FROM scanned_ledger WHERE status IN ('scanned', 'skipped')))
    UNION ALL SELECT p.artifact, s.carried_from, s.elsewhere, []::VARCHAR[], p.size, p.etag, p.mtime, p.root, p.dataset, false
    FROM same s JOIN plan p USING (artifact)"""
# What rows can be carried over from: the last complete sweep and, apart from it, the other run.
_TAKEN = "CREATE TEMP VIEW taken_{name} AS SELECT *, false AS elsewhere FROM before_{name} UNION ALL SELECT *, true FROM elsewhere_{name}"
_FROM = "ON {one}.artifact = c.carried_from AND {one}.elsewhere = c.elsewhere"
# A row of schema 2 that is a further place of a fact of this run is not gone: the fact's row counts it.
_BEFORE = """
    CREATE TEMP VIEW before_rows AS SELECT * FROM (SELECT * FROM before_findings UNION ALL SELECT * FROM before_unverified)
    WHERE places IS NOT NULL OR finding_id IN (SELECT finding_id FROM now) OR content_fingerprint NOT IN (SELECT content_fingerprint FROM repeats)"""
_STAYS = "{engine} IN (SELECT engine FROM engines) AND NOT list_contains(c.engines, {engine})"
_ROLLUP = f"""
    CREATE TEMP VIEW all_rollup AS SELECT * FROM scanned_rollup
    UNION ALL SELECT r.* EXCLUDE (elsewhere) REPLACE (c.artifact AS artifact) FROM carried c JOIN taken_rollup r {_FROM.format(one="r")}
    WHERE {_STAYS.format(engine="split_part(r.rule_id, '.', 1)")}"""  # noqa: S608  # constants
_FINDINGS = f"""
    CREATE TEMP VIEW all_findings AS SELECT * FROM scanned_findings
    UNION ALL SELECT f.* EXCLUDE (elsewhere) REPLACE (c.artifact AS artifact,
    CASE WHEN c.artifact = c.carried_from THEN f.finding_id ELSE renamed(c.artifact, f.content_fingerprint) END AS finding_id)
    FROM carried c JOIN taken_findings f {_FROM.format(one="f")} WHERE {_STAYS.format(engine="f.engine")}"""  # noqa: S608  # constants
# A place is carried over with its finding, which gives it its id.
_LOCATIONS = f"""
    CREATE TEMP VIEW all_locations AS SELECT * FROM scanned_locations
    UNION ALL SELECT l.* EXCLUDE (elsewhere) REPLACE (c.artifact AS artifact,
    CASE WHEN c.artifact = c.carried_from THEN f.finding_id ELSE renamed(c.artifact, f.content_fingerprint) END AS finding_id)
    FROM carried c JOIN taken_findings f {_FROM.format(one="f")} JOIN taken_locations l ON l.finding_id = f.finding_id AND l.elsewhere = f.elsewhere
    WHERE {_STAYS.format(engine="f.engine")}"""  # noqa: S608  # constants
_COVERAGE = """
    list_transform(list_filter(b.coverage, lambda x: CASE WHEN list_contains(selected, x.engine) THEN NOT list_contains(c.engines, x.engine)
    ELSE x.status = 'no-reader' AND x.fingerprint IS NULL AND len(c.engines) = 0 END),
    lambda x: {'engine': x.engine, 'status': x.status, 'fingerprint': coalesce(prints[x.engine], x.fingerprint), 'reason': x.reason,
    'reason_code': x.reason_code, 'verdict': x.verdict, 'verdict_reasons': x.verdict_reasons})"""
_LEDGER = f"""
    CREATE TEMP VIEW ledger_rows AS
    SELECT s.* FROM scanned_ledger s WHERE s.artifact NOT IN (SELECT artifact FROM carried WHERE beside)
    UNION ALL SELECT s.* REPLACE (list_concat(s.coverage, {_COVERAGE}) AS coverage)
    FROM carried c JOIN scanned_ledger s USING (artifact) JOIN taken b {_FROM.format(one="b")}, this_sweep WHERE c.beside
    UNION ALL SELECT b.* EXCLUDE (elsewhere) REPLACE (c.artifact AS artifact, r.base || substr(c.artifact, length(r.prefix) + 1) AS uri, c.size AS size,
    c.etag AS etag, c.mtime AS mtime, c.dataset AS dataset, {_COVERAGE} AS coverage)
    FROM carried c JOIN taken b {_FROM.format(one="b")} JOIN roots r USING (root), this_sweep WHERE NOT c.beside"""  # noqa: S608  # constants
_RANKS = list(SEVERITIES)
_LEDGER_OUT = f"""
    SELECT l.* REPLACE (coalesce(f.n, 0) AS findings, {_RANKS}[w.worst] AS max_severity)
    FROM ledger_rows l LEFT JOIN (SELECT artifact, count(*) AS n FROM now GROUP BY artifact) f USING (artifact)
    LEFT JOIN (SELECT artifact, max(array_position({_RANKS}, severity)) AS worst FROM all_rollup GROUP BY artifact) w USING (artifact)"""  # noqa: S608  # constants
_FINDINGS_OUT = """
    SELECT f.* REPLACE (s.state AS state, coalesce(s.first_seen, t.started) AS first_seen, t.started AS last_seen)
    FROM all_findings f JOIN states s USING (finding_id), this_sweep t"""
_ENDED_OUT = "SELECT b.* REPLACE (e.state AS state) FROM before_rows b JOIN ended e USING (finding_id) WHERE e.state = '{state}'"
_KNOWN_OUT = f"""
    SELECT finding_id, first_seen, last_seen FROM known k ANTI JOIN now USING (finding_id)
    WHERE last_seen > (SELECT started FROM this_sweep) - {_REMEMBERED}
    UNION ALL SELECT b.finding_id, b.first_seen, b.last_seen FROM before b JOIN ended e USING (finding_id)
    WHERE e.state = 'resolved'"""  # noqa: S608  # constants
# The rules of this run, and those of older rows that it no longer has.
_RULES_OUT = """
    SELECT * FROM run_rules UNION ALL
    SELECT * FROM (SELECT * FROM before_rules UNION ALL SELECT e.* FROM elsewhere_rules e ANTI JOIN before_rules USING (rule_id))
    WHERE rule_id NOT IN (SELECT rule_id FROM run_rules) AND rule_id IN (SELECT rule_id FROM findings UNION SELECT rule_id FROM resolved
    UNION SELECT rule_id FROM unverified UNION SELECT rule_id FROM all_rollup) ORDER BY rule_id"""
_CHANGES = """
    WITH b AS (SELECT * FROM before_ledger WHERE NOT (status = 'unreadable' AND size IS NULL)),
    s AS (SELECT same.*, o.content_id, row_number() OVER (PARTITION BY carried_from ORDER BY same.artifact) AS nth
    FROM same JOIN taken_ledger o ON o.artifact = carried_from AND o.elsewhere = same.elsewhere),
    kinds AS (SELECT s.carried_from AS known, CASE
    WHEN s.carried_from = p.artifact OR s.content_id = b.content_id THEN 'unchanged'
    WHEN s.nth > 1 OR s.carried_from IN (SELECT artifact FROM plan) THEN 'copied'
    WHEN s.carried_from IS NOT NULL THEN 'moved'
    WHEN p.carried_from IS NOT NULL AND p.shard < 0 THEN 'unchanged'
    WHEN p.carried_from IS NOT NULL THEN 'again'
    WHEN p.shard < 0 THEN 'left out'
    WHEN b.artifact IS NULL THEN 'new'
    WHEN (b.size, b.etag, b.mtime) IS NOT DISTINCT FROM (p.size, p.etag, p.mtime) THEN 'again' ELSE 'changed' END AS kind
    FROM plan p LEFT JOIN s USING (artifact) LEFT JOIN b USING (artifact) WHERE p.part = 0)
    SELECT count(*) FILTER (kind = 'unchanged') AS unchanged, count(*) FILTER (kind = 'again') AS again,
    count(*) FILTER (kind = 'changed') AS changed, count(*) FILTER (kind = 'new') AS new, count(*) FILTER (kind = 'moved') AS moved,
    count(*) FILTER (kind = 'copied') AS copied,
    (SELECT count(*) FROM b ANTI JOIN plan USING (artifact) ANTI JOIN (SELECT known AS artifact FROM kinds WHERE kind = 'moved') USING (artifact)
    WHERE NOT EXISTS (SELECT 1 FROM unlisted u WHERE starts_with(b.artifact, u.prefix))) AS deleted FROM kinds"""
_ALL = "(SELECT * FROM findings UNION ALL SELECT * FROM resolved UNION ALL SELECT * FROM unverified)"
_STATES = f"SELECT state, sum({NUMBER})::BIGINT AS n FROM {_ALL} WHERE {UNSUPPRESSED} GROUP BY state"  # noqa: S608  # constants
_TRENDS = f"""
    WITH counted AS (SELECT CASE WHEN contains(artifact, '/') THEN split_part(artifact, '/', 1) ELSE '' END AS folder, engine, category,
    severity, state, (sum({NUMBER}) FILTER ({UNSUPPRESSED}))::BIGINT AS findings,
    (sum({NUMBER}) FILTER ({SUPPRESSED}))::BIGINT AS suppressed FROM {_ALL} GROUP BY folder, engine, category, severity, state),
    largest AS (SELECT folder FROM counted GROUP BY folder ORDER BY sum(coalesce(findings, 0)) DESC, folder LIMIT {_FOLDERS})
    SELECT '{{sweep}}' AS sweep, started, CASE WHEN folder IN (SELECT folder FROM largest) THEN folder ELSE '(others)' END AS folder,
    engine, category, severity, state, coalesce(sum(findings), 0)::BIGINT AS findings, coalesce(sum(suppressed), 0)::BIGINT AS suppressed
    FROM counted, this_sweep GROUP BY ALL ORDER BY ALL"""  # noqa: S608  # constants


def collect_sweep(
    state: OutputStore, info: RunInfo, site_key: bytes, judge: Judge, previous: str | None, elsewhere: OutputStore | None = None
) -> dict[str, Any]:
    """Write sweeps/<run>/ with all its tables and run.json, from the run's commits and the sweep `previous`. Returns run.json.

    The rows of known content come from `previous`, unless there are results `elsewhere`.

    The sweep is not published yet: readers of the state still see `previous`. Raises LeaseHeld if another run has already published it.
    """
    if latest(state) == info.run:
        raise LeaseHeld(f"another run has already published sweep {info.run}. There is nothing left to do")
    night, scanned = folder_of(state, info.run), state.under(f"_work/{info.run}/scanned")
    for name in ("run.json", *ALL_TABLES, "attestation.json"):
        night.delete(name)  # from an earlier collect that did not finish
    before = folder_of(state, previous) if previous else None
    assembly = assemble(state, scanned, info, site_key, repeats=before is not None and _has_repeats(before))
    with database() as connection:
        _sources(connection, state, scanned, info, assembly, before, elsewhere)
        _join(connection, info, site_key)
        for name, query, schema in (
            ("rollup", "SELECT * FROM all_rollup", ROLLUP),
            ("ledger", _LEDGER_OUT, LEDGER),
        ):
            _write(connection, night, name, query, schema)
        connection.register("ledger", night.dataset("ledger", LEDGER))
        follow(connection)
        _write(connection, night, "findings", _FINDINGS_OUT, FINDINGS, judge)
        _write(connection, night, "resolved", _ENDED_OUT.format(state="resolved"), FINDINGS)
        _write(connection, night, "unverified", _ENDED_OUT.format(state="unverified"), FINDINGS)
        _write(connection, night, "known", _KNOWN_OUT, KNOWN)
        if info.locates:
            _write(connection, night, "locations", "SELECT * FROM all_locations", LOCATIONS)
        for name in ("findings", "resolved", "unverified"):
            connection.register(name, night.dataset(name, FINDINGS))
        _write(connection, night, "rules", _RULES_OUT, RULES)
        _write(connection, night, "trends", f"SELECT * FROM before_trends UNION ALL ({_TRENDS.format(sweep=info.run)})", TRENDS)  # noqa: S608
        changes = rows(connection, _CHANGES)[0]
        states = {row["state"]: row["n"] for row in rows(connection, _STATES)}
    result = run_json(night, info, assembly.unlisted, judge) | {
        "previous": previous,
        "plan": changes,
        "states": {name: states.get(name, 0) for name in ("new", "persisting", "reopened", "resolved", "unverified")},
    }
    if elsewhere is not None:
        result["elsewhere"] = {"scan_id": json.loads(elsewhere.read("run.json") or b"{}").get("scan_id"), "artifacts": len(assembly.same)}
    night.put("run.json", json.dumps(result, indent=2, ensure_ascii=True).encode())
    return result


def _has_repeats(before: OutputStore) -> bool:
    """Return whether unverified findings or a sweep have rows of schema 2, which had one row for each place."""
    tables = (before.dataset(name, FINDINGS) for name in ("findings", "unverified"))
    return any(table.head(1, columns=["places"], filter=pc.field("places").is_null()).num_rows for table in tables)


def _sources(
    connection: Any,
    state: OutputStore,
    scanned: OutputStore,
    info: RunInfo,
    assembly: Assembly,
    before: OutputStore | None,
    elsewhere: OutputStore | None,
) -> None:
    """Create views of everything that is read. Nothing is loaded here."""
    for name in ("findings", "ledger", "rollup", "locations"):
        connection.register(f"scanned_{name}", scanned.dataset(name, ALL_TABLES[name]))
    connection.register("run_rules", rules_table(info.rules.values()))
    for name in (*OF_AUDIT, "locations"):
        connection.register(f"elsewhere_{name}", elsewhere.dataset(name, ALL_TABLES[name]) if elsewhere else ALL_TABLES[name].empty_table())
    for name, schema in ALL_TABLES.items():
        connection.register(f"before_{name}", before.dataset(name, schema) if before else schema.empty_table())
    repeats = scanned.exists("repeats")
    connection.register("repeats", scanned.dataset("repeats", REPEATS) if repeats else REPEATS.empty_table())
    connection.register("plan", state.dataset(plan_key(info.run)))
    same = list(zip(*assembly.same, strict=True)) or [(), ()]
    origin = pa.array([elsewhere is not None] * len(same[0]), pa.bool_())
    names = {"artifact": pa.array(same[0], pa.string()), "carried_from": pa.array(same[1], pa.string())}
    connection.register("same", pa.table(names | {"elsewhere": origin}))
    connection.register("roots", _roots(info))
    folders = [name.removesuffix(".") if name == "." or name.endswith("/.") else f"{name}/" for name in assembly.unlisted]
    connection.register("unlisted", pa.table({"prefix": pa.array(folders, pa.string())}))


def _roots(info: RunInfo) -> pa.Table:
    """Return how the ledger writes URIs, as `findings.collect` does for scanned artifacts."""
    bases = [f"{root.uri.rstrip('/') if is_local(root.uri) else root.uri}/" for root in info.roots]
    numbers = pa.array(range(len(bases)), pa.int32())
    return pa.table({"root": numbers, "base": bases, "prefix": pa.array([root.prefix for root in info.roots], pa.string())})


def _join(connection: Any, info: RunInfo, site_key: bytes) -> None:
    """Create the rows of this sweep, both scanned and carried over."""
    prints: Mapping[str, str | None] = {name: about.get("fingerprint") for name, about in info.engines.items()}
    connection.register("engines", pa.table({"engine": pa.array(list(prints), pa.string())}))
    connection.execute(
        "CREATE TEMP TABLE this_sweep AS SELECT ?::TIMESTAMPTZ AS started, ?::VARCHAR[] AS selected, map_from_entries(?::STRUCT(k VARCHAR, v VARCHAR)[]) AS prints",
        [
            datetime.fromisoformat(info.about["started_at"]),
            list(prints),
            [{"k": name, "v": value} for name, value in prints.items() if value],
        ],
    )
    connection.create_function("renamed", _renamed(site_key), ["VARCHAR", "VARCHAR"], "VARCHAR", type="arrow")
    for statement in (
        *(_TAKEN.format(name=name) for name in ("findings", "ledger", "rollup", "locations")),
        # nothing is carried over from an unreadable artifact; an unlisted prefix may have the name of an object
        "CREATE TEMP VIEW taken AS SELECT * FROM taken_ledger WHERE status <> 'unreadable'",
        _CARRIED,
        _ROLLUP,
        _FINDINGS,
        _LOCATIONS,
        _LEDGER,
        f"CREATE TEMP TABLE now AS SELECT {SLIM} FROM all_findings",  # noqa: S608  # constants
        _BEFORE,
        f"CREATE TEMP TABLE before AS SELECT {SLIM}, first_seen, last_seen FROM before_rows",  # noqa: S608  # constants
        "CREATE TEMP VIEW earlier AS SELECT artifact FROM before_ledger",
        "CREATE TEMP TABLE known AS SELECT * FROM before_known",
    ):
        connection.execute(statement)


def _renamed(site_key: bytes) -> Any:
    """Return the IDs of findings in renamed artifacts."""

    def compute(artifacts: pa.ChunkedArray, fingerprints: pa.ChunkedArray) -> pa.Array:
        pairs = zip(artifacts.to_pylist(), fingerprints.to_pylist(), strict=True)
        return pa.array([finding_id(site_key, artifact, fingerprint) for artifact, fingerprint in pairs], pa.string())

    return compute


def _write(connection: Any, store: OutputStore, name: str, query: str, schema: pa.Schema, judge: Judge | None = None) -> None:
    with contextlib.closing(TableWriter(store, name, schema, judge.apply if judge else None)) as writer:
        for batch in connection.sql(query).to_arrow_reader(_ROWS):
            writer.write(pa.Table.from_batches([batch]).select(schema.names).cast(schema))


__all__ = ["collect_sweep"]
