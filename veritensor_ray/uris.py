"""What a URI names: a path of this machine, or something in a store; the one place that takes local ones apart. It opens nothing."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

_LOCAL = re.compile(r"(?:file|local)://")


def is_local(uri: str) -> bool:
    """Whether a URI names a path of this machine."""
    return "://" not in uri or _LOCAL.match(uri) is not None


def local_path(uri: str) -> Path:
    """The absolute path that a local URI names, links not followed. `~` is the user's home."""
    path = Path(_LOCAL.sub("", uri, count=1))
    try:
        return path.expanduser().absolute()
    except RuntimeError:  # ~name of nobody: a file may be called so
        return path.absolute()


def real_base(uri: str) -> Path | None:
    """Where the files of a local source lie, links followed: of a glob the folder before its first wildcard. None for other stores."""
    if not is_local(uri):
        return None
    base = local_path(uri)
    while set(str(base)) & set("*?[") and not os.path.lexists(base):
        base = base.parent
    return Path(os.path.realpath(base))  # Path.resolve raises for links that lead to themselves


def real_bases(sources: Iterable[str]) -> list[Path]:
    """Where the files of the local ones among some sources lie."""
    return [base for base in map(real_base, sources) if base is not None]
