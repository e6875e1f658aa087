"""Convert an outcome to the row that a commit stores, with nothing secret in it. It makes no decisions."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from operator import attrgetter
from typing import Any

from veritensor_ray.findings.located import Located
from veritensor_ray.findings.outcome import ArtifactVerdict, Outcome
from veritensor_ray.findings.outgoing_texts import cleaned, sealed
from veritensor_ray.findings.schema import BYTES
from veritensor_ray.findings.shown_keys import shown
from veritensor_ray.masking.concealment import conceal

_OF_OUTCOMES = (
    *("artifact", "part", "content_id", "content_id_kind", "same_as", "media_type", "status", "reason", "reason_code", "bytes_scanned"),
    *(*BYTES, "segments", "lines", "rows", "chars", "gaps_total", "seconds"),
)
_values = attrgetter(*_OF_OUTCOMES)
_NO_VERDICT = {"verdict": None, "verdict_reasons": None}
_OF_GAPS = ("member", "location", "engine", "reason", "bound")


def outcome_row(outcome: Outcome, fingerprints: Mapping[str, str], site_key: bytes, parts: int = 1) -> dict[str, Any]:
    """Return the row of the commit (schema COMMIT), with nothing secret in it."""
    row = cleaned(_raw(outcome, fingerprints), outcome.recorded.values, site_key)
    return sealed(row, outcome.recorded.values, site_key) if parts > 1 else row


def _raw(outcome: Outcome, fingerprints: Mapping[str, str]) -> dict[str, Any]:
    """Return the raw row. It must always pass through `cleaned`."""
    located = outcome.recorded.located
    tallies = outcome.recorded.tallies
    found_in = {column for column, _, _ in tallies if column is not None}
    findings = [
        row | {"location": dict(row["location"]), "places": [dict(place) for place in row["places"]]}
        for row in conceal(outcome.recorded.rows, outcome.recorded.covered)
    ]
    if found_in or outcome.samples:  # only rows of tables have keys, and only files of archives are in samples
        for row in findings:
            _complete(row, outcome.sample_of(row["member"]), found_in)
    return dict(zip(_OF_OUTCOMES, _values(outcome), strict=True)) | {
        "tables": [{"member": member, "part": part, "rows": rows} for (member, part), rows in outcome.tables.items() if rows is not None],
        "coverage": [
            {"engine": name, "status": status, "fingerprint": fingerprints.get(name), "reason": reason, "reason_code": code}
            | (_verdict(outcome.verdicts[name]) if name in outcome.verdicts else _NO_VERDICT)
            for name, (status, reason, code) in outcome.coverage.items()
        ],
        "gaps": [{name: getattr(gap, name) for name in _OF_GAPS} | {"reason_code": gap.code} for gap in outcome.gaps],
        "findings": findings,
        **({"spots": [], "keys": [], "located": None, "unlocated": 0} if located is None else _located(located, outcome, found_in)),
        "rollup": [
            {
                "column": column,
                "rule_id": rule,
                "count": tally.count,
                "severity": severity,
                "keys": sorted(tally.keys),
            }
            for (column, rule, severity), tally in tallies.items()
        ],
    }


def _complete(row: Mapping[str, Any], sample: int | None, found_in: Collection[str]) -> None:
    """Write keys into the places of a finding as they are shown, and the sample as the row of those that have none of their own."""
    for at in (row["location"], *row["places"]):
        if (key := at.get("key")) is not None:
            at["key"] = shown(key, found_in)
        if at.get("row") is None:
            at["row"] = sample


def _located(located: Located, outcome: Outcome, found_in: Collection[str]) -> dict[str, Any]:
    """Return every place of the findings. Numbers are the positions of the findings in this row."""
    spots = located.spots
    packed = located.packed(outcome.recorded.facts, [outcome.sample_of(spot["member"]) for spot in spots])
    return {"spots": spots, "keys": located.keys(found_in), "located": packed, "unlocated": located.lost}


def _verdict(known: ArtifactVerdict) -> dict[str, Any]:
    return {"verdict": known.verdict, "verdict_reasons": known.listed()}
