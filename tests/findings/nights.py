"""Sweeps of a corpus on disk in this process, up to the published state."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from bench.local_run import LocalRun
from veritensor_ray.core.config import Settings
from veritensor_ray.corpus.planning import plan_key, read_plan, write_plan
from veritensor_ray.findings.sweep_publishing import publish
from veritensor_ray.findings.sweep_state import folder_of, latest
from veritensor_ray.pipeline.run_description import local_context
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
        fixed = {"sources": [str(self.corpus)], "engines": [*(engines or self.engines)], "plugins": PLUGINS}
        settings = Settings.model_validate(fixed | {"sweep": {"trust": trust}, "pii": {"free_text": False}} | options)
        run = LocalRun(local_context(settings, KEY), self.state, f"night-{self.number:03}")
        before = latest(self.state)
        previous = None if before is None or fresh else run.previous(folder_of(self.state, before))
        run.plan(previous.decide if previous else None)
        if unlisted:
            self._unlist(plan_key(run.id), unlisted)
        change()
        store = folder_of(elsewhere.state, latest(elsewhere.state) or "") if elsewhere else None
        known = run.previous(store) if store else previous
        self.read = run.scan(known.known() if known else None)
        result = run.collect_sweep(Judge(load_policy(None), date(2026, 1, 1)), day(self.number), before, store)
        publish(self.state, result)
        return result

    def _unlist(self, plan: str, folder: str) -> None:
        """Write the plan as it is if the folder cannot be listed."""
        with self.state.open(plan) as file:
            rows = list(read_plan(file))
        inside = [row for row in rows if row.artifact.startswith(f"{folder}/")]
        known: dict[str, Any] = {"size": None, "mtime": None, "engines": (), "carried_from": None}
        denied = replace(inside[0], shard=-1, artifact=folder, status="unlisted", reason="cannot be listed", **known)
        with self.state.writer(plan) as file:
            write_plan([*(row for row in rows if row not in inside), denied], file)

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


def _comparable(nights: Nights) -> dict[str, dict[Any, Any]]:
    findings = {row["finding_id"]: {k: v for k, v in row.items() if k not in OF_THE_RUN} for row in nights.table("findings")}
    ledger = {
        row["artifact"]: row | {"seconds": 0, "coverage": sorted(row["coverage"], key=lambda one: str(one["engine"]))}
        for row in nights.table("ledger")
    }
    rollup = {(row["artifact"], row["column"], row["rule_id"], row["severity"]): row for row in nights.table("rollup")}
    located = nights.table("locations") if (nights.base / "state" / "current" / "locations").exists() else []
    places = {tuple(row.values()): row for row in located}
    return {"findings": findings, "ledger": ledger, "rollup": rollup, "locations": places}


def day(number: int) -> datetime:
    return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(number - 1)
