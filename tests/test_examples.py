"""What the documentation shows works: the notebook runs, and the examples of CONTRIBUTING do what they say."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
import yaml
import yara
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.ray
@pytest.mark.filterwarnings("ignore")  # the kernel's own
def test_the_notebook_runs(tmp_path: Path) -> None:
    notebook = nbformat.read(ROOT / "examples" / "investigation.ipynb", as_version=4)
    done = NotebookClient(notebook, timeout=240, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}).execute()
    outputs = [output for cell in done.cells for output in cell.get("outputs", ())]
    assert not [output for output in outputs if output.output_type == "error"]
    shown = "".join(str(output.get("text", "")) + str(output.get("data", "")) for output in outputs)
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 4, "the pictures"
    assert [words for words in ("signatures.", "(dry_run)", "4 suppressed", "1 new", "<mark>") if words not in shown] == []


@pytest.mark.slow
def test_the_examples_pass_their_tests() -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "examples"]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | {"PYTHONPATH": "examples"}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    "example", ["shouting_engine.py", "test_shouting_engine.py", "deck_format.py", "test_deck_format.py", "checklist_export.py"]
)
def test_contributing_shows_an_example_as_it_is(example: str) -> None:
    source = (ROOT / "examples" / example).read_text()
    assert any(block.strip() in source for block in _shown("python"))


def test_contributing_shows_a_rule_that_sees_its_cases() -> None:
    [rule], [cases] = _shown("yara"), _shown("yaml")
    [(name, texts)] = yaml.safe_load(cases).items()
    compiled = yara.compile(source=rule)
    assert [[found.rule for found in compiled.match(data=text)] for text in texts["match"]] == [[name]] * len(texts["match"])
    assert not any(compiled.match(data=text) for text in texts["ignore"])


def _shown(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text(), re.DOTALL)


@pytest.mark.parametrize(
    "document", ["README.md", "CONTRIBUTING.md", "SECURITY.md", *sorted(str(p.relative_to(ROOT)) for p in (ROOT / "docs").rglob("*.md"))]
)
def test_links_lead_somewhere(document: str) -> None:
    text = (ROOT / document).read_text()
    for target in re.findall(r"\]\((?!https?:|#|mailto:)([^)#]+)", text):
        assert ((ROOT / document).parent / target).exists(), target


def test_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 120
