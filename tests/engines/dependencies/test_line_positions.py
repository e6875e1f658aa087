"""Offsets of lines and entries of hostile manifests, which are millions, take little memory."""

from __future__ import annotations

import tracemalloc

import pytest

from veritensor_ray.engines.dependencies.manifests import conda_locks, javascript_locks
from veritensor_ray.engines.dependencies.manifests.line_positions import LineNumbers


def test_lines_of_offsets() -> None:
    lines = LineNumbers("one\ntwo\n\nfour")
    assert [lines.of(at) for at in (0, 3, 4, 7, 8, 9, 12)] == [1, 1, 2, 2, 3, 4, 4]


@pytest.mark.parametrize(
    ("read", "text"),
    [
        (LineNumbers, "\n" * 20_000),
        (lambda text: next(javascript_locks.parse_yarn(text)), "a@1:\n" * 20_000),
        (lambda text: next(javascript_locks.parse_pnpm(text)), "lockfileVersion: 9\npackages:\n  odd:\n" + "a:\n" * 40_000),
        (lambda text: next(conda_locks.parse(text)), "package:\n" + "- a: b\n" * 20_000),
    ],
)
def test_what_is_held_is_a_few_bytes_for_each(read: object, text: str) -> None:
    tracemalloc.start()
    try:
        read(text)  # type: ignore[operator]
        assert tracemalloc.get_traced_memory()[1] < 6 * text.count("\n") + 500_000
    finally:
        tracemalloc.stop()
