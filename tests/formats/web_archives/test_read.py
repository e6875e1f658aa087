"""WARC: payloads as members, headers and text records as text; wrong lengths."""

from __future__ import annotations

import gzip
import io
import random
import zlib
from typing import Any

import pytest
from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

from tests.cases import each
from tests.formats.reading import flat, members, read, reader_source, split, until_error
from veritensor_ray.core.errors import ReadError
from veritensor_ray.formats.common.kind import Kind
from veritensor_ray.formats.recognition import sniff

WARC = Kind("application/warc")
PAGE = b"<!doctype html><p>look here</p>"
URI = "http://example.com/a/page.html"


def record(kind: str, block: bytes, length: int | None = None, **fields: str) -> bytes:
    """One record as the standard has it."""
    head = {"WARC-Type": kind, **{name.replace("_", "-"): value for name, value in fields.items()}}
    lines = "".join(f"{name}: {value}\r\n" for name, value in head.items())
    return f"WARC/1.0\r\n{lines}Content-Length: {len(block) if length is None else length}\r\n\r\n".encode() + block + b"\r\n\r\n"


def response(body: bytes, *fields: str, uri: str = URI) -> bytes:
    """A record of a web server's answer."""
    head = "\r\n".join(["HTTP/1.1 200 OK", *fields]) + "\r\n\r\n"
    return record("response", head.encode() + body, WARC_Target_URI=uri, Content_Type="application/http; msgtype=response")


def raw_deflate(data: bytes) -> bytes:
    """Deflated without zlib's header, as some servers send it."""
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


CHUNKED = b"9\r\n" + PAGE[:9] + b"\r\n" + f"{len(PAGE) - 9:x};x=y\r\n".encode() + PAGE[9:] + b"\r\n0\r\n\r\n"


@each(
    ("body", "fields", "content"),
    [
        (PAGE, [], PAGE),
        (CHUNKED, ["Transfer-Encoding: chunked"], PAGE),
        (PAGE, ["Transfer-Encoding: chunked"], PAGE),
        (b"5\r\nhello\r\nnot a size\r\nmore", ["Transfer-Encoding: chunked"], b"hellonot a size\r\nmore"),
        (b"ff\r\nshort", ["Transfer-Encoding: chunked"], b"short"),
        (zlib.compress(PAGE), ["Content-Encoding: deflate"], PAGE),
        (raw_deflate(PAGE), ["Content-Encoding: deflate"], PAGE),
        (PAGE, ["Content-Encoding: deflate"], PAGE),
        (gzip.compress(PAGE, mtime=0), ["Content-Encoding: gzip"], gzip.compress(PAGE, mtime=0)),
        (b"\x0b\x02\x80br", ["Content-Encoding: br"], b"\x0b\x02\x80br"),
    ],
    ids=["plain", "chunked", "not chunked", "bad chunk", "short chunk", "zlib", "deflate", "not deflated", "gzip", "br"],
)
def test_bodies(body: bytes, fields: list[str], content: bytes) -> None:
    found = members(response(body, *fields), WARC)
    (name, data), *more = found.items()
    assert (name, gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data, more) == (
        f"record 0 {URI}",
        PAGE if content[:2] == b"\x1f\x8b" else content,
        [],
    )


def test_a_coding_without_reader_is_said() -> None:
    _, gaps = read(response(b"x", "Content-Encoding: br") * 3, WARC)
    assert [(gap.count, gap.coverage) for gap in gaps] == [(3, "no-reader")]


def test_kinds_of_records() -> None:
    data = b"".join(
        [
            record("warcinfo", b"software: look here\r\n", Content_Type="application/warc-fields"),
            response(PAGE, "X-Note: in the head"),
            record(
                "request", b"POST /a HTTP/1.1\r\nHost: example.com\r\n\r\nq=words", WARC_Target_URI=URI, Content_Type="application/http"
            ),
            record("resource", b"%PDF-1.7", WARC_Target_URI="http://example.com/b.pdf?q=1", Content_Type="application/pdf"),
            record("conversion", "the schöne text".encode(), WARC_Target_URI=URI, Content_Type="text/plain"),
            record("metadata", b"note: x", WARC_Target_URI=URI),
            record("revisit", b"HTTP/1.1 304 Not Modified\r\n\r\n", WARC_Target_URI=URI, Content_Type="application/http"),
            record("continuation", b"more", WARC_Target_URI=URI),
        ]
    )
    assert sniff(data, "") == WARC
    assert members(data, WARC) == {
        f"record 1 {URI}": PAGE,
        f"record 2 {URI}": b"q=words",
        "record 3 http://example.com/b.pdf": b"%PDF-1.7",
        f"record 7 {URI}": b"more",
    }
    source = reader_source(data, WARC)
    blocks, gaps = split(source)
    found = flat(blocks, "row", "column", "view")
    assert [row for row in found if row[3] == "visible"] == [("the schöne text", 4, URI, "visible")]
    assert ("note: x", 5, URI, "metadata") in found
    assert ("HTTP/1.1 200 OK\r\nX-Note: in the head\r\n", 1, "HTTP response", "metadata") in found
    assert sum(row[2] == "WARC headers" for row in found) == 8
    assert (gaps, source.counts.rows) == ([], 8)


def test_a_file_written_by_warcio() -> None:
    out = io.BytesIO()
    writer = WARCWriter(out, gzip=False)
    head = StatusAndHeaders("200 OK", [("Content-Type", "text/html")], protocol="HTTP/1.0")
    writer.write_record(writer.create_warc_record(URI, "response", payload=io.BytesIO(PAGE), http_headers=head))
    writer.write_record(writer.create_warc_record(URI, "resource", payload=io.BytesIO(b"x" * 300_000), warc_content_type="text/plain"))
    assert members(out.getvalue(), WARC) == {f"record 0 {URI}": PAGE, f"record 1 {URI}": b"x" * 300_000}
    assert members(out.getvalue(), WARC, via="gzip") == {f"record 0 {URI}": PAGE, f"record 1 {URI}": b"x" * 300_000}


def test_members_that_are_not_read_are_skipped() -> None:
    blocks, _ = read(response(PAGE) * 5, WARC)
    assert sum(row[1] == "WARC headers" for row in flat(blocks, "column")) == 5


@pytest.mark.parametrize(
    ("length", "reasons"),
    [(3, ["bytes between records"]), (0, ["bytes between records"]), (-1, ["the record has no valid length", "bytes between records"])],
)
def test_a_wrong_length_costs_one_record(length: int, reasons: list[str]) -> None:
    data = record("resource", b"123456 words", length, WARC_Target_URI=URI) + response(PAGE)
    assert members(data, WARC)[f"record 1 {URI}"] == PAGE
    gaps = read(data, WARC)[1]
    assert len(gaps) == len(reasons)
    assert all(reason in gap.reason for reason, gap in zip(reasons, gaps, strict=True))


def test_a_file_that_ends_early_says_so() -> None:
    data = response(PAGE) + record("conversion", b"half", 100, WARC_Target_URI=URI, Content_Type="text/plain")[:-4]
    (blocks, _), error = until_error(reader_source(data, WARC), ReadError)
    assert "ends inside record 1" in str(error)
    assert ("half", 1) in flat(blocks, "row")


def test_long_addresses_keep_their_end() -> None:
    (name,) = members(response(PAGE, uri=f"http://example.com/{'x' * 5000}/a.html?{'q' * 5000}"), WARC)
    assert len(name) < 220 and name.endswith("/a.html")


def test_lines_without_end_and_heads_without_end() -> None:
    for data in (b"WARC/1.0\r\n" + b"x" * 1_000_000, b"WARC/1.0\r\n" + b"a: b\r\n" * 100_000, b"WARC/1.0\r\nContent-Length: " + b"9" * 30):
        blocks, gaps = read(data, WARC)
        assert gaps
        assert all(len(text) < 200_000 for text in flat(blocks))


def test_damage_anywhere() -> None:
    whole = (
        response(CHUNKED, "Transfer-Encoding: chunked")
        + response(zlib.compress(PAGE), "Content-Encoding: deflate")
        + record("conversion", b"text", WARC_Target_URI=URI)
    )
    chance = random.Random(7)
    damaged = [whole[:length] for length in range(10, len(whole), 3)]
    for _ in range(300):
        flipped = bytearray(whole)
        flipped[chance.randrange(len(whole))] = chance.randrange(256)
        damaged.append(bytes(flipped))
    for data in damaged:
        for look in (read, members):
            _quiet(look, data)


def _quiet(look: Any, data: bytes) -> None:
    try:
        look(data, WARC)
    except ReadError as error:
        assert "\n" not in str(error)
