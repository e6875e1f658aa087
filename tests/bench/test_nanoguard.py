"""A tokenizer is read from its pickle without unpickling it, and a long text is read to its end."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from bench.nanoguard import arguments, windows

EXPECTED: dict[str, Any] = {
    "name": "small",
    "pat_str": r"\s+|\S+",
    "mergeable_ranks": {b"\x00": 0, b"a": 1, b"ab": 255, b"abc": 256, b"abcd": 70_000},
    "special_tokens": {"<|start|>": 70_001, "<|pad|>": 70_002},
}


class Encoding:
    """Like the class of tiktoken, except that it cannot be restored."""

    def __getstate__(self) -> dict[str, Any]:
        return EXPECTED

    def __setstate__(self, _: dict[str, Any]) -> None:
        raise AssertionError


def test_a_vocabulary_is_read_and_nothing_is_unpickled() -> None:
    assert arguments(pickle.dumps(Encoding(), protocol=4)) == EXPECTED


@pytest.mark.parametrize(
    ("tokens", "expected"),
    [([], [[]]), ([1, 2], [[1, 2]]), ([1, 2, 3], [[1, 2, 3]]), ([1, 2, 3, 4, 5, 6, 7], [[1, 2, 3], [4, 5, 6], [7]])],
)
def test_windows_cover_all_tokens_and_a_text_without_any_has_one(tokens: list[int], expected: list[list[int]]) -> None:
    assert list(windows(tokens, 3)) == expected
