"""What an RTF file holds in places that no program shows."""

from __future__ import annotations

import pytest

from tests.cleaning.marked import rewritten

ADDRESS = "jane.doe@vault-mail.org"
FILE = r"{\rtf1\ansi Good morning%s\par}"


@pytest.mark.parametrize(
    "piece",
    [
        rf"{{\bin{len(ADDRESS)} {ADDRESS}}}",
        rf"{{\*\unheardof\bin{len(ADDRESS) + 2} " + "\x01\x80" + ADDRESS + "}",
        rf"{{\uc{len(ADDRESS)}\u65 {ADDRESS}}}",
    ],
)
def test_binary_data_and_alternatives_of_letters_are_searched(piece: str) -> None:
    assert {mark.view for mark in rewritten((FILE % piece).encode("latin-1"), "a.rtf").marks} == {"residue"}


def test_the_usual_alternative_is_no_text_of_its_own() -> None:
    assert rewritten((FILE % r"\u8217'jane\u8217?doe\uc2\u8217??").encode(), "a.rtf").marks == []
