"""What became of one planned artifact, and the status that follows. It does not depend on any engine."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

from veritensor_ray.core import bounds
from veritensor_ray.core.detection import VERDICTS, FileVerdict, Judged, worse
from veritensor_ray.core.reasons import ReasonCode
from veritensor_ray.core.segments import Gap
from veritensor_ray.findings.recorded import Recorded
from veritensor_ray.formats.archives.tar.samples import sample_key

MAX_GAPS = 100
MAX_REASONS = 25  # of a verdict on an artifact
MOST_ROWS = 10**15  # of a table; the numbers in some formats need not be true

COMPLETE = "complete"
PARTIAL = "partial"
NO_READER = "no-reader"
NOT_APPLICABLE = "not-applicable"
MISSING = "missing"
QUARANTINED = "quarantined"
_INCOMPLETE = (PARTIAL, MISSING)


class Standing(NamedTuple):
    """The standing of an artifact, overall or with one engine, and the reason as a sentence and a code."""

    status: str
    reason: str | None = None
    code: ReasonCode | None = None


@dataclass(slots=True)
class ArtifactVerdict:
    """An engine's verdict on an artifact: the worst of those on its files. `reasons` are kept by the verdict that they are for."""

    verdict: FileVerdict = "inert"
    reasons: dict[FileVerdict, list[tuple[str | None, str]]] = field(default_factory=dict)

    def add(self, member: str | None, judged: Judged) -> None:
        """Take the verdict on the artifact itself, or on a file in it."""
        self.verdict = worse(self.verdict, judged.verdict)
        kept = self.reasons.setdefault(judged.verdict, [])
        kept += [(member, reason) for reason in judged.reasons[: MAX_REASONS - len(kept)]]

    def listed(self) -> list[dict[str, str | None]]:
        """Return the first reasons, those for the worst verdict first, as rows of the ledger."""
        worst_first = [one for verdict in reversed(VERDICTS) for one in self.reasons.get(verdict, ())]
        return [{"member": member, "reason": reason} for member, reason in worst_first[:MAX_REASONS]]


@dataclass(slots=True)
class Outcome:
    """One artifact, or one part of it. `status` is None until `settle`."""

    artifact: str
    part: int
    index: int
    status: str | None = None
    reason: str | None = None
    reason_code: ReasonCode | None = None
    media_type: str | None = None
    content_id: str | None = None
    content_id_kind: str | None = None
    same_as: str | None = None  # the artifact of the last complete sweep with this content: nothing was scanned
    bytes_scanned: int = 0
    bytes_text: int | None = None
    bytes_structure: int | None = None
    bytes_members: int | None = None
    bytes_residue_text: int | None = None
    bytes_opaque: int | None = None
    segments: int = 0
    members: int = 0
    lines: int = 0
    rows: int = 0
    chars: int = 0
    # the rows of tables by member and part; None if several have the same name
    tables: dict[tuple[str | None, str | None], int | None] = field(default_factory=dict)
    # the numbers of samples by their keys, in each archive by its member
    samples: dict[str | None, dict[str, int]] = field(default_factory=dict)
    seconds: float = 0.0
    coverage: dict[str, Standing] = field(default_factory=dict)
    verdicts: dict[str, ArtifactVerdict] = field(default_factory=dict)  # by the engine that passed them
    gaps: list[Gap] = field(default_factory=list)
    gaps_total: int = 0
    fault: Gap | None = None  # the first gap that is not by design
    # why files inside it were not read, if that is by design
    by_design: Counter[tuple[str, ReasonCode | None]] = field(default_factory=Counter)
    unread_inside: Standing | None = None  # why a file inside it was not read, which alone would be `skipped`
    unread: Gap | None = None  # the first gap not caused by an engine
    bodiless: str | None = None  # why the text of the document itself was not read
    recorded: Recorded = field(default_factory=Recorded)

    @property
    def incomplete(self) -> bool:
        """Whether something is missing that should have been read."""
        return self.fault is not None

    @property
    def unchecked(self) -> str | None:
        """Why not all of it was checked, or None. A file inside that has no reader counts."""
        if self.status == "scanned":
            return self.unread_inside and self.unread_inside.reason
        return self.reason or self.status

    @property
    def unchecked_code(self) -> ReasonCode | None:
        """The code of that reason."""
        return self.unread_inside and self.unread_inside.code if self.status == "scanned" else self.reason_code

    def add_gap(self, gap: Gap) -> None:
        """Record something that was not read or checked."""
        self.gaps_total += gap.count
        if len(self.gaps) < MAX_GAPS:
            self.gaps.append(gap)
        if gap.coverage is not None:
            self._by_design(gap.engine, gap.coverage, gap)
            return
        self.fault = self.fault or gap
        if gap.engine is None:
            self.unread = self.unread or gap
        if gap.engine and self.coverage.get(gap.engine, Standing(COMPLETE)).status == COMPLETE:
            self.coverage[gap.engine] = Standing(PARTIAL, gap.reason, gap.code)

    def count_rows(self, member: str | None, part: str | None, rows: int) -> None:
        """Record how many rows of a table were read; nothing if it has none, or more than any table can have."""
        name = member, part
        if 0 < rows <= MOST_ROWS and (name in self.tables or name == (None, None) or len(self.tables) < bounds.TABLES):
            self.tables[name] = None if name in self.tables else rows

    def sample_of(self, member: str | None) -> int | None:
        """Return the number of the sample that a file in an archive belongs to, or None if it belongs to none."""
        parts = member.split("!/") if member is not None and self.samples else []
        for count, name in enumerate(parts):
            numbers = self.samples.get("!/".join(parts[:count]) or None)
            if numbers is not None:
                return numbers.get(sample_key(name) or "")
        return None

    def judge(self, engine: str, member: str | None, judged: Judged) -> None:
        """Record an engine's verdict on the artifact itself, or on a file in it."""
        self.verdicts.setdefault(engine, ArtifactVerdict()).add(member, judged)

    def _by_design(self, engine: str | None, coverage: str, gap: Gap) -> None:
        """Record a gap by design: a missing reader affects the artifact, a missing capability of an engine its coverage."""
        if engine is None:
            self.by_design[gap.reason, gap.code] += gap.count
            if gap.member is not None and coverage == NO_READER:
                self.unread_inside = self.unread_inside or Standing(coverage, gap.reason, ReasonCode.NO_READER)
        elif self.coverage.get(engine, Standing(COMPLETE)).status in (COMPLETE, NOT_APPLICABLE):
            self.coverage[engine] = Standing(coverage, gap.reason, gap.code)

    def settle(self) -> None:
        """Decide the status. It is `scanned` only if every selected engine that applies has seen all of the artifact."""
        if self.status is None:
            self.status, self.reason, self.reason_code = self._settled()
        if self.unread is not None:  # what could not be read, no engine has seen
            for name, standing in list(self.coverage.items()):
                if standing.status == COMPLETE:
                    self.coverage[name] = Standing(PARTIAL, self.unread.reason, self.unread.code)
        for name, known in self.verdicts.items():
            standing = self.coverage.get(name, Standing(COMPLETE))
            if standing.status != COMPLETE and known.verdict == "inert":
                known.add(None, Judged("unknown", (standing.reason or standing.status,)))

    def _settled(self) -> Standing:
        """Return the status that follows from coverage and gaps, and the reason if it is not `scanned`."""
        quarantined = {name: standing for name, standing in self.coverage.items() if standing.status == QUARANTINED}
        if quarantined:
            said = "; ".join(f"{name}: {standing.reason}" for name, standing in quarantined.items())
            return Standing("quarantined", said, next(iter(quarantined.values())).code)
        if self.fault is not None:
            return Standing("partial", self.fault.reason, self.fault.code)
        for name, standing in self.coverage.items():
            if standing.status in _INCOMPLETE:
                return Standing("partial", f"{name}: {standing.reason}", standing.code)
        if self.bodiless is not None:
            return Standing("skipped", self.bodiless, ReasonCode.NO_READER)
        if not self.by_design:
            return Standing("scanned")
        [(why, _)] = self.by_design.most_common(1)  # the gaps have the full list
        return Standing("scanned", *why)
