"""Finds what XML says beside the texts that its reader gave: values of attributes, texts of elements that nobody reads, long names."""

from __future__ import annotations

import codecs
import html
import re
from collections.abc import Iterable, Iterator

from veritensor_ray.core.segments import Block
from veritensor_ray.formats.common.xml_encoding import xml_codec
from veritensor_ray.formats.residue.strings import SHORTEST, VIEW

_KEPT = 1 << 16  # characters of a piece that come again with the next one if no tag begins in them
# A value in quotes, a text or an instruction, with the characters around it.
_TOKEN = re.compile(r"""="[^"<]{8,}"|='[^'<]{8,}'|>[^<>]{8,}|<\?[^>]{8,}|<!\[CDATA\[[^]]{8,}""")
_LONG_NAME = 20  # characters: a name of a tag or an attribute that is as long as the shortest keys
# Values in which nothing can be found: short words of a format, numbers, GUIDs, the properties of fonts (PANOSE), paths, and the addresses of
# namespaces and types, of which no part is long or mixes letters and digits as keys do.
_STEP = r"(?:[A-Za-z]{1,30}\d{0,4}|\d{1,4})"
_FORM = re.compile(
    rf"[A-Za-z_:.-]{{8,19}}|[0-9A-Fa-f]{{8}}|0[0-9A-F]{{19}}|\{{?[0-9A-Fa-f]{{8}}(?:-[0-9A-Fa-f]{{4}}){{3}}-[0-9A-Fa-f]{{12}}\}}?|[-+\d.,:TZ ]{{8,11}}"
    rf"|-?\d\.\d+(?:E-?\d+)?|(?:[a-z]{{3,11}}:)?/{{0,2}}(?:\.\.)?{_STEP}(?:[-/.:#+_=]{{1,2}}{_STEP}){{0,12}}[/#]?"
    r"""|xml version=["']1\.0["'](?: encoding=["'][\w-]{1,12}["'])?(?: standalone=["']\w{2,3}["'])?\s?\?"""
)
_SPACE = re.compile(r"\s+")
_NEAR = 1 << 16  # characters in which a text that was given should be, since both come in the order of the part
_SEARCHED = 1 << 28  # characters that are searched for texts that are not there; after that, a part may say some of them twice


class Tokens:
    """Collects the tokens of one part of a file. `known` holds those of its other parts, and gets those of this one.

    `given` are the texts that the reader gave.
    """

    def __init__(self, known: set[str]) -> None:
        self._known, self._found = known, dict[str, None]()
        self.given: list[str] = []

    def watched(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """Pass the chunks of the part through, and collect their tokens."""
        decoder, rest = None, ""
        for chunk in chunks:
            if decoder is None:
                decoder = codecs.getincrementaldecoder(xml_codec(chunk) or "utf-8")("replace")
            rest = self._collected(rest + decoder.decode(chunk))
            yield chunk
        self._collected(rest + "<")

    def _collected(self, text: str) -> str:
        """Collect the tokens before the last tag, and return what follows them."""
        end = max(text.rfind("<"), len(text) - _KEPT)
        self._found.update(dict.fromkeys(_TOKEN.findall(text, 0, end)))
        return text[end:]

    def names(self, names: Iterable[str]) -> None:
        """Collect the long ones of the names of tags and attributes."""
        self._found.update(dict.fromkeys(f" {name}" for name in names if name and len(name) >= _LONG_NAME))

    def residue(self, part: str | None = None) -> Iterator[Block]:
        """Yield the tokens that nobody gave as one text, each in a line."""
        new = [token for token in self._found if token not in self._known]
        self._known.update(new)
        bare = (token[2:-1] if token[0] == "=" else token.removeprefix("<![CDATA[").lstrip(" ><?") for token in new)
        texts = dict.fromkeys(html.unescape(text).strip() if "&" in text else text.strip() for text in bare)
        for text in self.given:
            texts.pop(text, None)
        if left := "\n".join(self._unsaid([text for text in texts if may_matter(text)])):
            yield Block([left], part=part, view=VIEW)

    def _unsaid(self, texts: list[str]) -> Iterator[str]:
        """Yield those of the texts, in order, that are not part of what was given: a paragraph is written in pieces, and given whole."""
        everything, at, searched = _SPACE.sub("", "".join(self.given)), 0, 0
        for text in texts:
            sought = _SPACE.sub("", text)
            found = everything.find(sought, at, at + _NEAR)
            if found < 0:
                found = everything.find(sought, max(0, at - _NEAR), at)
            if found < 0 and searched < _SEARCHED:
                found, searched = everything.find(sought), searched + len(everything)
            if found < 0:
                yield text
            else:
                at = found


def may_matter(text: str) -> bool:
    """Return whether a token is more than a word or a number of the format."""
    return len(text) >= SHORTEST and not _FORM.fullmatch(text)
