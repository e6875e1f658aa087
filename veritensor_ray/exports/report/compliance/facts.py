"""What results record besides findings, as sentences with numbers. Each fact is computed by SQL or taken from run.json."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from veritensor_ray.core.config import SEVERITIES
from veritensor_ray.core.format_table import FORMATS
from veritensor_ray.core.wording import counted
from veritensor_ray.exports.cyclonedx import DATA, MODELS
from veritensor_ray.exports.described_findings import shown
from veritensor_ray.findings.summary import NUMBER
from veritensor_ray.findings.unsuppressed import SUPPRESSED, UNSUPPRESSED
from veritensor_ray.results.attestation import NAME as ATTESTATION
from veritensor_ray.results.model_verdicts import models_said
from veritensor_ray.results.results import Results

_REASONS = 5
_BY_SEVERITY = ", ".join(
    f"coalesce(sum({NUMBER}) FILTER ({UNSUPPRESSED} AND severity = '{name}'), 0)::BIGINT AS {name}" for name in SEVERITIES
)
_TITLES = {one.media_type: one.title for one in FORMATS}


def inventory(results: Results) -> list[str]:
    """How many files there are, and how their content is identified."""
    found = results.records("""SELECT count(*)::BIGINT AS files, coalesce(sum(size), 0)::BIGINT AS bytes,
        count(*) FILTER (content_id_kind = 'sha256')::BIGINT AS digests, count(content_id)::BIGINT AS identified FROM ledger""")[0]
    other = found["identified"] - found["digests"]
    words = f"The ledger lists {counted(found['files'], 'file')} with {found['bytes']:,} bytes; {found['digests']:,} have a SHA-256 digest"
    return [f"{words}, {other:,} another identifier of their content." if other else f"{words}."]


def coverage(results: Results) -> list[str]:
    """How many artifacts were fully checked, and how many were not."""
    checked = results.checked
    return [f"{checked.said}, {checked.partly:,} in part and {checked.unread:,} not at all."]


def gaps(results: Results) -> list[str]:
    """Why artifacts were not fully checked, the most frequent reasons."""
    reasons = [
        f"{shown(one['reason']) or shown(one['status'])} ({counted(one['artifacts'], 'file')})" for one in results.run["not_covered"]
    ]
    if not reasons:
        return []
    others = len(reasons) - _REASONS
    more = [f"and {counted(others, 'more reason')}"] if others > 0 else []
    return [f"Not checked: {'; '.join(reasons[:_REASONS] + more)}."]


def models(results: Results) -> list[str]:
    """How many model files there are, by type, and how many of them are proven inert."""
    said = models_said(results.run)
    return [*_kinds(results, MODELS, "model file"), *([f"{said}."] if said else [])]


def datasets(results: Results) -> list[str]:
    """How many data sets there are, by type."""
    return _kinds(results, DATA, "data set")


def _kinds(results: Results, kinds: frozenset[str], what: str) -> list[str]:
    names = ", ".join(f"'{one}'" for one in sorted(kinds))  # constants
    found = results.records(
        f"SELECT media_type, count(*)::BIGINT AS n FROM ledger WHERE media_type IN ({names}) GROUP BY ALL ORDER BY n DESC, media_type"  # noqa: S608
    )
    total = sum(row["n"] for row in found)
    by_type = ", ".join(f"{_TITLES.get(row['media_type'], row['media_type'])} {row['n']:,}" for row in found)
    return [f"{counted(total, what)}{f' ({by_type})' if by_type else ''}."]


def tools(results: Results) -> list[str]:
    """Which engines ran, in which version and with which model."""
    run = results.run
    engines = [
        f"{shown(name)} {shown(about.get('version'))}" + (f" with {shown(about['model'])}" if about.get("model") else "")
        for name, about in run["engines"].items()
    ]
    return [f"veritensor-ray {shown(run['package_version'])}, profile {shown(run['profile'])}; engines {', '.join(engines)}."]


def policy(results: Results) -> list[str]:
    """Whether a policy was applied, and what it suppressed."""
    about = results.run.get("policy") or {}
    entries = about.get("suppressions") or []
    if not about.get("file"):
        return ["No policy file was applied."]
    owned = sum(1 for one in entries if one.get("owner"))
    dated = sum(1 for one in entries if one.get("expires"))
    return [
        f"Policy with digest {shown(about.get('digest'))}, applied for {shown(about.get('day'))}: {counted(about.get('rules', 0), 'rule')} and "
        f"{counted(len(entries), 'suppression')}, {owned:,} of them with an owner and {dated:,} with a day on which they expire; "
        f"{counted(results.run.get('suppressed', 0), 'finding')} suppressed or off."
    ]


def trend(results: Results) -> list[str]:
    """How many sweeps there have been, and what became of findings."""
    if "trends" not in results.tables:
        return ["This output holds a single audit. A sweep would record what becomes of its findings."]
    sweeps = results.records("SELECT count(DISTINCT sweep)::BIGINT AS n FROM trends")[0]["n"]
    states = ", ".join(f"{count:,} {shown(name)}" for name, count in (results.run.get("states") or {}).items())
    return [f"{counted(sweeps, 'sweep')} so far; findings of the last one: {states}."]


def signature(results: Results) -> list[str]:
    """Whether the results are signed."""
    signed = results.store.exists(ATTESTATION)
    return ["The results are signed; `veritensor-ray verify` checks by whom." if signed else "The results are not signed."]


FACTS: Mapping[str, Callable[[Results], list[str]]] = {
    one.__name__: one for one in (inventory, coverage, gaps, models, datasets, tools, policy, trend, signature)
}


# Each rule has one category, engine and taxonomy as far as a framework is concerned, so its artifacts are counted once.
_FINDINGS = f"""
    SELECT rule_id, any_value(category) AS category, any_value(engine) AS engine,
    list_distinct(flatten(list(coalesce(taxonomy, [])))) AS taxonomy,
    max(severity) FILTER ({UNSUPPRESSED}) AS severity,
    {_BY_SEVERITY}, coalesce(sum({NUMBER}) FILTER ({UNSUPPRESSED}), 0)::BIGINT AS findings,
    coalesce(sum({NUMBER}) FILTER ({SUPPRESSED}), 0)::BIGINT AS suppressed,
    count(DISTINCT artifact) FILTER ({UNSUPPRESSED})::BIGINT AS artifacts
    FROM findings GROUP BY rule_id ORDER BY severity DESC NULLS LAST, findings DESC, rule_id"""  # noqa: S608  # constants


class AuditFacts:
    """What one output says about the items of a framework. Each number is computed once."""

    def __init__(self, results: Results) -> None:
        self.run = results.run
        self._results = results
        self._facts: dict[str, list[str]] = {}
        self._rules = results.records(_FINDINGS)

    def fact(self, name: str) -> list[str]:
        """Return one of FACTS."""
        if name not in self._facts:
            self._facts[name] = FACTS[name](self._results)
        return self._facts[name]

    def ran(self, engine: str) -> bool:
        """Whether an engine was part of the run, with its model."""
        about = self.run["engines"].get(engine)
        return about is not None and not about.get("missing")

    def counts(self, engine: str) -> dict[str, int]:
        """Return the number of files by what an engine has covered of them, without those that it does not apply to."""
        found = self.run["coverage"].get(engine, {})
        return {status: count for status, count in found.items() if count and status != "not-applicable"}

    def engine(self, engine: str) -> str:
        """Return what an engine has covered, as a sentence."""
        words = ", ".join(f"{shown(status)} {count:,}" for status, count in self.counts(engine).items())
        return f"Engine {engine}, files by coverage: {words or 'none that it applies to'}."

    def findings(self, where: Mapping[str, Any]) -> tuple[str, list[dict[str, Any]]]:
        """Return a sentence about the findings that a table selects, and their number by rule, worst first."""
        rules = [row for row in self._rules if _selected(row, where)]
        totals = {name: sum(row[name] for row in rules) for name in SEVERITIES}
        words = ", ".join(f"{name} {totals[name]:,}" for name in reversed(SEVERITIES) if totals[name])
        suppressed = sum(row["suppressed"] for row in rules)
        sentence = f"{counted(sum(totals.values()), 'finding')}{f' ({words})' if words else ''}; {suppressed:,} suppressed."
        return sentence, [
            {"rule_id": shown(row["rule_id"])} | {name: row[name] for name in ("severity", "findings", "artifacts")}
            for row in rules
            if row["findings"]
        ]


def _selected(row: Mapping[str, Any], where: Mapping[str, Any]) -> bool:
    if "taxonomy" in where:
        return where["taxonomy"] in row["taxonomy"]
    return all(row[column] in where[name] for name, column in (("categories", "category"), ("engines", "engine")) if name in where)
