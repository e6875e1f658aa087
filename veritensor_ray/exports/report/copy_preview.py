"""The preview of a cleaned copy: what a dry run would change, before and after, side by side for each kind of change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from veritensor_ray.cleaning.copy_manifest import MEANINGS
from veritensor_ray.cleaning.levers import lever
from veritensor_ray.core.wording import counted
from veritensor_ray.exports.report.documents import html_document

_WITHOUT_TEXT = {
    "quarantine": "The file is set aside.",
    "drop-file": "The file is left out.",
    "drop-row": "The row is left out.",
    "drop-cell": "The cell or value becomes empty.",
    "strip": "The text is removed.",
}
_NO_EXAMPLE = "No example of this kind was kept."


def preview(run: Mapping[str, Any], revealed: str | None = None) -> str:
    """Return a dry run as an HTML page. `revealed` is why the page shows values."""
    return html_document(
        "preview.html",
        run=run,
        revealed=revealed,
        policy_file=run["policy"]["file"] or "the defaults",
        results=[(name, count, MEANINGS[name]) for name, count in run["results"].items()],
        reasons=[{**one, "lever": lever(one.get("code"))} for one in run.get("reasons") or ()],
        kinds=[_kind(one, run) for one in run["actions"]],
    )


def _kind(action: Mapping[str, Any], run: Mapping[str, Any]) -> dict[str, Any]:
    """Return a rule and what is done about its findings, with the examples of it."""
    key = action["rule"], action["action"]
    examples = [_pieces(one) for one in run["samples"] if (one["rule"], one["action"]) == key]
    without = _WITHOUT_TEXT.get(action["action"], _NO_EXAMPLE)
    return {**action, "places": counted(action["count"], "place"), "examples": examples, "without": without}


def _pieces(sample: Mapping[str, Any]) -> dict[str, Sequence[str]]:
    """Return the texts before and after, each as what stands before, in and after the place of the change. Masked ones are in one piece."""
    return {name: sample.get(shown) or (sample[name], "", "") for name, shown in (("before", "was"), ("after", "became"))}
