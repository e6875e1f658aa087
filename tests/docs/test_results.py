"""The page about results: its table of codes has those that there are."""

from __future__ import annotations

import re

from tests.docs.blocks import ROOT
from veritensor_ray.core.reasons import ReasonCode


def test_every_code_is_explained_in_order_and_no_other() -> None:
    _, _, section = (ROOT / "docs/results.md").read_text().partition("### Reason codes\n")
    told = [
        code for row in re.findall(r"^\| (`.*?) \|", section.partition("\n## ")[0], re.MULTILINE) for code in re.findall(r"`([\w-]+)`", row)
    ]
    assert told == [code.value for code in ReasonCode]


def test_codes_are_words_that_stay() -> None:
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", code) for code in ReasonCode)
