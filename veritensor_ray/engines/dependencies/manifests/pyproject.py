"""Parses pyproject.toml (PEP 621, PEP 735, Poetry, PDM, uv, pixi) and Pipfile: hand-written Python manifests in TOML."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from veritensor_ray.engines.dependencies.advisory_model import Dependency, Index, Item, Unread
from veritensor_ray.engines.dependencies.manifests import pixi
from veritensor_ray.engines.dependencies.manifests.positions_of_names import placed
from veritensor_ray.engines.dependencies.manifests.requirements import requirement_line
from veritensor_ray.engines.dependencies.manifests.toml_tables import Pairs, addressed, as_table, constraints, load_toml


def parse(text: str) -> Iterator[Item]:
    """Yield the items of a pyproject.toml."""
    yield from placed(text, _pyproject(load_toml(text)))


def parse_pipfile(text: str) -> Iterator[Item]:
    """Yield the items of a Pipfile."""
    document = load_toml(text)
    yield from placed(text, _pipfile(document))


def _pyproject(document: dict[str, Any]) -> Pairs:
    project, tool = as_table(document.get("project")), as_table(document.get("tool"))
    yield from required(as_table(document.get("build-system")).get("requires"))
    yield from required(project.get("dependencies"))
    for group in (
        project.get("optional-dependencies"),
        document.get("dependency-groups"),
        as_table(tool.get("pdm")).get("dev-dependencies"),
    ):
        for requirements in as_table(group).values():
            yield from required(requirements)
    yield from _poetry(as_table(tool.get("poetry")))
    yield from _uv(as_table(tool.get("uv")))
    yield from _sources(as_table(tool.get("pdm")).get("source"), "[[tool.pdm.source]]", skip="pypi")
    yield from pixi.items(as_table(tool.get("pixi")))


def required(value: Any) -> Pairs:
    """Yield the items of a list of requirements as PEP 508 writes them, each with the word that shows its place."""
    for requirement in value if isinstance(value, list) else ():
        if isinstance(requirement, str):
            for item in requirement_line(requirement, 0, None):
                yield item.name if isinstance(item, Dependency) else requirement, item
        elif not (isinstance(requirement, dict) and set(requirement) == {"include-group"}):
            yield "", Unread("a requirement cannot be parsed")


def _poetry(poetry: dict[str, Any]) -> Pairs:
    tables = [poetry.get("dependencies"), poetry.get("dev-dependencies")]
    tables += [as_table(group).get("dependencies") for group in as_table(poetry.get("group")).values()]
    for table in tables:
        yield from constraints(table)
    yield from _sources(poetry.get("source"), "[[tool.poetry.source]]", skip="primary")


def _uv(uv: dict[str, Any]) -> Pairs:
    yield from required(uv.get("dev-dependencies"))
    extra = uv.get("extra-index-url")
    for url in extra if isinstance(extra, list) else ():
        if isinstance(url, str):
            yield "extra-index-url", Index("tool.uv.extra-index-url", url, 0, 0)
    indexes = [index for index in uv.get("index", ()) if isinstance(index, dict)] if isinstance(uv.get("index"), list) else []
    yield from _sources([one for one in indexes if not one.get("explicit") and not one.get("default")], "[[tool.uv.index]]")
    for name, source in as_table(uv.get("sources")).items():
        for one in source if isinstance(source, list) else [source]:
            yield from addressed(name, as_table(one))


def _pipfile(document: dict[str, Any]) -> Pairs:
    sources = document.get("source")
    yield from _sources(sources[1:] if isinstance(sources, list) else (), "[[source]]")
    for section, table in document.items():
        if section not in ("source", "requires", "scripts", "pipenv"):
            yield from constraints(table)


def _sources(value: Any, option: str, skip: str = "") -> Pairs:
    """Yield additional indexes. A single primary source of Poetry replaces the default index and poses no risk."""
    for source in value if isinstance(value, (list, tuple)) else ():
        url = as_table(source).get("url")
        if isinstance(url, str) and skip not in (source.get("priority"), source.get("name")) and source.get("priority") != "explicit":
            yield url, Index(option, url, 0, 0)
