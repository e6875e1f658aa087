"""Scan a corpus, and open the results of a scan."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from veritensor_ray.api.arguments import described, path_of
from veritensor_ray.api.audit_object import Audit
from veritensor_ray.core.config import load_settings
from veritensor_ray.core.errors import OutputConflict, UsageError
from veritensor_ray.core.safe_imports import Guard
from veritensor_ray.core.uris import real_bases
from veritensor_ray.results.results import find
from veritensor_ray.results.run_text import changed_lines
from veritensor_ray.stores.filesystems import Stores


def scan(
    source: str | Path | Sequence[str | Path], output: str | Path | None = None, *, config: str | None = None, **options: Any
) -> Audit:
    """Audit a corpus and open the results. Options are configuration keys: engines=["signatures"], profile="standard", job="sweep".

    Repeating the call resumes an interrupted audit, and opens a complete one, unless the corpus has changed since: then it raises OutputConflict,
    which says how, or with allow_partial=True, `run["changed_since"]` and the summary do. Raises UsageError or CannotRunError.
    """
    sources = sources_of(source)
    named = None if output is None else path_of(output, "the output")
    with Guard(*real_bases(sources)):
        return _scan(sources, named, config, options)


def _scan(sources: list[str], output: str | None, config: str | None, options: Mapping[str, Any]) -> Audit:
    from veritensor_ray.jobs.audit_run import audit, default_output
    from veritensor_ray.jobs.sweep_run import sweep

    flags = dict(options) | {"sources": sources, "output": output or default_output(sources, str(options.get("job", "audit")))}
    settings = load_settings(config, flags)
    run = (sweep if settings.job == "sweep" else audit)(settings)
    results = open(str(settings.output), stores=settings.stores)
    if "changed_since" not in run:
        return results
    if not settings.allow_partial:
        raise OutputConflict(_changed(run, str(settings.output)))
    return Audit(results.store, {**results.run, "changed_since": run["changed_since"]})


def _changed(run: Mapping[str, Any], output: str) -> str:
    remedies = "pass fresh=True to replace this audit, or job='sweep' and another output to keep up with a corpus that changes"
    return f"{', '.join(changed_lines(run)[:-1])}; {remedies}. veritensor_ray.open({output!r}) opens the results as they are"


def open(
    output: str | Path, *, sweep: str | None = None, stores: Stores | None = None
) -> Audit:  # named open for vr.open, like tarfile.open
    """Open the results of a complete audit. For a sweep's state, they are those of its last complete sweep, or of the one named by its id.

    Raises IncompleteOutput for a run that has not ended, or for a folder without results; UsageError for a sweep that does not exist.
    """
    output = path_of(output, "the output to open")
    if sweep is not None and not isinstance(sweep, str):
        raise UsageError(f"`sweep` must be the id of a sweep as text, not {described(sweep)}; `veritensor-ray sweeps` lists them")
    return Audit(*find(output, stores if stores is not None else load_settings().stores, sweep))


def sources_of(source: object) -> list[str]:
    """Returns the sources as the configuration expects them. Raises UsageError for data in memory, which is not a corpus."""
    several = isinstance(source, (list, tuple, set, frozenset, Iterator)) and not hasattr(source, "read")
    sources = [path_of(one, "a source") for one in (cast("Iterable[object]", source) if several else (source,))]
    if not sources:
        raise UsageError("there is nothing to scan: the list of sources is empty. Name a folder, a file or a URI")
    return sources
