"""Scan one text, one file or some bytes without Ray."""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
import uuid
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from veritensor_ray.api.arguments import path_of
from veritensor_ray.api.frames import escaped, html_table
from veritensor_ray.core import bounds
from veritensor_ray.core.config import SEVERITIES, Settings, load_settings
from veritensor_ray.core.errors import UsageError
from veritensor_ray.core.safe_imports import Guard
from veritensor_ray.core.wording import counted
from veritensor_ray.masking.redaction import visible
from veritensor_ray.masking.site_key import site_key
from veritensor_ray.results.place_names import place

if TYPE_CHECKING:
    from veritensor_ray.corpus.listing import Root
    from veritensor_ray.corpus.planning import PlanRow
    from veritensor_ray.findings.summary import RunInfo
    from veritensor_ray.pipeline.bounded.process import Died
    from veritensor_ray.pipeline.context import Context
    from veritensor_ray.policy.judge import Judge
    from veritensor_ray.results.results import Results

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
        return counted(len(self.findings), "finding") + (f", worst {worst}" if worst else "")

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
        return _one(settings.model_copy(update={"sources": [str(path)]}), bundle)
    import fsspec

    memory, folder = fsspec.filesystem("memory"), f"/veritensor-{uuid.uuid4().hex}"
    file = f"{folder}/{_WILDCARDS.sub('_', name or 'inspected')}"
    memory.pipe_file(file, data)
    try:
        return _one(settings.model_copy(update={"sources": [f"memory:/{file}"]}), bundle, {file: data})
    finally:
        memory.rm(folder, recursive=True)


def inspect_files(paths: Sequence[str], settings: Settings) -> list[Inspection]:
    """Scan files and folders like `inspect`, under the names that an audit of the working directory would give the files.

    The ids of findings are therefore those of such an audit. What is outside the working directory goes by its own name. Files of a folder
    are in the order of their names; links in it are followed only if the settings say so. Raises UsageError for a path that does not exist,
    and for more than `inspected_files`.
    """
    starts = tuple(start_of(path) for path in dict.fromkeys(paths))
    with Guard(*(start.uri for start in starts)):
        given, bundle = with_bundle(settings)
        return list(_inspected(given, bundle, starts))


def check_paths(paths: Sequence[str]) -> None:
    """Raise UsageError for anything that `inspect_files` cannot read: a path that does not exist, or a URI."""
    for path in paths:
        start_of(path)


def inspect_bytes(data: bytes, name: str | None, settings: Settings) -> Inspection:
    """Scan bytes like `inspect`. `name` stands in for a file name. Raises UsageError for a name that is a path."""
    if name is not None and (not name or "/" in name or name in (".", "..")):
        raise UsageError(f"{name!r} is not the name of a file; give one without folders, such as notes.md")
    with Guard():
        return inspected(None, data, name, settings)


def start_of(path: str) -> Root:
    """Return where to begin: a file or a folder on this machine, with the name that it has in the working directory."""
    from veritensor_ray.corpus.listing import Root, printable

    if not os.path.lexists(path):
        what = "is not on this machine; use submit for URIs" if "://" in path else "does not exist"
        raise UsageError(f"{path} {what}")
    if not os.path.isfile(path) and not os.path.isdir(path):  # noqa: PTH112, PTH113  # names may hold any bytes
        raise UsageError(f"{path} is neither a file nor a folder; inspect reads only these, and standard input as -")
    here, there = Path.cwd(), Path(os.path.abspath(path))  # noqa: PTH100  # a link keeps its name
    base = here if here == there or here in there.parents else there.parent
    name = str(there.relative_to(base))
    if there.is_file():
        return Root(str(base), "", name)
    return Root(str(there), "" if there == base else f"{printable(os.fsencode(name))}/")


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
    from veritensor_ray.bundle.active_bundle import bundles_folder, linked

    return _activated(settings.model_copy(update={"sources": []}).model_dump_json(), linked(bundles_folder(settings.bundle)))


@lru_cache(maxsize=4)
def _activated(
    settings_json: str, _bundle: Path | None
) -> tuple[Settings, str | None]:  # both arguments form the cache key, so that an imported bundle takes effect at once
    from veritensor_ray.bundle.active_bundle import activate

    settings, active = activate(Settings.model_validate_json(settings_json))
    for sentence in active.warnings if active else ():
        warnings.warn(sentence, stacklevel=4)
    return settings, active.id if active else None


def _is(text: str, kind: Callable[[str], bool]) -> bool:
    """Whether `kind`, a test of os.path, holds. pathlib would raise for odd texts."""
    return len(text) < 4096 and "\0" not in text and "\n" not in text and kind(text)


def _one(settings: Settings, bundle: str | None, memory: Mapping[str, bytes] | None = None) -> Inspection:
    from veritensor_ray.corpus.listing import roots

    (seen,) = _inspected(settings, bundle, tuple(roots(settings.sources, settings.stores, settings.inventory, settings.as_of)), memory)
    return seen


def _inspected(
    settings: Settings, bundle: str | None, starts: tuple[Root, ...], memory: Mapping[str, bytes] | None = None
) -> Iterator[Inspection]:
    """Yield what is found in each file, in the order of the roots and, in a folder, of names."""
    from veritensor_ray.findings.collect import Assembled
    from veritensor_ray.pipeline.bounded import process

    process.SHARED.start()
    context, info = run_of(settings, bundle, starts)
    for row in planned(settings, context.engines, starts):
        parts = [] if row.status else _scanned(context, [row], memory).to_pylist()
        assembled = Assembled(info, context.site_key, [row], parts)
        findings = list(assembled.findings())
        yield Inspection(findings, assembled.ledger(len(findings)))


def planned(settings: Settings, engines: tuple[str, ...], starts: tuple[Root, ...]) -> list[PlanRow]:
    """Return the files to scan, in the order of the roots and, in a folder, of names."""
    from veritensor_ray.corpus.planning import plan_rows
    from veritensor_ray.pipeline.bounded.process import descriptions, snapshots

    all_rows: list[PlanRow] = []
    for number, root in enumerate(starts):
        rows = plan_rows(settings, engines, lambda *_: [], starts=(root,), opener=snapshots(settings), describe=descriptions(settings))
        found = list(islice(rows, bounds.INSPECTED_FILES + 1 - len(all_rows)))
        all_rows += (replace(row, root=number) for row in sorted(found, key=lambda row: row.path))
        if len(all_rows) > bounds.INSPECTED_FILES:
            raise UsageError(f"there are more than {bounds.INSPECTED_FILES:,} files; use submit, which reads any number and can be resumed")
    return all_rows


def run_of(settings: Settings, bundle: str | None, starts: tuple[Root, ...]) -> tuple[Context, RunInfo]:
    """Returns the context of a scan with these settings, and what it says about itself."""
    from veritensor_ray.pipeline.run_description import local_context, run_info

    # the roots say where it is; the cache of engines needs JSON, which cannot hold every file name
    settings = settings.model_copy(update={"sources": []})
    context = local_context(settings, site_key(settings.site_key), starts=starts, bundle=bundle)
    return context, run_info(context, "inspect", {"bundle_id": bundle})


@contextlib.contextmanager
def results_of(seen: Sequence[Inspection], sources: Sequence[str], settings: Settings, judge: Judge) -> Iterator[Results]:
    """Give the results of several inspections as those of an audit, for exports. They are gone after the block."""
    from veritensor_ray.findings.rule_texts import write_rules
    from veritensor_ray.findings.schema import FINDINGS, LEDGER, ROLLUP
    from veritensor_ray.findings.summary import run_json
    from veritensor_ray.findings.table_files import TableWriter
    from veritensor_ray.results.results import Results
    from veritensor_ray.stores.outputs import OutputStore

    _, info = run_of(*with_bundle(settings), ())
    findings, ledger = [row for one in seen for row in one.findings], [one.ledger for one in seen]
    with tempfile.TemporaryDirectory(prefix="veritensor-ray-") as folder:
        store = OutputStore(folder)
        for name, schema, rows in (("findings", FINDINGS, findings), ("ledger", LEDGER, ledger), ("rollup", ROLLUP, [])):
            with contextlib.closing(TableWriter(store, name, schema, judge.apply if name == "findings" else None)) as table:
                for row in rows:
                    table.add(row)
        write_rules(store, info.rules.values())
        yield Results(store, {**run_json(store, info, (), judge), "sources": list(sources), "output": "inspect"})


def _scanned(context: Context, rows: Sequence[PlanRow], memory: Mapping[str, bytes] | None) -> pa.Table:
    """Returns the rows of a commit. If the scanning process died, they record why."""
    from veritensor_ray.pipeline.bounded import process

    try:
        return process.scan(context, rows, memory).table
    except process.Died as death:
        return died(context, rows, death)


def died(context: Context, rows: Sequence[PlanRow], death: Died) -> pa.Table:
    """Return the rows of a commit that record why the scanning process died."""
    from veritensor_ray.findings.outcome import Outcome
    from veritensor_ray.findings.shard_commit import commit_table
    from veritensor_ray.pipeline.shard import quarantine

    outcomes = [Outcome(row.artifact, row.part, index) for index, row in enumerate(rows)]
    for outcome in outcomes:
        quarantine(outcome, {"extract": str(death)}, context.engines, death.reason_code)
    return commit_table(rows, outcomes, dict(context.expected), context.site_key)
