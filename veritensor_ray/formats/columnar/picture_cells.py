"""Images that are values of tables, and files in base64 in texts that are: the orders for what is in them, and how they are carried out."""

from __future__ import annotations

import io
import re
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing
from typing import BinaryIO, NamedTuple, cast

from veritensor_ray.core import bounds
from veritensor_ray.core.reasons import ReasonCode
from veritensor_ray.formats.archives.members import scratch
from veritensor_ray.formats.columnar.leaf_paths import member_name, place_of_member
from veritensor_ray.formats.common.source import Source
from veritensor_ray.formats.editing.actions import CannotRewriteError
from veritensor_ray.formats.editing.edits import Edit, Order, Orders, Unit
from veritensor_ray.formats.encoded_text.files_in_text import encoded_like, file_at
from veritensor_ray.formats.format_registry import rewrite
from veritensor_ray.formats.images.rewrite import BEHIND, PROFILES, TRAILING, PictureOrders, changed_picture
from veritensor_ray.formats.opened_files import opened

_METADATA = "metadata"
_KEY = re.compile(r" \(")
_ENCODED = re.compile(r"(\d{1,18})/(.*)/[a-z0-9+-]+@(\d{1,18})\Z", re.DOTALL)  # as `encoded_text` names a file in the text of a cell


class _SaidInPicture(NamedTuple):
    """An order for a text in an image, and the name of that text."""

    key: str
    order: Order


class _Encoded(NamedTuple):
    """The name of a file in base64, and the character at which that begins."""

    name: str
    start: int


class PictureCells:
    """The orders for what images of one table hold besides pixels, and for files in texts, by the row and the path of the value."""

    def __init__(self, orders: Orders, source: Source) -> None:
        self._orders, self._source = orders, source
        self._encoded: dict[Unit, list[_Encoded]] = defaultdict(list)
        for name in orders.encoded_files:
            if found := _ENCODED.match(name):
                self._encoded[Unit(row=int(found[1]), column=found[2])].append(_Encoded(name, int(found[3])))
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
        yield from self._encoded

    def __contains__(self, unit: Unit) -> bool:
        return bool(self._said.get(unit) or self._files.get(unit) or self._encoded.get(unit))

    def in_text(self, unit: Unit, text: str) -> list[Edit]:
        """Return the changes to the files in a text, in order. Raises CannotRewriteError, ReadError."""
        edits: list[Edit] = []
        for name, start in sorted(self._encoded.get(unit, ()), key=lambda one: one.start):
            if (found := file_at(text, start)) is None:
                continue
            written, data = found
            inner = self._orders.member_orders(name)
            with closing(scratch()) as out:
                rewrite(opened(cast("BinaryIO", io.BytesIO(data)), name, self._source.limits, self._source.budget), out, inner)
                out.seek(0)
                edits.append(Edit(start, start + len(written), encoded_like(written, out.read())))
        return edits

    def changed(self, unit: Unit, data: bytes) -> bytes:
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
        return changed_picture(data, its, self._source.limits, orders)


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
