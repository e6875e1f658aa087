"""Reads Ogg: the comments and pictures of each stream in it. The other packets are sound or film."""

from __future__ import annotations

from collections.abc import Iterator

from veritensor_ray.core import bounds
from veritensor_ray.core.errors import LimitExceeded, ReadError
from veritensor_ray.core.segments import Gap
from veritensor_ray.formats.common.account import Reading
from veritensor_ray.formats.common.source import Item, Source
from veritensor_ray.formats.common.streams import Window
from veritensor_ray.formats.media.media_texts import UNHEARD, MediaTexts
from veritensor_ray.formats.media.ogg.structure import OggPage, pages
from veritensor_ray.formats.media.vorbis_comments import read_comments, read_picture

_LONGEST = bounds.HELD
_STREAMS = 1000
_FLAC, _FLAC_HEAD, _FLAC_COMMENTS, _FLAC_PICTURE = b"\x7fFLAC", 4, 4, 6
# How the first packet of a stream begins, and the one with comments. FLAC has a packet for each block of its metadata.
_KINDS = {
    b"\x01vorbis": b"\x03vorbis",
    b"OpusHead": b"OpusTags",
    b"\x80theora": b"\x81theora",
    b"Speex   ": b"",
    _FLAC: b"",
}


class OggStream:
    """One stream: the packet that is being put together while comments may still come."""

    def __init__(self) -> None:
        self.kind: bytes | None = None
        self.is_done = self.is_ended = False
        self._parts: list[tuple[int, int]] = []

    def add(self, part: tuple[int, int], is_whole: bool) -> list[tuple[int, int]] | None:
        """Add a part of a packet. Returns all parts of the packet if it `is_whole`."""
        self._parts.append(part)
        if not is_whole:
            return None
        whole, self._parts = self._parts, []
        return whole


def read_ogg(source: Source) -> Iterator[Item]:
    """Yield comments and pictures. Raises ReadError if the file is cut off, and LimitExceeded."""
    texts, streams, end = MediaTexts(source), dict[int, OggStream](), 0
    unread, is_cut = 0, False
    yield UNHEARD
    try:
        for page in pages(texts):
            if page.is_first and (old := streams.pop(page.stream, None)):  # files that were joined may use a number again
                unread, is_cut = unread + (not old.is_done), is_cut or not old.is_ended
            if page.stream in streams or len(streams) < _STREAMS:
                _page(texts, page, streams.setdefault(page.stream, OggStream()))
                yield from texts.full()
            end = page.end
    except LimitExceeded:
        yield from texts.take()
        raise
    unread += sum(not stream.is_done for stream in streams.values())
    if unread:
        texts.tell(Gap("the comments of a stream are missing", count=unread))
    yield from texts.take()
    if end > texts.size:
        raise ReadError(f"the file ends within a page: {end - texts.size} bytes are missing")
    if is_cut or any(not stream.is_ended for stream in streams.values()):
        raise ReadError("the file ends before the last page of a stream")


def _page(texts: MediaTexts, page: OggPage, stream: OggStream) -> None:
    """Collect what the packets that end on a page hold."""
    stream.is_ended |= page.is_last
    for number, part in enumerate(page.parts, 1):
        if stream.is_done:
            texts.claim(part[0], page.end, "packed")
            return
        if packet := stream.add(part, is_whole=number < len(page.parts) or not page.goes_on):
            _packet(texts, packet, stream)


def _packet(texts: MediaTexts, parts: list[tuple[int, int]], stream: OggStream) -> None:
    """Collect what one of the first packets of a stream holds."""
    if sum(end - start for start, end in parts) > _LONGEST:
        texts.tell(Gap(f"a packet has more than {_LONGEST} bytes, and was not read", bound="held_bytes"))
        stream.is_done = True
        return
    data = b"".join(Window(texts.source.file, start, end - start).read(end - start) for start, end in parts)
    if stream.kind is None:
        stream.kind = next((kind for kind in _KINDS if data.startswith(kind)), b"")
        stream.is_done = not stream.kind
        _claim(texts, parts, "structure" if stream.kind else "packed")
        return
    if stream.kind == _FLAC:
        _flac_block(texts, data, parts, stream)
        return
    mark = _KINDS[stream.kind]
    stream.is_done = True
    if data.startswith(mark):
        _claim(texts, parts, "text")
        read_comments(texts, data[len(mark) :])
    else:
        texts.tell(Gap("the comments of a stream are missing"))


def _flac_block(texts: MediaTexts, data: bytes, parts: list[tuple[int, int]], stream: OggStream) -> None:
    """Collect what a block of FLAC's metadata holds, the last of which says so."""
    kind, stream.is_done = data[:1], data[:1] >= b"\x80"
    body = data[_FLAC_HEAD:]
    if kind and kind[0] & 0x7F == _FLAC_COMMENTS:
        _claim(texts, parts, "text")
        read_comments(texts, body)
    elif kind and kind[0] & 0x7F == _FLAC_PICTURE and read_picture(texts, body):
        _claim(texts, parts, "members")


def _claim(texts: MediaTexts, parts: list[tuple[int, int]], reading: Reading) -> None:
    for start, end in parts:
        texts.claim(start, end, reading)
