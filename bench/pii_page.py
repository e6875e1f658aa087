"""The part of docs/models.md about `pii`, and the lines of it that the README quotes; it knows figures and no detector."""

from __future__ import annotations

from collections import Counter
from typing import Any

from bench.injection_page import table

CLINICAL = ("medical",)  # kinds of real documents that are about patients
# Rules of the page, and the severities that a cell counts.
SHOWN = {
    "medical": ("high", "info"), "address": ("medium",), "person": ("low",), "organization": ("info",), "email": ("medium", "low", "info"),
    "phone": ("medium",), "national-id": ("high",), "payment-card": ("high",), "us-ssn": ("high",),
}  # fmt: skip


def section(results: dict[str, Any]) -> list[str]:
    """Lines of docs/models.md."""
    parts = ["## Personal data", "", "### Real documents", "", _DOCUMENTS, ""]
    rows = []
    total: Counter[str] = Counter()
    for kind, row in results["documents"].items():
        cells = {
            rule: "/".join(str(row["findings"].get(f"pii.{rule}", {}).get(level, 0)) for level in levels) for rule, levels in SHOWN.items()
        }
        rows.append((kind, row["documents"], row["MB"], row["high"], *cells.values()))
        total["documents"] += row["documents"] * (kind not in CLINICAL)
        total["high"] += row["high"] * (kind not in CLINICAL)
    parts += [table(("kind", "documents", "MB", "with a `high` of a model", *SHOWN), rows), ""]
    parts += [f"Outside clinical text {total['high']} of {total['documents']:,} documents have a `high` of a model.", ""]
    parts += ["### Labelled sets", "", _SETS, ""]
    columns = ("spans", "precision", "recall", "F1")
    for name, types in results["sets"].items():
        parts += [f"#### {name}", "", table(("type", *columns), ([kind, *(one[k] for k in columns)] for kind, one in types.items())), ""]
    parts += ["### Names in real text", "", _STRANGERS, ""]
    parts += [
        table(("set", "type", *columns), ([name, kind, *(one[k] for k in columns)] for name, row in results["strangers"].items() for kind, one in row.items())),
        "",
        "### Thresholds with a set left out",
        "",
        _LEFT_OUT,
        "",
        table(("kind and set left out", "threshold", "F1 with it", "best threshold", "F1 with that"), ([name, *row.values()] for name, row in results["left out"].items())),
        "",
        "### Speed of personal data",
        "",
        f"{results['speed']['MB']} MB of real documents, as much of each kind, read once by one thread; readers do not count.",
        "",
        table(("", "MB per CPU second"), results["speed"]["MB per CPU second"].items()),
        "",
    ]  # fmt: skip
    return parts


def quoted(results: dict[str, Any]) -> list[str]:
    """The lines of the README's table."""
    outside = [row for kind, row in results["documents"].items() if kind not in CLINICAL]
    sets, fast = results["sets"], results["speed"]["MB per CPU second"]
    rival = next((row for name, row in sets.items() if "presidio (" in name), None)
    beside = (", presidio with a small spaCy model in the same run", f", {rival['all']['F1']}") if rival else ("", "")
    people = {
        name: row["person"]["F1"] for name, row in results["strangers"].items() if "presidio" not in name and row["person"]["spans"] > 50
    }
    best, worst = max(people, key=people.__getitem__), min(people, key=people.__getitem__)
    quiet = f"{sum(row['high'] for row in outside)} of {sum(row['documents'] for row in outside):,}"
    real = f"{people[best]} ({best}), {people[worst]} ({worst})"
    return [
        f"| pii, real documents with a `high` of a model, outside clinical text; F1 on presidio_synth_v2{beside[0]}; F1 of persons in real text, best and "
        f"worst set | {quiet}; {sets['presidio_synth_v2, tagger on']['all']['F1']}{beside[1]}; {real} |",
        f"| pii, MB per CPU second over real documents: names, patterns, both | {fast['names']}, {fast['patterns']}, {fast['patterns and names']} |",
    ]


_DOCUMENTS = (
    "Findings in the real documents, none of them planted, by kind. A cell counts the severities that its rule gives: "
    "`medical` high/info, `email` medium/low/info, the others their own."
)
_SETS = "A hit has the right type and shares half of the union with the labelled span. Cities, dates, titles and ages are not asked for."
_LEFT_OUT = (
    "The word tagger alone. Its threshold is the one that is best on average on all other sets, so that a set says nothing about how it is "
    "judged; beside it what a threshold of its own would give."
)
_STRANGERS = "Persons and organisations in a fifth of each set, which no training saw; the sets' own rules say what counts as one."
