"""Show a report for a framework: as Markdown, as one HTML file without scripts, or as JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict

from veritensor_ray.core.detection import unknown_value
from veritensor_ray.core.errors import UsageError
from veritensor_ray.core.wording import counted
from veritensor_ray.exports.described_findings import markdown_safe as safe
from veritensor_ray.exports.report.compliance.compliance_document import MEANINGS, ComplianceDocument, Item
from veritensor_ray.exports.report.documents import html_document

_RULES = 10  # listed for one item
_COMPLETE = "Every applicable engine has seen every byte of the corpus."


def render(document: ComplianceDocument, suffix: str) -> bytes:
    """Return a report as the content of a file with this suffix: .html, .md or .json. Raises UsageError for any other."""
    if suffix not in RENDERERS:
        raise UsageError(f"{unknown_value('the suffix', suffix, tuple(RENDERERS))}; name the file accordingly")
    return RENDERERS[suffix](document).encode()


def _markdown(document: ComplianceDocument) -> str:
    lines = [f"# {safe(document.title)}: evidence from an audit", "", f"**{safe(document.disclaimer)}**", ""]
    lines += ["## Not checked by this audit", "", *[f"- {safe(one)}" for one in document.missing or (_COMPLETE,)], ""]
    lines += [
        "## The audit",
        "",
        "| | |",
        "| --- | --- |",
        *[f"| {safe(name)} | {safe(value)} |" for name, value in document.about.items()],
        "",
    ]
    lines += [
        "## The framework",
        "",
        f"{safe(document.source)}. {safe(document.scope)}",
        "",
        "| status | items | meaning |",
        "| --- | --- | --- |",
    ]
    lines += [f"| {status} | {count} | {safe(MEANINGS[status])} |" for status, count in document.counts.items()]
    lines += ["", "## Items", ""]
    for item in document.items:
        lines += _section(item)
    return "\n".join(lines).rstrip() + "\n"


def _section(item: Item) -> list[str]:
    lines = [f"### {safe(item.id)}: {safe(item.title)}", "", f"**Status: {item.status}.** {safe(item.reason)}", ""]
    lines += [f"- {safe(one)}" for one in (*item.short, *item.facts)] + ([""] if item.short or item.facts else [])
    if item.rules:
        lines += ["| rule | worst severity | findings | files |", "| --- | --- | --- | --- |"]
        lines += [
            f"| {safe(row['rule_id'])} | {safe(row['severity'])} | {row['findings']:,} | {row['artifacts']:,} |"
            for row in item.rules[:_RULES]
        ]
        lines += ["", *([f"Not listed: {counted(len(item.rules) - _RULES, 'more rule')}.", ""] if len(item.rules) > _RULES else [])]
    return [*lines, f"Source: {safe(item.source)}", ""]


def _json(document: ComplianceDocument) -> str:
    return json.dumps(asdict(document) | {"counts": document.counts}, indent=2) + "\n"


def _html(document: ComplianceDocument) -> str:
    return html_document("compliance.html", document=document, meanings=MEANINGS, complete=_COMPLETE, most=_RULES)


RENDERERS: Mapping[str, Callable[[ComplianceDocument], str]] = {".html": _html, ".md": _markdown, ".json": _json}
