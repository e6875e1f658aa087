"""Workflows, forms and hooks: they parse, and everything that they call exists."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
FORMS = sorted(path for path in (ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml") if path.name != "config.yml")
TARGETS = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
PYTHONS = ["3.11", "3.12", "3.13"]


def loaded(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflows(path: Path) -> None:
    flow = loaded(path)
    assert flow["permissions"] == {"contents": "read"}, "a workflow may read, and no more by default"
    for job in flow["jobs"].values():
        assert job["timeout-minutes"]
        for step in job["steps"]:
            assert set(re.findall(r"\bmake ([\w-]+)", step.get("run", ""))) <= TARGETS
            assert re.fullmatch(r"[\w-]+(/[\w-]+)+@v\d+", step["uses"]) if "uses" in step else step["run"]


def test_all_pythons_that_the_package_names_are_tested() -> None:
    assert loaded(ROOT / ".github/workflows/ci.yml")["jobs"]["test"]["strategy"]["matrix"]["python"] == PYTHONS
    stated = re.findall(r'"Programming Language :: Python :: (3\.\d+)"', (ROOT / "pyproject.toml").read_text())
    assert stated == PYTHONS


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.name)
def test_forms(path: Path) -> None:
    form = loaded(path)
    assert form["name"] and form["description"]
    assert {part["type"] for part in form["body"]} <= {"markdown", "textarea", "input"}
    ids = [part["id"] for part in form["body"] if part["type"] != "markdown"]
    assert len(ids) == len(set(ids))
    assert "version" in ids or path.name == "feature.yml"


def test_updates_name_what_there_is() -> None:
    ecosystems = {one["package-ecosystem"] for one in loaded(ROOT / ".github/dependabot.yml")["updates"]}
    assert ecosystems == {"pip", "github-actions", "docker"}


def test_hooks_run_tools_of_the_environment() -> None:
    (repository,) = loaded(ROOT / ".pre-commit-config.yaml")["repos"]
    assert repository["repo"] == "local"
    assert all(hook["entry"].startswith(".venv/bin/") and hook["language"] == "system" for hook in repository["hooks"])
