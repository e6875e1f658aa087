"""Changes the texts of a PDF outside of its pages: strings of objects, properties, and scripts that are streams."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import pikepdf

from veritensor_ray.core import bounds
from veritensor_ray.formats.editing.edits import Orders, Unit, applied
from veritensor_ray.formats.pdf.named_strings import to_text
from veritensor_ray.formats.pdf.pdf_document import PACKET_VALUE

_DEEPEST = 100
_SHORTEST = 6  # characters of a value of a packet that is not there by chance
_OBJECT = re.compile(r"object (\d{1,10})(?:\.(.*))?", re.DOTALL)
Content = Callable[[Any], bytes | None]


class _NamedPlace(NamedTuple):
    """A string, what holds it, and the name before it."""

    holder: Any
    place: Any
    key: str
    text: str


class DocumentStrings:
    """The texts of a document outside of its pages. `pages` maps objects to the pages whose annotations they are."""

    def __init__(self, document: Any, orders: Orders, pages: Mapping[int, int], content: Content) -> None:
        self._orders, self._content = orders, content
        self._pages = pages
        self._objects = {one.objgen[0]: one for one in document.objects if isinstance(one, pikepdf.Object) and one.objgen != (0, 0)}
        self._known: dict[int, list[_NamedPlace]] = {}
        self._changed: dict[tuple[str, str], str] = {}

    def change(self) -> None:
        """Carry out the orders for texts outside of pages, as far as their texts are there."""
        of_pages: dict[int, list[int]] = {}
        for number, page in self._pages.items():
            of_pages.setdefault(page, []).append(number)
        for unit in [*self._orders.units]:
            self._orders.pulse()
            if unit.column is None or unit.part is not None or unit.row is not None:
                continue
            if unit.page is not None:
                self._strings(unit, of_pages.get(unit.page, ()))
            elif found := _OBJECT.fullmatch(unit.column):
                number = int(found[1])
                self._strings(unit, [number])
                if isinstance(stream := self._objects.get(number), pikepdf.Stream):
                    self._packet(stream, number)
                self._script(unit, number)
        if self._changed:  # readers name a text once, although several objects may have it
            for number in self._objects:
                for one in self._strings_of(number):
                    if (new := self._changed.get((one.key, one.text))) is not None:
                        one.holder[one.place] = pikepdf.String(new)

    def _strings(self, unit: Unit, numbers: Sequence[int]) -> None:
        """Change the strings that a unit means. Of several, those change that have the text of an order."""
        key = (unit.column or "") if unit.page is not None else (unit.column or "").partition(".")[2]
        every = [one for number in numbers for one in self._strings_of(number)]
        found = [one for one in every if one.key == key]
        straight = all(order.mark.straight for order in self._orders.units[unit])
        if len({one.text for one in found}) > 1 and not straight:
            return
        changed = [self._change(unit, one) for one in found]
        if straight and not any(changed):  # readers may take another name for that of a string in a list
            for one in every:
                self._change(unit, one)

    def _change(self, unit: Unit, one: _NamedPlace) -> bool:
        """Change a string if it has the text of an order. Returns whether it has."""
        new = self._new(unit, one.text)
        if new is None:
            return False
        one.holder[one.place] = pikepdf.String(new)
        self._changed[one.key, one.text] = new
        return True

    def _new(self, unit: Unit, text: str) -> str | None:
        """Return a text with the changes that are ordered for it, or None if there are none."""
        edits = self._orders.edits(unit, text)
        return applied(text, edits) if edits else None

    def _strings_of(self, number: int) -> list[_NamedPlace]:
        """Return the strings of an object, as they were."""
        if number not in self._known:
            self._known[number] = [*self._found(number)]
        return self._known[number]

    def _found(self, number: int) -> Iterator[_NamedPlace]:
        whole = self._objects.get(number)
        if isinstance(whole, pikepdf.String) and (said := to_text(bytes(whole))) is not None:
            yield from (_NamedPlace(holder, place, "", said) for holder, place in self._references.get(number, ()))
        ahead: list[tuple[Any, str, int]] = [(whole, "", 0)]
        while ahead:
            holder, above, depth = ahead.pop()
            for place, one in [*_items(holder)] if depth < _DEEPEST else ():
                key = place[1:] if isinstance(place, str) else above
                if isinstance(one, pikepdf.String):
                    if (text := to_text(bytes(one))) is not None:
                        yield _NamedPlace(holder, place, key, text)
                elif isinstance(one, (pikepdf.Dictionary, pikepdf.Array)) and not one.is_indirect:
                    ahead.append((one, key, depth + 1))

    @cached_property
    def _references(self) -> dict[int, list[tuple[Any, Any]]]:
        """What refers to objects that are nothing but a string, and where."""
        found: dict[int, list[tuple[Any, Any]]] = {}
        for one in self._objects.values():
            ahead = [(one, 0)]
            while ahead:
                holder, depth = ahead.pop()
                for place, value in [*_items(holder)] if depth < _DEEPEST else ():
                    if isinstance(value, pikepdf.String) and value.is_indirect:
                        found.setdefault(value.objgen[0], []).append((holder, place))
                    elif isinstance(value, (pikepdf.Dictionary, pikepdf.Array)) and not value.is_indirect:
                        ahead.append((value, depth + 1))
        return found

    def _packet(self, stream: Any, number: int) -> None:
        """Change the values of a packet of properties."""
        packet = self._content(stream) if stream.get("/Type") == "/Metadata" else None
        if not packet or len(packet) > bounds.PDF_STREAM:
            return
        codec = "utf-16" if packet[:2] in (b"\xfe\xff", b"\xff\xfe") else "utf-8"
        text = packet.decode(codec, "surrogateescape" if codec == "utf-8" else "replace")
        pieces: list[str] = []
        changed: dict[str, str] = {}
        at = 0
        for found in PACKET_VALUE.finditer(text):
            name, quoted, plain = found.groups()
            raw, begin = (quoted, found.start(2)) if quoted else ((plain or "").partition("=")[2].strip('"'), found.end(3) - 1)
            begin = begin if quoted else begin - len(raw)
            value = html.unescape(raw or "").strip()
            column = f"object {number}.{name or (plain or '').partition('=')[0]}"
            new = self._new(Unit(column=column), value) if value else None
            if new is not None:
                pieces += [text[at:begin], html.escape(new)]
                at = begin + len(raw)
                changed[raw.strip()] = html.escape(new)
        if pieces:
            whole = "".join([*pieces, text[at:]])
            for old in sorted(changed, key=len, reverse=True):  # the same value in other attributes and in comments
                whole = whole.replace(old, changed[old]) if len(old) >= _SHORTEST else whole
            stream.write(whole.encode(codec, "surrogateescape" if codec == "utf-8" else "replace"))

    @cached_property
    def _scripts(self) -> set[int]:
        """The streams that are scripts."""
        named = [one.get("/JS") for one in self._objects.values() if isinstance(one, pikepdf.Dictionary)]
        return {one.objgen[0] for one in named if isinstance(one, pikepdf.Stream)}

    def _script(self, unit: Unit, number: int) -> None:
        """Change a script that is a stream."""
        stream = self._objects.get(number)
        text = to_text(self._content(stream) or b"") if number in self._scripts and unit.column == f"object {number}.JS" else None
        new = self._new(unit, text) if text is not None else None
        if new is not None and stream is not None:
            stream.write(bytes(pikepdf.String(new)))


def _items(holder: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(holder, (pikepdf.Dictionary, pikepdf.Stream)):
        yield from ((key, holder[key]) for key in holder.keys())  # noqa: SIM118  # it is not a mapping
    elif isinstance(holder, pikepdf.Array):
        yield from enumerate(holder)
