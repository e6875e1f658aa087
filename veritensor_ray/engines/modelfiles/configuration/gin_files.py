"""Judges the configuration language gin: what it imports, the functions whose results it uses, and the parameters that it binds."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO

from veritensor_ray.core import bounds
from veritensor_ray.core.segments import Gap
from veritensor_ray.engines.base import FileInfo, Hit
from veritensor_ray.engines.modelfiles.configuration.nodes import NodeDocument, Parsed, decoded
from veritensor_ray.engines.modelfiles.configuration.seen import OUTSIDE, TARGET
from veritensor_ray.engines.modelfiles.configuration.target_names import is_path, judged_target
from veritensor_ray.engines.modelfiles.effects import Effect, Found, clean
from veritensor_ray.engines.modelfiles.naming.judgement import NamePolicy
from veritensor_ray.engines.modelfiles.path_names import leaves_folder

_PATH = r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*"
_IMPORT = re.compile(rf"^[ \t]*(?:from[ \t]+({_PATH})[ \t]+)?import[ \t]+({_PATH})(?:[ \t]+as[ \t]+(\w+))?", re.MULTILINE)
_REFERENCE = re.compile(rf"@(?:\w+/)*({_PATH})")
_BINDING = re.compile(rf"^[ \t]*(?:\w+/)*({_PATH})\.\w+[ \t]*=", re.MULTILINE)
_INCLUDE = re.compile(r"^[ \t]*include[ \t]+[\"']([^\"'\n]{1,1000})", re.MULTILINE)


def look_at_gin(file: BinaryIO, about: FileInfo, policy: NamePolicy) -> Iterator[Found]:
    """Yield what parsing a file of gin imports, calls and reads."""
    data = file.read(bounds.CONFIG + 1)
    text, encoding, mark = decoded(data[: bounds.CONFIG])
    document = NodeDocument(Parsed([]), text, encoding, mark)
    names = {match[3] or match[2].split(".")[0]: _imported(match) for match in _IMPORT.finditer(text)}
    yield from _targets(document, names, policy)
    for match in _INCLUDE.finditer(text):
        if leaves_folder(match[1]):
            place = document.place(match.start(1)), document.place(match.end(1))
            yield Hit(OUTSIDE, *place, message=f"configuration is read from {clean(match[1])}", evidence=clean(match[1]))
    if len(data) > bounds.CONFIG:
        yield Gap(f"the configuration after its first {bounds.CONFIG} bytes was not checked", engine="modelfiles", bound="config_bytes")


def _imported(match: re.Match[str]) -> str:
    """Return what the name of an import stands for."""
    name = f"{match[1]}.{match[2]}" if match[1] else match[2]
    return name if match[1] or match[3] else name.split(".")[0]


def _targets(document: NodeDocument, names: dict[str, str], policy: NamePolicy) -> Iterator[Found]:
    known: set[str] = set()
    for pattern in (_REFERENCE, _BINDING):
        for match in pattern.finditer(document.text):
            first, dot, rest = match[1].partition(".")
            path = names.get(first, first) + dot + rest
            if path in known or not is_path(path):
                continue
            if len(known) == bounds.CONFIG_NODES:
                yield Gap("the rest of the configuration was not checked", engine="modelfiles", bound="config_nodes")
                return
            known.add(path)
            target, place = judged_target(path, policy), (document.place(match.start(1)), document.place(match.end(1)))
            if target.verdict == "dangerous":
                message = f"the configuration calls {path[:200]}"
                yield Hit(TARGET, *place, severity=target.severity, message=message, evidence=path[:1000])
            elif first in names:
                yield Effect("calls", path[:200], target.verdict, target.why, *place)
