"""The rules of a run, written beside its findings, so that results explain themselves wherever they are read.

It does not depend on any engine.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa

from veritensor_ray.core.detection import Rule
from veritensor_ray.findings.schema import RULES
from veritensor_ray.findings.table_files import TableWriter
from veritensor_ray.masking.redaction import reason_safe
from veritensor_ray.stores.outputs import OutputStore

LONGEST = 10_000  # characters of a text, which may come from a user's own rule; the check of results refuses longer ones


@dataclass(frozen=True, slots=True)
class RuleText:
    """What a rule means. The fields are the columns of the table `rules`.

    It accepts anything, unlike `Rule`: a later version may have written it, with categories that this one does not know.
    """

    rule_id: str
    engine: str
    title: str = ""
    description: str = ""
    category: str = ""
    severity: str = ""
    remediation: str = ""
    taxonomy: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    false_alarms: str = ""
    confidence: float = 0.0


def text_of(rule: Rule) -> RuleText:
    """Return what results show of a rule. Secrets in a user's own rules are masked as they are in reasons."""
    return RuleText(
        rule_id=rule.id,
        engine=rule.id.partition(".")[0],
        title=_shown(rule.title),
        description=_shown(rule.description),
        category=rule.category,
        severity=rule.severity,
        remediation=_shown(rule.remediation),
        taxonomy=tuple(map(_shown, rule.taxonomy)),
        references=tuple(map(_shown, rule.references)),
        false_alarms=_shown(rule.false_alarms),
        confidence=rule.confidence,
    )


def _shown(text: str) -> str:
    return reason_safe(text)[:LONGEST]


def rules_table(rules: Iterable[Rule]) -> pa.Table:
    """Return the rows of the table `rules`, by id."""
    return pa.Table.from_pylist([asdict(text_of(rule)) for rule in sorted(rules, key=lambda rule: rule.id)], RULES)


def write_rules(results: OutputStore, rules: Iterable[Rule]) -> None:
    """Write the table `rules`. It replaces an earlier one, and is always a single file."""
    with contextlib.closing(TableWriter(results, "rules", RULES)) as table:
        table.write(rules_table(rules))


def texts_in(table: pa.Table) -> dict[str, RuleText]:
    """Return the rules of such a table by id. What is null is empty."""
    return {
        row["rule_id"]: RuleText(**{name: _field(value) for name, value in row.items() if value is not None}) for row in table.to_pylist()
    }


def _field(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
