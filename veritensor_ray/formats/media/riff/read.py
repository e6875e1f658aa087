"""Reads WAV and AVI: the texts of lists and chunks, ID3 tags, and the subtitles of films. What is in other chunks stays unclaimed."""

from __future__ import annotations

from collections.abc import Iterator

from veritensor_ray.core.errors import LimitExceeded, ReadError
from veritensor_ray.formats.common.account import Reading
from veritensor_ray.formats.common.source import Item, Source
from veritensor_ray.formats.common.trailing import behind
from veritensor_ray.formats.media.id3_tags import read_id3, tag_at
from veritensor_ray.formats.media.media_texts import UNHEARD, MediaTexts
from veritensor_ray.formats.media.riff.structure import RiffChunk, RiffFile

_PLAIN_SOUND = (1, 3, 0xFFFE)  # numbers as they are: integers, floating-point numbers, and those with more than two channels
_TABLES = (b"ds64", b"fact", b"PEAK", b"cue ", b"smpl", b"inst", b"plst", b"avih", b"strh", b"idx1", b"indx", b"dmlh", b"vprp", b"levl")
_DOCUMENTS = {b"iXML": "iXML", b"_PMX": "XMP", b"axml": "aXML", b"XMP ": "XMP"}
_BROADCAST = (("description", 0, 256), ("originator", 256, 288), ("originator reference", 288, 320))
_BROADCAST_NUMBERS, _BROADCAST_HISTORY = 320, 602


def read_riff(source: Source) -> Iterator[Item]:
    """Yield texts, documents and subtitles. Raises ReadError if the file is cut off, and LimitExceeded."""
    texts = MediaTexts(source)
    yield UNHEARD
    found = RiffFile(texts)
    sound: Reading = "values"
    try:
        for chunk in found.chunks():
            if chunk.name == b"fmt " and chunk.form == b"WAVE":
                sound = _sound(texts, chunk)
            elif chunk.name == b"data" and chunk.form == b"WAVE":
                texts.claim(chunk.start, chunk.end, sound)
            else:
                _read(texts, chunk)
            yield from texts.full()
    except LimitExceeded:
        yield from texts.take()
        raise
    yield from texts.take()
    if found.end > texts.size + 1:  # the last byte may be padding
        raise ReadError(f"the file ends early: {found.end - texts.size} bytes are missing")
    yield from behind(source, found.end)


def _sound(texts: MediaTexts, chunk: RiffChunk) -> Reading:
    """Claim the description of the sound, and return whether it is compressed."""
    texts.claim(chunk.start, min(chunk.end, chunk.start + 40), "values")
    kind = int.from_bytes(texts.data(chunk.start, min(chunk.end, chunk.start + 2), "a chunk"), "little")
    return "values" if kind in _PLAIN_SOUND else "packed"


def _read(texts: MediaTexts, chunk: RiffChunk) -> None:
    name = chunk.name.decode("latin-1").strip()
    if chunk.form == b"INFO" or chunk.name in (b"strn", b"ISMP", b"IDIT"):
        texts.read(chunk.start, chunk.end, name)
    elif chunk.form == b"adtl":
        _label(texts, chunk, name)
    elif chunk.name == b"bext":
        _broadcast(texts, chunk)
    elif chunk.name.lower() == b"id3 " and (end := tag_at(texts, chunk.start)):
        read_id3(texts, chunk.start, min(end, chunk.end))
    elif chunk.name in _DOCUMENTS:
        texts.file(_DOCUMENTS[chunk.name], chunk.start, chunk.end)
    elif chunk.form in (b"movi", b"rec "):
        _film(texts, chunk)
    elif chunk.name in _TABLES or chunk.name.startswith(b"ix"):
        texts.claim(chunk.start, chunk.end, "values")


def _label(texts: MediaTexts, chunk: RiffChunk, name: str) -> None:
    """Read a label, a note or a text that belongs to a place in the sound."""
    start = min(chunk.end, chunk.start + (20 if chunk.name == b"ltxt" else 4))
    texts.claim(chunk.start, start, "structure")
    texts.read(start, chunk.end, name)


def _broadcast(texts: MediaTexts, chunk: RiffChunk) -> None:
    """Read what a broadcaster says of its recording: three fields, numbers, and how it was made."""
    for column, start, end in _BROADCAST:
        texts.read(min(chunk.end, chunk.start + start), min(chunk.end, chunk.start + end), column)
    texts.claim(chunk.start + _BROADCAST_NUMBERS, min(chunk.end, chunk.start + 348), "values")
    texts.read(min(chunk.end, chunk.start + _BROADCAST_HISTORY), chunk.end, "coding history")


def _film(texts: MediaTexts, chunk: RiffChunk) -> None:
    """Claim a piece of a film. Subtitles are a file of their own behind two names."""
    if chunk.name[2:] != b"tx":
        texts.claim(chunk.start, chunk.end, "packed")
        return
    head = texts.data(chunk.start, min(chunk.end, chunk.start + 11), "a chunk")
    at = chunk.start + 11 + int.from_bytes(head[7:11], "little") + 6
    if head[:5] == b"GAB2\0" and at <= chunk.end:
        texts.read(chunk.start + 11, at - 6, "subtitles", "utf-16-le")
        texts.claim(chunk.start, at, "structure")
        texts.file(f"subtitles {chunk.name[:2].decode('latin-1')}", at, chunk.end)
