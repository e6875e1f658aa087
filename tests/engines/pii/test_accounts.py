"""IBANs of every country that has them: found as they are printed, and only as a whole."""

from __future__ import annotations

import random
import re
import string

import pyarrow as pa
import pytest
from stdnum import iban, numdb

from tests.engines.pii.helpers import ENGINE, found
from veritensor_ray.core.config import Limits
from veritensor_ray.core.segments import Block, Identity, to_batch
from veritensor_ray.masking.iban_form import IBAN_COUNTRIES
from veritensor_ray.testing import text_batch

KINDS = {"n": string.digits, "a": string.ascii_uppercase, "c": string.digits + string.ascii_uppercase}
REGISTRY = {country: entry["bban"] for _, country, _, entry, _ in numdb.get("iban").prefixes}


def made(country: str, chance: random.Random) -> str:
    parts = re.findall(r"(\d+)!([nac])", REGISTRY[country])
    account = "".join(chance.choice(KINDS[kind]) for length, kind in parts for _ in range(int(length)))
    return f"{country}{iban.calc_check_digits(f'{country}00{account}')}{account}"


def printed(plain: str) -> list[str]:
    groups = str(iban.format(plain))
    return [groups, groups.lower(), groups.replace(" ", "-"), plain]


def told(batch: pa.RecordBatch, texts: list[str]) -> list[str]:
    return [texts[hit.row or 0][hit.start : hit.end] for hit in ENGINE.scan_text(batch) if hit.rule == "pii.iban"]


def test_every_country_of_the_registry_is_known() -> None:
    assert sorted(IBAN_COUNTRIES) == sorted(REGISTRY)


@pytest.mark.parametrize("country", sorted(REGISTRY))
def test_an_iban_is_found_however_it_is_printed(country: str) -> None:
    chance = random.Random(country)
    written = [form for plain in (made(country, chance) for _ in range(5)) for form in printed(plain)]
    texts = [text for form in written for text in (f"Please pay to {form}, thank you.", f"name,iban\nAnna,{form}\n")]
    prose = text_batch(texts)
    cells = to_batch(Block(written, column="iban"), Identity(0, "t.csv", "text/csv"), Limits())
    assert told(prose, texts) == [form for form in written for _ in range(2)]
    assert told(cells, written) == written


@pytest.mark.parametrize(
    "text",
    [
        "GB33 BUKB 2020 1555 5555 56",  # the remainder is wrong
        "GB33 BUKB 2020 1555 5555 555",
        "xGB33 BUKB 2020 1555 5555 55",
        "/GB33BUKB20201555555555",
        "Gb33 bukb 2020 1555 5555 55",
        "GB33 BUKB 2020\n1555 5555 55",
        "GB3",
    ],
)
def test_what_only_resembles_an_iban(text: str) -> None:
    assert [one for one in found(text) if one[0] == "iban"] == []
