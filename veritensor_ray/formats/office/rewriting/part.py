"""Changes characters, attributes and elements in the bytes of one XML part, and leaves every other byte as it is."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from veritensor_ray.formats.common.xml_encoding import xml_codec
from veritensor_ray.formats.editing.actions import CannotRewriteError
from veritensor_ray.formats.office.shared.traced import TextRun
from veritensor_ray.masking.redaction import name_safe

_TAG = re.compile(r"<(?:[^<>\"']|\"[^\"]*\"|'[^']*')*>")
_REFERENCE = re.compile(r"&[^;<&]{1,20};|\r\n|.", re.DOTALL)
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_WINDOW = 512  # bytes that are decoded to find the end of a tag; more if it is longer
COMMENT = "!--"


class Change(NamedTuple):
    """Replace the bytes from `start` to `end` of a part."""

    start: int
    end: int
    data: bytes


class Part:
    """The bytes of an XML part, with positions as the parser counts them. Raises CannotRewriteError if they are not what was read."""

    def __init__(self, name: str, data: bytes) -> None:
        self.name, self.data = name, data
        codec = xml_codec(data)
        if codec is None:
            raise CannotRewriteError("the encoding of its XML is unknown")
        self._codec = codec

    def encode(self, text: str) -> bytes:
        """Encode markup. Characters that the encoding does not have become character references."""
        return text.encode(self._codec, "xmlcharrefreplace")

    def text(self, run: TextRun, text: str) -> Change:
        """Replace the characters of a run by `text`."""
        if run.spot is None:
            raise self._lost()
        if run.spot.key is not None:
            return self._attribute(run.spot.at, run.spot.key, run, text)
        comment, cdata = run.spot.tag == COMMENT, run.spot.cdata
        at = run.spot.at + (len(self.encode("<!--")) if comment else 0)
        begins = self._decoded(at, 64)
        if (begins.startswith("&") and not cdata and not comment) or (run.whole == "\n" and begins.startswith("\r")):
            reference = _REFERENCE.match(begins)
            if len(run.whole) != 1 or reference is None:
                raise self._lost()
            start, end = at, at + len(self.encode(reference[0]))
        else:
            start, end = (at + len(run.whole[:place].encode(self._codec, "replace")) for place in (run.first, run.last))
            if self.data[start:end] != run.whole[run.first : run.last].encode(self._codec, "replace"):
                raise self._lost()
        return Change(start, end, self.encode(escaped(text, cdata=cdata, comment=comment)))

    def attributes(self, at: int) -> dict[str, tuple[int, int, str]]:
        """Return the attributes of the tag at byte `at`: where their values begin and end in the tag, in characters, and the raw values."""
        tag = self.tag(at)
        found = {}
        for match in re.finditer(r"[\s\"']([^\s=<>\"'/]+)\s*=\s*(?:\"([^\"]*)\"|'([^']*)')", tag):
            group = 2 if match[2] is not None else 3
            found[match[1]] = (match.start(group), match.end(group), match[group])
        return found

    def _attribute(self, at: int, key: str, run: TextRun, text: str) -> Change:
        tag = self.tag(at)
        if key not in (known := self.attributes(at)):
            raise self._lost()
        begin, _, raw = known[key]
        ends = [0]
        for match in _REFERENCE.finditer(raw):
            ends.append(match.end())
        if len(ends) - 1 != len(run.whole):
            raise self._lost()
        start, end = (at + len(self.encode(tag[: begin + ends[place]])) for place in (run.first, run.last))
        return Change(start, end, self.encode(escaped(text, quoted=True)))

    def tag(self, at: int) -> str:
        """Return the start tag at byte `at`."""
        size = _WINDOW
        while True:
            text = self._decoded(at, size)
            if match := _TAG.match(text):
                return match[0]
            if at + size >= len(self.data):
                raise self._lost()
            size *= 8

    def element(self, at: int, close: int) -> tuple[int, int]:
        """Return where an element begins and ends, in bytes, given where its tags begin."""
        tag = self.tag(at)
        if tag.endswith("/>"):
            return at, at + len(self.encode(tag))
        end = _TAG.match(self._decoded(close, 1024))
        if end is None or not end[0].startswith("</"):
            raise self._lost()
        return at, close + len(self.encode(end[0]))

    def removed(self, at: int, close: int) -> Change:
        """Remove an element."""
        return Change(*self.element(at, close), b"")

    def decoded(self) -> str:
        """Return the whole part as text. Raises CannotRewriteError."""
        try:
            return self.data.decode(self._codec)
        except UnicodeDecodeError:
            raise self._lost() from None

    def _decoded(self, at: int, size: int) -> str:
        return self.data[at : at + size].decode(self._codec, "replace")

    def _lost(self) -> CannotRewriteError:
        return CannotRewriteError(f"a text of its part {name_safe(self.name)} is not where it was read")

    def changed(self, changes: Iterable[Change]) -> bytes:
        """Return the bytes with the changes. Of changes that overlap, the first and longest wins."""
        pieces, at = [], 0
        for change in sorted(set(changes), key=lambda one: (one.start, -one.end, one.data)):
            if change.start < at:
                at = max(at, change.end)
                continue
            pieces += [self.data[at : change.start], change.data]
            at = change.end
        return b"".join([*pieces, self.data[at:]])


def escaped(text: str, *, quoted: bool = False, cdata: bool = False, comment: bool = False) -> str:
    text = _FORBIDDEN.sub("\ufffd", text)
    if cdata:
        return text.replace("]]>", "]] >")
    if comment:
        return text.replace("--", "\u2013")
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\r", "&#13;")
    return text.replace('"', "&quot;").replace("'", "&#39;").replace("\n", "&#10;").replace("\t", "&#9;") if quoted else text
