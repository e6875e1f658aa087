"""`plan`: what an audit would read and how long it would take; nothing is written."""

from __future__ import annotations

import sys
from typing import Any

import typer

from veritensor_ray.cli.options import (
    AsOf,
    Config,
    Engines,
    Exclude,
    Include,
    Inventory,
    MaxSize,
    Profile,
    RuleDirs,
    Sample,
    Since,
    Sources,
)

_PLACED = {
    True: "An audit runs in processes of this machine: it is over before Ray would have started (--address embedded starts Ray)",
    False: "An audit runs on an embedded Ray (--address local runs it in processes without Ray)",
}


def plan(
    source: Sources = None,
    engines: Engines = None,
    profile: Profile = None,
    rules: RuleDirs = None,
    include: Include = None,
    exclude: Exclude = None,
    max_size: MaxSize = None,
    since: Since = None,
    as_of: AsOf = None,
    inventory: Inventory = None,
    sample: Sample = None,
    config: Config = None,
    estimate: bool = typer.Option(True, "--estimate/--no-estimate", help="Read a few files to estimate how long an audit would take."),
) -> None:
    """List a corpus and show what an audit of it would read. Nothing is written."""
    flags = {"engines": engines, "profile": profile, "rules": rules, "include": include, "exclude": exclude}
    flags |= {"max_size": max_size, "since": since, "as_of": as_of, "inventory": inventory, "sample": sample}
    from veritensor_ray.bundle.active_bundle import activate
    from veritensor_ray.cli.render import console, safe
    from veritensor_ray.core.config import load_settings
    from veritensor_ray.core.errors import UsageError
    from veritensor_ray.corpus.listing import check_inventories, read_as_now, read_loosely, roots
    from veritensor_ray.corpus.planning import plan_rows
    from veritensor_ray.engines.dependencies.advisory_ages import overdue, source_ages, told
    from veritensor_ray.engines.registry import selected
    from veritensor_ray.masking.site_key import site_key
    from veritensor_ray.pipeline.bounded.process import SHARED, Splitter, descriptions, snapshots
    from veritensor_ray.pipeline.estimate import calibrate, survey

    settings = load_settings(config, flags | {"sources": source or None})
    if not settings.sources:
        raise UsageError("plan needs at least one source")
    settings, _ = activate(settings, thorough=estimate)
    names = tuple(selected(settings))
    if estimate:
        SHARED.start()  # for the samples

    def listed(count: int) -> None:
        sys.stderr.write(f"\rartifacts listed: {count:,}")
        sys.stderr.flush()

    progress = listed if sys.stderr.isatty() else lambda _: None
    starts = roots(settings.sources, settings.stores, settings.inventory, settings.as_of)
    check_inventories(starts, settings.inventory)
    with Splitter(settings) as split:
        describe = descriptions(settings)
        rows = plan_rows(settings, names, split, progress, starts=starts, opener=snapshots(settings), describe=describe)
        found = survey(rows, {}, settings, names)
    effort = sum(kind.effort for kind in found.kinds.values())  # before samples correct it, as a run knows it
    if estimate and found.kinds:
        calibrate(found, settings, site_key(settings.site_key))
    _show(found, settings, effort)
    if "dependencies" in names and (ages := source_ages(settings.dependencies)):
        for sentence in (told(ages), *overdue(ages, settings.dependencies.max_age_days)):
            console().print(safe(sentence))
    loosely = (part.said for part in read_loosely(starts, settings.stores))
    for said in (*loosely, *read_as_now(starts, settings.stores, settings.as_of)):
        console().print(f"\n{safe(said)}")


def _show(found: Any, settings: Any, effort: float) -> None:
    from veritensor_ray.cli.render import console, duration, size, table
    from veritensor_ray.core.wording import counted
    from veritensor_ray.engines.registry import create, needing_models
    from veritensor_ray.jobs.cluster.slots import fit_here
    from veritensor_ray.jobs.scheduling.placement import in_processes

    out = console()
    rows = []
    for name, kind in sorted(found.kinds.items(), key=lambda item: -item[1].bytes):
        seen = ", ".join(f"{count} {status}" for status, count in found.seen.get(name, {}).items()) or "not sampled"
        rows.append(
            (name, f"{kind.artifacts:,}", size(kind.bytes), f"{'' if name in found.measured else 'about '}{duration(found.of(name))}", seen)
        )
    out.print("Files by type, judged by their names. `sampled` shows the result of reading a few of them", style="bold")
    out.print(table(("type", "files", "bytes", "CPU time", "sampled"), rows, right=("files", "bytes", "CPU time")))
    if found.left_out:
        out.print("\nLeft out", style="bold")
        out.print(
            table(("artifacts", "reason"), [(f"{count:,}", reason) for reason, count in found.left_out.most_common()], right=("artifacts",))
        )
    files, total = sum(k.artifacts for k in found.kinds.values()), sum(k.bytes for k in found.kinds.values())
    out.print(
        f"\n{counted(files, 'file')}, {size(total)}, {counted(found.shards, 'shard')} · engines {', '.join(found.engines)} · profile {settings.profile}"
    )
    if found.kinds:
        slots = fit_here(settings, len(needing_models(create(settings, found.engines))))
        processes = slots.cpus, slots.extract, slots.actors
        cpu, elapsed = found.cpu(*processes), found.elapsed(*processes)
        unknown = len(found.kinds) - len(found.measured)
        guessed = f"; {counted(unknown, 'type')} guessed from names and sizes" if unknown else ""
        out.print(f"About {duration(cpu)} of CPU time, {duration(elapsed)} on {slots.cpus} CPUs here{guessed}")
        if settings.cluster_address is None:
            out.print(_PLACED[in_processes(settings, effort)])
