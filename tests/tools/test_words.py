"""Phrases that are rejected, and those that only look like them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.words import main, odd, prose


@pytest.mark.parametrize(
    ("text", "phrases"),
    [
        ("This file is no archive.", ["is no archive"]),
        ("Such gaps are no\nerrors.", ["are no errors"]),
        ("There is no archive; it is no longer there, and no more than two are no less so.", []),
        ("The run goes on with the rest.", ["goes on with"]),
        ("The policy is another one than before.", ["another one than"]),
        ("Every file but for the last is read.", ["but for the"]),
        ("The ledger tells what was read.", ["tells what"]),
        ("The function is told apart by its name.", []),
        ("It raises few false alarms.", ["false alarms"]),
        ("It knows no reader.", ["knows no"]),
    ],
)
def test_odd(text: str, phrases: list[str]) -> None:
    assert [phrase for _, phrase, _ in odd(text)] == phrases


def test_code_in_pages_and_short_strings_are_not_prose(tmp_path: Path) -> None:
    page, module = tmp_path / "page.md", tmp_path / "module.py"
    page.write_text("One.\n\n    it is no page\n\n```\nit is no page\n```\n\n`it is no page`, and it is no text.\n")
    module.write_text('"""It is no module."""\n\nx = "no x"  # it is no comment of ours\n')
    assert [line for begins, text in prose(page) for line, _, _ in odd(text)] == [9]
    assert [begins for begins, text in prose(module) if list(odd(text))] == [1]


def test_findings_fail(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "page.md"
    page.write_text("It reads well.\n")
    assert main([str(page)]) == 0
    page.write_text("It reads well.\nIt is no poem.\n")
    assert main([str(page)]) == 1
    assert capsys.readouterr().out == f"{page}:2: is no poem → is not a …\n"
