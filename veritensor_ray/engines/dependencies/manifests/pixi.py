"""Parses pixi.toml: packages from conda's channels and from PyPI, of the workspace, its features, its targets and its package."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from veritensor_ray.engines.dependencies.advisory_model import CONDA, NAMES, Index, Item, Unread
from veritensor_ray.engines.dependencies.manifests.conda import conda_item
from veritensor_ray.engines.dependencies.manifests.positions_of_names import placed
from veritensor_ray.engines.dependencies.manifests.toml_tables import Pairs, as_table, constraints, load_toml

_CONDA = ("dependencies", "host-dependencies", "build-dependencies", "run-dependencies")
_LOCAL = "path"


def parse(text: str) -> Iterator[Item]:
    """Yield the items of a pixi.toml."""
    yield from placed(text, items(load_toml(text)))


def items(document: dict[str, Any]) -> Pairs:
    """Yield the items of a pixi.toml, or of the same tables in a pyproject.toml."""
    for part in (document, *as_table(document.get("feature")).values(), as_table(document.get("package"))):
        for one in (as_table(part), *map(as_table, as_table(as_table(part).get("target")).values())):
            for key in _CONDA:
                for name, value in as_table(one.get(key)).items():
                    yield from _conda(name, value)
            pypi = as_table(one.get("pypi-dependencies"))
            yield from constraints({name: value for name, value in pypi.items() if _LOCAL not in as_table(value)})
            yield from _indexes(as_table(one.get("pypi-options")))


def _conda(name: str, value: Any) -> Pairs:
    """Yield a package from a channel. What is built from a folder of the workspace itself is none."""
    version = as_table(value).get("version", "*") if isinstance(value, dict) else value
    if not NAMES[CONDA].match(name):
        yield name, Unread("the name of a package is not valid")
    elif _LOCAL not in as_table(value):
        yield conda_item(f"{name} {version}" if isinstance(version, str) and version != "*" else name)


def _indexes(options: dict[str, Any]) -> Pairs:
    extra = options.get("extra-index-urls")
    for url in extra if isinstance(extra, list) else ():
        if isinstance(url, str):
            yield url, Index("pypi-options.extra-index-urls", url, 0, 0)
