"""Lists the engines: built in, from entry points and from the configuration. A new built-in engine needs one line here."""

from __future__ import annotations

import functools
import importlib
import sys
from collections.abc import Callable, Iterable, Sequence
from importlib.metadata import entry_points
from typing import Any, cast

from veritensor_ray.core.config import Settings
from veritensor_ray.core.errors import UsageError
from veritensor_ray.core.safe_imports import Guard
from veritensor_ray.core.uris import real_bases
from veritensor_ray.core.wording import nearest
from veritensor_ray.engines.base import Engine, Rule

BUILT_IN = {
    "signatures": "veritensor_ray.engines.signatures:Signatures",
    "structure": "veritensor_ray.engines.structure:Structure",
    "injection": "veritensor_ray.engines.injection:Injection",
    "pii": "veritensor_ray.engines.pii:Pii",
    "ocr": "veritensor_ray.engines.ocr:Ocr",
    "dependencies": "veritensor_ray.engines.dependencies:Dependencies",
    "secrets": "veritensor_ray.engines.secrets:Secrets",
    "modelfiles": "veritensor_ray.engines.modelfiles:ModelFiles",
    "indicators": "veritensor_ray.engines.indicators:IndicatorEngine",  # last: by then the others have read the file whose digest it needs
}
ENTRY_POINTS = "veritensor_ray.engines"


def available(settings: Settings) -> dict[str, str]:
    """Map the name of every engine that can be selected to its `module:Class`."""
    found = dict(BUILT_IN)
    for name, value in _installed(tuple(sys.path)):
        found.setdefault(name, value)
    _find_plugins(settings)
    for plugin in settings.plugins:
        engine: Any = _class(plugin, settings)
        found.setdefault(engine.name, plugin)
    return found


@functools.lru_cache(maxsize=8)
def _installed(path: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """Return the engines of the packages on the import path. Looking for them reads a file of every installed package."""
    return tuple((point.name, point.value) for point in entry_points(group=ENTRY_POINTS))


def selected(settings: Settings) -> list[str]:
    """Return the engines of a run, in the registry's order. Raises UsageError for an unknown name."""
    known = available(settings)
    for name in settings.engines or ():
        if name not in known:
            near = nearest(name, known)
            hint = f"; did you mean {near}?" if near else f"; the available engines are: {', '.join(known)}"
            raise UsageError(f"unknown engine {name!r}{hint}")
    return [name for name in known if settings.engines is None or name in settings.engines]


def create(settings: Settings, names: Iterable[str]) -> list[Engine]:
    """Create the named engines without loading them."""
    known = available(settings)
    return [_class(known[name], settings)(settings) for name in names]


def rules_of(settings: Settings, engines: Iterable[str]) -> dict[str, Rule]:
    """Return the rules of these engines by id, to explain findings. An engine that is not installed here has none."""
    here = available(settings)
    return {rule.id: rule for engine in create(settings, [name for name in here if name in set(engines)]) for rule in engine.rules()}


def _class(spec: str, settings: Settings) -> Callable[[Settings], Engine]:
    module, _, name = spec.partition(":")
    try:
        return cast("Callable[[Settings], Engine]", getattr(importlib.import_module(module), name))
    except (ImportError, AttributeError) as error:
        raise UsageError(
            f"engine {spec!r} cannot be imported: {error}. Install its package, or set plugin_folder to the folder of its module"
        ) from None


def _find_plugins(settings: Settings) -> None:
    """Append the plugin folder to the import path. It stays there, because a plugin may import more modules while it works.

    Raises UsageError for a folder inside the corpus: whoever wrote the corpus may have written the plugins too.
    """
    folder = settings.plugin_folder
    if folder is None:
        return
    if Guard(*real_bases(settings.sources)).within(folder):
        raise UsageError(
            f"plugin_folder {folder} is inside the corpus, and code from the corpus is never run. Move your plugins to another folder"
        )
    if folder not in sys.path:
        sys.path.append(folder)


def needing_models(engines: Sequence[Engine]) -> list[str]:
    """Return the names of the engines that run in model actors."""
    return [engine.name for engine in engines if engine.needs.model is not None]
