"""Recognizes WebDataset: tars in which files with the same name up to its first dot follow each other, and are the fields of one sample."""

from __future__ import annotations

import re

_NAME = re.compile(r"((?:.*/)?[^./]+)\.([^/]+)", re.DOTALL)
_FEWEST = 2  # samples, and fields that all of them have


def sample_key(name: str) -> str | None:
    """Return the key of the sample that a file would belong to, or None if its name has no field."""
    found = _NAME.fullmatch(name)
    return found[1] if found else None


class SampleKeys:
    """Collects the keys of an archive while it is read. They are dropped as soon as a file does not fit."""

    def __init__(self) -> None:
        self._fits = True
        self._keys: dict[str, int] = {}
        self._current: str | None = None
        self._fields: set[str] = set()
        self._common: set[str] | None = None

    def add(self, name: str) -> None:
        """Take the name of the next file."""
        if not self._fits:
            return
        found = _NAME.fullmatch(name)
        if found is None:
            self._fails()
            return
        key, field = found.groups()
        if key != self._current:
            self._end_sample()
            if key in self._keys:
                self._fails()
                return
            self._keys[key], self._current, self._fields = len(self._keys), key, set()
        if field in self._fields:
            self._fails()
            return
        self._fields.add(field)

    def _end_sample(self) -> None:
        if self._current is not None:
            self._common = self._fields if self._common is None else self._common & self._fields
            if len(self._common) < _FEWEST:
                self._fails()

    def _fails(self) -> None:
        self._fits = False
        self._keys = {}

    def numbers(self) -> dict[str, int]:
        """Return the number of each sample by its key, from 0, at the end of the archive; none if it is not a WebDataset."""
        self._end_sample()
        return self._keys if self._fits and len(self._keys) >= _FEWEST else {}


__all__ = ["SampleKeys", "sample_key"]
