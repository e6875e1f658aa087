"""What can be released, and that a release is described by one version."""

from __future__ import annotations

import re

import pytest

import veritensor_ray
from tools.release import IMAGES, ROOT, main, objections, version

CHANGELOG = "# Changelog\n\n## [Unreleased]\n\n## [1.2.0] - 2026-11-26\n\n### Added\n\n- A thing.\n"


@pytest.mark.parametrize(
    ("number", "changelog", "changed", "tags", "says"),
    [
        ("1.2.0", CHANGELOG, [], [], []),
        ("1.2.0", CHANGELOG, [], ["v1.1.0"], []),
        ("1.2", CHANGELOG, [], [], ["not a semantic version", "no section"]),
        ("1.2.1", CHANGELOG, [], [], ["CHANGELOG.md has no section '## [1.2.1] - YYYY-MM-DD'"]),
        ("1.2.0", CHANGELOG.replace("2026-11-26", "today"), [], [], ["the date 'today'"]),
        ("1.2.0", CHANGELOG, ["b.py", "a.py"], ["v1.2.0"], ["the working tree is not clean (a.py, …)", "the tag v1.2.0 exists"]),
    ],
)
def test_objections(number: str, changelog: str, changed: list[str], tags: list[str], says: list[str]) -> None:
    found = objections(number, changelog, changed, tags)
    assert len(found) == len(says)
    assert all(part in one for part, one in zip(says, found, strict=True))


def test_this_version_has_a_section() -> None:
    assert objections(version(), (ROOT / "CHANGELOG.md").read_text(), [], []) == []


def test_the_installed_version_is_that_of_pyproject() -> None:
    assert veritensor_ray.__version__ == version()


def test_names(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--names"]) == 0
    assert capsys.readouterr().out.split("\n")[:2] == [f"git tag --sign v{version()}", f"veritensor-ray-head:{version()}"]


def test_images_are_those_that_are_built() -> None:
    script = (ROOT / "deploy/build_images.sh").read_text()
    assert {name for case in re.findall(r"^    ([\w |-]+)\) file=", script, re.MULTILINE) for name in case.split(" | ")} == set(IMAGES)


def test_no_other_file_states_the_version() -> None:
    number = re.escape(version())
    sources = [
        path for folder in ("veritensor_ray", "deploy", "tools") for path in (ROOT / folder).rglob("*") if path.suffix in (".py", ".sh")
    ]
    stating = [
        path for path in [*sources, *ROOT.glob("Dockerfile*")] if re.search(rf"version\W+v?{number}\b", path.read_text(), re.IGNORECASE)
    ]
    assert stating == []
