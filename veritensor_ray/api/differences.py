"""Compare two results, as `veritensor-ray diff` does, with an object that notebooks show as a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from veritensor_ray.api.arguments import one_of
from veritensor_ray.api.frames import escaped, frame, html_table
from veritensor_ray.core.config import SEVERITIES
from veritensor_ray.core.safe_imports import Guard
from veritensor_ray.findings.schema import FINDINGS
from veritensor_ray.masking.redaction import visible
from veritensor_ray.results.comparison import EXTRA, STATES, DiffCounts, Only, check, compare, notes
from veritensor_ray.results.place_names import place
from veritensor_ray.results.results import Results

if TYPE_CHECKING:
    import pandas as pd

_CHANGES = tuple(name for name in STATES if name != "persisting")
_SHOWN = 20  # rows in a notebook
_COLUMNS = ("state", *(name for name in FINDINGS.names if name != "state"), *EXTRA)
_SCHEMA = pa.schema([FINDINGS.field(name) if name in FINDINGS.names else pa.field(name, pa.string()) for name in _COLUMNS])


@dataclass(frozen=True, repr=False)
class Differences:
    """What changed between two results, `before` and `now`.

    `counts.states` has the number of findings that are new, moved, persisting, resolved and unverified; suppressed findings are counted in
    `counts.suppressed` only. `notes` are sentences about differences in policy, rules, models or sources, which may change findings although
    the corpus did not change. The tables are read again on each call.
    """

    before: Results
    now: Results
    counts: DiffCounts
    notes: tuple[str, ...]

    def to_arrow(
        self, states: Sequence[str] = _CHANGES, *, severity: str | None = None, path: str | None = None, suppressed: bool = True
    ) -> pa.Table:
        """Return the findings in these states, worst first in each. By default, these are all states except `persisting`.

        `severity` keeps findings of this severity or worse, `path` those in artifacts that match this glob, and `suppressed=False` those that
        count. A finding that is gone has its row of the earlier results. Besides the columns of findings, there are `reason` (of an unverified
        one), `artifact_before` (of a moved one), `severity_before` and `suppressed_before`. Raises UsageError for an unknown state or severity.
        """
        named = [one_of(name, STATES, "a state") for name in ([states] if isinstance(states, str) else states)]
        return self._rows(Only(severity if severity is None else one_of(severity, SEVERITIES, "severity"), path), named, suppressed)

    def to_pandas(
        self, states: Sequence[str] = _CHANGES, *, severity: str | None = None, path: str | None = None, suppressed: bool = True
    ) -> pd.DataFrame:
        """Return the same rows as `to_arrow`, as a DataFrame. Severities are ordered."""
        return frame(self.to_arrow(states, severity=severity, path=path, suppressed=suppressed))

    def _rows(self, only: Only, states: Sequence[str], suppressed: bool = True, limit: int = 0) -> pa.Table:
        with Guard(), compare(self.before.store, self.now.store) as found:
            batches = list(found.rows(only, states, suppressed, limit))
        return pa.Table.from_batches(batches).select(_COLUMNS) if batches else _SCHEMA.empty_table()

    def __repr__(self) -> str:
        return f"<Differences {visible(self.before.store.uri)} → {visible(self.now.store.uri)}: {self._counted()}>"

    def _counted(self) -> str:
        words = [f"{count:,} {name}" for name, count in self.counts.states.items() if count]
        hidden = sum(self.counts.suppressed.values())
        return ", ".join([*(words or ["no findings"]), *([f"{hidden:,} suppressed"] if hidden else [])])

    def _repr_html_(self) -> str:
        rows = self._rows(Only(), _CHANGES, suppressed=False, limit=_SHOWN).to_pylist()
        more = sum(count for name, count in self.counts.states.items() if name != "persisting") - len(rows)
        said = "".join(f"<li>{escaped(note)}</li>" for note in self.notes)
        return (
            f"<p>{escaped(self._counted())}</p>"
            + (f"<ul>{said}</ul>" if said else "")
            + (html_table(("state", "severity", "rule", "where", "evidence"), map(_cells, rows)) if rows else "")
            + (f"<p>{more:,} more; <code>to_pandas()</code> has all of them</p>" if more > 0 and len(rows) == _SHOWN else "")
        )


def _cells(row: dict[str, Any]) -> tuple[object, ...]:
    where = place(row["artifact"], row["location"], row["member"])
    return row["state"], row["severity"], row["rule_id"], where, row["evidence"] or row["message"]


def differences(before: Results, now: Results) -> Differences:
    """Compare two results. Raises UsageError if they were made with different site keys, SignatureError if signed results have changed."""
    check(before.run, now.run)
    for one in (before, now):
        one.check()
    with Guard(), compare(before.store, now.store) as found:
        counts = found.counts(Only())
    return Differences(before, now, counts, tuple(notes(before.run, now.run)))
