"""The tables of frameworks. Each is a YAML file beside this module; titles and reasons are in our own words."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any, Literal, get_args

from veritensor_ray.core.detection import unknown_value
from veritensor_ray.core.errors import UsageError

FRAMEWORKS = ("eu-ai-act", "nist-ai-rmf", "iso-42001", "owasp-llm")
Status = Literal["evidence", "partial", "none"]
STATUSES: tuple[Status, ...] = get_args(Status)


@dataclass(frozen=True, slots=True)
class Row:
    """One item of a framework, and what an audit can say about it at most.

    `findings` selects the findings that matter by `categories`, `engines` or `taxonomy`; an empty mapping selects all, None selects none.
    `engines` have to have run, or there is no evidence. `facts` are names in facts.FACTS. `needs` is a kind of run: `sweep` or `policy`.
    """

    id: str
    title: str
    at_most: Status
    reason: str
    engines: tuple[str, ...] = ()
    findings: Mapping[str, Any] | None = None
    facts: tuple[str, ...] = ()
    needs: str | None = None


@dataclass(frozen=True, slots=True)
class Framework:
    """A framework: the document that its items are numbered in, and to whom it applies."""

    name: str
    title: str
    document: str
    scope: str
    items: tuple[Row, ...] = field(default_factory=tuple)


@functools.cache
def framework(name: str) -> Framework:
    """Return the table of a framework. Raises UsageError for an unknown name."""
    import yaml

    if name not in FRAMEWORKS:
        raise UsageError(unknown_value("framework", name, FRAMEWORKS))
    content = yaml.safe_load(files(__package__).joinpath(f"{name}.yaml").read_text(encoding="utf-8"))
    items = tuple(Row(**row | {key: tuple(row[key]) for key in ("engines", "facts") if key in row}) for row in content.pop("items"))
    return Framework(name, items=items, **content)
