"""Orders versions by PEP 440 and Semantic Versioning, and gives equal versions one spelling."""

from __future__ import annotations

import functools
import re
from typing import Any

from packaging.version import Version

from veritensor_ray.engines.dependencies.advisory_model import NPM

LONGEST = 256  # characters; a longer text is not a version
_SEMVER = re.compile(
    r"[v=\s]*(\d{1,16})(?:\.(\d{1,16}))?(?:\.(\d{1,16}))?(?:-([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?(?:\+[0-9A-Za-z.-]*)?\s*\Z"
)


@functools.lru_cache(maxsize=65_536)
def order(ecosystem: str, text: str) -> Any:
    """Return a key that sorts versions of one ecosystem, or None for an invalid version. Local parts (`+cu118`) are ignored."""
    if len(text) > LONGEST:
        return None
    if ecosystem == NPM:
        return _semver(text)
    try:
        version = Version(text.partition("+")[0])
    except ValueError:  # InvalidVersion, or a number too long for Python
        return None
    return version


def _semver(text: str) -> tuple[Any, ...] | None:
    match = _SEMVER.match(text)
    if match is None:
        return None
    numbers = tuple(int(part or 0) for part in match.group(1, 2, 3))
    if match[4] is None:
        return *numbers, 1
    return *numbers, 0, tuple((0, int(part), "") if part.isdigit() and len(part) < 17 else (1, 0, part) for part in match[4].split("."))


def canonical(ecosystem: str, text: str) -> str:
    """Return one spelling for equal versions, such as `1.0` and `1.0.0` of Python. An invalid version stays unchanged."""
    key = order(ecosystem, text)
    if key is None:
        return text.strip()
    if ecosystem == NPM:
        return text.strip(" v=").partition("+")[0]
    return _spelled(key)


def _spelled(version: Version) -> str:
    release = list(version.release)
    while len(release) > 1 and release[-1] == 0:
        release.pop()
    pre = f"{version.pre[0]}{version.pre[1]}" if version.pre else ""
    post = f".post{version.post}" if version.post is not None else ""
    dev = f".dev{version.dev}" if version.dev is not None else ""
    return f"{version.epoch}!{'.'.join(map(str, release))}{pre}{post}{dev}"
