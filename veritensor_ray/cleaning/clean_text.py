"""Clean one text that is a value in memory, and not part of a file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from veritensor_ray.cleaning.cleaning_policy import CleanPolicy
from veritensor_ray.formats.editing.actions import Action, Strippable
from veritensor_ray.formats.editing.edits import Order, Orders, Replace, applied
from veritensor_ray.formats.editing.marks import Mark
from veritensor_ray.formats.editing.spans import NEEDLESS

_WHOLE = (Action.DROP_ROW, Action.DROP_FILE, Action.QUARANTINE)


def cleaned(
    text: str, scanned: str, marks: Iterable[Mark], policy: CleanPolicy, categories: Mapping[str, str], replace: Replace, name: str
) -> str | None:
    """Return a text as the policy wants it; None if it is to be dropped, or held back because a finding cannot be replaced in it.

    `scanned` is the text as engines saw it, with as many characters. `categories` holds the category of each rule, and `name` stands for
    the name of a file. A mark that names a member is in a file that was encoded in the text, where nothing can be replaced.
    """
    orders = []
    for number, mark in enumerate(marks):
        action, keep_length, _ = policy.decide(mark, categories[mark.rule], name)
        if action in _WHOLE:
            return None
        if action is not Action.KEEP:
            orders.append(Order(number, mark, action, keep_length))
    changed = _changed(text, scanned, orders, replace)
    if changed is None:
        return text if policy.unsupported == "copy" else None
    return NEEDLESS.sub("", changed) if Strippable.HIDDEN_TEXT in policy.strips(name) else changed


def _changed(text: str, scanned: str, given: list[Order], replace: Replace) -> str | None:
    """Carry out all orders. Returns None if one of them cannot be carried out."""
    orders = Orders(given, frozenset(), replace)
    for unit in orders.units:  # there is only one, because all marks are in this text
        text = "" if orders.drops_cell(unit) else applied(text, orders.edits(unit, scanned))
    return None if orders.undone else text
