"""Values that are well formed but nobody's are not findings, or have severity info; values beside them still are."""

from __future__ import annotations

import pytest

from tests.cases import each
from tests.engines.pii.helpers import ENGINE, found
from veritensor_ray.engines.pii.reserved import TEST_ISSUERS, account_of_no_bank, bank_part, phone_of_no_plan, published_card
from veritensor_ray.masking.iban_form import IBAN_COUNTRIES
from veritensor_ray.testing import text_batch


@each(
    ("text", "is_one"),
    [
        ("+49 000 1234567", True),
        ("+49 (0)000 1234567", True),
        ("(+49) 000 123456", True),
        ("0049 000 123456", True),
        ("+1-000-555-0123", True),
        ("(000) 123-4567", True),
        ("0000 123456", True),
        ("+44 1000 123456", False),  # +441 is not a country code
        ("+49 30 0001234", False),
        ("030 0001234", False),
        ("0030 21 0123 4567", False),
        ("+390001234567", True),
        ("0", False),
        ("000", False),
    ],
)
def test_a_phone_number_in_no_plan(text: str, is_one: bool) -> None:
    assert phone_of_no_plan(text) is is_one


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("DE91000000009574510304", True),
        ("GB94XXXX60161331926819", True),
        ("IT18U0000007496712482260761", True),  # a check character precedes the bank
        ("DE89370400440532013000", False),
        ("GB29NWBK60161331926819", False),
        ("BE72000000001616", False),  # a bank has this code
        ("XX00", False),
    ],
)
def test_an_account_of_no_bank(text: str, is_one: bool) -> None:
    assert account_of_no_bank(text) is is_one


def test_every_country_but_one_has_a_bank_code_that_no_bank_has() -> None:
    assert [country for country in IBAN_COUNTRIES if bank_part(country) is None] == ["BE"]


@pytest.mark.parametrize("issuer", TEST_ISSUERS.values())
def test_a_card_of_an_issuer_for_tests(issuer: str) -> None:
    assert published_card(issuer + "0" * 10)
    assert not published_card("4532015112830366")


@pytest.mark.parametrize(
    ("text", "severity", "why"),
    [
        ("card 4242 4206 5859 1276 exp 12/27", "info", "published test number"),
        ("IBAN DE91 0000 0000 9574 5103 04", "info", "IBAN of no bank"),
        ("IBAN DE89 3704 0044 0532 0130 00", None, "IBAN"),
    ],
)
def test_what_is_nobodys_counts_little(text: str, severity: str | None, why: str) -> None:
    [hit] = ENGINE.scan_text(text_batch([text]))
    assert (hit.severity, hit.message) == (severity, why)


@pytest.mark.parametrize(
    ("text", "findings"),
    [
        ("call (000) 123-4567", []),
        ("phone: +49 000 1234567 or +49 30 12345678", [("phone", "+49 30 12345678")]),
        ("phone: 1887-05-04", []),
        ("phone: [PHONE], order 98765432", []),
        ("phone: [NOTE] 030 1234567", [("phone", "030 1234567")]),
        ("[PHONE] 030 1234567", [("phone", "030 1234567")]),  # directly before a number, it may be a label
        ("[PHONE]: 030 1234567", [("phone", "030 1234567")]),
        ("born on [DATE], married on 4 May 2010", []),
        ("born on the 4 May 1987", [("date-of-birth", "4 May 1987")]),
    ],
)
def test_only_real_values_are_found(text: str, findings: list[tuple[str, str]]) -> None:
    assert found(text) == findings
