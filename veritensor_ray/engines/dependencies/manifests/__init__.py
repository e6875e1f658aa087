"""Recognizes manifests by their name and chooses their parser."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from veritensor_ray.engines.base import FileInfo
from veritensor_ray.engines.dependencies.advisory_model import Item
from veritensor_ray.engines.dependencies.manifests import (
    conda,
    conda_locks,
    containers,
    javascript,
    javascript_locks,
    json_locks,
    line_locks,
    locks,
    pixi,
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
        (r"pixi\.toml", pixi.parse),
        (r"pipfile", pyproject.parse_pipfile),
        (r"pipfile\.lock", locks.parse_pipfile_lock),
        (r"(?:poetry|uv|pdm)\.lock|pylock(?:\.[^.]+)?\.toml", locks.parse_toml),
        (r"environment(?:[-_.].*)?\.ya?ml|(?:.*[-_.])?(?:conda|environment)\.ya?ml", conda.parse),
        (r"(?:meta|recipe)\.ya?ml", conda.parse_recipe),
        (r"(?:.*[-_.])?conda-lock\.ya?ml|pixi\.lock", conda_locks.parse),
        (r"package\.json", javascript.parse_package),
        (r"(?:package-lock|npm-shrinkwrap)\.json", javascript.parse_lock),
        (r"yarn\.lock", javascript_locks.parse_yarn),
        (r"pnpm-lock\.ya?ml", javascript_locks.parse_pnpm),
        (r"bun\.lockb?", javascript_locks.parse_bun),
        (r"cargo\.lock", locks.parse_cargo_lock),
        (r"go\.mod", line_locks.parse_go_mod),
        (r"go\.sum", line_locks.parse_go_sum),
        (r"gemfile\.lock|gems\.locked", line_locks.parse_gemfile_lock),
        (r"composer\.lock", json_locks.parse_composer),
        (r"packages\.lock\.json", json_locks.parse_nuget),
        (r"(?:buildscript-)?gradle\.lockfile", line_locks.parse_gradle_lock),
        (r"pom\.xml|.*\.pom", xml_manifests.parse_pom),
        (r"(?:.*\.)?(?:dockerfile|containerfile)(?:\..*)?", containers.parse_dockerfile),
        (r".*\.(?:sh|bash)", shell.parse),
        (r"(?:docker-|podman-)?compose(?:[-_.].*)?\.ya?ml", containers.parse_compose),
        (r"(?:.*[-_.])?(?:deployment|statefulset|daemonset|cronjob|pod)\.ya?ml", containers.parse_kubernetes),
        (r"action\.ya?ml|(?:.*[-_.])?gitlab-ci\.ya?ml|(?:azure|bitbucket)-pipelines\.ya?ml", containers.parse_workflow),
    )
)
_ANY = re.compile(
    f"(?:{'|'.join(pattern.pattern for pattern, _ in _NAMED)})", re.IGNORECASE
)  # one quick test, since few files are manifests
_BELOW: tuple[tuple[re.Pattern[str], Parser], ...] = tuple(
    (re.compile(rf"(?:^|[/!]){pattern}\Z", re.IGNORECASE), parser)
    for pattern, parser in (
        (r"requirements/[^/]+\.(?:txt|in)", requirements.parse),  # requirements/dev.txt
        (r"\.(?:github|gitea|forgejo)/workflows/[^/]+\.ya?ml|\.circleci/config\.ya?ml", containers.parse_workflow),
        (r"(?:k8s|kubernetes)/(?:[^/]+/)*[^/]+\.ya?ml", containers.parse_kubernetes),
    )
)
_LAST = re.compile(r"\.(?:txt|in|ya?ml)\Z", re.IGNORECASE)


def parser_for(about: FileInfo) -> Parser | None:
    """Return the parser of a manifest, or None for any other file."""
    path = about.member or about.path
    if _LAST.search(path):
        for pattern, parser in _BELOW:
            if pattern.search(path):
                return parser
    return named(about.name)


def named(name: str) -> Parser | None:
    """Return the parser for the last component of a path alone, or None."""
    if not _ANY.match(name):
        return None
    return next((parser for pattern, parser in _NAMED if pattern.match(name)), None)
