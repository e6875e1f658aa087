"""Recognizes manifests by their name and chooses their parser."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from veritensor_ray.engines.base import FileInfo
from veritensor_ray.engines.dependencies.advisory_model import Item
from veritensor_ray.engines.dependencies.manifests import (
    conda,
    javascript,
    javascript_locks,
    json_locks,
    line_locks,
    locks,
    pyproject,
    requirements,
    setup_files,
    shell,
    xml_manifests,
)

Parser = Callable[[str], Iterator[Item]]

_NAMED: tuple[tuple[re.Pattern[str], Parser], ...] = tuple(
    (re.compile(pattern + r"\Z", re.IGNORECASE), parser)
    for pattern, parser in (
        (r"(?:.*[-_.])?(?:requirements?|constraints?)(?:[-_.].*)?\.(?:txt|in|pip)", requirements.parse),
        (r"pyproject\.toml", pyproject.parse),
        (r"setup\.cfg", setup_files.parse_cfg),
        (r"setup\.py", setup_files.parse_setup),
        (r"pipfile", pyproject.parse_pipfile),
        (r"pipfile\.lock", locks.parse_pipfile_lock),
        (r"(?:poetry|uv|pdm)\.lock|pylock(?:\.[^.]+)?\.toml", locks.parse_toml),
        (r"environment(?:[-_.].*)?\.ya?ml|(?:.*[-_.])?(?:conda|environment)\.ya?ml", conda.parse),
        (r"package\.json", javascript.parse_package),
        (r"(?:package-lock|npm-shrinkwrap)\.json", javascript.parse_lock),
        (r"yarn\.lock", javascript_locks.parse_yarn),
        (r"pnpm-lock\.ya?ml", javascript_locks.parse_pnpm),
        (r"cargo\.lock", locks.parse_cargo_lock),
        (r"go\.mod", line_locks.parse_go_mod),
        (r"go\.sum", line_locks.parse_go_sum),
        (r"gemfile\.lock|gems\.locked", line_locks.parse_gemfile_lock),
        (r"composer\.lock", json_locks.parse_composer),
        (r"packages\.lock\.json", json_locks.parse_nuget),
        (r"(?:buildscript-)?gradle\.lockfile", line_locks.parse_gradle_lock),
        (r"pom\.xml|.*\.pom", xml_manifests.parse_pom),
        (r"(?:.*\.)?(?:dockerfile|containerfile)(?:\..*)?|.*\.(?:sh|bash)", shell.parse),
    )
)
_ANY = re.compile(
    f"(?:{'|'.join(pattern.pattern for pattern, _ in _NAMED)})", re.IGNORECASE
)  # one quick test, since few files are manifests
_FOLDER = re.compile(r"(?:^|[/!])requirements/[^/]+\.(?:txt|in)\Z", re.IGNORECASE)  # requirements/dev.txt


def parser_for(about: FileInfo) -> Parser | None:
    """Return the parser of a manifest, or None for any other file."""
    if _FOLDER.search(about.member or about.path):
        return requirements.parse
    return named(about.name)


def named(name: str) -> Parser | None:
    """Return the parser for the last component of a path alone, or None."""
    if not _ANY.match(name):
        return None
    return next((parser for pattern, parser in _NAMED if pattern.match(name)), None)
