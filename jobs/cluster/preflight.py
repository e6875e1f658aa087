"""Checks every node before a run: unless all of them agree, the run refuses to start."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from veritensor_ray.core.config import Settings
from veritensor_ray.core.errors import CannotRunError, ModelError
from veritensor_ray.jobs.cluster import outside_calls
from veritensor_ray.pipeline.machine_report import EngineSeen, NodeReport, engines_here

_PATIENCE = 300.0  # seconds for one node, which may read gigabytes of models
_SAME = "use the same container image and bundle on all nodes"


@dataclass(frozen=True, slots=True)
class Fleet:
    """The engines that a run has on every node. `missing` maps the engines that it does without to the reason."""

    engines: Mapping[str, EngineSeen]
    missing: Mapping[str, str]

    @property
    def fingerprints(self) -> dict[str, str | None]:
        """The fingerprint of every engine, None for a missing one."""
        return {name: None if name in self.missing else engine.fingerprint for name, engine in self.engines.items()}

    @property
    def expected(self) -> tuple[tuple[str, str], ...]:
        """The fingerprints without the missing engines, as a context carries them."""
        return tuple((name, fingerprint) for name, fingerprint in self.fingerprints.items() if fingerprint)


def here(settings: Settings) -> Fleet:
    """Check only this machine. Raises ModelError for a missing model, unless the settings allow it."""
    return _fleet(settings, {"": engines_here(settings)})


def everywhere(settings: Settings, bundle: str | None, note: Callable[[str], None]) -> Fleet:
    """Check all nodes of the cluster that this process has joined. Raises CannotRunError with a line for each node."""
    reports = _reports(settings)
    problems = [*_problems(reports, bundle)]
    lines = _lines(reports)
    if not any(report.engines for report, scans in reports if scans):
        problems.append("no node has CPUs to scan with; start workers, or wait until they have joined")
    if problems:
        raise CannotRunError("\n".join(["the cluster is not ready:", *lines, *(f"→ {problem}" for problem in problems)]))
    for line in lines:
        note(line)
    if said := outside_calls.of_joined():
        note(f"{said}; to stop that, {outside_calls.REMEDY}")
    return _fleet(settings, {report.node: report.engines for report, scans in reports if scans})


def _reports(settings: Settings) -> list[tuple[NodeReport, bool]]:
    """Returns the report of each living node, and whether it scans; ordered by name."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    from veritensor_ray.actors.tasks import preflight

    nodes = [node for node in ray.nodes() if node["Alive"]]
    asked = []
    for node in nodes:
        here = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
        scans = node["Resources"].get("CPU", 0) >= 1
        asked.append((_name(node), scans, preflight.options(scheduling_strategy=here).remote(settings, scans)))
    return sorted(((_answer(name, task), scans) for name, scans, task in asked), key=lambda one: one[0].node)


def _answer(name: str, task: Any) -> NodeReport:
    import ray

    silent = NodeReport(name, package="?", python="?", bundle=None, accelerators=(), engines=(), problems=())
    try:
        report: NodeReport = ray.get(task, timeout=_PATIENCE)
    except ray.exceptions.GetTimeoutError:
        return replace(silent, problems=(f"{name} does not answer within {_PATIENCE:g} s; check it, or remove it from the cluster",))
    except ray.exceptions.RayError as error:
        cause = str(getattr(error, "cause", None) or error).strip().splitlines()
        return replace(silent, problems=(f"{name} cannot check itself ({cause[-1] if cause else type(error).__name__}); {_SAME}",))
    return replace(report, node=name, problems=tuple(f"{name}: {problem}" for problem in report.problems))


def _name(node: Mapping[str, Any]) -> str:
    address, host = str(node["NodeManagerAddress"]), str(node.get("NodeManagerHostname") or "")
    return f"{host} ({address})" if host and host != address else address


def _bundle(name: str | None) -> str:
    return f"the bundle {name}" if name else "no bundle"


def _problems(reports: Sequence[tuple[NodeReport, bool]], bundle: str | None) -> Iterator[str]:
    """Yields the problems that nodes report, and the differences between nodes."""
    for report, _ in reports:
        yield from report.problems
    sound = [report for report, _ in reports if not report.problems]
    for report in sound:
        if report.bundle != bundle:
            yield f"{report.node} has {_bundle(report.bundle)}, but the driver has {_bundle(bundle)}; {_SAME}"
    packages = {report.node: report.package for report in sound}
    pythons = {report.node: ".".join(report.python.split(".")[:2]) for report in sound}  # objects travel between equal minor versions only
    for what, values in (("package", packages), ("python", pythons)):
        if len(set(values.values())) > 1:
            yield f"nodes differ in {what}: {', '.join(f'{node} has {value}' for node, value in values.items())}; {_SAME}"
    for name in sorted({engine.name for report in sound for engine in report.engines}):
        seen = {report.node: _fingerprint(report, name) for report, scans in reports if scans and not report.problems}
        if len({value for value in seen.values() if value is not None}) > 1:
            yield f"nodes differ in the engine {name}: {', '.join(f'{node} has {value}' for node, value in seen.items())}; {_SAME}"


def _fingerprint(report: NodeReport, name: str) -> str | None:
    return next((engine.fingerprint for engine in report.engines if engine.name == name), None)


def _lines(reports: Sequence[tuple[NodeReport, bool]]) -> list[str]:
    """Returns a table with a line for each node."""
    rows = [("node", "package", "python", "bundle", "GPUs", "engines")]
    for report, scans in reports:
        missing = [engine.name for engine in report.engines if engine.missing]
        state = f"{len(report.engines)} engines" if scans else "none (no CPUs)"
        if scans and missing:
            state += f", missing: {', '.join(missing)}"
        rows.append((report.node, report.package, report.python, report.bundle or "none", ", ".join(report.accelerators) or "none", state))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _fleet(settings: Settings, nodes: Mapping[str, Sequence[EngineSeen]]) -> Fleet:
    """Combines the nodes: an engine that one of them lacks is missing. Raises ModelError unless the settings allow it."""
    engines: dict[str, EngineSeen] = {}
    missing: dict[str, str] = {}
    for node, seen in nodes.items():
        for engine in seen:
            if engine.missing:
                missing.setdefault(engine.name, f"{node}: {engine.missing}" if node else engine.missing)
            elif engine.name not in engines or engines[engine.name].missing:
                engines[engine.name] = engine
            engines.setdefault(engine.name, engine)
    if missing and not settings.allow_missing_engines:
        raise ModelError(next(iter(missing.values())))
    return Fleet(engines, missing)


__all__ = ["Fleet", "everywhere", "here"]
