"""What it means that Ray lost a process: whether an artifact may be the cause, and how often the work is tried again. It runs nothing."""

from __future__ import annotations

from ray.exceptions import (
    LocalRayletDiedError,
    NodeDiedError,
    ObjectLostError,
    OutOfMemoryError,
    TaskPlacementGroupRemoved,
    TaskUnschedulableError,
)

STRIKES = 2  # deaths at one artifact in one stage, each while it was processed alone
PATIENCE = 20  # times that a shard may be lost without an artifact to blame
NO_ARTIFACT = (OutOfMemoryError, ObjectLostError, NodeDiedError, LocalRayletDiedError, TaskUnschedulableError, TaskPlacementGroupRemoved)


class StageLost(Exception):
    """A stage ended without a result. With `strike`, the artifact may be the cause; without it, the stage is repeated and nothing is counted."""

    def __init__(self, stage: str, reason: str, strike: bool = True) -> None:
        super().__init__(f"{stage}: {reason}")
        self.stage, self.reason, self.strike = stage, reason, strike


def died(doing: str, seconds: float) -> str:
    """Returns the reason for the ledger when a worker died while `doing` something; a watchdog ends it after so many seconds."""
    return f"the worker died while {doing} (a crash, or no progress for {seconds:g} s)"
