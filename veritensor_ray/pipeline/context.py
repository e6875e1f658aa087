"""What every step of a run shares: settings, roots, key, engines loaded once per process; it knows no Ray."""

from __future__ import annotations

import functools
import platform
from collections.abc import Collection
from dataclasses import dataclass

from veritensor_ray.config import Settings
from veritensor_ray.corpus.listing import Root
from veritensor_ray.detection import Rule
from veritensor_ray.engines.base import Engine, FileEngine, TextEngine, Transcriber
from veritensor_ray.engines.registry import create
from veritensor_ray.errors import CannotRunError, ModelError
from veritensor_ray.findings.recorder import Recorder
from veritensor_ray.models.model_store import ModelStore


@dataclass(frozen=True)
class Context:
    """A run's constants, small enough to travel with every task.

    `missing` names engines that may be absent, with the reason. `expected` has the fingerprint of each engine: a process where one
    differs refuses to work (a node that joined later may carry other rules). `read_rate` is each worker's share, in bytes a second.
    """

    settings: Settings
    roots: tuple[Root, ...]
    engines: tuple[str, ...]
    site_key: bytes
    fingerprint: str
    missing: tuple[tuple[str, str], ...] = ()
    expected: tuple[tuple[str, str], ...] = ()
    read_rate: float | None = None

    def recorder(self, bench: Workbench) -> Recorder:
        """An empty recorder that knows the rules of these engines."""
        return Recorder(bench.rules, self.site_key, self.settings.limits.hits_per_rule)


@dataclass(frozen=True)
class Workbench:
    """Loaded engines: those that work where the bytes are, or those with a model."""

    engines: tuple[Engine, ...]
    rules: dict[str, Rule]

    def only(self, names: Collection[str]) -> Workbench:
        """The same with some of the engines; rules of the others do no harm."""
        engines = tuple(engine for engine in self.engines if engine.name in names)
        return self if len(engines) == len(self.engines) else Workbench(engines, self.rules)

    @functools.cached_property
    def text(self) -> list[TextEngine]:
        """Engines that read text."""
        return [engine for engine in self.engines if isinstance(engine, TextEngine)]

    @functools.cached_property
    def transcribers(self) -> list[Transcriber]:
        """Engines that read images."""
        return [engine for engine in self.engines if isinstance(engine, Transcriber)]

    @functools.cached_property
    def files(self) -> list[FileEngine]:
        """Engines that read bytes."""
        return [engine for engine in self.engines if isinstance(engine, FileEngine)]


def load(settings: Settings, names: tuple[str, ...]) -> Workbench:
    """Create and load engines. Raises ModelError for one that cannot be loaded."""
    engines = create(settings, names)
    store = ModelStore.of(settings)
    for engine in engines:
        try:
            engine.load(store)
        except ModelError:
            raise
        except Exception as error:  # engines of others raise what they like
            what = f"{type(error).__name__}: {str(error)[:300]}"
            raise ModelError(f"engine {engine.name} does not load{_from(engine, store)}: {what}. Bring its model again") from error
    return Workbench(tuple(engines), {rule.id: rule for engine in engines for rule in engine.rules()})


def _from(engine: Engine, store: ModelStore) -> str:
    """Where its model lies, for a message."""
    try:
        return f" from {store.status(engine.needs.model or '', read=False).folder}"
    except ModelError:
        return ""


@functools.lru_cache(maxsize=4)
def _loaded(fingerprint: str, names: tuple[str, ...], settings_json: str, expected: tuple[tuple[str, str], ...]) -> Workbench:
    bench = load(Settings.model_validate_json(settings_json), names)  # the fingerprint is part of the cache's key
    planned = dict(expected)
    for engine in bench.engines:
        if planned.get(engine.name, engine.fingerprint()) != engine.fingerprint():
            raise CannotRunError(
                f"engine {engine.name} on {platform.node()} is not the one that the run was planned with: another version, other rules or "
                "another model. Bring the same image and bundle to all nodes and submit again"
            )
    return bench


@functools.lru_cache(maxsize=4)
def _created(fingerprint: str, names: tuple[str, ...], settings_json: str) -> tuple[Engine, ...]:
    return tuple(create(Settings.model_validate_json(settings_json), names))


def without_weights(context: Context, names: tuple[str, ...]) -> tuple[Engine, ...]:
    """Engines of a run that are not loaded, made once per process: for what they apply to and what they prepare."""
    return _created(context.fingerprint, names, context.settings.model_dump_json())


def workbench(context: Context, names: tuple[str, ...]) -> Workbench:
    """The engines of a run, loaded once per process. Raises CannotRunError where one is not what the run was planned with."""
    return _loaded(context.fingerprint, names, context.settings.model_dump_json(), context.expected)
