"""Manifests of pixi: packages from channels and from PyPI, wherever their tables stand."""

from __future__ import annotations

import pytest

from veritensor_ray.engines.dependencies.advisory_model import Dependency, Index, Unparsable
from veritensor_ray.engines.dependencies.manifests import named

PIXI = """\
[workspace]
name = "app"
channels = ["conda-forge"]

[dependencies]
python = ">=3.11"
numpy = "1.26.4"
scipy = { version = "==1.11", channel = "conda-forge" }
own = { path = "." }
pandas = "*"

[pypi-dependencies]
requests = "==2.19.0"
flask = { version = ">=2", extras = ["async"] }
mine = { git = "https://git.example/mine.git" }
app = { path = ".", editable = true }

[pypi-options]
extra-index-urls = ["https://pypi.internal.example/simple"]

[feature.test.dependencies]
pytest = "7.4.0"
[feature.test.target.linux-64.pypi-dependencies]
psutil = "==5.9"
[target.win-64.build-dependencies]
m2w64-gcc = "*"
[package.host-dependencies]
hatchling = "==1.18"
"""
FOUND = [
    "conda python>=3.11",
    "conda numpy==1.26.4",
    "conda scipy==1.11",
    "conda pandas",
    "PyPI requests==2.19.0",
    "PyPI flask>=2",
    "PyPI mine",
    "https://pypi.internal.example/simple",
    "conda m2w64-gcc",
    "conda pytest==7.4.0",
    "PyPI psutil==5.9",
    "conda hatchling==1.18",
]


def found(name: str, text: str) -> list[str]:
    parser = named(name)
    assert parser is not None
    shown = []
    for one in parser(text):
        if isinstance(one, Dependency):
            assert text[one.start : one.end] == one.name
            shown.append(f"{one.ecosystem} {one.shown}")
        else:
            shown.append(one.url if isinstance(one, Index) else one.reason)
    return shown


def test_a_manifest() -> None:
    assert found("pixi.toml", PIXI) == FOUND


def test_the_same_tables_in_a_pyproject() -> None:
    text = PIXI.replace("[dependencies]", "[tool.pixi.dependencies]")
    for table in ("workspace", "pypi-", "feature", "target", "package"):
        text = text.replace(f"[{table}", f"[tool.pixi.{table}")
    assert found("pyproject.toml", text) == FOUND


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("dependencies = 1\nfeature = []\n[target]\nx = 1\n", []),
        ("[dependencies]\n'not a name!' = '1'\n", ["the name of a package is not valid"]),
        ("[pypi-dependencies]\n'not a name!' = '1'\nx = 1\n", ["the name of a package is not valid", "the version of a package cannot be parsed"]),
        ("[dependencies]\nx = 1\ny = { version = 2 }\n", ["conda x", "conda y"]),
    ],
)  # fmt: skip
def test_odd_tables(text: str, expected: list[str]) -> None:
    assert found("pixi.toml", text) == expected


def test_what_is_not_toml() -> None:
    parser = named("pixi.toml")
    assert parser is not None
    with pytest.raises(Unparsable):
        list(parser("[dependencies"))
