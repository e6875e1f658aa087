"""Estimates how much PDFium would have to draw on each page before it does, since a form may draw another form many times, which may do the
same.

PDFium creates objects for all of it when it opens a page. The estimate counts bytes of content, those of a form each time it is drawn.
Content is analyzed if it is plain, deflated, hexadecimal, base 85 or run-length encoded. If it is packed otherwise and may draw a form, it
counts as too much; if it cannot draw one, the worker's general limits apply.
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

from veritensor_ray.core import bounds
from veritensor_ray.formats.pdf.pdf_objects import Objects, Stream

MOST = bounds.PDF_DRAWN
_CALL, _TEXT = 300, 24  # the overhead of a form and of a text, in bytes
_TREE = (b"Parent", b"Kids")
_PARENTS = 50  # maximum ancestors of a page
_PLAIN = 8 << 10  # packed bytes of content that cannot come near the limit
_RUNS_END = 128
_STRING_OPERATORS = (b"Tj", b"TJ", b"'", b'"')
_SPACE = rb"[\x00\t\n\f\r ]"
_PREDICTED = re.compile(rb"/Predictor" + _SPACE + rb"*+(?!1(?!\d))")
_DO = re.compile(rb"/([^\x00-\x20()<>\[\]{}/%]+)" + _SPACE + rb"++Do(?![A-Za-z0-9])")
_NAMED = re.compile(rb"/([^\x00-\x20()<>\[\]{}/%]+)" + _SPACE + rb"*+(\d{1,10})" + _SPACE + rb"++\d{1,5}" + _SPACE + rb"++R(?![A-Za-z])")
_REFS = re.compile(rb"(?<!\d)(\d{1,10})" + _SPACE + rb"++\d{1,5}" + _SPACE + rb"++R(?![A-Za-z])")
_FORM = re.compile(rb"/(?:Subtype" + _SPACE + rb"*+/Form|PatternType" + _SPACE + rb"*+1)(?![A-Za-z0-9])")
_CONTENTS = re.compile(rb"/Contents" + _SPACE + rb"*+(?:\[([^\[\]]*+)\]|(\d{1,10})" + _SPACE + rb"++\d{1,5}" + _SPACE + rb"++R)")
_RESOURCES = (b"Resources", b"XObject")
Named = dict[bytes, tuple[int, ...]]  # the forms that a name may refer to
_UPWARDS = re.compile(
    rb"/(?:P|Parent|Prev|Next|Dest|A|B|Popup|IRT)" + _SPACE + rb"*+\d{1,10}" + _SPACE + rb"++\d{1,5}" + _SPACE + rb"++R(?![A-Za-z])"
)


class Drawn:
    """The content of a document's pages and forms."""

    def __init__(self, objects: Objects, file: BinaryIO) -> None:
        self._objects, self._file = objects, file
        self._forms = {number for number, stream in objects.streams.items() if _FORM.search(stream.about)}
        self._costs: dict[int, int] = {}
        self._calls: dict[int, tuple[int, Counter[tuple[int, ...]]]] = {}
        self._known: dict[int, tuple[int, Counter[bytes]] | None] = {}
        self._on_pages: dict[int, tuple[list[int], Named]] = {}
        self._pages: dict[int, int] = {}

    def too_much(self, pages: Iterable[int]) -> list[int]:
        """The pages, among those given by object number, that draw more than MOST."""
        pages = list(pages)
        for number in sorted(self._forms) if self._has_nested() else ():
            self._cost(number)
        heavy = {number for number, cost in self._costs.items() if cost > MOST}
        return [page for page in pages if (not self._is_small(page) and self.page(page) > MOST) or (heavy and heavy & self._reached(page))]

    def again(self, order: Iterable[int]) -> Iterator[int]:
        """Yield, for each page, the bytes that an earlier page may have drawn too: all of them if the pages share content or the page draws
        forms.

        Pages that draw too much count as 0, because they are not drawn.
        """
        used: set[int] = set()
        for page in order:
            contents, named = self._on_page(page)
            cost = self.page(page) if named or not used.isdisjoint(contents) else 0
            yield cost if cost <= MOST else 0
            used.update(contents)

    def _has_nested(self) -> bool:
        """Whether forms may draw forms. If not, each form is counted where it is drawn."""
        return any(self._names(number) for number in self._forms)

    def _is_small(self, number: int) -> bool:
        contents, named = self._on_page(number)
        return not named and sum(self._objects.streams[one].length for one in contents) <= _PLAIN

    def shown(self, pages: Iterable[int]) -> set[int]:
        """The content streams of pages, and the forms that these draw, even indirectly."""
        seen: set[int] = set()
        for page in pages:
            contents, named = self._on_page(page)
            seen.update(contents)
            ahead = [form for one in contents for form in self._called(one, named)]
            while ahead:
                form = ahead.pop()
                if form not in seen:
                    seen.add(form)
                    ahead += self._called(form, self._names(form))
        return seen

    def _called(self, number: int, named: Named) -> Iterator[int]:
        """Yield the forms that a content stream draws: all that it could, if it cannot be unpacked here."""
        content = self._content(number) if named else None
        names = named.keys() if content is None else content[1].keys() & named.keys()
        return (form for name in names for form in named[name])

    def page(self, number: int) -> int:
        """The bytes that a page draws, directly and through forms."""
        if number not in self._pages:
            contents, named = self._on_page(number)
            counted = [self._counted(one, named) for one in contents]
            self._pages[number] = sum(
                own + sum(count * (max(map(self._cost, forms)) + _CALL) for forms, count in calls.items()) for own, calls in counted
            )
        return self._pages[number]

    def _on_page(self, number: int) -> tuple[list[int], Named]:
        """The content streams of a page, and the forms among its resources."""
        if number not in self._on_pages:
            contents: list[int] = []
            for listed, one in _CONTENTS.findall(self._objects.body(number)):  # a duplicate key counts twice
                contents += map(int, _REFS.findall(listed) if listed else [one])
            streams = self._objects.streams
            contents = [int(inner) for one in contents for inner in ([one] if one in streams else _REFS.findall(self._objects.body(one)))]
            self._on_pages[number] = [one for one in contents if one in streams], self._of_forms(self._inherited(number))
        return self._on_pages[number]

    def _cost(self, number: int) -> int:
        """The bytes that a form draws, directly and through others; above the limit if it refers to itself, even indirectly."""
        ahead: list[tuple[int, bool]] = [(number, False)]
        open_forms: set[int] = set()
        while ahead:
            one, done = ahead.pop()
            if done:
                open_forms.discard(one)
                own, calls = self._calls[one]
                # a form whose cost is unknown is still open, so it draws itself
                inner = sum(count * (max(self._costs.get(form, MOST) for form in forms) + _CALL) for forms, count in calls.items())
                self._costs[one] = min(own + inner, MOST + 1)
            elif one not in self._costs and one not in open_forms:
                open_forms.add(one)
                self._calls[one] = self._counted(one, self._names(one))
                ahead.append((one, True))
                ahead += ((form, False) for forms in self._calls[one][1] for form in forms)
        return self._costs[number]

    def _counted(self, number: int, named: Named) -> tuple[int, Counter[tuple[int, ...]]]:
        """The direct cost of a content stream, and how often it draws each form."""
        content = self._content(number)
        if content is None:
            return MOST + 1 if named else self._objects.streams[number].length, Counter()
        calls = Counter[tuple[int, ...]]()
        for name in content[1].keys() & named.keys():
            calls[named[name]] += content[1][name]
        return content[0], calls

    def _content(self, number: int) -> tuple[int, Counter[bytes]] | None:
        """The direct cost of a content stream, and how often each possible form name occurs in it; None if it cannot be unpacked here."""
        if number not in self._known:
            data = unpacked(self._file, self._objects.streams[number])
            if data is None:
                self._known[number] = None
            else:
                own = len(data) + _TEXT * sum(data.count(operator) for operator in _STRING_OPERATORS)
                names = self._everywhere
                self._known[number] = own, Counter(name for name in _DO.findall(data) if name in names) if names else Counter()
        return self._known[number]

    def _names(self, number: int) -> Named:
        """The forms among a form's resources. Without resources, any form of the document, since PDFium then uses those of the context."""
        about = self._objects.streams[number].about
        return self._of_forms(self._within(about)) if b"/Resources" in about else self._everywhere

    @cached_property
    def _everywhere(self) -> Named:
        if not self._forms:
            return {}
        whole = (self._objects.text, *(stream.about for stream in self._objects.streams.values()))
        return self._of_forms((name, int(inner)) for part in whole for name, inner in _NAMED.findall(part))

    def _of_forms(self, names: Iterable[tuple[bytes, int]]) -> Named:
        found: dict[bytes, set[int]] = {}
        for name, inner in names:
            if inner in self._forms:
                found.setdefault(name, set()).add(inner)
        return {name: tuple(sorted(forms)) for name, forms in found.items()}

    def _inherited(self, number: int) -> Iterator[tuple[bytes, int]]:
        """Yield the names among a page's resources, which its ancestors may define."""
        for _ in range(_PARENTS):
            body = self._objects.body(number)
            yield from self._within(body)
            parent = next((int(inner) for name, inner in _NAMED.findall(body) if name == b"Parent"), None)
            if b"/Resources" in body or parent is None:
                return
            number = parent

    def _within(self, body: bytes, level: int = 0) -> Iterator[tuple[bytes, int]]:
        for name, inner in _NAMED.findall(body):
            yield name, int(inner)
            if name in _RESOURCES and level < len(_RESOURCES):
                yield from self._within(self._objects.body(int(inner)), level + 1)

    def _reached(self, page: int) -> set[int]:
        """The objects that a page refers to, except through other pages."""
        seen: set[int] = set()
        ahead = [page, *(inner for name, inner in self._inherited(page) if name not in _TREE)]
        while ahead:
            number = ahead.pop()
            if number not in seen:
                seen.add(number)
                stream = self._objects.streams.get(number)
                body = _UPWARDS.sub(b"", self._objects.body(number) + (stream.about if stream else b""))
                ahead += map(int, _REFS.findall(body))
        return seen


def unpacked(file: BinaryIO, stream: Stream) -> bytes | None:
    """Unpack as much as needed to decide.

    Returns None if the packing is unsupported or the data is damaged, which viewers show partially.
    """
    file.seek(stream.offset)
    data = file.read(min(stream.length, MOST + 1))
    if stream.filters and _PREDICTED.search(stream.about):
        return None
    for name in stream.filters:
        try:
            if name == b"FlateDecode":
                data = zlib.decompressobj(-15).decompress(data[2:], MOST + 1)  # ignoring its checksum
            elif name == b"RunLengthDecode":
                data = _without_runs(data)
            elif name == b"ASCIIHexDecode":
                digits = re.sub(rb"[^0-9A-Fa-f]", b"", data.partition(b">")[0])
                data = binascii.unhexlify(digits + b"0"[: len(digits) % 2])
            elif name == b"ASCII85Decode":
                data = base64.a85decode(data.partition(b"~>")[0].removeprefix(b"<~"), ignorechars=b" \t\n\r\v\f\0")
            else:
                return None
        except (zlib.error, ValueError):
            return None
    return data


def _without_runs(data: bytes) -> bytes:
    """Decode run lengths: a byte below 128 precedes that many bytes plus one; a higher one, a byte to repeat."""
    out, at = bytearray(), 0
    while at < len(data) and data[at] != _RUNS_END and len(out) <= MOST:
        count = data[at]
        out += data[at + 1 : at + 2 + count] if count < _RUNS_END else data[at + 1 : at + 2] * (257 - count)
        at += count + 2 if count < _RUNS_END else 2
    return bytes(out)
