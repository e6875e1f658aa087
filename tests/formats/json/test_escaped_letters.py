"""Letters that stand as escapes in JSON are shown, and found where their escapes are."""

from __future__ import annotations

import json

import pytest

from veritensor_ray.formats.json.escaped_letters import with_letters

CASES = {
    '{"a": "J\\u00fcrgen"}': '{"a": "Jürgen"}',
    '["\\u3053\\u308c", "\\ud83d\\ude00"]': '["これ", "😀"]',
    ' "\\u00FC\\u0022\\u000a\\u0041"': ' "ü\\u0022\\u000a\\u0041"',
    '["\\\\u00fc", "\\\\\\u00fc"]': '["\\\\u00fc", "\\\\ü"]',
    '["\\ud83d", "\\ude00\\u00fc"]': '["\\ud83d", "\\ude00ü"]',
    '{"a": "\\u00f", "b": "\\u00e9"': '{"a": "\\u00f", "b": "é"',
}


@pytest.mark.parametrize(("text", "expected"), CASES.items())
def test_letters(text: str, expected: str) -> None:
    found = with_letters(text)
    assert found is not None and found.text == expected
    for at, letter in enumerate(found.text):
        start, end = found.original(at, at + 1)
        assert text[start:end] == letter or json.loads(f'"{text[start:end]}"') == letter


@pytest.mark.parametrize("text", ["", "plain \\u00fc", "{}", '["\\u0041\\u0000"]', "[" + "\\u00fc" * 200_000])
def test_other_texts_stay(text: str) -> None:
    assert with_letters(text) is None
