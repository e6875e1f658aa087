"""Understands references to container images and to actions of GitHub. It reads no file."""

from __future__ import annotations

import re

from veritensor_ray.engines.dependencies.advisory_model import ACTIONS, IMAGE, NAMES, Dependency

_REFERENCE = re.compile(
    r"""
    (?P<name> (?:[A-Za-z0-9.-]+(?::\d{1,5})?/)? [a-z0-9]+ (?:[._/-]+[a-z0-9]+)* )
    (?::(?P<tag>[A-Za-z0-9_][\w.-]{0,127}))?
    (?:@(?P<digest>[a-z0-9]+:[0-9a-fA-F]{32,128}))?\Z
    """,
    re.VERBOSE,
)
_LONGEST = 400  # characters
_ACTION = re.compile(r"(?P<owner>[\w.-]+)/(?P<name>[\w.-]+)(?:/[^@\s]*)?@(?P<ref>[^\s@]{1,200})\Z")
_RELEASE = re.compile(r"v?(\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+)?)\Z")
_COMMIT = re.compile(r"[0-9a-f]{40}\Z")
_BRANCHES = frozenset({"main", "master", "develop", "dev", "trunk", "head", "latest"})


def image(text: str, at: int = 0) -> Dependency | None:
    """Return an image by its tag or digest. A name that is filled in elsewhere, and text that is not a reference, are None."""
    found = _REFERENCE.match(text) if len(text) <= _LONGEST else None
    if found is None or found["name"] == "scratch":
        return None
    return Dependency(IMAGE, found["name"], found["digest"] or found["tag"], at, at + len(text))


def action(text: str, comment: str = "") -> Dependency | None:
    """Return an action by its release, which may stand in a comment beside its commit. A folder of the repository itself is None."""
    found = _ACTION.match(text)
    name = f"{found['owner']}/{found['name']}" if found else ""
    if found is None or not NAMES[ACTIONS].match(name):
        return None
    release = _RELEASE.match(comment if _COMMIT.match(found["ref"]) else found["ref"])
    return Dependency(ACTIONS, name, release[1] if release else None, 0, 0, f"@{found['ref'][:100]}")


def changes(one: Dependency) -> str:
    """Return why a reference may mean something else tomorrow, or an empty text. Releases, and tags other than `latest`, are taken as fixed."""
    if one.ecosystem == IMAGE and one.version in (None, "latest"):
        return "has the tag `latest`" if one.version else "has neither a tag nor a digest"
    if one.ecosystem == ACTIONS and one.specifier[1:].lower() in _BRANCHES:
        return "is used from a branch"
    return ""
