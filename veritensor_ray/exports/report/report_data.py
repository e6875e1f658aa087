"""Compute the numbers of the report, by SQL over the tables of an output. It does not depend on how they are shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from veritensor_ray.core.config import SEVERITIES
from veritensor_ray.exports.described_findings import title
from veritensor_ray.exports.not_checked import missing as not_checked
from veritensor_ray.exports.report.copy_section import CopySection, copy_section
from veritensor_ray.findings.rule_texts import RuleText
from veritensor_ray.findings.summary import COUNTING, NUMBER
from veritensor_ray.findings.unsuppressed import SUPPRESSED, UNSUPPRESSED
from veritensor_ray.results.attestation import NAME as ATTESTATION
from veritensor_ray.results.grouping import key_of
from veritensor_ray.results.model_verdicts import models_said, not_inert, reason_said
from veritensor_ray.results.place_names import within
from veritensor_ray.results.results import Results
from veritensor_ray.results.run_text import FullyChecked

Rows = list[dict[str, Any]]

WORST_FIRST = tuple(reversed(SEVERITIES))
_FOLDERS = 25  # listed one by one
_EXAMPLES, _FILES = 3, 5  # of a rule
_MODELS = 1_000  # that are not inert
_LOOKED_AT = 50  # findings of a rule, from which its examples are chosen
_BY_SEVERITY = ", ".join(
    f"coalesce(sum({NUMBER}) FILTER ({UNSUPPRESSED} AND severity = '{name}'), 0)::BIGINT AS {name}" for name in WORST_FIRST
)
_COUNTS = f"""{_BY_SEVERITY}, coalesce(sum({NUMBER}) FILTER ({UNSUPPRESSED}), 0)::BIGINT AS findings,
    coalesce(sum({NUMBER}) FILTER ({SUPPRESSED}), 0)::BIGINT AS suppressed"""
_ORDER = ", ".join(f"{name} DESC" for name in WORST_FIRST)
_TREND = ", ".join(
    f"(coalesce(sum(findings) FILTER (state NOT IN ('resolved', 'unverified') AND severity = '{name}'), 0))::BIGINT AS {name}"
    for name in WORST_FIRST
)
_STATES = ", ".join(
    f"(coalesce(sum(findings) FILTER (state = '{name}'), 0))::BIGINT AS {name}"
    for name in ("new", "reopened", "persisting", "resolved", "unverified")
)
# What is wrong with an artifact as a whole unless one of its gaps says so, its gaps, and the engines that no gap mentions.
_GAPS = f"""
    SELECT artifact, uri, size, status, NULL AS engine, NULL AS member, NULL AS location, reason, reason_code
    FROM ledger WHERE (status <> 'scanned' OR reason IS NOT NULL)
    AND NOT coalesce(list_contains(list_transform(gaps, lambda gap: gap.reason), reason), false)
    UNION ALL BY NAME SELECT artifact, uri, size, status, gap.engine, gap.member, gap.location, gap.reason, gap.reason_code
    FROM (SELECT *, unnest(gaps) AS gap FROM ledger) WHERE coalesce(gap.bound, '') NOT IN {COUNTING}
    UNION ALL BY NAME SELECT artifact, uri, size, status, one.engine, one.reason, one.reason_code
    FROM (SELECT *, unnest(coverage) AS one FROM ledger)
    WHERE one.status NOT IN ('complete', 'not-applicable') AND one.reason IS DISTINCT FROM reason
    AND NOT coalesce(list_contains(list_transform(gaps, lambda gap: gap.engine), one.engine), false)"""  # noqa: S608  # constants


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that the page shows, except the rows of its two long tables."""

    run: Mapping[str, Any]
    output: str
    signed: bool
    totals: Mapping[str, int]
    checked: FullyChecked
    missing: Rows
    coverage: Rows
    engines: Rows
    folders: Rows
    more_folders: int
    trend: Rows
    rules: Rows
    suppressions: Rows
    models: str
    not_inert: Rows
    all_not_inert: int
    copy: CopySection | None


def report(results: Results, rules: Mapping[str, RuleText]) -> Report:
    """Compute a report. `rules` explain the findings; a rule that is not among them shows its own rows."""
    folders, more_folders = by_folder(results)
    models, all_models = not_inert(results, _MODELS)
    return Report(
        run=results.run,
        output=str(results.run.get("output") or results.store.uri),
        signed=results.store.exists(ATTESTATION),
        totals=totals(results),
        checked=results.checked,
        missing=missing(results),
        coverage=coverage(results),
        engines=by_engine(results),
        folders=folders,
        more_folders=more_folders,
        trend=trend(results),
        rules=rule_cards(results, rules),
        suppressions=list((results.run.get("policy") or {}).get("suppressions") or []),
        models=models_said(results.run),
        not_inert=[row | {"reasons": [reason_said(one) for one in row["reasons"] or ()]} for row in models],
        all_not_inert=all_models,
        copy=copy_section(results),
    )


def totals(results: Results) -> dict[str, int]:
    """Return the number of findings by severity, in all, suppressed and in the residue; of rows; and of artifacts, with and without findings."""
    found = results.records(
        f"""SELECT {_COUNTS}, count(*)::BIGINT AS rows, count(DISTINCT artifact)::BIGINT AS artifacts_with,
        coalesce(sum({NUMBER}) FILTER ({UNSUPPRESSED} AND location.view = 'residue'), 0)::BIGINT AS residue FROM findings"""  # noqa: S608  # constants
    )[0]
    return found | {"artifacts": results.run["totals"].get("artifacts", 0)}


def missing(results: Results) -> Rows:
    """Return what was not checked, each reason with examples of artifacts."""
    return [asdict(one.reason) | {"examples": one.artifacts} for one in not_checked(results)]


def coverage(results: Results) -> Rows:
    """Return the number of artifacts by engine: checked completely, nothing to check, and everything else."""
    found = results.records("""SELECT one.engine AS engine, count(*) FILTER (one.status = 'complete')::BIGINT AS complete,
        count(*) FILTER (one.status = 'not-applicable')::BIGINT AS not_applicable,
        count(*) FILTER (one.status NOT IN ('complete', 'not-applicable'))::BIGINT AS short
        FROM (SELECT unnest(coverage) AS one FROM ledger) GROUP BY ALL ORDER BY engine""")
    about = results.run["engines"]
    return [
        row | {"version": about.get(row["engine"], {}).get("version"), "model": about.get(row["engine"], {}).get("model")} for row in found
    ]


def by_engine(results: Results) -> Rows:
    """Return the number of findings by engine and severity, the worst engine first. Engines that found nothing come last."""
    found = results.records(f"SELECT engine AS name, {_COUNTS} FROM findings GROUP BY engine ORDER BY {_ORDER}, name")  # noqa: S608
    none = dict.fromkeys((*WORST_FIRST, "findings", "suppressed"), 0)
    silent = sorted(set(results.run["engines"]) - {row["name"] for row in found})
    return found + [{"name": name, **none} for name in silent]


def by_folder(results: Results) -> tuple[Rows, int]:
    """Return the number of findings by severity for the worst folders, the worst first, and the number of folders that are left out."""
    rows = results.records(
        f"""SELECT *, count(*) OVER ()::BIGINT AS folders FROM (SELECT {key_of("folder")} AS name, {_COUNTS} FROM findings GROUP BY name)
        ORDER BY {_ORDER}, name LIMIT {_FOLDERS}"""  # noqa: S608  # constants
    )
    left_out = rows[0]["folders"] - len(rows) if rows else 0
    return [{name: value for name, value in row.items() if name != "folders"} for row in rows], left_out


def trend(results: Results) -> Rows:
    """Return a row for each sweep so far, oldest first: open findings by severity, and all by state. An audit has none."""
    if "trends" not in results.tables:
        return []
    return results.records(
        f"""SELECT sweep, started, {_TREND}, {_STATES},
        (coalesce(sum(findings) FILTER (state NOT IN ('resolved', 'unverified')), 0))::BIGINT AS findings,
        (coalesce(sum(suppressed) FILTER (state NOT IN ('resolved', 'unverified')), 0))::BIGINT AS suppressed
        FROM trends GROUP BY sweep, started ORDER BY started, sweep"""  # noqa: S608  # constants
    )


def rule_cards(results: Results, rules: Mapping[str, RuleText]) -> Rows:
    """Return a card for each rule with findings, the worst first: what it means, how many findings and where, and examples."""
    found = results.records(
        f"""SELECT rule_id, any_value(engine) AS engine, any_value(category) AS category, any_value(message) AS message,
        any_value(taxonomy) AS taxonomy, count(DISTINCT artifact)::BIGINT AS artifacts, {_COUNTS}
        FROM findings GROUP BY rule_id ORDER BY {_ORDER}, rule_id"""  # noqa: S608  # constants
    )
    examples, files = _examples(results), _files(results)
    return [
        _explained(row, rules.get(row["rule_id"])) | {"examples": examples[row["rule_id"]], "files": files[row["rule_id"]]} for row in found
    ]


def _explained(row: dict[str, Any], rule: RuleText | None) -> dict[str, Any]:
    worst = next((name for name in WORST_FIRST if row[name]), None)
    known = rule or RuleText(row["rule_id"], row["engine"])
    about = {name: getattr(known, name) for name in ("description", "remediation", "references", "false_alarms")}
    return row | about | {"title": title(known, row), "worst": worst, "taxonomy": row["taxonomy"] or ()}


def _examples(results: Results) -> dict[str, Rows]:
    """Return findings of each rule with different evidence, the worst first. Only the first few findings are looked at, however many there are."""
    found: dict[str, Rows] = {}
    fields = "finding_id, severity, artifact, member, location, evidence_before, evidence, evidence_after, message"
    worst = f"({SUPPRESSED}, -severity_rank(severity), coalesce(-confidence, 0), artifact, finding_id)"
    for row in results.records(
        f"SELECT rule_id, arg_min(struct_pack({fields}), {worst}, {_LOOKED_AT}) AS first FROM findings GROUP BY rule_id"  # noqa: S608
    ):
        different = {one["evidence"]: one for one in reversed(row["first"])}
        kept = [one for one in row["first"] if different[one["evidence"]] is one][:_EXAMPLES]
        found[row["rule_id"]] = [one | {"location": within(one)} for one in kept]
    return found


def _files(results: Results) -> dict[str, Rows]:
    """Return the artifacts of each rule with the most findings."""
    found: dict[str, Rows] = {}
    for row in results.records(
        f"""SELECT rule_id, artifact, sum({NUMBER})::BIGINT AS number FROM findings GROUP BY rule_id, artifact
        QUALIFY row_number() OVER (PARTITION BY rule_id ORDER BY number DESC, artifact) <= {_FILES}
        ORDER BY rule_id, number DESC, artifact"""  # noqa: S608  # constants
    ):
        found.setdefault(row["rule_id"], []).append(row)
    return found


def gaps(results: Results, limit: int) -> tuple[Rows, int]:
    """Return the first rows of the table of what was not checked, one for each artifact and gap, and the number of all of them."""
    rows = results.records(
        f"SELECT *, count(*) OVER ()::BIGINT AS all_rows FROM ({_GAPS}) ORDER BY artifact, engine NULLS FIRST, member, location LIMIT {limit}"  # noqa: S608  # constants
    )
    total = rows[0]["all_rows"] if rows else 0
    return [{name: value for name, value in row.items() if name != "all_rows"} for row in rows], total
