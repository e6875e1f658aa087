"""Says what a graph would do: an effect for the verdict, with a hit if the rules have one for it. It does not depend on any format."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from veritensor_ray.core import bounds
from veritensor_ray.core.config import Severity
from veritensor_ray.core.errors import Malformed
from veritensor_ray.engines.base import Hit
from veritensor_ray.engines.modelfiles.effects import Effect, EffectKind, Found, clean
from veritensor_ray.engines.modelfiles.path_names import leaves_folder

CODE, FILES, NETWORK, CUSTOM, MALFORMED, COMPILED, EXHAUSTION = (
    f"modelfiles.graph-{name}"
    for name in ("code", "file-access", "network-access", "custom-operators", "malformed", "compiled", "exhaustion")
)
_PATH = re.compile(r"/[\w.-]+/|\.\.[/\\]|~/|[A-Za-z]:[/\\]|\\\\\w|[a-z][a-z0-9+]+://", re.IGNORECASE)
Place = tuple[int, int]


@cache
def operators(name: str) -> frozenset[str]:
    """Return the operators of a framework's own registry: the standard ones."""
    return frozenset(Path(__file__).with_name("operators").joinpath(f"{name}.txt").read_text("utf-8").split())


def digest_operators() -> str:
    """Return everything that the lists of operators contain."""
    return "\n".join(path.read_text("utf-8") for path in sorted(Path(__file__).with_name("operators").glob("*.txt")))


def looks_like_path(text: str) -> bool:
    """Return whether a text leads somewhere outside of a model: an absolute or climbing path, or an address."""
    return len(text) < bounds.PATH and (_PATH.match(text) is not None or (".." in text and leaves_folder(text)))


def danger(rule: str, kind: EffectKind, what: str, why: str, place: Place, severity: Severity = "high") -> Iterator[Found]:
    """Yield a hit, which the verdict takes into account."""
    what = clean(what)
    yield Hit(rule, *place, severity=severity, message=f"{kind} {what[:200]}; {why}"[:500], evidence=what)


def foreign(name: str, own: str, place: Place, severity: Severity = "medium") -> Iterator[Found]:
    """Yield a hit for an operator that is not one of a framework's own."""
    yield from danger(CUSTOM, "calls", name, f"it is not one of {own}, and needs a library of its own", place, severity)


def inert(kind: EffectKind, what: str, why: str, place: Place = (0, 0)) -> Effect:
    """Return an effect that was proven to be harmless."""
    return Effect(kind, what[:300], "inert", why, *place)


def unknown(kind: EffectKind, what: str, why: str, place: Place = (0, 0)) -> Effect:
    """Return an effect that was not understood."""
    return Effect(kind, what[:300], "unknown", why, *place)


def broken(error: Malformed, rule: str = MALFORMED) -> Hit:
    """Return the hit for a file that is not well-formed from some point on."""
    return Hit(rule, 0, 8, message=str(error), evidence=str(error))
