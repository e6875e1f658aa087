"""Rows for other programs: JSON, JSON lines, CSV. Text from a corpus is made harmless in all three."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

FORMATS = ("table", "json", "jsonl", "csv")


def check_format(name: str) -> None:
    """Raises UsageError for an unknown format."""
    from veritensor_ray.errors import UsageError

    if name not in FORMATS:
        raise UsageError(f"unknown format {name!r}; choose from {', '.join(FORMATS[:-1])} and {FORMATS[-1]}")


def check_severity(name: str | None) -> None:
    """Raises UsageError for an unknown severity."""
    from veritensor_ray.config import SEVERITIES
    from veritensor_ray.errors import UsageError

    if name is not None and name not in SEVERITIES:
        raise UsageError(f"unknown severity {name!r}; choose from {', '.join(SEVERITIES)}")


def names(given: Sequence[str] | None, known: Sequence[str], what: str) -> tuple[str, ...]:
    """Returns the words of comma-separated lists, each once. Raises UsageError for an unknown word, listing the known ones."""
    from veritensor_ray.errors import UsageError

    text = ",".join(given or ())
    found = tuple(dict.fromkeys(word.strip() for word in text.split(",") if word.strip()))
    unknown = [word for word in found if word not in known]
    if unknown or (given and not found):
        raise UsageError(f"unknown {what} {unknown[0] if unknown else text!r}; choose from {', '.join(known)}")
    return found


def export(batches: Iterable[Any], kind: str, extra: Sequence[str] = ()) -> None:
    """Write rows of findings to standard output, with the columns `extra` first; JSON lines and CSV are streamed."""
    if kind == "json":
        json.dump([_ordered(row, extra) for row in _rows(batches)], sys.stdout, default=str, indent=2)
        sys.stdout.write("\n")
    elif kind == "jsonl":
        for row in _rows(batches):
            sys.stdout.write(json.dumps(_ordered(row, extra), default=str) + "\n")
    else:
        _csv(batches, extra)


def _rows(batches: Iterable[Any]) -> Iterator[dict[str, Any]]:
    for batch in batches:
        yield from batch.to_pylist()


def _ordered(row: dict[str, Any], first: Sequence[str]) -> dict[str, Any]:
    return {name: row[name] for name in first} | row


def _csv(batches: Iterable[Any], extra: Sequence[str]) -> None:
    from veritensor_ray.findings.schema import FINDINGS, LOCATION

    places = [field.name for field in LOCATION]
    columns = [name for name in FINDINGS.names if name != "location" and name not in extra]
    writer = csv.DictWriter(sys.stdout, [*extra, *columns, *(f"location_{name}" for name in places)])
    writer.writeheader()
    for row in _rows(batches):
        location = row.pop("location") or {}
        row |= {f"location_{name}": location.get(name) for name in places}
        row["places"] = json.dumps([{name: at[name] for name in places if at[name] is not None} for at in row["places"] or ()])
        writer.writerow({name: spreadsheet_safe(value) for name, value in row.items()})


def spreadsheet_safe(value: object) -> object:
    """Returns a cell that a spreadsheet treats as text: a possible formula is prefixed with an apostrophe."""
    from veritensor_ray.findings.redact import visible

    if isinstance(value, list):
        value = " ".join(str(one) for one in value)
    if not isinstance(value, str):
        return value
    text = visible(value)
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "|")) else text
