"""Reads the names, tags and pictures of ISO base media files: lists of iTunes and QuickTime, texts of 3GPP, XMP and ID3."""

from __future__ import annotations

from collections.abc import Callable

from veritensor_ray.formats.media.id3_tags import read_id3, tag_at
from veritensor_ray.formats.media.media_texts import MediaTexts
from veritensor_ray.formats.media.mp4.structure import Mp4Box, Mp4Boxes

_TEXTS = {1: "utf-8", 2: "utf-16-be", 4: "utf-8", 5: "utf-16-be"}  # the types of values that are text
_PICTURES = (13, 14, 27)  # JPEG, PNG, BMP
_XMP = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
_NAMED_TEXTS = (b"titl", b"dscp", b"cprt", b"perf", b"auth", b"gnre", b"albm", b"kywd", b"loci", b"clsf", b"rtng", b"coll")
_SHORT = 8  # bytes of numbers in a value


class Mp4Tags:
    """The tags of one file. `read` takes each box that may hold some."""

    def __init__(self, texts: MediaTexts, boxes: Mp4Boxes) -> None:
        self._texts, self._boxes = texts, boxes
        self._keys: list[str] = []

    def read(self, box: Mp4Box) -> bool:
        """Collect what a box holds, and return whether it is one that holds tags."""
        box = box._replace(end=min(box.end, self._texts.size))
        read = self._reader(box)
        if read is not None:
            read(box)
        return read is not None

    def _reader(self, box: Mp4Box) -> Callable[[Mp4Box], None] | None:
        if box.within == b"ilst":
            return self._item
        if box.within == b"udta" and (box.kind[:1] == b"\xa9" or box.kind in _NAMED_TEXTS):
            return self._named if box.kind in _NAMED_TEXTS else self._quicktime
        if box.kind == b"uuid":
            return self._document if self._texts.data(box.start, box.start + len(_XMP), "a box") == _XMP else None
        known = {b"keys": self._key_names, b"ID32": self._id3, b"XMP_": self._document, b"chpl": self._chapters}
        return known.get(box.kind, self._name if box.kind == b"hdlr" or (box.kind, box.within) == (b"name", b"udta") else None)

    def _item(self, box: Mp4Box) -> None:
        """Read one entry of a list, which has a value or several. Its name may be a number in the list of keys, or stand in it."""
        number = int.from_bytes(box.kind, "big")
        column = self._keys[number - 1] if 0 < number <= len(self._keys) else box.kind.decode("latin-1")
        for inner in self._boxes.within(box):
            if inner.kind in (b"mean", b"name"):
                self._texts.claim(inner.start, inner.start + 4, "structure")
                text = self._texts.read(min(inner.end, inner.start + 4), inner.end, "tag")
                column = text if inner.kind == b"name" else column
            elif inner.kind == b"data" and inner.end - inner.start >= 8:
                self._value(inner, column)

    def _value(self, data: Mp4Box, column: str) -> None:
        kind = int.from_bytes(self._texts.data(data.start, data.start + 4, "a value"), "big") & 0xFFFFFF
        start = data.start + 8
        self._texts.claim(data.start, start, "structure")
        if kind in _TEXTS:
            self._texts.read(start, data.end, column, _TEXTS[kind])
        elif kind in _PICTURES or column == "covr":
            self._texts.file("cover", start, data.end)
        elif data.end - start <= _SHORT:
            self._texts.claim(start, data.end, "values")

    def _key_names(self, box: Mp4Box) -> None:
        """Read the names of keys. The items of the list that follows have their numbers."""
        self._texts.claim(box.start, box.start + 8, "structure")
        at, keys = box.start + 8, list[str]()
        while at + 8 <= box.end:
            size = int.from_bytes(self._texts.data(at, at + 4, "a key"), "big")
            if not 8 <= size <= box.end - at:
                break
            self._texts.claim(at, at + 8, "structure")
            keys.append(self._texts.read(at + 8, at + size, "key"))
            at += size
        self._keys = keys

    def _id3(self, box: Mp4Box) -> None:
        self._texts.claim(box.start, box.start + 6, "structure")
        if (end := tag_at(self._texts, box.start + 6)) is not None:
            read_id3(self._texts, box.start + 6, min(end, box.end))

    def _document(self, box: Mp4Box) -> None:
        skipped = len(_XMP) if box.kind == b"uuid" else 0
        self._texts.claim(box.start, box.start + skipped, "structure")
        self._texts.file("XMP", box.start + skipped, box.end)

    def _quicktime(self, box: Mp4Box) -> None:
        """Read a text of QuickTime, in several languages. Languages below 1024 have the encodings of the Macintosh."""
        at = box.start
        while at + 4 <= box.end:
            head = self._texts.data(at, at + 4, "a text")
            size, language = int.from_bytes(head[:2], "big"), int.from_bytes(head[2:], "big")
            end = min(box.end, at + 4 + size)
            self._texts.claim(at, at + 4, "structure")
            self._texts.read(at + 4, end, box.kind.decode("latin-1"), "utf-8" if language >= 1024 or language == 0 else "mac-roman")
            at = end

    def _named(self, box: Mp4Box) -> None:
        """Read a text of 3GPP, in the languages that its boxes name."""
        start = box.start + 6
        self._texts.claim(box.start, start, "structure")
        is_wide = self._texts.data(start, start + 2, "a text") == b"\xfe\xff"
        self._texts.read(min(box.end, start), box.end, box.kind.decode(), "utf-16-be" if is_wide else "utf-8")

    def _chapters(self, box: Mp4Box) -> None:
        """Read the names of chapters."""
        head = self._texts.data(box.start, box.start + 9, "the chapters")
        at = box.start + (9 if head[:1] == b"\x01" else 5)
        self._texts.claim(box.start, at, "structure")
        while at + 9 <= box.end:
            end = min(box.end, at + 9 + self._texts.data(at + 8, at + 9, "a chapter")[0])
            self._texts.claim(at, at + 9, "structure")
            self._texts.read(at + 9, end, "chapter")
            at = end

    def _name(self, box: Mp4Box) -> None:
        """Read the name of a track or of what handles it, which QuickTime begins with its length."""
        start = box.start + (24 if box.kind == b"hdlr" else 0)
        self._texts.claim(box.start, min(start, box.end), "structure")
        data = self._texts.data(min(start, box.end), box.end, "a name")
        if data and data[0] == len(data) - 1:
            self._texts.claim(start, start + 1, "structure")
            start += 1
        self._texts.read(min(start, box.end), box.end, "name")
