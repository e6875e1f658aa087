"""Reads Matroska and WebM: names, tags and chapters, attached files, and subtitles that are text. What is in other elements stays unclaimed."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from veritensor_ray.core import bounds
from veritensor_ray.core.errors import LimitExceeded, ReadError
from veritensor_ray.core.reasons import ReasonCode
from veritensor_ray.core.segments import Gap
from veritensor_ray.formats.archives.entry_report import ArchiveReport
from veritensor_ray.formats.common.source import Item, Source
from veritensor_ray.formats.common.trailing import behind
from veritensor_ray.formats.media.matroska import structure as known
from veritensor_ray.formats.media.matroska.structure import MatroskaElement, MatroskaFile
from veritensor_ray.formats.media.media_texts import UNHEARD, Cues, MediaTexts, decoded

_LONGEST = 1024  # bytes of a prefix; programs leave out a few that all blocks begin with
_SUBTITLES, _TEXT = 0x11, ("S_TEXT", "D_WEBVTT", "S_SSA", "S_ASS")
_ZLIB, _STRIPPED = 0, 3
_SMALL, _BLOCK_HEAD = 8, 3  # bytes of numbers; of the time and the flags of a block
_FONTS = (".ttf", ".otf", ".ttc", ".woff", ".woff2")


@dataclass(slots=True)
class _Track:
    """What is known of a track. `algorithm` is that of its compression, and `prefix` the bytes that every block begins with but lacks."""

    number: int = 0
    kind: int = 0
    codec: str = ""
    private: tuple[int, int] = (0, 0)
    algorithm: int | None = None
    prefix: bytes = b""
    is_encrypted: bool = False

    @property
    def is_text(self) -> bool:
        """Whether the track consists of subtitles that are text."""
        return self.kind == _SUBTITLES and self.codec.startswith(_TEXT)

    @property
    def is_locked(self) -> bool:
        """Whether the blocks are encrypted, or compressed in a way that nobody uses any more."""
        return self.is_encrypted or self.algorithm not in (None, _ZLIB, _STRIPPED)

    @property
    def name(self) -> str:
        """The track as the part of a location."""
        return f"subtitles {self.number}"


@dataclass(slots=True)
class _Attachment:
    name: str = ""
    data: tuple[int, int] | None = None


def read_matroska(source: Source) -> Iterator[Item]:
    """Yield texts, subtitles and attached files. Raises ReadError if the file is cut off, and LimitExceeded."""
    texts = MediaTexts(source)
    yield UNHEARD
    reading, found = MatroskaReading(texts), MatroskaFile(texts)
    try:
        for element in found.elements():
            reading.element(element)
            yield from texts.full()
            yield from reading.cues.full()
    except LimitExceeded:
        yield from (*texts.take(), *reading.cues.take(), *reading.report.rest())
        raise
    reading.finished()
    yield from texts.take()
    yield from reading.cues.take()
    yield from reading.report.rest()
    if found.end > texts.size:
        raise ReadError(f"the file ends early: {found.end - texts.size} bytes are missing")
    if not found.has_film:
        raise ReadError("the file ends before its film begins")
    yield from behind(source, found.end)


class MatroskaReading:
    """Takes the elements in order. Those of a track or an attached file belong to the last one that began."""

    def __init__(self, texts: MediaTexts) -> None:
        self.cues, self.report = Cues(), ArchiveReport()
        self._texts = texts
        self._tracks: dict[int, _Track] = {}
        self._track, self._attachment, self._tag = _Track(), _Attachment(), ""
        self._is_inside = False  # of a cluster

    def element(self, one: MatroskaElement) -> None:
        """Take an element."""
        if one.is_parent:
            self._begun(one)
        elif self._is_inside and one.kind in (known.BLOCK, known.SIMPLE_BLOCK):
            self._block(one)
        elif self._is_inside and (one.kind == known.ADDITIONAL or one.size <= _SMALL):
            self._texts.claim(one.at, one.end, "packed")
        elif one.kind in known.TEXTS:
            self._text(one)
        elif one.kind == known.TAG_TEXT:
            self._texts.claim(one.at, one.start, "structure")
            self._texts.read(one.start, one.end, self._tag or "tag")
        elif one.kind == known.ATTACHED_DATA:
            self._texts.claim(one.at, one.start, "structure")
            self._attachment.data = one.start, one.end
        elif one.kind == known.PRIVATE:
            self._track.private = one.start, one.end
        else:
            self._number(one)

    def finished(self) -> None:
        """Collect what the last track and the last attached file leave."""
        self._finish_track()
        if self._attachment.data:
            name = self._attachment.name
            self._texts.file(name or "attachment", *self._attachment.data, opaque=name.lower().endswith(_FONTS))
        self._attachment = _Attachment()

    def _begun(self, one: MatroskaElement) -> None:
        """Take the header of a parent."""
        if one.kind in (known.TRACK, known.ATTACHED, known.CLUSTER):
            self.finished()
        self._is_inside = one.kind in known.IN_CLUSTERS
        self._texts.claim(one.at, one.start, "packed" if self._is_inside else "structure")
        if one.kind == known.TRACK:
            self._track = _Track()
        elif one.kind == known.COMPRESSION:
            self._track.algorithm = _ZLIB
        elif one.kind == known.ENCRYPTION:
            self._track.is_encrypted = True

    def _text(self, one: MatroskaElement) -> None:
        self._texts.claim(one.at, one.start, "structure")
        text = self._texts.read(one.start, one.end, known.TEXTS[one.kind]).strip("\0")
        if one.kind == known.CODEC:
            self._track.codec = text
        elif one.kind == known.TAG_NAME:
            self._tag = text
        elif one.kind == known.ATTACHED_NAME:
            self._attachment.name = text
            self.report.name(text)

    def _number(self, one: MatroskaElement) -> None:
        """Take an element that is a number, if it is one that matters, or is as short as numbers are."""
        if one.kind == known.SETTINGS and one.size <= _LONGEST:
            self._track.prefix = self._texts.data(one.start, one.end, "a setting")
        elif one.kind == known.SETTINGS:
            self._texts.tell(Gap(f"a setting of compression has more than {_LONGEST} bytes, and was not used", f"byte {one.start}"))
        if one.size > _SMALL:
            return
        self._texts.claim(one.at, one.end, "values")
        value = int.from_bytes(self._texts.data(one.start, one.end, "a number"), "big")
        if one.kind == known.NUMBER:
            self._track.number = value
            self._tracks[value] = self._track
        elif one.kind == known.KIND:
            self._track.kind = value
        elif one.kind == known.ALGORITHM:
            self._track.algorithm = value

    def _finish_track(self) -> None:
        """Read the head of subtitles, which has their styles; that of a film consists of numbers."""
        start, end = self._track.private
        if self._track.is_text:
            self._texts.read(start, end, "styles of subtitles")
            if self._track.is_locked:
                reason = "the subtitles are encrypted, or compressed in a way that is not supported"
                self._texts.tell(Gap(reason, self._track.name, code=ReasonCode.ENCRYPTED))
        else:
            self._texts.claim(start, end, "packed")
        self._track = _Track()

    def _block(self, one: MatroskaElement) -> None:
        """Claim a block, and read it if it is a subtitle. A block of a track that nothing describes stays unclaimed."""
        head = self._texts.data(one.start, min(one.end, one.start + 4), "a block")
        width = 9 - head[0].bit_length() if head else 9
        track = self._tracks.get(int.from_bytes(head[:width], "big") & (1 << 7 * width) - 1)
        if track is None:
            return
        if not track.is_text:
            self._texts.claim(one.at, one.end, "packed")
            return
        start = min(one.end, one.start + width + _BLOCK_HEAD)
        self._texts.claim(one.at, start, "structure")
        data = self._texts.data(start, one.end, "a subtitle")
        if track.is_locked:
            self._texts.claim(start, one.end, "packed")
        elif track.algorithm == _ZLIB:
            self._unpacked(data, start, one, track)
        else:
            self._texts.source.budget.add(len(track.prefix))
            self._cue(track.prefix + data, start, one.end, track)

    def _unpacked(self, data: bytes, start: int, one: MatroskaElement, track: _Track) -> None:
        unpacker = zlib.decompressobj()
        try:
            made = unpacker.decompress(data, bounds.IMAGE_TEXT)
        except zlib.error:
            self._texts.tell(Gap("a subtitle cannot be decompressed", f"byte {one.start}"))
            return
        self._texts.source.budget.add(len(made))
        if len(made) >= bounds.IMAGE_TEXT and not unpacker.eof:
            self._texts.tell(
                Gap(f"a subtitle has more than {bounds.IMAGE_TEXT} bytes; the rest was not read", track.name, bound="image_text_bytes")
            )
        elif not unpacker.eof:
            self._texts.tell(Gap("a subtitle is cut off", f"byte {one.start}"))
        self._cue(made, start, start + len(data) - len(unpacker.unused_data), track)

    def _cue(self, data: bytes, start: int, end: int, track: _Track) -> None:
        text, is_sure = decoded(data, "utf-8")
        if is_sure:
            self._texts.claim(start, end, "text")
        self.cues.add(track.name, text)
