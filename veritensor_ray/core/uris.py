"""What a URI refers to: a path of this machine, or an object in a store. Local URIs are parsed only here; nothing is opened."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

TABLES = ("delta", "iceberg", "lance")  # the kinds of tables that a URI may name, as in delta+s3://bucket/table
DATASET = "hf"  # names a dataset of Hugging Face in the same way
_NAMED = re.compile(rf"({'|'.join((*TABLES, DATASET))})\+(?=[a-z0-9]+://)")
_LOCAL = re.compile(rf"(?:{_NAMED.pattern})?(?:file|local)://")


def named_kind(uri: str) -> tuple[str | None, str]:
    """Returns which kind of table or dataset a URI names, if it names one, and the URI of its folder."""
    found = _NAMED.match(uri)
    return (found[1], uri[found.end() :]) if found else (None, uri)


def one_form(location: str) -> str:
    """Returns an address that another program wrote in the one form that is used here: several schemes mean the same store."""
    scheme, found, rest = location.partition(":/")
    if not found:
        return location
    if scheme == "file":
        return "/" + rest.lstrip("/")
    return f"{'s3' if scheme in ('s3a', 's3n') else scheme}:/{rest}"


def is_local(uri: str) -> bool:
    """Whether a URI refers to a path of this machine."""
    return "://" not in uri or _LOCAL.match(uri) is not None


def local_path(uri: str) -> Path:
    """Returns the absolute path of a local URI, without following links. `~` is the user's home."""
    path = Path(_LOCAL.sub("", uri, count=1))
    try:
        return path.expanduser().absolute()
    except RuntimeError:  # `~name` of an unknown user: it may be the name of a file
        return path.absolute()


def real_base(uri: str) -> Path | None:
    """Returns the folder or file of a local source, with links followed; for a glob, the folder before its first wildcard. None for other stores."""
    if not is_local(uri):
        return None
    base = local_path(uri)
    while set(str(base)) & set("*?[") and not os.path.lexists(base):
        base = base.parent
    return Path(os.path.realpath(base))  # Path.resolve raises for links that lead to themselves


def real_bases(sources: Iterable[str]) -> list[Path]:
    """Returns the folders and files of all local sources."""
    return [base for base in map(real_base, sources) if base is not None]
