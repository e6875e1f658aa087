"""Where a cleaning may write: folders that lie in each other, in every spelling, and destinations that are not folders."""

from __future__ import annotations

from pathlib import Path

import pytest

from veritensor_ray.core.config import load_settings
from veritensor_ray.core.errors import UsageError
from veritensor_ray.jobs.copy_destination import check_clean, check_destination, overlap
from veritensor_ray.stores.outputs import OutputStore


@pytest.mark.parametrize(
    ("source", "output", "expected"),
    [
        ("/a/b", "/a/b", True),
        ("/a/b", "/a/b/c", True),
        ("/a/b/c", "/a/b", True),
        ("/a/b", "/a/bc", False),
        ("file:///a/b", "/a/b/c", True),
        ("/a/b/*.txt", "/a/b/out", True),
        ("/a/b/[x]/*.txt", "/a/out", False),
        ("/a/b", "/a/o[u]t", False),
        ("s3://b/a", "s3://b/ab", False),
        ("s3://b/a", "s3://b/a/c", True),
        ("s3://b/a/", "s3a://b/a/c", True),
        ("s3://b", "s3://b/c", True),
        ("s3://b/a*", "s3://b/abc", True),
        ("s3://b/x/a?/*", "s3://b/out", False),
        ("s3://b/a", "/b/a", False),
        ("memory://a/b", "s3://a/b", False),
    ],
)
def test_source_and_destination_never_overlap(source: str, output: str, expected: bool) -> None:
    assert overlap(source, output, {}) is expected


def test_a_destination_behind_a_link_overlaps_too(tmp_path: Path) -> None:
    (tmp_path / "corpus/inner").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "corpus/inner")
    with pytest.raises(UsageError, match="lie in each other; choose another --to"):
        check_clean(
            load_settings(flags={"sources": ["/elsewhere", str(tmp_path / "corpus")], "output": str(tmp_path / "link/new")}, environ={}),
            False,
        )


def test_a_file_is_not_a_destination(tmp_path: Path) -> None:
    (tmp_path / "copy").write_text("mine")
    with pytest.raises(UsageError, match="copy is a file; choose an empty folder with --to"):
        check_destination(OutputStore(str(tmp_path / "copy")))
