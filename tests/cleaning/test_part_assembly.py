"""Split artifacts: the parts of a copy come together as the source was, and one part decides about all of it."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import pytest

from tests.cleaning.in_process import FAKE, InProcess, write
from veritensor_ray.cleaning.copy_manifest import Cleaned, Result
from veritensor_ray.cleaning.part_assembly import Assembler
from veritensor_ray.corpus.planning import Shard

SPLIT = {"limits": {"split_bytes": "20kB", "shard_bytes": "20kB"}}
POLICY = """
rules:
  - {path: "aside*", rule: fake-local.findme, action: quarantine}
  - {path: "drop*", rule: fake-local.findme, action: drop-file}
  - {rule: fake-local.findme, action: strip}
"""


def text(*planted: int, word: str = "FINDME") -> str:
    """About 100 kB in lines; some lines have the word."""
    return "".join(f"line {n} {word if n in planted else 'é'} of many, none of which is very long\n" for n in range(2000))


def cleaned(tmp_path: Path, name: str, content: str) -> InProcess:
    write(tmp_path / "corpus", {name: content})
    return InProcess(str(tmp_path / "corpus"), str(tmp_path / "dest"), POLICY, FAKE | SPLIT)


@pytest.mark.parametrize("planted", [(), (0,), (1999,), (0, 1, 700, 701, 1500)])
def test_the_parts_come_together_as_they_were(tmp_path: Path, planted: tuple[int, ...]) -> None:
    source = "\ufeff" + text(*planted)
    run = cleaned(tmp_path, "big.txt", source)
    shards: list[Shard] = []
    run.scan(shards.append).publish()
    assert len(shards) > 3, "it was split"
    copy = source.replace("FINDME", "").encode()
    assert (tmp_path / "dest/corpus/big.txt").read_bytes() == copy
    (row,) = run.manifest().values()
    assert (row["result"], row["changes"]) == ("cleaned" if planted else "copied", len(planted))
    assert (row["source_size"], row["source_sha256"]) == (len(source.encode()), hashlib.sha256(source.encode()).hexdigest())
    assert (row["clean_size"], row["clean_sha256"]) == (len(copy), hashlib.sha256(copy).hexdigest())


@pytest.mark.parametrize(
    ("name", "word", "result", "path", "reason"),
    [
        ("aside.txt", "FINDME", "quarantined", "quarantine/aside.txt", "findings of fake-local.findme"),
        ("drop.txt", "FINDME", "dropped", None, "findings of fake-local.findme"),
        ("refused.txt", "FINDME REFUSE-REWRITE", "held", "quarantine/refused.txt", "the text says so"),
        ("broken.txt", "RAISE-LOCAL", "held", "quarantine/broken.txt", "it was not wholly checked: fake-local failed: "),
    ],
)
def test_one_part_decides_about_all_of_it(tmp_path: Path, name: str, word: str, result: str, path: str | None, reason: str) -> None:
    source = text(3).replace("FINDME", "é" if result != "held" else "FINDME") + text(1500, word=word)
    run = cleaned(tmp_path, name, source)
    run.scan().publish()
    (row,) = run.manifest().values()
    assert (row["result"], row["path"], row["changes"]) == (result, path, 0)
    assert row["reason"].startswith(reason)
    assert row["source_sha256"] == hashlib.sha256(source.encode()).hexdigest()
    if path is not None:
        assert (tmp_path / "dest" / path).read_text() == source
    assert not list((tmp_path / "dest").glob("corpus/*"))


def test_a_file_that_changes_before_it_is_put_together_is_left_out(tmp_path: Path) -> None:
    """Its new content was never scanned."""
    run = cleaned(tmp_path, "big.txt", text(3)).scan()
    file = tmp_path / "corpus/big.txt"
    file.write_text(text(4))
    os.utime(file, (1, 1))
    summary = run.publish()
    (row,) = run.manifest().values()
    assert (row["result"], row["path"], row["reason"]) == ("left-out", None, "changed during the run")
    assert summary["not_copied"] == {"unreadable": 1}
    assert not (tmp_path / "dest/corpus").exists()


def test_dropped_rows_are_numbered_from_the_beginning_of_the_file(tmp_path: Path) -> None:
    write(tmp_path / "corpus", {"a.txt": "x"})
    run = InProcess(str(tmp_path / "corpus"), str(tmp_path / "dest"))
    info = (tmp_path / "corpus/a.txt").stat()
    about: dict[str, Any] = {
        "source_path": bytes(tmp_path / "corpus/a.txt"),
        "size": 1,
        "mtime": info.st_mtime,
        "parts": 3,
        "kind": "jsonl",
    }
    parts = [
        Cleaned("a.txt", Result.COPIED, part=0, row_count=10, **about),
        Cleaned("a.txt", Result.COPIED, part=1, row_count=5, rows=[{"member": None, "row": 2, "rule": "r"}], rows_dropped=1, **about),
        Cleaned("a.txt", Result.COPIED, part=2, row_count=5, rows=[{"member": None, "row": 0, "rule": "r"}], rows_dropped=1, **about),
    ]
    whole = Assembler(run.cleaning, run.settings, run.roots, "run").assembled(parts)
    assert ([row["row"] for row in whole.rows], whole.rows_dropped) == ([12, 15], 2)
