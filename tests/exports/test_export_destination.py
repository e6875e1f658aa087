"""Files of exports: complete or absent, readable only by their owner, and never inside the corpus or the results."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from tests.exports import outputs
from veritensor_ray.core.errors import CannotRunError, UsageError
from veritensor_ray.exports import FORMATS
from veritensor_ray.exports.export_destination import export, written
from veritensor_ray.results.results import Results


@pytest.fixture
def results(tmp_path: Path) -> Results:
    """Results in `audit` of a corpus in `corpus`, with a link to the latter in `link`."""
    (tmp_path / "corpus" / "deep").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "corpus")
    output = str(tmp_path / "audit")
    return outputs.output(tmp_path / "audit", [outputs.finding()], sources=[str(tmp_path / "corpus"), "s3://bucket/kb"], output=output)


def test_a_file_is_replaced_when_it_is_complete(results: Results, tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_text("earlier")
    with pytest.raises(ZeroDivisionError), written(str(file), results) as broken:
        broken.write(b"half")
        raise ZeroDivisionError
    assert file.read_text() == "earlier"
    export(outputs.selection(results), FORMATS["json"], str(file))
    assert '"finding_id"' in file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.json", "audit", "corpus", "link"]


def test_a_link_is_neither_followed_nor_replaced(results: Results, tmp_path: Path) -> None:
    """Root could otherwise replace /dev/stdout, which is a link, for all users of a machine."""
    target, link = tmp_path / "target", tmp_path / "a.csv"
    target.write_text("untouched")
    link.symlink_to(target)
    with pytest.raises(UsageError, match="is a link, a pipe or a device; name a regular file"):
        export(outputs.selection(results), FORMATS["csv"], str(link))
    assert (target.read_text(), link.is_symlink()) == ("untouched", True)


def test_a_pipe_is_not_replaced(results: Results, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UsageError, match="is a link, a pipe or a device"), written(str(tmp_path / "pipe"), results):
        raise AssertionError
    assert (tmp_path / "pipe").is_fifo()


@pytest.mark.parametrize(
    ("to", "says"),
    [
        ("corpus/x.csv", "lies inside the corpus"),
        ("corpus/deep/x.csv", "lies inside the corpus"),
        ("corpus/../corpus/x.csv", "lies inside the corpus"),
        ("link/x.csv", "lies inside the corpus"),
        ("s3://bucket/kb/x.csv", "lies inside the corpus"),
        ("audit/x.csv", "lies inside the results"),
        ("audit/findings/x.parquet", "lies inside the results"),
        ("nowhere/x.csv", "there is no folder"),
        (".", "is a folder"),
        ("s3://bucket/other/", "is a folder"),
        ("s3://x.csv", "is a folder"),  # a bucket
        ("https://example.org/x.csv", "HTTP addresses are only read"),
    ],
)
def test_what_is_refused(to: str, says: str, results: Results, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=says), written(to, results):
        raise AssertionError
    assert sorted(path.name for path in tmp_path.rglob("x.*")) == []


def test_an_object_in_a_store(results: Results) -> None:
    import fsspec

    export(outputs.selection(results), FORMATS["jsonl"], "memory://exports/a.jsonl")
    assert b'"finding_id"' in fsspec.filesystem("memory").cat_file("/exports/a.jsonl")


def test_a_file_that_cannot_be_written(results: Results, tmp_path: Path) -> None:
    with pytest.raises(CannotRunError, match="cannot be written: File name too long"), written(str(tmp_path / ("n" * 300)), results):
        raise AssertionError
