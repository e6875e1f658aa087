"""Reads FLAC: the blocks of metadata in front of the sound. Where the sound ends is not known, so what follows it counts as sound."""

from __future__ import annotations

from collections.abc import Iterator

from veritensor_ray.core import bounds
from veritensor_ray.core.errors import LimitExceeded, ReadError
from veritensor_ray.formats.common.source import Item, Source
from veritensor_ray.formats.common.streams import Window
from veritensor_ray.formats.media.media_texts import UNHEARD, MediaTexts
from veritensor_ray.formats.media.vorbis_comments import picture_at, picture_texts, read_comments

_MAGIC, _HEAD = 4, 4
_INFO, _SEEKS, _COMMENTS, _SHEET, _PICTURE = 0, 3, 4, 5, 6
_LAST, _KIND = 0x80, 0x7F
_MOST_NUMBERS = {_INFO: 34}
_MOST = bounds.MEDIA_PARTS


def read_flac(source: Source) -> Iterator[Item]:
    """Yield the comments, pictures and cue sheets. Raises ReadError if the file ends within its metadata, and LimitExceeded."""
    texts = MediaTexts(source)
    yield UNHEARD
    texts.claim(0, _MAGIC, "structure")
    at, is_last, count = _MAGIC, False, 0
    while not is_last:
        count += 1
        if count > _MOST:
            raise LimitExceeded("media_parts", f"the file has more than {_MOST} blocks of metadata; the rest was not read")
        head = Window(source.file, at, _HEAD).read(_HEAD)
        if len(head) < _HEAD:
            yield from texts.take()
            raise ReadError("the file ends within its metadata")
        is_last, kind = bool(head[0] & _LAST), head[0] & _KIND
        start, end = at + _HEAD, at + _HEAD + int.from_bytes(head[1:], "big")
        texts.claim(at, start, "structure")
        _block(texts, kind, start, min(end, texts.size))
        yield from texts.take()
        if end > texts.size:
            raise ReadError(f"the file ends within its metadata: {end - texts.size} bytes are missing")
        at = end
    if at == texts.size:
        raise ReadError("the file ends after its metadata and has no sound")
    texts.claim(at, texts.size, "packed")


def _block(texts: MediaTexts, kind: int, start: int, end: int) -> None:
    if kind in (_INFO, _SEEKS):
        texts.claim(start, min(end, start + _MOST_NUMBERS.get(kind, end)), "values")
    elif kind == _COMMENTS:
        texts.claim(start, end, "text")
        read_comments(texts, texts.data(start, end, "the block of comments"))
    elif kind == _SHEET:
        texts.read(start, min(end, start + 128), "catalog number", "latin-1")
    elif kind == _PICTURE:
        data = texts.data(start, end, "a picture")
        at = picture_at(data)
        if at is not None:
            for column, begin, stop in picture_texts(data):
                texts.read(start + begin, start + stop, column)
            texts.claim(start, start + at, "structure")
            texts.file("cover", start + at, end)
