"""Licences as packages state them, which ones are allowed, and that this installation's are."""

from __future__ import annotations

from email.message import Message
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from tools.licences import COPIED, ELSEWHERE, EXCEPTIONS, LOCKS, ROOT, allowed, copied, locked, main, needed, objection, stated

CLASSIFIER = "License :: OSI Approved :: "
STATED: tuple[tuple[list[tuple[str, str]], str | None], ...] = (
    ([("License-Expression", "mit OR apache-2.0")], "MIT OR Apache-2.0"),
    ([("License-Expression", "MIT"), ("License", "GPL-3.0-only")], "MIT"),
    ([("License", "Apache License, Version 2.0"), ("Classifier", CLASSIFIER + "MIT License")], "Apache-2.0"),
    ([("License", "Copyright (c) 2001\nRedistribution and use"), ("Classifier", CLASSIFIER + "BSD License")], "LicenseRef-BSD"),
    (
        [("License", "Dual License"), ("Classifier", CLASSIFIER + "MIT License"), ("Classifier", CLASSIFIER + "ISC License (ISCL)")],
        "ISC AND MIT",
    ),
    ([("License", "MIT"), ("Classifier", CLASSIFIER + "GNU General Public License v3 (GPLv3)")], "MIT"),
    ([("Classifier", CLASSIFIER + "MIT License"), ("Classifier", CLASSIFIER + "Something New")], None),
    ([("License", "see LICENSE")], None),
    ([("License", "UNKNOWN")], None),
    ([], None),
)


@pytest.mark.parametrize(("fields", "expected"), STATED)
def test_what_a_package_states(fields: list[tuple[str, str]], expected: str | None) -> None:
    metadata = Message()
    for name, value in fields:
        metadata[name] = value
    assert stated(metadata) == expected  # type: ignore[arg-type]  # importlib.metadata's is a message too


ALLOWED = {
    "MIT": True,
    "MIT AND (BSD-3-Clause OR GPL-2.0-only)": True,
    "Apache-2.0 WITH LLVM-exception": True,
    "GPL-3.0-only": False,
    "GPL-2.0-only WITH Classpath-exception-2.0": False,
    "MIT AND GPL-3.0-or-later": False,
    "AGPL-3.0-only OR SSPL-1.0": False,
    "LGPL-2.1-or-later": False,
    "LicenseRef-Proprietary": False,
}


@pytest.mark.parametrize(("expression", "expected"), ALLOWED.items())
def test_what_is_allowed(expression: str, expected: bool) -> None:
    assert allowed(expression) is expected


def test_gpl_and_unknown_fail_and_an_exception_is_for_one_licence() -> None:
    assert "is under GPL-3.0-only" in objection("anything", "GPL-3.0-only")
    assert "states no recognizable licence" in objection("anything", None)
    assert not objection("inflate64", "LGPL-2.1-or-later")
    assert "is under GPL-3.0-only" in objection("inflate64", "GPL-3.0-only")
    assert "states no recognizable licence" in objection("inflate64", None)


def test_a_package_of_a_lock_that_is_unknown_fails_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "lock.txt").write_text("packaging==25.0 \\\n    --hash=sha256:00\nNobody_Knows==1.0\n")
    with pytest.raises(SystemExit, match="1"):
        main(["--lock", str(tmp_path / "lock.txt")])
    assert capsys.readouterr().err.startswith("licences: nobody-knows states no recognizable licence")


def test_this_installation_and_the_locks_are_allowed_and_no_exception_is_stale() -> None:
    packages = needed()
    for name in LOCKS:
        packages |= locked(ROOT / name)
    assert {"ray", "torch", "gcsfs", "adlfs", "s3fs", "googleapis-common-protos"} <= packages.keys(), "at any depth, with the extras"
    assert not {name: wrong for name, licence in packages.items() if (wrong := objection(name, licence))}
    for pattern in {**EXCEPTIONS, **ELSEWHERE}:
        assert any(fnmatchcase(name, pattern) for name in packages), pattern
    assert all(one.reason for one in EXCEPTIONS.values())


def test_copied_scripts_are_those_that_were_published(tmp_path: Path) -> None:
    """Also: no script of another project lies in the package without an entry."""
    assert copied() == {}
    assert {file for one in COPIED for file in one.digests} == {
        str(path.relative_to(ROOT)) for path in (ROOT / "veritensor_ray").rglob("*.min.*")
    }
    for one in COPIED:
        for file in (one.text, *one.digests):
            (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / file).write_bytes((ROOT / file).read_bytes() + (b" " if file.endswith(".js") else b""))
    assert [file.rpartition("/")[2] for file in copied(tmp_path)] == ["uPlot.iife.min.js"]
    (tmp_path / COPIED[0].text).unlink()
    assert "is missing: it is the licence of uplot" in copied(tmp_path)[COPIED[0].text]
