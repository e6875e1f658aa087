"""How much PDFium would have to draw on each page, counted before it does: a form may draw a form many times, and that one another.

PDFium makes objects of all of it when it opens a page. What is counted are bytes of content, those of a form again each time it is drawn.
Content is followed where it is plain, deflated, hexadecimal or base 85; what is packed otherwise, the worker's own bounds end.
"""

from __future__ import annotations

import base64
import binascii
import re
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import BinaryIO

from veritensor_ray import bounds
from veritensor_ray.extract.readers.pdf.objects import Objects, Stream

MOST = bounds.PDF_DRAWN
_CALL, _TEXT = 300, 24  # what a form and a text cost more than their bytes, in bytes
_TREE = (b"Parent", b"Kids")
_PARENTS = 50  # of a page
_PLAIN = 8 << 10  # packed bytes of content that cannot come near the bound
_STRING_OPERATORS = (b"Tj", b"TJ", b"'", b'"')
_SPACE = rb"[\x00\t\n\f\r ]"
_DO = re.compile(rb"/([^\x00-\x20()<>\[\]{}/%]+)" + _SPACE + rb"++Do(?![A-Za-z0-9])")
_NAMED = re.compile(rb"/([^\x00-\x20()<>\[\]{}/%]+)" + _SPACE + rb"*+(\d{1,10})" + _SPACE + rb"++\d{1,5}" + _SPACE + rb"++R(?![A-Za-z])")
_REFS = re.compile(rb"(?<!\d)(\d{1,10})" + _SPACE + rb"++\d{1,5}" + _SPACE + rb"++R(?![A-Za-z])")
_FORM = re.compile(rb"/(?:Subtype" + _SPACE + rb"*+/Form|PatternType" + _SPACE + rb"*+1)(?![A-Za-z0-9])")
_CONTENTS = re.compile(rb"/Contents" + _SPACE + rb"*+(?:\[([^\[\]]*+)\]|(\d{1,10})" + _SPACE + rb"++\d{1,5}" + _SPACE + rb"++R)")
_RESOURCES = (b"Resources", b"XObject")
Named = dict[bytes, tuple[int, ...]]  # the forms that a name may stand for
_UPWARDS = re.compile(
    rb"/(?:P|Parent|Prev|Next|Dest|A|B|Popup|IRT)" + _SPACE + rb"*+\d{1,10}" + _SPACE + rb"++\d{1,5}" + _SPACE + rb"++R(?![A-Za-z])"
)


class Drawn:
    """The content of a document's pages and forms."""

    def __init__(self, objects: Objects, file: BinaryIO) -> None:
        self._objects, self._file = objects, file
        self._forms = {number for number, stream in objects.streams.items() if _FORM.search(stream.about)}
        self._bodies = dict(zip(objects.numbers, objects.starts, strict=True))
        self._costs: dict[int, int] = {}
        self._calls: dict[int, tuple[int, Counter[tuple[int, ...]]]] = {}

    def too_much(self, pages: Iterable[int]) -> list[int]:
        """Those of some pages (numbers of their objects) that draw more than MOST."""
        pages = list(pages)
        for number in sorted(self._forms) if self._has_nested() else ():
            self._cost(number)
        heavy = {number for number, cost in self._costs.items() if cost > MOST}
        return [page for page in pages if self._page(page) > MOST or (heavy and heavy & self._reached(page))]

    def _has_nested(self) -> bool:
        """Whether forms may draw forms; else each is counted where it is drawn."""
        return any(self._names(number) for number in self._forms)

    def _page(self, number: int) -> int:
        contents: list[int] = []
        for listed, one in _CONTENTS.findall(self._body(number)):  # a key that stands there twice counts twice
            contents += map(int, _REFS.findall(listed) if listed else [one])
        contents = [int(inner) for one in contents for inner in ([one] if one in self._objects.streams else _REFS.findall(self._body(one)))]
        streams = [self._objects.streams[one] for one in contents if one in self._objects.streams]
        named = self._of_forms(self._inherited(number))
        if not named and sum(stream.length for stream in streams) <= _PLAIN:
            return 0
        total = 0
        for stream in streams:
            own, calls = self._counted(stream, named)
            total += own + sum(count * (max(map(self._cost, forms)) + _CALL) for forms, count in calls.items())
        return total

    def _cost(self, number: int) -> int:
        """Bytes that a form draws, itself and by others; too many where it names itself, or is named by one that it draws."""
        ahead: list[tuple[int, bool]] = [(number, False)]
        open_forms: set[int] = set()
        while ahead:
            one, done = ahead.pop()
            if done:
                open_forms.discard(one)
                own, calls = self._calls[one]
                # one that is not known yet is open: it draws itself
                inner = sum(count * (max(self._costs.get(form, MOST) for form in forms) + _CALL) for forms, count in calls.items())
                self._costs[one] = min(own + inner, MOST + 1)
            elif one not in self._costs and one not in open_forms:
                open_forms.add(one)
                self._calls[one] = self._counted(self._objects.streams[one], self._names(one))
                ahead.append((one, True))
                ahead += ((form, False) for forms in self._calls[one][1] for form in forms)
        return self._costs[number]

    def _counted(self, stream: Stream, named: Named) -> tuple[int, Counter[tuple[int, ...]]]:
        """What a content costs by itself, and how often it draws each form."""
        if not named and stream.length <= _PLAIN:
            return stream.length, Counter()
        data = _unpacked(self._file, stream)
        own = len(data) + _TEXT * sum(data.count(operator) for operator in _STRING_OPERATORS)
        calls = Counter(named[name] for name in _DO.findall(data) if name in named) if named else Counter[tuple[int, ...]]()
        return own, calls

    def _names(self, number: int) -> Named:
        """Forms among a form's resources; any of the document where it has no resources, as PDFium takes them from what is around."""
        about = self._objects.streams[number].about
        return self._of_forms(self._within(about)) if b"/Resources" in about else self._everywhere

    @cached_property
    def _everywhere(self) -> Named:
        whole = (self._objects.text, *(stream.about for stream in self._objects.streams.values()))
        return self._of_forms((name, int(inner)) for part in whole for name, inner in _NAMED.findall(part))

    def _of_forms(self, names: Iterable[tuple[bytes, int]]) -> Named:
        found: dict[bytes, set[int]] = {}
        for name, inner in names:
            if inner in self._forms:
                found.setdefault(name, set()).add(inner)
        return {name: tuple(sorted(forms)) for name, forms in found.items()}

    def _inherited(self, number: int) -> Iterator[tuple[bytes, int]]:
        """Names of a page's resources, which may stand with the pages above it."""
        for _ in range(_PARENTS):
            body = self._body(number)
            yield from self._within(body)
            parent = next((int(inner) for name, inner in _NAMED.findall(body) if name == b"Parent"), None)
            if b"/Resources" in body or parent is None:
                return
            number = parent

    def _within(self, body: bytes, level: int = 0) -> Iterator[tuple[bytes, int]]:
        for name, inner in _NAMED.findall(body):
            yield name, int(inner)
            if name in _RESOURCES and level < len(_RESOURCES):
                yield from self._within(self._body(int(inner)), level + 1)

    def _reached(self, page: int) -> set[int]:
        """Objects that a page leads to, not by way of other pages."""
        seen: set[int] = set()
        ahead = [page, *(inner for name, inner in self._inherited(page) if name not in _TREE)]
        while ahead:
            number = ahead.pop()
            if number not in seen:
                seen.add(number)
                stream = self._objects.streams.get(number)
                body = _UPWARDS.sub(b"", self._body(number) + (stream.about if stream else b""))
                ahead += map(int, _REFS.findall(body))
        return seen

    def _body(self, number: int) -> bytes:
        """The dictionary or array of an object; of its last version."""
        start = self._bodies.get(number)
        return b"" if start is None else self._objects.text[start : self._objects.span(start)[1]]


def _unpacked(file: BinaryIO, stream: Stream) -> bytes:
    """At most so much as decides; nothing where it is packed in a way that is not undone here."""
    file.seek(stream.offset)
    data = file.read(min(stream.length, MOST + 1))
    for name in stream.filters:
        try:
            if name == b"FlateDecode":
                data = zlib.decompressobj().decompress(data, MOST + 1)
            elif name == b"ASCIIHexDecode":
                digits = re.sub(rb"[^0-9A-Fa-f]", b"", data.partition(b">")[0])
                data = binascii.unhexlify(digits + b"0"[: len(digits) % 2])
            elif name == b"ASCII85Decode":
                data = base64.a85decode(data.partition(b"~>")[0].removeprefix(b"<~"), ignorechars=b" \t\n\r\v\f\0")
            else:
                return b""
        except (zlib.error, ValueError):
            return b""
    return data
