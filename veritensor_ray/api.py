"""The Python interface for notebooks and scripts: scan a corpus, open results, inspect one text or file."""

from __future__ import annotations

import html
import os
import re
import uuid
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pyarrow as pa
import pyarrow.dataset as ds

from veritensor_ray.config import Settings, load_settings
from veritensor_ray.errors import StoreError, UsageError
from veritensor_ray.findings.accesses import accesses, note_access
from veritensor_ray.findings.keys import key_id, site_key
from veritensor_ray.findings.redact import PERSONAL, SECRET, TAGGED, visible
from veritensor_ray.findings.results import Results, find
from veritensor_ray.findings.run_text import summary_text
from veritensor_ray.imports import Guard
from veritensor_ray.stores.filesystems import Stores
from veritensor_ray.uris import real_bases

if TYPE_CHECKING:
    import pandas as pd

    from veritensor_ray.corpus.listing import Root
    from veritensor_ray.corpus.planning import PlanRow
    from veritensor_ray.pipeline.context import Context
    from veritensor_ray.pipeline.passage import Passage

# A text that is meant as a file: a URI, or a path without a space. Otherwise its name would be scanned, and the file would look clean.
_NAMES_A_FILE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://\S+|~[\w.-]*/\S*|(?:\.{0,2}/)?(?:[^\s/]+/)+[^\s/]+\.[A-Za-z]\w{0,9}")
_WILDCARDS = re.compile(r"[*?\[]")  # a name must not act as a pattern


def scan(
    source: str | Path | Sequence[str | Path], output: str | Path | None = None, *, config: str | None = None, **options: Any
) -> Audit:
    """Audit a corpus and open the results. Options are configuration keys: engines=["signatures"], profile="standard", job="sweep".

    Repeating the call resumes an interrupted audit. Raises UsageError or CannotRunError.
    """
    sources = _sources(source)
    named = None if output is None else _path(output, "the output")
    with Guard(*real_bases(sources)):
        return _scan(sources, named, config, options)


def _scan(sources: list[str], output: str | None, config: str | None, options: Mapping[str, Any]) -> Audit:
    from veritensor_ray.jobs.audit import audit, default_output
    from veritensor_ray.jobs.sweep import sweep

    flags = dict(options) | {"sources": sources, "output": output or default_output(sources, str(options.get("job", "audit")))}
    settings = load_settings(config, flags)
    (sweep if settings.job == "sweep" else audit)(settings)
    return open(str(settings.output), stores=settings.stores)


def open(
    output: str | Path, *, sweep: str | None = None, stores: Stores | None = None
) -> Audit:  # named open for vr.open, like tarfile.open
    """Open the results of a complete audit. For a sweep's state, they are those of its last complete sweep, or of the one named by its id.

    Raises IncompleteOutput for a run that has not ended, or for a folder without results; UsageError for a sweep that does not exist.
    """
    output = _path(output, "the output to open")
    if sweep is not None and not isinstance(sweep, str):
        raise UsageError(f"`sweep` must be the id of a sweep as text, not {_described(sweep)}; `veritensor-ray sweeps` lists them")
    return Audit(*find(output, stores if stores is not None else load_settings().stores, sweep))


def _sources(source: object) -> list[str]:
    """Returns the sources as the configuration expects them. Raises UsageError for data in memory, which is not a corpus."""
    several = isinstance(source, (list, tuple, set, frozenset, Iterator)) and not hasattr(source, "read")
    sources = [_path(one, "a source") for one in (cast("Iterable[object]", source) if several else (source,))]
    if not sources:
        raise UsageError("there is nothing to scan: the list of sources is empty. Name a folder, a file or a URI")
    return sources


def _path(what: object, role: str) -> str:
    """Returns a path or URI as text. Raises UsageError, which says what to pass instead."""
    if isinstance(what, (str, os.PathLike)) and (text := os.fsdecode(what)):
        return text
    got = "an empty name" if isinstance(what, str) else _described(what)
    raise UsageError(f"{role} must be a path or a URI, not {got}. {_remedy(what)}")


def _described(what: object) -> str:
    kind = type(what)
    return "None" if what is None else kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _remedy(what: object) -> str:
    """Returns advice on what to pass instead of an object that is neither text nor bytes nor a path."""
    if any(hasattr(what, name) for name in ("to_parquet", "to_table", "schema", "dtypes", "to_frame")):
        return "Write a table to a Parquet file and pass its path: veritensor_ray.scan(PATH) or veritensor_ray.inspect(Path(PATH))"
    if hasattr(what, "read"):
        return "Pass the path of an open file, or inspect what its read() returns"
    if isinstance(what, (list, tuple, set, frozenset, dict)):
        return "Inspect the texts one by one, or write them to a file and pass its path"
    return "Pass a pathlib.Path or text for a file, a folder or a URI; inspect also takes text and bytes themselves"


class Audit(Results):
    """The results of a complete audit. `run` is the content of run.json; tables are read on first access."""

    def __repr__(self) -> str:
        return (
            f"<Audit {self.store.uri}: {sum(self.run['severity'].values())} findings in {self.run['totals'].get('artifacts', 0)} artifacts>"
        )

    @cached_property
    def findings(self) -> pa.Table:
        """One row per finding."""
        return self.dataset("findings").to_table()

    @cached_property
    def ledger(self) -> pa.Table:
        """One row per artifact: which parts were checked and which were not."""
        return self.dataset("ledger").to_table()

    @cached_property
    def rollup(self) -> pa.Table:
        """Counts by artifact, column and rule. They are complete even if not every finding has a row."""
        return self.dataset("rollup").to_table()

    @cached_property
    def trends(self) -> pa.Table:
        """Counts of findings by folder, engine, category, severity and state, for each sweep so far. An audit has no such table."""
        return self.dataset("trends").to_table()

    def to_pandas(self, name: str = "findings") -> pd.DataFrame:
        """Returns one of the tables as a DataFrame."""
        with Guard():  # pandas is imported here
            frame: pd.DataFrame = self.dataset(name).to_table().to_pandas()
            return frame

    def sql(self, query: str) -> pd.DataFrame:
        """Runs a DuckDB query over the tables, by their names. It cannot reach any other file, or the network."""
        with Guard(), self.connection() as connection:
            frame: pd.DataFrame = connection.execute(query).df()
            return frame

    def context(
        self,
        finding: str,
        *,
        place: int = 1,
        lines: int = 3,
        reveal: bool = False,
        reason: str | None = None,
        config: str | None = None,
    ) -> Passage:
        """Read the passage of a finding again from the corpus, in a separate process with limits. `finding` is its id, or at least six digits.

        `place` is the number of one of the locations that its row lists. The passage is masked like evidence, wherever findings of the artifact
        cover it; if not all of them have rows, every word is masked. With `reveal` it is shown unmasked, after the output has recorded who saw
        it, when, and for what `reason`. Raises UsageError; NotAsScanned if the artifact or the location no longer exists; StoreError if the
        access cannot be recorded; CannotRunError.
        """
        with Guard():
            return _context(self, finding, place, lines, reveal, reason, load_settings(config))

    def accesses(self) -> list[dict[str, Any]]:
        """Returns who saw which passages unmasked, oldest entry first."""
        return accesses(self.store)

    def summary(self) -> str:
        """Returns the summary of the run as text: gaps first, then findings."""
        return summary_text(self.run)

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{html.escape(r['severity'])}</td><td>{html.escape(r['rule_id'])}</td><td>{r['count']}</td>"
            f"<td>{html.escape(visible(r['title']))}</td></tr>"
            for r in self.run["rules"]
        )
        head = "<tr><th>severity</th><th>rule</th><th>findings</th><th>title</th></tr>"
        return f"<pre>{html.escape(summary_text(self.run, rules=False))}</pre><table>{head}{rows}</table>"


def _context(audit: Audit, finding: str, place: int, lines: int, reveal: bool, reason: str | None, settings: Settings) -> Passage:
    from veritensor_ray.pipeline.passage import MOST_LINES, Amount
    from veritensor_ray.pipeline.reading_back import read_back

    if not 0 <= lines <= MOST_LINES:
        raise UsageError(f"lines must be a number from 0 to {MOST_LINES}, not {lines}")
    if reveal and not (reason or "").strip():
        raise UsageError("revealing a passage requires a reason, which goes into the access log: reason=TEXT, or --reason TEXT")
    row = audit.finding(finding)
    artifact = ds.field("artifact") == row["artifact"]
    ledger = audit.dataset("ledger").to_table(filter=artifact).to_pylist()
    if not ledger:
        raise StoreError(f"{audit.store.uri} has no ledger row for {row['artifact']}; restore the output, or scan again with --fresh")
    hidden = artifact & ds.field("category").isin((SECRET, PERSONAL)) & (ds.field("finding_id") != row["finding_id"])
    passage = read_back(
        row,
        [] if reveal else audit.dataset("findings").to_table(filter=hidden).to_pylist(),
        ledger[0],
        audit.run["fingerprint_parts"]["settings"]["limits"],
        place=place,
        stores={**audit.store.stores, **settings.stores},
        amount=Amount(lines),
        key=_key(audit, row, settings),
        reveal=reveal,
    )
    if reveal:
        size = len(passage.before) + len(passage.text) + len(passage.after) + sum(len(text) for _, text in passage.cells)
        about = {name: row[name] for name in ("finding_id", "rule_id", "artifact", "member", "scan_id")}
        note_access(audit.store, about | {"place": place, "lines": lines, "characters": size, "reason": reason})
    return passage


def _key(audit: Audit, row: Mapping[str, Any], settings: Settings) -> bytes:
    """Returns the audit's site key, which distinguishes masked names that look the same; empty if it is not needed or not available here."""
    at = row["location"] or {}
    if not any(name and TAGGED.search(name) for name in (row["member"], at.get("column"), at.get("part"))):
        return b""
    key = site_key(settings.site_key)
    return key if key_id(key) == audit.run["site_key_id"] else b""


@dataclass(frozen=True)
class Inspection:
    """The result of `inspect` for one text or file: findings as rows of the findings table, and its ledger row."""

    findings: list[dict[str, Any]]
    ledger: dict[str, Any]

    def __bool__(self) -> bool:
        return bool(self.findings)

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{html.escape(f['severity'])}</td><td>{html.escape(f['rule_id'])}</td><td>{html.escape(f['evidence'] or '')}</td></tr>"
            for f in self.findings
        )
        status = html.escape(f"{self.ledger['status']}: {self.ledger['reason'] or 'complete'}")
        return f"<p>{status}</p><table><tr><th>severity</th><th>rule</th><th>evidence</th></tr>{rows}</table>"


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
        return _inspected(path, data, name, load_settings(config, options))


def _inspected(path: Path | None, data: bytes, name: str | None, given: Settings) -> Inspection:
    settings, bundle = _with_bundle(given)
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
        given, bundle = _with_bundle(settings)
        return _inspect(given, bundle, starts=(Root(str(base), "", str(there.relative_to(base))),))


def _file_or_bytes(what: object) -> tuple[Path | None, bytes]:
    """Returns the file that is meant, or the bytes to scan. Raises UsageError for anything else."""
    if isinstance(what, (bytes, bytearray, memoryview)):
        return None, bytes(what)
    text = os.fsdecode(what) if isinstance(what, (str, os.PathLike)) else _path(what, "the input to inspect")
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


def _with_bundle(settings: Settings) -> tuple[Settings, str | None]:
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
    parts = describe(
        settings.model_copy(update={"sources": []}), {name: engine.fingerprint() for name, engine in engines.items()}, key_id(key), bundle
    )
    starts = starts or tuple(roots(settings.sources, settings.stores))
    # the roots say where it is; the cache of engines needs JSON, which cannot hold every file name
    context = Context(settings.model_copy(update={"sources": []}), starts, tuple(engines), key, digest(parts))
    described = {
        engine.name: {"fingerprint": engine.fingerprint(), "model": getattr(engine, "model_name", None)} for engine in engines.values()
    }
    rules = {rule.id: rule for engine in engines.values() for rule in engine.rules()}
    info = RunInfo("inspect", digest(parts), starts, rules, described, {"bundle_id": bundle}, settings.limits.hits_per_rule)
    for entry in shards_of(plan_rows(settings, tuple(engines), lambda *_: [], starts=starts)):
        if isinstance(entry, Shard):
            fingerprints = {name: str(about["fingerprint"]) for name, about in described.items()}
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
