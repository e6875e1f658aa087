"""Attributes of HTML: what they say to a reader or a program, files inside them, and how they make a text look."""

from __future__ import annotations

import base64
import binascii
import io
import re
from collections.abc import Mapping
from urllib.parse import unquote_to_bytes

from veritensor_ray.extract.readers.markup import tokens as t
from veritensor_ray.extract.readers.markup.elements import ADDRESSES, FLAGS, LAYOUT, STYLED
from veritensor_ray.extract.readers.markup.paragraph import decoded_value, value_text
from veritensor_ray.extract.readers.markup.styles import StyleSheet, declarations
from veritensor_ray.extract.readers.markup.visibility import State, hiding, within
from veritensor_ray.extract.readers.markup.writer import Writer
from veritensor_ray.extract.source import Member

_WORD = r"[^\W\d_]{2,}+"
_SENTENCE = re.compile(rf"(?<![^\W\d_]){_WORD}(?:[\s,.:;]++{_WORD}){{3}}")
_DATA = re.compile(r"\s{0,9}data:([\w.+-]{0,60}/[\w.+-]{0,60})?([^,]{0,200}),", re.IGNORECASE)
_ENDINGS = {"text/html": ".html", "image/svg+xml": ".svg", "text/javascript": ".js", "application/javascript": ".js", "text/css": ".css"}
_SHORT = 256  # a value of one word and at most so long is read once
_REMEMBERED = 50_000
_NAMELESS = 3  # attributes without value in one tag that are perhaps a sentence
_MOST = 10_000  # attributes of one tag that are told apart; the whole tag is given off as well then
_PAGE = ("html", "body")


class Attributes:
    """Reads start tags of one page."""

    def __init__(self, writer: Writer, sheet: StyleSheet) -> None:
        self._writer, self._sheet = writer, sheet
        self._known: set[int] = set()
        self._silent: dict[tuple[str, int, bool], tuple[State, State]] = {}

    def read(self, raw: str, start: int, line: int, name: str, state: State, svg: bool) -> State:
        """Give off the values; returns the state of the element, which begins in `state`."""
        key = raw, id(state), svg
        if known := self._silent.get(key):
            return known[1]
        found, silent = self._read(raw, start, line, name, state, svg)
        if silent and len(raw) <= _SHORT and len(self._silent) < _REMEMBERED:
            self._silent[key] = state, found  # `state` too, so that its id is not another's one day
        return found

    def _read(self, raw: str, start: int, line: int, name: str, state: State, svg: bool) -> tuple[State, bool]:
        """The state, and whether the tag says nothing: pages repeat the same tags."""
        values: dict[str, str] = {}
        found = []
        nameless = 0
        for attribute, at, value in t.attributes(raw):
            attribute = attribute.lower()
            if value is None:
                nameless += attribute not in FLAGS
                values.setdefault(attribute, "")
                continue
            values.setdefault(attribute, value)
            if value and not value.isspace():
                found.append((attribute, at, value))
            if len(found) + nameless > _MOST:
                break
        if nameless >= _NAMELESS or len(found) > _MOST:
            self._writer.source("metadata", raw, start, line, name)
        silent = nameless < _NAMELESS
        seen = 0
        for attribute, at, value in found:
            line += raw.count("\n", seen, at)
            seen = at
            if (attribute not in LAYOUT and (name, attribute) != ("meta", "name")) or _says_something(attribute, value):
                silent = False
                self._value(attribute, value, start + at, line, name, values)
        return self._state(name, values, state, svg), silent

    def _value(self, attribute: str, raw: str, start: int, line: int, name: str, values: Mapping[str, str]) -> None:
        if attribute in ADDRESSES or (len(raw) <= _SHORT and " " not in raw):
            key = hash((name, attribute, raw)) if attribute in ("content", "value") else hash((attribute, raw))
            if key in self._known:
                return
            if len(self._known) < _REMEMBERED:
                self._known.add(key)
        text, origins = value_text(raw, start, line)
        if attribute in ADDRESSES and (member := _data_url(text, start)):
            self._writer.ready.append(member)
        elif attribute == "srcdoc":
            self._writer.ready.append(Member(f"srcdoc@{start}.html", io.BytesIO(text.encode("utf-8", "replace"))))
        else:
            hidden = attribute == "value" and name == "input" and values.get("type", "").lower() == "hidden"
            shown = attribute == "value" and name == "input" and not hidden
            column = _meta(values) if attribute == "content" and name == "meta" else attribute
            self._writer.add("hidden" if hidden else "visible" if shown else "metadata", text, origins, column)

    def _state(self, name: str, values: Mapping[str, str], state: State, svg: bool) -> State:
        styles: dict[str, str] = {}
        if self._sheet.rules:
            styles |= self._sheet.of(name, decoded_value(values.get("class", "")).split(), decoded_value(values.get("id", "")))
        if "bgcolor" in values:
            styles["background-color"] = values["bgcolor"].strip().lower()[:_SHORT]
        if "background" in values:
            styles["background-image"] = "url()"
        if ink := values.get("text" if name == "body" else "color") if name in ("body", "font") else None:
            styles["color"] = ink.strip().lower()[:_SHORT]
        if svg:
            styles.update({one: values[one].strip().lower() for one in STYLED if one in values})
        if style := values.get("style"):
            styles.update(declarations(decoded_value(style)))
        if styles:
            state = within(state, styles, name)
        if ("hidden" in values and name not in _PAGE) or (svg and name in ("text", "tspan") and _unpainted(values)):
            state = hiding(state)
        return state


def _says_something(attribute: str, value: str) -> bool:
    """Whether a value that is for looks holds words for somebody."""
    if attribute == "style" and ("url(" in value or "content" in value):
        return True
    return len(value) >= 11 and _SENTENCE.search(value) is not None


def _meta(values: Mapping[str, str]) -> str:
    """What a `meta` element is about."""
    return next((values[one][:_SHORT] for one in ("name", "property", "itemprop", "http-equiv") if values.get(one)), "content")


def _unpainted(values: Mapping[str, str]) -> bool:
    """SVG text without ink."""
    return (values.get("fill", "").strip() in ("none", "transparent") and "stroke" not in values) or values.get("fill-opacity") == "0"


def _data_url(text: str, start: int) -> Member | None:
    """The file in a `data:` address; None for another address, or one that does not decode."""
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
