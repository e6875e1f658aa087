"""What describes a run: the context that its steps share, its plan, and what its results say about it. It does not depend on Ray."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from importlib.metadata import version
from typing import Any

from veritensor_ray.cleaning.cleaning_context import Cleaning
from veritensor_ray.cleaning.copied_tables.table_logs import noted
from veritensor_ray.core.config import Settings
from veritensor_ray.core.errors import ModelError, UsageError
from veritensor_ray.core.reasons import ReasonCode
from veritensor_ray.core.table_view import TableView
from veritensor_ray.corpus.datasets.dataset_folders import Describer
from veritensor_ray.corpus.datasets.descriptions import described
from veritensor_ray.corpus.listing import Listed, Root, roots
from veritensor_ray.corpus.planning import Decider, PlanRow, Shard, Splitter, plan_key, plan_rows, shards_of, write_plan
from veritensor_ray.corpus.tables.table_kinds import DELTA, ICEBERG, LANCE, Opener, opened
from veritensor_ray.findings.summary import RunInfo
from veritensor_ray.masking.redaction import name_safe, reason_safe
from veritensor_ray.masking.secret_kinds.uri_credentials import without_credentials
from veritensor_ray.masking.site_key import key_id
from veritensor_ray.pipeline.context import Context, without_weights
from veritensor_ray.pipeline.fingerprint import describe, digest
from veritensor_ray.pipeline.machine_report import EngineSeen, engines_here, seen
from veritensor_ray.pipeline.splitting import splitter
from veritensor_ray.stores.filesystems import absolute
from veritensor_ray.stores.outputs import OutputStore

# What a copy does not have of a table, by the table's kind.
_LOGS = {
    DELTA.name: "the log of a Delta table, which describes",
    LANCE.name: "it belongs to a version of a Lance dataset, and describes",
    ICEBERG.name: "metadata of an Iceberg table, whose data files are copied without any, since they describe",
}


def local_context(
    settings: Settings, key: bytes, cleaning: Cleaning | None = None, starts: tuple[Root, ...] | None = None, bundle: str | None = None
) -> Context:
    """Return the context of a run with the engines of the settings on this machine. Raises ModelError if one of them cannot run here.

    `starts` takes the place of the settings' sources.
    """
    prints: dict[str, str] = {}
    for one in engines_here(settings):
        if one.fingerprint is None:
            raise ModelError(one.missing)
        prints[one.name] = one.fingerprint
    made = digest(describe(settings, prints, key_id(key), bundle))
    starts = tuple(roots(settings.sources, settings.stores, settings.inventory, settings.as_of)) if starts is None else starts
    return Context(settings, starts, tuple(prints), key, made, expected=tuple(prints.items()), cleaning=cleaning)


def planned_shards(context: Context, decide: Decider | None = None) -> list[Shard]:
    """List the corpus, and return the shards to scan, without writing a plan."""
    rows = plan_rows(context.settings, context.engines, splitter(context.settings), decide=decide, starts=context.roots)
    return [one for one in shards_of(rows) if isinstance(one, Shard)]


def write_run_plan(
    context: Context,
    store: OutputStore,
    run: str,
    split: Splitter,
    decide: Decider | None = None,
    progress: Callable[[int], None] = lambda _: None,
    opener: Opener = opened,
    describe: Describer = described,
) -> dict[str, int]:
    """List the corpus, and write the plan of a run that has its results in `store`. Returns the counts of the plan."""
    with store.writer(plan_key(run)) as file:
        cleans = context.cleaning is not None and not context.cleaning.again
        own, leave_out = context.own_output(store), _log_of_table if cleans else lambda entry: None
        rows = plan_rows(context.settings, context.engines, split, progress, own, decide, context.roots, opener, leave_out, describe)
        if cleans and context.cleaning is not None:
            rows = noted(map(_cleanable, rows), context.cleaning, run)
        return write_plan(map(_safe, rows), file)


def _safe(row: PlanRow) -> PlanRow:
    return row if row.reason is None else replace(row, reason=reason_safe(row.reason))


def _log_of_table(entry: Listed) -> tuple[ReasonCode, str] | None:
    """Leave the log of a table out of a copy: it names files and holds values that the copy does not have."""
    said = _LOGS.get(_kind(entry.table)) if entry.view is None else None
    return None if said is None else (ReasonCode.NOT_IN_SNAPSHOT, f"{said} other files than those of the copy")


def _kind(table: str | None) -> str:
    """Return the kind of table that a file belongs to."""
    return (table or "").partition(":")[0]


def _cleanable(row: PlanRow) -> PlanRow:
    """Return the row. Raises UsageError for a data file of a table of which no copy can be made."""
    if row.view is not None and _kind(row.table) == LANCE.name and not TableView.from_bytes(row.view).about:
        raise UsageError(
            f"{name_safe(row.artifact)} is a data file of a Lance dataset that clean cannot write, because it has blobs or was written by an "
            "early version. Leave the dataset out with exclude, or clean a Parquet file with its rows"
        )
    return row


def run_info(context: Context, run: str, about: dict[str, Any], engines: Iterable[EngineSeen] | None = None) -> RunInfo:
    """Return what the results of a run say about it. `about` holds further fields of run.json.

    `engines` are those of a cluster, by default those of this machine.
    """
    missing = dict(context.missing)
    seen_here = map(seen, without_weights(context, context.engines)) if engines is None else engines
    present = {one.name: one for one in seen_here if one.name not in missing}
    described: dict[str, dict[str, Any]] = {
        name: {"version": one.version, "fingerprint": one.fingerprint, "model": one.model} for name, one in present.items()
    }
    described |= {name: {"version": None, "fingerprint": None, "model": None, "missing": reason} for name, reason in missing.items()}
    rules = {rule.id: rule for engine in without_weights(context, tuple(present)) for rule in engine.rules()}
    made = {
        "package_version": version("veritensor-ray"),
        "profile": context.settings.profile,
        "sources": [without_credentials(absolute(source)) for source in context.settings.sources],
        "locations": context.settings.locations,
        "site_key_id": key_id(context.site_key),
    }
    return RunInfo(run, context.fingerprint, context.roots, rules, described, made | about, context.settings.limits.hits_per_rule)
