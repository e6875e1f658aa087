"""Finds what XML says beside the texts that its reader gave: values of attributes, texts of elements that nobody reads, long names."""

from __future__ import annotations

import codecs
import html
import re
from collections.abc import Iterable, Iterator

from veritensor_ray.core import bounds
from veritensor_ray.core.segments import Block, Gap
from veritensor_ray.formats.common.xml_encoding import xml_codec
from veritensor_ray.formats.residue.strings import SHORTEST, VIEW

_KEPT = 1 << 16  # characters of a piece that come again with the next one if no tag begins in them
# A value in quotes, a text or an instruction, with the characters around it.
_TOKEN = re.compile(r"""=\s*"[^"<]{8,}"|=\s*'[^'<]{8,}'|>[^<>]{8,}|<\?[^>]{8,}|<!\[CDATA\[(?:[^]]|\](?!\]>)){8,}""")
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
_REMEMBERED = 100_000  # tokens that do not matter
_NEAR = 1 << 16  # characters in which a text that was given should be, since both come in the order of the part
_SEARCHED = 1 << 28  # characters that are searched for texts that are not there; after that, a part may say some of them twice


class Tokens:
    """Collects the tokens of one part of a file. `known` holds those of its other parts, and gets those of this one.

    At most 64 MB of tokens are kept, and as much of what the reader gave.
    """

    def __init__(self, known: set[int]) -> None:
        self._known, self._found, self._dull = known, dict[str, None](), set[str]()
        self._given: list[str] = []
        self._room = self._room_for_given = bounds.HELD  # in characters

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
        for token in dict.fromkeys(_TOKEN.findall(text, 0, end)):
            self._add(token)
        return text[end:]

    def _add(self, token: str) -> None:
        """Keep a token that may matter."""
        if token in self._found or token in self._dull:
            return
        if self._room > 0 and may_matter(_bare(token)):
            self._found[token] = None
            self._room -= len(token)
        elif len(self._dull) < _REMEMBERED:
            self._dull.add(token)

    def give(self, texts: Iterable[str]) -> None:
        """Note texts that the reader has given."""
        if self._room_for_given > 0:
            first = len(self._given)
            self._given += texts
            self._room_for_given -= sum(map(len, self._given[first:]))

    def names(self, names: Iterable[str]) -> None:
        """Collect the long ones of the names of tags and attributes."""
        for name in names:
            if name and len(name) >= _LONG_NAME:
                self._add(f" {name}")

    def residue(self, part: str | None = None) -> Iterator[Block | Gap]:
        """Yield the tokens that nobody gave as one text, each in a line. In a part with too much text, only values of attributes are compared."""
        full = self._room <= 0 or self._room_for_given <= 0
        new = [token for token in self._found if hash(token) not in self._known and not (full and token[0] == ">")]
        self._known.update(map(hash, new))
        texts = dict.fromkeys(map(_bare, new))
        for text in self._given:
            texts.pop(text, None)
        if left := "\n".join(self._unsaid(list(texts))):
            yield Block([left], part=part, view=VIEW)
        if full:
            yield Gap("the part is too large for a comparison of all it says with what was read", location=part, coverage="no-reader")

    def _unsaid(self, texts: list[str]) -> Iterator[str]:
        """Yield those of the texts, in order, that are not part of what was given: a paragraph is written in pieces, and given whole."""
        everything, at, searched = _SPACE.sub("", "".join(self._given)), 0, 0
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


def _bare(token: str) -> str:
    """Return what a token says, without the characters around it."""
    text = token[1:].lstrip()[1:-1] if token[0] == "=" else token.removeprefix("<![CDATA[").lstrip(" ><?")
    return html.unescape(text).strip() if "&" in text else text.strip()


def may_matter(text: str) -> bool:
    """Return whether a token is more than a word or a number of the format."""
    return len(text) >= SHORTEST and not _FORM.fullmatch(text)
