"""What it means that a process is lost: whether an artifact may be the cause, and how often the work is tried again. It runs nothing."""

from __future__ import annotations

EXTRACT, CLEAN = "extract", "clean"  # stages without a model
MODEL_DIED = "the model actor died while scanning it"
DEATHS = 12  # in a row of what hosts a model, without a result in between: then artifacts are not the cause
STRIKES = 2  # deaths at one artifact in one stage, each while it was processed alone
PATIENCE = 20  # times that a shard may be lost without an artifact to blame


class StageLost(Exception):
    """A stage ended without a result. With `strike`, the artifact may be the cause; without it, the stage is repeated and nothing is counted."""

    def __init__(self, stage: str, reason: str, strike: bool = True) -> None:
        super().__init__(f"{stage}: {reason}")
        self.stage, self.reason, self.strike = stage, reason, strike
