"""Three hundred mails with planted values: nothing of them is left, and two parsers see the same parts as before."""

from __future__ import annotations

import email
import functools
import io
import zipfile
from collections.abc import Iterator
from email.message import Message

import fast_mail_parser
import pytest

from tests.cleaning.marked import rewritten
from tests.formats.mail.generated import MadeMail, mails
from tests.formats.reading import reader_source
from veritensor_ray.cleaning.cleaning_policy import CleanPolicy
from veritensor_ray.core.media_types import MAILBOX
from veritensor_ray.formats.common.kind import Kind
from veritensor_ray.formats.mail.read import messages

LOW = CleanPolicy(level="low")
_EACH, _BOXES, _ALONE = 48, 6, 12


@functools.cache
def made() -> list[MadeMail]:
    """All mails, for the process that needs them: they take a second or two."""
    return mails(_EACH * _BOXES + _ALONE)


def boxed(some: list[MadeMail]) -> bytes:
    """A mailbox of mails."""
    lines = []
    for one in some:
        text = one.data.replace(b"\r\n", b"\n").replace(b"\nFrom ", b"\n>From ")
        lines.append(b"From box@example.org Thu Jan  1 10:00:00 2024\n" + text + b"\n")
    return b"".join(lines)


def shape(message: Message) -> list[tuple[object, ...]]:
    """What the standard library says of a message: its parts, their fields, and how they are written."""
    return [
        (part.get_content_type(), part.get_boundary(), part.get_content_charset(), part["Content-Transfer-Encoding"], part.keys(), bool(part.get_filename()), [type(one) for one in part.defects])
        for part in message.walk()
    ]  # fmt: skip


def texts(message: Message) -> Iterator[str]:
    """Every text of a message: fields, names of files, contents, and those of archives."""
    for part in message.walk():
        yield from (str(email.header.make_header(email.header.decode_header(value))) for value in map(str, part.values()))
        yield str(part.get_filename())
        data = part.get_payload(decode=True)
        if isinstance(data, bytes):
            yield data.decode(part.get_content_charset() or "utf-8", "replace")
            if data.startswith(b"PK"):
                with zipfile.ZipFile(io.BytesIO(data)) as archive:
                    yield from (archive.read(name).decode() for name in archive.namelist())


def other_shape(data: bytes) -> list[object]:
    """What a parser in Rust says of a message."""
    found = fast_mail_parser.parse_email(data)
    return [list(found.headers), len(found.text_plain), len(found.text_html), [one.mimetype for one in found.attachments]]


def check(mail: MadeMail, old: bytes, new: bytes) -> None:
    """Check the copy of a mail."""
    before, after = email.message_from_bytes(old), email.message_from_bytes(new)
    assert shape(after) == shape(before)
    assert other_shape(new) == other_shape(old)
    said = "\n".join(texts(before))
    assert [value for value in mail.planted if value not in said] == []
    left = "\n".join(texts(after))
    assert [value for value in mail.planted if value in left or value.encode() in new] == []
    assert new.count(b"\r\n") - new.count(b"\n") == (0 if b"\r\n" in old else -new.count(b"\n"))


@pytest.mark.slow
@pytest.mark.parametrize("number", range(_BOXES))
def test_mailboxes(number: int) -> None:
    some = made()[number * _EACH : (number + 1) * _EACH]
    data = boxed(some)
    found = rewritten(data, "a.mbox", LOW)
    assert (found.cleaned.result, found.cleaned.reason) == ("cleaned", None)
    assert found.data is not None
    old, new = ([message for _, _, message, _ in messages(reader_source(box, Kind(MAILBOX, "latin-1")))] for box in (data, found.data))
    assert len(old) == len(new) == _EACH
    for mail, before, after in zip(some, old, new, strict=True):
        check(mail, before, after)


@pytest.mark.slow
@pytest.mark.parametrize("number", range(_EACH * _BOXES, _EACH * _BOXES + _ALONE))
def test_mails(number: int) -> None:
    mail = made()[number]
    found = rewritten(mail.data, "a.eml", LOW)
    assert (found.cleaned.result, found.cleaned.reason) == ("cleaned", None)
    assert found.data is not None
    check(mail, mail.data, found.data)
