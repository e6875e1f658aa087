"""Recognizes JSON and JSON lines by the beginning of a text."""

from __future__ import annotations

import json
import re

_BEGIN = re.compile(r'[\[{]\s*(["\]}\[{\d-]|true|false|null|$)')


def begins_json(start: str) -> bool:
    """Whether a text may be JSON: it opens a list or an object, and what follows may stand there."""
    return _BEGIN.match(start) is not None


def is_json_lines(text: str, extension: str) -> bool:
    """Whether JSON is one value on each line: the name says so, or the first two lines are values by themselves."""
    lines = [line for line in "\n".join(text.split("\n", 4)[:4]).splitlines()[:4] if line.strip()]
    return extension in (".jsonl", ".ndjson") or (len(lines) >= 2 and all(line.lstrip()[:1] in "{[" and parses(line) for line in lines[:2]))


def parses(text: str | bytes) -> bool:
    """Return whether a text is a JSON value."""
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
