"""The columns of findings, ledger, rollup, rules and commits. They are named only here. It does not depend on any other module."""

from __future__ import annotations

import pyarrow as pa

SCHEMA_VERSION = "4"  # CONTRIBUTING.md, "Change a column"

LOCATION = pa.struct(
    [
        ("line", pa.int64()),
        ("row", pa.int64()),
        ("column", pa.string()),
        ("page", pa.int32()),
        ("paragraph", pa.int32()),
        ("part", pa.string()),
        ("byte_offset", pa.int64()),
        ("start", pa.int64()),
        ("end", pa.int64()),
        ("box", pa.list_(pa.int32())),
        ("view", pa.string()),
        ("decoded_via", pa.string()),
        ("key", pa.string()),  # the values of the key columns of the row, such as `id=17`
    ]
)

FINDINGS = pa.schema(
    [
        ("finding_id", pa.string()),
        ("content_fingerprint", pa.string()),
        ("scan_id", pa.string()),
        ("artifact", pa.string()),
        ("member", pa.string()),
        ("location", LOCATION),
        ("engine", pa.string()),
        ("engine_fingerprint", pa.string()),
        ("rule_id", pa.string()),
        ("category", pa.string()),
        ("severity", pa.string()),
        ("severity_original", pa.string()),
        ("confidence", pa.float64()),
        ("message", pa.string()),
        ("evidence", pa.string()),
        ("evidence_before", pa.string()),
        ("evidence_after", pa.string()),
        ("count", pa.int64()),
        ("places", pa.list_(LOCATION)),
        ("taxonomy", pa.list_(pa.string())),
        ("content_id", pa.string()),
        ("model", pa.string()),
        ("bundle_id", pa.string()),
        ("state", pa.string()),
        ("first_seen", pa.timestamp("us", tz="UTC")),
        ("last_seen", pa.timestamp("us", tz="UTC")),
        ("suppressed_by", pa.string()),
        ("detected_at", pa.timestamp("us", tz="UTC")),
    ],
    metadata={"veritensor_ray.findings": SCHEMA_VERSION},
)

# What speaks against a file that is not proven inert, in the words of the engine that judged it.
VERDICT_REASON = pa.struct([("member", pa.string()), ("reason", pa.string())])
COVERAGE = pa.struct(
    [
        ("engine", pa.string()),
        ("status", pa.string()),
        ("fingerprint", pa.string()),
        ("reason", pa.string()),
        ("reason_code", pa.string()),
        ("verdict", pa.string()),  # null if the engine passed none
        ("verdict_reasons", pa.list_(VERDICT_REASON)),
    ]
)
GAP = pa.struct(
    [
        ("member", pa.string()),
        ("location", pa.string()),
        ("engine", pa.string()),
        ("reason", pa.string()),
        ("reason_code", pa.string()),
        ("bound", pa.string()),
    ]
)

# A table that was read: the artifact itself, a file in it, or a part of either, such as a sheet.
ROWS_OF_TABLE = pa.struct([("member", pa.string()), ("part", pa.string()), ("rows", pa.int64())])

# What is known of the dataset that an artifact belongs to.
DATASET = pa.struct([("name", pa.string()), ("revision", pa.string()), ("config", pa.string()), ("split", pa.string())])

# What the bytes of an artifact are: they add up to its size, and are null if the reader of its format keeps no account of them.
BYTES = ("bytes_text", "bytes_structure", "bytes_members", "bytes_residue_text", "bytes_opaque")

LEDGER = pa.schema(
    [
        ("artifact", pa.string()),
        ("uri", pa.string()),
        ("size", pa.int64()),
        ("etag", pa.string()),
        ("mtime", pa.float64()),
        ("content_id", pa.string()),
        ("content_id_kind", pa.string()),
        ("media_type", pa.string()),
        ("status", pa.string()),
        ("reason", pa.string()),
        ("reason_code", pa.string()),
        ("bytes_scanned", pa.int64()),
        *((name, pa.int64()) for name in BYTES),
        ("segments", pa.int64()),
        ("tables", pa.list_(ROWS_OF_TABLE)),
        ("dataset", DATASET),
        ("coverage", pa.list_(COVERAGE)),
        ("gaps", pa.list_(GAP)),
        ("gaps_total", pa.int64()),
        ("findings", pa.int64()),
        ("max_severity", pa.string()),
        ("seconds", pa.float64()),
    ],
    metadata={"veritensor_ray.ledger": SCHEMA_VERSION},
)

ROLLUP = pa.schema(
    [
        ("artifact", pa.string()),
        ("column", pa.string()),
        ("rule_id", pa.string()),
        ("count", pa.int64()),
        ("distinct", pa.int64()),
        ("severity", pa.string()),
    ],
    metadata={"veritensor_ray.rollup": SCHEMA_VERSION},
)

# A row for each place of each row of `findings`, in an output that was made with `locations: all`.
LOCATIONS = pa.schema(
    [
        ("finding_id", pa.string()),
        ("artifact", pa.string()),
        ("member", pa.string()),
        ("severity", pa.string()),  # what the engine gave at this place, before any policy
        ("row", pa.int64()),
        ("column", pa.string()),
        ("line", pa.int64()),
        ("page", pa.int32()),
        ("part", pa.string()),
        ("byte_offset", pa.int64()),
        ("start", pa.int64()),
        ("end", pa.int64()),
        ("view", pa.string()),
        ("key", pa.string()),
    ],
    metadata={"veritensor_ray.locations": SCHEMA_VERSION},
)

# What explains the findings: every rule of the run and, in a sweep, also those of older rows.
RULES = pa.schema(
    [
        ("rule_id", pa.string()),
        ("engine", pa.string()),
        ("title", pa.string()),
        ("description", pa.string()),
        ("category", pa.string()),
        ("severity", pa.string()),
        ("remediation", pa.string()),
        ("taxonomy", pa.list_(pa.string())),
        ("references", pa.list_(pa.string())),
        ("false_alarms", pa.string()),
        ("confidence", pa.float64()),
    ],
    metadata={"veritensor_ray.rules": SCHEMA_VERSION},
)

# What is remembered of resolved findings: no evidence, only what identifies them.
KNOWN = pa.schema(
    [
        ("finding_id", pa.string()),
        ("first_seen", pa.timestamp("us", tz="UTC")),
        ("last_seen", pa.timestamp("us", tz="UTC")),
    ],
    metadata={"veritensor_ray.known": SCHEMA_VERSION},
)

# Counts of each sweep so far. `folder` is the first component of the artifact's name, empty for files at the top.
TRENDS = pa.schema(
    [
        ("sweep", pa.string()),
        ("started", pa.timestamp("us", tz="UTC")),
        ("folder", pa.string()),
        ("engine", pa.string()),
        ("category", pa.string()),
        ("severity", pa.string()),
        ("state", pa.string()),
        ("findings", pa.int64()),
        ("suppressed", pa.int64()),
    ],
    metadata={"veritensor_ray.trends": SCHEMA_VERSION},
)

# The tables of an output by name. An audit has those of `OF_AUDIT`.
TABLES = {
    "findings": FINDINGS,
    "ledger": LEDGER,
    "rollup": ROLLUP,
    "rules": RULES,
    "resolved": FINDINGS,
    "unverified": FINDINGS,
    "known": KNOWN,
    "trends": TRENDS,
}
OF_AUDIT = ("findings", "ledger", "rollup", "rules")
ALL_TABLES = TABLES | {"locations": LOCATIONS}  # every table that an output can have, if its run asked for it
SINCE = {"rules": 4}  # the schema version in which a table came; the others have been there from the beginning

# What a commit stores of a finding: everything that does not depend on the other parts of a split artifact.
COMMITTED_FINDING = pa.struct(
    [
        ("member", pa.string()),
        ("location", LOCATION),
        ("engine", pa.string()),
        ("rule_id", pa.string()),
        ("severity", pa.string()),
        ("confidence", pa.float64()),
        ("evidence", pa.string()),
        ("evidence_before", pa.string()),
        ("evidence_after", pa.string()),
        ("evidence_key", pa.binary()),
        ("message", pa.string()),
        ("counts", pa.list_(pa.int64())),  # of its places, by severity from the least to the worst
        ("places", pa.list_(LOCATION)),  # the first ones, in order; empty if `location` is the only one
        ("member_sealed", pa.binary()),  # the full name if it had to be masked: it distinguishes findings
    ]
)
# What many places share, and the numbers of a place (see `findings/located.py`), which a commit stores as the bytes of an Arrow stream.
COMMITTED_SPOT = pa.struct([(name, pa.string()) for name in ("rule_id", "severity", "member", "column", "part", "view")])
PLACED = pa.schema(
    [
        ("fact", pa.int32()),  # the position of its finding in the commit's row; null if it has none
        ("spot", pa.int32()),
        ("row", pa.int64()),
        ("line", pa.int64()),
        ("page", pa.int32()),
        ("byte_offset", pa.int64()),
        ("start", pa.int64()),
        ("end", pa.int64()),
        ("key", pa.int32()),
    ]
)
COMMITTED_KEY = pa.struct([("key", pa.string())])
COMMITTED_ROLLUP = pa.struct(
    [("column", pa.string()), ("rule_id", pa.string()), ("count", pa.int64()), ("severity", pa.string()), ("keys", pa.list_(pa.binary()))]
)

COMMIT = pa.schema(
    [
        ("artifact", pa.string()),
        ("part", pa.int32()),
        ("content_id", pa.string()),
        ("content_id_kind", pa.string()),
        ("same_as", pa.string()),
        ("media_type", pa.string()),
        ("status", pa.string()),
        ("reason", pa.string()),
        ("reason_code", pa.string()),
        ("bytes_scanned", pa.int64()),
        *((name, pa.int64()) for name in BYTES),
        ("segments", pa.int64()),
        ("lines", pa.int64()),
        ("rows", pa.int64()),
        ("chars", pa.int64()),
        ("tables", pa.list_(ROWS_OF_TABLE)),
        ("coverage", pa.list_(COVERAGE)),
        ("gaps", pa.list_(GAP)),
        ("gaps_total", pa.int64()),
        ("seconds", pa.float64()),
        ("findings", pa.list_(COMMITTED_FINDING)),
        ("rollup", pa.list_(COMMITTED_ROLLUP)),
        ("spots", pa.list_(COMMITTED_SPOT)),
        ("keys", pa.list_(COMMITTED_KEY)),
        ("located", pa.binary()),  # every place, by the numbers of its finding, its spot and its key; null unless `locations` is `all`
        ("unlocated", pa.int64()),  # places beyond the limit, which are only counted
        ("sealed", pa.binary()),  # for one of several parts: all its texts, and what the other parts must not show
    ],
    metadata={"veritensor_ray.commit": SCHEMA_VERSION},
)
