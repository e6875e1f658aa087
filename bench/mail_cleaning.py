"""Write values into mails in several ways, clean them, and read the copies with two parsers.

    python -m bench.mail_cleaning FOLDER [--count 500] [--keep FOLDER]

Files below FOLDER and the mails of Python's own tests are taken for mails. Each gets a value in one way after the other, until there are
enough, and every fifth a signature (DKIM). A copy may hold no value, in no header field, text or attachment that the standard library or
fast-mail-parser (which is written in Rust, on another library) decodes. Both have to find the parts that they found before, and the
manifest has to say that a signature is invalid now. Exits with 1 if a copy is not so.
"""

from __future__ import annotations

import argparse
import base64
import importlib.util
import json
import quopri
import re
from collections.abc import Callable, Iterator, Sequence
from email import message_from_bytes, policy
from email.header import Header
from email.message import Message
from pathlib import Path
from typing import Any, NamedTuple

import fast_mail_parser

from bench.cleaning_runs import Manifest, arguments, measure, values

_HEAD = re.compile(rb"\A(?:From [^\r\n]*\r?\n)?((?:[!-9;-~]+:[^\r\n]*\r?\n(?:[ \t][^\r\n]*\r?\n)*)+)\r?\n")
_OF_BODY = re.compile(rb"^(?:content-[a-z-]+|mime-version):[^\r\n]*\r?\n(?:[ \t][^\r\n]*\r?\n)*", re.IGNORECASE | re.MULTILINE)
_SIGNATURE = b"DKIM-Signature: v=1; a=rsa-sha256; d=kaldor-mail.com; s=one; h=from:subject; bh=AAAA=; b=BBBB="
_SIGNED = 5  # every such mail has a signature


class PlantedMail(NamedTuple):
    """A mail, the value in it, and whether it has a signature."""

    name: str
    value: str
    way: str
    signed: bool


class _Parts(NamedTuple):
    """A mail in pieces: the header without the fields about its body, these, the body, and what ends its lines."""

    head: bytes
    about: bytes
    body: bytes
    end: bytes


Way = Callable[[_Parts, str], bytes]


def split_mail(data: bytes) -> _Parts | None:
    """Return a mail in pieces; None if it does not begin with a header."""
    found = _HEAD.match(data)
    if found is None:
        return None
    end = b"\r\n" if found[0].endswith(b"\r\n") else b"\n"
    about = b"".join(_OF_BODY.findall(found[1]))
    return _Parts(_OF_BODY.sub(b"", found[1]), about, data[found.end() :], end)


def _field(field: Callable[[str], str]) -> Way:
    def way(mail: _Parts, line: str) -> bytes:
        text = field(line).encode().replace(b"\n", mail.end)
        return mail.head + b"Comments: " + text + mail.end + mail.about + mail.end + mail.body

    return way


def _beside(kind: str, lines: Callable[[str], tuple[Sequence[str], bytes]]) -> Way:
    """Return what makes the body the first part of several, and the line the second one."""

    def way(mail: _Parts, line: str) -> bytes:
        fields, content = lines(line)
        first = re.sub(rb"(?im)^mime-version:[^\r\n]*\r?\n", b"", mail.about)
        # the bodies of two mails may have the same boundary, but none has this one
        pieces = [
            mail.head + b"MIME-Version: 1.0",
            f'Content-Type: multipart/{kind}; boundary="=_planted"'.encode(),
            b"",
            b"--=_planted",
            first + mail.end + mail.body,
            b"--=_planted",
            *(field.encode() for field in fields),
            b"",
            content.replace(b"\r\n", b"\n").replace(b"\n", mail.end),
            b"--=_planted--",
            b"",
        ]
        return mail.end.join(pieces)

    return way


def _qp(kind: str, before: str, after: str = "") -> Way:
    fields = (f"Content-Type: {kind}; charset=utf-8", "Content-Transfer-Encoding: quoted-printable")
    return _beside("mixed", lambda line: (fields, quopri.encodestring(f"{before}{line}{after}".encode())))


def _base64(kind: str, codec: str, fields: Sequence[str], made: Callable[[str], str]) -> Way:
    about = (f"Content-Type: {kind}; charset={codec}", "Content-Transfer-Encoding: base64", *fields)
    return _beside("mixed", lambda line: (about, base64.encodebytes(made(line).encode(codec)).rstrip()))


_ATTACHED = "Content-Disposition: attachment; filename="
_PAGE = "<html><body><p>Dear Größe,</p><p>{}</p></body></html>"
WAYS: dict[str, Way] = {
    "header": _field(lambda line: line),
    "folded": _field(lambda line: line.replace(" ", "\n ", 1)),
    "rfc2047 q": _field(lambda line: Header(f"Größe {line}", "iso-8859-1").encode()),
    "rfc2047 b": _field(lambda line: Header(f"数据 {line}", "utf-8").encode()),
    "plain": _beside("mixed", lambda line: (("Content-Type: text/plain",), f"Hello,\n\n{line}\n\nRegards".encode())),
    "html": _beside("mixed", lambda line: (("Content-Type: text/html; charset=utf-8",), _PAGE.format(line).encode())),
    "quoted-printable": _qp("text/plain", "Größe: " + "x" * 60 + " "),
    "html in quoted-printable": _qp("text/html", _PAGE.partition("{")[0], _PAGE.partition("}")[2]),
    "base64": _base64("text/plain", "utf-8", (), lambda line: f"Größe\r\n{line}\r\nRegards\r\n"),
    "base64 in utf-16": _base64("text/plain", "utf-16-le", (), lambda line: f"Größe\r\n{line}\r\nRegards\r\n"),
    "alternative": _beside("alternative", lambda line: (("Content-Type: text/html; charset=utf-8",), _PAGE.format(line).encode())),
    "table": _base64("text/csv", "utf-8", (f"{_ATTACHED}list.csv",), lambda line: f"name,said\r\nAda,{line}\r\n"),
    "records": _base64("application/json", "utf-8", (f"{_ATTACHED}list.json",), lambda line: json.dumps([{"said": line}])),
    "message": _beside(
        "mixed", lambda line: (("Content-Type: message/rfc822",), f"From: Ada\nSubject: About it\n\nHello\n{line}\n".encode())
    ),
    "thread": _beside(
        "mixed", lambda line: (("Content-Type: text/plain",), f"I see.\n\nOn Monday, Ada wrote:\n> Hello,\n>> {line}\n> \n> Ada".encode())
    ),
}


def build(folders: Sequence[Path], corpus: Path, count: int) -> Iterator[PlantedMail]:
    """Write the corpus."""
    files = [one for folder in folders for one in sorted(folder.rglob("*")) if one.is_file()]
    mails = [parts for one in files if one.suffix != ".py" and (parts := split_mail(one.read_bytes())) is not None]
    for number in range(count):
        way, value, signed = [*WAYS][number % len(WAYS)], values(number), number % _SIGNED == 0
        parts = mails[(number + number // len(mails)) % len(mails)]
        if signed:
            parts = parts._replace(head=parts.head + _SIGNATURE + parts.end)
        name = f"{number:05d}-{way.replace(' ', '-')}.eml"
        (corpus / name).write_bytes(WAYS[way](parts, f"Paid with {value} today"))
        yield PlantedMail(name, value, way, signed)


# The comparison


def tree(data: bytes) -> list[Any]:
    """Return the parts of a mail as the standard library finds them, with the names of their fields."""

    def of(part: Message) -> list[Any]:
        inner = part.get_payload() if part.is_multipart() else []
        about = (part.get_content_type(), part.get("content-transfer-encoding"), part.get_content_charset(), part.get_filename())
        return [*about, [name.lower() for name in part], [type(one).__name__ for one in part.defects], [of(one) for one in inner]]  # type: ignore[arg-type]

    return of(message_from_bytes(data, policy=policy.compat32))


def other_tree(data: bytes) -> Any:
    """Return what fast-mail-parser finds, or that it cannot parse it."""
    try:
        mail = fast_mail_parser.parse_email(data)
    except fast_mail_parser.ParseError as error:
        return type(error).__name__
    files = [(one.mimetype, one.filename, bool(one.content)) for one in mail.attachments]
    return sorted(name.lower() for name in mail.headers), len(mail.text_plain), len(mail.text_html), files


def texts(data: bytes) -> Iterator[str]:
    """Yield everything that a mail says: as it is, and as both parsers decode it."""
    yield data.decode("latin-1")
    for part in message_from_bytes(data, policy=policy.default).walk():
        yield from (str(value) for _, value in part.items())
        if not part.is_multipart():
            content = part.get_payload(decode=True) or b""
            yield from (bytes(content).decode(codec, "replace") for codec in ("utf-8", "utf-16-le"))
    try:
        mail = fast_mail_parser.parse_email(data)
    except fast_mail_parser.ParseError:
        return
    yield from (*mail.text_plain, *mail.text_html, str(mail.headers), mail.subject)
    yield from (bytes(one.content).decode("utf-8", "replace") for one in mail.attachments)


def compared(before: bytes, after: bytes, planted: PlantedMail, actions: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Yield what is wrong with a copy."""
    bare = "".join(planted.value.split())
    if any(bare in re.sub(r"[\s>]+", "", text) for text in texts(after)):
        yield "the value is still there"
    if tree(before) != tree(after):
        yield "other parts for the standard library"
    if other_tree(before) != other_tree(after):
        yield "other parts for fast-mail-parser"
    if planted.signed and not any(one["rule"] == "clean.signature" for one in actions):
        yield "the manifest does not say that its signature is invalid"


def main(given: Sequence[str] | None = None) -> None:
    """Build, clean, compare and print."""

    def add(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("folder", type=Path, help="Folder with mails.")
        parser.add_argument("--count", type=int, default=500, help="How many mails to make. Default: 500.")

    chosen = arguments(__doc__, given, add)
    raise SystemExit(
        measure(chosen.keep, lambda corpus, _: build([chosen.folder, *_of_python()], corpus, chosen.count), _problems, _because)
    )


def _problems(one: PlantedMail, before: bytes, after: bytes, row: Manifest) -> Iterator[str]:
    return compared(before, after, one, row["actions"])


def _because(one: PlantedMail, row: Manifest) -> str:
    return row["reason"] or f"nothing was found in it ({one.way})"


def _of_python() -> Iterator[Path]:
    """Yield the folder with the mails of Python's own tests, if they are installed."""
    found = importlib.util.find_spec("test")
    for place in (found.submodule_search_locations or ()) if found else ():
        yield Path(place) / "test_email" / "data"


if __name__ == "__main__":
    main()
