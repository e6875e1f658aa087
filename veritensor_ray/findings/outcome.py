"""What became of one planned artifact, from reading it to the row that a commit stores; it knows no engine."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from veritensor_ray.findings.concealment import conceal
from veritensor_ray.findings.outgoing_texts import cleaned, sealed
from veritensor_ray.findings.recorder import Recorded
from veritensor_ray.segments import Gap

MAX_GAPS = 100

COMPLETE = "complete"
PARTIAL = "partial"
NO_READER = "no-reader"
NOT_APPLICABLE = "not-applicable"
MISSING = "missing"
QUARANTINED = "quarantined"
_INCOMPLETE = (PARTIAL, MISSING)


@dataclass(slots=True)
class Outcome:
    """One artifact, or one part of it. `coverage` maps engine to (status, reason). `status` is None until `settle`."""

    artifact: str
    part: int
    index: int
    status: str | None = None
    reason: str | None = None
    media_type: str | None = None
    content_id: str | None = None
    content_id_kind: str | None = None
    same_as: str | None = None  # the artifact of the last complete sweep that has this content: nothing was scanned
    bytes_scanned: int = 0
    segments: int = 0
    members: int = 0
    lines: int = 0
    rows: int = 0
    chars: int = 0
    seconds: float = 0.0
    coverage: dict[str, tuple[str, str | None]] = field(default_factory=dict)
    gaps: list[Gap] = field(default_factory=list)
    gaps_total: int = 0
    incomplete: bool = False
    by_design: Counter[str] = field(default_factory=Counter)  # reasons of gaps that are nobody's fault, of files inside it
    unread: str | None = None  # the reason of the first gap that is no engine's
    bodiless: str | None = None  # why the text of the document itself was not read
    recorded: Recorded = field(default_factory=Recorded)

    def add_gap(self, gap: Gap) -> None:
        """Note something that was not read or checked."""
        self.gaps_total += gap.count
        if len(self.gaps) < MAX_GAPS:
            self.gaps.append(gap)
        if gap.coverage is not None:
            self._by_design(gap.engine, gap.coverage, gap)
            return
        self.incomplete = True
        if gap.engine is None and self.unread is None:
            self.unread = gap.reason
        if gap.engine and self.coverage.get(gap.engine, ("", None))[0] in (COMPLETE, ""):
            self.coverage[gap.engine] = (PARTIAL, gap.reason)

    def _by_design(self, engine: str | None, coverage: str, gap: Gap) -> None:
        """What is missing for everyone (a reader) is said of the artifact, what is missing for an engine in its coverage."""
        if engine is None:
            self.by_design[gap.reason] += gap.count
        elif self.coverage.get(engine, (COMPLETE, None))[0] in (COMPLETE, NOT_APPLICABLE):
            self.coverage[engine] = (coverage, gap.reason)

    def settle(self) -> None:
        """Decide the status: `scanned` only where every selected engine that applies ran on all of it."""
        quarantined = [(name, reason) for name, (status, reason) in self.coverage.items() if status == QUARANTINED]
        if self.status is None and quarantined:
            self.status, self.reason = "quarantined", "; ".join(f"{name}: {reason}" for name, reason in quarantined)
        if self.status is None:
            incomplete = [f"{name}: {reason}" for name, (status, reason) in self.coverage.items() if status in _INCOMPLETE]
            if self.incomplete or incomplete:
                self.status = "partial"
                first = next((gap.reason for gap in self.gaps if gap.coverage is None), None)
                self.reason = self.reason or first or next(iter(incomplete), None) or self.unread
            elif self.bodiless is not None:
                self.status, self.reason = "skipped", self.bodiless
            else:
                self.status = "scanned"
                self.reason = self.reason or self._without_reader()
        if self.unread is not None:  # what could not be read, no engine has seen
            for name, (status, _) in list(self.coverage.items()):
                if status == COMPLETE:
                    self.coverage[name] = (PARTIAL, self.unread)

    def _without_reader(self) -> str | None:
        """The commonest reason of what is missing by design; how much it is, the gaps say."""
        return next((reason for reason, _ in self.by_design.most_common(1)), None)

    def row(self, fingerprints: dict[str, str], site_key: bytes, parts: int = 1) -> dict[str, Any]:
        """The row of the commit (schema COMMIT), with nothing secret in it."""
        row = cleaned(self._raw(fingerprints), self.recorded.values, site_key)
        return sealed(row, self.recorded.values, site_key) if parts > 1 else row

    def _raw(self, fingerprints: dict[str, str]) -> dict[str, Any]:
        """The row as it was found: it goes nowhere but through `cleaned`."""
        names = (
            "artifact",
            "part",
            "content_id",
            "content_id_kind",
            "same_as",
            "media_type",
            "status",
            "reason",
            "bytes_scanned",
            "segments",
        )
        counters = ("lines", "rows", "chars", "gaps_total", "seconds")
        return {name: getattr(self, name) for name in (*names, *counters)} | {
            "coverage": [
                {"engine": name, "status": status, "fingerprint": fingerprints.get(name), "reason": reason}
                for name, (status, reason) in self.coverage.items()
            ],
            "gaps": [{name: getattr(gap, name) for name in ("member", "location", "engine", "reason", "bound")} for gap in self.gaps],
            "findings": [row | {"location": row["location"] and dict(row["location"])} for row in conceal(self.recorded.rows)],
            "rollup": [
                {
                    "column": column,
                    "rule_id": rule,
                    "count": tally.count,
                    "severity": tally.severity,
                    "keys": sorted(tally.keys),
                }
                for (column, rule), tally in self.recorded.tallies.items()
            ],
        }
