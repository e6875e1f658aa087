"""Reads zip archives and formats based on them (wheels, jars, .npz, .keras, torch checkpoints): every entry is a member; links are not
followed.
"""

from __future__ import annotations

import stat
from collections.abc import Iterator
from typing import BinaryIO, cast

from veritensor_ray.core.errors import LimitExceeded, ReadError
from veritensor_ray.core.media_types import PYTORCH
from veritensor_ray.formats.archives.entry_names import link_hazard
from veritensor_ray.formats.archives.zip.structure import Data, ZipEntry
from veritensor_ray.formats.archives.zip.zip_entries import ZipArchive
from veritensor_ray.formats.common.source import Item, Member, Source
from veritensor_ray.formats.common.streams import Pieces

_LINK = 4096


def read_zip(source: Source) -> Iterator[Item]:
    """Yield the members in the order of the central directory, then entries and bytes that it does not list."""
    archive = ZipArchive(source)
    for entry in archive.entries:
        archive.look(entry)
        if not (entry.name.endswith("/") and not entry.size):
            yield from _content(archive, entry, source.kind.media_type == PYTORCH)
        yield from archive.take()
    yield from archive.rest()
    if archive.directory is None:
        raise ReadError("the archive ends early or is damaged: it has no central directory")
    if archive.more:
        raise LimitExceeded("members", f"the archive has more than {source.limits.members} entries")


def _content(archive: ZipArchive, entry: ZipEntry, torch: bool) -> Iterator[Item]:
    """Yield an entry as a member, unless it is a link."""
    try:
        data = archive.data(entry)
        if stat.S_ISLNK(entry.mode):
            _link(archive, entry, data)
            return
    except ReadError as error:
        bound = error.bound if isinstance(error, LimitExceeded) else None
        archive.report.gap(str(error), entry.name, bound=bound, code=error.reason_code)
        return
    parts = entry.name.split("/")
    opaque = torch and (parts[-2:-1] in (["data"], ["constants"]) or entry.name.endswith(".storage"))
    yield Member(entry.name, cast("BinaryIO", Pieces(data.counted(archive.copies))), opaque, values=opaque)
    archive.judge(entry, data)


def _link(archive: ZipArchive, entry: ZipEntry, data: Data) -> None:
    target = Pieces(data.counted(archive.copies)).read(_LINK).decode("utf-8", "replace")
    if kind := link_hazard(entry.name, target):
        archive.report.notice(kind, f"{entry.name} -> {target}")
