"""Markup to tokens with their places, for HTML and XML, in linear time whatever the input; it knows no element's meaning.

XML that is well-formed goes this way too: expat, asked for the place of each tag, takes from a third longer to three times as long, for each
tag then costs a call of Python and a slice, and where it gives up this tokenizer would have to go on all the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from veritensor_ray import bounds
from veritensor_ray.errors import LimitExceeded
from veritensor_ray.extract.readers.markup.characters import Characters
from veritensor_ray.extract.readers.markup.elements import RAW_ELEMENTS

TEXT, START, END, COMMENT, DECLARATION, CDATA, RAW, BROKEN, LAST = range(9)  # LAST: a text of one line and the end tag behind it
Token = tuple[int, int, int, str, str]  # kind, offset in the file, line, source text, name
LARGEST = bounds.MARKUP  # characters of one token, or of HTML that is held at once
_CHUNK = 1 << 20

_LONG = frozenset({"textarea", "title"})  # raw ones whose references are decoded
_FOREIGN = frozenset({"svg", "math"})
_SPACE = r"\t\n\f\r "
# A quotation mark counts only behind an equals sign; one that never closes is a character like any other.
_INSIDE = rf"""(?:[^"'>=]++|=[{_SPACE}]*+(?:"[^"]*+"|'[^']*+')?|["'])*+>"""
# Most elements of XML that is data hold one text: it is found with the tag before it, if nothing in it stands for anything else.
_LAST = r"[^\s<&]++(?: [^\s<&]++){0,7}+</\2>"
_NEXT, _NEXT_XHTML, _NEXT_XML = (
    re.compile(rf"<(?:(/?)({first}[^{_SPACE}/>]*+)(?:({_INSIDE})({last})?+)?+|!--|!\[CDATA\[|[!?/])")
    for first, last in (("[A-Za-z]", ""), (r"[^\W\d]", ""), (r"[^\W\d]", _LAST))
)
_NAME = re.compile(rf"[^{_SPACE}/>]+")
_ATTRIBUTE = re.compile(
    rf"""[{_SPACE}/]*+([^{_SPACE}/>=][^{_SPACE}/>=]*+)(?:[{_SPACE}]*+=[{_SPACE}]*+(?:"([^"]*+)"|'([^']*+)'|([^{_SPACE}>]*+)))?+|="""
)
_HTML_COMMENT_END = re.compile(r"--!?>")
_DOCTYPE = re.compile(r"""<!--|"[^"]*+"|'[^']*+'|[\[\]>]""")
_RAW_ENDS = {name: re.compile(rf"</{name}(?=[{_SPACE}/>])", re.IGNORECASE) for name in RAW_ELEMENTS}
_TAIL = re.compile(r"[<&][^<&]{0,63}$")  # what the end of a window may have cut


def attributes(raw: str) -> Iterator[tuple[str, int, str | None]]:
    """Name, offset of the value within `raw` and value of each attribute of a start tag; its entities are not decoded."""
    named = _NAME.match(raw, 1)
    for found in _ATTRIBUTE.finditer(raw, named.end() if named else 1, len(raw) - 1):
        group = found.lastindex
        if group is not None:
            yield found[1], found.start(group), None if group == 1 else found[group]


def tokens(chars: Characters, *, xml: bool, html: bool) -> Iterator[Token]:
    """Everything in the text, in its order, without a gap. Raises LimitExceeded for a token that is longer than LARGEST.

    `xml` is for the syntax, `html` for the elements: XHTML has both.
    """
    at, line, raw, foreign = 0, 1, "", 0
    search = (_NEXT if not xml else _NEXT_XHTML if html else _NEXT_XML).search
    while True:
        text = chars.text
        if raw:
            found = _RAW_ENDS[raw].search(text, at) if raw != "plaintext" else None
            if found is None and not chars.ended:
                at = _more(chars, at)
                continue
            end = found.start() if found else len(text)
            for cut in _cuts(text, at, end, _CHUNK if raw in _LONG else LARGEST * 2):
                yield RAW, chars.base + at, line, text[at:cut], raw
                line += text.count("\n", at, cut)
                at = cut
            raw = ""
            continue
        found = search(text, at)
        if found:
            start = found.start()
        else:
            tail = None if chars.ended else _TAIL.search(text, max(at, len(text) - 64))
            start = tail.start() if tail else len(text)
        if start - at > _CHUNK:
            for cut in _cuts(text, at, start, _CHUNK):
                yield TEXT, chars.base + at, line, text[at:cut], ""
                line += text.count("\n", at, cut)
                at = cut
        elif start > at:
            piece = text[at:start]
            yield TEXT, chars.base + at, line, piece, ""
            line += piece.count("\n")
            at = start
        if not found:
            if chars.ended and at == len(text):
                return
            at = _more(chars, at)
            continue
        slash, name, closed, last = found.groups()
        if name:
            kind, end = END if slash else START, found.end(3) if closed else 0
            name = name.lower() if html else name
        else:
            name, (kind, end) = "", _special(text, found.group(), start, xml or foreign > 0, xml)
        if not end:
            if not chars.ended:
                at = _more(chars, at)
                continue
            kind, end = kind if kind == COMMENT else BROKEN, len(text)
        piece = text[start:end]
        yield kind, chars.base + start, line, piece, name
        line += piece.count("\n")
        at = end
        if last:
            yield LAST, chars.base + at, line, last, name
            at += len(last)
        if not html:
            continue
        if kind == START and name in RAW_ELEMENTS and not ((xml or foreign) and text[end - 2] == "/"):
            raw = name
        elif name in _FOREIGN:
            foreign = max(0, foreign + (kind == START and text[end - 2] != "/") - (kind == END))


def _cuts(text: str, at: int, end: int, size: int) -> Iterator[int]:
    """Ends of pieces that are not too long to be taken apart at once; no reference is cut."""
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
    """Kind and end of what begins with `opening` and is no tag; an end of 0 says that it does not end."""
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
    """Behind the closing `>`, which is not one inside of quotation marks or of the internal subset."""
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
