"""Decide what became of findings between two outputs: new, persisting, reopened, resolved, or unverified.

A finding that is gone is resolved only if its engine has checked the whole artifact again, or if the artifact is gone. If that was not
possible (the artifact was unreadable or left out, the engine was not selected, the folder was not listed), the finding is unverified until
it is. It reads no files.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from veritensor_ray.core.reasons import ReasonCode
from veritensor_ray.findings.outcome import COMPLETE, MAX_GAPS, MISSING, NO_READER, NOT_APPLICABLE, PARTIAL, QUARANTINED

_ADVISED = ("dependencies.known-vulnerability", "dependencies.malicious-package")  # found only with an advisory database
# The columns that decide what became of a finding, as expressions over the table.
SLIM = f"""finding_id, content_fingerprint, content_id, artifact, engine, coalesce(location.view = 'ocr', false)
    OR coalesce(len(list_filter(places, lambda one: one.view = 'ocr')) > 0, false) AS pictured,
    rule_id IN {_ADVISED} AS advised"""
_BASE = "regexp_extract(artifact, '[^/]*$')"
# A finding keeps its history when its artifact moves: equal content at another path, or a new artifact with the file name of one that
# is gone. Equal evidence alone joins nothing, because common text would then hide that it has appeared in a new place.
_SAME = "content_fingerprint, content_id"
_NAMED = f"content_fingerprint, {_BASE}"
_NTH = "row_number() OVER (PARTITION BY {by} ORDER BY artifact, finding_id) AS nth"
_PAIRS = """
    SELECT came.finding_id, went.finding_id AS was, went.first_seen FROM (SELECT *, {base} AS name, {nth} FROM {new}) came
    JOIN (SELECT *, {base} AS name, {nth} FROM {old}) went
    ON came.content_fingerprint = went.content_fingerprint AND came.{key} = went.{key} AND came.nth = went.nth"""
_APART = (
    "CREATE TEMP TABLE vanished AS SELECT * FROM before ANTI JOIN now USING (finding_id)",
    "CREATE TEMP TABLE appeared AS SELECT * FROM now ANTI JOIN before USING (finding_id)",
    # unread: an engine that found nothing to do may just not have seen the part that could not be read
    f"""CREATE TEMP TABLE covered AS SELECT l.artifact, l.unread, c.engine AS engine, c.status AS status FROM (
    SELECT artifact, unnest(coverage) AS c, status NOT IN ('scanned', 'skipped') AND NOT (status = 'partial'
    AND len(gaps) < {MAX_GAPS} AND len(list_filter(gaps, lambda g: g.engine IS NULL)) = 0) AS unread
    FROM ledger WHERE artifact IN (SELECT artifact FROM vanished)) l""",  # noqa: S608  # constants
)
_UNLISTED = (
    "SELECT artifact FROM ledger WHERE status IN ('unreadable', 'skipped') AND size IS NULL"  # skipped: links, which may hide a folder
)
_ABSENT = "SELECT DISTINCT artifact FROM vanished WHERE artifact NOT IN (SELECT artifact FROM ledger)"
_LOOKED = f"""(c.status = '{COMPLETE}'
    OR (NOT c.unread AND (c.status IN ('{NOT_APPLICABLE}', 'db_stale') OR (c.status = 'db_missing' AND NOT v.advised))))"""
# A file that the snapshot of a table no longer has is gone, although it still stands in the folder.
_GONE = f"(status = 'skipped' AND coalesce(reason_code = '{ReasonCode.NOT_IN_SNAPSHOT}', false))"
_BLIND = f"('{PARTIAL}', '{MISSING}', '{QUARANTINED}', '{NO_READER}')"
_JOINED = (
    # text in an image was looked for only if every engine involved had what it needed, including the transcriber
    f"""CREATE TEMP TABLE verdicts AS SELECT v.*, CASE
    WHEN v.artifact IN (SELECT artifact FROM unseen) THEN 'unverified'
    WHEN v.pictured AND v.artifact IN (SELECT artifact FROM covered WHERE status IN {_BLIND}) THEN 'unverified'
    WHEN {_LOOKED} THEN 'resolved'
    WHEN v.artifact NOT IN (SELECT artifact FROM ledger WHERE NOT {_GONE}) THEN 'resolved' ELSE 'unverified' END AS state
    FROM vanished v LEFT JOIN covered c ON c.artifact = v.artifact AND c.engine = v.engine""",  # noqa: S608  # constants
    "CREATE TEMP VIEW went AS SELECT * FROM verdicts WHERE state = 'resolved'",
    "CREATE TEMP TABLE moved AS" + _PAIRS.format(base=_BASE, nth=_NTH.format(by=_SAME), key="content_id", new="appeared", old="went"),
    "CREATE TEMP VIEW came_anew AS SELECT * FROM appeared WHERE finding_id NOT IN (SELECT finding_id FROM moved) "
    "AND artifact NOT IN (SELECT artifact FROM earlier)",
    "CREATE TEMP VIEW went_away AS SELECT * FROM went WHERE finding_id NOT IN (SELECT was FROM moved) "
    "AND artifact NOT IN (SELECT artifact FROM ledger)",
    "CREATE TEMP TABLE moved_too AS" + _PAIRS.format(base=_BASE, nth=_NTH.format(by=_NAMED), key="name", new="came_anew", old="went_away"),
    "INSERT INTO moved SELECT * FROM moved_too",
    """CREATE TEMP TABLE states AS SELECT n.finding_id,
    CASE WHEN b.finding_id IS NOT NULL OR m.finding_id IS NOT NULL THEN 'persisting'
    WHEN k.finding_id IS NOT NULL THEN 'reopened' ELSE 'new' END AS state,
    coalesce(b.first_seen, m.first_seen, k.first_seen) AS first_seen, m.was
    FROM now n LEFT JOIN before b USING (finding_id) LEFT JOIN moved m USING (finding_id) LEFT JOIN known k USING (finding_id)""",
    "CREATE TEMP TABLE gone AS SELECT * FROM verdicts WHERE finding_id NOT IN (SELECT was FROM moved)",
    "CREATE TEMP VIEW ended AS SELECT finding_id, state FROM gone",
)


def follow(connection: Any) -> None:
    """Create two tables on a DuckDB connection, from tables that exist there.

    Input: `now` and `before` have the columns SLIM; `before` and `known` (findings resolved earlier) also have first_seen. `ledger` is the
    later ledger; `earlier` has the artifacts of the earlier one.

    Output: `states` has finding_id, state (new, persisting, reopened), first_seen (null for new findings) and `was`, the ID before a move,
    for each row of `now`. `ended` has finding_id and state (resolved, unverified) for each row of `before` that is gone.
    """
    for statement in _APART:
        connection.execute(statement)
    unlisted = {name for (name,) in connection.execute(_UNLISTED).fetchall()}
    absent = connection.execute(_ABSENT).fetchall() if unlisted else []
    unseen = [name for (name,) in absent if any(folder in unlisted for folder in folders_above(name))]
    connection.register("unseen", pa.table({"artifact": pa.array(unseen, pa.string())}))
    for statement in _JOINED:
        connection.execute(statement)


def folders_above(artifact: str) -> Iterator[str]:
    """Yield the names under which a listing would report a folder above an artifact. `.` is the top of a source."""
    yield "."
    at = artifact.find("/")
    while at >= 0:
        yield artifact[:at]
        yield f"{artifact[:at]}/."
        at = artifact.find("/", at + 1)
