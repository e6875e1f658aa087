"""Apply a policy to findings: the severity of each, and what suppresses it.

Nothing is removed: a finding that is turned off or suppressed stays in the table, marked as such. `severity_original` is never changed. It
does not depend on engines or runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from veritensor_ray.core.config import SEVERITIES
from veritensor_ray.core.wording import counted
from veritensor_ray.masking.redaction import visible
from veritensor_ray.policy.policy_file import MATCHES, Policy, PolicyRule, Suppression, load_policy, path_glob, rule_glob

if TYPE_CHECKING:
    import re

    import numpy.typing as npt

    Rows = npt.NDArray[np.int64]

__all__ = ["COLUMNS", "MATCHES", "Judge", "Policy", "PolicyRule", "Suppression", "load_policy", "matched", "notes"]

SOON = 14  # days before its expiry in which a suppression is mentioned
_LISTED = 10  # sentences of one kind
COLUMNS = ("finding_id", "content_fingerprint", "artifact", "rule_id", "content_id")  # the columns that suppressions look at
_EXACT = {"finding": "finding_id", "fingerprint": "content_fingerprint", "sha256": "content_id"}


@dataclass(frozen=True, slots=True)
class _Matcher:
    """The conditions of an entry: columns that must have one of some values, and globs."""

    exact: tuple[tuple[str, tuple[str, ...]], ...]
    rule: re.Pattern[str] | None
    path: re.Pattern[str] | None

    @property
    def rest(self) -> _Matcher:
        """All conditions except the first exact one."""
        return _Matcher(self.exact[1:], self.rule, self.path)


def _matcher(one: PolicyRule | Suppression) -> _Matcher:
    exact = tuple((column, _tuple(value)) for name, column in _EXACT.items() if (value := getattr(one, name, None)))
    return _Matcher(exact, rule_glob(one.rule) if one.rule else None, path_glob(one.path) if one.path else None)


def _tuple(value: str | tuple[str, ...]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else value


class Judge:
    """Apply a policy as of one day (UTC) to tables of findings, and count the matches of its entries. Can be pickled."""

    def __init__(self, policy: Policy, today: date) -> None:
        self.policy, self.today = policy, today
        self._rules = [_matcher(rule) for rule in policy.rules]
        self._suppressions = [_matcher(one) for one in policy.suppressions]
        self._expired = [one.expired(today) for one in policy.suppressions]
        self._lookups = _lookups(self._suppressions)
        self._findings = [0] * len(policy.suppressions)
        self._turned_off = 0

    @property
    def identity(self) -> str:
        """What two runs must share to get the same result: the whole policy, and which entries have expired."""
        gone = ",".join(str(number) for number, expired in enumerate(self._expired) if expired)
        return f"{self.policy.digest()}-{sha256(gone.encode()).hexdigest()[:8]}" if gone else self.policy.digest()

    def apply(self, table: pa.Table) -> pa.Table:
        """Return the same rows in the same order, with `severity` and `suppressed_by` set by this policy, whatever they were."""
        severity, suppressed_by = table["severity_original"], pa.nulls(table.num_rows, pa.string())
        if table.num_rows and (self._rules or self._suppressions):
            severity, suppressed_by = self._judged(table)
        for name, values in (("severity", severity), ("suppressed_by", suppressed_by)):
            at = table.schema.get_field_index(name)
            table = table.set_column(at, table.schema.field(at), values)
        return table

    def report(self) -> dict[str, Any]:
        """Return an entry for run.json: the policy's file and digest, and the matches so far. `day` is the day it was applied for."""
        entries = zip(self.policy.suppressions, self._expired, self._findings, strict=True)
        return {
            "file": self.policy.file,
            "in_output": self.policy.in_output,
            "digest": self.policy.digest(),
            "day": self.today.isoformat(),
            "rules": len(self._rules),
            "turned_off": self._turned_off,
            "suppressions": [
                {
                    "id": one.name,
                    "reason": one.reason,
                    "owner": one.owner,
                    "expires": one.expires.isoformat() if one.expires else None,
                    "expired": expired,
                    "findings": count,
                }
                for one, expired, count in entries
            ],
        }

    def _judged(self, table: pa.Table) -> tuple[Any, Any]:
        seen = _Matched(table)
        matched = self._matched(seen)
        by = np.full(table.num_rows, -1, np.int64)  # numbers of suppressions, followed by rules
        for number, rows in matched.items():
            if not self._expired[number]:
                self._findings[number] += len(rows)
                by[rows[by[rows] < 0]] = number
        severity = self._ruled(seen, by)
        for number, rows in matched.items():
            if self._expired[number]:
                self._findings[number] += int((by[rows] < 0).sum())  # nothing else hides these
        labels = [one.name for one in self.policy.suppressions] + [f"policy:{number}" for number in range(1, len(self._rules) + 1)]
        return pc.coalesce(_chosen(SEVERITIES, severity), table["severity_original"]), _chosen(labels, by)

    def _ruled(self, seen: _Matched, by: Rows) -> Rows:
        """Return severities set by rules as numbers, -1 for none. Rows turned off by a rule are marked in `by`, if unmarked."""
        severity, undecided = np.full(len(by), -1, np.int64), np.ones(len(by), bool)
        for number, rule in enumerate(self.policy.rules):
            rows = seen.narrowed(self._rules[number], np.flatnonzero(undecided))
            undecided[rows] = False
            if rule.severity and rule.severity != "off":
                severity[rows] = SEVERITIES.index(rule.severity)
            off = rows if rule.severity == "off" else rows[seen.below(rule.min_confidence, rows)]
            off = off[by[off] < 0]
            by[off] = len(self._suppressions) + number
            self._turned_off += len(off)
        return severity

    def _matched(self, seen: _Matched) -> dict[int, Rows]:
        """Return the matching rows of each suppression, in the order of the file."""
        matched = {number: seen.narrowed(one, seen.all) for number, one in enumerate(self._suppressions) if not one.exact}
        for lookup in self._lookups:
            matched |= {number: seen.narrowed(self._suppressions[number].rest, rows) for number, rows in seen.looked_up(lookup)}
        return {number: matched[number] for number in sorted(matched) if len(matched[number])}


@dataclass(frozen=True, slots=True)
class _Lookup:
    """All exact values of one column. Those who want the value at an index are `numbers[first[index]:first[index + 1]]`."""

    column: str
    values: pa.Array
    first: Rows
    numbers: Rows


def _lookups(matchers: Sequence[_Matcher]) -> list[_Lookup]:
    """Index the matchers with exact values by their first column. One column is enough to find the few candidate rows."""
    wanted: dict[str, dict[str, list[int]]] = {}
    for number, one in enumerate(matchers):
        for column, values in one.exact[:1]:
            by_value = wanted.setdefault(column, {})
            for value in values:
                by_value.setdefault(value, []).append(number)
    return [
        _Lookup(
            column,
            pa.array(list(by_value), pa.string()),
            np.cumsum([0, *(len(numbers) for numbers in by_value.values())]),
            np.fromiter((number for numbers in by_value.values() for number in numbers), np.int64),
        )
        for column, by_value in wanted.items()
    ]


def _chosen(names: Sequence[str], numbers: Rows) -> Any:
    return pa.array(list(names), pa.string()).take(pa.array(numbers, mask=numbers < 0))


class _Matched:
    """A table prepared for matchers. Each glob is tried once per distinct name, and only on names of the remaining rows."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table
        self._names: dict[str, tuple[list[str], Rows]] = {}
        self.all: Rows = np.arange(table.num_rows)

    def narrowed(self, by: _Matcher, rows: Rows) -> Rows:
        """Return those of the rows that match."""
        for column, values in by.exact:
            rows = rows[self._among(column, values, rows)]
        for column, pattern in (("rule_id", by.rule), ("artifact", by.path)):
            if pattern is not None and len(rows):
                names, codes = self._coded(column)
                fits = np.zeros(len(names), bool)
                fits[codes[rows]] = True
                present = np.flatnonzero(fits)
                fits[present] = [pattern.match(names[one]) is not None for one in present]
                rows = rows[fits[codes[rows]]]
        return rows

    def looked_up(self, lookup: _Lookup) -> Iterator[tuple[int, Rows]]:
        """Yield each matcher that wants a value that occurs, by number, with the rows that have one, in order."""
        codes = pc.fill_null(pc.index_in(self._table[lookup.column], value_set=lookup.values), -1).to_numpy()
        rows = np.flatnonzero(codes >= 0)
        begin, end = lookup.first[codes[rows]], lookup.first[codes[rows] + 1]
        pairs = np.repeat(rows, end - begin)  # a row for each matcher that wants its value
        within = np.arange(len(pairs)) - np.repeat(np.cumsum(end - begin) - (end - begin), end - begin)
        numbers = lookup.numbers[np.repeat(begin, end - begin) + within]
        order = np.argsort(numbers, kind="stable")
        there, first = np.unique(numbers[order], return_index=True)
        yield from zip(there.tolist(), np.split(pairs[order], first[1:]), strict=False)

    def below(self, threshold: float | None, rows: Rows) -> npt.NDArray[np.bool_]:
        """Return which rows have a confidence below the threshold. A row without confidence stands for many findings and stays."""
        if threshold is None:
            return np.zeros(len(rows), bool)
        below: npt.NDArray[np.bool_] = pc.fill_null(pc.less(self._table["confidence"], threshold), False).to_numpy()
        return below[rows]

    def _among(self, column: str, values: tuple[str, ...], rows: Rows) -> npt.NDArray[np.bool_]:
        taken = self._table[column].take(pa.array(rows, pa.int64()))
        among: npt.NDArray[np.bool_] = pc.is_in(taken, value_set=pa.array(values, pa.string())).to_numpy()
        return among

    def _coded(self, column: str) -> tuple[list[str], Rows]:
        """Return the distinct values of a column, and the index of each row's value."""
        if column not in self._names:
            encoded = self._table[column].dictionary_encode().unify_dictionaries()
            codes = np.concatenate([chunk.indices.to_numpy(zero_copy_only=False) for chunk in encoded.chunks])
            self._names[column] = (encoded.chunk(0).dictionary.to_pylist(), codes.astype(np.int64))
        return self._names[column]


def matched(one: Suppression, table: pa.Table) -> pa.Table:
    """Return the rows of a table (with at least COLUMNS) that a suppression matches, expired or not."""
    if not table.num_rows:
        return table
    seen = _Matched(table)
    return table.take(pa.array(seen.narrowed(_matcher(one), seen.all), pa.int64()))


def notes(report: Mapping[str, Any]) -> list[str]:
    """Return sentences for the end of a run, based on `Judge.report`.

    They name suppressions that have expired, will expire soon, or match nothing.
    """
    expired, unused, soon = [], [], []
    today = date.fromisoformat(report["day"])
    for one in report["suppressions"]:
        about = f"suppression {one['id']} ({_short(one['reason'])})"
        if one["expired"]:
            expired.append(f"{about} expired on {one['expires']}; {_again(one['findings'])}")
        elif not one["findings"]:
            unused.append(f"{about} matched nothing")
        elif one["expires"] and (date.fromisoformat(one["expires"]) - today).days <= SOON:
            soon.append(f"{about} expires on {one['expires']}; {counted(one['findings'], 'finding')} will count again")
    return [*_some(expired, "have expired"), *_some(soon, f"expire within {SOON} days"), *_some(unused, "matched nothing")]


def _again(count: int) -> str:
    return f"{counted(count, 'finding')} count{'s' if count == 1 else ''} again" if count else "no finding counts again"


def _short(reason: str) -> str:
    text = visible(reason)
    return text if len(text) <= 60 else f"{text[:59]}…"


def _some(sentences: Sequence[str], what: str) -> list[str]:
    more = len(sentences) - _LISTED
    return [*sentences[:_LISTED], *([f"{more:,} more suppressions {what}; run.json lists them"] if more > 0 else [])]
