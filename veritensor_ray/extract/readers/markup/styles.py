"""Style declarations and style sheets: which element gets which of the properties that can hide a text; it knows no elements."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping, Sequence

from veritensor_ray import bounds

Declarations = Mapping[str, str]
NONE: Declarations = {}

PROPERTIES = frozenset(
    {
        "background", "background-color", "background-image", "bottom", "clip", "clip-path", "color", "content-visibility", "display", "font",
        "font-size", "height", "left", "margin-left", "margin-top", "max-height", "max-width", "opacity", "overflow", "overflow-x",
        "overflow-y", "position", "right", "text-indent", "top", "transform", "visibility", "width", "-webkit-text-fill-color",
    }
)  # fmt: skip
_COMMENT = re.compile(r"/\*(?:[^*]++|\*(?!/))*+(?:\*/|$)")
_WRAPPING = re.compile(r"<!--|-->|<!\[CDATA\[|\]\]>")
_ESCAPE = re.compile(r"\\([0-9a-fA-F]{1,6})[ \t\n\r\f]?|\\(.)", re.DOTALL)
_PIECE = re.compile(r"([^{}]*+)([{}]|$)")
_COMPOUND = re.compile(r"(\*|[a-z][a-z0-9-]*)?((?:[.#][\w-]+)*)", re.IGNORECASE)
_LONGEST = 4096
_RULES = bounds.CSS_RULES
_PAIRED = 8  # classes of one element that rules for two of them are looked up for


def declarations(style: str) -> Declarations:
    """The properties of a style attribute or of a rule's body that matter here."""
    return _known(style) if len(style) <= _LONGEST else _declarations(style)


def _declarations(style: str) -> Declarations:
    if "/*" in style:
        style = _COMMENT.sub("", style)
    found = {}
    for piece in style[: 1 << 16].split(";"):
        name, colon, value = piece.partition(":")
        if "\\" in name + value:
            name, value = _unescaped(name), _unescaped(value)
        name = name.strip().lower()
        if colon and name in PROPERTIES:
            found[name] = value.lower().replace("!important", "").strip()[:_LONGEST]
    return found


_known = functools.lru_cache(4096)(_declarations)


def _unescaped(text: str) -> str:
    return _ESCAPE.sub(lambda m: m.group(2) or chr(min(int(m.group(1), 16), 0x10FFFF)), text)


class StyleSheet:
    """Rules of style sheets by the last part of their selectors: a tag, a class, an id, a tag with a class, or two classes."""

    def __init__(self) -> None:
        self.rules: dict[str, dict[str, str]] = {}
        self._pairs = False

    def add(self, css: str) -> None:
        """Take the rules of a style sheet that hold for a screen; the last one of a selector wins."""
        for selectors, body in _rules(_COMMENT.sub("", _WRAPPING.sub("", css))):
            found = declarations(body)
            for selector in selectors.split(",") if found else ():
                key = _key(selector)
                if key and (key in self.rules or len(self.rules) < _RULES):
                    self.rules.setdefault(key, {}).update(found)
                    self._pairs |= key.count(".") > 1

    def of(self, name: str, classes: Sequence[str], identity: str) -> Declarations:
        """What the rules say of an element."""
        rules = self.rules
        keys = [name]
        for one in classes:
            keys += (f".{one}", f"{name}.{one}")
        if self._pairs and len(classes) <= _PAIRED:
            keys += (f".{a}.{b}" for a in classes for b in classes if a < b)
        if identity:
            keys += (f"#{identity}", f"{name}#{identity}")
        found: dict[str, str] = {}
        for key in keys:
            if key in rules:
                found.update(rules[key])
        return found or NONE


def _key(selector: str) -> str | None:
    """The last compound of a selector; None for one that holds only at times or is not understood."""
    words = selector.strip()[-_LONGEST:].replace(">", " ").replace("+", " ").replace("~", " ").split()
    found = _COMPOUND.fullmatch(words[-1]) if words else None
    if found is None:
        return None
    name, rest = (found.group(1) or "").lower().strip("*"), found.group(2)
    parts = sorted(re.findall(r"[.#][\w-]+", rest))
    if len(parts) > 2 or (len(parts) == 2 and (name or "#" in rest)):
        return None
    return name + "".join(parts) or None


def _rules(css: str) -> Iterator[tuple[str, str]]:
    """Selectors and body of each rule. Rules in a block for paper, or for some screens only, are left out."""
    outer: list[bool] = []  # for each open block around: whether its rules count
    selectors = ""
    body = False
    for found in _PIECE.finditer(css):
        text, mark = found.group(1), found.group(2)
        if mark == "{":
            selectors = text.rpartition(";")[2].strip()
            body = not selectors.startswith("@")
            outer.append(body or re.match(r"@(layer|supports|scope|container)\b|@media\s+(all|screen)\s*$", selectors, re.I) is not None)
        elif mark == "}":
            if body and all(outer[-16:]):
                yield selectors, text
            body = False
            if outer:
                outer.pop()
