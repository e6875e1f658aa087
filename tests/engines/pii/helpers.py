"""What the tests of this folder share: one text in, rules and matched texts out."""

from __future__ import annotations

from typing import Any

from veritensor_ray.core.config import Settings
from veritensor_ray.engines.pii import Pii
from veritensor_ray.testing import text_batch


def engine(**pii: Any) -> Pii:
    """Patterns only, unless told otherwise."""
    return Pii(Settings.model_validate({"pii": {"free_text": False, **pii}}))


ENGINE = engine()


def found(text: str, with_engine: Pii = ENGINE) -> list[tuple[str, str]]:
    """Rule name and matched text of every hit."""
    return [(hit.rule.removeprefix("pii."), text[hit.start : hit.end]) for hit in with_engine.scan_text(text_batch([text]))]
