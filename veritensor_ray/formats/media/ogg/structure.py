"""The pages of Ogg files (RFC 3533). Their checksums are not compared."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from veritensor_ray.core import bounds
from veritensor_ray.core.errors import LimitExceeded
from veritensor_ray.formats.common.streams import Window
from veritensor_ray.formats.media.media_texts import MediaTexts, next_mark

_MARK = b"OggS\0"
_HEAD = 27
_WHOLE = 255  # the length of a part of a packet that goes on with the next part
_FIRST, _LAST = 2, 4
_MOST = bounds.MEDIA_PARTS


class OggPage(NamedTuple):
    """A page: its packets, or parts of them, as ranges. `goes_on` says that the last one ends on another page."""

    stream: int
    flags: int
    parts: list[tuple[int, int]]
    goes_on: bool
    start: int
    end: int

    @property
    def is_first(self) -> bool:
        """Whether a stream begins with the page."""
        return bool(self.flags & _FIRST)

    @property
    def is_last(self) -> bool:
        """Whether its stream ends with the page."""
        return bool(self.flags & _LAST)


def pages(texts: MediaTexts) -> Iterator[OggPage]:
    """Yield the pages, and claim their headers. Bytes between them stay unclaimed. Raises LimitExceeded."""
    at = count = 0
    while (found := next_mark(texts, at, _MARK)) is not None:
        count += 1
        if count > _MOST:
            raise LimitExceeded("media_parts", f"the file has more than {_MOST} pages; the rest was not read")
        head = Window(texts.source.file, found, _HEAD + 255).read(_HEAD + 255)
        lengths = head[_HEAD : _HEAD + head[26]] if len(head) >= _HEAD else b""
        start = found + _HEAD + len(lengths)
        texts.claim(found, start, "structure")
        page = _page(head, lengths, start)
        yield page
        at = page.end


def _page(head: bytes, lengths: bytes, start: int) -> OggPage:
    parts, begun, at = list[tuple[int, int]](), start, start
    for number in lengths:
        at += number
        if number < _WHOLE:
            parts.append((begun, at))
            begun = at
    goes_on = lengths.endswith(b"\xff")
    if goes_on:
        parts.append((begun, at))
    return OggPage(int.from_bytes(head[14:18], "little"), head[5] if len(head) > 5 else 0, parts, goes_on, start, at)
