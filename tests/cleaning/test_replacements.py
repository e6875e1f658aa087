"""What takes the place of a finding: the mask of its kind, at its length if asked, or a pseudonym. Masks are not findings."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from veritensor_ray.cleaning.replacements import Replacements, mask
from veritensor_ray.core.config import SEVERITIES, Settings
from veritensor_ray.engines.registry import create
from veritensor_ray.formats.editing.actions import Action
from veritensor_ray.formats.editing.marks import Mark
from veritensor_ray.testing import text_batch

REPLACE = Replacements(b"k" * 32)
ENGINES = create(Settings.model_validate({"pii": {"free_text": False}}), ["pii", "secrets", "signatures"])
RULES = {rule.id: rule for engine in ENGINES for rule in engine.rules()}


def mark(rule: str, text: str | None, **values: Any) -> Mark:
    given: dict[str, Any] = {
        **dict.fromkeys(("member", "part", "page", "row", "column", "decoded_via")),
        "view": "visible",
        "straight": True,
    }
    return Mark(rule, "medium", start=0, end=len(text or ""), text=text, **{**given, **values})


@pytest.mark.parametrize(
    ("rule", "length", "says"),
    [
        ("pii.email", None, "[EMAIL]"),
        ("pii.payment-card", None, "[PAYMENT_CARD]"),
        ("pii.date-of-birth", None, "[DATE]"),
        ("pii.custom-badge", None, "[REMOVED]"),
        ("secrets.aws-secret-key", None, "[AWS_SECRET_KEY]"),
        ("injection.prompt", None, "[REMOVED]"),
        ("signatures.override-instructions-en", None, "[REMOVED]"),
        ("pii.email", 12, "[EMAIL_____]"),
        ("pii.email", 7, "[EMAIL]"),
        ("pii.email", 5, "[EMA]"),
        ("pii.email", 2, "__"),
        ("pii.email", 0, ""),
    ],
)
def test_a_mask_names_the_kind_and_has_the_length(rule: str, length: int | None, says: str) -> None:
    assert mask(rule, length) == says


def test_long_masks_are_not_remembered() -> None:
    assert mask("pii.email", 100) is mask("pii.email", 100)
    assert mask("pii.email", 1 << 20) is not mask("pii.email", 1 << 20)


@pytest.mark.parametrize(
    ("found", "action", "keep_length", "original", "becomes"),
    [
        (mark("pii.phone", "030 1234567"), Action.MASK, False, "030 1234567", "[PHONE]"),
        (mark("pii.phone", "030 1234567"), Action.MASK, True, "030 1234567", "[PHONE____]"),
        (mark("pii.us-ssn", "536-22-8726"), Action.PSEUDONYM, False, "536-22-8726", "000-"),
        (mark("pii.passport", "C01X00T47"), Action.PSEUDONYM, False, "C01X00T47", "[PASSPORT]"),  # there is no pseudonym
        (mark("secrets.jwt", "eyJ"), Action.PSEUDONYM, False, "eyJ", "[JWT]"),
        (mark("pii.us-ssn", "536-22-8726", view="decoded", decoded_via="base64"), Action.PSEUDONYM, False, "NTM2LTIyLTg3MjY=", "[US_SSN]"),
        (mark("pii.us-ssn", "536-22-8726", decoded_via="gzip+utf-16-le"), Action.PSEUDONYM, False, "536-22-8726", "000-"),
        (mark("pii.us-ssn", "536-22-8726", straight=False), Action.PSEUDONYM, False, "536&#45;22&#45;8726", "000-"),
        (mark("pii.us-ssn", "536-22-8726"), Action.PSEUDONYM, False, "536-22-8726 and more", "[US_SSN]"),  # joined with another finding
        (mark("pii.us-ssn", None, straight=False, over_bytes=True), Action.PSEUDONYM, False, "536-22-8726", "[US_SSN]"),
    ],
)
def test_an_action_decides_what_takes_the_place(found: Mark, action: Action, keep_length: bool, original: str, becomes: str) -> None:
    result = REPLACE(found, action, keep_length, original)
    assert result == becomes if becomes.startswith("[") else result.startswith(becomes)


def test_they_travel_to_workers() -> None:
    found = mark("pii.person", "John Smith")
    copy = pickle.loads(pickle.dumps(REPLACE))  # noqa: S301
    assert copy(found, Action.PSEUDONYM, False, "John Smith") == REPLACE(found, Action.PSEUDONYM, False, "John Smith") != "John Smith"


SENTENCES = (
    "call {} today",
    "phone: {}, order 98765432",
    "born on {}, married on 4 May 2010",
    "password: {}",
    'api_key = "{}"',
    "curl -u admin:{} https://host/",
    "sshpass -p '{}' ssh host",
    "mysql -u root -p{} main",
    "Authorization: Bearer {}",
    "postgres://app:{}@db/main",
    "SSN {} passport 12 pages",
    "IBAN {} card {} exp 12/27",
)


@pytest.mark.parametrize("length", [None, 3, 8, 20, 64])
@pytest.mark.parametrize("rule", sorted(rule for rule in RULES if not rule.startswith("signatures.")))
def test_a_mask_is_not_a_finding_whatever_is_around_it(rule: str, length: int | None) -> None:
    texts = [sentence.replace("{}", mask(rule, length)) for sentence in SENTENCES]
    hits = [hit for engine in ENGINES for hit in engine.scan_text(text_batch(texts))]  # type: ignore[attr-defined]
    severe = [hit for hit in hits if SEVERITIES.index(hit.severity or RULES[hit.rule].severity) >= 2]
    assert [(hit.rule, texts[hit.row][hit.start : hit.end]) for hit in severe] == []
