"""What takes the place of a value: a mask, or a pseudonym."""

from __future__ import annotations

from veritensor_ray.clean.actions import Action
from veritensor_ray.findings.marks import Mark


class Replacements:
    """Returns what takes the place of a value."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def __call__(self, mark: Mark, action: Action, keep_length: bool, original: str) -> str:
        return f"[{mark.rule.partition('.')[2].upper().replace('-', '_')}]"
