"""`report`: where it writes, what it says, and what it refuses."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.test_cli import call
from tests.findings.outputs import finding, written
from veritensor_ray.core.signing import new_key
from veritensor_ray.results.attestation import attest
from veritensor_ray.results.results import Results


@pytest.fixture
def output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Results:
    """Results beside their corpus; the working directory is empty."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    (tmp_path / "corpus").mkdir()
    rows = [finding(number, {1: "a.md"}.get(number, "b.md"), {"line": number}) for number in range(1, 6)]
    return written(tmp_path / "out", rows, sources=[str(tmp_path / "corpus")], package_version="1.0")


def test_it_is_written_at_once_for_its_owner_alone(
    output: Results, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, "report", output.store.uri) == 0
    file = tmp_path / "here" / "report.html"
    assert capsys.readouterr().out == f"{file} ({file.stat().st_size / 1000:,.1f} kB)\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [one.name for one in file.parent.iterdir()] == ["report.html"]
    assert file.read_text().startswith("<!doctype html>")


@pytest.mark.parametrize(("options", "name"), [((), "report.html"), (("--compliance", "eu-ai-act"), "eu-ai-act.html")])
def test_a_file_that_nobody_named_is_replaced_only_by_a_report_on_the_same_output(
    options: tuple[str, ...],
    name: str,
    output: Results,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    other = written(tmp_path / "other", [finding(1, "a.md", {"line": 1})], sources=[str(tmp_path / "corpus")], package_version="1.0")
    for code, results in ((0, output), (0, output), (2, other)):
        assert call(monkeypatch, "report", results.store.uri, *options) == code
    assert f"{name} exists and is not a report on {other.store.uri}; name another file with --to" in capsys.readouterr().err
    assert call(monkeypatch, "report", other.store.uri, *options, "--to", name) == 0
    assert call(monkeypatch, "report", output.store.uri, *options) == 2
    Path(name).write_text("mine")
    assert call(monkeypatch, "report", output.store.uri, *options) == 2
    assert Path(name).read_text() == "mine"


def test_a_limit_is_said(output: Results, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(monkeypatch, "report", output.store.uri, "-o", "r.html", "--rows", "2") == 0
    assert "It holds the worst 2 of 5 rows of findings; its totals count all of them" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("to", "says"),
    [
        ("{base}/corpus/r.html", "lies inside the corpus"),
        ("{base}/out/r.html", "lies inside the results"),
        ("{base}/nowhere/r.html", "there is no folder"),
        ("{base}/corpus", "lies inside the corpus"),
        ("{base}", "is a folder; name a file"),
    ],
)
def test_where_it_may_not_be(
    to: str, says: str, output: Results, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, "report", output.store.uri, "-o", to.format(base=tmp_path)) == 2
    assert says in capsys.readouterr().err
    assert list((tmp_path / "corpus").iterdir()) == []


def _unfinished(results: Results) -> None:
    folder = Path(results.store.uri)
    (folder / "run.json").unlink()
    (folder / "_work" / "run-1").mkdir(parents=True)


def _newer(results: Results) -> None:
    results.store.put("run.json", json.dumps({**results.run, "schema_version": "99", "package_version": "9.0"}).encode())


def _changed(results: Results) -> None:
    key = Path(results.store.uri).parent / "key"
    new_key(key)
    attest(results.store, f"file:{key}", results.run)
    results.store.put("run.json", json.dumps({**results.run, "profile": "none"}).encode())


@pytest.mark.parametrize(
    ("change", "says", "code"),
    [
        (_unfinished, "has no run.json: the run has not finished. Repeat the submit to resume it", 4),
        (_newer, "was written by a newer version (9.0)", 4),
        (_changed, "run.json", 4),
    ],
)
def test_results_that_are_not_reported(
    change: Callable[[Results], None],
    says: str,
    code: int,
    output: Results,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    change(output)
    assert call(monkeypatch, "report", output.store.uri) == code
    error = capsys.readouterr().err
    assert says in error
    assert error.startswith("veritensor-ray: ")
    assert error.count("\n") == 1
    assert not Path("report.html").exists()


def test_a_signed_output_says_so(output: Results, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    new_key(tmp_path / "key")
    attest(output.store, f"file:{tmp_path / 'key'}", output.run)
    assert call(monkeypatch, "report", output.store.uri) == 0
    assert "signed; the results match their list of digests" in Path("report.html").read_text()
