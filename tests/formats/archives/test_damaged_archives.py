"""Damaged archives: held back, or rewritten so that the reader sees the same as before in every place without an order."""

from __future__ import annotations

import io
import random
import tarfile
from collections.abc import Iterable, Iterator, Sequence

import pytest

from tests.formats.archives.packed import EMAIL, MASKED, TEXT, bsd_ar, carried_out, emails, gnu_ar, taped
from tests.formats.archives.zip.test_rewrite import MADE
from veritensor_ray.core.config import Limits
from veritensor_ray.core.errors import ReadError
from veritensor_ray.core.segments import Block
from veritensor_ray.formats.common.source import Member
from veritensor_ray.formats.editing.actions import CannotRewriteError
from veritensor_ray.formats.format_registry import reader_for
from veritensor_ray.formats.opened_files import opened

TARS = (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT)
FILES = (("b.txt", b"x" * 700), ("a.txt", TEXT), ("c.txt", TEXT))
ARS = (gnu_ar(*FILES, ("the name of another file.txt", TEXT)), bsd_ar(*FILES, ("the name of another file.txt", TEXT)))
WHOLE = [*(made() for made in MADE.values()), *(taped(*FILES, format=one) for one in TARS)]


def damaged(data: bytes, some: random.Random) -> bytes:
    """The archive with a few bytes changed, most of them in headers, or a part of it missing."""
    new = bytearray(data)
    for _ in range(some.choice([1, 1, 1, 2])):
        headers = [at for at in range(len(new)) if new.startswith(b"PK", at)]
        headers = headers or [at - 58 for at in range(58, len(new)) if new.startswith(b"`\n", at)] or [*range(0, len(new), 512)]
        at = some.choice([some.randrange(len(new)), min(len(new) - 1, some.choice(headers) + some.randrange(60))])
        if some.random() < 0.2:
            del new[at : at + some.randrange(1, 40)]
        else:
            new[at] = some.choice([0, 1, 8, 255, some.randrange(256)])
    return bytes(new)


def seen(data: bytes) -> Iterator[tuple[str, bytes | str]]:
    """The members and the notices that the reader yields, without the offsets in them."""
    source = opened(io.BytesIO(data), "a.bin", Limits())
    reader = reader_for(source.kind)
    try:
        for item in reader(source) if reader else ():
            if isinstance(item, Member):
                try:
                    yield item.name.partition("bytes ")[0], item.file.read()
                except ReadError as error:
                    yield item.name, type(error).__name__
            elif isinstance(item, Block):
                yield "notice", str(item.notice)
    except ReadError as error:
        yield "error", type(error).__name__


def _named(items: Iterable[tuple[str, bytes | str]]) -> Iterator[tuple[str, bytes | str]]:
    """The members that have names."""
    return ((name, found) for name, found in items if name not in ("", "notice"))


@pytest.mark.slow
@pytest.mark.parametrize(("seed", "whole"), [*((seed, WHOLE) for seed in range(4)), *((seed, ARS) for seed in range(2))])
def test_a_damaged_archive_is_held_back_or_otherwise_the_same(seed: int, whole: Sequence[bytes]) -> None:
    some = random.Random(seed)
    done = 0
    for _ in range(100):
        data = damaged(some.choice(whole), some)
        before = [*seen(data)]
        texts = {name: found for name, found in before if isinstance(found, bytes) and EMAIL in found and found.isascii()}
        try:
            new, orders = carried_out(data, "a.bin", emails(texts))
        except (CannotRewriteError, ReadError):
            continue
        if orders.undone:
            continue
        done += bool(texts)
        expected = [(name, one.replace(EMAIL, MASKED) if isinstance(one, bytes) and name in texts else one) for name, one in before]
        if orders.account.counts["clean.residue", "strip"]:  # with the bytes of nobody go what the reader says of them
            assert [*_named(seen(new))] == [*_named(expected)]
        else:
            assert [*seen(new)] == expected
    assert done > 20, "most of them can be rewritten"
