"""Rewrites Word, Excel and PowerPoint files: the reader follows its texts to their bytes, and only these change.

The reader of the audit reads the document once more, and its texts remember from which bytes they come. So an order means exactly the
characters that its engine saw, wherever they stand: in runs of a paragraph, in a shared string, in an attribute.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import BinaryIO

from veritensor_ray.core.reasons import CopyCode
from veritensor_ray.formats.common.source import Item, Source
from veritensor_ray.formats.editing.actions import CannotRewriteError
from veritensor_ray.formats.editing.edits import Orders
from veritensor_ray.formats.office.excel.read import read_xlsx
from veritensor_ray.formats.office.powerpoint.read import read_pptx
from veritensor_ray.formats.office.rewriting.linked_parts import Links
from veritensor_ray.formats.office.rewriting.package_rewriting import PackageCopy, again
from veritensor_ray.formats.office.rewriting.part import Part
from veritensor_ray.formats.office.rewriting.part_changes import Changes
from veritensor_ray.formats.office.rewriting.removal import Removal
from veritensor_ray.formats.office.rewriting.rewrite_plan import Plan
from veritensor_ray.formats.office.rewriting.tracing import Collected
from veritensor_ray.formats.office.shared.traced import Trace
from veritensor_ray.formats.office.word.read import read_docx

_SIGNATURES = "_xmlsignatures/"
Read = Callable[[Source, Trace], Iterator[Item]]


def rewrite_docx(source: Source, out: BinaryIO, orders: Orders) -> None:
    """Rewrite a Word document."""
    _rewrite(source, out, orders, read_docx)


def rewrite_xlsx(source: Source, out: BinaryIO, orders: Orders) -> None:
    """Rewrite an Excel workbook."""
    _rewrite(source, out, orders, read_xlsx)


def rewrite_pptx(source: Source, out: BinaryIO, orders: Orders) -> None:
    """Rewrite a PowerPoint presentation."""
    _rewrite(source, out, orders, read_pptx)


def _rewrite(source: Source, out: BinaryIO, orders: Orders, read: Read) -> None:
    """Write the document with its changes."""
    copy = PackageCopy(source, orders)
    if any(name.startswith(_SIGNATURES) for name in copy.names):
        raise CannotRewriteError("it carries a digital signature, which any change would invalidate", CopyCode.SIGNED)
    links = Links(copy.names, copy.content)
    removal = Removal(links, orders, copy.content)
    reading = Collected(Plan(orders, removal.unlinked), orders.pulse)
    for _ in read(again(source), reading.trace):
        pass  # the texts go to the trace; anything unreadable leaves its orders undone
    changes = Changes(reading, orders)
    changes.make()
    gone = removal.parts(text_changed=bool(changes.by_part), formulas_removed=changes.without_formulas)
    references = links.without(gone)
    new = copy.members(gone, lambda name: "embeddings/" in name)
    for name in copy.names:
        makes, plain = changes.by_part.get(name, ()), references.get(name, ())
        if name not in gone and (makes or plain):
            part = Part(name, copy.content(name))
            new[name] = part.changed([*(make(part) for make in makes), *plain])
    new |= removal.emptied()
    copy.write(new, gone, out)
