"""Checks everything that a run needs by doing it: models load, Ray starts, stores answer. Each failure comes with a remedy."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import psutil

from veritensor_ray.bundle.active_bundle import Active, activate
from veritensor_ray.core.config import Settings
from veritensor_ray.core.errors import UsageError, VeritensorError
from veritensor_ray.corpus.listing import check_source, roots
from veritensor_ray.corpus.tables import iceberg_catalogs
from veritensor_ray.engines.dependencies.advisory_ages import overdue, source_ages, told
from veritensor_ray.engines.registry import create, needing_models, selected
from veritensor_ray.formats.format_registry import import_all, use
from veritensor_ray.jobs.cluster import connection, outside_calls, ray_internals
from veritensor_ray.jobs.cluster.slots import arithmetic, cpus, described, stages_of
from veritensor_ray.masking.site_key import key_id, site_key
from veritensor_ray.pipeline.context import load

_SLOW_IMPORT = 1.0  # CPU seconds; normally about 0.4
_FORMATS = {"lark", "rfc3987", "rfc3987_syntax"}  # packages that jsonschema imports if they are installed


@dataclass(frozen=True, slots=True)
class Check:
    """One check; its state is ok, warning or fails."""

    name: str
    state: str
    detail: str
    remedy: str = ""


def checks(settings: Settings) -> Iterator[Check]:
    """Runs all checks, the quick ones first."""
    steps: tuple[tuple[str, Callable[[Settings], Iterator[Check]]], ...] = (
        ("python", _python),
        ("offline", _offline),
        ("machine", _machine),
        ("place for Ray", _place_for_ray),
        ("site key", _site_key),
        ("engines", _engines),
        ("advisories", _advisories),
        ("readers", _readers),
        ("stores", _stores),
        ("Ray's version", _version_of_ray),
        ("import ray", _import_ray),
        ("ray", _ray),
    )
    try:
        settings, active = activate(settings)
        yield _bundle(active)
    except VeritensorError as error:
        yield Check("bundle", "fails", str(error), "see the message; `veritensor-ray bundle status` shows what is there")
    for name, step in steps:
        try:
            yield from step(settings)
        except VeritensorError as error:
            yield Check(name, "fails", str(error), "see the message")
        except Exception as error:  # noqa: BLE001  # a doctor that crashes is of no use
            yield Check(name, "fails", f"{type(error).__name__}: {error}", "report this as a bug")


def _bundle(active: Active | None) -> Check:
    if active is None:
        return Check(
            "bundle",
            "ok",
            "none, and none is required: models, rules and advisories come from the package, the configuration and HF_HOME",
        )
    today = datetime.now(UTC).date()
    oldest = max(active.parts, key=lambda part: part.age(today))
    signers = ", ".join(f"{key.id} ({key.name})" for key in active.keys)
    detail = f"{active.id} in {active.folder.parent}, signed by {signers}; its oldest part is {oldest.name}, {oldest.age(today)} days old"
    if active.warnings:
        return Check(
            "bundle", "warning", "\n".join((detail, *active.warnings)), "import a newer bundle: `veritensor-ray bundle import FILE.tar`"
        )
    return Check("bundle", "ok", detail)


def _python(settings: Settings) -> Iterator[Check]:
    yield Check("python", "ok", f"{platform.python_version()} on {platform.platform()}")


def _offline(settings: Settings) -> Iterator[Check]:
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        if os.environ.get(name) == "1":
            yield Check(name, "ok", "1")
        elif settings.profile == "standard":
            yield Check(
                name,
                "warning",
                "not set; runs set it for their own workers",
                f"set {name}=1 in the container image, so that other programs see it too",
            )
        else:
            yield Check(name, "ok", "not set, and not needed: embedded models never contact the Hugging Face Hub")


def _machine(settings: Settings) -> Iterator[Check]:
    yield Check("CPUs", "ok", f"{cpus()} usable")
    available = psutil.virtual_memory().available
    enough = available > 2_000_000_000
    yield Check(
        "memory",
        "ok" if enough else "warning",
        f"{available / 1e9:.1f} GB available",
        "" if enough else "lower resources.cpus, or use a larger machine",
    )
    yield _disk("disk here", Path())
    if Path("/dev/shm").exists():  # noqa: S108  # where Ray keeps objects
        yield _disk("shared memory", Path("/dev/shm"), 200_000_000)  # noqa: S108


def _place_for_ray(settings: Settings) -> Iterator[Check]:
    """Checks the folder in which each embedded Ray gets a private one."""
    from veritensor_ray.jobs.cluster import ray_folder

    place = ray_folder.base()
    yield _disk("disk for Ray", place)
    if risk := ray_folder.exposed(place):
        yield Check("place for Ray", "warning", risk, "set RAY_TMPDIR to a folder that only you can write to")


def _disk(name: str, path: Path, enough: int = 1_000_000_000) -> Check:
    free = shutil.disk_usage(path).free
    state, remedy = ("ok", "") if free > enough else ("warning", f"free some space in {path}")
    return Check(name, state, f"{free / 1e9:.1f} GB free in {path}", remedy)


def _site_key(settings: Settings) -> Iterator[Check]:
    yield Check("site key", "ok", f"id {key_id(site_key(settings.site_key))}")


def _engines(settings: Settings) -> Iterator[Check]:
    """Loads every engine, which also runs the self-tests of the models."""
    for engine in create(settings, selected(settings)):
        try:
            load(settings, (engine.name,))
        except VeritensorError as error:
            yield Check(f"engine {engine.name}", "fails", str(error), "or run without it: --allow-missing-engines")
        else:
            model = getattr(engine, "model_name", None)
            yield Check(
                f"engine {engine.name}", "ok", f"loaded; self-test of {model} passed" if model else f"loaded; {len(engine.rules())} rules"
            )


def _advisories(settings: Settings) -> Iterator[Check]:
    """Reports how old the advisories are that the engine `dependencies` uses, and what came with them."""
    if "dependencies" not in selected(settings):
        return
    ages = source_ages(settings.dependencies)
    if not ages:
        yield Check(
            "advisories", "ok", "there is no database, so known vulnerabilities are not found: `veritensor-ray advisories import all.zip`"
        )
        return
    late = overdue(ages, settings.dependencies.max_age_days)
    yield Check(
        "advisories",
        "warning" if late else "ok",
        "\n".join((told(ages), *late)),
        "run `veritensor-ray advisories import` with newer files, or import a newer bundle" if late else "",
    )


def _readers(settings: Settings) -> Iterator[Check]:
    try:
        use(settings)
        import_all()
    except UsageError as error:
        yield Check("readers", "fails", str(error), "correct the plug-in, or remove it")
    except ImportError as error:
        yield Check("readers", "fails", str(error), "reinstall the package with all its dependencies")
    else:
        yield Check("readers", "ok", "all libraries are installed")


def _stores(settings: Settings) -> Iterator[Check]:
    for prefix in settings.stores:
        try:
            if prefix.startswith(iceberg_catalogs.SCHEME):
                iceberg_catalogs.check(prefix, settings.stores)
            else:
                for root in roots([prefix], settings.stores):
                    check_source(root, settings.stores)
        except VeritensorError as error:
            yield Check(f"store {prefix}", "fails", str(error), "check the endpoint, the secrets and the permissions under `stores:`")
        else:
            yield Check(f"store {prefix}", "ok", "answers" if prefix.startswith(iceberg_catalogs.SCHEME) else "can be listed and read")


def _version_of_ray(settings: Settings) -> Iterator[Check]:
    """Checks that this package was tested with the installed Ray, whose internals it uses, and that these are all there."""
    untested = ray_internals.unproven()
    yield Check("Ray's version", "warning" if untested else "ok", untested or f"{version('ray')}, with which this version was tested")


def _import_ray(settings: Settings) -> Iterator[Check]:
    """Imports ray in a fresh interpreter, since every process of a run does this first."""
    code = "import sys, time, ray; print(time.process_time(), *sys.modules)"
    done = subprocess.run([sys.executable, "-X", "importtime", "-c", code], capture_output=True, text=True, timeout=300, check=False)
    if done.returncode:
        yield Check("import ray", "fails", done.stderr.strip().rpartition("\n")[2], "reinstall the package with all its dependencies")
        return
    first, *modules = done.stdout.split()
    seconds = float(first)
    detail = f"{seconds:.1f} CPU seconds in each process of a run"
    if seconds <= _SLOW_IMPORT:
        yield Check("import ray", "ok", detail)
        return
    slowest = ", ".join(f"{name} {cost / 1e6:.1f} s" for name, cost in _costs(done.stderr).most_common(3))
    guilty = sorted(_FORMATS.intersection(modules))
    remedy = (
        f"jsonschema's extra `format`, which Jupyter installs, makes Ray import {' and '.join(guilty)}: install this package in a separate "
        "environment, or uninstall them"
        if guilty
        else "possible causes are a busy machine, a slow disk, or packages that the environment does not need"
    )
    yield Check("import ray", "warning", f"{detail}; most of it is spent on {slowest}", remedy)


def _costs(report: str) -> Counter[str]:
    """Returns microseconds by top-level package, from the output of `-X importtime`: its lines have own time, cumulative time and name."""
    costs: Counter[str] = Counter()
    for line in report.splitlines():
        if line.count("|") != 2:
            continue
        own, _, name = (part.strip() for part in line.removeprefix("import time:").split("|"))
        if own.isdigit():  # the first line is a heading
            costs[name.partition(".")[0]] += int(own)
    return costs


def _ray(settings: Settings) -> Iterator[Check]:
    if (settings.cluster_address or "").startswith(("http://", "https://")):
        from veritensor_ray.jobs.cluster.remote import JobsClient

        client = JobsClient(settings)
        runs = client.list()
        yield Check(
            "cluster",
            "ok",
            f"the Jobs API at {settings.cluster_address} answers and lists {len(runs)} runs; `submit` checks the cluster's nodes",
        )
        yield _outside(client.outside())
        return
    import ray

    started = connection.start(settings)
    try:
        answer = ray.get(ray.remote(num_cpus=1)(lambda: os.getpid()).remote(), timeout=60)
        total = ray.cluster_resources()
        kind = settings.cluster_address or "embedded"
        yield Check("ray", "ok", f"{ray.__version__}, {kind}: {total.get('CPU', 0):g} CPUs; a task ran in process {answer}")
        if settings.cluster_address:
            yield _outside(outside_calls.of_joined())
        elif started:
            from veritensor_ray.jobs.cluster import embedded

            yield Check("Ray's folder", "ok", f"{embedded.folder()}: only this user may enter it, and it is removed at the end")
        gpus = total.get("GPU", 0)
        yield Check("GPU", "ok", f"{gpus:g} GPUs" if gpus else "none; models run on the CPU")
        stages = stages_of(settings.resources, len(needing_models(create(settings, selected(settings)))))
        slots, _ = arithmetic(settings, stages)
        yield Check("resources", "ok", described(slots, stages, settings.resources.model_gpus > 0))
    finally:
        connection.stop(settings, started)


def _outside(said: str | None) -> Check:
    return Check(
        "outside",
        "warning" if said else "ok",
        said or "the head sends nothing outside of the cluster",
        outside_calls.REMEDY if said else "",
    )
