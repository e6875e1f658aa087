"""A zip is written again with other content for some entries and without others; everything else keeps its bytes."""

from __future__ import annotations

import io
import zipfile

from tests.cases import each
from veritensor_ray.core.config import Limits
from veritensor_ray.core.media_types import ZIP
from veritensor_ray.formats.archives.zip.zip_entries import ZipArchive
from veritensor_ray.formats.archives.zip.zip_writer import ZipRewriter
from veritensor_ray.formats.common.kind import Kind
from veritensor_ray.formats.common.source import Source


class Unseekable(io.BytesIO):
    """Makes zipfile write the sizes behind the data."""

    def seekable(self) -> bool:
        return False

    def seek(self, *_: int) -> int:
        raise OSError("not seekable")

    def tell(self) -> int:
        raise OSError("not seekable")


def archive(made: io.BytesIO, wide: bool = False) -> bytes:
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as file:
        for name in "abc":
            with file.open(name, "w", force_zip64=wide) as entry:
                entry.write(name.encode() * 1000)
        file.comment = b"a comment"
    return made.getvalue()


@each(
    "data",
    [archive(io.BytesIO()), archive(Unseekable()), archive(io.BytesIO(), wide=True), b"#!/bin/sh\n" + archive(io.BytesIO())],
    ids=["plain", "streamed", "wide", "behind other data"],
)
@each(
    ("changed", "removed", "expected"),
    [
        ({}, set(), {"a": b"a" * 1000, "b": b"b" * 1000, "c": b"c" * 1000}),
        ({}, {1}, {"a": b"a" * 1000, "c": b"c" * 1000}),
        ({2: b"new"}, {0, 1}, {"c": b"new"}),
        ({0: b"", 1: b"x" * 5000}, {2}, {"a": b"", "b": b"x" * 5000}),
        ({}, {0, 1, 2}, {}),
    ],
)
def test_entries_change_or_go(data: bytes, changed: dict[int, bytes], removed: set[int], expected: dict[str, bytes]) -> None:
    read = ZipArchive(Source(io.BytesIO(data), Kind(ZIP), Limits()))
    assert read.directory is not None
    out = io.BytesIO()
    writer = ZipRewriter(read.directory, read.entries, lambda: None)
    writer.write(out, lambda number: io.BytesIO(changed[number]) if number in changed else None, removed)
    with zipfile.ZipFile(out) as file:
        assert {name: file.read(name) for name in file.namelist()} == expected
        assert file.comment == b"a comment"
    if not changed and not removed:
        assert out.getvalue() == data


def with_gaps(made: io.BytesIO, wide: bool = False) -> bytes:
    """An archive with bytes of nobody behind each entry."""
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as file:
        for name in "abc":
            with file.open(name, "w", force_zip64=wide) as entry:
                entry.write(name.encode() * 1000)
            file.fp.write(b"nobody's")  # type: ignore[union-attr]
            file.start_dir = file.fp.tell()  # type: ignore[union-attr]
    return made.getvalue()


@each("wide", [False, True])
@each("made", [io.BytesIO, Unseekable])
@each(
    ("changed", "removed", "expected"),
    [
        ({1: b"new"}, set(), {"a": b"a" * 1000, "b": b"new", "c": b"c" * 1000}),
        ({2: b"new"}, {0}, {"b": b"b" * 1000, "c": b"new"}),
        ({}, set(), {"a": b"a" * 1000, "b": b"b" * 1000, "c": b"c" * 1000}),
    ],
)
def test_gaps_go_if_somebody_counts_them(
    made: type[io.BytesIO], wide: bool, changed: dict[int, bytes], removed: set[int], expected: dict[str, bytes]
) -> None:
    data, count = with_gaps(made(), wide), []
    assert data.count(b"nobody's") == 3
    read = ZipArchive(Source(io.BytesIO(data), Kind(ZIP), Limits()))
    assert read.directory is not None
    out = io.BytesIO()
    writer = ZipRewriter(read.directory, read.entries, lambda: None, gap=lambda: count.append(1))
    writer.write(out, lambda number: io.BytesIO(changed[number]) if number in changed else None, removed)
    with zipfile.ZipFile(out) as file:
        assert file.testzip() is None
        assert {name: file.read(name) for name in file.namelist()} == expected
    assert (out.getvalue().count(b"nobody's"), len(count)) == (0, 3)
