"""Separates what is new from what has been given already, in bounded time: a hostile file may have as many odd strings as texts."""

from __future__ import annotations

from collections.abc import Iterable

_SEARCHED = 1 << 31  # characters


class KnownText:
    """Texts that have been given. After many searches in them, everything but a whole one of them counts as new."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._texts = dict.fromkeys(texts)
        self._joined, self._left = "\n".join(self._texts), _SEARCHED

    def lacks(self, text: str) -> bool:
        """Return whether a text is new."""
        if text in self._texts:
            return False
        self._left -= len(self._joined)
        return self._left < 0 or text not in self._joined
