"""IBANs by their form, which masking hides and the engine `pii` examines: whatever groups them, and whatever stands around them."""

from __future__ import annotations

import pytest

from veritensor_ray.masking.iban_form import ibans
from veritensor_ray.masking.redaction import mask, name_safe

WRITTEN = (
    "GB33BUKB20201555555555",
    "GB33 BUKB 2020 1555 5555 55",
    "gb33 bukb 2020 1555 5555 55",
    "FR76 30006 00001 12345678901 89",
    "MT84-MALT-0110-0001-2345-MTLC-AST0-01S",
)


@pytest.mark.parametrize("written", WRITTEN)
@pytest.mark.parametrize(("before", "behind"), [("", ""), ("pay ", " TODAY AND NOT LATER"), ("NO12 ", "."), ("xx", "yy")])
def test_an_iban_is_hidden_in_texts_and_names(written: str, before: str, behind: str) -> None:
    text = before + written + behind
    assert (len(before), len(before) + len(written)) in ibans(text)
    assert written[6:] not in mask(text)
    assert written[6:] not in name_safe(f"{text}.txt")
    assert len(mask(text)) == len(text)


@pytest.mark.parametrize(
    "text", ["GB33 BUKB 2020 1555 5555 56", "Gb33 Bukb 2020 1555 5555 55", "GB33 BUKB 2020 1555", "se24 hours later we all went home", ""]
)
def test_what_only_resembles_an_iban(text: str) -> None:
    assert [*ibans(text)] == []
