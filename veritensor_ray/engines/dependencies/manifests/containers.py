"""Parses what names container images and actions: Dockerfiles, compose files, Kubernetes manifests and the workflows of CI systems."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import chain
from typing import Any

from veritensor_ray.core import bounds
from veritensor_ray.engines.dependencies.advisory_model import Item, Unread
from veritensor_ray.engines.dependencies.manifests import shell
from veritensor_ray.engines.dependencies.manifests.image_references import action, image
from veritensor_ray.engines.dependencies.manifests.positions_of_names import placed
from veritensor_ray.engines.dependencies.manifests.yaml_documents import documents

_ITEMS = bounds.CONDA_ITEMS
_CONTINUED = r"\\[ \t]*+\r?\n(?:[ \t]*+#[^\n]*+\n)*+"  # a backslash continues a line, after any comments
_GAP = rf"(?:[ \t]++|{_CONTINUED})++"
_GAP_OR_NONE = rf"(?:{_GAP})?+"
_FROM = re.compile(
    rf"^[ \t]*FROM{_GAP}(?:--platform=[^\s\\]+{_GAP})?(?P<image>[^\s\\]+)(?:{_GAP}AS{_GAP}(?P<stage>[^\s\\]+))?",
    re.IGNORECASE | re.MULTILINE,
)
# The flags of an instruction come before all else. A continued line may also begin in the middle of one.
_FLAGS = re.compile(rf"^[ \t]*(?:COPY|ADD|RUN)((?:{_GAP}--(?:[^\s\\]|{_CONTINUED}|\\(?!\s))++)++)", re.IGNORECASE | re.MULTILINE)
_COPIED = re.compile(rf"(?:--from=|[=,]{_GAP_OR_NONE}\"?from=)\"?(?P<image>[^\s,\"\\]+)", re.IGNORECASE)
_ARG = re.compile(r"^[ \t]*ARG[ \t]+(\w+)=[\"']?([^\s\"']{1,200})", re.IGNORECASE | re.MULTILINE)
_FILLED = re.compile(r"\$(?:(\w+)|\{(\w+)(?::-([^}]*))?\})")
_USED = re.compile(r"""uses:[ \t]*["']?([\w./-]+@[0-9a-f]{40})["']?[ \t]+#[ \t]*(?:tag=)?(v?\d[\w.-]{0,60})""")
_TEMPLATE = re.compile(r"\{\{-?\s*(?:\.|if|include|range|with|template|toYaml|define|end)")
_LONGEST = 1_000
_DEPTH = 3  # of arguments that are made of others
Pairs = Iterator[tuple[str, Item]]


def parse_dockerfile(text: str) -> Iterator[Item]:
    """Yield the images that a Dockerfile builds on or copies from, and the packages that its commands install."""
    values = {found[1]: found[2] for found in _ARG.finditer(text)}
    stages = {found["stage"].lower() for found in _FROM.finditer(text) if found["stage"]}
    copied = (found for flags in _FLAGS.finditer(text) for found in _COPIED.finditer(text, *flags.span(1)))
    for found in chain(_FROM.finditer(text), copied):
        written = found["image"].strip("\"'")
        name = written[:_LONGEST]
        for _ in range(_DEPTH):
            name = _FILLED.sub(lambda part: values.get(part[1] or part[2], part[3] or part[0]), name)[:_LONGEST]
        item = None if written.lower() in stages or written.isdigit() else image(name)
        if item is not None:
            yield replace(item, start=found.start("image"), end=found.end("image"))
    yield from shell.parse(text)


def parse_compose(text: str) -> Iterator[Item]:
    """Yield the images of the services of a compose file, but not the names of those that it builds."""
    services = [one["services"] for one in _mappings(text) if isinstance(one.get("services"), dict)]
    yield from placed(text, (pair for one in services for pair in _images(one)))


def parse_kubernetes(text: str) -> Iterator[Item]:
    """Yield the images in the objects of a Kubernetes manifest. A template of Helm is a part that could not be read."""
    if _TEMPLATE.search(text):
        yield Unread("it is a template, and templates are not filled in")
        return
    if "apiVersion" in text and "image" in text:
        objects = [one for one in _mappings(text) if "apiVersion" in one and "kind" in one]
        yield from placed(text, (pair for one in objects for pair in _images(one)))


def parse_workflow(text: str) -> Iterator[Item]:
    """Yield the images and actions of a CI configuration."""
    comments = dict(_USED.findall(text))
    yield from placed(text, (pair for one in _mappings(text) for pair in _images(one, comments)))


def _mappings(text: str) -> list[dict[str, Any]]:
    return [one for one in documents(text) if isinstance(one, dict)]


def _images(root: Any, comments: Mapping[str, str] | None = None) -> Pairs:
    """Walk a document in its order, without recursion and only so far, since aliases may repeat its parts endlessly."""
    stack, left = [root], _ITEMS
    while stack:
        node = stack.pop()
        left -= 1
        if left < 0:
            yield "", Unread(f"entries after the first {_ITEMS} were not read")
            return
        if isinstance(node, dict):
            yield from _named(node, comments)
            stack += reversed(node.values())
        elif isinstance(node, list):
            stack += reversed(node)


def _named(node: dict[str, Any], comments: Mapping[str, str] | None) -> Pairs:
    found = [] if "build" in node else [node.get("image")]
    if comments is not None:  # GitLab knows `image: {name: …}` and lists of services, GitHub knows `container: …` and `uses: …`
        inner, services, used = node.get("image"), node.get("services"), node.get("uses")
        found += [inner.get("name")] if isinstance(inner, dict) else []
        found += [node.get("container") if "runs-on" in node else None, *(services if isinstance(services, list) else ())]
        if isinstance(used, str) and used.startswith("docker://"):
            found.append(used)
        elif isinstance(used, str) and (item := action(used, comments.get(used, ""))) is not None:
            yield used, item
    for one in found:
        if isinstance(one, str) and (known := image(one.removeprefix("docker://"))) is not None:
            yield one, known
