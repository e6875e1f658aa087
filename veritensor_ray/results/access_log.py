"""The access log of an output: who saw the unmasked passage of a finding, when and why. It does not depend on passages."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from veritensor_ray.results.journal import Journal
from veritensor_ray.stores.outputs import OutputStore

LOG = Journal("access.jsonl", "access")
_COMMAND = 1000  # characters


def note_access(results: OutputStore, about: Mapping[str, Any]) -> str:
    """Record that this user sees what `about` describes, and return where it was recorded. Raises StoreError on failure."""
    entry = dict(about) | {"command": " ".join(sys.argv)[:_COMMAND]}
    return LOG.append(results, [entry], "nothing is shown, because the access cannot be recorded")


def accesses(results: OutputStore) -> list[dict[str, Any]]:
    """Return all entries, oldest first. A damaged line appears as the text that is left of it, under `damaged`."""
    return list(LOG.entries(results))
