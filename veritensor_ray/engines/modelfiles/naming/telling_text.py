"""Tells texts that look like code, a command, a path or an address from labels and prose. It depends on no format."""

from __future__ import annotations

import re

_CODE = re.compile(
    r"__\w+__|\b(?:import|exec|eval|lambda|compile|open|getattr|system|popen|subprocess|globals|breakpoint)\s*[\w(*:.]"
    r"|\b(?:from|def|class)\s+\w+\s*(?:import\b|\(|:)|\w\.\w+\(|\bprint\s*\("
)
_COMMAND = re.compile(
    r"^\s*(?:/?(?:usr/)?(?:s?bin/)?)?(?:ba|z|da|k|c)?sh\s|^\s*(?:sudo|curl|wget|nc|ncat|python\d?|perl|ruby|php|powershell|pwsh|cmd|certutil|bash|chmod|chown|rm|cp|mv|touch|cat|tee"
    r"|echo|nohup|ssh|scp|calc|calc\.exe|whoami|id|env|printenv|mkfifo|crontab|kill|dd|tar|xterm|open)(?:\s|$|\.exe)|[|&;]\s*(?:\w*sh|curl|wget|nc|python\d?)\b|\$\(|`[^`]+`|>\s*/"
    r"|(?:-c|-e|-enc|/c)\s",
    re.IGNORECASE,
)
_ADDRESS = re.compile(r"\b(?:[a-z][a-z0-9+.-]*):\/\/|\b\d{1,3}(?:\.\d{1,3}){3}\b|^\\\\[\w.-]+\\", re.IGNORECASE)
_PATH = re.compile(
    r"^(?:~?/|\.{1,2}[/\\]|[A-Za-z]:[\\/])\S|[/\\]\.{1,2}[/\\]|^[\w.-]+(?:/[\w.-]+)+\.\w{1,5}$|^[\w-]+\.(?:py|sh|so|dll|dylib|exe|bat|ps1|pkl|pickle|pt|pth|bin|whl)$"
)
_LONGEST = 4096


def telling(text: str) -> str:
    """Return what a text looks like (`an address`, `a command`, `code`, `a path`), or an empty string."""
    text = text[:_LONGEST]
    for pattern, what in ((_ADDRESS, "an address"), (_CODE, "code"), (_COMMAND, "a command"), (_PATH, "a path")):
        if pattern.search(text):
            return what
    return ""
