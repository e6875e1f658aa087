"""Decodes images and objects that are embedded in flat OpenDocument XML, without interpreting them."""

from __future__ import annotations

import base64
import binascii
import io
from collections.abc import Iterator

from veritensor_ray.core import bounds
from veritensor_ray.core.segments import Gap
from veritensor_ray.formats.common.source import Item, Member

_BYTES = bounds.EMBEDDED  # total bytes of a document's files, which are held until its XML has been read


class EncodedFiles:
    """Collects base64 characters as the parser delivers them."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._size = self._total = self._lost = self._damaged = 0
        self._files: list[bytes] = []
        self.digits: list[str] = []  # of the files that were kept, as they stand in the XML

    def take(self, text: str) -> None:
        """Add characters of the open file."""
        self._size += len(text)
        if self._total + self._size * 3 // 4 <= _BYTES:
            self._pieces.append(text)

    def end(self) -> None:
        """End the file."""
        kept = self._total + self._size * 3 // 4 <= _BYTES
        try:
            data = base64.b64decode("".join(self._pieces).encode("ascii", "ignore")) if kept else b""
        except (binascii.Error, ValueError):
            data = b""
            self._damaged += 1
        self._lost += not kept
        self._total += len(data)
        if data:
            self._files.append(data)
            self.digits.append("".join(self._pieces))
        self._pieces, self._size = [], 0

    def items(self) -> Iterator[Item]:
        """Yield the files, and gaps for those that were not kept."""
        for number, data in enumerate(self._files, 1):
            yield Member(f"object {number}", io.BytesIO(data))
        if self._lost:
            yield Gap(f"files embedded in the XML beyond {_BYTES} bytes were not read", bound="embedded_bytes", count=self._lost)
        if self._damaged:
            yield Gap("files embedded in the XML are damaged", count=self._damaged)
