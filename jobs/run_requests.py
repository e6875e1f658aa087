"""The runs that have a plan in an output. Each has a request beside its plan, which says what was asked for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from veritensor_ray.stores.outputs import OutputStore


@dataclass(frozen=True, slots=True)
class Run:
    """A run with a plan.

    `previous` is the sweep that it was planned against, if any; `fresh` means that no earlier result is reused. `elsewhere` is the ID of
    another run whose results are taken over where the content is the same. `tables` says which tables are read, in which version.
    """

    id: str
    totals: dict[str, int]
    started: str
    job: str
    previous: str | None = None
    fresh: bool = False
    elsewhere: str | None = None
    tables: list[dict[str, Any]] = field(default_factory=list)


def requests(store: OutputStore) -> Iterator[tuple[Run, dict[str, Any]]]:
    """Yields the runs that have a plan in this output, with the parts of their fingerprints. Only the request beside a plan makes it valid."""
    for name in store.names("_work"):
        data = None if name.startswith(".") else store.read(f"_work/{name}/request.json")
        if data is not None:
            about = json.loads(data)
            rest = (
                about.get("job", "audit"),
                about.get("previous"),
                about.get("fresh", False),
                about.get("elsewhere"),
                about.get("tables", []),
            )
            yield Run(name, about["totals"], about["started_at"], *rest), about["fingerprint_parts"]
