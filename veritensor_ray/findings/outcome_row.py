"""Convert an outcome to the row that a commit stores, with nothing secret in it. It makes no decisions."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from veritensor_ray.findings.located import Located
from veritensor_ray.findings.outcome import ArtifactVerdict, Outcome
from veritensor_ray.findings.outgoing_texts import cleaned, sealed
from veritensor_ray.findings.schema import BYTES
from veritensor_ray.findings.shown_keys import shown
from veritensor_ray.masking.concealment import conceal

_OF_GAPS = ("member", "location", "engine", "reason", "bound")


def outcome_row(outcome: Outcome, fingerprints: Mapping[str, str], site_key: bytes, parts: int = 1) -> dict[str, Any]:
    """Return the row of the commit (schema COMMIT), with nothing secret in it."""
    row = cleaned(_raw(outcome, fingerprints), outcome.recorded.values, site_key)
    return sealed(row, outcome.recorded.values, site_key) if parts > 1 else row


def _raw(outcome: Outcome, fingerprints: Mapping[str, str]) -> dict[str, Any]:
    """Return the raw row. It must always pass through `cleaned`."""
    names = (
        "artifact",
        "part",
        "content_id",
        "content_id_kind",
        "same_as",
        "media_type",
        "status",
        "reason",
        "reason_code",
        "bytes_scanned",
        *BYTES,
        "segments",
    )
    located = outcome.recorded.located
    tallies = outcome.recorded.tallies
    found_in = {column for column, _, _ in tallies if column is not None} if tallies else frozenset[str]()
    counters = ("lines", "rows", "chars", "gaps_total", "seconds")
    return {name: getattr(outcome, name) for name in (*names, *counters)} | {
        "tables": [{"member": member, "part": part, "rows": rows} for (member, part), rows in outcome.tables.items() if rows is not None],
        "coverage": [
            {"engine": name, "status": status, "fingerprint": fingerprints.get(name), "reason": reason, "reason_code": code}
            | _verdict(outcome.verdicts.get(name))
            for name, (status, reason, code) in outcome.coverage.items()
        ],
        "gaps": [{name: getattr(gap, name) for name in _OF_GAPS} | {"reason_code": gap.code} for gap in outcome.gaps],
        "findings": [
            row | _places(row, outcome.sample_of(row["member"]), found_in)
            for row in conceal(outcome.recorded.rows, outcome.recorded.covered)
        ],
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


def _places(row: Mapping[str, Any], sample: int | None, found_in: Collection[str]) -> dict[str, Any]:
    """Return the places of a row. In a file of a sample, those without a row are in the row that the sample is."""
    shown_at, *others = (_place(at, found_in) for at in (row["location"], *row["places"]))
    for at in (shown_at, *others):
        if at.get("row") is None:
            at["row"] = sample
    return {"location": shown_at, "places": others}


def _place(at: Mapping[str, Any], found_in: Collection[str]) -> dict[str, Any]:
    """Return a location with its key as it is shown."""
    key = at.get("key")
    return dict(at) if key is None else {**at, "key": shown(key, found_in)}


def _located(located: Located, outcome: Outcome, found_in: Collection[str]) -> dict[str, Any]:
    """Return every place of the findings. Numbers are the positions of the findings in this row."""
    spots = located.spots
    packed = located.packed(outcome.recorded.facts, [outcome.sample_of(spot["member"]) for spot in spots])
    return {"spots": spots, "keys": located.keys(found_in), "located": packed, "unlocated": located.lost}


def _verdict(known: ArtifactVerdict | None) -> dict[str, Any]:
    return {"verdict": known and known.verdict, "verdict_reasons": known.listed() if known else None}
