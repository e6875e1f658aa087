"""Removes from a PDF what a policy strips from every file: its properties, what runs or sends something, and the files inside it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pikepdf

from veritensor_ray.formats.editing.actions import Strippable
from veritensor_ray.formats.editing.edits import Orders

# The actions that do more than turn pages and open addresses.
_RUNNING = frozenset(
    f"/{name}" for name in ("JavaScript", "Launch", "SubmitForm", "ImportData", "Rendition", "Movie", "Sound", "RichMediaExecute")
)
_DEEPEST = 100


def strip_document(document: Any, orders: Orders) -> None:
    """Remove what the policy names, and account for it and for the orders about it."""
    if Strippable.METADATA in orders.strip:
        _strip_properties(document, orders)
    if Strippable.MACROS in orders.strip:
        _strip_actions(document, orders)
    if Strippable.ATTACHMENTS in orders.strip:
        _strip_files(document, orders)


def _strip_properties(document: Any, orders: Orders) -> None:
    count = 0
    if isinstance(document.trailer.get("/Info"), pikepdf.Dictionary):
        del document.trailer["/Info"]
        count += 1
    for one in [*document.objects]:
        if isinstance(one, (pikepdf.Dictionary, pikepdf.Stream)) and "/Metadata" in one:
            del one["/Metadata"]
            count += 1
    if count:
        orders.stripped(Strippable.METADATA, count)


def _strip_actions(document: Any, orders: Orders) -> None:
    gone: set[str] = set()
    count = 0
    for one in [*document.objects]:
        number = one.objgen[0] if isinstance(one, pikepdf.Object) else 0  # numbers are plain ones
        for holder in _dictionaries(one):
            for key in [*holder.keys()]:  # it is not a mapping
                action = holder[key]
                if isinstance(action, pikepdf.Dictionary) and str(action.get("/S", "")) in _RUNNING and "/P" not in action:
                    gone.add(f"object {action.objgen[0] or number}.{str(action['/S'])[1:]}")
                    del holder[key]
                    count += 1
    names = document.Root.get("/Names")
    if isinstance(names, pikepdf.Dictionary) and "/JavaScript" in names:
        del names["/JavaScript"]
        count += 1
    for order in orders.undone:
        if order.mark.member == orders.member and order.mark.column in gone:
            orders.tick(order)
    if count:
        orders.stripped(Strippable.MACROS, count)


def _strip_files(document: Any, orders: Orders) -> None:
    count = 0
    for one in [*document.objects]:
        for holder in _dictionaries(one):
            if "/EF" in holder:
                del holder["/EF"]
                count += 1
            for key in ("/AF", "/RF", "/EmbeddedFiles"):
                if key in holder:
                    del holder[key]
            shown = holder.get("/Annots")
            if isinstance(shown, pikepdf.Array):
                kept = [note for note in shown if not isinstance(note, pikepdf.Dictionary) or note.get("/Subtype") != "/FileAttachment"]
                if len(kept) < len(shown):
                    holder["/Annots"] = pikepdf.Array(kept)
    if not count:
        return
    orders.stripped(Strippable.ATTACHMENTS, count)
    inside = f"{orders.member}!/" if orders.member else ""
    for order in orders.undone:
        member = order.mark.member
        if member is not None and member != orders.member and member.startswith(inside):
            orders.tick(order)


def _dictionaries(one: Any) -> Iterator[Any]:
    """Yield an object and what is within it, as far as these are dictionaries."""
    ahead = [(one, 0)]
    while ahead:
        holder, depth = ahead.pop()
        if depth >= _DEEPEST:
            continue
        if isinstance(holder, (pikepdf.Dictionary, pikepdf.Stream)):
            yield holder
            inner = [holder[key] for key in holder.keys()]  # noqa: SIM118
        elif isinstance(holder, pikepdf.Array):
            inner = [*holder]
        else:
            continue
        ahead += ((value, depth + 1) for value in inner if isinstance(value, (pikepdf.Dictionary, pikepdf.Array)) and not value.is_indirect)
