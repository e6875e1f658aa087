"""What takes the place of a finding: a mask that names its kind, or a pseudonym."""

from __future__ import annotations

from functools import lru_cache

from veritensor_ray.cleaning.names.renames import Renames
from veritensor_ray.cleaning.pseudonyms import pseudonym
from veritensor_ray.formats.editing.actions import Action
from veritensor_ray.formats.editing.marks import REFERENCE, Mark

_NAMED = ("pii", "secrets")  # engines whose rules name the kind of a value
_LABELS = {"pii.date-of-birth": "DATE"}  # a word for birth would make the next date one
_PAD = "_"
_SHORT = 256  # characters of masks that are remembered; a hostile file may ask for long ones of every length
_known_pseudonym = lru_cache(1 << 16)(pseudonym)


class Replacements:
    """Returns the text that takes the place of a finding. Equal keys and originals give equal texts in every process. Can be pickled."""

    def __init__(self, key: bytes, renames: Renames | None = None) -> None:
        self._key, self._renames = key, renames

    def __call__(self, mark: Mark, action: Action, keep_length: bool, original: str) -> str:
        """Return a pseudonym, if that is the action and there is one, or else a mask. `original` is the text to be replaced."""
        if action is Action.PSEUDONYM and (made := self._pseudonym(mark, original)) is not None:
            return made
        return mask(mark.rule, len(original) if keep_length else None)

    def _pseudonym(self, mark: Mark, original: str) -> str | None:
        if mark.text is None or mark.view == "decoded":
            return None  # the original is bytes or encoded, and nobody would read what takes its place as such a value
        if mark.rule == REFERENCE:
            return self._renames.new(mark.text) if self._renames is not None else None
        if mark.straight and original != mark.text:
            return None  # the original is this value together with others
        return _known_pseudonym(self._key, mark.rule, mark.text)


def mask(rule: str, length: int | None = None) -> str:
    """Return the mask for findings of a rule: `[EMAIL]` for `pii.email`. With a length, it is shortened or filled up to have it."""
    return _short_mask(rule, length) if length is None or length <= _SHORT else _mask(rule, length)


def _mask(rule: str, length: int | None) -> str:
    engine, _, name = rule.partition(".")
    label = _LABELS.get(rule) or name.upper().replace("-", "_") if engine in _NAMED and not name.startswith("custom-") else "REMOVED"
    if length is None:
        return f"[{label}]"
    if length < 3:
        return _PAD * length
    return f"[{label[: length - 2].ljust(length - 2, _PAD)}]"


_short_mask = lru_cache(1 << 12)(_mask)  # a million of them may wait to be written
