"""How far the reading of an artifact has come: at bytes, at members, and in the artifact as a whole."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from veritensor_ray.config import Settings
from veritensor_ray.corpus.listing import roots
from veritensor_ray.corpus.planning import Shard, plan_rows, shards_of
from veritensor_ray.pipeline.context import Context, workbench
from veritensor_ray.pipeline.extract import Extraction
from veritensor_ray.pipeline.position import READING, UNPACKING, Position, Reached


def at(offset: int, size: int = 1000) -> io.BytesIO:
    """An open file at this offset."""
    file = io.BytesIO(bytes(size))
    file.seek(offset)
    return file


def test_nothing_is_open() -> None:
    assert Reached().position(3) == Position(3)


def test_bytes_that_engines_scan_do_not_count_as_read() -> None:
    reached = Reached()
    with reached.opened(at(600), 1000):
        assert reached.position(0) == Position(0, 600, READING, 600, 1000)
        reached.scanning("signatures")
        assert reached.position(0) == Position(0, 0, "signatures", 600, 1000)
        reached.reading()
        assert reached.position(0) == Position(0, 600, READING, 600, 1000)
    assert reached.position(1) == Position(1)


def test_a_file_counts_what_of_its_member_has_been_read() -> None:
    reached, outer = Reached(), at(200)
    with reached.opened(outer, 1000):
        with reached.unpacking():
            outer.seek(700)
            assert reached.position(0) == Position(0, 200, UNPACKING, 700, 1000)
        with reached.opened(at(25, 100), 100):
            assert reached.position(0) == Position(0, 200 + 500 // 4, READING, 325, 1000)
            reached.scanning("secrets")
            assert reached.position(0) == Position(0, 200, "secrets", 25, 100)
        assert reached.position(0).read == 700


@pytest.mark.parametrize("closed", [at(5), at(5, 0)], ids=["closed", "empty"])
def test_a_closed_or_empty_file_is_no_error(closed: io.BytesIO) -> None:
    closed.close()
    reached = Reached()
    with reached.opened(at(10), 1000), reached.opened(closed, 0):
        assert reached.position(0).read in range(11)


def test_positions_rise_through_an_archive_and_name_each_artifact(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        for number in range(20):
            member = tarfile.TarInfo(f"{number}.txt")
            member.size = 200_000
            tar.addfile(member, io.BytesIO(b"a plain line of text here\n" * 8_000))
    (tmp_path / "b.txt").write_text("the end\n")
    settings = Settings.model_validate({"sources": [str(tmp_path)], "engines": ["signatures"], "limits": {"batch_rows": 1000}})
    context = Context(settings, tuple(roots(settings.sources, settings.stores)), ("signatures",), b"k", "tests.pipeline.test_position")
    (shard,) = [one for one in shards_of(plan_rows(settings, ("signatures",), lambda *_: [])) if isinstance(one, Shard)]
    seen: list[Position] = []
    extraction: Extraction
    extraction = Extraction(context, shard.rows, workbench(context, ("signatures",)), [], lambda: seen.append(extraction.position()))
    assert list(extraction.batches()) == []
    texts = [(position.row, position.read) for position in seen if position.doing == READING]
    assert texts == sorted(texts)
    size = (tmp_path / "a.tar").stat().st_size
    assert len({read * 10 // size for row, read in texts if row == 0}) >= 9, "every tenth of the archive has been passed"
    assert {"signatures", UNPACKING} <= {position.doing for position in seen}
    assert extraction.position() == Position(2)
