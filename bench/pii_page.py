"""Write the part of docs/models.md about `pii`.

It depends only on figures, not on detectors.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from bench.injection_page import table

CLINICAL = ("medical",)  # kinds of real documents that are about patients
Types = Mapping[str, Mapping[str, float]]  # kind of personal data: figure: value
LANGUAGES = {
    "de": "German", "fr": "French", "es": "Spanish", "it": "Italian", "pt": "Portuguese", "pl": "Polish", "tr": "Turkish", "ru": "Russian",
    "ar": "Arabic", "zh": "Chinese",
}  # fmt: skip
_COLUMNS = ("spans", "precision", "recall", "F1")
# The rules on the page, and the severities that a cell counts.
SHOWN = {
    "medical": ("high", "info"), "address": ("medium",), "person": ("low",), "organization": ("info",), "email": ("medium", "low", "info"),
    "phone": ("medium",), "national-id": ("high",), "payment-card": ("high",), "us-ssn": ("high",),
}  # fmt: skip


def section(results: dict[str, Any]) -> list[str]:
    """Return the lines for docs/models.md."""
    parts = ["## Personal data", "", "### Real documents", "", _DOCUMENTS, ""]
    rows = []
    shown = [rule for rule in SHOWN if any(f"pii.{rule}" in row["findings"] for row in results["documents"].values())]
    total: Counter[str] = Counter()
    for kind, row in results["documents"].items():
        cells = {
            rule: "/".join(str(row["findings"].get(f"pii.{rule}", {}).get(level, 0)) for level in levels) for rule, levels in SHOWN.items()
        }
        rows.append((kind, row["documents"], row["MB"], *(cells[rule] for rule in shown)))
        total["documents"] += row["documents"] * (kind not in CLINICAL)
        total["high"] += row["high"] * (kind not in CLINICAL)
    parts += [table(("kind", "documents", "MB", *shown), rows), ""]
    if none := [rule for rule in SHOWN if rule not in shown]:
        parts += [f"There are no findings of {', '.join(f'`{rule}`' for rule in none)}.", ""]
    parts += [f"Outside clinical text, a model reports `high` in {total['high']} of {total['documents']:,} documents.", ""]
    parts += ["### Labeled sets", "", _SETS, ""]
    for name, variants in _by_set(results["sets"]).items():
        others = [*variants][1:]
        lines = [[kind, *_figures(variants, kind, others)] for kind in next(iter(variants.values()))]
        parts += [f"#### {name}", "", table(("type", *_heads(others)), lines), ""]
    parts += ["### Names in real text", "", _STRANGERS, ""]
    strangers = _by_set(results["strangers"])
    others = [*dict.fromkeys(name for variants in strangers.values() for name in [*variants][1:])]
    lines = [
        [name, kind, *_figures(variants, kind, others)] for name, variants in strangers.items() for kind in next(iter(variants.values()))
    ]
    parts += [
        table(("set", "type", *_heads(others)), lines),
        "",
        "### Names by language",
        "",
        _LANGUAGES,
        "",
        table(
            ("language", "persons", "precision", "recall", "F1", "organizations", "recall of organizations"),
            (
                (LANGUAGES[name], *(row["person"][column] for column in _COLUMNS), row["organization"]["spans"], row["organization"]["recall"])
                for name, row in results["languages"].items()
            ),
        ),
        "",
        "### Speed of personal data",
        "",
        f"One thread scans {results['speed']['MB']} MB of real documents, in equal amounts of each kind. Reading the files is not counted.",
        "",
        table(("mode", "MB per CPU second"), results["speed"]["MB per CPU second"].items()),
        "",
    ]  # fmt: skip
    return parts


def _by_set(results: Mapping[str, Types]) -> dict[str, dict[str, Types]]:
    """Return the variants of each set, ours first. A name is the set alone, or `SET, VARIANT`."""
    sets: dict[str, dict[str, Types]] = {}
    for name, types in results.items():
        base, _, variant = name.partition(", ")
        sets.setdefault(base, {})[variant] = types
    return sets


def _heads(others: Sequence[str]) -> list[str]:
    return [*_COLUMNS, *(f"F1, {name}" for name in others)]


def _figures(variants: Mapping[str, Types], kind: str, others: Sequence[str]) -> list[float | None]:
    """Return all figures of the first variant, and the F1 of the others."""
    first = next(iter(variants.values()))[kind]
    return [*(first[name] for name in _COLUMNS), *(variants[name][kind]["F1"] if name in variants else None for name in others)]


def people(results: dict[str, Any]) -> dict[str, float]:
    """Return the F1 of names of persons in each set of real text that has more than 50 of them."""
    return {
        name: row["person"]["F1"] for name, row in results["strangers"].items() if "presidio" not in name and row["person"]["spans"] > 50
    }


_DOCUMENTS = (
    "Findings in the real documents by kind; nothing was planted in them. `medical` counts high/info findings, and `email` medium/low/info."
)
_SETS = (
    "A finding counts as correct if it has the type of a labeled span, and if at least half of the characters that either covers are covered by both. "
    "Cities, dates, titles and ages are ignored. By default, the model reads only the text about which the [word tagger](engines/pii.md#free-text-two-models) is not "
    "certain; with `tagger off`, it reads all text."
)  # fmt: skip
_LANGUAGES = (
    "Names in 16 sentences of each language, with the same subjects in all: mails, minutes, chats, complaints, court and hospital. "
    "`bench/names_by_language.tsv` was written for this measurement and is not used in training. The models learned from English for "
    "the most part: **names in Cyrillic, Arabic and Chinese letters are not found**, and in other languages fewer than in English."
)
_STRANGERS = "Persons and organizations in the fifth of each set that was held out of training. Each set defines them differently."
