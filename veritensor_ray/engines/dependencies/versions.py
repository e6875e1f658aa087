"""Orders versions by the rules of their ecosystem, and gives equal versions one spelling."""

from __future__ import annotations

import functools
from typing import Any

from packaging.version import Version

from veritensor_ray.engines.dependencies.advisory_model import NPM
from veritensor_ray.engines.dependencies.version_orders import ORDERS

LONGEST = 256  # characters; a longer text is not a version


@functools.lru_cache(maxsize=65_536)
def order(ecosystem: str, text: str) -> Any:
    """Return a key that sorts versions of one ecosystem, or None for an invalid version. Local parts (`+cu118`) are ignored."""
    return ORDERS[ecosystem](text) if len(text) <= LONGEST else None


def canonical(ecosystem: str, text: str) -> str:
    """Return one spelling for equal versions, such as `1.0` and `1.0.0` of Python. An invalid version stays unchanged."""
    key = order(ecosystem, text)
    if key is None:
        return text.strip()
    if ecosystem == NPM:
        return text.strip(" v=").partition("+")[0]
    return _spelled(key) if isinstance(key, Version) else str(key)


def _spelled(version: Version) -> str:
    release = list(version.release)
    while len(release) > 1 and release[-1] == 0:
        release.pop()
    pre = f"{version.pre[0]}{version.pre[1]}" if version.pre else ""
    post = f".post{version.post}" if version.post is not None else ""
    dev = f".dev{version.dev}" if version.dev is not None else ""
    return f"{version.epoch}!{'.'.join(map(str, release))}{pre}{post}{dev}"
