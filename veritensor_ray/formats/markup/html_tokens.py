"""Splits HTML and XML into tokens with their locations, in linear time whatever the input.

Well-formed XML is processed here too. When expat has to report the location of each tag, it takes a third longer to three times as long,
since each tag then costs a Python call and a slice; and wherever expat gives up, this tokenizer would have to continue anyway.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Protocol

from veritensor_ray.core import bounds
from veritensor_ray.core.errors import LimitExceeded
from veritensor_ray.formats.common.block_writer import Writer
from veritensor_ray.formats.common.source import Item
from veritensor_ray.formats.markup.character_references import Characters
from veritensor_ray.formats.markup.elements import LEAVES, RAW_ELEMENTS

COMMENT, DECLARATION, CDATA, RAW, BROKEN = range(5)
LARGEST = bounds.MARKUP  # characters of one token, or of HTML that is held at once
_CHUNK = 1 << 20

_LONG = frozenset({"textarea", "title"})  # raw elements whose references are decoded
_FOREIGN = frozenset({"svg", "math"})
_SPECIAL = RAW_ELEMENTS | _FOREIGN
_SPACE = r"\t\n\f\r "
# A quotation mark counts only after an equals sign; one that never closes is an ordinary character.
_INSIDE = rf"""(?:[^"'>=]++|=[{_SPACE}]*+(?:"[^"]*+"|'[^']*+')?|["'])*+>"""
# A tag with the text before it, and with the text after it if the element contains nothing else. Nearly all of a page has this form, and
# one match takes a third of the time of three.
_TAG, _TAG_XML = (
    re.compile(rf"([^<]*+)<(?:/({name}){_INSIDE}|({name}){_INSIDE}(?:([^<]*+)</\3>)?+)")
    for name in (rf"[A-Za-z][^{_SPACE}/>]*+", rf"[^\W\d][^{_SPACE}/>]*+")
)
_NEXT, _NEXT_XML = (re.compile(rf"<(?:/?({first})|!--|!\[CDATA\[|[!?/])") for first in ("[A-Za-z]", r"[^\W\d]"))
_NAME = re.compile(rf"[^{_SPACE}/>]+")
_ATTRIBUTE = re.compile(
    rf"""[{_SPACE}/]*+([^{_SPACE}/>=][^{_SPACE}/>=]*+)(?:[{_SPACE}]*+=[{_SPACE}]*+(?:"([^"]*+)"|'([^']*+)'|([^{_SPACE}>]*+)))?+|[{_SPACE}/]++|="""
)  # white space that no attribute follows is one match: it would otherwise be searched again from each of its characters
_HTML_COMMENT_END = re.compile(r"--!?>")
_DOCTYPE = re.compile(r"""<!--|"[^"]*+"|'[^']*+'|[\[\]>]""")
_RAW_ENDS = {name: re.compile(rf"</{name}(?=[{_SPACE}/>])", re.IGNORECASE) for name in RAW_ELEMENTS}
_RAW_ENDS["plaintext"] = re.compile("(?!)")  # it has no end tag
_TAIL = re.compile(r"[<&][^<&]{0,63}$")  # a construct that the end of a window may have cut


def attribute_matches(raw: str, name: str) -> Iterator[re.Match[str]]:
    """Return the attributes of a start tag as matches: group 1 is the name, the last group the value, and there is none for a stray sign."""
    named = len(name) + 1 if name.isascii() else _NAME.match(raw, 1).end()  # type: ignore[union-attr]  # every tag has a name
    return _ATTRIBUTE.finditer(raw, named, len(raw) - 1)


def attributes(raw: str, name: str) -> Iterator[tuple[str, int, str | None]]:
    """Yield the name, the offset of the value within `raw`, and the value of each attribute of a start tag. Entities are not decoded."""
    for found in attribute_matches(raw, name):
        group = found.lastindex
        if group is not None:
            yield found[1], found.start(group), None if group == 1 else found[group]


class Taker(Protocol):
    """Takes tokens in order, each with its offset in the file and its line, and writes texts."""

    def text(self, raw: str, start: int, line: int) -> None:
        """Take the text between two tags."""

    def begin(self, raw: str, start: int, line: int, name: str) -> None:
        """Take a start tag."""

    def finish(self, raw: str, start: int, line: int, name: str) -> None:
        """Take an end tag."""

    def leaf(self, raw: str, start: int, line: int, name: str, text: str) -> None:
        """Take a start tag, the text after it, and the end tag that follows."""

    def other(self, kind: int, raw: str, start: int, line: int, name: str) -> None:
        """Take any other token, by its kind. Only RAW tokens have a name."""

    def end(self) -> None:
        """Take the end of the file."""


def tokens(chars: Characters, taker: Taker, writer: Writer, *, xml: bool, html: bool) -> Iterator[Item]:
    """Pass every token of the text to `taker`, in order and without gaps, and yield the items that `writer` has ready.

    `xml` selects the syntax, `html` the elements: XHTML has both. Raises LimitExceeded for a token that is longer than LARGEST.
    """
    at, line, foreign = 0, 1, 0
    match, search = (_TAG_XML.match, _NEXT_XML.search) if xml else (_TAG.match, _NEXT.search)
    while True:
        text, raw = chars.text, ""
        found = match(text, at)
        if found is not None and (start := found.end(1)) - at <= _CHUNK:
            before, ends, name, inside = found.groups()
            if before:
                taker.text(before, chars.base + at, line)
                line += before.count("\n")
            at, end = start, found.end()
            if ends:
                piece, name = text[at:end], ends.lower() if html else ends
                taker.finish(piece, chars.base + at, line, name)
                foreign -= foreign > 0 and html and name in _FOREIGN
            else:
                name = name.lower() if html else name
                if inside is not None:
                    end = found.start(4)
                piece = text[at:end]
                if inside is not None and piece[-2] != "/" and (not html or name in LEAVES) and len(inside) <= _CHUNK:
                    taker.leaf(piece, chars.base + at, line, name, inside)
                    line += inside.count("\n")
                    end = found.end()
                else:
                    taker.begin(piece, chars.base + at, line, name)
                    if html and name in _SPECIAL and not (piece[-2] == "/" and (xml or foreign or name in _FOREIGN)):
                        foreign += name in _FOREIGN
                        raw = name if name in RAW_ELEMENTS else ""
            line += piece.count("\n")
            at = end
        else:
            opening = search(text, at)
            if opening:
                start = opening.start()
            else:
                tail = None if chars.ended else _TAIL.search(text, max(at, len(text) - 64))
                start = tail.start() if tail else len(text)
            for cut in _cuts(text, at, start, _CHUNK):
                taker.text(text[at:cut], chars.base + at, line)
                line += text.count("\n", at, cut)
                at = cut
            if not opening:
                if chars.ended and at == len(text):
                    return
                at = _more(chars, at)
            elif opening[1] and match(text, at):
                continue
            else:
                kind, end = (BROKEN, 0) if opening[1] else _special(text, opening[0], start, xml or foreign > 0, xml)
                if end or chars.ended:
                    piece = text[at : end or len(text)]
                    taker.other(kind if end or kind == COMMENT else BROKEN, piece, chars.base + at, line, "")
                    line += piece.count("\n")
                    at += len(piece)
                else:
                    at = _more(chars, at)
        if raw:
            end_tag = _RAW_ENDS[raw]
            while (closing := end_tag.search(chars.text, at)) is None and not chars.ended:
                at = _more(chars, at)
            text = chars.text
            for cut in _cuts(text, at, closing.start() if closing else len(text), _CHUNK if raw in _LONG else LARGEST * 2):
                taker.other(RAW, text[at:cut], chars.base + at, line, raw)
                line += text.count("\n", at, cut)
                at = cut
        if writer.ready:
            yield from writer.drain()


def _cuts(text: str, at: int, end: int, size: int) -> Iterator[int]:
    """Yield cut positions for pieces that are short enough to be tokenized at once. No reference is cut."""
    while end - at > size:
        at += size
        at = max(text.rfind("&", at - 64, at), at - 64) if "&" in text[at - 64 : at] else at
        yield at
    if end > at:
        yield end


def _more(chars: Characters, at: int) -> int:
    """Read on from `at`: as much again as is waiting, so that a long token is not searched again and again."""
    waiting = len(chars.text) - at
    if waiting > LARGEST:
        raise LimitExceeded("markup_chars", f"a tag, comment or script is longer than {LARGEST} characters")
    chars.grow(at, max(_CHUNK, waiting))
    return 0


def _special(text: str, opening: str, start: int, cdata: bool, xml: bool) -> tuple[int, int]:
    """The kind and end of a construct that begins with `opening` and is not a tag. An end of 0 means that it does not end."""
    if opening == "<!--":
        found = None if xml else _HTML_COMMENT_END.search(text, start + 2)
        return COMMENT, _behind(text, "-->", start + 4) if xml else found.end() if found else 0
    if opening == "<![CDATA[" and cdata:
        return CDATA, _behind(text, "]]>", start + 9)
    if xml and text.startswith("<!DOCTYPE", start):
        return DECLARATION, _doctype_end(text, start)
    return DECLARATION, _behind(text, "?>" if xml and opening == "<?" else ">", start + 2)


def _behind(text: str, mark: str, at: int) -> int:
    found = text.find(mark, at)
    return found + len(mark) if found >= 0 else 0


def _doctype_end(text: str, start: int) -> int:
    """The position after the closing `>`, ignoring any inside quotation marks or the internal subset."""
    depth, at = 0, start + 9
    while found := _DOCTYPE.search(text, at):
        mark, at = found.group(), found.end()
        depth += (mark == "[") - (mark == "]")
        if mark == ">" and depth <= 0:
            return at
        if mark == "<!--":
            at = _behind(text, "-->", at)
            if not at:
                break
    return 0
