"""Removes what shows or says a page in another way, when glyphs are taken out of it: small pictures, other looks of fields, texts for voices."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import pikepdf

from veritensor_ray.formats.pdf.named_strings import to_text
from veritensor_ray.formats.pdf.rewriting.drawn_glyphs import OTHER_TEXTS


def drop_old_views(page: Any, appearances: bool) -> None:
    """Remove the small picture of a page and, if what annotations draw has changed, how they look when a pointer is over them."""
    if "/Thumb" in page.obj:
        del page.obj["/Thumb"]
    annotations = page.obj.get("/Annots") if appearances else None
    for annotation in annotations if isinstance(annotations, pikepdf.Array) else ():
        drawn = annotation.get("/AP") if isinstance(annotation, pikepdf.Dictionary) else None
        for key in ("/R", "/D"):
            if isinstance(drawn, pikepdf.Dictionary) and key in drawn:
                del drawn[key]


def drop_fragments(document: Any, page: Any, contents: Collection[int | None], gone: Collection[str]) -> None:
    """Remove alternative texts that the structure tree gives for a page, if what is removed from the page contains them.

    Whole values are found in these texts themselves.
    """
    bare = ["".join(one.split()) for one in gone]
    for one in document.objects if contents else ():
        if not isinstance(one, pikepdf.Dictionary) or "/K" not in one or not _refers(one, page, contents):
            continue
        for key in OTHER_TEXTS:
            text = to_text(bytes(one[key])) if isinstance(one.get(key), pikepdf.String) else None
            if text is not None and any("".join(text.split()) in value for value in bare):
                del one[key]


def _refers(element: Any, page: Any, contents: Collection[int | None]) -> bool:
    kids = element["/K"]
    for kid in kids if isinstance(kids, pikepdf.Array) else (kids,):
        holder = kid if isinstance(kid, pikepdf.Dictionary) else element
        number = kid.get("/MCID") if isinstance(kid, pikepdf.Dictionary) else kid
        where = holder.get("/Pg", element.get("/Pg"))
        if isinstance(number, int) and number in contents and isinstance(where, pikepdf.Dictionary) and where.objgen == page.obj.objgen:
            return True
    return False
