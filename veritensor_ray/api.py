"""The notebook's interface: scan a corpus, open a result, inspect one text or file; it draws nothing in a terminal."""

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
from veritensor_ray.findings.run_text import summary_text
from veritensor_ray.findings.schema import TABLES
from veritensor_ray.findings.state import night, results
from veritensor_ray.imports import Guard
from veritensor_ray.stores.filesystems import Stores, absolute
from veritensor_ray.stores.outputs import OutputStore
from veritensor_ray.uris import real_bases

if TYPE_CHECKING:
    import pandas as pd

    from veritensor_ray.corpus.planning import PlanRow
    from veritensor_ray.pipeline.context import Context
    from veritensor_ray.pipeline.passage import Passage

# A text that is meant for a file: a URI, or a path without a space. Its name would be scanned, and the file taken for clean.
_NAMES_A_FILE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://\S+|~[\w.-]*/\S*|(?:\.{0,2}/)?(?:[^\s/]+/)+[^\s/]+\.[A-Za-z]\w{0,9}")
_ID = re.compile("[0-9a-fA-F]{6,32}")
_IDS = "`veritensor-ray findings OUTPUT --no-group` lists ids"
_LISTED = 5
_WILDCARDS = re.compile(r"[*?\[]")  # a name is not a pattern


def scan(
    source: str | Path | Sequence[str | Path], output: str | Path | None = None, *, config: str | None = None, **options: Any
) -> Audit:
    """Audit a corpus and open the result. Options are configuration keys: engines=["signatures"], profile="standard", job="sweep".

    The same call again resumes an audit that was cut short. Raises UsageError or CannotRunError.
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


def open(output: str | Path, *, sweep: str | None = None, stores: Stores | None = None) -> Audit:  # vr.open reads well, as in tarfile.open
    """The results of a complete audit; of a sweep's state those of its last complete sweep, or of another one by its id.

    Raises IncompleteOutput for a run that has not ended, or for a folder that is none; UsageError for a sweep that is not there.
    """
    output = _path(output, "what is opened")
    store = OutputStore(absolute(output), stores if stores is not None else load_settings().stores)
    if sweep is not None:
        if not isinstance(sweep, str):
            raise UsageError(f"`sweep` is the id of a sweep as text, not {_described(sweep)}; `veritensor-ray sweeps` lists them")
        chosen = night(store, sweep)
        return Audit(chosen.store, chosen.run)
    return Audit(*results(store, output))


def _sources(source: object) -> list[str]:
    """Sources as the configuration has them. Raises UsageError for data in memory: that is not a corpus."""
    several = isinstance(source, (list, tuple, set, frozenset, Iterator)) and not hasattr(source, "read")
    sources = [_path(one, "a source") for one in (cast("Iterable[object]", source) if several else (source,))]
    if not sources:
        raise UsageError("there is nothing to scan: the list of sources is empty. Name a folder, a file or a URI")
    return sources


def _path(what: object, role: str) -> str:
    """A path or URI as text. Raises UsageError that says what to pass."""
    if isinstance(what, (str, os.PathLike)) and (text := os.fsdecode(what)):
        return text
    got = "an empty name" if isinstance(what, str) else _described(what)
    raise UsageError(f"{role} is a path or a URI, not {got}. {_remedy(what)}")


def _described(what: object) -> str:
    kind = type(what)
    return "None" if what is None else kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _remedy(what: object) -> str:
    """What to pass in place of an object that is neither text nor bytes nor a path."""
    if any(hasattr(what, name) for name in ("to_parquet", "to_table", "schema", "dtypes", "to_frame")):
        return "Write a table to a Parquet file and pass its path: veritensor_ray.scan(PATH) or veritensor_ray.inspect(Path(PATH))"
    if hasattr(what, "read"):
        return "Pass the path of an open file, or inspect what its read() returns"
    if isinstance(what, (list, tuple, set, frozenset, dict)):
        return "Inspect the texts one by one, or write them to a file and pass its path"
    return "Pass a pathlib.Path or text for a file, a folder or a URI; inspect also takes text and bytes themselves"


@dataclass(frozen=True, repr=False)
class Audit:
    """A complete audit. `run` is the content of run.json; the tables are read when they are asked for."""

    store: OutputStore
    run: Mapping[str, Any]

    def __repr__(self) -> str:
        return (
            f"<Audit {self.store.uri}: {sum(self.run['severity'].values())} findings in {self.run['totals'].get('artifacts', 0)} artifacts>"
        )

    def dataset(self, name: str) -> ds.Dataset:
        """A table, not read yet: findings, ledger, rollup; of a sweep also resolved, unverified, known and trends.

        A column that an earlier version did not write is null. Raises UsageError; StoreError where the table is lost.
        """
        if name not in self.tables:
            raise UsageError(f"there is no table {name!r} here; there are {', '.join(self.tables)}")
        if not self.store.exists(name):
            raise StoreError(f"{self.store.uri} has lost its table {name}: get the output again, or scan again with --fresh")
        return self.store.dataset(name, TABLES[name])

    @property
    def tables(self) -> tuple[str, ...]:
        """The names of the tables there are."""
        return tuple(TABLES) if self.run.get("job") == "sweep" else tuple(TABLES)[:3]

    @cached_property
    def findings(self) -> pa.Table:
        """One row per finding."""
        return self.dataset("findings").to_table()

    @cached_property
    def ledger(self) -> pa.Table:
        """One row per artifact: what was checked and what was not."""
        return self.dataset("ledger").to_table()

    @cached_property
    def rollup(self) -> pa.Table:
        """Counts by artifact, column and rule; complete where findings are not."""
        return self.dataset("rollup").to_table()

    @cached_property
    def trends(self) -> pa.Table:
        """Counts of findings by folder, engine, category, severity and state for each sweep so far; an audit has none."""
        return self.dataset("trends").to_table()

    def to_pandas(self, name: str = "findings") -> pd.DataFrame:
        """One of the tables as a DataFrame."""
        with Guard():  # pandas is imported here
            frame: pd.DataFrame = self.dataset(name).to_table().to_pandas()
            return frame

    def sql(self, query: str) -> pd.DataFrame:
        """A query over the tables by their names, by DuckDB; it reaches no other file and no network."""
        with Guard(), self._connection() as connection:
            frame: pd.DataFrame = connection.execute(query).df()
            return frame

    def rows(self, query: str) -> Iterator[pa.RecordBatch]:
        """The same as record batches, a few thousand rows in memory at a time."""
        with self._connection() as connection:
            yield from connection.sql(query).to_arrow_reader(10_000)

    def _connection(self) -> Any:
        with Guard():
            import duckdb

        connection = duckdb.connect(config={"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"})
        for name in self.tables:
            connection.register(name, self.dataset(name))
        connection.execute("SET enable_external_access = false; SET lock_configuration = true")
        return connection

    def finding(self, finding: str) -> dict[str, Any]:
        """The row of the one finding whose id begins so. Raises UsageError for none and for several."""
        if not _ID.fullmatch(finding):
            raise UsageError(f"{finding!r} is not the id of a finding, nor six or more of its first digits; {_IDS}")
        query = f"SELECT * FROM findings WHERE starts_with(finding_id, '{finding.lower()}') ORDER BY finding_id LIMIT {_LISTED + 1}"  # noqa: S608  # digits
        found: list[dict[str, Any]] = [row for batch in self.rows(query) for row in batch.to_pylist()]
        if not found:
            raise UsageError(f"no finding in {self.store.uri} has an id that begins with {finding}; {_IDS}")
        if len(found) > 1:
            ids = ", ".join(row["finding_id"] for row in found[:_LISTED]) + (", …" if len(found) > _LISTED else "")
            raise UsageError(f"several findings have ids that begin with {finding}: {ids}; give more digits")
        return found[0]

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
        """The passage of a finding, read back from the corpus in a bounded process: its row's id, or six or more first digits.

        `place` is the number of one of the places that its row lists. Masked as evidence is, by what all findings of the artifact cover, and every word where not all have rows. With `reveal` it is as it stands there, and who saw it, when
        and for what `reason` is noted in the output first. Raises UsageError; NotAsScanned where the artifact or the place is not there
        any more; StoreError where the access cannot be noted; CannotRunError.
        """
        with Guard():
            return _context(self, finding, place, lines, reveal, reason, load_settings(config))

    def accesses(self) -> list[dict[str, Any]]:
        """Who saw which passages in clear, the oldest entry first."""
        return accesses(self.store)

    def summary(self) -> str:
        """What was not covered, then what was found."""
        return summary_text(self.run)

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{html.escape(r['severity'])}</td><td>{html.escape(r['rule_id'])}</td><td>{r['count']}</td>"
            f"<td>{html.escape(visible(r['title']))}</td></tr>"
            for r in self.run["rules"]
        )
        head = "<tr><th>severity</th><th>rule</th><th>findings</th><th>what</th></tr>"
        return f"<pre>{html.escape(summary_text(self.run, rules=False))}</pre><table>{head}{rows}</table>"


def _context(audit: Audit, finding: str, place: int, lines: int, reveal: bool, reason: str | None, settings: Settings) -> Passage:
    from veritensor_ray.pipeline.passage import MOST_LINES, Amount
    from veritensor_ray.pipeline.reading_back import read_back

    if not 0 <= lines <= MOST_LINES:
        raise UsageError(f"lines is a number from 0 to {MOST_LINES}, not {lines}")
    if reveal and not (reason or "").strip():
        raise UsageError("to reveal a passage takes a reason, which is noted in the access log: reason=TEXT, or --reason TEXT")
    row = audit.finding(finding)
    artifact = ds.field("artifact") == row["artifact"]
    ledger = audit.dataset("ledger").to_table(filter=artifact).to_pylist()
    if not ledger:
        raise StoreError(f"{audit.store.uri} has no ledger row of {row['artifact']}: get the output again, or scan again with --fresh")
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
    """The site key of the audit, which tells masked names apart that look the same; empty where it is not needed, or not here."""
    at = row["location"] or {}
    if not any(name and TAGGED.search(name) for name in (row["member"], at.get("column"), at.get("part"))):
        return b""
    key = site_key(settings.site_key)
    return key if key_id(key) == audit.run["site_key_id"] else b""


@dataclass(frozen=True)
class Inspection:
    """What `inspect` found in one text or file: findings as rows of the findings table, and its ledger row."""

    findings: list[dict[str, Any]]
    ledger: dict[str, Any]

    def __bool__(self) -> bool:
        return bool(self.findings)

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{html.escape(f['severity'])}</td><td>{html.escape(f['rule_id'])}</td><td>{html.escape(f['evidence'] or '')}</td></tr>"
            for f in self.findings
        )
        status = html.escape(f"{self.ledger['status']}: {self.ledger['reason'] or 'all of it'}")
        return f"<p>{status}</p><table><tr><th>severity</th><th>rule</th><th>evidence</th></tr>{rows}</table>"


def inspect(
    what: str | bytes | bytearray | memoryview | os.PathLike[str], *, name: str | None = None, config: str | None = None, **options: Any
) -> Inspection:
    """Scan one text, file or piece of bytes in a process beside this one, without Ray. Raises UsageError for anything else: that would
    pass unread.

    A string is a path where such a file exists, else the text itself. `name` stands in for a file name: it decides what the content is
    expected to be. Engines stay loaded there for the next call, and a bundle is verified when it is first used. What kills that process
    is `quarantined` in the ledger, with the reason.
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


def _file_or_bytes(what: object) -> tuple[Path | None, bytes]:
    """The file that is meant, or the bytes to scan. Raises UsageError for what is neither."""
    if isinstance(what, (bytes, bytearray, memoryview)):
        return None, bytes(what)
    text = os.fsdecode(what) if isinstance(what, (str, os.PathLike)) else _path(what, "what is inspected")
    if _is(text, os.path.isdir):
        raise UsageError(
            f"{text} is a folder, and inspect takes one file: veritensor_ray.scan audits folders. Pass a text of that name as bytes"
        )
    if isinstance(what, str) and not _is(text, os.path.isfile):
        if _is(text, os.path.lexists) or _NAMES_A_FILE.fullmatch(text):
            raise UsageError(f"{text!r} names a file, and there is no regular file there. Pass its path, or a text that looks so as bytes")
        return None, what.encode("utf-8", "surrogatepass")
    return Path(text), b""


def _with_bundle(settings: Settings) -> tuple[Settings, str | None]:
    """Settings with what the bundle in use has, and its id."""
    from veritensor_ray.bundle.active import bundles_folder, linked

    return _activated(settings.model_copy(update={"sources": []}).model_dump_json(), linked(bundles_folder(settings.bundle)))


@lru_cache(maxsize=4)
def _activated(
    settings_json: str, _bundle: Path | None
) -> tuple[Settings, str | None]:  # both are the key: an imported bundle counts at once
    from veritensor_ray.bundle.active import activate

    settings, active = activate(Settings.model_validate_json(settings_json))
    for sentence in active.warnings if active else ():
        warnings.warn(sentence, stacklevel=4)
    return settings, active.id if active else None


def _is(text: str, kind: Callable[[str], bool]) -> bool:
    """`kind` is a test of os.path: pathlib raises for odd text."""
    return len(text) < 4096 and "\0" not in text and "\n" not in text and kind(text)


def _inspect(settings: Settings, bundle: str | None, memory: Mapping[str, bytes] | None = None) -> Inspection:
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
    starts = tuple(roots(settings.sources, settings.stores))
    # the roots say where it is; as JSON, which the cache of engines wants, not every name can be written
    context = Context(settings.model_copy(update={"sources": []}), starts, tuple(engines), key, digest(parts))
    described = {
        engine.name: {"fingerprint": engine.fingerprint(), "model": getattr(engine, "model_name", None)} for engine in engines.values()
    }
    rules = {rule.id: rule for engine in engines.values() for rule in engine.rules()}
    info = RunInfo("inspect", digest(parts), starts, rules, described, {"bundle_id": bundle}, settings.limits.hits_per_rule)
    for entry in shards_of(plan_rows(settings, tuple(engines), lambda *_: [])):
        if isinstance(entry, Shard):
            fingerprints = {name: str(about["fingerprint"]) for name, about in described.items()}
            assembled = Assembled(info, key, entry.rows, _scanned(context, entry.rows, fingerprints, memory).to_pylist())
        else:
            assembled = Assembled(info, key, [entry], [])
    findings = list(assembled.findings())
    return Inspection(findings, assembled.ledger(len(findings)))


def _scanned(context: Context, rows: Sequence[PlanRow], fingerprints: Mapping[str, str], memory: Mapping[str, bytes] | None) -> pa.Table:
    """The rows of a commit; where the scanning process died, they say why."""
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
