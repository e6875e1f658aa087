"""A wheel does not depend on who builds it, where and when; and the comparison sees what differs."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path

from tools.reproducible_wheel import FIRST, SECOND, build, differences

FILES = {
    "pyproject.toml": '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n[project]\nname = "tiny"\nversion = "1"\n'
    '[project.scripts]\ntiny = "tiny:main"\n[tool.setuptools.package-data]\ntiny = ["*.txt"]\n',
    "tiny/__init__.py": "def main() -> None: ...\n",
    "tiny/b.py": "",
    "tiny/a.py": "",
    "tiny/data.txt": "data\n",
}


def test_two_builds_under_other_circumstances_are_equal(tmp_path: Path) -> None:
    source = io.BytesIO()
    with tarfile.open(fileobj=source, mode="w") as archive:
        for name, content in FILES.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), 0o664
            archive.addfile(member, io.BytesIO(content.encode()))
    first, second = (build(source.getvalue(), "1700000000", under, tmp_path) for under in (FIRST, SECOND))
    assert not list(differences(first, second))
    assert first.read_bytes() == second.read_bytes()
    with zipfile.ZipFile(first) as wheel:
        assert {info.external_attr >> 16 & 0o777 for info in wheel.infolist()} <= {0o644, 0o664}
        assert {info.date_time for info in wheel.infolist()} == {(2023, 11, 14, 22, 13, 20)}


def test_differences_are_named(tmp_path: Path) -> None:
    for name, mode, names in (
        ("one", 0o644, ("a", "b")),
        ("mode", 0o600, ("a", "b")),
        ("order", 0o644, ("b", "a")),
        ("more", 0o644, ("a", "b", "c")),
    ):
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            for file in names:
                info = zipfile.ZipInfo(file)
                info.external_attr = mode << 16
                archive.writestr(info, file)
    named = {name: list(differences(tmp_path / "one", tmp_path / name)) for name in ("one", "mode", "order", "more")}
    assert not named["one"]
    assert [one.partition(":")[0] for one in named["mode"]] == ["external_attr of a", "external_attr of b"]
    assert named["order"] == ["the order of files"]
    assert named["more"] == ["the files: ['c']"]
