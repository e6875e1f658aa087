"""Check the arguments of the public functions, and say what to pass instead."""

from __future__ import annotations

import os
from collections.abc import Collection

from veritensor_ray.core.errors import UsageError
from veritensor_ray.core.wording import nearest


def path_of(what: object, role: str) -> str:
    """Returns a path or URI as text. Raises UsageError, which says what to pass instead."""
    if isinstance(what, (str, os.PathLike)) and (text := os.fsdecode(what)):
        return text
    got = "an empty name" if isinstance(what, str) else described(what)
    raise UsageError(f"{role} must be a path or a URI, not {got}. {_remedy(what)}")


def described(what: object) -> str:
    kind = type(what)
    return "None" if what is None else kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _remedy(what: object) -> str:
    """Returns advice on what to pass instead of an object that is neither text nor bytes nor a path."""
    if any(hasattr(what, name) for name in ("to_parquet", "to_table", "schema", "dtypes", "to_frame")):
        return "Write a table to a Parquet file and pass its path: veritensor_ray.scan(PATH) or veritensor_ray.inspect(Path(PATH))"
    if hasattr(what, "read"):
        return "Pass the path of an open file, or inspect what its read() returns"
    if isinstance(what, (list, tuple, set, frozenset, dict)):
        return "Inspect the texts one by one, or write them to a file and pass its path"
    return "Pass a pathlib.Path or text for a file, a folder or a URI; inspect also takes text and bytes themselves"


def one_of(value: object, allowed: Collection[str], role: str) -> str:
    """Return a word of a fixed set. Raises UsageError, which suggests the nearest one."""
    if isinstance(value, str) and value in allowed:
        return value
    near = nearest(value, allowed) if isinstance(value, str) else None
    shown = repr(value) if isinstance(value, str) else described(value)
    hint = f"did you mean {near!r}?" if near else f"choose from {', '.join(allowed)}"
    raise UsageError(f"{role} cannot be {shown}; {hint}")
