"""Batches, rules, what a recorder holds, and runs that are put together by hand, in few words."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from veritensor_ray.core.config import Limits
from veritensor_ray.core.detection import Hit, Rule
from veritensor_ray.core.segments import Block, Identity, to_batch
from veritensor_ray.corpus.listing import Root
from veritensor_ray.corpus.planning import PlanRow, write_plan
from veritensor_ray.findings.collect import collect
from veritensor_ray.findings.outcome import COMPLETE, Outcome, Standing
from veritensor_ray.findings.recorder import Recorder
from veritensor_ray.findings.shard_commit import commit_table, write_commit
from veritensor_ray.findings.summary import RunInfo
from veritensor_ray.findings.sweep_collecting import collect_sweep
from veritensor_ray.policy.judge import Judge, load_policy
from veritensor_ray.stores.outputs import OutputStore


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


KEY = b"the site key"
WORSE = rule("test.worse", severity="critical", taxonomy=("CWE-1",), category="secret")
RULES = {RULE.id: RULE, WORSE.id: WORSE}
INFO = RunInfo(
    run="run-1",
    fingerprint="f",
    roots=(Root("/data", ""), Root("s3://bucket/corpus", "more/")),
    rules=RULES,
    engines={"test": {"version": "1", "fingerprint": "e1", "model": "m@1"}, "other": {"version": "2", "fingerprint": "e2"}},
    about={"profile": "embedded", "key_id": "abc", "started_at": "2026-01-31T22:00:00+00:00"},
    hits_per_rule=10,
)


class Run:
    """A run that is put together by hand: add artifacts, then collect."""

    def __init__(self, folder: Path, info: RunInfo = INFO) -> None:
        self.folder, self.info = folder, info
        self.store = OutputStore(str(folder))
        self.plan: list[PlanRow] = []
        self._shard = 0

    def decided(self, artifact: str, status: str, reason: str, **about: Any) -> None:
        """A row that the plan decided by itself."""
        self.plan.append(row_of(-1, artifact, status=status, reason=reason, **about))

    def shard(self, *artifacts: tuple[PlanRow, Outcome]) -> None:
        rows = [row for row, _ in artifacts]
        for row in rows:
            row.shard = self._shard
        self.plan += rows
        write_commit(
            self.store, self.info.run, self._shard, commit_table(rows, [outcome for _, outcome in artifacts], _fingerprints(self.info), KEY)
        )
        self._shard += 1

    def add(self, artifact: str, *lines: str, **options: Any) -> None:
        """A whole text file in a shard of its own; every word `bad` in it is a hit."""
        self.shard((row_of(0, artifact), outcome_of(artifact, lines, **options)))

    def planned(self) -> None:
        """Write the plan."""
        buffer = io.BytesIO()
        write_plan(self.plan, buffer)
        self.store.put(f"_work/{self.info.run}/plan.parquet", buffer.getvalue())

    def collect(self, key: bytes = KEY) -> dict[str, Any]:
        self.planned()
        return collect(self.store, self.info, key, Judge(load_policy(None), date(2026, 1, 1)))

    def table(self, name: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = pq.read_table(self.folder / name).to_pylist()
        return rows


class Night(Run):
    """A sweep that is put together by hand, in a state that all nights share."""

    def __init__(self, folder: Path, number: int, info: RunInfo = INFO, **about: Any) -> None:
        self.number = number
        self.started = datetime(2026, 1, 1, 22, tzinfo=UTC) + timedelta(number)
        own = {"started_at": self.started.isoformat(), "site_key_id": "k", "sources": ["/data"]} | about
        super().__init__(folder, replace(info, run=night_id(number), about={**info.about, **own}))

    def carry(self, artifact: str, **about: Any) -> None:
        """An artifact that is taken over whole."""
        self.plan.append(row_of(-1, artifact, carried_from=artifact, **about))

    def sweep(
        self, previous: int | None = None, key: bytes = KEY, policy: str | None = None, elsewhere: OutputStore | None = None
    ) -> dict[str, Any]:
        self.planned()
        judge = Judge(load_policy(policy), date(2026, 1, 1))
        return collect_sweep(self.store, self.info, key, judge, None if previous is None else night_id(previous), elsewhere)

    def table(self, name: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = pq.read_table(self.folder / "sweeps" / self.info.run / name).to_pylist()
        return rows


def night_id(number: int) -> str:
    return f"sweep-{number:05}"


def _fingerprints(info: RunInfo) -> dict[str, str]:
    return {name: str(about["fingerprint"]) for name, about in info.engines.items()}


def row_of(shard: int, artifact: str, **about: Any) -> PlanRow:
    values: dict[str, Any] = {"root": 0, "size": 100, "etag": None, "mtime": 1.5} | about
    return PlanRow(shard, artifact, artifact.encode(), **values)


def hits_in(lines: tuple[str, ...], word: str = "bad", rule_id: str = RULE.id) -> list[Hit]:
    """One for every time the word stands in a line, the line to its end being the evidence."""
    return [Hit(rule_id, line.index(word), len(line), i) for i, line in enumerate(lines) if word in line]


def outcome_of(
    artifact: str, lines: tuple[str, ...], part: int = 0, limit: int = 10, member: str | None = None, locating: bool = False, **place: Any
) -> Outcome:
    """Every line is a segment with its line, row and start, counted from the beginning of the part. With `locating`, every place is kept."""
    starts = [sum(len(line) + 1 for line in lines[:i]) for i in range(len(lines))]
    recorder = Recorder(RULES, KEY, limit, locating=locating)
    segments = batch(
        lines,
        member=member,
        **({"line": range(1, len(lines) + 1), "row": list(range(len(lines))), "start": starts, "column": "text"} | place),
    )
    recorder.text_hits("test", segments, [*hits_in(lines), *hits_in(lines, "worse", WORSE.id)])
    made = Outcome(artifact, part, 0, media_type="text/plain", content_id=f"sha-{artifact}-{part}", content_id_kind="sha256")
    made.bytes_scanned, made.segments, made.seconds = 10, len(lines), 0.5
    made.lines, made.rows, made.chars = len(lines), len(lines), sum(len(line) + 1 for line in lines)
    made.coverage = {"test": Standing(COMPLETE)}
    made.recorded = recorder.by_artifact.get(0, made.recorded)
    return made
