"""Places in XML, HTML and SVG: attributes, texts, names, comments, instructions, declarations, and between all of them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from bench.account.canary import EMAIL, TEXT, TOKEN, Place

_PIECE = re.compile(r"<!--.*?-->|<!\[CDATA\[.*?\]\]>|<\?.*?\?>|<![^>]*>|<[/A-Za-z_](?:[^<>\"']|\"[^\"]*\"|'[^']*')*>|[^<]+", re.DOTALL)
_NAME = re.compile(r"</?([^\s/>]+)")
_ATTRIBUTE = re.compile(r"([^\s=<>/\"']+)\s*=\s*(\"[^\"]*\"|'[^']*')")
# What is put before and behind tags.
_INSERTED = {
    "comment": f"<!-- {TEXT} -->",
    "comment, without spaces": f"<!--{EMAIL}-->",
    "processing instruction": f"<?note {TEXT}?>",
    "name of a processing instruction": f"<?{TOKEN}?>",
    "CDATA": f"<![CDATA[{TEXT}]]>",
    "text between elements": TEXT,
    "new element": f"<note>{TEXT}</note>",
    "new element in a namespace of its own": f'<q:note xmlns:q="urn:q">{TEXT}</q:note>',
    "name of a new element": f"<{TOKEN}/>",
    "prefix of a new element": f'<{TOKEN}:note xmlns:{TOKEN}="urn:q"/>',
    "namespace of a new element": f'<note xmlns="urn:{TEXT}"/>',
    "attribute of a new element": f'<note value="{TEXT}"/>',
    "script": f"<script>var note = '{TEXT}';</script>",
    "style": f"<style>p {{ content: '{TEXT}' }} /* {TEXT} */</style>",
    "hidden element": f"<template><p hidden>{TEXT}</p></template>",
    "name of a link": f'<a href="http://a.example/{TOKEN}" title="{TEXT}"/>',
}
# What is put behind the name of a tag.
_ADDED = {
    "new attribute": f' note="{TEXT}"',
    "new attribute, in apostrophes": f" note='{TEXT}'",
    "name of a new attribute": f' {TOKEN}="1"',
    "namespace declaration": f' xmlns:note="urn:{TEXT}"',
}
# What is put before the root.
_DECLARED = {
    "entity of a declaration": f'<!DOCTYPE note [<!ENTITY a "{TEXT}">]>',
    "comment of a declaration": f"<!DOCTYPE note [<!-- {TEXT} -->]>",
    "identifier of a declaration": f'<!DOCTYPE note SYSTEM "{TEXT}">',
    "default value of a declaration": f'<!DOCTYPE note [<!ATTLIST note a CDATA "{TEXT}">]>',
}


def is_markup(data: bytes) -> bool:
    """Return whether it begins as markup does."""
    return bool(re.match(rb"(?:\xef\xbb\xbf)?\s*<[A-Za-z?!]", data))


def markup_places(data: bytes) -> Iterator[Place]:
    """Yield places by the last elements that lead to them, so that equal places have equal words."""
    text, path = data.decode("utf-8", "surrogateescape"), list[str]()
    for match in _PIECE.finditer(text):
        piece, here = match.group(), "/".join(path[-3:])
        if piece.startswith("</"):
            yield from _inserted(text, match.start(), f"{here}, at the end")
            del path[-1:]
        elif piece.startswith(("<!", "<?")):
            yield _put(text, match.end() - _closing(piece), f" {TEXT} ", f"in {_sort(piece)}", here)
        elif piece.startswith("<"):
            yield from _of_tag(text, match, path)
        elif piece.strip():
            yield _put(text, match.start(), TEXT, "text", here, match.end())
            yield _put(text, match.end(), f" {TEXT}", "text, at its end", here)
    yield from _inserted(text, 0, "before the root")
    yield from _inserted(text, len(text), "behind the root")
    root = text.find("<", text.find("?>") + 2 if text.startswith("<?xml") else 0)
    yield from (_put(text, max(root, 0), piece, kind, "") for kind, piece in _DECLARED.items())


def _of_tag(text: str, match: re.Match[str], path: list[str]) -> Iterator[Place]:
    """Yield the places in and around an opening tag, which is added to the path unless it closes itself."""
    named = _NAME.match(match.group())
    name = named.group(1) if named else "?"
    here, begins = "/".join([*path[-2:], name]), match.start()
    for attribute in _ATTRIBUTE.finditer(match.group()):
        kind = "namespace" if attribute.group(1).startswith("xmlns") else "attribute"
        start, end = begins + attribute.start(2) + 1, begins + attribute.end(2) - 1
        yield _put(text, start, TEXT, kind, f"{here}/@{attribute.group(1)}", end)
        yield _put(text, end, f" {TEXT}", f"{kind}, at its end", f"{here}/@{attribute.group(1)}")
    yield from (_put(text, begins + len(name) + 1, added, kind, here) for kind, added in _ADDED.items())
    yield from _inserted(text, begins, f"before {here}")
    if not match.group().endswith("/>"):
        path.append(name)
        yield from _inserted(text, match.end(), f"{here}, at the start")


def _inserted(text: str, at: int, where: str) -> Iterator[Place]:
    return (_put(text, at, piece, kind, where) for kind, piece in _INSERTED.items())


def _put(text: str, start: int, piece: str, kind: str, where: str, end: int | None = None) -> Place:
    return Place(kind, where, lambda: (text[:start] + piece + text[start if end is None else end :]).encode("utf-8", "surrogateescape"))


def _closing(piece: str) -> int:
    return 3 if piece.startswith(("<!--", "<![CDATA[")) else 2 if piece.startswith("<?") else 1


def _sort(piece: str) -> str:
    return {"<!--": "a comment", "<![C": "CDATA"}.get(piece[:4], "an instruction" if piece[1] == "?" else "a declaration")
