"""Identifiers from the configuration."""

from __future__ import annotations

from typing import Any

import pytest

from tests.engines.pii.helpers import engine, found
from veritensor_ray.core.config import load_settings
from veritensor_ray.core.errors import UsageError

STAFF = {"name": "staff-number", "pattern": r"\bP-\d{6}\b", "context": ["employee", "Personal"], "severity": "high"}


@pytest.mark.parametrize(
    ("custom", "text", "expected"),
    [
        (STAFF, "employee P-123456", [("custom-staff-number", "P-123456")]),
        (STAFF, "part P-123456", []),
        ({"name": "x", "pattern": r"\bP-\d{6}\b"}, "part P-123456", [("custom-x", "P-123456")]),
        ({"name": "x", "pattern": r"p-\d{6}", "ignore_case": True}, "P-123456", [("custom-x", "P-123456")]),
        ({"name": "x", "pattern": r"\b\d{8}\b", "validator": "luhn"}, "12345674 12345675", [("custom-x", "12345674")]),
        ({"name": "x", "pattern": r"\bZ\d\b"}, "a" * 4090 + " Z1 " + "a" * 5000 + " Z2", [("custom-x", "Z1"), ("custom-x", "Z2")]),
    ],
)
def test_finds(custom: dict[str, Any], text: str, expected: list[tuple[str, str]]) -> None:
    assert found(text, engine(custom=[custom])) == expected


def test_has_a_rule_with_its_severity() -> None:
    (rule,) = [rule for rule in engine(custom=[STAFF]).rules() if "custom" in rule.id]
    assert (rule.id, rule.severity, rule.category) == ("pii.custom-staff-number", "high", "pii")


@pytest.mark.parametrize(
    ("custom", "message"),
    [
        ([{"name": "x", "pattern": "("}], r"pii\.custom\.1\.pattern.*not a regular expression"),
        ([{"name": "x", "pattern": "a*"}], r"pii\.custom\.1\.pattern.*empty text"),
        ([{"name": "X!", "pattern": "a"}], r"pii\.custom\.1\.name"),
        ([{"name": "x", "pattern": "a"}, {"name": "x", "pattern": "b"}], r"pii\.custom\.2\.name: x occurs twice"),
        ([{"name": "x", "pattern": "(a+)+b"}], r"pii\.custom\.1\.pattern.*repetition inside another"),
        ([{"name": "x", "pattern": "a", "validator": "magic"}], r"pii\.custom\.1\.validator"),
    ],
)
def test_refuses(custom: list[dict[str, Any]], message: str) -> None:
    from veritensor_ray.engines.pii import Pii

    with pytest.raises(UsageError, match=message):
        Pii(load_settings(None, {"pii": {"custom": custom}}, {}))
