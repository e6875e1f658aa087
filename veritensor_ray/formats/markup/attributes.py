"""Reads attributes of HTML: their meaning for a reader or a program, the files inside them, and their effect on how text looks."""

from __future__ import annotations

import base64
import binascii
import functools
import io
import re
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from veritensor_ray.core.media_types import CSS, HTML, JAVASCRIPT, SVG
from veritensor_ray.formats.common.block_writer import Writer
from veritensor_ray.formats.common.joined_text import decoded_value, value_text
from veritensor_ray.formats.common.source import Member
from veritensor_ray.formats.markup import html_tokens as t
from veritensor_ray.formats.markup.css.cascade import Cascade
from veritensor_ray.formats.markup.css.selectors import Element
from veritensor_ray.formats.markup.css.styles import NONE, Declarations, Value, declarations, hint
from veritensor_ray.formats.markup.css.visibility import State, hiding
from veritensor_ray.formats.markup.elements import ADDRESSES, FLAGS, LAYOUT, STYLED
from veritensor_ray.formats.markup.odd_names import LONG, OddNames, is_odd

_WORD = r"[^\W\d_]{2,}+"
_SENTENCE = re.compile(rf"(?<![^\W\d_]){_WORD}(?:[\s,.:;]++{_WORD}){{3}}")
_LEAST_SENTENCE = 11  # characters: four words and what separates them
_BETWEEN = re.compile(r"[\s,.:;]")  # what separates the words of a sentence; most names of classes have none
_DATA = re.compile(r"\s{0,9}data:([\w.+-]{0,60}/[\w.+-]{0,60})?([^,]{0,200}),", re.IGNORECASE)
_ENDINGS = {HTML: ".html", SVG: ".svg", JAVASCRIPT: ".js", "application/javascript": ".js", CSS: ".css"}
_SHORT = 256  # a value of one word up to this length is read only once
_REMEMBERED = 50_000
_REMEMBERED_TAGS = _REMEMBERED // 10
_NAMELESS = 3  # this many attributes without a value in one tag may be a sentence
_MOST = 10_000  # attributes of one tag that are read separately; if there are more, the whole tag is read as well
_PAGE = ("html", "body")
_LONG_WORD = re.compile(rf"\S{{{LONG},}}")
_FOREIGN_NAME = re.compile(r"\w@\w")  # an address
_FOREIGN = re.compile(r"\w@\w|[^\s,;()/]{20,}")  # an address or key: measures, languages and keywords are shorter
_DRAWN = frozenset({"style", "d", "points", "transform", "gradienttransform", "integrity", "nonce", "font-family"})
_NAMING = frozenset({"class", "id", "for", "name", "rel", "target", "role", "property", "itemprop", "itemtype", "xmlns", "as", "type"})
_HINTING = frozenset({"hidden", "popover", "bgcolor", "background", "color", "text"})  # attributes that are styles


class Attributes:
    """Reads the start tags of one page."""

    def __init__(self, writer: Writer, cascade: Cascade) -> None:
        self._writer, self._cascade, self._styled = writer, cascade, cascade.rules
        self._known: set[int] = set()
        self._silent_tags: dict[str, dict[str, str]] = {}  # the values of tags that contain no text, which pages repeat
        self.odd = OddNames(writer)

    def read(
        self, raw: str, start: int, line: int, name: str, state: State, around: Element | None, svg: bool
    ) -> tuple[State, Element | None, bool]:
        """Emit the attribute values of a start tag.

        Returns the state of the element, which begins in `state`; the element if selectors need it; and whether the same tag in the same
        place would yield the same again.
        """
        values, silent = self._silent_tags.get(raw), True
        if values is None:
            values, silent = self._read(raw, start, line, name)
            if silent and len(raw) <= _SHORT and len(self._silent_tags) < _REMEMBERED_TAGS:
                self._silent_tags[raw] = values
        element = self._cascade.element(name, _decoded(values) if "&" in raw else values, around, raw) if self._styled else None
        if element or svg or name == "dialog" or "style" in values or not _HINTING.isdisjoint(values):
            state = self._state(name, values, state, element, svg)
        return state, element, silent and self._cascade.repeats and len(raw) <= _SHORT

    def _read(self, raw: str, start: int, line: int, name: str) -> tuple[dict[str, str], bool]:
        """The attribute values, and whether the tag contains no text: pages repeat the same tags."""
        values: dict[str, str] = {}
        said: list[tuple[str, int, str]] = []
        nameless = count = 0
        for found in t.attribute_matches(raw, name):
            group = found.lastindex
            if group is None:
                continue
            attribute = found[1]
            about = _about(attribute) if len(attribute) <= _SHORT else _AttributeKind.of(attribute)
            if about.odd:
                self.odd.take(attribute, start + found.start(1), line)
            attribute = about.name
            if group == 1:
                nameless += not about.flag
                values.setdefault(attribute, "")
            else:
                value = found[group]
                values.setdefault(attribute, value)
                if value and not value.isspace():
                    count += 1
                    layout = about.layout or (attribute == "name" and name == "meta")
                    size = len(value)
                    short = size < 4 or (size < _LEAST_SENTENCE and attribute != "style" and "@" not in value)
                    if not layout or (not short and _says_something(about, value)):
                        said.append((attribute, found.start(group), value))
                    elif about.naming and size >= LONG:
                        self._silent(value, start + found.start(group), line)
            if count + nameless > _MOST:
                break
        if nameless >= _NAMELESS or count > _MOST:
            self._writer.source("metadata", raw, start, line, name)
        breaks, seen = "\n" in raw, 0
        for attribute, at, value in said:
            if breaks:
                line += raw.count("\n", seen, at)
                seen = at
            self._value(attribute, value, start + at, line, name, values)
        return values, not said and nameless < _NAMELESS

    def _silent(self, value: str, start: int, line: int) -> None:
        """Give the words of a value for programs that are too long for names."""
        for word in _LONG_WORD.finditer(value):
            self.odd.take(word[0], start + word.start(), line)

    def _value(self, attribute: str, raw: str, start: int, line: int, name: str, values: Mapping[str, str]) -> None:
        if attribute in ADDRESSES or (len(raw) <= _SHORT and " " not in raw):
            key = hash((name, attribute, raw)) if attribute in ("content", "value") else hash((attribute, raw))
            if key in self._known:
                return
            if len(self._known) < _REMEMBERED:
                self._known.add(key)
        text, origins = value_text(raw, start, line)
        if attribute in ADDRESSES and (text[:1] in "dD" or text[:1].isspace()) and (member := _data_url(text, start)):
            self._writer.ready.append(member)
        elif attribute == "srcdoc":
            self._writer.ready.append(Member(f"srcdoc@{start}.html", io.BytesIO(text.encode("utf-8", "replace"))))
        else:
            hidden = attribute == "value" and name == "input" and values.get("type", "").lower() == "hidden"
            shown = attribute == "value" and name == "input" and not hidden
            column = _meta(values) if attribute == "content" and name == "meta" else attribute
            self._writer.add("hidden" if hidden else "visible" if shown else "metadata", text, origins, column)

    def _state(self, name: str, values: Mapping[str, str], state: State, element: Element | None, svg: bool) -> State:
        hints = _hints(name, values, svg) if svg or name == "dialog" or not _HINTING.isdisjoint(values) else NONE
        style = values.get("style")
        own = declarations(decoded_value(style)) if style else NONE
        if hints or own or element:
            state = self._cascade.state(state, element, hints, own, name)
        if svg and name in ("text", "tspan") and _unpainted(values):
            state = hiding(state)
        return state


def _decoded(values: Mapping[str, str]) -> dict[str, str]:
    return {name: decoded_value(value) for name, value in values.items()}


def _hints(name: str, values: Mapping[str, str], svg: bool) -> Declarations:
    """The declarations of attributes that are styles; every style sheet overrides them."""
    found: dict[str, Value] = {}
    if ("hidden" in values and name not in _PAGE) or "popover" in values or (name == "dialog" and "open" not in values):
        found["display"] = hint("display", "none")
    if "bgcolor" in values:
        found["background-color"] = hint("background-color", values["bgcolor"])
    if "background" in values:
        found["background-image"] = hint("background-image", "url()")
    if ink := values.get("text" if name == "body" else "color") if name in ("body", "font") else None:
        found["color"] = hint("color", ink)
    if svg:
        found |= {one: hint(one, values[one]) for one in STYLED if one in values}
    return found


class _AttributeKind(NamedTuple):
    """Combines the sets for one attribute, because a page needs them all at each of its attributes."""

    name: str  # in lower case
    odd: bool
    flag: bool
    layout: bool
    naming: bool
    foreign: re.Pattern[str] | None  # what a value for a program does not contain

    @classmethod
    def of(cls, attribute: str) -> _AttributeKind:
        """Look a name up in all sets."""
        name = attribute.lower()
        naming = name in _NAMING
        foreign = None if name in _DRAWN else _FOREIGN_NAME if naming else _FOREIGN
        return cls(name, is_odd(attribute), name in FLAGS, name in LAYOUT, naming, foreign)


_about = functools.lru_cache(4096)(_AttributeKind.of)


def _says_something(about: _AttributeKind, value: str) -> bool:
    """Whether the value of a layout attribute contains words that are meant for a reader."""
    if about.name == "style" and ("url(" in value or "content" in value):
        return True
    # an address has an @, and a key 20 characters
    if about.foreign and ("@" in value or (about.foreign is _FOREIGN and len(value) >= 20)) and about.foreign.search(value):
        return True
    return len(value) >= _LEAST_SENTENCE and _BETWEEN.search(value) is not None and _SENTENCE.search(value) is not None


def _meta(values: Mapping[str, str]) -> str:
    """The name of what a `meta` element describes."""
    return next((values[one][:_SHORT] for one in ("name", "property", "itemprop", "http-equiv") if values.get(one)), "content")


def _unpainted(values: Mapping[str, str]) -> bool:
    """Whether SVG text is drawn without ink."""
    return (values.get("fill", "").strip() in ("none", "transparent") and "stroke" not in values) or values.get("fill-opacity") == "0"


def _data_url(text: str, start: int) -> Member | None:
    """The file in a `data:` address; None for other addresses or invalid data."""
    found = _DATA.match(text)
    if found is None:
        return None
    data = unquote_to_bytes(text[found.end() :])
    if found.group(2) and "base64" in found.group(2).lower():
        try:
            data = base64.b64decode(data + b"=" * (-len(data.strip()) % 4))
        except binascii.Error:
            return None
    ending = _ENDINGS.get((found.group(1) or "").lower(), "")
    return Member(f"data-url@{start}{ending}", io.BytesIO(data)) if data else None
