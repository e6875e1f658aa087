"""What every step of a run shares: settings, roots, the site key, and engines loaded once per process. It does not depend on Ray."""

from __future__ import annotations

import functools
import platform
from collections.abc import Collection
from dataclasses import dataclass

from veritensor_ray.cleaning.cleaning_context import Cleaning
from veritensor_ray.core.config import Settings
from veritensor_ray.core.detection import Rule
from veritensor_ray.core.errors import CannotRunError, ModelError, not_installed
from veritensor_ray.corpus.listing import Root
from veritensor_ray.engines.base import Engine, FileEngine, TextEngine, Transcriber
from veritensor_ray.engines.registry import create
from veritensor_ray.findings.recorder import Recorder
from veritensor_ray.formats.format_registry import use
from veritensor_ray.models.model_store import ModelStore
from veritensor_ray.pipeline.bounded.process_limits import WORKBENCHES
from veritensor_ray.stores.outputs import OutputStore


@dataclass(frozen=True)
class Context:
    """The constants of a run, small enough to travel with every task.

    `missing` names the engines that may be absent, with the reason. `expected` holds the fingerprint of each engine; a process whose engine
    differs refuses to work, because a node that joined later may have other rules. `read_rate` is each worker's share, in bytes per second.
    `cleaning` is set if the run also writes a copy without its findings.
    """

    settings: Settings
    roots: tuple[Root, ...]
    engines: tuple[str, ...]
    site_key: bytes
    fingerprint: str
    missing: tuple[tuple[str, str], ...] = ()
    expected: tuple[tuple[str, str], ...] = ()
    read_rate: float | None = None
    cleaning: Cleaning | None = None

    @functools.cached_property
    def settings_json(self) -> str:
        """The settings as text, by which a process knows the engines that it has made for them: every shard asks for them several times."""
        return self.settings.model_dump_json()

    def recorder(self, bench: Workbench) -> Recorder:
        """Return an empty recorder that knows the rules of these engines."""
        locating = self.settings.locations == "all"
        return Recorder(bench.rules, self.site_key, self.settings.limits.hits_per_rule, self.cleaning is not None, locating)

    def own_output(self, store: OutputStore) -> str:
        """Return the folder that a run with its results in `store` writes to, and so does not scan."""
        return (store if self.cleaning is None or self.cleaning.again else self.cleaning.store).uri


@dataclass(frozen=True)
class Workbench:
    """A set of loaded engines: either those that run where the bytes are, or those with a model."""

    engines: tuple[Engine, ...]
    rules: dict[str, Rule]

    def only(self, names: Collection[str]) -> Workbench:
        """Return a workbench with only some of the engines. Rules of the others are kept; they do no harm."""
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
    """Create and load engines. Raises ModelError if one cannot be loaded."""
    engines = create(settings, names)
    store = ModelStore.of(settings)
    for engine in engines:
        try:
            engine.load(store)
        except ModelError:
            raise
        except Exception as error:  # third-party engines may raise anything
            if sentence := not_installed(error):
                raise ModelError(f"engine {engine.name}: {sentence}") from None
            what = f"{type(error).__name__}: {str(error)[:300]}"
            raise ModelError(f"engine {engine.name} cannot be loaded{_from(engine, store)}: {what}. Reinstall its model") from error
    return Workbench(tuple(engines), {rule.id: rule for engine in engines for rule in engine.rules()})


def _from(engine: Engine, store: ModelStore) -> str:
    """Where the engine's model is stored, for a message."""
    try:
        return f" from {store.status(engine.needs.model or '', read=False).folder}"
    except ModelError:
        return ""


@functools.lru_cache(maxsize=WORKBENCHES)
def _loaded(fingerprint: str, names: tuple[str, ...], settings_json: str, expected: tuple[tuple[str, str], ...]) -> Workbench:
    bench = load(Settings.model_validate_json(settings_json), names)  # the fingerprint is part of the cache key
    planned = dict(expected)
    for engine in bench.engines:
        if planned.get(engine.name, engine.fingerprint()) != engine.fingerprint():
            raise CannotRunError(
                f"engine {engine.name} on {platform.node()} differs from the one the run was planned with (in version, rules or "
                "model). Install the same container image and bundle on all nodes and submit again"
            )
    return bench


@functools.lru_cache(maxsize=4)
def _created(fingerprint: str, names: tuple[str, ...], settings_json: str) -> tuple[Engine, ...]:
    return tuple(create(Settings.model_validate_json(settings_json), names))


def without_weights(context: Context, names: tuple[str, ...]) -> tuple[Engine, ...]:
    """Return engines that are created but not loaded, once per process.

    They are enough to ask what an engine applies to and to prepare texts for it. The formats of plug-ins are known from here on.
    """
    use(context.settings)
    return _created(context.fingerprint, names, context.settings_json)


@functools.lru_cache(maxsize=16)
def _by_input(fingerprint: str, names: tuple[str, ...], settings_json: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    engines = _created(fingerprint, names, settings_json)
    images = tuple(engine.name for engine in engines if isinstance(engine, Transcriber))
    return tuple(engine.name for engine in engines if engine.name not in images or isinstance(engine, TextEngine)), images


def models_by_input(context: Context, models: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return which of these engines with a model read text, and which read images.

    Each group is loaded when the first batch needs it: most corpora have no images, and reading them needs the largest libraries. Asking
    an engine for its protocol takes long, so it is asked once per process.
    """
    use(context.settings)
    return _by_input(context.fingerprint, models, context.settings_json)


def workbench(context: Context, names: tuple[str, ...]) -> Workbench:
    """Return the loaded engines of a run, once per process. Raises CannotRunError if one differs from the run's plan.

    The formats of plug-ins are known from here on.
    """
    use(context.settings)
    return _loaded(context.fingerprint, names, context.settings_json, context.expected)
