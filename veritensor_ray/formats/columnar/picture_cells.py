"""Images that are values of tables: the orders for their pixels, for the texts in them, and for what follows them, and how they are carried out."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

from veritensor_ray.core import bounds
from veritensor_ray.core.config import Limits
from veritensor_ray.core.reasons import ReasonCode
from veritensor_ray.formats.columnar.leaf_paths import member_name, place_of_member
from veritensor_ray.formats.editing.actions import CannotRewriteError
from veritensor_ray.formats.editing.edits import Order, Orders, Unit
from veritensor_ray.formats.images.rewrite import BEHIND, PROFILES, TRAILING, PictureOrders, changed_picture

_METADATA = "metadata"
_KEY = re.compile(r" \(")


class _SaidInPicture(NamedTuple):
    """An order for a text in an image, and the name of that text."""

    key: str
    order: Order


class PictureCells:
    """The orders for what images of one table hold besides pixels, by the row and the path of the image."""

    def __init__(self, orders: Orders) -> None:
        self._orders = orders
        self._said: dict[Unit, list[_SaidInPicture]] = defaultdict(list)
        self._files: dict[Unit, list[Order]] = defaultdict(list)
        for unit in orders.units:
            for place, key in _named_in(unit):
                self._said[place] += [_SaidInPicture(key, one) for one in orders.units[unit] if one.mark.view == _METADATA]
            if unit.row is None and (cell := _cell_of(unit.column)) is not None:
                self._files[cell] += orders.units[unit]
        above = f"{orders.member}!/" if orders.member else ""
        for order in orders:
            member = order.mark.member or ""
            if member.startswith(above) and (cell := _cell_of(member.removeprefix(above).partition("!/")[0])) is not None:
                self._files[cell].append(order)

    def __iter__(self) -> Iterator[Unit]:
        """Yield the places of values that may be such images."""
        yield from (unit for unit in self._said if self._said[unit])
        yield from self._files

    def __contains__(self, unit: Unit) -> bool:
        return bool(self._said.get(unit) or self._files.get(unit))

    def changed(self, unit: Unit, data: bytes, limits: Limits) -> bytes:
        """Return an image as it should be. Raises CannotRewriteError, ReadError."""
        orders = self._orders
        drawn = [order for order in orders.units.get(unit, ()) if order.mark.boxes]
        said, files = self._said.get(unit, ()), self._files.get(unit, ())
        if not (drawn or said or files):
            return data
        if len(data) > bounds.IMAGE:
            raise CannotRewriteError(f"an image in it has more than {bounds.IMAGE} bytes", ReasonCode.LIMIT)
        behind = f"{member_name(unit.row or 0, unit.column or '')}/{BEHIND}"
        its = PictureOrders(
            drawn,
            [one.order for one in said],
            files,
            any(behind in (order.mark.member or "") for order in files),
            keeps_profile=not any(one.key in PROFILES for one in said),
        )
        return changed_picture(data, its, limits, orders)


def _named_in(unit: Unit) -> Iterator[tuple[Unit, str]]:
    """Yield the images that a text may belong to, with its name in them. A column may have brackets in its own name."""
    if unit.row is None or unit.column is None or not unit.column.endswith(")"):
        return
    for found in _KEY.finditer(unit.column):
        yield Unit(row=unit.row, column=unit.column[: found.start()]), unit.column[found.end() : -1]


def _cell_of(name: str | None) -> Unit | None:
    """Return the place of the image behind whose pixels or end a file of this name is."""
    for suffix in (f"/{BEHIND}", f"/{TRAILING}"):
        if name is not None and name.endswith(suffix) and (place := place_of_member(name.removesuffix(suffix))) is not None:
            return Unit(row=place[0], column=place[1])
    return None


__all__ = ["PictureCells"]
