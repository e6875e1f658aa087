"""The gap of text whose bytes do not fit its encoding."""

from __future__ import annotations

from collections.abc import Iterator

from veritensor_ray.core.segments import Gap


def undecoded(count: int, encoding: str, location: str | None = None) -> Iterator[Gap]:
    """Yield a gap for `count` characters that were replaced because they could not be decoded; nothing if there are none."""
    if count:
        yield Gap(f"characters that could not be decoded as {encoding}, replaced: {count}", location=location)
