"""The kind of a file, which recognition finds out and everything else relies on."""

from __future__ import annotations

from dataclasses import dataclass

HEAD_BYTES = 65_536  # what recognition sees of the beginning of a file


@dataclass(frozen=True, slots=True)
class Kind:
    """The type of the bytes. `encoding` (a Python codec) and `bom` (its length in bytes) are set only for text."""

    media_type: str
    encoding: str | None = None
    bom: int = 0

    @property
    def is_text(self) -> bool:
        """Whether the bytes are text in `encoding`."""
        return self.encoding is not None
