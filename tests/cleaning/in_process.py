"""A whole cleaning in this process, up to the published copy."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from bench.local_run import LocalRun
from tests.cleaning import misbehaving  # noqa: F401  # files that say so are not rewritten
from veritensor_ray.cleaning.cleaning_context import Cleaning
from veritensor_ray.cleaning.cleaning_policy import CleanPolicy, parse
from veritensor_ray.cleaning.copy_publishing import publish
from veritensor_ray.cleaning.copy_statement import attest_copy
from veritensor_ray.cleaning.part_assembly import Assembler
from veritensor_ray.core.config import Settings
from veritensor_ray.corpus.listing import roots
from veritensor_ray.corpus.planning import Shard
from veritensor_ray.findings.run_file import CLEAN_KIND
from veritensor_ray.pipeline.run_description import local_context
from veritensor_ray.policy.judge import Judge, load_policy
from veritensor_ray.results.attestation import results_digest
from veritensor_ray.stores.outputs import OutputStore

KEY = b"k" * 32
FAKE = {"engines": ["fake-local"], "plugins": ["tests.cleaning.misbehaving:Planted"], "plugin_folder": str(Path(__file__).parents[2])}
STRIP = "rules: [{rule: fake-local.findme, action: strip}]"
Files = dict[str, str | bytes]


def write(folder: Path, files: Files) -> None:
    """Write files; a name may be bytes in disguise (surrogates)."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)


@dataclass
class InProcess:
    """Cleans a source to a destination. `scan` may be followed by `publish` as often as one likes."""

    source: str
    destination: str
    policy: CleanPolicy | str = STRIP
    options: dict[str, Any] = field(default_factory=lambda: dict(FAKE))
    run: str = "run"
    dry_run: bool = False
    reveal: bool = False

    def __post_init__(self) -> None:
        self.settings = Settings.model_validate({"sources": [self.source], "output": self.destination} | self.options)
        policy = parse(self.policy) if isinstance(self.policy, str) else self.policy
        self.store = OutputStore(self.destination, self.settings.stores)
        self.cleaning = Cleaning(policy, self.store, KEY, dry_run=self.dry_run, reveal=self.reveal)
        self.roots = tuple(roots(self.settings.sources, self.settings.stores))
        self.before = self.store.under("before")

    def scan(self, between: Callable[[Shard], None] = lambda shard: None) -> InProcess:
        """Plan, scan and rewrite every shard; `between` is called before each."""
        run = LocalRun(local_context(self.settings, KEY, self.cleaning), self.before, self.run)
        run.plan()
        run.scan(before=between)
        run.collect(Judge(load_policy(None), date(2026, 1, 1)))
        return self

    @property
    def assembler(self) -> Assembler:
        return Assembler(self.cleaning, self.settings, self.roots, self.run)

    def publish(self) -> dict[str, Any]:
        """Publish the copies; returns the summary."""
        return publish(self.assembler, self.before)

    def again(self, policy: str, run: str = "second") -> InProcess:
        """Audit the copy, with another policy, which makes the engine find what the first one did not."""
        options = {**self.options, "sources": [f"{self.destination}/corpus"]}
        copies = InProcess(f"{self.destination}/corpus", self.destination, policy, options, run)
        copies.cleaning, copies.before = replace(copies.cleaning, again=True), self.store.under(f"after-{run}")
        return copies.scan()

    def manifest(self) -> dict[str, dict[str, Any]]:
        """The manifest by artifact."""
        with self.store.open("manifest.parquet") as file:
            return {row["artifact"]: row for row in pq.read_table(file).to_pylist()}

    def rows(self) -> list[tuple[str, int]]:
        """The rows that were dropped."""
        with self.store.open("rows.parquet") as file:
            return [(row["artifact"], row["row"]) for row in pq.read_table(file).to_pylist()]


@contextlib.contextmanager
def interrupted(monkeypatch: pytest.MonkeyPatch, steps: int, *names: str) -> Iterator[None]:
    """Let the block do so many steps, which are calls of methods of `OutputStore`; before the next one, it ends as by Ctrl-C."""
    left = steps

    def counted(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            nonlocal left
            left -= 1
            if left < 0:
                raise KeyboardInterrupt
            return real(*arguments, **named)

        return call

    with monkeypatch.context() as patch:
        for name in names:
            patch.setattr(OutputStore, name, counted(getattr(OutputStore, name)))
        with pytest.raises(KeyboardInterrupt):
            yield


def tree(folder: Path) -> dict[bytes, bytes]:
    """Every file below a folder, with its content; folders too, with nothing."""
    base = bytes(folder)
    return {
        bytes(path)[len(base) + 1 :]: path.read_bytes() if path.is_file() else b"(folder)"
        for path in sorted(folder.rglob("*"))
        if path.is_file() or path.is_dir()
    }


def finish(run: InProcess, sign_key: str | None = None, **changes: Any) -> dict[str, Any]:
    """Give a published copy the audits and the run.json that a driver would have written last, and sign it."""
    for name in ("before", "after"):
        run.store.put(f"{name}/run.json", json.dumps({"scan_id": f"of-{name}"}).encode())
    run.store.put("after/findings/part-00000.parquet", b"of the copy")
    audits = {name: {"scan_id": f"of-{name}", "sha256": results_digest(run.store.under(name))} for name in ("before", "after")}
    verdict: dict[str, Any] = {"verdict": "clean", "level": "medium", "left": {}, "below": [], "not_checked": {}, "not_copied": {}}
    made = {"kind": CLEAN_KIND} | verdict | audits | changes
    data = json.dumps(made).encode()
    if sign_key:
        attest_copy(run.store, sign_key, made, data)
    run.store.put("run.json", data)
    return made
