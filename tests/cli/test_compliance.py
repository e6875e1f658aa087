"""`report --compliance`: the file it writes, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.test_cli import call
from tests.exports import outputs
from veritensor_ray.exports.report.compliance import FRAMEWORKS


@pytest.fixture
def audited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    outputs.output(tmp_path / "out", [outputs.finding()], sources=[str(tmp_path / "corpus")], output=str(tmp_path / "out"))
    (tmp_path / "corpus").mkdir()
    return str(tmp_path / "out")


@pytest.mark.parametrize("name", FRAMEWORKS)
def test_each_framework_is_in_the_help_and_has_a_file_by_default(
    name: str, audited: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, "report", audited, "--compliance", name) == 0
    file = Path(f"{name}.html")
    assert capsys.readouterr().out.startswith(f"{file.absolute()} (")
    assert file.stat().st_mode & 0o777 == 0o600
    assert "does not state that anything complies" in file.read_text()
    call(monkeypatch, "report", "--help")
    assert name in capsys.readouterr().out


def test_the_suffix_decides_the_format(audited: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a.md", "a.json"):
        assert call(monkeypatch, "report", audited, "--compliance", "owasp-llm", "-o", name) == 0
    assert Path("a.md").read_text().startswith("# OWASP Top 10")
    assert json.loads(Path("a.json").read_text())["framework"] == "owasp-llm"


@pytest.mark.parametrize(
    ("framework", "to", "message"),
    [
        (
            "eu-ai-akt",
            "a.md",
            "framework 'eu-ai-akt' is not one of eu-ai-act, nist-ai-rmf, iso-42001, owasp-llm; did you mean 'eu-ai-act'?",
        ),
        ("eu-ai-act", "a.pdf", "the suffix '.pdf' is not one of .html, .md, .json; name the file accordingly"),
        ("eu-ai-act", "corpus/a.md", "corpus/a.md lies inside the corpus, where exports do not belong; choose a file elsewhere"),
    ],
)
def test_what_is_refused(
    framework: str, to: str, message: str, audited: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, "report", audited, "--compliance", framework, "-o", to) == 2
    assert capsys.readouterr().err == f"veritensor-ray: {message}\n"
    assert not Path(to).exists()
