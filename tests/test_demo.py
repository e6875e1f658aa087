"""The demo corpus through the real command line: what is planted is found where it is, what is harmless stays silent, nothing is left out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from veritensor_ray.engines.registry import BUILT_IN

pytestmark = pytest.mark.ray

SCRIPT = Path(__file__).parents[1] / "scripts" / "make_demo_corpus.py"
SERIOUS = ("medium", "high", "critical")


def make(folder: Path) -> Mapping[str, Any]:
    """Write the corpus; returns what is expected of an audit."""
    subprocess.run([sys.executable, str(SCRIPT), str(folder)], check=True, capture_output=True, timeout=120)
    expected: Mapping[str, Any] = json.loads(folder.with_name(f"{folder.name}.expected.json").read_text(encoding="utf-8"))
    return expected


@dataclass(frozen=True)
class Demo:
    """An audit of the demo corpus that has ended."""

    corpus: Path
    output: Path
    environment: Mapping[str, str]
    expected: Mapping[str, Any]
    first: subprocess.CompletedProcess[str]

    def table(self, name: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = ds.dataset(self.output / name, format="parquet").to_table().to_pylist()
        return rows


def submit(corpus: Path, output: Path, environment: Mapping[str, str], *flags: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "veritensor_ray", "submit", str(corpus), "--output", str(output), *flags]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=300, env=environment, cwd=output.parent)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    base = tmp_path_factory.mktemp("demo")
    expected = make(base / "corpus")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("VERITENSOR_", "RAY_"))}
    environment = kept | {"HOME": str(base), "XDG_CONFIG_HOME": str(base / "config")}
    first = submit(base / "corpus", base / "audit", environment)
    assert (base / "audit" / "run.json").exists(), first.stderr
    yield Demo(base / "corpus", base / "audit", environment, expected, first)


def serious(demo: Demo) -> list[dict[str, Any]]:
    return [finding for finding in demo.table("findings") if finding["severity"] in SERIOUS]


def at(finding: Mapping[str, Any], location: Mapping[str, Any]) -> bool:
    return all((finding["location"] or {})[name] == value for name, value in location.items())


def shown(findings: list[dict[str, Any]]) -> str:
    return "\n".join(f"{f['severity']} {f['rule_id']} {f['artifact']} {f['location']} {f['confidence']} {f['evidence']}" for f in findings)


def test_every_planted_sample_is_found_where_it_is(demo: Demo) -> None:
    found = demo.table("findings")
    missed = [
        sample
        for sample in demo.expected["planted"]
        if not any(
            one["artifact"] == sample["artifact"] and one["rule_id"] in sample["rules"] and at(one, sample["location"]) for one in found
        )
    ]
    assert len(demo.expected["planted"]) >= 30
    assert not missed, "\n".join(map(str, missed))


def test_benign_files_stay_silent(demo: Demo) -> None:
    """Personal data aside: letters have senders. The file left out is a known false alarm of the embedded model (`system: prompt: short …`)."""
    benign = set(demo.expected["benign"]) - {"uploads/config.yaml"}
    assert len(benign) >= 30
    alarms = [one for one in serious(demo) if one["artifact"] in benign and one["engine"] != "pii"]
    assert not alarms, shown(alarms)


def test_in_a_dataset_only_the_planted_rows_are_found(demo: Demo) -> None:
    rows = {(one["artifact"], one["location"].get("row")) for one in demo.expected["planted"]}
    datasets = [one for one in serious(demo) if one["artifact"].startswith(("datasets/", "exports/")) and one["engine"] == "injection"]
    assert not (alarms := [one for one in datasets if (one["artifact"], one["location"]["row"]) not in rows]), shown(alarms)


def test_every_file_is_in_the_ledger_once(demo: Demo) -> None:
    on_disk = sorted(path.relative_to(demo.corpus).as_posix() for path in demo.corpus.rglob("*") if path.is_symlink() or path.is_file())
    assert sorted(row["artifact"] for row in demo.table("ledger")) == on_disk


def test_what_cannot_be_read_says_why_and_all_else_is_scanned(demo: Demo) -> None:
    special = demo.expected["special"]
    wrong = []
    for row in demo.table("ledger"):
        status, reason = special.get(row["artifact"], ("scanned", ""))
        reasons = [row["reason"] or "", *(gap["reason"] for gap in row["gaps"])]
        if (
            row["status"] != status
            or not any(one.startswith(reason) for one in reasons)
            or (status == "scanned" and bool(row["reason"]) != bool(reason))
        ):
            wrong.append((row["artifact"], row["status"], reasons))
        unexplained = [one for one in (row, *row["coverage"], *row["gaps"]) if (one["reason"] is None) != (one["reason_code"] is None)]
        wrong += [(row["artifact"], "no code", unexplained)] if unexplained else []
    assert not wrong
    assert set(special) <= {row["artifact"] for row in demo.table("ledger")}


def test_a_deleted_row_is_not_read_and_its_table_is(demo: Demo) -> None:
    """It is still in the data file, which the library for Delta tables reads without it too."""
    deltalake = pytest.importorskip("deltalake")
    [deleted] = demo.expected["deleted"]
    artifact, row, text = deleted["artifact"], deleted["row"], deleted["text"]
    living = pa.table(deltalake.DeltaTable(str((demo.corpus / artifact).parent)).scan().read_all())
    assert text in pq.read_table(demo.corpus / artifact)["note"].to_pylist() and text not in living["note"].to_pylist()
    found = [one for one in demo.table("findings") if one["artifact"] == artifact]
    assert found and row not in {place["row"] for one in found for place in (one["location"], *one["places"])}
    assert text not in str(demo.table("findings"))
    [ledger] = [one for one in demo.table("ledger") if one["artifact"] == artifact]
    assert {gap["reason_code"] for gap in ledger["gaps"]} == {"hidden-by-snapshot"}
    [table] = json.loads((demo.output / "run.json").read_text(encoding="utf-8"))["tables"]
    assert (table["kind"], table["version"], table["data_files"]) == ("delta", "1", 1)


def test_all_engines_ran_on_text(demo: Demo) -> None:
    coverage = {row["artifact"]: {one["engine"]: one["status"] for one in row["coverage"]} for row in demo.table("ledger")}
    run = json.loads((demo.output / "run.json").read_text(encoding="utf-8"))
    assert set(run["engines"]) == set(BUILT_IN)
    for artifact in ("kb/returns.md", "datasets/chats.parquet", "exports/orders.csv", "international/garantie.txt"):
        assert all(coverage[artifact][engine] == "complete" for engine in ("signatures", "injection", "pii")), artifact
        assert coverage[artifact]["ocr"] == "not-applicable"
    assert coverage["images/slide.png"]["ocr"] == "complete"


def test_the_summary_says_first_what_was_not_covered(demo: Demo) -> None:
    out = demo.first.stdout
    places = [out.index(words) for words in ("\nNot fully checked", "\nFindings", "\nResults:", "\nRun ")]
    assert places == sorted(places)
    assert demo.first.stderr.splitlines()[0].endswith("profile embedded")
    assert out.splitlines()[-1].endswith("profile embedded · in processes")


def test_a_cleaned_copy_accounts_for_every_file_and_ends_with_zero(demo: Demo) -> None:
    folder = demo.output.parent / "clean"
    command = [sys.executable, "-m", "veritensor_ray", "clean", str(demo.corpus), "--to", str(folder)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=300, env=demo.environment, cwd=folder.parent)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = {row["artifact"]: row for row in ds.dataset(folder / "manifest.parquet").to_table().to_pylist()}
    on_disk = {path.relative_to(demo.corpus).as_posix(): path for path in demo.corpus.rglob("*") if path.is_symlink() or path.is_file()}
    assert rows.keys() == on_disk.keys()
    for name, row in rows.items():
        copied = None if row["path"] is None else (folder / row["path"]).read_bytes()
        assert (copied is None) == (row["result"] in ("dropped", "left-out")), row
        assert (copied == on_disk[name].read_bytes()) == (row["result"] in ("copied", "quarantined", "held")), row
    found = {one["artifact"] for one in serious(demo)}
    assert not [name for name in found if rows[name]["result"] == "copied"]
    results = {rows[one["artifact"]]["result"] for one in demo.expected["planted"] if one["artifact"].startswith("datasets/")}
    assert results == {"cleaned"}
    assert rows["models/ranker.pkl"]["result"] == "quarantined"
    [deleted] = demo.expected["deleted"]
    assert deleted["text"] not in pq.read_table(folder / rows[deleted["artifact"]]["path"])["note"].to_pylist(), "the copy is a new table"


def test_exit_codes(demo: Demo) -> None:
    """Asking again scans nothing, but answers with the code that the flags ask for."""
    assert demo.first.returncode == 3, "not complete: some files cannot be read"
    flags: dict[tuple[str, ...], int] = {("--allow-partial",): 0, ("--fail-on", "critical"): 1, ("--fail-on", "high", "--allow-partial"): 1}
    codes = {}
    for given in flags:
        again = submit(demo.corpus, demo.output, demo.environment, *given)
        assert "nothing was scanned" in again.stderr
        codes[given] = again.returncode
    assert codes == flags


def test_the_same_seed_writes_the_same_bytes(demo: Demo, tmp_path: Path) -> None:
    assert make(tmp_path / "again") == demo.expected
    for path in demo.expected["benign"] + [one["artifact"] for one in demo.expected["planted"]]:
        assert (tmp_path / "again" / path).read_bytes() == (demo.corpus / path).read_bytes(), path
