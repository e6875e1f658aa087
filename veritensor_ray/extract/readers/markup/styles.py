"""Style declarations and style sheets: the rules that can hide a text, found for an element by its id, class or tag; it knows no page."""

from __future__ import annotations

import functools
import math
import re
import string
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import cssselect2
import tinycss2
from cssselect2.compiler import CompiledSelector
from tinycss2.ast import FunctionBlock, LiteralToken, Node, WhitespaceToken

from veritensor_ray import bounds
from veritensor_ray.extract.readers.markup.conditions import on_screen, supported
from veritensor_ray.extract.readers.markup.elements import names
from veritensor_ray.extract.readers.markup.values import Undecided, significant, split


@dataclass(frozen=True, slots=True)
class Value:
    """What was written: the property, perhaps a shorthand, and the tokens behind its colon."""

    written: str
    tokens: Sequence[Node]
    important: bool = False
    varies: bool = False  # holds a variable


Declarations = Mapping[str, Value]
NONE: Declarations = {}
_SIDES = ("top", "right", "bottom", "left")
# Which properties something that is written sets. Left is where a line begins.
PROPERTIES: dict[str, tuple[str, ...]] = {
    **{
        name: (name,)
        for name in names(
            "background-color background-image background-clip bottom clip clip-path color content-visibility display filter font-size height "
            "left line-height margin-left margin-top mask-image mask-size max-height max-width opacity overflow-x overflow-y padding-bottom "
            "padding-top position right rotate scale text-indent text-shadow top transform translate visibility width zoom "
            "-webkit-text-fill-color"
        )
    },
    "background": ("background-color", "background-image", "background-clip"),
    "font": ("font-size", "line-height"),
    "mask": ("mask-image", "mask-size"),
    "overflow": ("overflow-x", "overflow-y"),
    "overflow-inline": ("overflow-x",),
    "overflow-block": ("overflow-y",),
    "margin": ("margin-left", "margin-top"),
    "margin-inline": ("margin-left",),
    "margin-inline-start": ("margin-left",),
    "margin-block": ("margin-top",),
    "margin-block-start": ("margin-top",),
    "padding": ("padding-top", "padding-bottom"),
    "padding-block": ("padding-top", "padding-bottom"),
    "padding-block-start": ("padding-top",),
    "padding-block-end": ("padding-bottom",),
    "inset": _SIDES,
    "inset-inline": ("left", "right"),
    "inset-inline-start": ("left",),
    "inset-inline-end": ("right",),
    "inset-block": ("top", "bottom"),
    "inset-block-start": ("top",),
    "inset-block-end": ("bottom",),
    "inline-size": ("width",),
    "block-size": ("height",),
    "max-inline-size": ("max-width",),
    "max-block-size": ("max-height",),
    "-webkit-background-clip": ("background-clip",),
    "-webkit-clip-path": ("clip-path",),
    "-webkit-filter": ("filter",),
    "-webkit-mask": ("mask-image", "mask-size"),
    "-webkit-mask-image": ("mask-image",),
    "-webkit-mask-size": ("mask-size",),
    "-webkit-transform": ("transform",),
}
_WRAPPING = re.compile(r"<!\[CDATA\[|\]\]>")
_LONGEST, _SHORT = 4096, 256
_SELECTOR_DEPTH, _SELECTORS = 6, 500  # levels of one; of one rule
_DEEP = 16  # blocks in blocks
_GROUPS = {"media": on_screen, "container": on_screen, "supports": supported}


@dataclass(frozen=True, slots=True)
class StyleRule:
    """A selector, and what it says. `layer` has the places of the layers that it is in, and infinity for what is in none."""

    selector: CompiledSelector
    layer: tuple[float, ...]
    order: int
    declarations: Declarations
    normal: Declarations
    important: Declarations
    beside: bool  # it asks what stands beside an element

    def weight(self) -> tuple[tuple[float, ...], tuple[int, int, int], int]:
        """The greatest wins."""
        return self.layer, self.selector.specificity, self.order

    def important_weight(self) -> tuple[tuple[float, ...], tuple[int, int, int], int]:
        """The same for what is important: there the first layer wins."""
        return tuple(-place for place in self.layer), self.selector.specificity, self.order


def declarations(style: str) -> Declarations:
    """The properties of a style attribute that matter here."""
    return _known(style) if len(style) <= _LONGEST else _inline(style)


@functools.lru_cache(4096)
def hint(name: str, text: str) -> Value:
    """An attribute that is a style; old colours have no `#`."""
    text = text.strip()[:_SHORT]
    if name.endswith("color") and len(text) in (3, 6) and all(digit in string.hexdigits for digit in text):
        text = f"#{text}"
    return Value(name, tinycss2.parse_component_value_list(text))


def _inline(style: str) -> Declarations:
    try:
        return _declared(tinycss2.parse_blocks_contents(style[: bounds.CSS_CHARS], skip_comments=True, skip_whitespace=True))
    except ValueError:  # a number of more digits than Python reads
        return NONE


_known = functools.lru_cache(4096)(_inline)


def _declared(contents: Iterable[Node]) -> Declarations:
    found: dict[str, Value] = {}
    for node in contents:
        if node.type != "declaration":
            continue
        custom = node.name.startswith("--")
        for name in (node.name,) if custom else PROPERTIES.get(node.lower_name, ()):
            if node.important or name not in found or not found[name].important:
                found[name] = Value(node.lower_name, node.value, node.important, _varies(node.value))
    return found


def _varies(tokens: Sequence[Node]) -> bool:
    waiting = list(tokens)
    while waiting:
        token = waiting.pop()
        if token.type == "function":
            if token.lower_name == "var":
                return True
            waiting += token.arguments
        elif token.type.endswith("block"):
            waiting += token.content
    return False


class StyleSheet:
    """The rules of all style sheets of a page that hold for a screen. `unread` has what is said by rules whose selectors are not understood."""

    def __init__(self) -> None:
        self.rules: dict[str, list[StyleRule]] = {}  # by `#id`, `.class`, tag, or `*` for others
        self.by_siblings = False  # whether a selector asks what stands beside an element
        self.unread: list[tuple[str | None, Declarations]] = []
        self.truncated = False
        self._room, self._count = bounds.CSS_CHARS, 0
        self._layers: dict[tuple[str, ...], float] = {}

    def add(self, css: str, media: str = "") -> None:
        """Take the rules of a style sheet for these media."""
        self.truncated |= len(css) > self._room
        css = _WRAPPING.sub("", css[: self._room])
        self._room -= len(css)
        try:
            if on_screen(tinycss2.parse_component_value_list(media)):
                self._take(tinycss2.parse_stylesheet(css, skip_comments=True, skip_whitespace=True), None, (), 0)
        except ValueError:  # a number of more digits than Python reads
            self.truncated = True

    def _take(self, nodes: Iterable[Node], around: Sequence[Node] | None, layer: tuple[str, ...], deep: int) -> None:
        """Rules; `around` has the selectors of the rule that these stand in."""
        own = _declared(nodes := list(nodes))
        if own and around is not None:
            self._rule(around, own, layer)
        for node in nodes:
            if node.type not in ("qualified-rule", "at-rule") or node.content is None:
                if node.type == "at-rule" and node.lower_at_keyword == "layer":
                    for name in split(significant(node.prelude)):
                        self._layer(layer, name)
            elif deep >= _DEEP:
                self.truncated = True
            elif node.type == "qualified-rule":
                self._take(_contents(node.content), _nested(node.prelude, around), layer, deep + 1)
            elif node.lower_at_keyword == "layer":
                self._take(_block(node, around), around, self._layer(layer, significant(node.prelude)), deep + 1)
            elif node.lower_at_keyword == "scope":
                scope = next((token.content for token in node.prelude if token.type == "() block"), None)
                self._take(_block(node, around), scope if around is None else around, layer, deep + 1)
            elif (holds := _GROUPS.get(node.lower_at_keyword)) and holds(_condition(node)):
                self._take(_block(node, around), around, layer, deep + 1)

    def _layer(self, around: tuple[str, ...], name: list[Node]) -> tuple[str, ...]:
        """A layer takes its place where it is named first; one without a name is another each time."""
        names = [token.value for token in name if token.type == "ident"] or [f"\n{len(self._layers)}"]
        for one in names:
            around = (*around, one)
            self._layers.setdefault(around, float(len(self._layers)))
        return around

    def _rule(self, selectors: Sequence[Node], declared: Declarations, layer: tuple[str, ...]) -> None:
        places = (*(self._layers[layer[:i]] for i in range(1, len(layer) + 1)), math.inf)
        normal = {name: value for name, value in declared.items() if not value.important}
        important = {name: value for name, value in declared.items() if value.important}
        parts = split(selectors)
        if len(parts) > _SELECTORS:
            self.unread.append(("css_selector", declared))
        for part in parts[:_SELECTORS]:
            if self._count >= bounds.CSS_RULES:
                self.unread.append(("css_rules", declared))
                return
            self._count += 1
            try:
                for selector in _compiled(part):
                    if not selector.never_matches and selector.pseudo_element is None:
                        beside = _asks_for_siblings(part)
                        self.by_siblings |= beside
                        self._keep(StyleRule(selector, places, self._count, declared, normal, important, beside))
            except Undecided as reason:
                self.unread.append((reason.bound, declared))

    def _keep(self, rule: StyleRule) -> None:
        selector = rule.selector
        if selector.id is not None:
            key = f"#{selector.id}"
        elif selector.class_name is not None:
            key = f".{selector.class_name}"
        else:
            key = selector.lower_local_name or "*"
        self.rules.setdefault(key, []).append(rule)

    def candidates(self, tag: str, identity: str | None, classes: Iterable[str]) -> list[StyleRule]:
        """The rules that may hold for an element."""
        rules = self.rules
        found = [*rules.get(tag, ()), *rules.get("*", ())]
        if identity:
            found += rules.get(f"#{identity}", ())
        for one in classes:
            found += rules.get(f".{one}", ())
        return found


def _contents(tokens: Sequence[Node]) -> list[Node]:
    found: list[Node] = tinycss2.parse_blocks_contents(tokens, skip_comments=True, skip_whitespace=True)
    return found


def _block(node: Node, around: Sequence[Node] | None) -> list[Node]:
    """What stands in an at-rule: declarations too, where a rule is around it."""
    if around is not None or node.lower_at_keyword == "scope":
        return _contents(node.content)
    found: list[Node] = tinycss2.parse_stylesheet(node.content, skip_comments=True, skip_whitespace=True)
    return found


def _condition(node: Node) -> list[Node]:
    """The condition of a group; that of a container may have a name before it."""
    tokens = significant(node.prelude)
    if node.lower_at_keyword == "container" and tokens and tokens[0].type == "ident" and tokens[0].lower_value != "not":
        del tokens[0]
    return tokens


def _nested(selectors: Sequence[Node], around: Sequence[Node] | None) -> Sequence[Node]:
    """Selectors of a rule in a rule, with those around it for their `&`; cut where each level says it so often that they grow without end."""
    if around is None:
        return selectors
    parts = split(around)
    outer = _stripped(parts[0]) if len(parts) == 1 else [LiteralToken(0, 0, ":"), FunctionBlock(0, 0, "is", list(around))]
    found: list[Node] = []
    for part in split(selectors):
        part = _stripped(part)
        if found:
            found.append(LiteralToken(0, 0, ","))
        if len(found) > bounds.CSS_SELECTOR * _SELECTORS:
            break
        if any(one == "&" for one in part):
            for one in part:
                found += outer if one == "&" else [one]
        else:
            found += [*outer, WhitespaceToken(0, 0, " "), *part]
    return found


def _stripped(tokens: Sequence[Node]) -> list[Node]:
    """Without white space at both ends."""
    kept = [i for i, token in enumerate(tokens) if token.type != "whitespace"]
    return list(tokens[kept[0] : kept[-1] + 1]) if kept else []


def _compiled(tokens: list[Node]) -> list[CompiledSelector]:
    """A selector; Undecided for one that is not known or takes too much to compile, none for what is no element."""
    if not any(token.type != "whitespace" for token in tokens):
        return []
    if _is_moment_or_part(tokens):
        return []
    size, counted = 0, 0
    waiting = [(token, 0) for token in tokens]
    while waiting:
        token, deep = waiting.pop()
        size += 1
        counted += token.type == "ident" and token.lower_value == "of"
        if size > bounds.CSS_SELECTOR or deep > _SELECTOR_DEPTH or counted > 1:
            raise Undecided("css_selector")
        inside = token.arguments if token.type == "function" else token.content if token.type.endswith("block") else ()
        waiting += [(one, deep + 1) for one in inside]
    try:
        return cssselect2.compile_selector_list(tokens)  # type: ignore[no-any-return]
    except (ValueError, TypeError, AttributeError, IndexError, NotImplementedError, SyntaxError, MemoryError, RecursionError):
        raise Undecided from None  # the library's own ways to fail on what it does not know


_MOMENTS = names(
    "autofill default fullscreen in-range indeterminate invalid modal open out-of-range picture-in-picture placeholder-shown popover-open "
    "user-invalid"
)


def _is_moment_or_part(tokens: Sequence[Node]) -> bool:
    """Whether a selector is of a moment that has not come, of one browser, or of a part of an element that holds no text of the page."""
    for before, one in pairwise(tokens):
        if before == ":" and (one == ":" or (one.type == "ident" and (one.value.startswith("-") or one.lower_value in _MOMENTS))):
            return True
    return False


def _asks_for_siblings(tokens: Sequence[Node]) -> bool:
    waiting = list(tokens)
    while waiting:
        token = waiting.pop()
        if token in ("+", "~") or (token.type in ("ident", "function") and _name(token).endswith(("-child", "-of-type"))):
            return True
        if token.type == "function":
            waiting += token.arguments
    return False


def _name(token: Node) -> str:
    name: str = token.lower_name if token.type == "function" else token.lower_value
    return name
