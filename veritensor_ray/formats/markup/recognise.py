"""Recognizes HTML by the beginning of a text."""

from __future__ import annotations

import re

_BEGIN = re.compile(r"(<!--.*?-->\s*)?(<!doctype html|<html)", re.IGNORECASE | re.DOTALL)


def begins_html(start: str) -> bool:
    """Whether a text begins as a web page."""
    return _BEGIN.match(start) is not None
