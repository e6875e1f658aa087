"""Verdicts on model files on an embedded Ray: in the results of an audit and of sweeps, under a policy, in a cleaned copy and in reports."""

from __future__ import annotations

import io
import json
import os
import pickle
import shutil
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import veritensor_ray as vr
from veritensor_ray.core.config import load_settings
from veritensor_ray.jobs.audit_run import audit
from veritensor_ray.jobs.cleaning_run import clean
from veritensor_ray.jobs.run_reporting import Silent
from veritensor_ray.jobs.sweep_run import sweep

pytestmark = pytest.mark.usefixtures("anywhere")

VERDICTS = (
    "select artifact, c.verdict as verdict, c.verdict_reasons as reasons from ledger, unnest(coverage) t(c) where c.engine = 'modelfiles'"
)


class Runs:
    """Starts a program when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("touch canary",)


def numbers() -> bytes:
    out = io.BytesIO()
    np.save(out, np.zeros(3))
    return out.getvalue()


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """A folder with an inert model, one of an unknown class, an archive with a dangerous one, a damaged one, and no model."""
    folder = tmp_path / "corpus"
    folder.mkdir()
    (folder / "numbers.npy").write_bytes(numbers())
    (folder / "own.pkl").write_bytes(b"\x80\x02cour_project\nThing\n.")
    (folder / "cut.npy").write_bytes(numbers()[:20])
    (folder / "notes.md").write_text("Nothing to see.")
    with zipfile.ZipFile(folder / "models.zip", "w") as archive:
        archive.writestr("good.npy", numbers())
        archive.writestr("sub/evil.pkl", pickle.dumps(Runs(), 2))
    return folder


def verdicts(found: vr.Audit) -> dict[str, str | None]:
    return {row["artifact"]: row["verdict"] for row in found.records(VERDICTS)}


def settings(corpus: Path, output: Path, **options: Any) -> Any:
    return load_settings(flags={"sources": [str(corpus)], "output": str(output), "engines": ["modelfiles"]} | options, environ={})


EXPECTED = {"numbers.npy": "inert", "own.pkl": "unknown", "cut.npy": "unknown", "models.zip": "dangerous", "notes.md": None}


def test_the_ledger_the_summary_and_the_report_have_the_verdicts(corpus: Path, tmp_path: Path) -> None:
    audit(settings(corpus, tmp_path / "out"), Silent())
    found = vr.open(tmp_path / "out")
    assert verdicts(found) == EXPECTED
    reasons = {row["artifact"]: row["reasons"] for row in found.records(VERDICTS)}
    assert reasons["numbers.npy"] == []
    assert "our_project.Thing" in reasons["own.pkl"][0]["reason"]
    assert reasons["models.zip"][0]["member"] == "sub/evil.pkl"
    assert found.run["models"] == {"inert": 1, "unknown": 2, "dangerous": 1}
    assert "1 of 4 models is proven inert, 1 is dangerous, 2 are unknown" in str(found.summary())
    found.report(tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    assert "1 of 4 models is proven inert" in page
    assert page.index("models.zip", page.index('id="models"')) < page.index("own.pkl", page.index('id="models"'))


def test_a_sweep_takes_the_verdicts_over(corpus: Path, tmp_path: Path) -> None:
    options = settings(corpus, tmp_path / "state", job="sweep")
    sweep(options, Silent())
    shutil.copy(corpus / "own.pkl", corpus / "copy.pkl")
    (corpus / "models.zip").unlink()
    sweep(options, Silent())
    found = vr.open(tmp_path / "state")
    assert verdicts(found) == {name: verdict for name, verdict in EXPECTED.items() if name != "models.zip"} | {"copy.pkl": "unknown"}
    assert found.run["models"] == {"inert": 1, "unknown": 3}
    assert found.run["plan"]["unchanged"] == 3  # whatever is damaged is scanned again


def test_a_policy_may_demand_the_proof(corpus: Path, tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text("rules: [{rule: modelfiles.not-inert, severity: high}]")
    audit(settings(corpus, tmp_path / "out", policy=str(tmp_path / "policy.yaml")), Silent())
    query = "select artifact, member from findings where rule_id = 'modelfiles.not-inert' and severity = 'high'"
    assert {(row["artifact"], row["member"]) for row in vr.open(tmp_path / "out").records(query)} == {
        ("own.pkl", None),
        ("cut.npy", None),
        ("models.zip", "sub/evil.pkl"),
    }


def test_a_cleaned_copy_may_hold_only_inert_models(corpus: Path, tmp_path: Path) -> None:
    (tmp_path / "clean.yaml").write_text("rules: [{rule: modelfiles.not-inert, action: quarantine, reason: only proven models}]")
    clean(settings(corpus, tmp_path / "dest"), str(tmp_path / "clean.yaml"), Silent())
    manifest = vr.open(tmp_path / "dest" / "after")
    assert {name for name, verdict in verdicts(manifest).items() if verdict not in (None, "inert")} == set()
    left = {path.name for path in (tmp_path / "dest/corpus").rglob("*") if path.is_file()}
    assert left == {"numbers.npy", "notes.md"}
    assert {path.name for path in (tmp_path / "dest/quarantine").rglob("*") if path.is_file()} == {"own.pkl", "cut.npy", "models.zip"}
    assert json.loads((tmp_path / "dest/run.json").read_text())["verdict"] in ("clean", "incomplete")
