"""Explain the verdicts on one file and on the files in it: scan it as ever, and keep what the engines say of each. It does not depend on Ray."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from veritensor_ray.core.detection import VERDICTS, Effect, Judged
from veritensor_ray.corpus.planning import PlanRow
from veritensor_ray.findings.outcome import Outcome
from veritensor_ray.findings.shard_commit import commit_table
from veritensor_ray.masking.redaction import name_safe, reason_safe
from veritensor_ray.pipeline.context import Context, workbench
from veritensor_ray.pipeline.extract import Extraction

_FILES = 200  # whose effects are kept, those with the worst verdicts; the others are counted


@dataclass
class ExplainedOutcome(Outcome):
    """An outcome that also keeps the verdicts on the files of its artifact, with their effects."""

    explained: list[tuple[str | None, Judged]] = field(default_factory=list)
    files: int = 0

    def judge(self, engine: str, member: str | None, judged: Judged) -> None:
        """Record a verdict, and keep it if it is among the worst."""
        Outcome.judge(self, engine, member, judged)
        self.files += 1
        self.explained.append((member, judged))
        if len(self.explained) > 2 * _FILES:
            self.explained = _worst(self.explained)


def explained(context: Context, row: PlanRow, pulse: Callable[[], None]) -> tuple[pa.Table, dict[str, Any]]:
    """Return the row to commit, and the explanation: what is known of each file, the worst verdict first."""
    extraction = Extraction(context, [row], workbench(context, context.engines), (), pulse)
    outcome = ExplainedOutcome(row.artifact, row.part, 0)
    extraction.outcomes[0] = outcome
    for _ in extraction.batches():
        pass  # no engine with a model takes part
    table = commit_table([row], extraction.outcomes, dict(context.expected), context.site_key)
    kept = _worst(outcome.explained)
    return table, {"files": [_file(member, judged) for member, judged in kept], "left_out": outcome.files - len(kept)}


def _worst(files: list[tuple[str | None, Judged]]) -> list[tuple[str | None, Judged]]:
    return sorted(files, key=lambda one: -VERDICTS.index(one[1].verdict))[:_FILES]


def _file(member: str | None, judged: Judged) -> dict[str, Any]:
    return {
        "member": member and name_safe(member),
        "read_as": judged.read_as,
        "verdict": judged.verdict,
        "reasons": [reason_safe(reason) for reason in judged.reasons],
        "effects": [_effect(one) for one in judged.effects],
        "left_out": judged.left_out,
    }


def _effect(effect: Effect) -> dict[str, Any]:
    what, why = (reason_safe(text.encode("utf-8", "replace").decode()) for text in (effect.what, effect.why))
    return effect._asdict() | {"what": what, "why": why}
