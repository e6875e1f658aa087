"""Reads PowerPoint 97 to 2003: the text records of the document stream ([MS-PPT] 2.9) in file order, including remains of older saves."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from typing import BinaryIO, cast

from veritensor_ray.core.reasons import ReasonCode
from veritensor_ray.core.segments import Block, Gap
from veritensor_ray.formats.common.budget import Budget
from veritensor_ray.formats.common.decoders import Inflate, pumped
from veritensor_ray.formats.common.source import Item, Member
from veritensor_ray.formats.common.streams import Pieces
from veritensor_ray.formats.office.ole.old_pictures import pictures
from veritensor_ray.formats.office.shared.text_blocks import Texts

_ENCRYPTED = b"\xdf\xc4\xd1\xf3"
_CHARS, _BYTES, _STRING = 0x0FA0, 0x0FA8, 0x0FBA
_SLIDE, _NOTES, _MASTER, _HANDOUT, _LIST, _PERSIST = 0x03EE, 0x03F0, 0x03F8, 0x0FC9, 0x0FF0, 0x03F3
_SHOW, _COMMENT, _OBJECT = 0x03F9, 0x2EE0, 0x1011
_HIDDEN = 0x04
_DEPTH = 100
_NAMED = 20
_LISTS = {0: "slide", 1: "master", 2: "notes"}
_VIEWS = {"slide": "visible", "notes": "comment", "master": "metadata", "handout": "metadata"}


def read_ppt(streams: dict[str, str], open_stream: Callable[[str], bytes], storage: str, budget: Budget) -> Iterator[Item]:
    """Read the presentation. Slides, notes and masters are counted in file order."""
    if "current user" in streams and open_stream(streams["current user"])[12:16] == _ENCRYPTED:
        reason = "the presentation is encrypted: its text cannot be read"
        yield Block([reason], part=storage or None, view="metadata", notice="encrypted-document")
        yield Gap(reason, location=storage or None, code=ReasonCode.ENCRYPTED)
        return
    yield from _PptRecords(storage, budget).read(open_stream(streams["powerpoint document"]))
    if "pictures" in streams:
        yield from pictures(open_stream(streams["pictures"]), "picture")


class _PptRecords:
    """Walks over the records: a container is a header followed by its records.

    A record that claims to be longer than its container is cut at the container's end.
    """

    def __init__(self, storage: str, budget: Budget) -> None:
        self._storage, self._budget = storage, budget
        self._texts = Texts(storage or None)
        self._counts: dict[str, int] = {}
        self._kind = ""
        self._hidden = self._comment = False
        self._at = self._objects = self._wrong = 0
        self._lost: dict[str, int] = {}  # bytes by part

    def read(self, data: bytes) -> Iterator[Item]:
        at, ends = 0, [(len(data), -1)]
        while at + 8 <= len(data):
            while at >= ends[-1][0]:
                self._leave(ends.pop()[1])
            if at + 8 > ends[-1][0]:
                at = self._cut(at, ends[-1][0])
                continue
            version = int.from_bytes(data[at : at + 2], "little")
            kind = int.from_bytes(data[at + 2 : at + 4], "little")
            size = int.from_bytes(data[at + 4 : at + 8], "little")
            end = at + 8 + size
            if version & 0x0F == 0x0F:
                if len(ends) < _DEPTH:  # records of deeper containers are still read, as if they were here
                    ends.append((min(end, ends[-1][0]), kind))
                    self._wrong += end > ends[-1][0]
                    self._enter(kind, version >> 4)
                at += 8
                continue
            if end > ends[-1][0]:
                end = self._cut(at + 8, ends[-1][0])
            body = data[at + 8 : end]
            if kind == _OBJECT:
                self._objects += 1
                yield from _object(body, version >> 4, f"object {self._objects}", self._budget)
            else:
                self._atom(kind, body)
            if self._texts.full:
                yield from self._texts.take()
            at = end
        yield from self._texts.take()
        if self._wrong:
            where = ", ".join(islice(self._lost, _NAMED)) or self._storage or None
            reason = (
                f"{self._wrong} records claim to be longer than their container: {sum(self._lost.values())} bytes may not have been read"
            )
            yield Gap(reason, location=where, count=self._wrong)

    def _cut(self, at: int, end: int) -> int:
        """Record that nothing can be decoded from `at` to the end of the container, and return that end."""
        self._wrong += 1
        part = self._texts.part or "between slides"
        self._lost[part] = self._lost.get(part, 0) + end - at
        return end

    def _begin(self, kind: str) -> None:
        count = self._counts[kind] = self._counts.get(kind, 0) + 1
        self._kind, self._hidden, self._at = kind, False, 0
        self._texts.part = f"{self._storage} {kind} {count}".strip()

    def _enter(self, kind: int, instance: int) -> None:
        if kind in (_SLIDE, _NOTES, _MASTER, _HANDOUT):
            self._begin({_SLIDE: "slide", _NOTES: "notes", _MASTER: "master", _HANDOUT: "handout"}[kind])
        elif kind == _LIST:
            self._kind = f"outline of {_LISTS.get(instance, 'slide')}"
        elif kind == _COMMENT:
            self._comment = True

    def _leave(self, kind: int) -> None:
        if kind in (_SLIDE, _NOTES, _MASTER, _HANDOUT, _LIST):
            self._kind, self._hidden = "", False
            self._texts.part = self._storage or None
        elif kind == _COMMENT:
            self._comment = False

    def _atom(self, kind: int, body: bytes) -> None:
        if kind == _PERSIST and self._kind.startswith("outline"):
            self._begin(self._kind.partition("#")[0])
        elif kind == _SHOW and len(body) >= 12:
            self._hidden = bool(body[10] & _HIDDEN)
        elif kind == _CHARS:
            self._text(body.decode("utf-16-le", "replace"))
        elif kind == _BYTES:
            self._text(body.decode("latin-1"))
        elif kind == _STRING:
            self._string(body.decode("utf-16-le", "replace"))

    def _text(self, text: str) -> None:
        view = "hidden" if self._hidden else _VIEWS.get(self._kind.rpartition(" ")[2], "visible")
        for paragraph in text.split("\r"):
            if paragraph and not paragraph.isspace():
                self._texts.add(paragraph.replace("\x0b", "\n"), view, start=self._at)
            self._at += len(paragraph) + 1

    def _string(self, text: str) -> None:
        """Add a name, link address or header; in a comment, its author or text."""
        if len(text) > 2 and text.strip("\x00 "):
            self._texts.add(text, "comment" if self._comment else "metadata", column=None if self._comment else "name")


def _object(body: bytes, compressed: int, name: str, budget: Budget) -> Iterator[Item]:
    """Yield an embedded OLE file, which may contain the presentation's macros."""
    file: BinaryIO = io.BytesIO(body)
    if compressed == 1:
        file = cast("BinaryIO", Pieces(budget.pieces(pumped(*_inflating(body), again=partial(_inflating, body)))))
    yield Member(name, file)


def _inflating(body: bytes) -> tuple[Inflate, Callable[[int], bytes]]:
    return Inflate(15), io.BytesIO(body[4:]).read
