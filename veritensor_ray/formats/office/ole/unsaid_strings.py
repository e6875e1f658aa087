"""Finds strings in the streams of an OLE file that its reader did not give: names, old texts, and what no program shows."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

from veritensor_ray.core.errors import ReadError
from veritensor_ray.core.segments import Block
from veritensor_ray.formats.common.budget import Budget
from veritensor_ray.formats.common.source import Item
from veritensor_ray.formats.residue.read import streams_in
from veritensor_ray.formats.residue.strings import SHORTEST, VIEW, strings
from veritensor_ray.formats.residue.xml_tokens import may_matter

_WORD = re.compile(r"\w[^\s]*")
_OTHERS = re.compile(r"[^\x00-\x7f]+")
_OF_OUTLOOK = ("__substg1.0_", "__attach_version1.0_#", "__recip_version1.0_#", "__nameid_version1.0", "__properties_version1.0")
_AROUND = ".,;:!?<>()[]{}\"'"
_REMEMBERED = 1_000_000  # words
_CHARS = 1 << 20  # of one text


def _words(text: str) -> list[str]:
    """Return words without what stands around them. Outlook keeps addresses in capitals too, behind the name of their protocol."""
    return [word.strip(_AROUND).lower().removeprefix("smtp:") for word in _WORD.findall(text)]


class GivenWords:
    """The words that have been given, without which a string says something new."""

    def __init__(self) -> None:
        self._known: set[str] = set()

    def add(self, texts: Iterable[str]) -> None:
        """Remember the words of texts, up to a limit."""
        for text in texts:
            if len(self._known) < _REMEMBERED:
                self._known.update(words := _words(text))
                if not text.isascii():  # in bytes, such words may be cut at their other letters
                    self._known.update(piece for word in words if not word.isascii() for piece in _OTHERS.split(word))

    def unsaid(self, paths: Iterable[str], opened: Callable[[str], bytes], shown: Callable[[str], str], budget: Budget) -> Iterator[Item]:
        """Yield, for each stream, the strings of which a word has not been given, as one text, and what is compressed in it."""
        for path in paths:
            try:
                data = opened(path)
            except ReadError:  # its reader said so
                continue
            found = dict.fromkeys(one.text.strip() for one in strings(data))
            new = [text for text in found if len(text) >= SHORTEST and may_matter(text) and not self._known.issuperset(_words(text))]
            if new:
                yield Block(["\n".join(new)[:_CHARS]], column=shown(path), view=VIEW)
            yield from streams_in(data, shown(path), budget)


def odd_names(paths: Iterable[str], shown: Callable[[str], str]) -> Iterator[Block]:
    """Yield, as one text, names of streams and storages that no program would choose."""
    names = dict.fromkeys(shown(name) for path in paths for name in path.split("/") if not name.startswith(_OF_OUTLOOK))
    if odd := [name for name in names if len(name) >= SHORTEST and may_matter(name)]:
        yield Block(["\n".join(odd)], column="names", view=VIEW)
