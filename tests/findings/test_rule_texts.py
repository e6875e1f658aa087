"""The table of rules: what is written of a rule, and what is read of a table that anyone may have written."""

from __future__ import annotations

from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from tests.findings.building import rule
from tests.findings.outputs import finding, written
from veritensor_ray.core.detection import Rule
from veritensor_ray.core.errors import StoreError, UsageError
from veritensor_ray.findings.rule_texts import RuleText, rules_table, text_of, texts_in
from veritensor_ray.findings.schema import RULES

OWN = Rule(
    id="signatures.user-acme",
    title="Acme",
    description="Acme's marker.",
    category="malware",
    severity="low",
    remediation="Ask Acme.",
    taxonomy=("CWE-1",),
    references=("https://acme.example/why",),
    false_alarms="Quotations.",
    confidence=0.5,
)
TEXT = RuleText(
    "signatures.user-acme", "signatures", "Acme", "Acme's marker.", "malware", "low", "Ask Acme.", ("CWE-1",), ("https://acme.example/why",),
    "Quotations.", 0.5,
)  # fmt: skip
TOKEN = "ghp_" + "a1B2c3D4e5F6g7H8i9J0" * 2  # of nobody


def test_a_rule_is_read_as_it_was_written() -> None:
    assert text_of(OWN) == TEXT
    assert [one.name for one in fields(RuleText)] == RULES.names
    table = rules_table([rule("test.b"), OWN])
    assert table.schema.equals(RULES, check_metadata=True)
    assert table.column("rule_id").to_pylist() == ["signatures.user-acme", "test.b"]
    assert texts_in(table)[OWN.id] == TEXT


@pytest.mark.parametrize("field", ["title", "description", "remediation", "false_alarms"])
@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"found {TOKEN} in the wild", None),
        ("see https://user:hunter22@acme.example/", None),
        ("two\nlines \u202egnp", "two lines \\u202egnp"),
        ("x" * 20_000, None),
    ],
    ids=["token", "credentials", "invisible", "long"],
)
def test_texts_of_a_users_own_rule_are_as_safe_as_reasons(field: str, text: str, shown: str | None) -> None:
    changed: dict[str, Any] = {field: text}
    found = getattr(text_of(replace(OWN, **changed)), field)
    assert TOKEN not in found and "hunter22" not in found
    assert len(found) <= 10_000
    assert shown in (None, found)


def test_addresses_have_no_credentials() -> None:
    assert text_of(replace(OWN, references=("https://user:hunter22@acme.example/",))).references == (f"https://{'*' * 13}@acme.example/",)


def test_what_is_null_is_empty_and_a_later_version_may_know_more_categories() -> None:
    row: dict[str, Any] = dict.fromkeys(RULES.names) | {"rule_id": "new.rule", "engine": "new", "category": "quantum"}
    assert texts_in(pa.Table.from_pylist([row], RULES)) == {"new.rule": RuleText("new.rule", "new", category="quantum")}


@pytest.mark.parametrize(
    ("about", "why"),
    [
        ({"rule_id": None}, r"rule_id \(1\)"),
        ({"severity": "fatal"}, r"severity \(1\)"),
        ({"title": "x" * 10_001}, r"title \(1\)"),
        ({"references": (None,)}, r"references \(1\)"),
        ({"confidence": 2.0}, r"confidence \(1\)"),
    ],
)
def test_rules_that_no_audit_writes_are_refused(about: dict[str, Any], why: str, tmp_path: Path) -> None:
    results = written(tmp_path, [finding(1)], rules=[RuleText(**asdict(TEXT) | about)])
    with pytest.raises(StoreError, match=f"the table rules of .* has values that no audit writes: {why}"):
        results.check()


@pytest.mark.parametrize(("schema", "tables"), [("4", 4), ("3", 3), ("1", 3), (None, 3), ("9" * 5000, 3)])
def test_only_outputs_since_schema_4_have_the_table(schema: str | None, tables: int, tmp_path: Path) -> None:
    results = written(tmp_path, [finding(1)])
    results = replace(results, run={**results.run, "schema_version": schema})
    assert len(results.tables) == tables
    if tables == 3:
        with pytest.raises(UsageError, match="have no table 'rules', which came with schema 4; these have findings, ledger, rollup"):
            results.dataset("rules")
