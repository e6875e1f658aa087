"""What has been given already, and what counts as new."""

from __future__ import annotations

import pytest

from veritensor_ray.formats.residue import known_text
from veritensor_ray.formats.residue.known_text import KnownText


@pytest.mark.parametrize(("text", "is_new"), [("one text", False), ("a part", False), ("another", True), ("one text\nhas a part", False)])
def test_parts_of_texts_are_known(text: str, is_new: bool) -> None:
    assert KnownText(["one text", "has a part of it", "one text"]).lacks(text) == is_new


def test_after_many_searches_only_whole_texts_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known_text, "_SEARCHED", 100)
    known = KnownText(["one text", "x" * 40])
    assert [known.lacks(text) for text in ("one text", "text", "new", "text", "one text")] == [False, False, True, True, False]
