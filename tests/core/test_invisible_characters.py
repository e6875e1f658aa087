"""The table is what Unicode's own properties say."""

from __future__ import annotations

import re
import unicodedata

import pytest

from veritensor_ray.core.invisible_characters import INVISIBLE

regex = pytest.importorskip("regex")  # it knows the properties of characters
_CHARACTER = re.compile(f"[{INVISIBLE}]")
_PROPERTIES = regex.compile(r"\p{Default_Ignorable_Code_Point}|\p{Noncharacter_Code_Point}|[\uFFF9-\uFFFB]")
_SEEN_OR_SEPARATING = "\0\t\n\v\f\r\x1c\x1d\x1e\x1f"


@pytest.mark.slow
def test_all_that_unicode_calls_ignorable_or_no_character() -> None:
    for code in range(0x110000):
        if not 0xD800 <= code < 0xE000 and unicodedata.category(chr(code)) != "Cc":
            assert (_CHARACTER.match(chr(code)) is None) == (_PROPERTIES.match(chr(code)) is None), hex(code)


@pytest.mark.parametrize("code", [*range(0x20), *range(0x7F, 0xA0)])
def test_controls_without_white_space_separators_and_letters_of_windows(code: int) -> None:
    if code < 0x80:
        assert (_CHARACTER.match(chr(code)) is None) == (chr(code) in _SEEN_OR_SEPARATING)
    else:
        try:
            bytes([code]).decode("cp1252")
        except UnicodeDecodeError:
            assert _CHARACTER.match(chr(code))
        else:
            assert not _CHARACTER.match(chr(code))
