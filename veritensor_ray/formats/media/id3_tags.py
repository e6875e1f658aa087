"""Reads ID3 tags (versions 2.2 to 2.4, and 1): texts, comments, lyrics, pictures and files. They stand in MP3, WAV, AVI and MPEG-4 files.

Frames of other kinds and compressed frames stay unclaimed, so the search in the residue finds their strings and streams.
"""

from __future__ import annotations

import re
from array import array
from bisect import bisect_right
from typing import NamedTuple

from veritensor_ray.core.reasons import ReasonCode
from veritensor_ray.core.segments import Gap
from veritensor_ray.formats.common.account import Reading
from veritensor_ray.formats.common.streams import Window
from veritensor_ray.formats.media.media_texts import MediaTexts, decoded

HEAD, OLD = 10, 128  # bytes of a header, and of a whole tag of version 1
_DEPTH = 3  # frames in frames: chapters
_NAMES = re.compile(rb"[A-Z0-9]{3,4} ?")
_ENCODINGS = ("latin-1", "utf-16", "utf-16-be", "utf-8")
_PICTURES, _LANGUAGE = ("APIC", "PIC"), ("COMM", "COM", "USLT", "ULT", "USER")
_KINDS = (b"", b"-->", b"image/jpeg", b"image/jpg", b"image/png")
_OLD_FIELDS = (("title", 3, 33), ("artist", 33, 63), ("album", 63, 93), ("year", 93, 97), ("comment", 97, 127))
_UNSYNCHRONISED, _EXTENDED, _FOOTER = 0x80, 0x40, 0x10


class _Bytes:
    """The bytes of a tag or a frame, and where each of them stands in the file: zeros behind FF may have been inserted."""

    def __init__(self, data: bytes, start: int, is_stuffed: bool, texts: MediaTexts, outer: _Bytes | None = None) -> None:
        self.texts, self._start, self._outer, self._gone = texts, start, outer, array("I")
        if is_stuffed:
            self._gone.extend(found.start() + 1 - number for number, found in enumerate(re.finditer(b"\xff\x00", data)))
            data = data.replace(b"\xff\x00", b"\xff")
        self.data = data

    def place(self, at: int) -> int:
        """Return the offset in the file."""
        place = self._start + at + bisect_right(self._gone, at)
        return place if self._outer is None else self._outer.place(place)

    def claim(self, start: int, end: int, reading: Reading) -> None:
        self.texts.claim(self.place(start), self.place(end), reading)

    def text(self, start: int, end: int, column: str, encoding: str) -> None:
        """Add a text."""
        text, is_sure = decoded(self.data[start:end], encoding)
        if is_sure:
            self.claim(start, end, "text")
        self.texts.add(text.replace("\ufeff", ""), column)


class _Frame(NamedTuple):
    """A frame: its content is at `start` of the tag, up to `end`."""

    name: str
    start: int
    end: int
    flags: int


def tag_at(texts: MediaTexts, at: int) -> int | None:
    """Return where the tag that begins at this place ends, or None if there is none."""
    head = Window(texts.source.file, at, HEAD).read(HEAD)
    if len(head) < HEAD or not head.startswith(b"ID3") or head[3] not in (2, 3, 4) or max(head[6:]) > 0x7F:
        return None
    return at + HEAD + _seven_bits(head[6:]) + (HEAD if head[3] == 4 and head[5] & _FOOTER else 0)


def read_id3(texts: MediaTexts, at: int, end: int) -> None:
    """Collect the texts, pictures and files in the tag at this place."""
    head = Window(texts.source.file, at, HEAD).read(HEAD)
    version, flags = head[3], head[5]
    texts.claim(at, at + HEAD, "structure")
    data = texts.data(at + HEAD, min(end, texts.size), "a tag")
    tag = _Bytes(data, at + HEAD, bool(flags & _UNSYNCHRONISED) and version < 4, texts)
    first = 0
    if flags & _EXTENDED and version > 2:
        size = _seven_bits(tag.data[:4]) if version == 4 else 4 + int.from_bytes(tag.data[:4], "big")
        first = min(max(4, size), len(tag.data))
        tag.claim(0, first, "structure")
    _frames(tag, first, len(tag.data), version, 0)


def read_old_id3(texts: MediaTexts, at: int) -> None:
    """Collect the texts of a tag of version 1, which is the last one in its file."""
    texts.claim(at, at + 3, "structure")
    for column, start, end in _OLD_FIELDS:
        texts.read(at + start, at + end, column, "latin-1")
    texts.claim(at + 127, at + OLD, "structure")


def _frames(tag: _Bytes, at: int, end: int, version: int, depth: int) -> None:
    """Collect what is in the frames up to the padding, or to what is not a frame."""
    while (frame := _frame(tag.data, at, end, version)) is not None:
        tag.claim(at, frame.start, "structure")
        at = frame.end
        if _is_encrypted(frame, version):
            tag.texts.tell(Gap(f"the frame {frame.name} is encrypted", code=ReasonCode.ENCRYPTED))
        elif not _is_compressed(frame, version):
            _read(_unstuffed(tag, frame, version), frame.name, version, depth)
    if at < end and tag.data[at]:
        tag.texts.tell(Gap("a tag is damaged, and not all of it was read", f"byte {tag.place(at)}"))


def _frame(data: bytes, at: int, end: int, version: int) -> _Frame | None:
    """Return the frame at this place of a tag, or None if there is none."""
    length, head = (3, 6) if version == 2 else (4, 10)
    name = data[at : at + length]
    if at + head > end or not _NAMES.fullmatch(name):
        return None
    number = data[at + length : at + 2 * length]
    size = int.from_bytes(number, "big")
    if version == 4 and max(number) < 0x80 and _follows(data, at + head + _seven_bits(number), end):
        size = _seven_bits(number)  # some programs write the plain size
    return _Frame(name.decode().strip(), at + head, min(at + head + size, end), data[at + 9] if head == 10 else 0)


def _follows(data: bytes, at: int, end: int) -> bool:
    """Return whether another frame, padding or the end is at this place."""
    return at >= end or not data[at] or _NAMES.fullmatch(data[at : at + 4]) is not None


def _is_encrypted(frame: _Frame, version: int) -> bool:
    return bool(frame.flags & {3: 0x40, 4: 0x04}.get(version, 0))


def _is_compressed(frame: _Frame, version: int) -> bool:
    return bool(frame.flags & {3: 0x80, 4: 0x08}.get(version, 0))


def _unstuffed(tag: _Bytes, frame: _Frame, version: int) -> _Bytes:
    """Return the content of a frame, without the fields of its flags."""
    group, size, stuffed = {3: (0x20, 0, 0), 4: (0x40, 0x01, 0x02)}.get(version, (0, 0, 0))
    start = min(frame.end, frame.start + bool(frame.flags & group) + 4 * bool(frame.flags & size))
    tag.claim(frame.start, start, "structure")
    return _Bytes(tag.data[start : frame.end], start, bool(frame.flags & stuffed), tag.texts, tag)


def _read(body: _Bytes, name: str, version: int, depth: int) -> None:
    """Collect the texts and files in a frame."""
    if not body.data:
        return
    if name.startswith("T") or name in ("IPLS", "IPL"):
        _encoded(body, 1, name)
    elif name in ("WXXX", "WXX"):
        at = _encoded(body, 1, name, is_whole=False)
        body.text(at, len(body.data), name, "latin-1")
    elif name.startswith("W"):
        body.text(0, len(body.data), name, "latin-1")
    elif name in _LANGUAGE:
        _encoded(body, 4, name)
    elif name in ("SYLT", "SLT"):
        _lyrics(body, name)
    elif name in _PICTURES or name in ("GEOB", "GEO"):
        _file(body, name, version)
    elif name in ("CHAP", "CTOC") and depth < _DEPTH:
        _chapter(body, name, version, depth)


def _encoding(body: _Bytes) -> str:
    return _ENCODINGS[body.data[0]] if body.data[0] < len(_ENCODINGS) else "latin-1"


def _encoded(body: _Bytes, at: int, column: str, is_whole: bool = True, encoding: str | None = None) -> int:
    """Collect a text, up to a zero unless it `is_whole`, and return where it ends. The encoding is the first byte of the frame."""
    encoding = encoding or _encoding(body)
    body.claim(0, at, "structure")
    end = len(body.data) if is_whole else _zero(body.data, at, encoding)
    if encoding == "utf-16":  # each text has a mark of its own, and some have none
        is_big = body.data[at : at + 2] == b"\xfe\xff"
        body.text(at, end - (end - at) % 2, column, "utf-16-be" if is_big else "utf-16-le")
    else:
        body.text(at, end, column, encoding)
    return end


def _zero(data: bytes, at: int, encoding: str) -> int:
    """Return the place behind the zero that ends a text."""
    if not encoding.startswith("utf-16"):
        found = data.find(b"\0", at)
        return len(data) if found < 0 else found + 1
    found = data.find(b"\0\0", at)
    while found >= 0 and (found - at) % 2:
        found = data.find(b"\0\0", found + 1)
    return len(data) if found < 0 else found + 2


def _lyrics(body: _Bytes, name: str) -> None:
    """Collect lyrics whose parts each have a time behind them."""
    encoding, at = _encoding(body), _encoded(body, 6, name, is_whole=False)
    parts: list[str] = []
    while at < len(body.data):
        end = _zero(body.data, at, encoding)
        text, is_sure = decoded(body.data[at:end], "utf-16-le" if encoding == "utf-16" else encoding)
        parts.append(text.strip("\0\ufeff"))
        if is_sure:
            body.claim(at, end, "text")
        body.claim(end, min(end + 4, len(body.data)), "structure")
        at = end + 4
    body.texts.add("".join(part if part.startswith("\n") else f" {part}" for part in parts).strip(), name)


def _file(body: _Bytes, name: str, version: int) -> None:
    """Collect the picture or the file in a frame, and what it is called."""
    is_picture = name in _PICTURES
    if version == 2 and is_picture:
        kind, at = body.data[1:4], 4
        body.claim(0, at, "structure")
    else:
        at = _zero(body.data, 1, "latin-1")
        kind = body.data[1 : at - 1]
        if kind in _KINDS:
            body.claim(0, at, "structure")
        else:
            _encoded(body, 1, f"{name} type", is_whole=False, encoding="latin-1")
    if is_picture:  # its kind: the front, the back, the artist
        body.claim(at, at + 1, "structure")
        at += 1
    for column in (f"{name} description",) if is_picture else (f"{name} name", f"{name} description"):
        if at < len(body.data):
            at = _encoded_behind(body, at, column)
    if kind == b"-->":
        body.text(at, len(body.data), name, "latin-1")
    elif at < len(body.data):
        body.claim(at, len(body.data), "members")
        body.texts.decoded_file("cover" if is_picture else "file", body.data[at:])


def _encoded_behind(body: _Bytes, at: int, column: str) -> int:
    """Collect a text that does not follow the encoding."""
    encoding = _encoding(body)
    end = _zero(body.data, at, encoding)
    known = "utf-16-be" if body.data[at : at + 2] == b"\xfe\xff" else "utf-16-le"
    body.text(at, end, column, known if encoding == "utf-16" else encoding)
    return end


def _chapter(body: _Bytes, name: str, version: int, depth: int) -> None:
    """Collect the names in a chapter or a table of chapters, and what the frames in it hold."""
    at = _zero(body.data, 0, "latin-1")
    body.text(0, at, name, "latin-1")
    if name == "CHAP":
        body.claim(at, at + 16, "structure")
        at += 16
    else:
        count = body.data[at + 1] if at + 1 < len(body.data) else 0
        body.claim(at, at + 2, "structure")
        at += 2
        for _ in range(count):
            end = _zero(body.data, at, "latin-1")
            body.text(at, end, name, "latin-1")
            at = end
    _frames(body, at, len(body.data), version, depth + 1)


def _seven_bits(data: bytes) -> int:
    """Return a number of which each byte has seven bits."""
    value = 0
    for byte in data:
        value = value << 7 | byte & 0x7F
    return value
