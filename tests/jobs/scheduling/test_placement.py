"""A run in processes and one on Ray leave the same rows; which of them a run takes."""

from __future__ import annotations

import json
import random
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from veritensor_ray.core.config import Settings, load_settings
from veritensor_ray.core.errors import UsageError
from veritensor_ray.jobs.audit_run import audit
from veritensor_ray.jobs.cleaning_run import clean
from veritensor_ray.jobs.scheduling.placement import RAY_COSTS, in_processes, placed
from veritensor_ray.jobs.sweep_run import sweep
from veritensor_ray.pipeline.bounded.process import SHARED
from veritensor_ray.testing import painted

pytestmark = pytest.mark.usefixtures("local_ray")  # without --address, runs of this process take it

FAKES: dict[str, Any] = {
    "engines": ["fake-local", "fake-model", "fake-ocr", "structure"],
    "plugins": [f"veritensor_ray.testing:Obedient{name}" for name in ("", "Model", "Transcriber")],
    "limits": {"shard_artifacts": 4, "split_bytes": "30kB"},
}
TIMES = {"scan_id", "detected_at", "first_seen", "last_seen", "last_scanned", "seconds", "same_as_run"}


def zipped(path: Path, **members: bytes) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)


# What an artifact may be, by name: each writes one with the given stem.
KINDS: dict[str, Callable[[Path, random.Random], object]] = {
    "words": lambda path, chosen: path.with_suffix(".txt").write_text("word " * chosen.randrange(200)),
    "found": lambda path, chosen: path.with_suffix(".md").write_text("word\n" * chosen.randrange(50) + "FINDME\n"),
    "split": lambda path, chosen: path.with_suffix(".log").write_text("word FINDME in a line\n" * chosen.randrange(1500, 3000)),
    "picture": lambda path, chosen: path.with_suffix(".png").write_bytes(painted("FINDME", Comment="FINDME")),
    "archive": lambda path, chosen: zipped(path.with_suffix(".zip"), a=b"FINDME", b=painted("FINDME"), c=bytes(chosen.randrange(500))),
    "table": lambda path, chosen: pq.write_table(
        pa.table({"a": ["word", "FINDME"] * chosen.randrange(1, 99)}), path.with_suffix(".parquet")
    ),
    "damaged": lambda path, chosen: path.with_suffix(".parquet").write_bytes(b"PAR1" + chosen.randbytes(64)),
    "no reader": lambda path, chosen: path.with_suffix(".bin").write_bytes(chosen.randbytes(900)),
    "raises in extraction": lambda path, chosen: path.with_suffix(".txt").write_text("FINDME RAISE-LOCAL"),
    "raises in a model": lambda path, chosen: path.with_suffix(".txt").write_text("FINDME RAISE-MODEL"),
    "kills extraction": lambda path, chosen: path.with_suffix(".txt").write_text("FINDME ABORT-LOCAL"),
    "kills a model": lambda path, chosen: path.with_suffix(".txt").write_text("FINDME ABORT-MODEL"),
    "kills a transcriber": lambda path, chosen: path.with_suffix(".png").write_bytes(painted("FINDME ABORT-OCR")),
}


HARMLESS = [kind for kind in KINDS if "kills" not in kind]


def corpus(folder: Path, seed: int, more: Sequence[str] = ()) -> Path:
    """Artifacts of all kinds that kill nothing, some twice, and of more kinds, in an order that the seed decides."""
    chosen = random.Random(seed)
    kinds = [*HARMLESS, *chosen.choices(HARMLESS, k=9), *more]
    chosen.shuffle(kinds)
    folder.mkdir()
    for number, kind in enumerate(kinds):
        KINDS[kind](folder / f"{number:02d}", chosen)
    return folder


def rows(output: Path) -> dict[str, list[dict[str, Any]]]:
    """The tables of an output, without what differs from run to run."""
    folders = ("findings", "ledger", "rollup", "resolved", "known")
    tables = {name: pq.read_table(output / name).to_pylist() for name in folders if (output / name).exists()}
    return {name: [{key: row[key] for key in row if key not in TIMES} for row in table] for name, table in tables.items()}


def settings(source: Path, output: Path, address: str | None, **options: Any) -> Settings:
    return load_settings(flags=FAKES | {"sources": [str(source)], "output": str(output), "address": address} | options, environ={})


def placement(output: Path) -> str:
    return str(json.loads((output / "run.json").read_text())["placement"])


@pytest.mark.parametrize(
    ("pools", "more"),
    [("shared", []), ("per-engine", []), ("per-engine", ["kills extraction", "kills a transcriber"]), ("shared", ["kills a model"])],
)
def test_the_rows_are_the_same(pools: str, more: list[str], tmp_path: Path) -> None:
    source, resources = corpus(tmp_path / "in", len(more), more), {"model_pools": pools}
    audit(settings(source, tmp_path / "processes", "local", resources=resources))
    audit(settings(source, tmp_path / "Ray", "embedded", resources=resources))
    assert [placement(tmp_path / name) for name in ("processes", "Ray")] == ["processes", "Ray"]
    seen = rows(tmp_path / "processes")
    assert len(seen["ledger"]) == len(list(source.iterdir()))
    assert sum(row["status"] == "quarantined" for row in seen["ledger"]) == len(more)
    assert seen == rows(tmp_path / "Ray")


def test_the_rows_of_sweeps_are_the_same(tmp_path: Path) -> None:
    source = corpus(tmp_path / "in", 7)
    for night in range(2):
        for name, address in (("processes", "local"), ("Ray", "embedded")):
            sweep(settings(source, tmp_path / name, address, job="sweep"))
            assert placement(tmp_path / name / "current") == name
        processes, ray = (
            {table: sorted(map(repr, found)) for table, found in rows(tmp_path / f"{name}/current").items()}
            for name in ("processes", "Ray")
        )
        assert processes == ray, night  # in any order: the tables of a sweep are joined by several threads
        for path in sorted(source.iterdir())[:3]:
            path.unlink()
        (source / "new.txt").write_text("FINDME\n")


def test_the_copies_are_the_same(tmp_path: Path) -> None:
    source = corpus(tmp_path / "in", 3)
    copies = []
    for name, address in (("processes", "local"), ("Ray", "embedded")):
        run = clean(settings(source, tmp_path / name, address))
        assert run["before"]["placement"] == run["after"]["placement"] == name
        files = {path.relative_to(tmp_path / name): path.read_bytes() for path in (tmp_path / name / "corpus").rglob("*") if path.is_file()}
        copies.append((files, pq.read_table(tmp_path / name / "manifest.parquet").to_pylist(), rows(tmp_path / name / "before")))
    assert copies[0] == copies[1]
    assert copies[0][0]


@pytest.mark.parametrize(
    ("options", "effort", "expected"),
    [
        ({}, 0.0, True),
        ({}, RAY_COSTS, True),
        ({}, RAY_COSTS + 0.001, False),
        ({"address": "local"}, 1e6, True),
        ({"address": "embedded"}, 0.0, False),
        ({"address": "head:6379"}, 0.0, False),
        ({"resources": {"model_gpus": 1}}, 0.0, False),
    ],
)
def test_what_takes_processes(options: dict[str, Any], effort: float, expected: bool) -> None:
    assert in_processes(Settings.model_validate(options), effort) is expected


@pytest.fixture
def name_of() -> Iterator[Callable[[dict[str, Any]], str]]:
    def name(options: dict[str, Any]) -> str:
        with placed(Settings.model_validate(options)) as chosen:
            return chosen.name

    yield name


def test_a_ray_that_is_there_is_used_unless_processes_are_asked_for(name_of: Callable[[dict[str, Any]], str]) -> None:
    assert (name_of({}), name_of({"address": "embedded"}), name_of({"address": "local"})) == ("Ray", "Ray", "processes")


def test_processes_have_no_gpu(name_of: Callable[[dict[str, Any]], str]) -> None:
    with pytest.raises(UsageError, match=r"use no GPU; leave out --address, or set resources\.model_gpus to 0"):
        name_of({"address": "local", "resources": {"model_gpus": 1}})


def test_the_process_that_inspects_is_used_and_stays(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("FINDME")
    SHARED.start()
    before = SHARED.pid
    audit(settings(tmp_path / "a.txt", tmp_path / "out", "local"))
    assert SHARED.pid == before
