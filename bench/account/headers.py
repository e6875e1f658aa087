"""Places in mails and WARC records: values, names and parameters of header lines, and what stands around parts."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator

from bench.account.canary import EMAIL, RAW, TEXT, TOKEN, Place, put, put_all
from bench.account.zips import Inner

_BEGINS = re.compile(rb"(From [^\n]*\n|WARC/1\.\d\r?\n)?[A-Za-z-]{2,40}: ?[^\n]*\n[A-Za-z-]{2,40}: ")
_BLOCK = re.compile(rb"(?:[!-9;-~]+:[^\n]*\n(?:[ \t][^\n]*\n)*)+")
_LINE = re.compile(rb"([!-9;-~]+):([^\n]*\n(?:[ \t][^\n]*\n)*)")
_ATTACHED = re.compile(rb"base64\r?\n(?:[!-9;-~]+:[^\n]*\n)*\r?\n([A-Za-z0-9+/=\r\n]{16,})", re.IGNORECASE)
_BOUNDARY = re.compile(rb'boundary="?([^"\s;]+)')
_BEFORE_BLOCKS = (b"--", b"From ", b"WARC/", b"HTTP/")
_WORD = b"=?utf-8?B?" + base64.b64encode(RAW) + b"?="
# What becomes of a value.
_VALUES = {
    "value": b" " + RAW,
    "end of a value": b"%b " + RAW,
    "parameter": b'%b; note="' + RAW + b'"',
    "name of a parameter": b"%b; " + TOKEN.encode() + b"=1",
    "encoded parameter": b"%b; note*=utf-8''" + b"".join(b"%%%02X" % byte for byte in RAW),
    "continued parameter": b'%b; note*0="' + RAW[:9] + b'"; note*1="' + RAW[9:] + b'"',
    "comment": b"%b (" + RAW + b")",
    "encoded word": b" " + _WORD,
    "display name": b' "' + RAW + b'" <a@b.example>',
    "folded line": b"%b\r\n " + RAW,
}
# New lines before and behind a block.
_LINES = {
    "new header": f"X-Note: {TEXT}",
    "name of a new header": f"{TOKEN}: 1",
    "encoded word of a new header": f"X-Note: {_WORD.decode()}",
    "new folded header": f"X-Note: a\n {EMAIL}\n\t{TOKEN}",
    "line without a colon": TEXT,
    "new known header": f"Received: from a by b with SMTP id {TEXT}; Mon, 1 Jan 2024 10:00:00 +0000",
    **{f"new {name}": f"{name}: {TEXT}" for name in ("Content-Description", "Subject", "Bcc", "List-Unsubscribe", "DKIM-Signature")},
    **{f"new {name}": f"{name}: <{EMAIL}> ({TOKEN})" for name in ("Content-ID", "Message-ID", "In-Reply-To", "Content-Location")},
}
_ENCODINGS = ("base64", "quoted-printable", "7bit", "binary", "x-uuencode", "unknown")
_TYPES = ("text/plain", "application/octet-stream", "message/rfc822", "text/x-note", "image/png")


def is_headed(data: bytes) -> bool:
    """Return whether it begins as mails, mailboxes and WARC files do."""
    return bool(_BEGINS.match(data))


def header_places(data: bytes, inner: Inner) -> Iterator[Place]:
    """Yield places in each block of header lines, in attachments in base64, and around the parts of a mail."""
    for number, block in enumerate(_blocks(data)):
        yield from _of_block(data, block, "other block" if number else "first block")
    for match in _BOUNDARY.finditer(data):
        yield from _around(data, b"--" + match.group(1))
    for match in _ATTACHED.finditer(data):
        yield from _attached(data, match, inner)


def _attached(data: bytes, match: re.Match[bytes], inner: Inner) -> Iterator[Place]:
    start, end = match.span(1)
    places = inner("attachment", base64.b64decode(match.group(1)))
    yield from (place.within("attachment", lambda new: data[:start] + base64.encodebytes(new) + b"\n" + data[end:]) for place in places)


def _blocks(data: bytes) -> Iterator[re.Match[bytes]]:
    """Yield blocks of header lines that begin the file or follow an empty line, a boundary, or the first line of a record."""
    for match in _BLOCK.finditer(data):
        head = data[: match.start()]
        before = head.rstrip(b"\r\n").rsplit(b"\n", 1)[-1]
        if not before or before.startswith(_BEFORE_BLOCKS) or head.endswith((b"\n\n", b"\n\r\n")):
            yield match


def _of_block(data: bytes, block: re.Match[bytes], where: str) -> Iterator[Place]:
    for line in _LINE.finditer(block.group()):
        (at, colon), (start, end) = line.span(1), line.span(2)
        value, about = line.group(2).rstrip(b"\r\n"), f"{line.group(1).decode()}, {where}"
        for kind, form in _VALUES.items():
            new = form.replace(b"%b", value) + b"\r\n"
            yield put(f"header: {kind}", about, data, block.start() + start, new, block.start() + end)
        yield put("header: name", about, data, block.start() + at, TOKEN.encode(), block.start() + colon)
    for kind, added in _LINES.items():
        yield put(f"header: {kind}", f"before the {where}", data, block.start(), added.encode() + b"\r\n")
        yield put(f"header: {kind}", f"behind the {where}", data, block.end(), added.encode() + b"\r\n")


def _around(data: bytes, boundary: bytes) -> Iterator[Place]:
    """Yield places around the parts between these boundaries, and new parts."""
    places = [match.start() for match in re.finditer(re.escape(boundary), data)]
    for number, at in enumerate(places):
        yield from put_all("end of a part" if number else "preamble", "", data, at)
        yield from put_all("behind a boundary", "", data, at + len(boundary))
    yield from put_all("epilogue", "", data + b"\r\n", len(data) + 2)
    for encoding in _ENCODINGS:
        body = base64.encodebytes(RAW) if encoding == "base64" else RAW
        for kind in _TYPES:
            head = f"Content-Type: {kind}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n".encode()
            yield put(f"new part in {encoding}", kind, data, places[-1], boundary + b"\r\n" + head + body + b"\r\n")
