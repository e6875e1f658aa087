"""The reference of rules: a page for each engine that has any, and one that lists them all."""

from __future__ import annotations

from functools import cache

from tools.site.markdown import GENERATED, code, table, text
from veritensor_ray.core.config import SEVERITIES, Settings
from veritensor_ray.core.detection import Rule
from veritensor_ray.engines.registry import BUILT_IN, create


@cache
def rules_by_engine() -> dict[str, tuple[Rule, ...]]:
    """The rules of every built-in engine that has rules; an engine is created for that, and no model is loaded."""
    found = {engine.name: tuple(engine.rules()) for engine in create(Settings(), BUILT_IN)}
    return {name: rules for name, rules in found.items() if rules}


def index_page() -> str:
    """The page that counts the rules of each engine and lists all of them."""
    every = rules_by_engine()
    counted = [
        (
            f"[{code(name)}]({name}.md)",
            str(len(rules)),
            *(str(sum(one.severity == level for one in rules) or "") for level in SEVERITIES[::-1]),
        )
        for name, rules in every.items()
    ]
    listed = [
        (f"[{code(one.id)}]({name}.md#{one.id})", one.severity, one.category, text(one.title))
        for name, rules in every.items()
        for one in rules
    ]
    return f"""# Rules

{GENERATED} `veritensor-ray rules` lists the same, and `veritensor-ray rules RULE` explains one.

The severity is that of the rule. Some engines grade a single finding differently, and a [policy](../../policy.md) can change it.

{table(("engine", "rules", *SEVERITIES[::-1]), counted)}
## All rules

{table(("rule", "severity", "category", "title"), listed)}"""


def rules_page(engine: str) -> str:
    """The page with the rules of an engine: what each one means and what to do about a finding."""
    rules = rules_by_engine()[engine]
    sections = "\n".join(map(_section, rules))
    return f"""---
hide: [toc]
---

# Rules of {code(engine)}

{GENERATED} [The page of the engine](../../engines/{engine}.md) explains how it works and what it misses.

{sections}"""


def _section(rule: Rule) -> str:
    parts = [
        f"## {code(rule.id)} {{#{rule.id}}}",
        f"**{text(rule.title)}** · {rule.severity} · {rule.category}",
        text(rule.description),
        f"**What to do:** {text(rule.remediation)}",
    ]
    if rule.false_alarms:
        parts.append(f"**Known false positives:** {text(rule.false_alarms)}")
    if rule.taxonomy:
        parts.append(f"**Taxonomy:** {', '.join(rule.taxonomy)}")
    if rule.references:
        parts.append("**References:** " + ", ".join(f"<{one}>" if one.startswith("http") else text(one) for one in rule.references))
    return "\n\n".join(parts) + "\n"
