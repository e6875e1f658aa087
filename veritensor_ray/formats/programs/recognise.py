"""Recognizes compiled Python, whose first two bytes change with each version."""

from __future__ import annotations


def is_bytecode(head: bytes) -> bool:
    """Whether a file begins like a module of PEP 552: flags, and a code object after the header."""
    return head[2:4] == b"\r\n" and head[5:8] == b"\x00\x00\x00" and head[4:5] in b"\x00\x01\x03" and head[16:17] in b"\xe3c"
