"""How far the reading of an artifact has come: at bytes, at members, and in the artifact as a whole."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from veritensor_ray.core.config import Settings
from veritensor_ray.pipeline.context import workbench
from veritensor_ray.pipeline.extract import Extraction
from veritensor_ray.pipeline.reading_progress import READING, UNPACKING, Position, ReadingProgress
from veritensor_ray.pipeline.run_description import local_context, planned_shards


def at(offset: int, size: int = 1000) -> io.BytesIO:
    """An open file at this offset."""
    file = io.BytesIO(bytes(size))
    file.seek(offset)
    return file


def watched(folder: Path) -> list[Position]:
    """The position at each sign of progress, and at the end."""
    settings = Settings.model_validate({"sources": [str(folder)], "engines": ["signatures"], "limits": {"batch_rows": 1000}})
    context = local_context(settings, b"k")
    (shard,) = planned_shards(context)
    seen: list[Position] = []
    extraction: Extraction
    extraction = Extraction(context, shard.rows, workbench(context, ("signatures",)), [], lambda: seen.append(extraction.position()))
    assert list(extraction.batches()) == []
    return [*seen, extraction.position()]


def test_nothing_is_open() -> None:
    assert ReadingProgress().position(3) == Position(3)


@pytest.mark.parametrize(
    ("has_text", "scanned", "done", "half_read"),
    [(True, 600, 600 // 9, (1000 + 8 * 600) // 9), (False, 600, 600, 1000)],
    ids=["text takes eight times as long", "no reader"],
)
def test_bytes_are_scanned_before_text_is_read(has_text: bool, scanned: int, done: int, half_read: int) -> None:
    reached = ReadingProgress()
    with reached.opened(at(600), 1000, has_text):
        reached.scanning("signatures")
        assert reached.position(0) == Position(0, done, "signatures", scanned, 1000)
        reached.reading()
        assert reached.position(0) == Position(0, half_read, READING, 600, 1000)
    assert reached.position(1) == Position(1)


def test_a_second_engine_does_not_set_the_work_back() -> None:
    reached, file = ReadingProgress(), at(0)
    with reached.opened(file, 1000, False):
        reached.scanning("signatures")
        file.seek(900)
        reached.scanning("indicators")
        file.seek(100)
        assert reached.position(0) == Position(0, 900, "indicators", 100, 1000)


def test_a_file_counts_the_share_of_its_member_that_is_done() -> None:
    reached, outer = ReadingProgress(), at(200, 900)
    with reached.opened(outer, 900, True):
        reached.reading()
        with reached.unpacking():
            outer.seek(650)
            assert reached.position(0) == Position(0, 100 + 8 * 200 // 9, UNPACKING, 650, 900)
        with reached.opened(at(90, 900), 900, True):
            reached.scanning("secrets")
            assert reached.position(0).doing == "secrets"
            assert reached.position(0).read == int(100 + 8 * (200 + 450 / 90) / 9)
            reached.reading()
            assert reached.position(0).at == 200 + 450 * (900 + 8 * 90) // (9 * 900)
        assert reached.position(0).at == 650


@pytest.mark.parametrize("size", [0, 100], ids=["empty", "closed"])
def test_a_closed_or_empty_member_is_no_error(size: int) -> None:
    closed = at(5, size)
    closed.close()
    reached = ReadingProgress()
    with reached.opened(at(10), 1000, True), reached.opened(closed, size, True):
        assert 0 <= reached.position(0).read <= 1000


def test_a_pass_over_the_bytes_of_a_large_file_is_progress(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("veritensor_ray.pipeline.walk.HELD", 1000)
    monkeypatch.setattr("veritensor_ray.engines.signatures.CHUNK", 1000)
    (tmp_path / "weights.bin").write_bytes(b"\x00\xff" * 10_000)
    seen = [position.at for position in watched(tmp_path) if position.doing == "signatures"]
    assert seen[:20] == list(range(1000, 21_000, 1000))


def test_positions_rise_through_an_archive_and_name_each_artifact(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("veritensor_ray.corpus.planning._SMALL_BYTES", 1 << 50)  # both files in one shard
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        for number in range(20):
            member = tarfile.TarInfo(f"{number}.txt")
            member.size = 200_000
            tar.addfile(member, io.BytesIO(b"a plain line of text here\n" * 8_000))
    (tmp_path / "b.txt").write_text("the end\n")
    seen = watched(tmp_path)
    texts = [(position.row, position.read) for position in seen if position.doing == READING]
    assert texts == sorted(texts)
    size = (tmp_path / "a.tar").stat().st_size
    assert len({read * 10 // size for row, read in texts if row == 0}) >= 9, "every tenth of the archive has been passed"
    assert {"signatures", UNPACKING} <= {position.doing for position in seen}
    assert seen[-1] == Position(2)
