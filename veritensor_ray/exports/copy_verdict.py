"""The verdict on a cleaned copy, as the last sentences of `clean` and `clean verify`, and in reports."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from veritensor_ray.core.config import SEVERITIES
from veritensor_ray.masking.redaction import visible

# What a finding of a rule is called: one, and several.
_NOUNS = {
    "pii.person": ("name", "names"),
    "pii.organization": ("organization", "organizations"),
    "pii.medical": ("diagnosis", "diagnoses"),
    "pii.email": ("email address", "email addresses"),
    "pii.mail-header": ("address in an email header", "addresses in email headers"),
    "pii.ip-address": ("IP address", "IP addresses"),
    "pii.mac-address": ("MAC address", "MAC addresses"),
    "pii.payment-card": ("card number", "card numbers"),
}
_SECRET, _OTHER = ("possible secret", "possible secrets"), ("other finding", "other findings")


def verdict(run: Mapping[str, Any], folder: str) -> str:
    """Return the verdict on the copy in a folder: one sentence, and another about what is left below the policy's level."""
    left = _below(run["below"])
    return f"{_sentence(run, folder)}{f'. {left}' if left else ''}"


def _sentence(run: Mapping[str, Any], folder: str) -> str:
    if run["verdict"] == "clean":
        return f"Clean: the audit of the copy found nothing of severity {run['level']} or worse"
    if run["verdict"] == "empty":
        if not run["results"]:
            return f"Empty: no artifact was found in {visible(', '.join(run['sources']))}; there is nothing to copy"
        return f"Empty: no file is left in the copy; see the column reason of {folder}/manifest.parquet"
    if run["verdict"] == "incomplete":
        return f"Not proven: {_missing(run)}; --allow-partial accepts that"
    left = _listed([f"{count:,} {name}" for name, count in run["left"].items()])
    findings = "finding" if sum(run["left"].values()) == 1 else "findings"
    return f"Not clean: the audit of the copy found {left} {findings}; see {folder}/after, and add rules for these findings to the policy"


def _missing(run: Mapping[str, Any]) -> str:
    why = {"not_checked": "the audit of the copy was incomplete", "not_copied": "not all of the corpus is in the copy"}
    counts = {key: ", ".join(f"{count:,} {name}" for name, count in run[key].items()) for key in why if run[key]}
    changed = ["the corpus has changed since"] if run.get("changed_since") else []
    return " and ".join([f"{why[key]} ({count})" for key, count in counts.items()] + changed)


def _below(counts: Sequence[Mapping[str, Any]]) -> str:
    """Return a sentence about what is left below the level, and how to remove it; empty if nothing is."""
    if not counts:
        return ""
    things: Counter[tuple[str, str]] = Counter()
    for one in counts:
        things[_noun(one["rule"])] += one["count"]
    order = sorted(things, key=lambda noun: (noun == _OTHER, -things[noun]))
    levels = [name for name in reversed(SEVERITIES) if any(one["severity"] == name for one in counts)]
    what = _listed([f"{things[noun]:,} {noun[things[noun] != 1]}" for noun in order])
    places = sum(one.get("places", one["count"]) for one in counts)
    where = f", in {places:,} places" if places > things.total() else ""
    are, them = ("is", "it") if things.total() == 1 else ("are", "them")
    return f"{what} of severity {_listed(levels)} {are} left in it{where}; `--level {levels[-1]}` removes {them}"


def _noun(rule: str) -> tuple[str, str]:
    return _SECRET if rule.startswith("secrets.") else _NOUNS.get(rule, _OTHER)


def _listed(words: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))
