"""Keeps the RECORD of a Python wheel true: it lists the digest and the size of every file, and installers may check them."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import NamedTuple

from veritensor_ray.formats.editing.actions import CannotRewriteError

_RECORD = re.compile(r"[^/]+\.dist-info/RECORD")
_LINE = re.compile(rb'^(?P<name>"(?:[^"]|"")*"|[^,"\r\n]*),(?P<digest>[^,\r\n]*),(?P<size>[^,\r\n]*)(?P<end>\r?)$', re.MULTILINE)


class RecordLine(NamedTuple):
    """What RECORD says about a file: the SHA-256 of its content, and its size in bytes."""

    digest: bytes
    size: int


def is_record(name: str) -> bool:
    """Return whether a member of a zip is the RECORD of a wheel."""
    return _RECORD.fullmatch(name) is not None


def updated(record: bytes, changed: Mapping[str, RecordLine]) -> bytes:
    """Return a RECORD with the new digests and sizes of the files that changed. Raises CannotRewriteError if it uses another algorithm."""

    def line(found: re.Match[bytes]) -> bytes:
        name = found["name"].strip(b'"').replace(b'""', b'"').decode("utf-8", "replace")
        new = changed.get(name)
        if new is None or not found["digest"]:
            return found.group()
        if not found["digest"].startswith(b"sha256="):
            raise CannotRewriteError("its RECORD has digests of another algorithm than SHA-256")
        digest = base64.urlsafe_b64encode(new.digest).rstrip(b"=")
        size = str(new.size).encode() if found["size"] else b""
        return b"%b,sha256=%b,%b%b" % (found["name"], digest, size, found["end"])

    return _LINE.sub(line, record)
