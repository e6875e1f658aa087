"""Places in any bytes: before, behind, between and over them, over each run of letters, and over each run of zeros."""

from __future__ import annotations

import re
from collections.abc import Iterator

from bench.account.canary import EMAIL, FORMS, TEXT, Place, in_all_forms, put, put_all, spliced

_LETTERS = re.compile(rb"[ -~]{%d,}" % len(EMAIL))
_WIDE = re.compile(rb"(?:[ -~]\x00){%d,}" % len(EMAIL))
_ZEROS = re.compile(rb"\x00{%d,}" % (max(map(len, FORMS.values())) + 8))
_STEPS = 24  # places for bytes between and over other bytes, spread evenly


def byte_places(data: bytes) -> Iterator[Place]:
    """Yield places in a file that is not text."""
    yield from put_all("bytes before the file", "", data, 0)
    yield from put_all("bytes behind the file", "", data, len(data))
    yield from put_all("bytes behind the file, after zeros", "", data + bytes(64), len(data) + 64)
    for at in sorted({len(data) * step // _STEPS for step in range(1, _STEPS)}):
        yield from put_all("bytes inserted", str(at), data, at)
        yield from _over("bytes overwritten", str(at), data, at)
    for match in _ZEROS.finditer(data):
        yield from _over("padding", "", data, match.start() + 4)
    yield from _runs(data, _LETTERS, "latin-1", "run of letters")
    yield from _runs(data, _WIDE, "utf-16-le", "run of letters, UTF-16")


def _over(kind: str, where: str, data: bytes, at: int) -> Iterator[Place]:
    """Yield places in which other bytes are overwritten, so the length stays except at the end."""
    return in_all_forms(kind, where, lambda raw: spliced(data, at, raw, at + len(raw)))


def _runs(data: bytes, pattern: re.Pattern[bytes], codec: str, kind: str) -> Iterator[Place]:
    """Yield a place for each run of letters, whose length stays."""
    for match in pattern.finditer(data):
        run = match.group().decode(codec)
        text = TEXT if len(run) >= len(TEXT) else EMAIL
        word = (text + " " * (len(run) > len(text))).encode(codec)
        label = re.sub(r"[^A-Za-z]+", " ", run).strip()[:12]
        yield put(kind, label, data, match.start(), word, match.start() + len(word))
