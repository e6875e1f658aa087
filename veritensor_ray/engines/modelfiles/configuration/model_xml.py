"""Looks at models in XML (PMML, OpenVINO, lists of plug-ins) for what makes a parser read other files. No entity is resolved."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO

from veritensor_ray.core import bounds
from veritensor_ray.engines.base import Hit
from veritensor_ray.engines.modelfiles.configuration.nodes import NodeDocument, Parsed, decoded
from veritensor_ray.engines.modelfiles.configuration.seen import ENTITY, EXHAUSTS, LIBRARY
from veritensor_ray.engines.modelfiles.effects import clean
from veritensor_ray.engines.modelfiles.path_names import leaves_folder

_HEAD = 1 << 16
_MODEL = re.compile(r"<(?:\w+:)?PMML\b|<net\b|<ie>|<plugins?\b|<CustomLayer\b|<!DOCTYPE\s+(?:\w+:)?(?:PMML|net|ie|plugins)\b")
_ENTITY = re.compile(
    r"<!ENTITY\s+(?:%\s+)?[^\s\"'<>]{1,200}\s+(?:SYSTEM\s+|PUBLIC\s+(?:\"[^\"]{0,500}\"|'[^']{0,500}')\s+)(\"[^\"]{0,2000}\"|'[^']{0,2000}')"
)
_DTD = re.compile(
    r"<!DOCTYPE\s+[^\s\[>]{1,200}\s+(?:SYSTEM\s+|PUBLIC\s+(?:\"[^\"]{0,500}\"|'[^']{0,500}')\s+)(\"[^\"]{0,2000}\"|'[^']{0,2000}')"
)
_INCLUDE = re.compile(r"<(?:\w{1,40}:)?include\b[^<>]{0,2000}?\bhref\s*=\s*(\"[^\"]{0,2000}\"|'[^']{0,2000}')")
_PLUGIN = re.compile(
    r"<(?:plugin|extension|Source)\b[^<>]{0,1000}?\b(?:location|path|library|filename)\s*=\s*(\"[^\"]{0,1000}\"|'[^']{0,1000}')"
)
_NESTED = re.compile(r"<!ENTITY\s+(?:%\s+)?[^\s\"'<>]{1,200}\s+[\"'](?:[^\"'<>&]{0,500}&[^;\s]{1,200};){4}")
_LEVELS = 3  # definitions that repeat others, from which on their text grows beyond all bounds
_SHOWN = 100


def scan_model_xml(file: BinaryIO) -> Iterator[Hit]:
    """Yield what a model in XML makes its parser read, and the libraries that it names."""
    text, encoding, mark = decoded(file.read(bounds.CONFIG))
    if not _MODEL.search(text[:_HEAD]):
        return
    document = NodeDocument(Parsed([]), text, encoding, mark)
    for pattern, what in (
        (_ENTITY, "an external entity is"),
        (_DTD, "its document type is read from"),
        (_INCLUDE, "another file is included:"),
    ):
        for number, match in enumerate(pattern.finditer(text)):
            if number < _SHOWN and not match[1][1:-1].startswith(("http://www.dmg.org/", "https://www.dmg.org/")):
                yield _hit(document, match, ENTITY, what)
    if len(_NESTED.findall(text[: bounds.COMMAND])) >= _LEVELS and (first := _NESTED.search(text)):
        yield Hit(
            EXHAUSTS, document.place(first.start()), document.place(first.end()), message="entities that repeat others", evidence="entities"
        )
    for match in _PLUGIN.finditer(text):
        location = match[1][1:-1]
        if leaves_folder(location):
            yield _hit(document, match, LIBRARY, "a plug-in is loaded from", high=True)


def _hit(document: NodeDocument, match: re.Match[str], rule: str, what: str, high: bool = False) -> Hit:
    start, end = document.place(match.start()), document.place(match.end())
    target = clean(match[1][1:-1])
    return Hit(rule, start, end, severity="high" if high else None, message=f"{what} {target}", evidence=target)
