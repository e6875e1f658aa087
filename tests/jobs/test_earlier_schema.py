"""Outputs of an earlier schema still open: a real audit and a real sweep, of the last commit before each change of a column."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import veritensor_ray as vr
from tests.cli.test_cli import call
from tests.jobs.earlier_schema import OUTPUTS, moved_here, settings, unpack
from veritensor_ray.cli.scanning.submit_command import exit_code
from veritensor_ray.core.errors import OutputConflict
from veritensor_ray.core.signing import change, load_public_key, trust
from veritensor_ray.findings.schema import SCHEMA_VERSION, SINCE, TABLES
from veritensor_ray.jobs.audit_run import audit
from veritensor_ray.jobs.sweep_run import sweep

DIFFERS = r"holds an audit that differs in .*\bschema\b"


@pytest.fixture(params=sorted(OUTPUTS.iterdir()), ids=lambda path: path.name.partition(".")[0])
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The outputs as they were made."""
    return unpack(request.param, tmp_path)


@pytest.fixture
def here(old: Path) -> Path:
    """The same, as if they had been made here."""
    moved_here(old)
    return old


def grown(before: pa.DataType, now: pa.DataType, value: Any) -> Iterator[Any]:
    """What stands in the fields of `value` that a type has now and had not before."""
    if value is not None and pa.types.is_list(now):
        for one in value:
            yield from grown(before.value_type, now.value_type, one)
    elif value is not None and pa.types.is_struct(now):
        known = {field.name: field.type for field in before}
        for field in now:
            yield from grown(known[field.name], field.type, value[field.name]) if field.name in known else [value[field.name]]


def test_every_version_before_this_one_has_left_an_output() -> None:
    assert {path.name for path in OUTPUTS.iterdir()} == {f"schema-{number}.tar.gz" for number in range(1, int(SCHEMA_VERSION))}


@pytest.mark.parametrize("job", ["audit", "sweep"])
def test_it_opens_with_the_columns_of_today(old: Path, job: str) -> None:
    found = vr.open(old / job)
    assert set(TABLES) - {*found.tables} >= {name for name, since in SINCE.items() if since > int(found.run["schema_version"])}
    added = []
    for name in found.tables:
        now, table = TABLES[name], found.dataset(name)
        assert table.schema.names == now.names
        written = pq.read_schema(next((old / job).glob(f"**/{name}/part-00000.parquet")))
        added += [one for row in table.to_table().to_pylist() for one in grown(pa.struct(list(written)), pa.struct(list(now)), row)]
    assert set(added) <= {None}
    assert added or found.run["schema_version"] != "1"
    assert found.findings.column("rule_id").to_pylist() == ["signatures.override-instructions-en"]
    assert "excluded (exclude)" in found.summary()
    coverage = found.sql("select c.engine, c.status from ledger, unnest(coverage) t(c) where c.engine = 'ocr'")
    assert coverage.values.tolist() == [["ocr", "no-reader"]]


@pytest.mark.parametrize("job", ["audit", "sweep"])
def test_commands_read_it(old: Path, job: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    output, listed = str(old / job), str(old / "trusted.json")
    assert call(monkeypatch, "findings", output, "--format", "jsonl") == 0
    (row,) = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert row["artifact"] == "notes.txt"
    change(listed, lambda known: trust(known, *load_public_key(old / "signer.pub")))
    assert call(monkeypatch, "verify", output, "--trusted-keys", listed) == 0
    assert call(monkeypatch, "diff", str(old / "audit"), str(old / "sweep")) == 0
    assert call(monkeypatch, "report", output, "--to", str(old / "report.html")) == 0
    assert "Why it matters" in (old / "report.html").read_text()


def test_an_audit_is_not_mixed_with_it(here: Path) -> None:
    with pytest.raises(OutputConflict, match=DIFFERS):
        audit(settings(here, "audit"))
    (here / "audit/run.json").unlink()  # one that had not ended, whose commits lack the columns
    with pytest.raises(OutputConflict, match=DIFFERS):
        audit(settings(here, "audit"))


@pytest.mark.usefixtures("anywhere")
def test_a_sweep_goes_on_from_it(here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Findings keep their ids and their history; nothing is taken over from rows that lack a column."""
    known = settings(here, "sweep")
    before = vr.open(here / "sweep")
    run = sweep(known)
    assert (run["plan"]["unchanged"], run["plan"]["again"]) == (0, 5)
    assert (run["states"]["persisting"], run["states"]["new"]) == (1, 0)
    now = vr.open(here / "sweep")
    for column in ("finding_id", "first_seen"):
        assert now.findings.column(column).to_pylist() == before.findings.column(column).to_pylist()
    assert {*now.findings.column("rule_id").to_pylist()} < {*now.rules.column("rule_id").to_pylist()}
    codes = {row["artifact"]: row["reason_code"] for row in now.ledger.to_pylist()}
    assert codes == {
        "broken.json": "damaged",
        "draft.tmp": "excluded",
        "notes.txt": None,
        "parts.zip": "damaged",
        "picture.png": "engine-not-selected",
        "song.mp3": "damaged",
    }
    assert run["reason_codes"] == {"damaged": 3, "engine-not-selected": 1, "excluded": 1, "no-reader": 2}
    assert exit_code(run | {"status": {}}, known.model_copy(update={"strict": True})) == 3
    # what is comparable stays so
    assert call(monkeypatch, "diff", str(here / "audit"), str(here / "sweep"), "--format", "json") == 0
    again = sweep(known)
    assert (again["plan"]["unchanged"], again["plan"]["again"]) == (2, 3)  # what is damaged is tried again
    assert again["reason_codes"] == run["reason_codes"]
