"""Everything that is checked before a run reads anything: settings, policy, output, cluster, engines, and the lease of the output."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from veritensor_ray.bundle.active_bundle import activate
from veritensor_ray.cleaning.cleaning_context import Cleaning
from veritensor_ray.core.config import Settings
from veritensor_ray.core.errors import CannotRunError, OutputConflict, StoreError, UsageError
from veritensor_ray.core.safe_imports import Guard
from veritensor_ray.core.signing import load_private_key
from veritensor_ray.core.uris import real_bases
from veritensor_ray.corpus.listing import check_inventories, roots
from veritensor_ray.engines.dependencies.advisory_ages import SourceAge, overdue, source_ages, told
from veritensor_ray.engines.registry import selected
from veritensor_ray.jobs.cluster import connection, preflight, ray_internals
from veritensor_ray.jobs.cluster.preflight import Fleet
from veritensor_ray.jobs.run_policy import policy_in_force
from veritensor_ray.jobs.run_reporting import Reporter
from veritensor_ray.jobs.scheduling.deadline import deadline_at
from veritensor_ray.masking.site_key import key_id, site_key
from veritensor_ray.pipeline.context import Context
from veritensor_ray.pipeline.fingerprint import describe, differences, digest
from veritensor_ray.policy.judge import Judge
from veritensor_ray.stores.filesystems import absolute, check_credentials, denied
from veritensor_ray.stores.lease import Lease, lease
from veritensor_ray.stores.outputs import OutputStore


@dataclass(frozen=True)
class CheckedRun:
    """The checked conditions of a run: its context, output, engines, policy, reporter, and the lease that keeps other runs out."""

    context: Context
    store: OutputStore
    fleet: Fleet
    parts: dict[str, Any]  # the parts of the run's fingerprint
    judge: Judge
    report: Reporter
    lease: Lease
    ages: tuple[SourceAge, ...] = ()  # of the advisories and what came with them

    @property
    def settings(self) -> Settings:
        """The settings in force, with the bundle's paths filled in."""
        return self.context.settings


@contextlib.contextmanager
def ready(given: Settings, report: Reporter, cleaning: Cleaning | None = None) -> Iterator[CheckedRun]:
    """Check settings, policy, output, cluster and engines, and hold the output. Raises UsageError, CannotRunError and their subclasses.

    With `cleaning`, the run also writes a copy of the corpus without its findings.
    """
    given = _checked(given)
    store = OutputStore(absolute(str(given.output)), given.stores)
    key = site_key(given.site_key)
    settings, bundle = activate(given)
    bundle_id = bundle.id if bundle else None
    for warning in bundle.warnings if bundle else ():
        report.note(warning)
    ages = source_ages(settings.dependencies) if "dependencies" in selected(settings) else ()
    for line in (told(ages), *overdue(ages, settings.dependencies.max_age_days)) if ages else ():
        report.note(line)
    starts = tuple(roots(settings.sources, settings.stores, settings.inventory, settings.as_of))
    check_inventories(starts, settings.inventory)
    with contextlib.ExitStack() as stack:
        stack.enter_context(Guard(*real_bases(settings.sources)))
        if untested := ray_internals.unproven():
            report.note(untested)
        _check_foreign(store)
        policy = policy_in_force(given, store, key_id(key), report.note)
        if settings.cluster_address:
            report.stage("join")
            stack.enter_context(connection.running(settings))
        fleet = preflight.everywhere(given, bundle_id, report.note) if settings.cluster_address else preflight.here(settings)
        _check_required(policy.required_engines, fleet)
        held = stack.enter_context(lease(store, report.note))
        parts = describe(given, fleet.fingerprints, key_id(key), bundle_id) | ({"clean": cleaning.describe()} if cleaning else {})
        context = Context(
            settings,
            starts,
            tuple(fleet.engines),
            key,
            fingerprint=digest(parts),
            missing=tuple(fleet.missing.items()),
            expected=fleet.expected,
            cleaning=cleaning,
        )
        yield CheckedRun(context, store, fleet, parts, Judge(policy, datetime.now(UTC).date()), report, held, ages)


def _checked(settings: Settings) -> Settings:
    """Returns valid settings, with the deadline as an absolute time. Raises UsageError, CannotRunError."""
    if settings.sources and not settings.output:
        raise UsageError("a run needs an output; name a folder or a URI with --output, or with `output` in the configuration")
    if not settings.sources or not settings.output:
        raise UsageError("a run needs a corpus; name a folder, a file or a URI, such as `veritensor-ray submit CORPUS`")
    check_credentials(settings)
    if settings.sign_key:
        load_private_key(settings.sign_key)  # a missing key must not be noticed only after hours of scanning
    if settings.deadline is None:
        return settings
    at = deadline_at(settings.deadline, datetime.now().astimezone())
    return settings.model_copy(update={"deadline": at.isoformat()})


def _check_required(required: tuple[str, ...], fleet: Fleet) -> None:
    """Check the engines that the policy requires; this takes precedence over `engines` and --allow-missing-engines."""
    for name in required:
        if name not in fleet.engines:
            raise UsageError(f"the policy requires the engine {name}, which is not selected; add it to --engines, or change the policy")
        if name in fleet.missing:
            raise CannotRunError(f"the policy requires the engine {name}: {fleet.missing[name]}")


def _check_foreign(store: OutputStore) -> None:
    """Never write into a folder that holds something else, and never clean one."""
    try:
        names = store.names("")
    except Exception as error:  # noqa: BLE001  # every store raises its own kind
        raise StoreError(denied(store.uri, "list", error)) from None
    if names and not {"_work", "run.json", "latest.json"} & set(names):
        raise UsageError(
            f"the output {store.uri} is not empty and is not an output of veritensor-ray (it holds {names[0]!r}); choose another --output"
        )


def check_same(store: OutputStore, mine: dict[str, Any], theirs: dict[str, Any]) -> None:
    """Raises OutputConflict if the output holds results of another corpus or another fingerprint."""
    different = differences(mine, theirs)
    if "sources" in different:
        raise OutputConflict(
            f"the output {store.uri} holds the audit of another corpus, {', '.join(theirs['sources'])}; choose another --output, or replace it with --fresh"
        )
    if different:
        raise OutputConflict(
            f"the output {store.uri} holds an audit that differs in {', '.join(different)}; choose another --output, or replace it with --fresh"
        )
