"""Checks llamafiles: programs for several systems, whose beginning is also a shell script that they run. Nothing is started."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO

from veritensor_ray.engines.base import Hit
from veritensor_ray.engines.modelfiles.effects import Effect, Found

_STARTS = (b"MZqFpD='", b"jartsr='", b"APEDBG='")
_HEAD = 1 << 16  # bytes in which the script stands
# Commands that Cosmopolitan's own script does not contain: it copies and marks a program, and starts it.
_FETCHES = re.compile(
    rb"\b(?:curl|wget|nc|ncat|socat|fetch|ftp|scp|ssh|telnet)\s[^\n]{0,200}|/dev/(?:tcp|udp)/[^\n]{0,100}|https?://[^\s'\"]{1,200}"
)
_RUNS = re.compile(
    rb"\|\s*(?:/bin/|/usr/bin/)?(?:ba|da|z)?sh\b[^\n]{0,100}|\bbase64\s+(?:-d|--decode|-D)[^\n]{0,100}|\beval\s[^\n]{0,200}"
    rb"|\b(?:python[23]?|perl|ruby|osascript|powershell)\s+-[ec][^\n]{0,200}|\b(?:crontab|nohup|chattr|launchctl|systemctl)\s[^\n]{0,100}"
    rb"|>>?\s*~?/?(?:etc|root|home|\.ssh|\.bashrc|\.profile)[^\n]{0,100}|\brm\s+-rf\s[^\n]{0,100}"
)


def is_ape(head: bytes) -> bool:
    """Return whether a file begins like a program of Cosmopolitan."""
    return head.startswith(_STARTS)


def scan_ape(file: BinaryIO) -> Iterator[Found]:
    """Yield hits for what the script at the beginning fetches or runs beyond the program itself."""
    head = file.read(_HEAD)
    yield Effect("runs", "a program", "unknown", "a llamafile is a program, and programs are not read", 0, 8)
    for pattern, what in ((_FETCHES, "fetches"), (_RUNS, "runs")):
        if found := pattern.search(head):
            text = found.group().decode("latin-1").strip()
            message = f"the script at the beginning {what} more than the program: {text}"
            yield Hit("modelfiles.llamafile-script", *found.span(), message=message, evidence=text[:300])
