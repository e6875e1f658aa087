"""Every reason code has a lever, the page about cleaning has the same words, and files get the code of what holds them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.cleaning.in_process import FAKE, InProcess, write
from tests.docs.blocks import ROOT
from veritensor_ray.cleaning.levers import LEVERS, lever
from veritensor_ray.core.errors import Encrypted
from veritensor_ray.core.reasons import CopyCode, ReasonCode
from veritensor_ray.formats.editing.actions import CannotRewriteError

POLICY = """
rules:
  - {path: "*quarantine*", rule: fake-local.findme, action: quarantine}
  - {path: "*drop*", rule: fake-local.findme, action: drop-file}
  - {rule: fake-local.findme, action: strip}
"""


def test_every_code_has_a_lever_and_no_other() -> None:
    assert {*LEVERS} == {*CopyCode, *ReasonCode}
    assert len({*CopyCode} & {*ReasonCode}) == 0
    assert lever(None) is lever("of-a-later-version") is None


def test_the_page_has_the_same_words() -> None:
    _, _, section = (ROOT / "docs/clean.md").read_text().partition("### What releases a file\n")
    told = re.findall(r"^\| `([a-z-]+)` \| (.*) \|$", section.partition("\n## ")[0], re.MULTILINE)
    assert told == [*LEVERS.items()]


@pytest.mark.parametrize(
    ("name", "content", "options", "result", "code"),
    [
        ("a.txt", "one FINDME two", {}, "cleaned", None),
        ("a.txt", "nothing", {}, "copied", None),
        ("quarantine.txt", "FINDME", {}, "quarantined", CopyCode.FINDING),
        ("drop.txt", "FINDME", {}, "dropped", CopyCode.FINDING),
        ("a.txt", "FINDME REFUSE-REWRITE", {}, "held", CopyCode.NO_EXACT_CHANGE),
        ("a.txt", "FINDME RAISE-REWRITE", {}, "held", ReasonCode.DAMAGED),
        ("a.bin", b"\0\1\2" * 40 + b"one FINDME two" + b"\0\1\2" * 40, {}, "held", ReasonCode.NO_READER),
        ("a.txt", "x" * 100, {"max_size": 10}, "left-out", ReasonCode.ABOVE_MAX_SIZE),
        ("a.txt", "FINDME RAISE-LOCAL", {}, "held", ReasonCode.ENGINE_FAILED),
    ],
)
def test_the_code_says_why(
    name: str, content: str | bytes, options: dict[str, object], result: str, code: str | None, tmp_path: Path
) -> None:
    write(tmp_path / "corpus", {name: content})
    run = InProcess(str(tmp_path / "corpus"), str(tmp_path / "dest"), POLICY, FAKE | options)
    run.scan().publish()
    row = run.manifest()[name]
    assert (row["result"], row["reason_code"]) == (result, code), row["reason"]


def test_an_error_has_the_code_of_what_it_was_raised_from() -> None:
    for cause, code in (
        (None, CopyCode.NO_EXACT_CHANGE),
        (ValueError("no code"), CopyCode.NO_EXACT_CHANGE),
        (CannotRewriteError("too big", ReasonCode.LIMIT), ReasonCode.LIMIT),
        (Encrypted("it is encrypted"), ReasonCode.ENCRYPTED),
    ):
        error = CannotRewriteError("a.zip: in it")
        error.__cause__ = cause
        assert error.reason_code == code
        assert CannotRewriteError("a.zip: in it", CopyCode.SIGNED).reason_code == CopyCode.SIGNED
