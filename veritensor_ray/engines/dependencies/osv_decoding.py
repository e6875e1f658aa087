"""Decodes the bytes of a manifest, and maps offsets in the text back to bytes."""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from veritensor_ray.engines.base import Hit

_MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))


@dataclass(frozen=True, slots=True)
class DecodedText:
    """Text decoded without loss: invalid UTF-8 becomes lone surrogates, which no name contains. `mark` is the byte order mark's length."""

    value: str
    encoding: str
    mark: int

    @classmethod
    def of(cls, data: bytes) -> DecodedText:
        """Decode by the byte order mark (PowerShell writes UTF-16), or as UTF-8 if there is none."""
        for mark, encoding in _MARKS:
            if data.startswith(mark):
                return cls(
                    data[len(mark) :].decode(encoding, "surrogatepass" if encoding != "utf-8" else "surrogateescape"), encoding, len(mark)
                )
        return cls(data.decode("utf-8", "surrogateescape"), "utf-8", 0)

    def in_bytes(self, hits: Iterable[Hit]) -> Iterator[Hit]:
        """Convert hits that are sorted by their start to offsets in bytes."""
        if self.encoding == "utf-8" and self.value.isascii():
            yield from hits if not self.mark else (hit._replace(start=hit.start + self.mark, end=hit.end + self.mark) for hit in hits)
            return
        at, offset = 0, self.mark
        for hit in hits:
            offset += self._size(at, hit.start)
            at = hit.start
            yield hit._replace(start=offset, end=offset + self._size(hit.start, hit.end))

    def _size(self, start: int, end: int) -> int:
        return len(self.value[start:end].encode(self.encoding, "surrogateescape" if self.encoding == "utf-8" else "surrogatepass"))
