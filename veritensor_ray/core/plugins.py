"""Finds what plug-ins bring: engines, formats and exports, named by entry points of installed packages and by the configuration."""

from __future__ import annotations

import functools
import importlib
import sys
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

from veritensor_ray.core.errors import UsageError
from veritensor_ray.core.safe_imports import Guard
from veritensor_ray.core.uris import real_bases

if TYPE_CHECKING:
    from veritensor_ray.core.config import Settings  # completion imports this module, and must not wait for it


class PluginRow:
    """A row of a registry, which a plug-in brings as an object. Engines are brought as classes."""

    __slots__ = ()


def installed(group: str) -> tuple[tuple[str, str], ...]:
    """Return the entry points of a group in the packages on the import path: their names, and `module:name`."""
    return _installed(group, tuple(sys.path))


@functools.lru_cache(maxsize=32)
def _installed(group: str, path: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """Looking for entry points reads a file of every installed package."""
    return tuple((point.name, point.value) for point in entry_points(group=group))


def named(settings: Settings) -> list[tuple[str, Any]]:
    """Return the plug-ins of the configuration: `module:name`, and what stands there. Raises UsageError."""
    find_folder(settings)
    return [(spec, imported(spec)) for spec in settings.plugins]


def rows(group: str, kind: type[Any], settings: Settings) -> list[tuple[str, Any]]:
    """Return the rows of a kind that plug-ins bring: `module:name`, and the row. Raises UsageError."""
    found = [(spec, imported(spec)) for _, spec in installed(group)]
    for spec, row in found:
        if not isinstance(row, kind):
            raise UsageError(f"the entry point {spec!r} of the group {group} is not a {kind.__name__}; correct or remove its package")
    return found + [(spec, row) for spec, row in named(settings) if isinstance(row, kind)]


def imported(spec: str, package: str | None = None) -> Any:
    """Return what `module:name` names. A module that begins with a dot is one of `package`. Raises UsageError, or ImportError for such a one."""
    module, _, name = spec.partition(":")
    if module.startswith("."):
        return getattr(importlib.import_module(module, package), name)
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise UsageError(
            f"plug-in {spec!r} cannot be imported: {error}. Install its package, or set plugin_folder to the folder of its module"
        ) from None


def find_folder(settings: Settings) -> None:
    """Append the folder of plug-ins to the import path. It stays there, because a plug-in may import more modules while it works.

    Raises UsageError for a folder inside the corpus: whoever wrote the corpus may have written the plug-ins too.
    """
    folder = settings.plugin_folder
    if folder is None:
        return
    if Guard(*real_bases(settings.sources)).within(folder):
        raise UsageError(
            f"plugin_folder {folder} is inside the corpus, and code from the corpus is never run. Move your plug-ins to another folder"
        )
    if folder not in sys.path:
        sys.path.append(folder)
