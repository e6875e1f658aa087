"""The result of decoding one layer, and the choice of the parts of a long text that are worth examining again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from veritensor_ray.core.origins import Mapped

_AROUND = 256  # characters of context; sentences are rarely longer


@dataclass(frozen=True, slots=True)
class Layer:
    """A text under the encoding `via`, or a file if `content` is set. `mapped` leads to the text in which the layer was found.

    `deeper` says that it holds yet another layer, which was not decoded.
    """

    mapped: Mapped
    via: str
    content: bytes | None = None
    deeper: bool = False


def changed(mapped: Mapped, text: str, via: str) -> Iterator[Layer]:
    """Yield the parts of a changed text that differ from the original, with their context; the rest has been read already."""
    if mapped.text == text or not mapped.text:
        return
    lengths = mapped.ends - mapped.starts
    gaps = np.diff(mapped.starts, prepend=-1) != 1  # something was removed, or several characters stand for one range
    differs = np.flatnonzero((lengths != 1) | gaps | (_codes(mapped.text) != _codes(text)[np.clip(mapped.starts, 0, len(text) - 1)]))
    if not len(differs):  # something was removed at the end
        differs = np.array([len(mapped.text) - 1])
    breaks = np.flatnonzero(np.diff(differs) > 2 * _AROUND)
    for first, last in zip(differs[np.append(0, breaks + 1)].tolist(), differs[np.append(breaks, -1)].tolist(), strict=True):
        yield Layer(_at_words(mapped, first - _AROUND, last + _AROUND), via)


def _codes(text: str) -> np.ndarray[tuple[int], np.dtype[np.uint32]]:
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)


def _at_words(mapped: Mapped, begin: int, end: int) -> Mapped:
    """The given range, extended to begin after a line end or space and to end before one."""
    text = mapped.text
    begin, end = max(0, begin), min(len(text), end)
    if begin:
        space = max(text.find("\n", begin, begin + _AROUND // 2), text.find(" ", begin, begin + 40))
        begin = space + 1 if space >= 0 else begin
    if end < len(text):
        space = max(text.rfind("\n", end - _AROUND // 2, end), text.rfind(" ", end - 40, end))
        end = space if space > begin else end
    return mapped.part(begin, end)
