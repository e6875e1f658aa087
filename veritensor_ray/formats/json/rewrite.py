"""Rewrites JSON documents and JSON lines: strings are edited in place, and rows left out; every other character stays."""

from __future__ import annotations

from dataclasses import replace
from typing import BinaryIO

from veritensor_ray.core import bounds
from veritensor_ray.core.media_types import PLAIN
from veritensor_ray.formats.common.source import Source
from veritensor_ray.formats.editing.edits import OrderedRange, Orders, Unit
from veritensor_ray.formats.editing.splice import spliced, text_of
from veritensor_ray.formats.json.json_document import JsonDocument, is_json
from veritensor_ray.formats.json.json_lines import edits_of_lines
from veritensor_ray.formats.json.literals import ranges_in
from veritensor_ray.formats.text.rewrite import rewrite_text


def rewrite_json(source: Source, out: BinaryIO, orders: Orders) -> None:
    """Rewrite a JSON document of any size; one string at a time is in memory.

    A document that is not valid JSON was read as plain text, and is rewritten as such. The reader also does so with a valid one that is
    nested too deeply, or has a number that its parser cannot hold: that stays valid.
    """
    also: list[OrderedRange] = []
    if Unit() in orders.units:
        if not is_json(source):
            source.file.seek(0)
            rewrite_text(replace(source, kind=replace(source.kind, media_type=PLAIN)), out, orders)
            return
        also = ranges_in(text_of(source, bounds.HELD), orders)
    edits = JsonDocument(source, orders, also).edits()
    source.file.seek(0)
    spliced(source, out, edits, orders.pulse)


def rewrite_jsonl(source: Source, out: BinaryIO, orders: Orders) -> None:
    """Rewrite JSON lines. A row is a whole line with its end, whatever it holds."""
    spliced(source, out, edits_of_lines(source, orders), orders.pulse)
