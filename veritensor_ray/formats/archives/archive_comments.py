"""Changes the comments of archives, which readers yield as metadata under the name of what they belong to."""

from __future__ import annotations

from veritensor_ray.formats.editing.actions import Strippable
from veritensor_ray.formats.editing.edits import Orders, Unit, applied


def changed_comment(orders: Orders, of: str, comment: bytes) -> bytes | None:
    """Return a comment of the member `of` with its orders carried out, or None if it stays as it is.

    Orders for a comment that is not UTF-8 stay undone: its characters are not those that the engines saw.
    """
    unit = Unit(column=of[:256])
    if Strippable.METADATA in orders.strip and comment.strip(b"\x00 \r\n\t"):
        orders.stripped(Strippable.METADATA)
        for order in orders.units.get(unit, ()):
            orders.tick(order)
        return b""
    if unit not in orders.units:
        return None
    try:
        text = comment.decode()
    except UnicodeDecodeError:
        return None
    if orders.drops_cell(unit):
        return b""
    edits = orders.edits(unit, text)
    return applied(text, edits).encode() if edits else None
