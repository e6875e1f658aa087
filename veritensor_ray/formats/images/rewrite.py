"""Rewrites images: paints over the places of findings in their pixels, and leaves out their metadata when something else changes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import BinaryIO, NamedTuple

from veritensor_ray.core import bounds
from veritensor_ray.core.config import Limits
from veritensor_ray.core.reasons import ReasonCode
from veritensor_ray.formats.common.source import Source
from veritensor_ray.formats.editing.actions import CannotRewriteError, Strippable
from veritensor_ray.formats.editing.edits import Order, Orders
from veritensor_ray.formats.images.bare import bare
from veritensor_ray.formats.images.painting import PaintedBox
from veritensor_ray.formats.images.repainting import orientation_of, repainted

_JPEG, _BMP = b"\xff\xd8\xff", b"BM"
BEHIND, TRAILING = "behind the pixels", "trailing data"  # what the reader calls the files in an image
PROFILES = ("iCCP", "icc_profile")  # the columns of texts in color profiles
_TELLING = 8  # bytes that do not stand somewhere by chance


class PictureOrders(NamedTuple):
    """The orders for one image: for its pixels, for texts in its metadata, and for files in it or behind it. Some may be `behind` the pixels."""

    drawn: Sequence[Order]
    said: Sequence[Order]
    files: Sequence[Order]
    behind: bool
    keeps_profile: bool


def rewrite_image(source: Source, out: BinaryIO, orders: Orders) -> None:
    """Rewrite an image. What is painted loses its metadata, whose previews may show what stood there."""
    data = source.file.read(bounds.IMAGE + 1)
    if len(data) > bounds.IMAGE:
        raise CannotRewriteError(f"it has more than {bounds.IMAGE} bytes", ReasonCode.LIMIT)
    own = [order for order in orders if order.mark.member == orders.member and not order.mark.over_bytes]
    behind, trailing = (list(orders.member_orders(name)) for name in (BEHIND, TRAILING))
    said = [order for order in own if order.mark.column is not None and not order.mark.boxes]
    its = PictureOrders(
        drawn=[order for order in own if order.mark.boxes],
        said=said,
        files=[*behind, *trailing],
        behind=bool(behind),
        keeps_profile=not any(order.mark.column in PROFILES for order in said),
    )
    made = changed_picture(data, its, source.limits, orders)
    for order in orders.over_bytes:
        piece = data[order.mark.start : order.mark.end]
        if len(piece) >= _TELLING and piece not in made:
            orders.tick(order)
    if Strippable.METADATA in orders.strip and not (behind or its.drawn) and made != data:
        orders.stripped(Strippable.METADATA)
    out.write(made)


def changed_picture(data: bytes, its: PictureOrders, limits: Limits, orders: Orders) -> bytes:
    """Return an image in which the places of findings are painted over, or else one with the same pixels; neither has metadata.

    Raises CannotRewriteError, ReadError.
    """
    if its.behind or its.drawn:
        made = picture_without(data, its.drawn, limits, orders)
    else:
        made = without_metadata(data, limits, its.keeps_profile)
    for order in (*its.files, *its.said):
        orders.tick(order)
    return made


def picture_without(data: bytes, drawn: Sequence[Order], limits: Limits, orders: Orders) -> bytes:
    """Return an image with the places of orders painted over, and without metadata; all of it is accounted for.

    Raises CannotRewriteError, ReadError.
    """
    boxes: dict[int, list[PaintedBox]] = {}
    for order in drawn:
        for frame, *edges in order.mark.boxes:
            boxes.setdefault(frame, []).append(PaintedBox(*edges))
    orientation = orientation_of(data)
    plain = bare(data, orientation)
    if plain is not None and plain != data:
        orders.stripped(Strippable.METADATA)
    one = plain if plain is not None and data.startswith(_JPEG) else data  # without the further pictures that cameras add
    made = repainted(one, boxes, limits.image_pixels)
    for order in drawn:
        orders.tick(order)
    if made.lossy:
        orders.encoded_again()
    return bare(made.data, made.orientation) or made.data


def without_metadata(data: bytes, limits: Limits, profile: bool = True) -> bytes:
    """Return an image with the same pixels and without metadata. Raises CannotRewriteError, ReadError."""
    if data.startswith(_BMP):
        return data  # which has none
    found = bare(data, orientation_of(data), profile)
    if found is not None:
        return found
    made = repainted(data, {}, limits.image_pixels)
    if made.lossy:
        raise CannotRewriteError("without its metadata, its pixels would have to be encoded another time, with a loss")
    return made.data


__all__ = ["BEHIND", "PROFILES", "TRAILING", "PictureOrders", "changed_picture", "picture_without", "rewrite_image", "without_metadata"]
