"""What one machine reports before a run: engines, bundle, stores, and accelerators.

It does not depend on Ray or on other machines.
"""

from __future__ import annotations

import platform
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec

from veritensor_ray.bundle.active_bundle import activate
from veritensor_ray.core.config import Settings
from veritensor_ray.core.errors import ModelError, VeritensorError, not_installed
from veritensor_ray.corpus.listing import Root, check_inventories, check_source, roots
from veritensor_ray.engines.base import Engine
from veritensor_ray.engines.registry import create, selected
from veritensor_ray.formats.format_registry import import_all, use
from veritensor_ray.stores.filesystems import absolute
from veritensor_ray.stores.outputs import OutputStore, check_output


@dataclass(frozen=True, slots=True)
class EngineSeen:
    """An engine on this machine. Without a fingerprint its model or a library is missing, or the model has changed; `missing` says how."""

    name: str
    version: str
    fingerprint: str | None = None
    model: str | None = None
    missing: str = ""


@dataclass(frozen=True, slots=True)
class NodeReport:
    """What a machine has. `problems` are sentences with a remedy; a single one makes the run refuse to start."""

    node: str
    package: str
    python: str
    bundle: str | None
    accelerators: tuple[str, ...]
    engines: tuple[EngineSeen, ...]
    problems: tuple[str, ...]


def examine(settings: Settings, scans: bool = True) -> NodeReport:
    """Examine this machine; never raises.

    A machine that only drives and commits (`scans` is false) needs neither models nor accelerators.
    """
    engines: list[EngineSeen] = []
    problems: list[str] = []
    bundle = None
    try:
        settings, active = activate(settings)
        bundle = active.id if active else None
        problems += _unreachable(settings)
        if scans:
            engines = engines_here(settings)
            use(settings)
            import_all()
    except VeritensorError as error:
        problems.append(str(error))
    except Exception as error:  # noqa: BLE001  # a plug-in, or a library missing here; the report must still arrive
        problems.append(f"{type(error).__name__}: {error}"[:300])
    accelerators = tuple(_accelerators()) if scans else ()
    return NodeReport(
        platform.node(), version("veritensor-ray"), platform.python_version(), bundle, accelerators, tuple(engines), tuple(problems)
    )


def engines_here(settings: Settings) -> list[EngineSeen]:
    """Examine the selected engines."""
    return [seen(engine) for engine in create(settings, selected(settings))]


def seen(engine: Engine) -> EngineSeen:
    """Examine an engine without loading it. If it has a model, this reads every file of the model."""
    for library in engine.needs.libraries:
        if find_spec(library) is None:
            absent = not_installed(ModuleNotFoundError(name=library)) or f"the library {library} is not installed"
            return EngineSeen(engine.name, engine.version, missing=absent)
    try:
        return EngineSeen(engine.name, engine.version, engine.fingerprint(), getattr(engine, "model_name", None))
    except ModelError as error:
        return EngineSeen(engine.name, engine.version, missing=str(error))


def _unreachable(settings: Settings) -> Iterator[str]:
    """Yield a problem for each source that cannot be listed or read from here, and for an output that cannot be written."""
    starts: list[Root] = []
    for source in settings.sources:
        try:
            (root,) = roots([source], settings.stores, settings.inventory, settings.as_of)
            starts.append(root)
            check_source(root, settings.stores)
        except VeritensorError as error:
            yield str(error)
    try:
        if starts and len(starts) == len(settings.sources):  # an inventory may be that of a source with a problem
            check_inventories(starts, settings.inventory)
    except VeritensorError as error:
        yield str(error)
    try:
        check_output(OutputStore(absolute(settings.output or ""), settings.stores))
    except VeritensorError as error:
        yield str(error)


def _accelerators() -> Iterator[str]:
    """Yield the names of the GPUs that torch can use; none if torch is not installed."""
    try:
        import torch
    except ImportError:
        return
    yield from (torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count()))
