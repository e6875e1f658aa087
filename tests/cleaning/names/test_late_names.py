"""References to files whose names only their content gives away: the audit of the copy finds them, and a further round changes them."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.cleaning.in_process import Files, InProcess, write
from veritensor_ray.cleaning.amend import amend
from veritensor_ray.cleaning.names.late_names import late_names

SECRET = "Xk29dkQw81vvLm"
SAID = f"password: {SECRET}\n"  # which makes it a secret
MAIL = "ada.lindqvist@kaldor-mail.com"
POLICY = "{names: pseudonym, unchecked: copy, unsupported: %s, rules: [{category: pii, action: pseudonym}]}"
OPTIONS: dict[str, Any] = {"engines": ["pii", "secrets"], "pii": {"free_text": False}}


def cleaned(folder: Path, files: Files, unsupported: str = "hold") -> tuple[InProcess, dict[str, Any] | None]:
    """A copy after its first round, and the counts of this round."""
    write(folder / "corpus", files)
    run = InProcess(str(folder / "corpus"), str(folder / "dest"), POLICY % unsupported, OPTIONS).scan()
    run.publish()
    copies = InProcess(f"{run.destination}/corpus", run.destination, run.policy, OPTIONS, "second")
    copies.cleaning = replace(copies.cleaning, again=True, renames=late_names(run.assembler))
    copies.before = run.store.under("after")
    return run, amend(run.assembler, copies.scan().assembler, {}, 1)


def test_they_lead_to_the_copy_after_another_round(tmp_path: Path) -> None:
    name, other = f"{SECRET}.txt", f"{SECRET} of {MAIL}.txt"
    said = f"[a](x/{name}) [b](<x/{other}>) or x/{SECRET} and x/my{name}\n"
    run, counts = cleaned(
        tmp_path, {f"x/{name}": SAID, f"x/{other}": SAID, "b.md": said, "c.md": f"[b](<{other}>) [b](x/b.md)", "d.md": "nothing"}
    )
    one, two = (run.manifest()[f"x/{some}"]["path"].removeprefix("corpus/") for some in (name, other))
    assert SECRET not in one + two
    assert MAIL not in two
    copy = Path(run.destination, "corpus")
    assert (copy / "b.md").read_text() == f"[a]({one}) [b](<{two}>) or x/{SECRET} and x/my{name}\n"
    assert (copy / "c.md").read_text() == f"[b](<{two.removeprefix('x/')}>) [b](x/b.md)"
    assert [(row["result"], row["reason"]) for row in run.manifest().values() if row["artifact"] in ("b.md", "d.md")] == [
        ("cleaned", None),
        ("copied", None),
    ]
    assert (counts or {})["rounds"] == 1
    assert {"rule": "clean.reference", "action": "pseudonym", "count": 3} in run.manifest()["b.md"]["actions"]


def test_without_such_names_nothing_is_looked_for(tmp_path: Path) -> None:
    run, counts = cleaned(tmp_path, {f"x/{MAIL}.txt": "x", "b.md": f"x/{MAIL}.txt"})
    assert (late_names(run.assembler), counts) == (None, None)


@pytest.mark.parametrize(("unsupported", "result"), [("hold", "held"), ("copy", "copied")])
def test_one_that_cannot_be_changed_holds_its_file(tmp_path: Path, unsupported: str, result: str) -> None:
    run, _ = cleaned(tmp_path, {f"x/{SECRET}.txt": SAID, "b.pkl": pickle.dumps([f"x/{SECRET}.txt"])}, unsupported)
    row = run.manifest()["b.pkl"]
    assert row["result"] == result
    assert row["path"] == ("quarantine/b.pkl" if result == "held" else "corpus/b.pkl")
    if result == "held":
        assert (row["reason_code"], SECRET in row["reason"]) == ("reference-left", False)
        assert row["reason"].startswith("it refers to a file whose name is replaced: ")
