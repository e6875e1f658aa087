"""No file of the deployment makes a machine fetch anything: no package, no runtime environment, no image from a public registry."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

import veritensor_ray
from tests.deploy.manifests import DEPLOY, ROOT, compose, walk

FILES = sorted([*DEPLOY.rglob("*.yaml"), ROOT / "cluster.yaml"])
FETCHES = re.compile(r"\b(pip3?|uv|conda|apt-get|apt|curl|wget|git) +(install|download|update|clone|-|https?:)|working_dir|py_modules|pip:")


def documents(path: Path) -> list[Any]:
    return list(yaml.safe_load_all(compose() if path.name == "compose.yaml" else path.read_text()))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_nothing_is_fetched(path: Path) -> None:
    assert not FETCHES.search(path.read_text())
    for where, value in (found for document in documents(path) for found in walk(document)):
        assert not re.search(r"\.runtime_?env(yaml)?$", where, re.IGNORECASE), where
        assert not (isinstance(value, str) and re.match(r"https://", value)), value


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_images_have_no_registry(path: Path) -> None:
    """Without a host an image is the one that was loaded, whose version is the package's."""
    images = [
        value for document in documents(path) for where, value in walk(document) if where.endswith("image") and isinstance(value, str)
    ]
    for image in images:
        assert "/" not in image, image
        assert image.endswith(f":{veritensor_ray.__version__}") or image == "name-your-store-image", image


def test_the_test_can_fail() -> None:
    assert FETCHES.search("setup_commands: [pip install ray]") and FETCHES.search("curl -fsSL https://example.org")
