"""Scan one text, one file or some bytes without Ray."""

from __future__ import annotations

import os
import re
import uuid
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from veritensor_ray.api.arguments import path_of
from veritensor_ray.api.frames import escaped, html_table
from veritensor_ray.config import SEVERITIES, Settings, load_settings
from veritensor_ray.errors import UsageError
from veritensor_ray.findings.keys import key_id, site_key
from veritensor_ray.findings.locations import place
from veritensor_ray.findings.redact import visible
from veritensor_ray.imports import Guard

if TYPE_CHECKING:
    from veritensor_ray.corpus.listing import Root
    from veritensor_ray.corpus.planning import PlanRow
    from veritensor_ray.pipeline.context import Context

# A text that is meant as a file: a URI, or a path without a space. Otherwise its name would be scanned, and the file would look clean.
_NAMES_A_FILE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://\S+|~[\w.-]*/\S*|(?:\.{0,2}/)?(?:[^\s/]+/)+[^\s/]+\.[A-Za-z]\w{0,9}")
_WILDCARDS = re.compile(r"[*?\[]")  # a name must not act as a pattern


@dataclass(frozen=True, repr=False)
class Inspection:
    """The result of `inspect` for one text or file: findings as rows of the findings table, and its ledger row.

    It is true if there are findings.
    """

    findings: list[dict[str, Any]]
    ledger: dict[str, Any]

    def __bool__(self) -> bool:
        return bool(self.findings)

    def __repr__(self) -> str:
        return f"<Inspection {visible(self.ledger['artifact'])}: {self._found()}; {self._status()}>"

    def _found(self) -> str:
        worst = max((row["severity"] for row in self.findings), key=SEVERITIES.index, default="")
        return f"{len(self.findings):,} finding{'s' * (len(self.findings) != 1)}" + (f", worst {worst}" if worst else "")

    def _status(self) -> str:
        """Return what was checked: the reason matters even if there are findings."""
        said = visible(self.ledger["reason"] or "")
        return f"{self.ledger['status']}: {said}" if said else str(self.ledger["status"])

    def _repr_html_(self) -> str:
        rows = [
            (row["severity"], row["rule_id"], place(row["artifact"], row["location"], row["member"]), row["evidence"] or row["message"])
            for row in sorted(self.findings, key=lambda row: -SEVERITIES.index(row["severity"]))
        ]
        table = html_table(("severity", "rule", "where", "evidence"), rows) if rows else ""
        return f"<p>{escaped(self._found())} · {escaped(self._status())}</p>{table}"


def inspect(
    what: str | bytes | bytearray | memoryview | os.PathLike[str], *, name: str | None = None, config: str | None = None, **options: Any
) -> Inspection:
    """Scan one text, one file or some bytes in a separate process, without Ray.

    A string is a path if such a file exists, otherwise the text itself. `name` stands in for a file name, and determines the expected
    type of the content. Engines stay loaded in that process for the next call, and a bundle is verified on first use. Content that kills
    the process is `quarantined` in the ledger, with the reason. Raises UsageError for any other kind of object, which would go unread.
    """
    path, data = _file_or_bytes(what)
    with Guard():
        return inspected(path, data, name, load_settings(config, options))


def inspected(path: Path | None, data: bytes, name: str | None, given: Settings) -> Inspection:
    settings, bundle = with_bundle(given)
    if path is not None:
        return _inspect(settings.model_copy(update={"sources": [str(path)]}), bundle)
    import fsspec

    memory, folder = fsspec.filesystem("memory"), f"/veritensor-{uuid.uuid4().hex}"
    file = f"{folder}/{_WILDCARDS.sub('_', name or 'inspected')}"
    memory.pipe_file(file, data)
    try:
        return _inspect(settings.model_copy(update={"sources": [f"memory:/{file}"]}), bundle, {file: data})
    finally:
        memory.rm(folder, recursive=True)


def inspect_file(path: Path, settings: Settings) -> Inspection:
    """Scan one file like `inspect`, under the name that an audit of the working directory would give it.

    The ids of its findings are therefore those of such an audit. A file outside the working directory goes by its own name. Raises UsageError.
    """
    from veritensor_ray.corpus.listing import Root

    if not path.is_file():
        raise UsageError(
            f"{path} is not a file on this machine{'' if os.path.lexists(path) else ', or does not exist'}; use submit for folders and URIs"
        )
    here, there = Path.cwd(), Path(os.path.abspath(path))  # noqa: PTH100  # a link keeps its name
    base = here if here in there.parents else there.parent
    with Guard(base):
        given, bundle = with_bundle(settings)
        return _inspect(given, bundle, starts=(Root(str(base), "", str(there.relative_to(base))),))


def _file_or_bytes(what: object) -> tuple[Path | None, bytes]:
    """Returns the file that is meant, or the bytes to scan. Raises UsageError for anything else."""
    if isinstance(what, (bytes, bytearray, memoryview)):
        return None, bytes(what)
    text = os.fsdecode(what) if isinstance(what, (str, os.PathLike)) else path_of(what, "the input to inspect")
    if _is(text, os.path.isdir):
        raise UsageError(
            f"{text} is a folder, and inspect takes one file; use veritensor_ray.scan for folders. To scan this text itself, pass it as bytes"
        )
    if isinstance(what, str) and not _is(text, os.path.isfile):
        if _is(text, os.path.lexists) or _NAMES_A_FILE.fullmatch(text):
            raise UsageError(
                f"{text!r} looks like the name of a file, but there is no such file. Pass an existing path; to scan the text itself, pass it as bytes"
            )
        return None, what.encode("utf-8", "surrogatepass")
    return Path(text), b""


def with_bundle(settings: Settings) -> tuple[Settings, str | None]:
    """Returns the settings with the paths of the bundle in use, and the bundle's id."""
    from veritensor_ray.bundle.active import bundles_folder, linked

    return _activated(settings.model_copy(update={"sources": []}).model_dump_json(), linked(bundles_folder(settings.bundle)))


@lru_cache(maxsize=4)
def _activated(
    settings_json: str, _bundle: Path | None
) -> tuple[Settings, str | None]:  # both arguments form the cache key, so that an imported bundle takes effect at once
    from veritensor_ray.bundle.active import activate

    settings, active = activate(Settings.model_validate_json(settings_json))
    for sentence in active.warnings if active else ():
        warnings.warn(sentence, stacklevel=4)
    return settings, active.id if active else None


def _is(text: str, kind: Callable[[str], bool]) -> bool:
    """Whether `kind`, a test of os.path, holds. pathlib would raise for odd texts."""
    return len(text) < 4096 and "\0" not in text and "\n" not in text and kind(text)


def _inspect(
    settings: Settings, bundle: str | None, memory: Mapping[str, bytes] | None = None, starts: tuple[Root, ...] = ()
) -> Inspection:
    from veritensor_ray.corpus.listing import roots
    from veritensor_ray.corpus.planning import Shard, plan_rows, shards_of
    from veritensor_ray.engines.registry import create, selected
    from veritensor_ray.findings.collect import Assembled
    from veritensor_ray.findings.summary import RunInfo
    from veritensor_ray.pipeline.context import Context
    from veritensor_ray.pipeline.fingerprint import describe, digest

    key = site_key(settings.site_key)
    engines = {engine.name: engine for engine in create(settings, selected(settings))}
    fingerprints = {name: engine.fingerprint() for name, engine in engines.items()}
    parts = describe(settings.model_copy(update={"sources": []}), fingerprints, key_id(key), bundle)
    starts = starts or tuple(roots(settings.sources, settings.stores))
    # the roots say where it is; the cache of engines needs JSON, which cannot hold every file name
    context = Context(settings.model_copy(update={"sources": []}), starts, tuple(engines), key, digest(parts))
    described = {
        name: {"fingerprint": fingerprints[name], "model": getattr(engine, "model_name", None)} for name, engine in engines.items()
    }
    rules = {rule.id: rule for engine in engines.values() for rule in engine.rules()}
    info = RunInfo("inspect", digest(parts), starts, rules, described, {"bundle_id": bundle}, settings.limits.hits_per_rule)
    for entry in shards_of(plan_rows(settings, tuple(engines), lambda *_: [], starts=starts)):
        if isinstance(entry, Shard):
            assembled = Assembled(info, key, entry.rows, _scanned(context, entry.rows, fingerprints, memory).to_pylist())
        else:
            assembled = Assembled(info, key, [entry], [])
    findings = list(assembled.findings())
    return Inspection(findings, assembled.ledger(len(findings)))


def _scanned(context: Context, rows: Sequence[PlanRow], fingerprints: Mapping[str, str], memory: Mapping[str, bytes] | None) -> pa.Table:
    """Returns the rows of a commit. If the scanning process died, they record why."""
    from veritensor_ray.findings.commit import commit_table
    from veritensor_ray.findings.outcome import Outcome
    from veritensor_ray.pipeline import bounded
    from veritensor_ray.pipeline.shard import quarantine

    try:
        return bounded.scan(context, rows, fingerprints, memory).table
    except bounded.Died as death:
        outcomes = [Outcome(row.artifact, row.part, index) for index, row in enumerate(rows)]
        for outcome in outcomes:
            quarantine(outcome, {"extract": str(death)}, context.engines, death.reason_code)
        return commit_table(rows, outcomes, fingerprints, context.site_key)
