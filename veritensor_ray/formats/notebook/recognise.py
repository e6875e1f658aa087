"""Recognizes a Jupyter notebook, which is JSON with cells and a number for its format, often at the end of the file."""

from __future__ import annotations


def is_notebook(text: str, tail: bytes, extension: str) -> bool:
    """Whether JSON that begins with `text` and ends with `tail` is a notebook."""
    return '"cells"' in text and ('"nbformat"' in text or b'"nbformat"' in tail or extension == ".ipynb")
