"""Fits changes to Markdown: a replacement in brackets does not become a link, and metadata before the text stays valid."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from veritensor_ray.formats.editing.edits import Edit
from veritensor_ray.formats.editing.spans import Range
from veritensor_ray.formats.text.toml_rewriting import fit_toml
from veritensor_ray.formats.text.yaml_rewriting import fit_yaml

_FRONT = re.compile(r"\A(---|\+\+\+)[ \t]*\r?\n(.*?)^\1[ \t]*\r?$", re.DOTALL | re.MULTILINE)
_MARK = re.compile(r"^ {0,3}(?P<fence>`{3,}|~{3,})[^\n]*|(?P<code>`+)|(?P<comment><!--)", re.MULTILINE)
_REACH = 4096  # characters that code within a line may have


def fit_markdown(text: str, edits: Sequence[Edit], pulse: Callable[[], None]) -> list[Edit]:
    """Return the edits as Markdown needs them. Raises CannotRewriteError if the metadata at the beginning would no longer be valid."""
    if not edits:
        return []
    front = _FRONT.match(text)
    begin, end = front.span(2) if front else (0, 0)
    above = [Edit(edit.start - begin, edit.end - begin, edit.text) for edit in edits if begin <= edit.start and edit.end <= end]
    fit = fit_toml if front and front[1] == "+++" else fit_yaml
    fitted = [Edit(edit.start + begin, edit.end + begin, edit.text) for edit in fit(text[begin:end], above, pulse)] if above else []
    return fitted + [_escaped(text, edit) for edit in edits if not (begin <= edit.start and edit.end <= end and above)]


def _escaped(text: str, edit: Edit) -> Edit:
    """Return an edit whose brackets stay brackets: before a parenthesis, a bracket or a colon, or after one, they would make a link."""
    if edit.text[:1] != "[" or not (
        text[edit.end : edit.end + 1] in ("(", "[", ":") or text[max(0, edit.start - 1) : edit.start] in ("!", "]")
    ):
        return edit
    return edit._replace(text=edit.text.replace("[", "\\[").replace("]", "\\]"))


def markdown_comments(text: str, pulse: Callable[[], None]) -> list[Range]:
    """Return the ranges of the HTML comments outside of code."""
    return list(_comments(text, pulse))


def _comments(text: str, pulse: Callable[[], None]) -> Iterator[Range]:
    at = 0
    while found := _MARK.search(text, at):
        at = found.end()
        pulse()
        if found["fence"]:
            closing = re.compile(rf"^ {{0,3}}{found['fence']}[`~]*[ \t]*\r?$", re.MULTILINE).search(text, at)
            at = closing.end() if closing else len(text)
        elif found["code"]:
            closing = re.compile(rf"(?<!`){found['code']}(?!`)").search(text, at, at + _REACH)
            at = closing.end() if closing and "\n\n" not in text[at : closing.start()] else at
        else:
            at = text.find("-->", found.start() + 4) + 3
            if at < 3:
                return
            yield found.start(), at
