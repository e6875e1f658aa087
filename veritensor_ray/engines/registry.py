"""Lists the engines: built in, from entry points and from the configuration. A new built-in engine needs one line here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import cast

from veritensor_ray.core import plugins
from veritensor_ray.core.config import Settings
from veritensor_ray.core.errors import UsageError
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
    """Map the name of every engine that can be selected to its `module:Class`. Raises UsageError for a plug-in that is nothing known."""
    found = dict(BUILT_IN)
    for name, value in plugins.installed(ENTRY_POINTS):
        found.setdefault(name, value)
    for spec, one in plugins.named(settings):
        if not callable(one) and not isinstance(one, plugins.PluginRow):
            raise UsageError(f"plug-in {spec!r} is neither the class of an engine, nor a Format, nor an ExportFormat; name one of these")
        if callable(one):
            found.setdefault(cast("Engine", one).name, spec)
    return found


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
    return [plugins.imported(known[name])(settings) for name in names]


def rules_of(settings: Settings, engines: Iterable[str]) -> dict[str, Rule]:
    """Return the rules of these engines by id, to explain findings. An engine that is not installed here has none."""
    here = available(settings)
    return {rule.id: rule for engine in create(settings, [name for name in here if name in set(engines)]) for rule in engine.rules()}


def needing_models(engines: Sequence[Engine]) -> list[str]:
    """Return the names of the engines that run in model actors."""
    return [engine.name for engine in engines if engine.needs.model is not None]
