"""A whole run in this process, for measurements and tests that look at its steps. No process protects it from hostile files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from veritensor_ray.cleaning.names.renames import Renames
from veritensor_ray.corpus.planning import Decider, Shard, plan_key, read_plan, shards_of
from veritensor_ray.findings.collect import collect
from veritensor_ray.findings.sweep_collecting import collect_sweep
from veritensor_ray.pipeline.cleaning_scans.name_scan import renamed_parts, with_renames
from veritensor_ray.pipeline.context import Context, without_weights
from veritensor_ray.pipeline.run_description import run_info, write_run_plan
from veritensor_ray.pipeline.shard import Committing, scanned
from veritensor_ray.pipeline.splitting import splitter
from veritensor_ray.pipeline.sweep_rescan import Known, Previous, ThisSweep
from veritensor_ray.policy.judge import Judge
from veritensor_ray.stores.outputs import OutputStore


@dataclass(frozen=True)
class LocalRun:
    """A run that writes to `store`: first `plan`, then `scan`, then `collect` or `collect_sweep`.

    No worker protects this process from hostile files: one that makes it crash ends the run.
    """

    context: Context
    store: OutputStore
    id: str = "run"

    def previous(self, night: OutputStore) -> Previous:
        """Return the sweep in a folder, as one that was made with the same versions of the engines."""
        engines = without_weights(self.context, self.context.engines)
        now = ThisSweep.of(engines, dict(self.context.expected), {engine.name: {"version": engine.version} for engine in engines})
        return Previous(night, now, self.context.settings.sweep.trust)

    def plan(self, decide: Decider | None = None) -> dict[str, int]:
        """Write the plan, and return its counts."""
        return write_run_plan(self.context, self.store, self.id, splitter(self.context.settings), decide)

    def scan(self, known: Known | None = None, before: Callable[[Shard], None] = lambda shard: None) -> list[str]:
        """Scan and commit every shard of the plan. Returns the artifacts that are not taken over from `known`. `before` gets each shard first."""
        context = self.context
        if context.cleaning is not None and context.cleaning.renames_files:
            context = with_renames(context, Renames.of(renamed_parts(context, self.store, self.id)))
        committing, read = Committing(context, self.store, self.id), list[str]()
        with self.store.open(plan_key(self.id)) as plan:
            for shard in shards_of(read_plan(plan)):
                if isinstance(shard, Shard):
                    before(shard)
                    outcomes = scanned(context, shard.rows, known=known)
                    committing.commit(shard.rows, outcomes)
                    read += [outcome.artifact for outcome in outcomes if outcome.same_as is None]
        return read

    def collect(self, judge: Judge) -> dict[str, Any]:
        """Write the results of an audit, and return its run.json."""
        return collect(self.store, run_info(self.context, self.id, {}), self.context.site_key, judge)

    def collect_sweep(self, judge: Judge, started: datetime, before: str | None, elsewhere: OutputStore | None = None) -> dict[str, Any]:
        """Write the results of a sweep that comes after the sweep `before`, and return its run.json. This does not publish them."""
        about = {"job": "sweep", "started_at": started.isoformat()}
        return collect_sweep(self.store, run_info(self.context, self.id, about), self.context.site_key, judge, before, elsewhere)
