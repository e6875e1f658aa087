"""Batches, rules and what a recorder holds, in few words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from veritensor_ray.config import Limits
from veritensor_ray.findings.recorder import Recorder
from veritensor_ray.hits import Rule
from veritensor_ray.segments import Block, Identity, to_batch


def rule(name: str = "test.rule", **changes: Any) -> Rule:
    about: dict[str, Any] = {
        "title": "A title",
        "description": "Words.",
        "category": "malware",
        "severity": "medium",
        "remediation": "Remove it.",
    }
    return Rule(name, **(about | changes))


RULE = rule()


def batch(texts: Sequence[str], artifact: int = 0, member: str | None = None, **place: Any) -> pa.RecordBatch:
    """Segments of one file; `place` are fields of Block."""
    return to_batch(Block(texts, **place), Identity(artifact, "a.txt", "text/plain", member), Limits(segment_chars=1 << 20))


def rows_of(recorder: Recorder, artifact: int = 0) -> list[dict[str, Any]]:
    return recorder.by_artifact[artifact].rows
