"""Finds objects of LangChain and LangGraph in databases: JSON whose `id` names what is imported and called. The database is not opened."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import BinaryIO

from veritensor_ray.core import bounds
from veritensor_ray.core.segments import Gap
from veritensor_ray.engines.base import Hit
from veritensor_ray.engines.modelfiles.configuration.seen import TARGET
from veritensor_ray.engines.modelfiles.configuration.target_names import is_path, judged_target
from veritensor_ray.engines.modelfiles.effects import Found, clean
from veritensor_ray.engines.modelfiles.naming.judgement import NamePolicy

_VERSION = re.compile(rb"[\"\']lc[\"\']\s{0,5}:\s{0,5}\d")
_ID = re.compile(rb"\"id\"\s{0,5}:\s{0,5}(\[[^\]\x00-\x1f]{1,500}\])")
_AROUND = 1000  # bytes before and after the version in which the id stands
_SHOWN = 20  # names in one file


def scan_stored(file: BinaryIO, policy: NamePolicy) -> Iterator[Found]:
    """Yield the dangerous names that serializers of these libraries would import and call."""
    data = file.read(bounds.SEARCHED_OBJECT)
    seen = set[str]()
    for version in _VERSION.finditer(data):
        for found in _ID.finditer(data, max(0, version.start() - _AROUND), version.end() + _AROUND):
            path = _path(found[1])
            if path in seen or not is_path(path):
                continue
            seen.add(path)
            if (target := judged_target(path, policy)).verdict == "dangerous" and len(seen) <= _SHOWN:
                yield Hit(TARGET, *found.span(1), severity=target.severity, message=clean(f"id is {path}"), evidence=clean(path))
    if file.read(1):
        yield Gap("objects in the rest of the database were not looked for", engine="modelfiles", bound="searched_object")


def _path(listed: bytes) -> str:
    try:
        parts = json.loads(listed)
    except ValueError:
        return ""
    return ".".join(part for part in parts if isinstance(part, str))
