"""The rules that explain the findings of an output. This is the only place that knows how older outputs are explained."""

from __future__ import annotations

from collections.abc import Mapping

from veritensor_ray.core.config import Settings
from veritensor_ray.findings.rule_texts import RuleText, text_of, texts_in
from veritensor_ray.results.results import Results


def rules_in(results: Results, settings: Settings) -> Mapping[str, RuleText]:
    """Return the rules of these results by id, which they record since schema 4.

    Before, they are those that this version's engines have with these settings. A rule that they no longer have is missing.
    """
    if "rules" in results.tables:
        return texts_in(results.dataset("rules").to_table())
    from veritensor_ray.engines.registry import rules_of

    return {name: text_of(rule) for name, rule in rules_of(settings, results.run["engines"]).items()}
