"""The reference of an output's tables, from their Arrow schemas, and of reason codes."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from tools.site.markdown import GENERATED, code, described, sentence, table
from veritensor_ray.cli.scanning.submit_command import _UNREAD as STRICT_ONLY
from veritensor_ray.core.reasons import ReasonCode
from veritensor_ray.findings.schema import ALL_TABLES, COVERAGE, GAP, LOCATION, SCHEMA_VERSION, TABLES

PAGE, CODES_PAGE = "reference/tables.md", "reference/reason-codes.md"
ROWS = {
    "findings": "A row for each finding.",
    "ledger": "A row for each artifact: what was checked and what was not.",
    "rollup": "Counts by artifact, column, rule and severity.",
    "rules": "A row for each rule of the run, whether or not it has findings.",
    "resolved": "Findings that are gone since the previous sweep. The columns are those of `findings`.",
    "unverified": "Findings that are gone, although nobody could look. The columns are those of `findings`.",
    "known": "A row for each finding that was resolved within a year. There is no evidence in it.",
    "trends": "Counts of every sweep so far.",
    "locations": "A row for each location of each finding, if the run has kept all of them.",
}
STRUCTS = {"location": LOCATION, "coverage": COVERAGE, "gaps": GAP}
_AT = ("row", "column", "line", "page", "part", "byte_offset", "start", "end", "view", "key")
_SECTIONS = {"findings": "`findings`", "ledger": "`ledger`", "rules": "`rules`", "location": "`location`"}  # of docs/results.md
# Columns that docs/results.md describes in prose, or together with others.
_MEANINGS = {
    "findings.engine": "The engine that found it.",
    "findings.engine_fingerprint": "State of that engine: version, rules, model and settings.",
    "findings.evidence_before": "At most 120 characters before it at `location`, masked.",
    "findings.evidence_after": "At most 120 characters after it at `location`, masked.",
    "findings.first_seen": "Start of the first run that saw it.",
    "findings.last_seen": "Start of the last run that saw it.",
    "ledger.content_id": "Identifies the content.",
    "ledger.content_id_kind": "How `content_id` was computed: `sha256`, `etag` or `blocks`; [results](../results.md#ledger) explains them.",
    "ledger.status": "What became of the artifact; [results](../results.md#ledger) lists the values.",
    "ledger.reason": "Why, as a sentence.",
    "ledger.reason_code": "The same as a [reason code](reason-codes.md).",
    "ledger.coverage": "What each engine has seen.",
    "ledger.gaps": "Parts that were not read or not checked, at most 100.",
    "location.start": "Character offset of its start in the file, cell, page or part, before any normalization.",
    "location.end": "Character offset of its end, counted in the same way.",
    "rollup.artifact": "Name within the corpus.",
    "rollup.column": "Column or key that the evidence is in. Null outside tables and structured data.",
    "rollup.rule_id": "The rule.",
    "rollup.count": "All places, including those that `limits.hits_per_rule` kept out of `findings`.",
    "rollup.distinct": "Number of different pieces of evidence.",
    "rollup.severity": "Severity that the engine gave; a policy does not change it.",
    "locations.finding_id": "The finding.",
    "locations.artifact": "Name within the corpus.",
    "locations.member": "The file inside the artifact, as in `findings`.",
    "locations.severity": "Severity that the engine gave at this location; a policy does not change it.",
    **{f"locations.{name}": "As in [`location`](#struct-location)." for name in _AT},
    "known.finding_id": "Id of the finding.",
    "known.first_seen": "Start of the first sweep that saw it.",
    "known.last_seen": "Start of the last sweep that saw it.",
    "trends.sweep": "Id of the sweep.",
    "trends.started": "When the sweep started.",
    "trends.folder": "First part of the artifact's name. Empty for files at the top, `(others)` beyond the 500 largest folders.",
    "trends.engine": "The engine.",
    "trends.category": "Category of the rule.",
    "trends.severity": "Severity after the policy.",
    "trends.state": "State of the findings: `new`, `persisting`, `reopened`, `resolved` or `unverified`.",
    "trends.findings": "Number of findings that count.",
    "trends.suppressed": "Number of suppressed findings.",
    "coverage.engine": "The engine.",
    "coverage.status": "What the engine has seen of the artifact; [results](../results.md#ledger) lists the values.",
    "coverage.fingerprint": "State of the engine when it looked: version, rules, model and settings.",
    "coverage.reason": "Why it has not seen everything, as a sentence.",
    "coverage.reason_code": "The same as a [reason code](reason-codes.md).",
    "coverage.verdict": "The verdict on a model file: `inert`, `unknown` or `dangerous`; null for other files and engines.",
    "coverage.verdict_reasons": "What speaks against `inert`, each with the member that it is about; the worst first.",
    "gaps.member": "File inside the artifact. Null for the artifact itself.",
    "gaps.location": "Where the gap is.",
    "gaps.engine": "The engine that did not look. Null if the gap is for all of them.",
    "gaps.reason": "Why, as a sentence.",
    "gaps.reason_code": "The same as a [reason code](reason-codes.md).",
    "gaps.bound": "The [limit](../bounds.md) that caused the gap, if one did.",
}
# The same for reason codes.
_CODES = {
    "not-included": "`include` does not match it.",
    "excluded": "`exclude` matches it.",
    "above-max-size": "It is larger than `max_size`.",
    "not-changed-since": "It has not changed since `since`.",
    "sampled-out": "`sample` left it out.",
    "advisories-missing": "`dependencies` has no advisories for it.",
    "advisories-old": "`dependencies` has only old advisories for it.",
    "timeout": "`inspect` only: the process that worked on it made no progress.",
}


def meaning_of(owner: str, column: str) -> str:
    """What a column of a table, or a field of a struct, means."""
    said = described("results.md", _SECTIONS[owner], on=PAGE) if owner in _SECTIONS else {}
    return sentence(_MEANINGS.get(f"{owner}.{column}") or said.get(column, ""))


def tables_page() -> str:
    """The page with every column of every table."""
    parts = []
    for name, schema in ALL_TABLES.items():
        same = schema is TABLES["findings"] and name != "findings"
        parts.append(f"## {code(name)}\n\n{ROWS[name]}\n" + ("" if same else f"\n{_columns(name, schema)}"))
    parts += [f"### Fields of {code(name)} {{#struct-{name}}}\n\n{_columns(name, struct)}" for name, struct in STRUCTS.items()]
    joined = "\n".join(parts)
    return f"""# Tables

{GENERATED} [Results](../results.md) explains how the tables belong together.

Tables are Parquet files. Their metadata has the version of the schema, which is {SCHEMA_VERSION}. An audit has the first four tables, and a
[sweep](../sweeps.md) has all of them. Only runs with `locations: all` have the last one.

{joined}"""


def _columns(owner: str, fields: pa.Schema | pa.StructType) -> str:
    return table(("column", "type", "meaning"), [(code(one.name), type_of(one), meaning_of(owner, one.name)) for one in _fields(fields)])


def _fields(of: pa.Schema | pa.StructType) -> Iterator[pa.Field]:
    return (of.field(index) for index in range(len(of) if isinstance(of, pa.Schema) else of.num_fields))


def type_of(field: pa.Field) -> str:
    """The Arrow type; a struct is a link to its fields."""
    kind, several = (field.type.value_type, "list of ") if pa.types.is_list(field.type) else (field.type, "")
    struct = next((name for name, known in STRUCTS.items() if kind == known), None)
    return f"{several}[{code('struct')}](#struct-{struct})" if struct else several + code(kind)


def codes_page() -> str:
    """The page with every reason code."""
    words = described("results.md", "Reason codes", on=CODES_PAGE)
    strict = ", ".join(code(one.value) for one in STRICT_ONLY)
    rows = [(code(one.value), sentence(_CODES.get(one.value) or words.get(one.value, ""))) for one in ReasonCode]
    return f"""# Reason codes

{GENERATED} [Results](../results.md#reason-codes) explains which rows have a code.

The column `reason_code` says why something was not checked. A code never changes its meaning, and new codes may come.
These count as not complete only with `--strict`: {strict}.

{table(("code", "meaning"), rows)}"""
