"""The codes of real files: of the artifact, of an engine's coverage, and of the gaps; each beside its reason."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.pipeline.test_extract import alone, parquet, picture

SOUND = b"FORM\x00\x00\x02\x64AIFF" + bytes(600)


def archive(*, encrypted: bool = False, method: int = 0, **members: bytes) -> bytes:
    """A zip whose headers may say that its members are encrypted, or packed by a method that nobody knows."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        for name, content in members.items():
            file.writestr(name.replace("_", "."), content)
    data = bytearray(out.getvalue())
    for mark, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = data.find(mark)
        data[at + flags] |= encrypted
        data[at + flags + 2] = method
    return bytes(data)


@pytest.mark.parametrize(
    ("name", "data", "status", "code", "covered", "gaps"),
    [
        ("a.txt", b"hello", "scanned", None, {}, []),
        ("a.aiff", SOUND, "skipped", "no-reader", {}, []),
        ("a.zip", archive(a_aiff=SOUND), "scanned", "no-reader", {}, ["no-reader"]),
        ("a.parquet", parquet(a=[b"\xff\x00"], b=["x"]), "scanned", "no-reader", {}, ["no-reader"]),
        ("a.png", picture(), "skipped", "engine-not-selected", {"ocr": "engine-not-selected"}, []),
        ("b.zip", archive(a_png=picture()), "scanned", None, {"ocr": "engine-not-selected"}, []),
        ("cut.json", b'{"a": ', "partial", "damaged", {"signatures": "damaged"}, ["damaged"]),
        ("cut.parquet", parquet(a=["x"])[:-9], "unreadable", "damaged", {"signatures": "damaged"}, ["damaged"]),
        ("deep.json", b"[" * 9_000, "partial", "limit", {"signatures": "limit"}, ["limit"]),
        ("locked.zip", archive(encrypted=True, method=99, a_txt=b"hello"), "partial", "encrypted", {"signatures": "encrypted"}, ["encrypted"]),
        ("odd.zip", archive(method=98, a_txt=b"hello"), "partial", "no-reader", {"signatures": "no-reader"}, ["no-reader"]),
    ],
)  # fmt: skip
def test_what_a_file_is_told_by(
    tmp_path: Path, name: str, data: bytes, status: str, code: str | None, covered: dict[str, str], gaps: list[str]
) -> None:
    row = alone(tmp_path, name, data)
    assert (row["status"], row["reason_code"]) == (status, code)
    assert {one["engine"]: one["reason_code"] for one in row["coverage"] if one["reason_code"]} == covered
    assert [one["reason_code"] for one in row["gaps"]] == gaps
    assert_codes_beside_reasons(row)


def assert_codes_beside_reasons(row: dict[str, Any]) -> None:
    for one in (row, *row["coverage"], *row["gaps"]):
        assert (one["reason"] is None) == (one["reason_code"] is None), one


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda path: path.write_bytes(b"hello again"), "changed-during-run"),
        (Path.unlink, "changed-during-run"),
    ],
)
def test_what_changes_before_it_is_read(tmp_path: Path, change: Callable[[Path], None], code: str) -> None:
    row = alone(tmp_path, "a.txt", b"hello", change=lambda: change(tmp_path / "a.txt"))
    assert (row["status"], row["reason_code"], [one["reason_code"] for one in row["gaps"]]) == ("unreadable", code, [code])
