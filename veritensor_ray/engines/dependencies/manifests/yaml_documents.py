"""Reads YAML without types: every scalar is text, and an alias is one more reference to the same list or mapping."""

from __future__ import annotations

from typing import Any

import yaml

from veritensor_ray.core import bounds
from veritensor_ray.core.errors import told
from veritensor_ray.engines.dependencies.advisory_model import Unparsable

_LARGEST = bounds.CONDA  # characters: a megabyte of YAML takes seconds
# No tags, no numbers, no dates, no merge keys.
_Loader: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)


def checked(text: str) -> str:
    """Return a text that is not too large to be read. Raises Unparsable."""
    if len(text) > _LARGEST:
        raise Unparsable(f"it is larger than {_LARGEST} characters")
    return text


def documents(text: str) -> list[Any]:
    """Return all documents of a file. Raises Unparsable."""
    try:
        return list(yaml.load_all(checked(text), Loader=_Loader))
    except (yaml.YAMLError, ValueError, RecursionError, AttributeError) as error:
        raise Unparsable(f"it is not valid YAML: {told(error)}") from None
