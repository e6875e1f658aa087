"""The summary at the end of a run: what was not checked is named, however it is called."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.findings.outputs import checked, written
from veritensor_ray.cli.render import console, summary
from veritensor_ray.exports.not_checked import missing
from veritensor_ray.results.results import Results


def results(folder: Path, names: list[str]) -> Results:
    ledger = [checked(name, "skipped", reason="no reader for audio", reason_code="no-reader") for name in names]
    return written(folder, [], ledger, not_covered=[{"status": "skipped", "reason": "no reader for audio", "artifacts": len(names)}])


@pytest.mark.parametrize(
    ("names", "says", "more"),
    [
        (["b.mp3", "a\x1b[2J.mp3"], "a\\x1b[2J.mp3, b.mp3", False),
        (["a.mp3", "b.mp3", "c.mp3", "d.mp3"], "a.mp3, b.mp3, c.mp3", True),
    ],
)
def test_a_few_artifacts_are_named(names: list[str], says: str, more: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    audit = results(tmp_path, names)
    summary(console(), audit.run, "out", missing(audit))
    shown = capsys.readouterr().out
    assert says in shown
    assert "d.mp3" not in shown
    assert ("`veritensor-ray report out` lists all of them" in shown) is more


@pytest.mark.parametrize(("kept", "named"), [("first", False), ("all", True)])
def test_the_table_of_locations_is_named_where_it_is(kept: str, named: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    audit = results(tmp_path, ["a.mp3"])
    summary(console(), {**audit.run, "locations": kept}, "out", missing(audit))
    assert ("ledger/, locations/, rollup/" in capsys.readouterr().out) is named
