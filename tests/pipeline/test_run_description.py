"""What describes a run: engines that cannot run here, the output inside the corpus, and what results say about engines."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from veritensor_ray.cleaning.cleaning_context import Cleaning
from veritensor_ray.cleaning.cleaning_policy import CleanPolicy
from veritensor_ray.core.config import Settings
from veritensor_ray.core.errors import ModelError
from veritensor_ray.pipeline.run_description import local_context, planned_shards, run_info, write_run_plan
from veritensor_ray.stores.outputs import OutputStore
from veritensor_ray.testing import Obedient

KEY = b"k" * 32


class WithoutModel(Obedient):
    """An engine whose model is not there."""

    name = "without-model"

    def fingerprint(self) -> str:
        raise ModelError("its model is missing; install it")


def of(folder: Path, *engines: str) -> Settings:
    plugins = [f"{__name__}:WithoutModel", "veritensor_ray.testing:Obedient"]
    return Settings.model_validate(
        {"sources": [str(folder)], "engines": list(engines), "plugins": plugins, "plugin_folder": str(Path(__file__).parents[2])}
    )


def test_an_engine_that_cannot_run_here_is_told(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="install it"):
        local_context(of(tmp_path, "fake-local", "without-model"), KEY)


def test_shards_name_all_engines(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("text")
    [shard] = planned_shards(local_context(of(tmp_path, "fake-local", "structure"), KEY))
    assert [(row.artifact, set(row.engines)) for row in shard.rows] == [("a.txt", {"fake-local", "structure"})]


@pytest.mark.parametrize(
    ("cleans", "again", "planned"),
    [
        (False, False, {"a.txt": None, "out/copy/c.txt": None, "out/before": "skipped"}),
        (True, False, {"a.txt": None, "out": "skipped"}),
        (True, True, {"a.txt": None, "out/copy/c.txt": None, "out/before": "skipped"}),
    ],
    ids=["an audit skips its results", "a cleaning skips its destination", "the audit of a copy reads the destination"],
)
def test_a_run_does_not_scan_what_it_writes(tmp_path: Path, cleans: bool, again: bool, planned: dict[str, str | None]) -> None:
    for name in ("a.txt", "out/copy/c.txt", "out/before/run.json"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("text")
    out = OutputStore(str(tmp_path / "out"))
    store = out.under("before")
    context = local_context(of(tmp_path, "fake-local"), KEY, Cleaning(CleanPolicy(), out, KEY, again=again) if cleans else None)
    write_run_plan(context, store, "run", lambda *_: [])
    plan = store.dataset("_work/run/plan.parquet", pa.schema([("artifact", pa.string()), ("status", pa.string())])).to_table().to_pylist()
    assert {row["artifact"]: row["status"] for row in plan} == planned


def test_results_say_which_engines_were_missing(tmp_path: Path) -> None:
    context = local_context(of(tmp_path, "fake-local", "structure"), KEY)
    info = run_info(replace(context, missing=(("fake-local", "no weights"),)), "run", {})
    assert info.engines["fake-local"] == {"version": None, "fingerprint": None, "model": None, "missing": "no weights"}
    assert info.engines["structure"]["fingerprint"] == dict(context.expected)["structure"]
    assert {rule.partition(".")[0] for rule in info.rules} == {"structure"}
