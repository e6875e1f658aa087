"""The cleaning policy: which action a finding gets. A file `clean.yaml` may come from anyone."""

from __future__ import annotations

from typing import Literal

from veritensor_ray.clean.actions import Action, Strippable, Verdict
from veritensor_ray.config import Section, Severity
from veritensor_ray.findings.marks import Mark


class CleanPolicy(Section):
    """What to do about findings."""

    level: Severity = "medium"
    unsupported: Literal["hold", "copy"] = "hold"
    unchecked: Literal["hold", "copy"] = "hold"

    def decide(self, mark: Mark, category: str, artifact: str) -> Verdict:
        """Return what to do about a finding."""
        raise NotImplementedError

    def strips(self, artifact: str) -> frozenset[Strippable]:
        """Return what to remove from an artifact whether or not anything was found there."""
        return frozenset()


def load_clean_policy(path: str | None) -> CleanPolicy:
    """Read a policy file; None means the defaults. Raises UsageError."""
    return CleanPolicy()


__all__ = ["Action", "CleanPolicy", "load_clean_policy"]
