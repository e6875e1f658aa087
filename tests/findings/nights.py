"""Sweeps of a corpus on disk in this process: plan, scan, collect and publish as a driver does it, without Ray."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from veritensor_ray.core.config import Settings
from veritensor_ray.corpus.listing import roots
from veritensor_ray.corpus.planning import PlanRow, Shard, plan_rows, shards_of, write_plan
from veritensor_ray.engines.base import Transcriber
from veritensor_ray.engines.registry import create
from veritensor_ray.findings.shard_commit import commit_table, write_commit
from veritensor_ray.findings.summary import RunInfo
from veritensor_ray.findings.sweep_collecting import collect_sweep
from veritensor_ray.findings.sweep_publishing import publish
from veritensor_ray.findings.sweep_state import folder_of, latest
from veritensor_ray.pipeline.context import Context
from veritensor_ray.pipeline.shard import scanned
from veritensor_ray.pipeline.splitting import splitter
from veritensor_ray.pipeline.sweep_rescan import Known, Previous, ThisSweep, hiding_engines
from veritensor_ray.policy.judge import Judge, load_policy
from veritensor_ray.stores.outputs import OutputStore

KEY = b"the site key"
OF_THE_RUN = ("scan_id", "detected_at", "state", "first_seen", "last_seen")
PLUGINS = [f"veritensor_ray.testing:{name}" for name in ("Obedient", "ObedientModel", "ObedientTranscriber")]


class Nights:
    """A corpus and the state of its sweeps. The n-th night, from 1, is that of January n."""

    def __init__(self, base: Path, *engines: str) -> None:
        self.base, self.corpus, self.engines = base, base / "corpus", engines
        self.corpus.mkdir(parents=True)
        self.state = OutputStore(str(base / "state"))
        self.number = 0
        self.read: list[str] = []  # what the last night scanned

    def write(self, **files: str | bytes) -> None:
        """Files by name: `__` is a slash, `_` a dot."""
        for name, content in files.items():
            path = self.path(name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)

    def path(self, name: str) -> Path:
        return self.corpus / name.replace("__", "/").replace("_", ".")

    def move(self, old: str, new: str) -> None:
        self.path(new).parent.mkdir(parents=True, exist_ok=True)
        self.path(old).rename(self.path(new))

    def rule(self, folder: str, word: str, severity: str = "low", category: str = "hidden-content") -> str:
        """A folder with a rule of the user's that finds a word."""
        path = self.base / folder
        path.mkdir(exist_ok=True)
        meta = f'title = "x" description = "x" category = "{category}" severity = "{severity}"'
        (path / "own.yar").write_text(f'rule own {{ meta: {meta} strings: $a = "{word}" condition: $a }}')
        return str(path)

    def night(
        self,
        *engines: str,
        change: Callable[[], Any] = lambda: None,
        unlisted: str = "",
        trust: str = "etag",
        fresh: bool = False,
        elsewhere: Nights | None = None,
        **options: Any,
    ) -> dict[str, Any]:
        """A sweep; `change` happens between plan and scan, and the folder `unlisted` cannot be listed. Returns run.json.

        Known content is that of the last night `elsewhere`, if given.
        """
        self.number += 1
        settings = Settings.model_validate(
            {"sources": [str(self.corpus)], "plugins": PLUGINS, "sweep": {"trust": trust}, "pii": {"free_text": False}} | options
        )
        names = engines or self.engines
        before = latest(self.state)
        previous = (
            None if before is None or fresh else Previous(folder_of(self.state, before), _tonight(settings, names), settings.sweep.trust)
        )
        rows = plan_rows(settings, names, splitter(settings), decide=previous.decide if previous else None)
        planned = _without(list(rows), unlisted) if unlisted else list(rows)
        change()
        store = folder_of(elsewhere.state, latest(elsewhere.state) or "") if elsewhere else None
        known = Previous(store, _tonight(settings, names), "etag") if store else previous
        return self._finished(settings, names, planned, known.known() if known else None, before, store)

    def _finished(
        self,
        settings: Settings,
        names: Sequence[str],
        planned: list[PlanRow],
        known: Known | None,
        before: str | None,
        elsewhere: OutputStore | None,
    ) -> dict[str, Any]:
        run, started = f"night-{self.number:03}", datetime(2026, 1, self.number, tzinfo=UTC)
        made = {engine.name: engine for engine in create(settings, names)}
        prints = {name: engine.fingerprint() for name, engine in made.items()}
        context = Context(settings, tuple(roots(settings.sources, {})), tuple(names), KEY, repr(prints))
        buffer = io.BytesIO()
        write_plan(planned, buffer)
        self.state.put(f"_work/{run}/plan.parquet", buffer.getvalue())
        self.read = []
        for shard in (one for one in shards_of(planned) if isinstance(one, Shard)):
            table = scan(context, shard.rows, prints, known)
            self.read += [row["artifact"] for row in table.to_pylist() if row["same_as"] is None]
            write_commit(self.state, run, shard.id, table)
        about = {"job": "sweep", "started_at": started.isoformat(), "site_key_id": "k", "profile": "embedded"}
        described = {name: {"version": engine.version, "fingerprint": prints[name]} for name, engine in made.items()}
        rules = {rule.id: rule for engine in made.values() for rule in engine.rules()}
        info = RunInfo(run, "f", context.roots, rules, described, about, settings.limits.hits_per_rule)
        result = collect_sweep(self.state, info, KEY, Judge(load_policy(None), date(2026, 1, 1)), before, elsewhere)
        publish(self.state, result)
        return result

    def table(self, name: str) -> list[dict[str, Any]]:
        """Of the last night."""
        rows: list[dict[str, Any]] = pq.read_table(self.base / "state" / "current" / name).to_pylist()
        return rows

    def all(self) -> list[dict[str, Any]]:
        """Findings, resolved and unverified ones among them."""
        return [row for name in ("findings", "resolved", "unverified") for row in self.table(name)]

    def differences(self, *engines: str, **options: Any) -> list[Any]:
        """Where the last night's tables are not those of a fresh audit of the same corpus."""
        other = Nights(self.base / f"fresh-{self.number}", *(engines or self.engines))
        other.corpus.rmdir()
        other.corpus = self.corpus
        other.night(**options)
        mine, theirs = _comparable(self), _comparable(other)
        return [
            (name, key, mine[name].get(key), theirs[name].get(key))
            for name in mine
            for key in mine[name].keys() | theirs[name].keys()
            if mine[name].get(key) != theirs[name].get(key)
        ]


def scan(context: Context, rows: list[PlanRow], fingerprints: dict[str, str], known: Known | None = None) -> pa.Table:
    """A shard with the engines that its rows want."""
    return commit_table(rows, scanned(context, rows, known=known), fingerprints, context.site_key)


def _tonight(settings: Settings, names: Iterable[str]) -> ThisSweep:
    engines = create(settings, names)
    return ThisSweep(
        {engine.name: engine.fingerprint() for engine in engines},
        frozenset(engine.name for engine in engines if isinstance(engine, Transcriber)),
        hiding_engines({engine.name: engine.rules() for engine in engines}),
        frozenset(names),
    )


def _without(rows: list[PlanRow], folder: str) -> list[PlanRow]:
    """As the listing is where a folder cannot be listed."""
    inside = [row for row in rows if row.artifact.startswith(f"{folder}/")]
    denied = replace(
        inside[0],
        shard=-1,
        artifact=folder,
        size=None,
        mtime=None,
        engines=(),
        carried_from=None,
        status="unlisted",
        reason="cannot be listed",
    )
    return [row for row in rows if row not in inside] + [denied]


def _comparable(nights: Nights) -> dict[str, dict[Any, Any]]:
    findings = {row["finding_id"]: {k: v for k, v in row.items() if k not in OF_THE_RUN} for row in nights.table("findings")}
    ledger = {
        row["artifact"]: row | {"seconds": 0, "coverage": sorted(row["coverage"], key=lambda one: str(one["engine"]))}
        for row in nights.table("ledger")
    }
    rollup = {(row["artifact"], row["column"], row["rule_id"], row["severity"]): row for row in nights.table("rollup")}
    return {"findings": findings, "ledger": ledger, "rollup": rollup}


def day(number: int) -> datetime:
    return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(number - 1)
