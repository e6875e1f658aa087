"""Files inside files through the whole of a shard: each is scanned where it stands, and what cannot be read is a gap of its own."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import random
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import zstandard

from tests.pipeline.test_extract import EVIL, RULE, alone, parquet
from veritensor_ray.testing import painted

NOISE = random.Random(3).randbytes(5000)


def packed(*files: tuple[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as archive:
        for name, data in files:
            archive.writestr(name, data)
    return out.getvalue()


def taped(*files: tuple[str, bytes]) -> bytes:
    """A tar."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, data in files:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def found(row: dict[str, Any], rule: str = RULE) -> list[tuple[str | None, int | None]]:
    """Member and line of each finding of a rule."""
    return sorted((one["member"], one["location"]["line"]) for one in row["findings"] if one["rule_id"] == rule)


def nested(depth: int) -> bytes:
    """A text in a zip in a zip …"""
    data = packed(("a.txt", EVIL.encode()))
    for _ in range(depth - 1):
        data = packed(("in.zip", data))
    return data


TEXT = f"first line\n{EVIL}".encode()


@pytest.mark.parametrize(
    ("name", "data", "expected"),
    [
        ("a.zip", packed(("x/a.txt", TEXT), ("b.txt", b"fine")), [("x/a.txt", 2)]),
        ("a.tar", taped(("a.txt", TEXT), ("b/b.md", TEXT)), [("a.txt", 2), ("b/b.md", 2)]),
        ("a.tar.gz", gzip.compress(taped(("a.txt", TEXT)), mtime=0), [("a.tar!/a.txt", 2)]),
        ("a.tgz", gzip.compress(taped(("a.txt", TEXT)), mtime=0), [("a.tar!/a.txt", 2)]),
        ("a.tar.bz2", bz2.compress(taped(("a.txt", TEXT))), [("a.tar!/a.txt", 2)]),
        ("backup", lzma.compress(taped(("a.txt", TEXT))), [("content!/a.txt", 2)]),
        ("a.zip", packed(("b.tar.gz", gzip.compress(taped(("c.zip", packed(("d.txt", TEXT)))), mtime=0)),), [("b.tar.gz!/b.tar!/c.zip!/d.txt", 2)]),
        ("a.zip", packed(("a.txt.gz", gzip.compress(TEXT, mtime=0))), [("a.txt.gz", 2)]),
        ("a.zip", packed(("a.jsonl", json.dumps({"t": EVIL}).encode() + b"\n{}"), ("a.parquet", parquet(t=[EVIL]))), [("a.jsonl", 1), ("a.parquet", None)]),
        ("a.txt.gz.gz", gzip.compress(gzip.compress(TEXT, mtime=0), mtime=0), [("a.txt.gz", 2)]),
        ("renamed.txt", packed(("a.txt", TEXT)), [("a.txt", 2)]),
        ("setup.exe", b"MZ" + bytes(2000) + packed(("a.txt", TEXT)), [("a.txt", 2)]),
    ],
)  # fmt: skip
def test_members_are_scanned_where_they_stand(tmp_path: Path, name: str, data: bytes, expected: list[Any]) -> None:
    row = alone(tmp_path, name, data)
    assert found(row) == expected
    assert row["status"] == ("skipped" if name == "setup.exe" else "scanned"), "no reader has seen the program itself"


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("cut.tar.gz", gzip.compress(taped(("a.txt", TEXT), ("b.bin", NOISE)), mtime=0)[:-3000]),
        ("cut.tar", taped(("a.txt", TEXT), ("b.txt", b"words " * 900))[:3000]),
        ("cut.zip", packed(("a.txt", TEXT), ("b.bin", NOISE), compression=zipfile.ZIP_STORED)[:3000]),
    ],
)
def test_what_came_before_the_damage_is_scanned(tmp_path: Path, name: str, data: bytes) -> None:
    row = alone(tmp_path, name, data)
    assert [(member or "").rpartition("!/")[2] for member, _ in found(row)] == ["a.txt"]
    assert row["status"] == "partial"
    assert row["gaps_total"] >= 1


def test_a_bound_is_named_though_what_was_cut_off_cannot_be_read(tmp_path: Path) -> None:
    inner = parquet(t=[EVIL]) + bytes(30_000_000)
    row = alone(tmp_path, "a.zip", packed(("a.parquet", inner), ("b.txt", TEXT)), limits={"expanded_ratio": 100})
    assert [gap["bound"] for gap in row["gaps"]] == [None, "expanded_ratio"]
    assert found(row) == []


def test_a_broken_member_costs_the_others_nothing(tmp_path: Path) -> None:
    broken = parquet(t=[EVIL])[:-9]
    row = alone(tmp_path, "a.zip", packed(("a.txt", TEXT), ("broken.parquet", broken), ("c.txt", TEXT)))
    assert found(row) == [("a.txt", 2), ("c.txt", 2)]
    assert [(gap["member"], gap["reason"][:29]) for gap in row["gaps"]] == [("broken.parquet", "not a complete Parquet file: ")]
    assert row["status"] == "partial"


def test_a_member_without_a_reader_is_said_and_the_artifact_is_complete(tmp_path: Path) -> None:
    row = alone(tmp_path, "a.zip", packed(("a.txt", TEXT), ("song.aiff", b"FORM\x00\x00\x02\x64AIFF" + NOISE), ("b.bin", NOISE)))
    assert (row["status"], row["gaps_total"]) == ("scanned", 2)
    assert row["reason"].startswith("no reader for ")
    assert {gap["member"] for gap in row["gaps"]} == {"song.aiff", "b.bin"}


def test_programs_inside_archives_are_seen_by_file_rules(tmp_path: Path) -> None:
    row = alone(tmp_path, "a.zip", packed(("notes.txt", b"\x7fELF\x02\x01\x01" + bytes(500))))
    assert ("signatures.format-mismatch", "notes.txt") in {(one["rule_id"], one["member"]) for one in row["findings"]}


@pytest.mark.parametrize(
    ("made", "limits", "bound", "seen"),
    [
        (lambda: nested(3), {"depth": 3}, None, 1),
        (lambda: nested(4), {"depth": 3}, "depth", 0),
        (lambda: packed(*((f"{i}.txt", TEXT) for i in range(20))), {"members": 10}, "members", 10),
        (lambda: packed(("a.txt", TEXT), ("bomb.txt", bytes(1) + b" " * 30_000_000)), {"expanded_ratio": 100}, "expanded_ratio", 1),
        (lambda: packed(("a.txt", TEXT), ("big.txt", b"word " * 900_000)), {"expanded_bytes": 1_000_000}, "expanded_bytes", 1),
        (
            lambda: gzip.compress(packed(("a.txt", TEXT), ("b.bin", bytes(20_000_000))), mtime=0),
            {"expanded_ratio": 100},
            "expanded_ratio",
            1,
        ),
    ],
    ids=["deep", "too deep", "many members", "bomb", "large", "bomb in gzip"],
)
def test_bounds_hold_for_all_members_together(
    tmp_path: Path, made: Callable[[], bytes], limits: dict[str, Any], bound: str | None, seen: int
) -> None:
    row = alone(tmp_path, "a.zip", made(), limits=limits)
    assert len(found(row)) == seen
    assert ({gap["bound"] for gap in row["gaps"]} - {None}) == ({bound} if bound else set())
    assert row["status"] == ("partial" if bound else "scanned")


@pytest.mark.parametrize(
    ("bomb", "member"),
    [
        (lambda: packed(("bomb.txt", b" " * 30_000_000)), "bomb.txt"),
        (lambda: gzip.compress(b"words " * 5_000_000, mtime=0), None),
        (lambda: lzma.compress(b"words " * 5_000_000), None),
        (lambda: gzip.compress(bytes(30_000_000), mtime=0), "a"),
    ],
    ids=["zip", "text in gzip", "xz", "zeros in gzip"],
)
def test_a_bomb_is_a_finding(tmp_path: Path, bomb: Callable[[], bytes], member: str | None) -> None:
    row = alone(tmp_path, "a.gz", bomb(), limits={"expanded_ratio": 100}, engines=["structure"])
    assert [(one["rule_id"], one["member"]) for one in row["findings"]] == [("structure.archive-bomb", member)]
    assert row["status"] == "partial"


@pytest.mark.parametrize(
    "pack", [lambda d: packed(("p.png", d)), lambda d: taped(("p.png", d)), lambda d: gzip.compress(packed(("p.png", d)), mtime=0)]
)
def test_pictures_in_archives_are_for_the_transcriber(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    plugins = ["veritensor_ray.testing:Obedient", "veritensor_ray.testing:ObedientTranscriber"]
    row = alone(tmp_path, "a.zip", pack(painted("see FINDME")), engines=["fake-local", "fake-ocr"], plugins=plugins)
    assert [(one["rule_id"], one["location"]["view"]) for one in row["findings"]] == [("fake-local.findme", "ocr")]
    assert row["findings"][0]["member"].endswith("p.png")


@pytest.mark.parametrize(
    ("name", "data"),
    [
        (
            "a.txt.gz",
            (lambda plain: plain[:3] + b"\x10" + plain[4:10] + EVIL.encode() + b"\0" + plain[10:])(gzip.compress(b"some words", mtime=0)),
        ),
        ("a.tar.zst", zstandard.compress(taped(("a.txt", b"words"))) + b"\x5e\x2a\x4d\x18" + struct.pack("<I", len(EVIL)) + EVIL.encode()),
    ],
)
def test_what_stands_beside_a_compressed_stream_is_read(tmp_path: Path, name: str, data: bytes) -> None:
    row = alone(tmp_path, name, data)
    assert (RULE, "beside the stream") in {(one["rule_id"], one["member"]) for one in row["findings"]}
    assert row["gaps"] == []
