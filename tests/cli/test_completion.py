"""Shell completion, as a shell asks for it: commands, flags and values, fast and without a look at the working directory."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.test_cli import HEAVY
from veritensor_ray.cli import completion
from veritensor_ray.core.config import SEVERITIES
from veritensor_ray.engines.registry import BUILT_IN
from veritensor_ray.exports import FORMATS
from veritensor_ray.results.grouping import GROUPS

PROGRAM = (sys.executable, "-P", "-m", "veritensor_ray")


def tab(words: str, folder: Path, code: str | None = None) -> subprocess.CompletedProcess[str]:
    """What the script of bash asks for after these words. The last one may be incomplete, or empty if there is a space at the end."""
    count = len(words.split()) - (0 if words.endswith(" ") else 1)
    asked = {"COMP_WORDS": words, "COMP_CWORD": str(count), "_VERITENSOR_RAY_COMPLETE": "complete_bash"}
    command = PROGRAM if code is None else (sys.executable, "-P", "-c", code)
    return subprocess.run(command, env={**os.environ, **asked}, cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("veritensor-ray su", ["submit", "suppress"]),
        ("veritensor-ray config ", ["show", "schema"]),
        ("veritensor-ray findings audit --sev", ["--severity"]),
        ("veritensor-ray findings audit --severity ", list(SEVERITIES)),
        ("veritensor-ray submit corpus --fail-on h", ["high"]),
        ("veritensor-ray submit corpus --engines si", ["signatures"]),
        ("veritensor-ray submit corpus --engines signatures,s", ["signatures,structure", "signatures,secrets"]),
        ("veritensor-ray findings audit --format j", [name for name in FORMATS if name.startswith("j")]),
        ("veritensor-ray findings audit --by ", [*GROUPS, "column"]),
        ("veritensor-ray rules signatures.disguised-e", ["signatures.disguised-elf"]),
        ("veritensor-ray findings audit --rule modelfiles.dangerous-p", ["modelfiles.dangerous-pickle"]),
        ("veritensor-ray submit ", []),  # the shell then offers names of files
    ],
)
def test_what_is_offered(words: str, offered: list[str], tmp_path: Path) -> None:
    done = tab(words, tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert [line for line in done.stdout.splitlines() if line] == offered


@pytest.mark.slow
def test_a_tab_imports_nothing_heavy_and_opens_no_file_of_the_working_directory(tmp_path: Path) -> None:
    (tmp_path / "veritensor-ray.yaml").write_text("enginess: broken\n")
    code = """
import sys
opened = []
sys.addaudithook(lambda event, arguments: opened.append(str(arguments[0])) if event == "open" else None)
from veritensor_ray.cli import main
try:
    main()
finally:
    print("MODULES", *sys.modules)
    print("OPENED", *opened)
"""
    done = tab("veritensor-ray submit corpus --engines si", tmp_path, code)
    found = {line.split()[0]: set(line.split()[1:]) for line in done.stdout.splitlines() if line}
    assert "signatures" in found, done.stderr
    assert not (HEAVY | {"veritensor_ray.core.config", "veritensor_ray.engines.registry"}) & found["MODULES"]
    assert [name for name in found["OPENED"] if name.startswith((str(tmp_path), "veritensor-ray.yaml"))] == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("shell", "said"),
    [("bash", "complete -o default -F "), ("zsh", "#compdef veritensor-ray"), ("fish", "complete --command veritensor-ray")],
)
def test_scripts_for_shells(shell: str, said: str, tmp_path: Path) -> None:
    """The shell is named, since a script that installs for all users may run in none, or in another."""
    asked = {**os.environ, "_VERITENSOR_RAY_COMPLETE": f"source_{shell}"}
    done = subprocess.run(PROGRAM, env=asked, cwd=tmp_path, capture_output=True, text=True, check=True, start_new_session=True)
    assert said in done.stdout


def test_the_words_are_those_of_the_program() -> None:
    """They are written out in `completion` only because it must not import these modules."""
    assert completion.SEVERITIES == SEVERITIES
    assert tuple(BUILT_IN) == completion.ENGINES
