"""Rewrites a text that has files in base64, such as pictures in `data:` addresses: the text by its own format, and the files by theirs.

It does not depend on any format. Base64 looks alike in all of them, so a file is known by its bytes: wherever they stand, they change.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import io
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import BinaryIO, NamedTuple, cast
from urllib.parse import quote, unquote

from veritensor_ray.core import bounds
from veritensor_ray.core.reasons import ReasonCode
from veritensor_ray.core.segments import Block
from veritensor_ray.formats.common.budget import Budget
from veritensor_ray.formats.common.file_ranges import length
from veritensor_ray.formats.common.source import Item, Member, Reader, Source
from veritensor_ray.formats.common.spool import IN_MEMORY
from veritensor_ray.formats.editing.actions import CannotRewriteError
from veritensor_ray.formats.editing.edits import Edit, Orders
from veritensor_ray.formats.editing.splice import lines_of, spliced, text_of
from veritensor_ray.formats.encoded_text import layers

_SHORTEST = 80  # characters of a file in base64
# As JSON, URLs and lines of mail write the characters of base64.
_LETTER = r"(?:[A-Za-z0-9+/_-]|\\/|%2[BbFf])"
_BREAK = r"(?:\r?\n|(?:\\r)?\\n)[ \t]*"
_TOKEN = re.compile(
    rf"(?<![A-Za-z0-9+/_=-])(?:(?:{_LETTER}{{60,80}}+{_BREAK})+{_LETTER}{{1,80}}+|{_LETTER}{{{_SHORTEST},}}+)(?:=|%3[Dd]){{0,2}}"
)
_BREAKS = re.compile(_BREAK)
Rewrite = Callable[[Source, BinaryIO, Orders], None]
Open = Callable[[BinaryIO, str, Source], Source]


class _Token(NamedTuple):
    """Base64 in a text, and the bytes that it stands for."""

    start: int
    written: str
    data: bytes


class TextWithFiles(NamedTuple):
    """How to read and to rewrite a text, and how to open and to rewrite a file in it."""

    read: Reader
    rewrite_text: Rewrite
    open_file: Open
    rewrite_file: Rewrite

    def rewrite(self, source: Source, out: BinaryIO, orders: Orders) -> None:
        """Write a text with the ordered changes to itself and to the files in it. Raises CannotRewriteError, ReadError."""
        files = self._files(source, orders)
        source.file.seek(0)
        before = {token.data for token in _tokens(source) if token.data in files}
        source.file.seek(0)
        with tempfile.SpooledTemporaryFile(IN_MEMORY) as spool:
            made = cast("BinaryIO", spool)
            self.rewrite_text(source, made, orders)
            made.seek(0)
            text = replace(source, file=made, directory=None)
            after = {token.data for token in _tokens(text) if token.data in files}
            new = {data: self._changed(data, names, source, orders) for data, names in files.items() if data in after}
            for data in before - after:  # gone with what stood around it
                orders.account.done.update(order.number for name in files[data] for order in orders.member_orders(name))
            edits = [
                Edit(one.start, one.start + len(one.written), encoded_like(one.written, new[one.data]))
                for one in _tokens(text)
                if one.data in new
            ]
            spliced(text, out, edits, orders.pulse)

    def _files(self, source: Source, orders: Orders) -> dict[bytes, list[str]]:
        """Return the files that have orders, each with its names. One whose name another one has too is left out."""
        wanted = frozenset(orders.encoded_files)
        found: dict[str, bytes | None] = {}
        budget, held = Budget(source.limits, length(source.file)), 0
        source.file.seek(0)
        for item in self._items(replace(source, budget=budget), budget):
            orders.pulse()
            if isinstance(item, Member) and item.name in wanted:
                data = item.file.read(bounds.HELD)
                held += len(data)
                if held > bounds.HELD:
                    raise CannotRewriteError(f"the files in it that change have more than {bounds.HELD} bytes", ReasonCode.LIMIT)
                found[item.name] = data if found.get(item.name, data) == data else None
        names: dict[bytes, list[str]] = {}
        for name, known in found.items():
            if known:
                names.setdefault(known, []).append(name)
        return names

    def _items(self, source: Source, budget: Budget) -> Iterator[Item]:
        """Yield what a reader finds, and the files in the texts among that."""
        for item in self.read(source):
            yield item
            if isinstance(item, Block):
                yield from layers(item, budget)

    def _changed(self, data: bytes, names: Iterable[str], source: Source, orders: Orders) -> bytes:
        """Return a file with its changes. Equal files have equal findings, but a policy may keep some of them in one place."""
        for name in names:
            inner = orders.member_orders(name)
            if not any(order.number not in orders.account.done for order in inner):
                continue
            file = self.open_file(io.BytesIO(data), name, source)
            out = io.BytesIO()
            self.rewrite_file(file, out, inner)
            data = out.getvalue()
        return data


def file_at(text: str, start: int) -> tuple[str, bytes] | None:
    """Return the base64 that begins at a character of a text, and the bytes that it stands for; None if there is none."""
    found = _TOKEN.match(text, start)
    data = None if found is None else _decoded(found[0])
    return None if found is None or data is None else (found[0], data)


def _tokens(source: Source) -> Iterator[_Token]:
    """Yield what may be files in base64. A text that is too long to hold is searched line by line."""
    source.file.seek(0)
    whole = length(source.file) <= bounds.HELD
    for start, text in [(0, text_of(source, bounds.HELD))] if whole else ((line.start, line.text) for line in lines_of(source)):
        for found in _TOKEN.finditer(text):
            if (data := _decoded(found[0])) is not None:
                yield _Token(start + found.start(), found[0], data)


def _decoded(written: str) -> bytes | None:
    plain = unquote(_BREAKS.sub("", written).replace("\\", "")).rstrip("=").replace("-", "+").replace("_", "/")
    with contextlib.suppress(binascii.Error, ValueError):
        return base64.b64decode(plain + "=" * (-len(plain) % 4))
    return None


def encoded_like(old: str, data: bytes) -> str:
    """Return a file in base64 as another one was written: with its alphabet, its padding, its escapes and the length of its lines."""
    new = base64.b64encode(data).decode()
    if re.search(r"[_-]", old):
        new = new.replace("+", "-").replace("/", "_")
    if not re.search(r"=|%3[Dd]", old) and len(_BREAKS.sub("", old).replace("\\/", "/")) % 4:
        new = new.rstrip("=")
    if "%" in old:
        new = quote(new, safe="")
    elif "\\/" in old:
        new = new.replace("/", "\\/")
    if (broken := _BREAKS.search(old)) is None:
        return new
    width = broken.start()
    return broken[0].join(new[at : at + width] for at in range(0, len(new), width))


__all__ = ["TextWithFiles", "encoded_like", "file_at"]
