"""The elements of Matroska and WebM files (RFC 8794, RFC 9559), one after the other. No content is read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from veritensor_ray.core import bounds
from veritensor_ray.core.errors import LimitExceeded
from veritensor_ray.core.segments import Gap
from veritensor_ray.formats.common.streams import Window
from veritensor_ray.formats.media.media_texts import MediaTexts, next_mark

EBML, SEGMENT, CLUSTER = 0x1A45DFA3, 0x18538067, 0x1F43B675
TRACK, KIND, NUMBER, CODEC, PRIVATE = 0xAE, 0x83, 0xD7, 0x86, 0x63A2
COMPRESSION, ENCRYPTION, ALGORITHM, SETTINGS = 0x5034, 0x5035, 0x4254, 0x4255
ATTACHED, ATTACHED_NAME, ATTACHED_DATA = 0x61A7, 0x466E, 0x465C
TAG, TAG_NAME, TAG_TEXT = 0x67C8, 0x45A3, 0x4487
GROUP, ADDITIONS, ADDITION, ADDITIONAL, BLOCK, SIMPLE_BLOCK = 0xA0, 0x75A1, 0xA6, 0xA5, 0xA1, 0xA3
IN_CLUSTERS = frozenset({CLUSTER, GROUP, ADDITIONS, ADDITION})
# Elements whose content is other elements.
_PARENTS = frozenset(
    {
        *(EBML, SEGMENT, TRACK, COMPRESSION, ENCRYPTION, ATTACHED, TAG, *IN_CLUSTERS),
        *(0x114D9B74, 0x4DBB, 0x1549A966, 0x6924),  # where other parts are; about the file
        *(0x1654AE6B, 0xE0, 0xE1, 0x6D80, 0x6240, 0x55B0, 0x55D0),  # tracks: film, sound, encodings, colors
        *(0x1941A469, 0x1254C367, 0x7373, 0x63C0),  # attachments; tags and what they belong to
        *(0x1043A770, 0x45B9, 0xB6, 0x80, 0x8F, 0x6944),  # chapters
        *(0x1C53BB6B, 0xBB, 0xB7),  # where in the file a time is
    }
)
TEXTS = {
    0x4282: "document type",
    0x7BA9: "title",
    0x4D80: "muxer",
    0x5741: "writer",
    0x7384: "file name",
    0x3C83AB: "previous file name",
    0x3E83BB: "next file name",
    0x536E: "track name",
    0x22B59C: "track language",
    0x22B59D: "track language",
    CODEC: "codec",
    0x258688: "codec name",
    0x3A9697: "codec settings",
    0x3B4040: "codec address",
    0x26B240: "codec download",
    ATTACHED_NAME: "attachment",
    0x467E: "attachment description",
    0x4660: "attachment type",
    0x85: "chapter",
    0x437C: "chapter language",
    0x437D: "chapter language",
    0x437E: "chapter country",
    0x5654: "chapter id",
    TAG_NAME: "tag",
    0x447A: "tag language",
    0x447B: "tag language",
    0x63CA: "tag target",
}
_MOST = bounds.MEDIA_PARTS
_HEAD = 12


class MatroskaElement(NamedTuple):
    """An element: `at` is the offset of its header. What is in a parent follows as elements of their own."""

    kind: int
    at: int
    start: int
    end: int
    is_parent: bool

    @property
    def size(self) -> int:
        """The bytes of its content."""
        return self.end - self.start


class MatroskaFile:
    """The elements of one file. `end` is where the file ends according to its header, once all were read."""

    def __init__(self, texts: MediaTexts) -> None:
        self._texts = texts
        self.has_film = False
        self.end = 0

    def elements(self) -> Iterator[MatroskaElement]:
        """Yield the elements in order. Where there is none, a gap is reported, and the next cluster is looked for. Raises LimitExceeded."""
        at = count = 0
        size = self._texts.size
        while at < size:
            count += 1
            if count > _MOST:
                raise LimitExceeded("media_parts", f"the file has more than {_MOST} elements; the rest was not read")
            element = self._element(at)
            if self.has_film and self.end <= at and (element is None or element.kind not in (EBML, SEGMENT)):
                return  # what follows is no part of the film
            if element is None:
                self._texts.tell(
                    Gap("there is no valid element of the film, and what follows up to the next cluster was not read", f"byte {at}")
                )
                found = next_mark(self._texts, at + 1, CLUSTER.to_bytes(4, "big"))
                at = size if found is None else found
                continue
            yield element
            at = element.start if element.is_parent else element.end
            if element.kind in (EBML, SEGMENT):
                self.end = max(self.end, element.end)
                self.has_film |= element.kind == SEGMENT
        self.end = max(self.end, at)

    def _element(self, at: int) -> MatroskaElement | None:
        """Return the element at this place, or None if there is none."""
        head = Window(self._texts.source.file, at, _HEAD).read(_HEAD)
        length = 9 - head[0].bit_length() if head and head[0] else 9
        if length > 4 or len(head) <= length or not head[length]:
            return None
        kind, width = int.from_bytes(head[:length], "big"), 9 - head[length].bit_length()
        number = head[length : length + width]
        if len(number) < width:
            return None
        content = int.from_bytes(number, "big") & (1 << 7 * width) - 1
        start, is_parent = at + length + width, kind in _PARENTS
        if content == (1 << 7 * width) - 1:  # the size is not known: it goes on up to the next one of its kind
            return MatroskaElement(kind, at, start, self._texts.size, True) if is_parent else None
        return MatroskaElement(kind, at, start, start + content, is_parent)
