"""Rewrites OpenDocument texts, sheets, slides and drawings, as packages or flat XML: the reader follows its texts to their bytes."""

from __future__ import annotations

import base64
import binascii
import io
import posixpath
from collections.abc import Iterable, Iterator
from contextlib import closing
from typing import BinaryIO

from veritensor_ray.formats.archives.members import member
from veritensor_ray.formats.common.source import Source
from veritensor_ray.formats.editing.actions import CannotRewriteError, Strippable
from veritensor_ray.formats.editing.edits import Orders
from veritensor_ray.formats.office.opendocument.odf_changes import OdfChanges
from veritensor_ray.formats.office.opendocument.odf_tracing import MACRO_RULES, PREVIEWS, OdfCollected, OdfPlan, local_name
from veritensor_ray.formats.office.opendocument.read import FLAT, MANIFEST, SCRIPTS, read_flat, read_odf
from veritensor_ray.formats.office.rewriting.linked_parts import elements
from veritensor_ray.formats.office.rewriting.package_rewriting import MOST, PackageCopy, again
from veritensor_ray.formats.office.rewriting.part import Change, Part
from veritensor_ray.formats.office.rewriting.tracing import XmlElement

_SIGNATURES = ("META-INF/documentsignatures.xml", "META-INF/macrosignatures.xml", "META-INF/packagesignatures.xml")
_MACRO_SIGNATURE = _SIGNATURES[1]
_THUMBNAILS = "Thumbnails/"
_LINE = 76  # characters of base64 in a line


def rewrite_odf(source: Source, out: BinaryIO, orders: Orders) -> None:
    """Rewrite a package."""
    copy = PackageCopy(source, orders)
    plan = OdfPlan(orders)
    reading = OdfCollected(plan, orders.pulse)
    for _ in read_odf(again(source), reading.trace):
        pass  # the texts go to the trace; anything unreadable leaves its orders undone
    changes = OdfChanges(reading, orders)
    changes.make()
    gone = _gone(copy.names, plan, orders, changes.parts())
    new = copy.members(gone, lambda name: name.startswith("Object "))
    objects = {posixpath.dirname(name) or name for name in {*changes.parts(), *new} - gone}
    previews = {f"{PREVIEWS}{name}" for name in objects}.intersection(copy.names)  # pictures of how objects were
    changes.without_images(previews)
    gone |= previews
    _tick_macros(plan, orders)
    for name in copy.names:
        extra = _without_entries(Part(name, copy.content(name)), gone, copy.names) if name == MANIFEST and gone else []
        if name not in gone and (name in changes.parts() or extra):
            part = Part(name, copy.content(name))
            new[name] = part.changed([*changes.of(part), *extra])
    if (new or gone) and (set(_SIGNATURES) & {*copy.names}) - gone:
        orders.signature_broken()
    copy.write(new, gone, out)


def _gone(names: Iterable[str], plan: OdfPlan, orders: Orders, changed: set[str]) -> set[str]:
    """Return the parts that go: macros, and pictures of how the document was. Everything ordered in them is done."""
    pictures = {name for name in names if name.startswith(_THUMBNAILS)} if changed or plan.metadata else set()
    macros = {name for name in names if name.startswith(SCRIPTS) or name == _MACRO_SIGNATURE} if plan.macros else set()
    if macros and Strippable.MACROS in orders.strip:
        orders.stripped(Strippable.MACROS, len(macros))
    if pictures and plan.metadata:
        orders.stripped(Strippable.METADATA, len(pictures))
    for name in sorted(pictures | macros):
        for order in orders.member_orders(name):
            orders.tick(order)
    return pictures | macros


def _tick_macros(plan: OdfPlan, orders: Orders) -> None:
    """Account for what was ordered about macros, if they are gone."""
    if not plan.macros:
        return
    for order in orders.every():
        mark = order.mark
        if mark.rule.startswith(MACRO_RULES) or (mark.part or "").startswith("macro "):
            orders.tick(order)


def _without_entries(manifest: Part, gone: set[str], names: Iterable[str]) -> list[Change]:
    """Return the changes that leave out the parts that are gone, and folders that are empty without them, in the list of all parts."""
    left = [name for name in names if name not in gone]
    found = []
    for start, end, values in elements(manifest, "file-entry"):
        path = next((value for key, value in values.items() if local_name(key) == "full-path"), "")
        folder = len(path) > 1 and path.endswith("/") and any(name.startswith(path) for name in gone)
        if path in gone or (folder and not any(name.startswith(path) for name in left)):
            found.append(Change(start, end, b""))
    return found


def rewrite_flat(source: Source, out: BinaryIO, orders: Orders) -> None:
    """Rewrite a document that is one XML file."""
    data = source.file.read(MOST + 1)
    if len(data) > MOST:
        raise CannotRewriteError(f"it has more than {MOST} bytes")
    plan = OdfPlan(orders)
    reading = OdfCollected(plan, orders.pulse)
    for _ in read_flat(again(source), reading.trace):
        pass
    changes = OdfChanges(reading, orders)
    changes.make()
    _tick_macros(plan, orders)
    part = Part(FLAT, data)
    out.write(part.changed([*changes.of(part), *_files(part, reading.files, source, orders)]))


def _files(part: Part, places: Iterable[XmlElement], source: Source, orders: Orders) -> Iterator[Change]:
    """Yield the changes of files in the XML, which the reader counts."""
    number = 0
    for element in places:
        start = element.at + len(part.encode(part.tag(element.at)))
        try:
            data = base64.b64decode(part.data[start : element.close])
        except (binascii.Error, ValueError):
            continue
        if not data:
            continue
        number += 1
        inner = orders.member_orders(f"object {number}")
        if inner and (content := member(f"object {number}", io.BytesIO(data), source, inner)) is not None:
            with closing(content):
                text = base64.b64encode(content.read()).decode("ascii")
            lines = "\n".join(text[at : at + _LINE] for at in range(0, len(text), _LINE))
            yield Change(start, element.close, part.encode(lines))


__all__ = ["rewrite_flat", "rewrite_odf"]
