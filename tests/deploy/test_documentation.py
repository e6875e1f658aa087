"""The head's image contains the documentation: its build sees every source of the site, and only the site is kept."""

from __future__ import annotations

import re

from tests.deploy.manifests import ROOT
from tools.site.links import TOP

DOCKERFILE = (ROOT / "Dockerfile.head").read_text()
STAGE = DOCKERFILE.partition(" AS docs\n")[2].partition("\nFROM ")[0]
COPIED = [name for line in re.findall(r"^COPY (.+) \S+$", STAGE, re.MULTILINE) for name in line.split()]


def test_the_build_sees_what_the_site_is_made_of() -> None:
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert {"mkdocs.yml", "docs", "tools", "veritensor_ray", "requirements/docs.txt"} <= set(COPIED)
    assert TOP.keys() <= set(COPIED)
    for name in COPIED:
        assert (ROOT / name).exists()
        assert name.partition("/")[0] in allowed


def test_only_the_site_is_in_the_image() -> None:
    assert re.findall(r"^COPY --from=docs (.+)$", DOCKERFILE, re.MULTILINE) == ["/site /usr/share/doc/veritensor-ray"]
    assert "/usr/share/doc/veritensor-ray" in (ROOT / "docs/images.md").read_text()
    assert "mkdocs" not in (ROOT / "requirements/head.txt").read_text()
