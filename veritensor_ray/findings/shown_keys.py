"""How the key of a row is shown: as names and values, without those of columns in which something was found."""

from __future__ import annotations

import json
from collections.abc import Collection

from veritensor_ray.masking.redaction import visible

MASKED = "•••"


def shown(key: str, found_in: Collection[str]) -> str:
    """Return what `formats.columnar.keyed_rows.written` gave for a row as people read it: `id=17, region=eu`. Its forms of secrets are not masked yet."""
    text = ", ".join(f"{name}={MASKED if name in found_in and value is not None else _text(value)}" for name, value in json.loads(key))
    return visible(text.encode("utf-8", "replace").decode())


def _text(value: str | None) -> str:
    return "null" if value is None else value


__all__ = ["MASKED", "shown"]
