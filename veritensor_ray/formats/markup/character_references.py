"""The decoded text of a file in a sliding window, so that files of any size are read in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator

from veritensor_ray.core.errors import ReadError
from veritensor_ray.core.segments import Gap
from veritensor_ray.formats.common.source import Source
from veritensor_ray.formats.common.streams import decoded
from veritensor_ray.formats.common.undecoded import undecoded


class Characters:
    """A window whose `text` begins at character `base` of the file. `ended` says that nothing follows it.

    A broken stream counts as ended; `damage` then holds the error, to be raised after everything before it has been read.
    """

    def __init__(self, source: Source, first: int) -> None:
        source.file.read(source.kind.bom)
        self._encoding = source.kind.encoding or "utf-8"
        self._pieces = decoded(source.file, self._encoding)
        self._bad = 0
        self.text, self.base, self.ended = "", 0, False
        self.damage: ReadError | None = None
        self.grow(0, first)

    def grow(self, at: int, size: int) -> None:
        """Drop the text before `at` and read about `size` more characters."""
        kept = [self.text[at:]]
        self.base += at
        wanted = size
        try:
            while wanted > 0 and not self.ended:
                piece, self._bad = next(self._pieces, ("", self._bad))
                self.ended = not piece
                wanted -= len(piece)
                kept.append(piece)
        except ReadError as error:
            self.damage, self.ended = error, True
        self.text = "".join(kept)

    def gaps(self) -> Iterator[Gap]:
        """A gap for the characters that could not be decoded."""
        return undecoded(self._bad, self._encoding)
