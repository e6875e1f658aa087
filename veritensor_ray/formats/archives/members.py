"""Rewrites a file inside another one, for every format that holds files: to any depth, in bounded memory, and never to a path."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Container
from typing import BinaryIO, cast

from veritensor_ray.core.errors import ReadError
from veritensor_ray.formats.common.file_ranges import length
from veritensor_ray.formats.common.source import Source
from veritensor_ray.formats.common.spool import CHUNK, IN_MEMORY, spooled
from veritensor_ray.formats.editing.actions import CannotRewriteError
from veritensor_ray.formats.editing.edits import Orders
from veritensor_ray.formats.format_registry import rewrite
from veritensor_ray.formats.opened_files import opened
from veritensor_ray.masking.redaction import name_safe


def scratch() -> BinaryIO:
    """Return an empty file that moves from memory to an unnamed file on disk when it becomes large."""
    return cast("BinaryIO", tempfile.SpooledTemporaryFile(IN_MEMORY))


def rewritten(source: Source, orders: Orders) -> BinaryIO | None:
    """Return the file with its orders carried out, at its beginning, or None if it stays as it is. The caller closes it.

    A file in which nothing was found stays as it is if it cannot be rewritten. Raises CannotRewriteError, ReadError.
    """
    if not orders:
        return None
    counts = orders.account.counts.copy()
    with contextlib.ExitStack() as stack:
        target = stack.enter_context(contextlib.closing(scratch()))
        try:
            rewrite(source, target, orders)
        except (CannotRewriteError, ReadError):
            if any(orders):
                raise
            orders.account.counts = counts  # nothing was stripped after all
            return None
        if _equal(source.file, target):
            return None
        stack.pop_all()
        target.seek(0)
        return target


def member(name: str, stream: BinaryIO, source: Source, orders: Orders) -> BinaryIO | None:
    """Return the new content of the file `name` inside `source`, or None if it stays as it is. `orders` are those for this member.

    Raises CannotRewriteError, ReadError.
    """
    count_member(source, orders)
    file, broken = spooled(stream, orders.pulse)
    with contextlib.closing(file):
        if broken is not None and any(orders):
            raise broken
        if broken is not None:
            return None
        try:
            return rewritten(opened(file, name, source.limits, source.budget), orders)
        except CannotRewriteError as error:
            raise CannotRewriteError(f"{name_safe(name)}: {error}") from error


def count_member(source: Source, orders: Orders) -> None:
    """Count a file inside `source` against the limits on members and their depth, as the scan did. Raises LimitExceeded."""
    source.budget.member((orders.member or "").count("!/") + 1)


def _equal(one: BinaryIO, other: BinaryIO) -> bool:
    """Return whether two files have the same content."""
    if length(one) != length(other):
        return False
    one.seek(0)
    other.seek(0)
    return all(piece == other.read(len(piece)) for piece in iter(lambda: one.read(CHUNK), b""))


def ambiguous(name: str, names: Container[str]) -> bool:
    """Return whether the name of a member reads like the path of a file inside another member: its orders may be for either."""
    at = name.find("!/")
    while at >= 0 and name[:at] not in names:
        at = name.find("!/", at + 2)
    return at >= 0
