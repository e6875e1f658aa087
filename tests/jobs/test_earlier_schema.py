"""Outputs of an earlier schema still open: a real audit and a real sweep, of the last commit before each change of a column."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

import veritensor_ray as vr
from tests.cli.test_cli import call
from veritensor_ray.cli.submit import exit_code
from veritensor_ray.config import Settings, load_settings
from veritensor_ray.errors import OutputConflict
from veritensor_ray.findings.schema import SCHEMA_VERSION, TABLES
from veritensor_ray.jobs.audit import audit
from veritensor_ray.jobs.sweep import sweep
from veritensor_ray.signing import change, load_public_key, trust

OUTPUTS = Path(__file__).parent / "outputs"
MADE_IN = "/srv/schema-1"
KEY = "5c" * 32  # of the site that made them


@pytest.fixture(params=sorted(OUTPUTS.glob("*.tar.gz")), ids=lambda path: path.name.partition(".")[0])
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A folder with `audit`, the state `sweep` and their `corpus`, as they were made."""
    with tarfile.open(request.param) as archive:
        archive.extractall(tmp_path, filter="tar")
    return tmp_path


def settings(old: Path, job: str, **options: Any) -> Settings:
    """What they were made with. Where the corpus is, and on what day it was scanned, is another matter here than there."""
    (old / "site.key").write_text(KEY)
    (old / "site.key").chmod(0o600)
    for path in (*old.rglob("run.json"), *old.rglob("request.json"), old / "sweep/latest.json"):
        path.write_text(path.read_text().replace(MADE_IN, str(old)).replace("20261126T", "20201126T").replace("2026-11-26", "2020-11-26"))
    for path in (old / "sweep/sweeps").iterdir():
        path.rename(path.with_name(path.name.replace("20261126T", "20201126T")))
    made = {"sources": [str(old / "corpus")], "engines": ["signatures"], "exclude": ["*.tmp"], "site_key": f"file:{old / 'site.key'}"}
    return load_settings(flags=made | {"job": job, "output": str(old / job)} | options, environ={})


def test_every_version_before_this_one_has_left_an_output() -> None:
    assert {path.name for path in OUTPUTS.iterdir()} == {f"schema-{number}.tar.gz" for number in range(1, int(SCHEMA_VERSION))}


@pytest.mark.parametrize("job", ["audit", "sweep"])
def test_it_opens_with_the_columns_of_today(old: Path, job: str) -> None:
    found = vr.open(old / job)
    for name in found.tables:
        assert found.dataset(name).schema.names == TABLES[name].names
    assert found.findings.column("rule_id").to_pylist() == ["signatures.override-instructions-en"]
    assert "excluded (exclude)" in found.summary()
    assert found.sql("select distinct reason_code from ledger where status <> 'scanned'").values.tolist() == [[None]]
    coverage = found.sql("select c.engine, c.reason_code, c.status from ledger, unnest(coverage) t(c) where c.engine = 'ocr'")
    assert coverage.values.tolist() == [["ocr", None, "no-reader"]]


@pytest.mark.parametrize("job", ["audit", "sweep"])
def test_commands_read_it(old: Path, job: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    output, listed = str(old / job), str(old / "trusted.json")
    assert call(monkeypatch, "findings", output, "--format", "jsonl") == 0
    (row,) = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert row["artifact"] == "notes.txt"
    change(listed, lambda known: trust(known, *load_public_key(old / "signer.pub")))
    assert call(monkeypatch, "verify", output, "--trusted-keys", listed) == 0
    assert call(monkeypatch, "diff", str(old / "audit"), str(old / "sweep")) == 0


def test_an_audit_is_not_mixed_with_it(old: Path) -> None:
    with pytest.raises(OutputConflict, match="holds an audit that differs in schema"):
        audit(settings(old, "audit"))
    (old / "audit/run.json").unlink()  # one that had not ended, whose commits lack the columns
    with pytest.raises(OutputConflict, match="holds an audit that differs in schema"):
        audit(settings(old, "audit"))


@pytest.mark.ray
@pytest.mark.usefixtures("local_ray")
def test_a_sweep_goes_on_from_it(old: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Findings keep their ids and their history; nothing is taken over from rows that lack a column."""
    known = settings(old, "sweep")
    before = vr.open(old / "sweep")
    run = sweep(known)
    assert (run["plan"]["unchanged"], run["plan"]["again"]) == (0, 5)
    assert (run["states"]["persisting"], run["states"]["new"]) == (1, 0)
    now = vr.open(old / "sweep")
    for column in ("finding_id", "first_seen"):
        assert now.findings.column(column).to_pylist() == before.findings.column(column).to_pylist()
    codes = {row["artifact"]: row["reason_code"] for row in now.ledger.to_pylist()}
    assert codes == {
        "broken.json": "damaged",
        "draft.tmp": "excluded",
        "notes.txt": None,
        "parts.zip": "no-reader",
        "picture.png": "engine-not-selected",
        "song.mp3": "no-reader",
    }
    assert run["reason_codes"] == {"damaged": 1, "engine-not-selected": 1, "excluded": 1, "no-reader": 2}
    assert exit_code(run | {"status": {}}, known.model_copy(update={"strict": True})) == 3
    # what is comparable stays so
    assert call(monkeypatch, "diff", str(old / "audit"), str(old / "sweep"), "--format", "json") == 0
    again = sweep(known)
    assert (again["plan"]["unchanged"], again["plan"]["again"]) == (4, 1)
    assert again["reason_codes"] == run["reason_codes"]
