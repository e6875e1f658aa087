"""A dead node is given up after the same time in every deployment: the time that `make e2e-cluster` tries for real."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.deploy.manifests import DEPLOY, KUBERNETES, ROOT

SETTING = re.compile(r"RAY_(health_check_(?:period_ms|timeout_ms|failure_threshold))\W+(?:value\W+)?(\d+)")


def settings(text: str) -> dict[str, str]:
    return dict(SETTING.findall(text))


@pytest.mark.parametrize(
    "path", [DEPLOY / "compose.yaml", KUBERNETES / "cluster.yaml", ROOT / "cluster.yaml"], ids=lambda path: path.parent.name
)
def test_health_checks(path: Path) -> None:
    tried = settings((ROOT / "tests/e2e/cluster_hosts.py").read_text())
    assert len(tried) == 3
    assert settings(path.read_text()) == tried
