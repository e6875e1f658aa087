"""Reads plain text, Markdown, source code and HTML source as overlapping segments with line, character and byte offsets."""

from __future__ import annotations

from collections.abc import Iterator

from veritensor_ray.core.errors import ReadError
from veritensor_ray.core.segments import Block, Gap, cut_point
from veritensor_ray.formats.common.source import Source
from veritensor_ray.formats.common.streams import decoded
from veritensor_ray.formats.common.undecoded import undecoded


def read_text(source: Source, part: str | None = None) -> Iterator[Block | Gap]:
    """Read the file as one text. Cuts fall after a paragraph or line, and overlapping text belongs to the next segment."""
    source.file.read(source.kind.bom)
    encoding = source.kind.encoding or "utf-8"
    size, overlap = source.limits.segment_chars, source.limits.overlap_chars
    exact = encoding == "utf-8" and source.via is None and source.byte_base is not None
    byte = (source.byte_base or 0) + source.kind.bom if exact else None
    via = via_of(source, encoding)
    line, start, pending, bad = 1, 0, "", 0
    damage: ReadError | None = None
    try:
        for text, bad in decoded(source.file, encoding):  # the gap reports the last count
            pending += text
            while len(pending) > size + overlap:
                take = cut_point(pending[:size], size)
                yield Block([pending[: take + overlap]], line=line, start=start, byte_offset=byte, owned=[take], part=part, decoded_via=via)
                if byte is not None:
                    byte = byte + len(pending[:take].encode("utf-8", "replace")) if not bad else None
                line += pending.count("\n", 0, take)
                start += take
                pending = pending[take:]
    except ReadError as error:  # the text that came before the stream broke is still read
        damage = error
    if pending:
        yield Block([pending], line=line, start=start, byte_offset=byte, owned=[len(pending)], part=part, decoded_via=via)
    source.counts.lines += line - 1 + pending.count("\n")
    source.counts.chars += start + len(pending)
    yield from undecoded(bad, encoding)
    if damage:
        raise damage


def via_of(source: Source, encoding: str) -> str | None:
    """The compression and encoding that a text was decoded from, for `decoded_via`."""
    names = [name for name in (source.via, encoding if encoding != "utf-8" else None) if name]
    return "+".join(names) or None
