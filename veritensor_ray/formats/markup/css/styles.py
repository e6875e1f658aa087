"""Parses style declarations and style sheets into the rules that can hide text, indexed by id, class or tag."""

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

from veritensor_ray.core import bounds
from veritensor_ray.formats.common.name_sets import names
from veritensor_ray.formats.markup.css.css_values import Undecided, significant, split
from veritensor_ray.formats.markup.css.media_conditions import on_screen, supported
from veritensor_ray.formats.markup.css.plain_selectors import PlainSelector


@dataclass(frozen=True, slots=True)
class Value:
    """A declared value: the property as written, possibly a shorthand, and the tokens after its colon."""

    written: str
    tokens: Sequence[Node]
    important: bool = False
    varies: bool = False  # contains a variable
    size: int = 0  # in tokens


Declarations = Mapping[str, Value]
NONE: Declarations = {}
_SIDES = ("top", "right", "bottom", "left")
# Maps each written property to the properties that it sets. Left is the side on which a line begins.
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
_SELECTOR_DEPTH, _SELECTORS = 6, 500  # levels of one selector; selectors of one rule
_DEEP = 16  # levels of nested blocks and layers
_DIGITS = re.compile(r"(\d{300})\d+")  # longer numbers are useless, and Python refuses to parse numbers of several thousand digits
_STEP = 16  # tokens of a selector that are examined in one step
_TOO_LONG = bounds.CSS_SELECTOR + 1
Selectors = Sequence[list[Node]]
_GROUPS = {"media": on_screen, "container": on_screen, "supports": supported}


@dataclass(frozen=True, slots=True)
class StyleRule:
    """A selector and its declarations. `layer` holds the positions of its layers; infinity if it is in no layer."""

    selector: CompiledSelector | PlainSelector
    layer: tuple[float, ...]
    order: int
    declarations: Declarations
    normal: Declarations
    important: Declarations
    beside: bool  # depends on siblings
    steps: int  # the cost of testing an element
    size: int  # of its declarations
    certain: bool  # applies to all elements that have its key

    def weight(self) -> tuple[tuple[float, ...], tuple[int, int, int], int]:
        """A sort key; the greatest wins."""
        return self.layer, self.selector.specificity, self.order

    def important_weight(self) -> tuple[tuple[float, ...], tuple[int, int, int], int]:
        """A sort key for important declarations, where the first layer wins."""
        return tuple(-place for place in self.layer), self.selector.specificity, self.order


def declarations(style: str) -> Declarations:
    """The properties of a style attribute that affect visibility."""
    return _known(style) if len(style) <= _LONGEST else _inline(style)


@functools.lru_cache(4096)
def hint(name: str, text: str) -> Value:
    """The value of an attribute that is a style; old colors have no `#`."""
    text = text[:_LONGEST].strip()[:_SHORT]
    if name.endswith("color") and len(text) in (3, 6) and all(digit in string.hexdigits for digit in text):
        text = f"#{text}"
    return Value(name, tinycss2.parse_component_value_list(text))


def _inline(style: str) -> Declarations:
    style = _DIGITS.sub(r"\1", style[: bounds.CSS_CHARS])
    return _declared(tinycss2.parse_blocks_contents(style, skip_comments=True, skip_whitespace=True))


_known = functools.lru_cache(4096)(_inline)


def _declared(contents: Iterable[Node]) -> Declarations:
    found: dict[str, Value] = {}
    for node in contents:
        if node.type != "declaration":
            continue
        custom = node.name.startswith("--")
        for name in (node.name,) if custom else PROPERTIES.get(node.lower_name, ()):
            if node.important or name not in found or not found[name].important:
                found[name] = Value(node.lower_name, node.value, node.important, *_variable(node.value))
    return found


def _variable(tokens: Sequence[Node]) -> tuple[bool, int]:
    """Whether a value contains a variable, and its number of tokens."""
    varies, size = False, 0
    waiting = list(tokens)
    while waiting:
        token = waiting.pop()
        size += 1
        varies |= token.type == "function" and token.lower_name == "var"
        waiting += _inside(token)
    return varies, size


def _inside(token: Node) -> Sequence[Node]:
    """The tokens in brackets."""
    found: Sequence[Node] = token.arguments if token.type == "function" else token.content if token.type.endswith("block") else ()
    return found


class StyleSheet:
    """The rules of a page's style sheets that apply to a screen.

    `unread` holds the declarations of rules whose selectors are not understood.
    """

    def __init__(self) -> None:
        self.rules: dict[str, list[StyleRule]] = {}  # by `#id`, `.class`, tag, or `*` for others
        self.by_siblings = False  # whether any selector depends on siblings
        self.unread: list[tuple[str | None, Declarations]] = []
        self.truncated = False
        self.remembered: dict[tuple[str, str | None, str | None], tuple[list[StyleRule], int]] = {}  # the candidates by tag, id and `class`
        self._room, self._count = bounds.CSS_CHARS, 0
        self._layers: dict[tuple[str, ...], float] = {}

    def add(self, css: str, media: str = "") -> None:
        """Add the rules of a style sheet with the given `media` condition."""
        self.truncated |= len(css) > self._room
        css = _DIGITS.sub(r"\1", _WRAPPING.sub("", css[: self._room]))
        self._room -= len(css)
        if on_screen(tinycss2.parse_component_value_list(media[:_LONGEST])):
            self._take(tinycss2.parse_stylesheet(css, skip_comments=True, skip_whitespace=True), None, (), 0)

    def _take(self, nodes: Iterable[Node], around: Selectors | None, layer: tuple[str, ...], deep: int) -> None:
        """Add rules. `around` holds the selectors of the enclosing rule."""
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
                self._take(_contents(node.content), _nested(_parts(node.prelude), around), layer, deep + 1)
            elif node.lower_at_keyword == "layer":
                self._take(_block(node, around), around, self._layer(layer, significant(node.prelude)), deep + 1)
            elif node.lower_at_keyword == "scope":
                scope = next((token.content for token in node.prelude if token.type == "() block"), None)
                self._take(_block(node, around), _parts(scope or ()) if around is None else around, layer, deep + 1)
            elif (holds := _GROUPS.get(node.lower_at_keyword)) and holds(_condition(node)):
                self._take(_block(node, around), around, layer, deep + 1)

    def _layer(self, around: tuple[str, ...], name: list[Node]) -> tuple[str, ...]:
        """Register a layer, whose position is that of its first mention. Each unnamed layer is a new one."""
        names = [token.value for token in name if token.type == "ident"] or [f"\n{len(self._layers)}"]
        room = max(0, _DEEP - len(around))
        self.truncated |= len(names) > room
        for one in names[:room]:
            around = (*around, one)
            self._layers.setdefault(around, float(len(self._layers)))
        return around

    def _rule(self, selectors: Selectors, declared: Declarations, layer: tuple[str, ...]) -> None:
        places = (*(self._layers[layer[:i]] for i in range(1, len(layer) + 1)), math.inf)
        normal = {name: value for name, value in declared.items() if not value.important}
        important = {name: value for name, value in declared.items() if value.important}
        size = sum(1 + value.size for value in declared.values())
        if len(selectors) > _SELECTORS:
            self.unread.append(("css_selector", declared))
        for part in selectors[:_SELECTORS]:
            if self._count >= bounds.CSS_RULES:
                self.unread.append(("css_rules", declared))
                return
            self._count += 1
            try:
                for selector in _compiled(part):
                    if not selector.never_matches and selector.pseudo_element is None:
                        beside = _asks_for_siblings(part)
                        self.by_siblings |= beside
                        steps = 1 + _size(part) // _STEP
                        certain = isinstance(selector, PlainSelector) and selector.certain
                        self._keep(StyleRule(selector, places, self._count, declared, normal, important, beside, steps, size, certain))
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
        """The rules that may apply to an element."""
        rules = self.rules
        found = [*rules.get(tag, ()), *rules.get("*", ())]
        if identity and (key := f"#{identity}") in rules:
            found += rules[key]
        for one in classes:
            if (key := f".{one}") in rules:
                found += rules[key]
        return found


def _contents(tokens: Sequence[Node]) -> list[Node]:
    found: list[Node] = tinycss2.parse_blocks_contents(tokens, skip_comments=True, skip_whitespace=True)
    return found


def _block(node: Node, around: Selectors | None) -> list[Node]:
    """The content of an at-rule, which may include declarations if it is inside another rule."""
    if around is not None or node.lower_at_keyword == "scope":
        return _contents(node.content)
    found: list[Node] = tinycss2.parse_stylesheet(node.content, skip_comments=True, skip_whitespace=True)
    return found


def _condition(node: Node) -> list[Node]:
    """The condition of a conditional rule. The condition of a container may be preceded by a name."""
    tokens = significant(node.prelude)
    if node.lower_at_keyword == "container" and tokens and tokens[0].type == "ident" and tokens[0].lower_value != "not":
        del tokens[0]
    return tokens


def _parts(tokens: Sequence[Node]) -> Selectors:
    """The selectors of a list. If they are too many or too long, they are cut just above the limit, so that this is detected."""
    return [part[:_TOO_LONG] for part in split(tokens)[: _SELECTORS + 1]]


def _nested(selectors: Selectors, around: Selectors | None) -> Selectors:
    """Resolve the selectors of a nested rule, replacing `&` by those of the enclosing rule."""
    if around is None:
        return selectors
    if sum(map(len, around)) > bounds.CSS_SELECTOR:
        outer = [LiteralToken(0, 0, "*")] * _TOO_LONG
    elif len(around) == 1:
        outer = _stripped(around[0])
    else:
        listed = [token for part in around for token in (LiteralToken(0, 0, ","), *part)]
        outer = [LiteralToken(0, 0, ":"), FunctionBlock(0, 0, "is", listed[1:])]
    found = []
    for part in map(_stripped, selectors):
        grown: list[Node] = [] if "&" in part else [*outer, WhitespaceToken(0, 0, " ")]
        for one in part:
            if len(grown) < _TOO_LONG:
                grown += outer if one == "&" else [one]
        found.append(grown)
    return found


def _stripped(tokens: Sequence[Node]) -> list[Node]:
    """The tokens without white space at both ends."""
    kept = [i for i, token in enumerate(tokens) if token.type != "whitespace"]
    return list(tokens[kept[0] : kept[-1] + 1]) if kept else []


def _compiled(tokens: list[Node]) -> Sequence[CompiledSelector | PlainSelector]:
    """Compile a selector. Raises Undecided if it is unknown or too expensive; returns an empty list if it matches no element."""
    if not any(token.type != "whitespace" for token in tokens):
        return []
    if _is_moment_or_part(tokens):
        return []
    _size(tokens)
    if plain := PlainSelector.of(tokens):
        return [plain]
    try:
        return cssselect2.compile_selector_list(tokens)  # type: ignore[no-any-return]
    except (ValueError, TypeError, AttributeError, IndexError, NotImplementedError, SyntaxError, MemoryError, RecursionError):
        raise Undecided from None  # the exceptions that the library raises for unknown selectors


def _size(tokens: Sequence[Node]) -> int:
    """The number of tokens of a selector. Raises Undecided if it is too expensive to compile."""
    size, counted = len(tokens), 0
    waiting = [(token, 0) for token in tokens]
    while waiting:
        token, deep = waiting.pop()
        inside = _inside(token)
        size += len(inside)
        counted += token.type == "ident" and token.lower_value == "of"
        if size > bounds.CSS_SELECTOR or deep > _SELECTOR_DEPTH or counted > 1:
            raise Undecided("css_selector")
        waiting += [(one, deep + 1) for one in inside]
    return size


_MOMENTS = names(
    "autofill default fullscreen in-range indeterminate invalid modal open out-of-range picture-in-picture placeholder-shown popover-open "
    "user-invalid"
)


def _is_moment_or_part(tokens: Sequence[Node]) -> bool:
    """Whether a selector applies only to a transient state, to one browser, or to a part of an element that holds no text of the page."""
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
