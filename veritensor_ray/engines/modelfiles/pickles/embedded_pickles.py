"""Finds pickles inside files of other formats, whose libraries unpickle them: attributes of PyTables, extension types of Arrow, msgpack-numpy."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from veritensor_ray.core import bounds
from veritensor_ray.core.segments import Gap
from veritensor_ray.engines.base import Hit
from veritensor_ray.engines.modelfiles.effects import Found
from veritensor_ray.engines.modelfiles.naming.judgement import NamePolicy
from veritensor_ray.engines.modelfiles.pickles.pickle_calls import DANGEROUS, PickleScan
from veritensor_ray.formats.common.file_ranges import length
from veritensor_ray.formats.model_files.forward import Slice
from veritensor_ray.formats.model_files.pickle.events import Call
from veritensor_ray.formats.model_files.pickle.structure import Ended, Pickles

_CHUNK, _OVERLAP = 4 << 20, 256
_MARKED = re.compile(rb"\x80[\x02-\x05](?:\x95.{6}\0\0|[c(\]}\x8cX)\x8f])", re.DOTALL)
_NAME_END = re.compile(rb"\n[A-Za-z_][\w.]{0,99}\n(?=[()NVSUp\x80-\x98]|q.)", re.DOTALL)  # that of a name in protocol 0
_MODULE = re.compile(rb"[ci][A-Za-z_][\w.]{0,99}\Z")
_BASE64 = re.compile(rb"[A-Za-z0-9+/]{64,}={0,2}")
_LONGEST = bounds.EMBEDDED_PICKLE
_READ = 1024
_FOOTER = bounds.EMBEDDED_FOOTER


def scan_embedded(file: BinaryIO, policy: NamePolicy, ends: int | None = None) -> Iterator[Found]:
    """Yield the dangerous names of pickles anywhere in a file, or in the first and last `ends` bytes of it."""
    size = length(file)
    ranges = [(0, size)] if ends is None or size <= 2 * ends else [(0, ends), (size - ends, size)]
    left, seen = bounds.EMBEDDED_WALKED, set[str | None]()
    for at in (at for start, end in ranges for at in _places(file, start, end)):
        found = _pickle_at(file, at, size)
        left -= found.read
        if left < 0:
            yield Gap("too much of it looks like pickles; the rest of it was not searched for them", bound="embedded_walked")
            return
        if found.cut and "" not in seen:
            seen.add("")
            yield Gap(f"a pickle inside the file takes more than {_LONGEST} bytes; its rest was not judged", bound="embedded_pickle")
        for hit in _hits(file, at, found, policy):
            if hit.evidence not in seen:
                seen.add(hit.evidence)
                yield hit


@dataclass(frozen=True, slots=True)
class _EmbeddedPickle:
    """What seems to be a pickle: where it ends, how much of it was read, whether it calls anything, and whether it goes on."""

    end: int
    read: int
    calls: bool
    cut: bool


class _Metered(Slice):
    """A part of a file of which a limited number of bytes is read. What is skipped does not count."""

    left = _LONGEST

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # the base class uses Buffer, which Python 3.11 lacks
        """Read a short piece, because few places hold a pickle."""
        count = super().readinto(memoryview(buffer)[: min(self.left, _READ)])
        self.left -= count
        return count


def _pickle_at(file: BinaryIO, at: int, size: int) -> _EmbeddedPickle:
    part = _Metered(file, at, size - at)
    pickles, calls = Pickles(part), False  # type: ignore[arg-type]  # a raw file, of which each read may return less
    for event in pickles.events():
        calls = calls or isinstance(event, Call)
        if isinstance(event, Ended):
            return _EmbeddedPickle(at + pickles.window.position, _LONGEST - part.left, calls, bool(event.reason) and part.left <= 0)
    return _EmbeddedPickle(at, 0, calls=False, cut=False)


def _hits(file: BinaryIO, at: int, found: _EmbeddedPickle, policy: NamePolicy) -> Iterator[Hit]:
    if not found.calls:
        return  # bytes that happen to look like a name
    part = io.BufferedReader(Slice(file, at, found.end - at))
    for hit in PickleScan(policy, base=at, sure=False).scan(part):
        if isinstance(hit, Hit) and hit.rule == DANGEROUS:
            yield hit


def _places(file: BinaryIO, start: int, end: int) -> Iterator[int]:
    """Yield where a pickle may begin."""
    last = -1
    while start < end:
        file.seek(start)
        data = file.read(min(_CHUNK, end - start))
        if not data:
            return
        places = [found.start() for found in _MARKED.finditer(data)] + [
            at for found in _NAME_END.finditer(data) for at in _modules(data, found.start())
        ]
        for at in sorted(places):
            if start + at > last:
                last = start + at
                yield last
        start += len(data) - (_OVERLAP if len(data) == _CHUNK else 0)


def _modules(data: bytes, end: int) -> Iterator[int]:
    """Yield where a name of protocol 0 may begin whose module ends at a byte."""
    begin = max(0, end - 100)
    for at in range(begin, end):
        if data[at] in b"ci" and _MODULE.match(data, at, end):
            yield at


def scan_parquet(file: BinaryIO, policy: NamePolicy) -> Iterator[Found]:
    """Yield the dangerous names of pickles in the footer of a Parquet file, which may hold the schema of Arrow in base64."""
    size = length(file)
    file.seek(max(0, size - 8))
    tail = file.read(8)
    footer = int.from_bytes(tail[:4], "little")
    if len(tail) < 8 or not 0 < footer <= min(size - 8, _FOOTER):
        return
    begin = size - 8 - footer
    file.seek(begin)
    data = file.read(footer)
    yield from _at(scan_embedded(io.BytesIO(data), policy), begin, begin + footer)
    for run in _BASE64.finditer(data):
        whole = run.group()[: len(run.group()) // 4 * 4]
        yield from _at(scan_embedded(io.BytesIO(base64.b64decode(whole)), policy), begin + run.start(), begin + run.end())


def _at(found: Iterator[Found], start: int, end: int) -> Iterator[Found]:
    """Place hits in decoded bytes where these stand encoded."""
    for hit in found:
        if isinstance(hit, Gap):
            yield hit
        elif isinstance(hit, Hit):
            yield Hit(hit.rule, start, end, severity=hit.severity, message=hit.message, evidence=hit.evidence)
