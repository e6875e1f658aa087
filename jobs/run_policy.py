"""The policy that judges a run. It is decided once, before anything is read: the named one, else the one that is kept in the output."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from veritensor_ray.core.config import Settings
from veritensor_ray.core.errors import UsageError, VeritensorError
from veritensor_ray.findings.sweep_state import results
from veritensor_ray.jobs.run_requests import requests
from veritensor_ray.policy.policy_file import Policy, load_policy
from veritensor_ray.results.policy_place import NAME, in_output
from veritensor_ray.stores.outputs import OutputStore


def policy_in_force(settings: Settings, store: OutputStore, key_name: str, note: Callable[[str], None]) -> Policy:
    """Return the policy for a run that writes to `store`. Says in a note which one that is, and which one is left out.

    `key_name` is the name of the site key. The policy of an output is used only if an earlier run with this key left it there: an archive
    with a corpus may bring a folder with the name of the output along. Raises UsageError.
    """
    there = store.exists(NAME)
    if settings.no_policy:
        return Policy()
    if settings.policy is not None:
        if there:
            note(f"{NAME} in the output is not used, because {settings.policy} is named")
        return load_policy(settings.policy)
    if there:
        return _kept(settings, store, key_name, note)
    if Path(NAME).exists() and not settings.cluster_address:
        note(f"{NAME} in the working directory is not used; to use it, name it with --policy {NAME}")
    return Policy()


def _kept(settings: Settings, store: OutputStore, key_name: str, note: Callable[[str], None]) -> Policy:
    try:
        place = in_output(store, settings.sources)
    except UsageError as error:
        note(f"{error}; this run uses no policy")
        return Policy()
    if not _ours(store, key_name):
        note(f"{place} is not used, because no run with this site key has written the output; to use it, name it with --policy")
        return Policy()
    note(f"policy {place}")
    return place.load().kept_in_output(NAME)


def _ours(store: OutputStore, key_name: str) -> bool:
    """Whether a complete run in this output, or one that was interrupted, had this site key. Its name is in no corpus."""
    if any(parts.get("site_key") == key_name for _, parts in requests(store)):
        return True
    try:
        return results(store)[1].get("site_key_id") == key_name
    except (VeritensorError, json.JSONDecodeError):
        return False


__all__ = ["policy_in_force"]
