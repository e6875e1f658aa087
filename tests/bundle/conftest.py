"""One zone and one bundle for all tests here; each gets a copy."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bundle.building import Zone, zone
from veritensor_ray.bundle.bundle_import import import_bundle


@pytest.fixture(scope="session")
def _original(tmp_path_factory: pytest.TempPathFactory) -> Zone:
    made = zone(tmp_path_factory.mktemp("zone") / "zone")
    made.create("bundle.tar")
    return made


@pytest.fixture
def here(_original: Zone, tmp_path: Path) -> Zone:
    """Sources, keys and bundle.tar."""
    return _original.copy(tmp_path / "zone")


@pytest.fixture
def imported(here: Zone) -> Zone:
    """The same, with bundle.tar imported."""
    import_bundle(here.settings(), here.folder / "bundle.tar")
    return here
