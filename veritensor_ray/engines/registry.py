"""The list of engines: built in, by entry point, by configuration. To add one, add a line here."""

from __future__ import annotations

import difflib
import importlib
import sys
from collections.abc import Callable, Iterable, Sequence
from importlib.metadata import entry_points
from typing import Any, cast

from veritensor_ray.config import Settings
from veritensor_ray.engines.base import Engine
from veritensor_ray.errors import UsageError
from veritensor_ray.imports import Guard
from veritensor_ray.uris import real_bases

BUILT_IN = {
    "signatures": "veritensor_ray.engines.signatures:Signatures",
    "structure": "veritensor_ray.engines.structure:Structure",
    "injection": "veritensor_ray.engines.injection:Injection",
    "pii": "veritensor_ray.engines.pii:Pii",
    "ocr": "veritensor_ray.engines.ocr:Ocr",
    "dependencies": "veritensor_ray.engines.dependencies:Dependencies",
    "secrets": "veritensor_ray.engines.secrets:Secrets",
    "modelfiles": "veritensor_ray.engines.modelfiles:ModelFiles",
    "indicators": "veritensor_ray.engines.indicators:IndicatorEngine",  # last: by then the others have read what it wants the digest of
}
ENTRY_POINTS = "veritensor_ray.engines"


def available(settings: Settings) -> dict[str, str]:
    """Name to `module:Class` of every engine that can be selected."""
    found = dict(BUILT_IN)
    for point in entry_points(group=ENTRY_POINTS):
        found.setdefault(point.name, point.value)
    _find_plugins(settings)
    for plugin in settings.plugins:
        engine: Any = _class(plugin, settings)
        found.setdefault(engine.name, plugin)
    return found


def selected(settings: Settings) -> list[str]:
    """The engines of a run, in the order of the registry. Raises UsageError for an unknown name."""
    known = available(settings)
    for name in settings.engines or ():
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"; did you mean {near[0]}?" if near else f"; there are: {', '.join(known)}"
            raise UsageError(f"unknown engine {name!r}{hint}")
    return [name for name in known if settings.engines is None or name in settings.engines]


def create(settings: Settings, names: Iterable[str]) -> list[Engine]:
    """Engines by name, not loaded yet."""
    known = available(settings)
    return [_class(known[name], settings)(settings) for name in names]


def _class(spec: str, settings: Settings) -> Callable[[Settings], Engine]:
    module, _, name = spec.partition(":")
    try:
        return cast("Callable[[Settings], Engine]", getattr(importlib.import_module(module), name))
    except (ImportError, AttributeError) as error:
        raise UsageError(
            f"engine {spec!r} cannot be imported: {error}. Install its package, or name the folder of its module with plugin_folder"
        ) from None


def _find_plugins(settings: Settings) -> None:
    """Put their folder on the import path, behind all others; it stays there, since a plug-in may import more when it works.

    Raises UsageError for a folder within the corpus: whoever wrote that may have written it.
    """
    folder = settings.plugin_folder
    if folder is None:
        return
    if Guard(*real_bases(settings.sources)).within(folder):
        raise UsageError(f"plugin_folder {folder} lies in the corpus, and nothing from there is run; move your plugins to another folder")
    if folder not in sys.path:
        sys.path.append(folder)


def needing_models(engines: Sequence[Engine]) -> list[str]:
    """Names of those that run in model actors."""
    return [engine.name for engine in engines if engine.needs.model is not None]
