"""Sorts the versions of one ecosystem: each function turns a version into a key, by the rules of that ecosystem's own package manager.

A key is a tuple that compares with every other key of the same function. Text that is not a version has no key.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from packaging.version import Version

from veritensor_ray.engines.dependencies.advisory_model import ACTIONS, COMPOSER, CRATES, GEMS, GO, MAVEN, NPM, NUGET, PYPI

Key = Any  # a tuple or a Version: every ecosystem has its own shape
_NUMBERS = r"[v=\s]*(\d{1,16})(?:\.(\d{1,16}))?(?:\.(\d{1,16}))?(?:\.(\d{1,16}))?"
_SEMVER = re.compile(_NUMBERS + r"(?:-([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?(?:\+[0-9A-Za-z.-]*)?\s*\Z", re.ASCII)
_COMPOSER = re.compile(
    _NUMBERS + r"(?:[._-]?(stable|beta|b|rc|alpha|a|patch|pl|p)[.-]?(\d{1,16})?(?:[.-](\d{1,16}))?)?([.-]?dev)?(?:\+[0-9a-z.-]*)?\s*\Z",
    re.ASCII,
)
_STAGES = {"alpha": 1, "a": 1, "beta": 2, "b": 2, "rc": 3, "stable": 4, "patch": 5, "pl": 5, "p": 5}
_GEM = re.compile(r"\s*[0-9]+(?:\.[0-9A-Za-z]+)*(?:-[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?\s*\Z", re.ASCII)
_GEM_PART = re.compile(r"[0-9]+|[a-z]+", re.IGNORECASE)
_MAVEN = re.compile(r"(?!(?:latest|release)\Z)[0-9a-z][\w.+~-]*\Z", re.ASCII)
_MAVEN_TOKEN = re.compile(r"([.-]?)(\d+|[^\d.-]+|)")
_MAVEN_SHORT = {"a": "alpha", "b": "beta", "m": "milestone"}  # only if a digit follows
_MAVEN_RANK = {"alpha": 0, "beta": 1, "milestone": 2, "rc": 3, "cr": 3, "snapshot": 4, "": 5, "ga": 5, "final": 5, "release": 5, "sp": 6}
_RELEASE = (0, 5, "")
_UNKNOWN = 7  # the rank of a word that Maven does not know: such words follow the release, and are sorted by letters


def pep440(text: str) -> Key | None:
    """Python: PEP 440 without the local part (`+cu118`)."""
    try:
        return Version(text.partition("+")[0])
    except ValueError:  # InvalidVersion, or a number too long for Python
        return None


def semver(text: str) -> Key | None:
    """npm, Cargo, Go and actions of GitHub: Semantic Versioning, where missing numbers are zero and the build is ignored."""
    match = _SEMVER.match(text)
    return None if match is None or match[4] else _semantic(match.group(1, 2, 3), match[5])


def nuget(text: str) -> Key | None:
    """NuGet: Semantic Versioning with a fourth number and without regard to case."""
    match = _SEMVER.match(text.lower())
    return None if match is None else _semantic(match.group(1, 2, 3, 4), match[5])


def _semantic(numbers: tuple[str | None, ...], before: str | None) -> Key:
    key = tuple(int(part or 0) for part in numbers)
    if before is None:
        return *key, 1
    return *key, 0, tuple((0, int(part), "") if part.isdigit() and len(part) < 17 else (1, 0, part) for part in before.split("."))


def composer(text: str) -> Key | None:
    """Composer: up to four numbers, then alpha, beta, RC, the release itself, and patches. A branch (`dev-main`) has no order."""
    match = _COMPOSER.match(text.lower())
    if match is None:
        return None
    numbers = tuple(int(part or 0) for part in match.group(1, 2, 3, 4))
    developing = match[8] is not None
    stage = _STAGES[match[5]] if match[5] else 0 if developing else _STAGES["stable"]
    return *numbers, stage, int(match[6] or 0), int(match[7] or 0), not developing


def gem(text: str) -> Key | None:
    """RubyGems: numbers and words, where a word makes a prerelease. A missing part is zero, so zeros before a word or the end do not count."""
    if not _GEM.match(text):
        return None
    parts: list[tuple[int, int, str]] = []
    for part in _GEM_PART.findall(text.replace("-", ".pre.")):
        if part.isdigit():
            parts.append((1, int(part), ""))
        else:
            _drop(parts, (1, 0, ""))
            parts.append((0, 0, part))
    _drop(parts, (1, 0, ""))
    return *parts, (1, 0, "")


def maven(text: str) -> Key | None:
    """Maven and Gradle: the order of Maven's ComparableVersion, in which a word sorts below `-number`, and that below `.number`."""
    lower = text.strip().lower()
    if not _MAVEN.match(lower):
        return None
    parts: list[tuple[int, int, str]] = []
    for separator, token, following in _maven_tokens(lower):
        dotted = token.isdigit() and separator == "."
        if not dotted:  # what stands for nothing before a hyphen or a word does not count
            _drop(parts, _RELEASE, (1, 0, ""), (2, 0, ""))
        parts.append((2 if dotted else 1, int(token), "") if token.isdigit() else _word(token, following))
    _drop(parts, _RELEASE, (1, 0, ""), (2, 0, ""))
    return *parts, _RELEASE


def _maven_tokens(text: str) -> list[tuple[str, str, str]]:
    """Return separator, token and next character of each token. A change between digits and letters separates like a hyphen."""
    found: list[tuple[str, str, str]] = []
    at = 0
    while at < len(text):
        match = _MAVEN_TOKEN.match(text, at)
        assert match is not None  # noqa: S101  # every part of the pattern may be empty
        at = match.end()
        separator = match[1] or ("-" if found else ".")
        found.append((separator, match[2] or "0", text[at : at + 1]))
    return found


def _word(token: str, following: str) -> tuple[int, int, str]:
    name = _MAVEN_SHORT.get(token, token) if following.isdigit() else token
    rank = _MAVEN_RANK.get(name, _UNKNOWN)
    return 0, rank, name if rank == _UNKNOWN else ""


def _drop(parts: list[tuple[int, int, str]], *nothing: tuple[int, int, str]) -> None:
    while parts and parts[-1] in nothing:
        parts.pop()


ORDERS: Mapping[str, Callable[[str], Key | None]] = {
    PYPI: pep440,
    NPM: semver,
    CRATES: semver,
    GO: semver,
    MAVEN: maven,
    GEMS: gem,
    NUGET: nuget,
    COMPOSER: composer,
    ACTIONS: semver,
}
