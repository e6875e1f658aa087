"""The files in which places are searched for: one of each format that has a reader, richer ones, and real ones where there are any."""

from __future__ import annotations

import codecs
import gzip
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

from bench.account.archives import archive_samples
from bench.account.arrays import array_samples
from bench.account.canary import Sample
from bench.account.columns import column_samples
from bench.account.databases import database_samples
from bench.account.duckdb_databases import duckdb_samples
from bench.account.hdf5s import hdf5_samples
from bench.account.streams import CODECS
from tests.formats.real_files import RealFiles

_ROOT = Path(__file__).resolve().parents[2]
_REAL = _ROOT.parent / "shared" / "data" / "real"
_LARGEST = 60_000  # bytes of a real file
_EACH = 3  # real files with the same extension from an archive
_LINES = (
    "The first line is about gardens and the tools that are used in them.",
    "The second line says when the harvest begins, and who is there to help.",
    "Nothing else was written on this page that anybody would want to keep.",
)


def samples() -> Iterator[Sample]:
    """Yield files that the tests make or have, and files whose places a library writes."""
    yield from (Sample(name, build()) for name, build in RealFiles(_LINES).cases().values())
    for folder in ("office", "pdf"):
        for path in sorted((_ROOT / "tests" / "formats" / folder / "files").iterdir()):
            if path.suffix == ".gz":
                yield Sample(path.stem, gzip.decompress(path.read_bytes()))
            elif path.suffix != ".md":
                yield Sample(path.name, path.read_bytes())
    yield from _texts()
    yield from column_samples()
    yield from database_samples()
    yield from duckdb_samples()
    yield from hdf5_samples()
    yield from array_samples()
    yield from archive_samples()


def _texts() -> Iterator[Sample]:
    body = "\n".join(_LINES)
    for name in ("a.txt", "a.md", "a.py", "a.yaml", "a.toml", "a.js", "a.css", "a.rst", "a.sh", "a.log", "a.ini"):
        yield Sample(name, body.encode())
    for name, encoding in (("utf-16.txt", "utf-16"), ("utf-16.csv", "utf-16"), ("utf-8-mark.txt", "utf-8-sig")):
        yield Sample(name, body.encode(encoding))
    page = f"<html><body><p title='a title'>{_LINES[0]}</p></body></html>"
    for name, text in (("utf-16.html", page), ("utf-16.xml", f'<?xml version="1.0" encoding="utf-16"?><a><b c="d">{_LINES[0]}</b></a>')):
        yield Sample(name, text.encode("utf-16"))
    yield Sample("utf-16.json", json.dumps({"texts": _LINES}).encode("utf-16"))
    yield Sample(
        "latin-1.txt", f"{body}\nÜber älteren Büchern liegt häufig Staub, und für größere Räume gilt dasselbe.\n".encode("latin-1")
    )
    yield Sample("shift-jis.txt", f"{body}\nこれは日本語の文章です。庭と道具についての話が続きます。\n".encode("shift-jis"))
    yield Sample("iso-2022-jp.txt", f"{body}\nこれは日本語の文章です。庭と道具についての話が続きます。\n".encode("iso-2022-jp"))
    yield Sample("utf-16-be.txt", codecs.BOM_UTF16_BE + body.encode("utf-16-be"))
    yield from (Sample(f"a.txt{extension}", packed(body.encode())) for _, extension, _, packed in CODECS.values())


def real_samples() -> Iterator[Sample]:
    """Yield real files from the folder beside the repository, if there is one: the smallest of each extension in each archive."""
    for path in sorted(_REAL.glob("*.tar.xz")):
        with tarfile.open(path) as archive:
            members = sorted(
                (one for one in archive if one.isfile() and 0 < one.size <= _LARGEST), key=lambda one: (one.size < 400, one.size)
            )
            taken: dict[str, int] = {}
            for one in members:
                suffix = Path(one.name).suffix.lower()
                if taken.setdefault(suffix, 0) < _EACH and (content := archive.extractfile(one)):
                    taken[suffix] += 1
                    yield Sample(Path(one.name).name, content.read())
