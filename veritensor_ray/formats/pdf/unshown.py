"""Reads what a PDF holds but no program shows: streams that no page draws, earlier versions of streams, odd names, and strings that have no
place among its properties. It claims what has been read, so that comments and bytes between objects are left.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import BinaryIO

from veritensor_ray.core import bounds
from veritensor_ray.core.origins import Origin
from veritensor_ray.core.segments import Block
from veritensor_ray.formats.common.account import ByteAccount, Reading
from veritensor_ray.formats.common.budget import Budget
from veritensor_ray.formats.common.source import Item, Member
from veritensor_ray.formats.common.utf8 import is_utf8
from veritensor_ray.formats.pdf.drawn_text import MOST, unpacked
from veritensor_ray.formats.pdf.named_strings import decode
from veritensor_ray.formats.pdf.pdf_objects import OBJECT_STREAM, STRING, Objects, Stream, matching
from veritensor_ray.formats.residue.known_text import KnownText
from veritensor_ray.formats.residue.read import whole_streams_in
from veritensor_ray.formats.residue.strings import SHORTEST, VIEW, strings

_SPACE = rb"[\x00\t\n\f\r ]"
_REF = _SPACE + rb"*+(\d{1,10})" + _SPACE + rb"++\d{1,5}" + _SPACE + rb"++R(?![A-Za-z])"
# Streams that are read elsewhere, and streams of numbers, by what refers to them and by what they say of themselves.
_KNOWN = re.compile(rb"/(?:FontFile[23]?|ToUnicode|CIDToGIDMap|CIDSet|ICCBased|DestOutputProfile|Thumb|JS|EF|UF|F|XFA)" + _REF)
_LOOKUP = re.compile(rb"/Indexed[^\[\]]{0,80}?[\[\]]?[^\[\]]{0,80}?" + _SPACE + rb"\d{1,3}" + _REF)
_VALUES = re.compile(
    rb"/(?:Subtype" + _SPACE + rb"*+/(?:Image|Type1C|CIDFontType0C|OpenType)|FunctionType|ShadingType|HalftoneType|CMapName|Length1)"
    rb"(?![A-Za-z0-9])"
)
_ASCII = re.compile(rb"/(?:ASCII85Decode|ASCIIHexDecode|A85|AHx)(?![A-Za-z0-9])")
_PACKED = re.compile(rb"/(?:FlateDecode|Fl|LZWDecode|LZW)(?![A-Za-z0-9])")
_REFS = re.compile(rb"(?<!\d)(\d{1,10})" + _SPACE + rb"++\d{1,5}" + _SPACE + rb"++R(?![A-Za-z])")
_METADATA = re.compile(rb"/Type" + _SPACE + rb"*+/Metadata(?![A-Za-z])")
_READ = re.compile(rb"/Type" + _SPACE + rb"*+/(?:Metadata|EmbeddedFile|XRef)(?![A-Za-z])")  # by the reader of the document
_LENGTH = re.compile(rb"/Length(?:" + _REF + rb"|" + _SPACE + rb"+(\d{1,10}))")
_INTEGER = re.compile(_SPACE + rb"*(\d{1,10})")
_LONGEST = 64  # bytes of an object that is a number
_FORM_FILES = re.compile(rb"/XFA" + _SPACE + rb"*+\[([^\[\]]*+)\]")
_NAME = re.compile(STRING + rb"|(?<!/DocChecksum )/([^\x00-\x20()<>\[\]{}/%]{8,2000})", re.DOTALL)  # not the paths and versions in strings
_ORDINARY_NAME = re.compile(rb"[A-Za-z+,_.:-]{1,60}\d{0,6}[A-Za-z]?|ASCII85Decode|(?:/[A-Za-z.]{1,24}\d{0,4})+")
_PLACE = re.compile(rb"(?:/D|[R\[)])" + _SPACE + rb"*+\(((?=[._:*-]*+[A-Za-z]++[A-Za-z._:*-]*+\d)[A-Za-z0-9._:*-]{16,62})\)")
# What content consists of, except for strings and comments.
_OPERATORS = re.compile(
    rb"(?:[\x00\t\n\f\r \[\]{}0-9.+-]++|/[^\x00-\x20()<>\[\]{}/%]*+|<<|>>"
    rb"|(?:[A-Za-z]{1,2}[*0-9]?|BDC|BMC|EMC|SCN|scn|true|false|null|['\"*])(?![\w@.:-])|" + STRING + rb")*+",
    re.DOTALL,
)
_LINE = re.compile(rb"[\r\n]")
_IMAGE_BEGINS = re.compile(rb"\bID[\x00\t\n\f\r ]")
_IMAGE_ENDS = re.compile(rb"[\x00\t\n\f\r ]EI(?![A-Za-z])")
_WRITTEN = re.compile(STRING + rb"|(?<![\w.])[+-]?\d*\.?\d++|(?<![\w/])(?:T[jJdDm*]|ET)(?!\w)|['\"\[]", re.DOTALL)
# A string in a dictionary.
_PROPERTY = re.compile(rb"<<[^<>()]{0,200}(" + STRING + rb")", re.DOTALL)
_BARE = re.compile(rb"\(([!-'*-\[\]-~ ]{8,2000})\)")
_ODD = re.compile(rb"\w@\w|[A-Za-z0-9_-]{20}")  # an address or a key
_ASCII_IMAGE = re.compile(rb"A85|AHx|ASCII")  # in the dictionary of one within content
_MOSTLY = 0.2
_KERNED = -200  # thousandths of the font's size, from which a distance between letters is a space
_BLANK = re.compile(r"\s+")
_MOST_GIVEN = bounds.HELD  # characters of pages against which texts are compared


class Unshown:
    """What a document holds besides what its pages draw and what belongs to it: streams, and the texts that pages have given.

    `objects` says what refers to what, and `held` has the streams in `file`. `drawn` has the numbers of the streams that pages draw.
    """

    def __init__(self, objects: Objects, held: Objects, file: BinaryIO, drawn: set[int]) -> None:
        self._file, self._held = file, held
        self._streams = _unread(objects, held, drawn)
        self._shown = [stream for number, stream in held.streams.items() if number in drawn]
        self._described = [stream for stream in held.streams.values() if _METADATA.search(stream.about)]
        self._names = _odd_names(objects)
        self._given: list[str] = []
        self._size = 0
        self.packed: list[Stream] = []  # those that could not be unpacked

    def given(self, texts: Iterable[str]) -> None:
        """Keep texts of pages, up to a limit, if there is anything to compare them with."""
        for text in texts:
            if self._size < _MOST_GIVEN:
                self._given.append(_BLANK.sub("", text))
                self._size += len(self._given[-1])

    def read(self, budget: Budget, in_file: bool = True, encrypted: bool = False) -> Iterator[Item]:
        """Yield the texts that pages have not given, and files. `in_file` says that the streams have their places in the PDF itself.

        Of streams that may be `encrypted`, only those are read that are text.
        """
        if self._names:
            yield Block(["\n".join(self._names)], column="names", view="metadata")
        known = KnownText(self._given)  # without spaces
        for stream in (*self._streams, *self._described) if encrypted else self._streams:
            data = unpacked(self._file, stream)
            if data is None or len(data) > MOST:
                self.packed.append(stream)
                continue
            if encrypted and not is_utf8(data):
                continue
            budget.add(len(data) if stream.filters else 0)
            yield from _stream(stream, data, known, in_file, budget)
        for stream in self._shown:
            data = unpacked(self._file, stream)
            if data is None and not _VALUES.search(stream.about):
                self.packed.append(stream)
            elif data is not None and len(data) <= MOST:
                yield from _lines(stream, _besides(data), known, in_file)
                yield from whole_streams_in(data, _name(stream), budget)
        for stream in () if encrypted else self._described:
            yield from whole_streams_in(unpacked(self._file, stream) or b"", _name(stream), budget)


def claim(held: Objects, left: Sequence[Stream], account: ByteAccount) -> None:
    """Claim the syntax of a document, and its streams except for those that are `left`."""
    packed = {one.offset for one in left}
    for start, end in held.syntax:
        account.claim(start, end, "structure")
    for _, stream in held.versions:
        if stream.offset not in packed:
            end = stream.offset + _declared(stream, held)
            reading = _reading(stream.about)
            if reading == "packed":  # the stream that begins here is known, and others are not
                account.claim(stream.offset, stream.offset + 1, reading)
                reading = "values"
            account.claim(stream.offset, end, reading)


def claim_encrypted(held: Objects, file: BinaryIO, account: ByteAccount) -> None:
    """Claim the streams of a document as numbers, since text in them is not encrypted. Those that are nothing but text have been read."""
    for _, stream in held.versions:
        file.seek(stream.offset)
        length = _declared(stream, held)
        is_text = length <= MOST and not OBJECT_STREAM.search(stream.about) and is_utf8(file.read(length))
        account.claim(stream.offset, stream.offset + length, "text" if is_text else "values")


def _reading(about: bytes) -> Reading:
    """Return what a stream consists of. What is coded in letters is not searched for letters."""
    if not _VALUES.search(about) or _ASCII.search(about):
        return "text"
    return "packed" if _PACKED.search(about) else "values"


def _declared(stream: Stream, held: Objects) -> int:
    """Return the length of a stream as its dictionary says it, since bytes may follow its data."""
    found = _LENGTH.findall(stream.about)
    if not found:
        return stream.length
    reference, direct = found[-1]
    said = _INTEGER.search(held.body(int(reference), _LONGEST)) if reference else None
    declared = int(direct or (said[1] if said else stream.length))
    return declared if 0 < declared < stream.length else stream.length


def _unread(objects: Objects, held: Objects, drawn: set[int]) -> list[Stream]:
    """The streams that no page draws and that are not read otherwise."""
    if not held.versions:
        return []
    whole = [objects.text, *(stream.about for _, stream in held.versions)]
    used = {int(number) for part in whole for number in _REFS.findall(part)}
    known = drawn | {int(number) for part in whole for number in _KNOWN.findall(part)}
    known |= {int(number) for part in whole if b"/Indexed" in part for number in _LOOKUP.findall(part)}
    known |= {int(number) for listed in _FORM_FILES.findall(objects.text) for number in _REFS.findall(listed)}
    return [
        stream
        for number, stream in held.versions
        if not OBJECT_STREAM.search(stream.about)
        and not (held.streams[number] is stream and (number in known or _READ.search(stream.about)))
        and not (number in used and _VALUES.search(stream.about))
    ]


def _name(stream: Stream) -> str:
    return f"stream at byte {stream.offset}"


def _stream(stream: Stream, data: bytes, known: KnownText, in_file: bool, budget: Budget) -> Iterator[Item]:
    """Yield the lines of a stream that are not `known`; the whole stream, if it is not the content of a page."""
    content = _without_images(data)[0]
    rest = list(_other(content))
    if sum(map(len, rest)) > _MOSTLY * len(content):
        yield Member(_name(stream), io.BytesIO(data), opaque=True, guessed=True)
        return
    yield from _lines(stream, [*_written(content), *(one.text for run in rest for one in strings(run))], known, in_file)
    yield from whole_streams_in(data, _name(stream), budget)


def _lines(stream: Stream, lines: Iterable[str], known: KnownText, in_file: bool) -> Iterator[Block]:
    """Yield those lines of a stream that are not known, as one text."""
    new = "\n".join(line for line in dict.fromkeys(lines) if len(bare := _BLANK.sub("", line)) >= SHORTEST and known.lacks(bare))
    if new and in_file:
        yield Block([new], origins=[[Origin(0, stream.offset, stream.offset + stream.length)]], view=VIEW, decoded_via="content")
    elif new:
        yield Block([new], column=_name(stream), view="hidden")


def _besides(data: bytes) -> Iterator[str]:
    """Yield what the content of a page says besides the text that it shows: comments, properties, data of images, unused strings."""
    content, images = _without_images(data)
    for run in chain(_other(content), images):
        yield from (one.text for one in strings(run))
    yield from (decode(found[1]) or "" for found in _PROPERTY.finditer(content))
    # The others may stand for other characters in the fonts of the page, so that none of its text seems to be shown.
    yield from (found.decode() for found in _BARE.findall(content) if _ODD.search(found))


def _without_images(data: bytes) -> tuple[bytes, list[bytes]]:
    """Return content without the data of its images, and that data unless it is encoded as text."""
    kept, images, at = [], [], 0
    while (begin := _IMAGE_BEGINS.search(data, at)) and (end := _IMAGE_ENDS.search(data, begin.end() - 1)):
        kept.append(data[at : begin.start()])
        if not _ASCII_IMAGE.search(data, max(at, begin.start() - 300), begin.start()):
            images.append(data[begin.start() : end.end()])
        at = end.end()
    return b"".join([*kept, data[at:]]), images


def _other(content: bytes) -> Iterator[bytes]:
    """Yield comments, and whatever else does not belong into content."""
    at = 0
    for start, end in [*matching(content, _OPERATORS, _LINE), (len(content), len(content))]:
        if start - at >= SHORTEST:
            yield content[at:start]
        at = end


def _written(content: bytes) -> Iterator[str]:
    """Yield the lines that content writes, as far as its strings are text without the tables of a font."""
    line, amount = "", 0.0
    for found in _WRITTEN.finditer(content):
        token = found[0]
        if token[:1] in b"(<":
            line += (" " if amount < _KERNED else "") + (decode(token) or "")
            amount = 0.0
        elif token[-1:].isdigit():
            amount = float(token)
        elif token == b"[" or token in (b"Tj", b"TJ"):
            amount = 0.0
        elif line:
            yield line
            line = ""
    yield line


def _odd_names(objects: Objects) -> list[str]:
    """Return names that no program would choose, and strings that stand where programs keep names."""
    names = {*_NAME.findall(objects.text), *_PLACE.findall(objects.text), *map(str.encode, objects.names)}
    return sorted(name.decode("utf-8", "replace") for name in names if name and not _ORDINARY_NAME.fullmatch(name))
