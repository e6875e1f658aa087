"""A sweep counts the files that get a name in the copy which they did not have there, because links in unchanged files stay."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cleaning.in_process import Files, InProcess, write
from tests.cleaning.names.test_late_names import MAIL, OPTIONS, POLICY
from tests.cleaning.test_converted_files import MAIL as OUTLOOK
from veritensor_ray.cleaning.names.new_names import new_names


@pytest.mark.parametrize(
    ("first", "more", "count"),
    [
        ({f"{MAIL}.txt": "x"}, {}, 0),
        ({"a.txt": "x"}, {"b.txt": "y"}, 0),
        ({"a.txt": "x"}, {f"{MAIL}.txt": "y", "b.txt": "z"}, 1),
        ({"a.txt": "x"}, {f"{MAIL}.txt": "y", f"{MAIL}/b.txt": "z"}, 2),
        ({"a.txt": "x"}, {"letter.msg": OUTLOOK}, 1),
        ({"letter.msg": OUTLOOK}, {"a.txt": "x"}, 0),
    ],
)
def test_files_that_came_later(tmp_path: Path, first: Files, more: Files, count: int) -> None:
    write(tmp_path / "corpus", first)
    run = InProcess(str(tmp_path / "corpus"), str(tmp_path / "dest"), POLICY % "hold", OPTIONS).scan()
    assert new_names(run.assembler) == 0  # there is no copy yet
    run.publish()
    write(tmp_path / "corpus", more)
    again = InProcess(run.source, run.destination, run.policy, OPTIONS, "later")
    again.before = run.store.under("later")
    again.scan()
    assert new_names(again.assembler) == count
