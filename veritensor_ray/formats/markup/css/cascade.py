"""Decides which styles apply to each element of a page: its style sheets, its style attribute, `!important`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace

from veritensor_ray.core.reasons import ReasonCode
from veritensor_ray.core.segments import Gap
from veritensor_ray.formats.markup.css.css_values import Undecided, Variables
from veritensor_ray.formats.markup.css.selectors import Element, Steps
from veritensor_ray.formats.markup.css.styles import NONE, Declarations, StyleRule, StyleSheet
from veritensor_ray.formats.markup.css.visibility import VISIBLE, WHOLE_PAGE, State, within

_REMEMBERED, _SHORT = 50_000, 256
_REMEMBERED_CANDIDATES = 4096
_NO_RULES: list[StyleRule] = []
_HEAD = ("head", "body", "frameset")
_TABLE_PARTS = ("table", "tbody", "thead", "tfoot")
_REASONS = {
    "css_chars": "the style sheets are too long to be read in full",
    "css_rules": "the style sheets have too many rules",
    "css_selector": "the selectors of a style sheet are too long or too deep",
    "css_siblings": "a style depends on the siblings of an element that has too many",
    "css_steps": "the selectors and values of a style sheet take too long to evaluate",
    "css_value": "the variables of a style grow without limit",
}


class Cascade:
    """The styles of one page.

    Styles that cannot be evaluated are counted if they could have hidden text; the text then counts as visible.
    """

    def __init__(self, sheet: StyleSheet, xml: bool) -> None:
        self._sheet, self._xml = sheet, xml
        self._steps = Steps()
        self._undecided: Counter[str | None] = Counter()
        self._hides: dict[int, bool] = {}  # whether declarations of the sheet may hide something, by `id`
        self.rules = bool(sheet.rules)
        self.repeats = not sheet.by_siblings  # whether the same tag in the same element always gets the same styles
        self._paths: dict[tuple[int, str], int] = {}  # a number for each tag within the same chain of tags
        self._matched: dict[int, list[StyleRule]] = {}  # the rules for a path, if they do not depend on siblings
        self._states: dict[tuple[int, ...], tuple[State, Declarations, State]] = {}
        self._root = self._made("html", None)
        self._body = self._made("body", self._root)

    @property
    def outermost(self) -> State:
        """The state of content outside all elements of the page."""
        return VISIBLE if self._xml else self._body.state

    def around(self, name: str, parent: Element | None) -> Element | None:
        """The parent of a new element, including elements whose tags a page may omit."""
        if self._xml or name == "html":
            return parent
        if parent is None or parent is self._root:
            if name in _HEAD:
                return self._root
            if self._body.parent is not self._root:
                self._body = self._made("body", self._root)
            return self._body
        if name in ("tr", "td", "th") and parent.tag in _TABLE_PARTS:
            if parent.tag == "table":
                last = parent.children[-1] if parent.children else None
                parent = last if last and last.tag in _TABLE_PARTS else self._made("tbody", parent)
            return parent if name == "tr" else self._made("tr", parent)
        return parent

    def element(self, tag: str, attrib: Mapping[str, str], parent: Element | None, raw: str) -> Element:
        """Begin an element."""
        self._steps.another_element()
        element = Element(tag, attrib, parent, self._steps)
        if len(raw) <= _SHORT and (parent is None or parent.path) and len(self._paths) < _REMEMBERED:
            element.path = self._paths.setdefault((parent.path if parent else 0, raw), len(self._paths) + 1)
        if tag == "html" and parent is None and not self._xml:
            self._root = element
        elif tag == "body" and parent is self._root:
            self._body = element
        return element

    def _made(self, tag: str, parent: Element | None) -> Element:
        """Create an element whose tag the page omits."""
        element = self.element(tag, {}, parent, tag)
        if parent is None:
            element.state = replace(VISIBLE, variables=Variables(spend=self._steps.spend))
        element.state = self.state(element.state, element, {}, NONE, tag)
        return element

    def state(self, around: State, element: Element | None, hints: Declarations, own: Declarations, tag: str) -> State:
        """The state of an element. `hints` are attributes that are styles, which all others override; `own` is its style attribute."""
        rules = self._matching(element) if element else _NO_RULES
        if not (rules or hints or own):
            return around
        if not rules or hints:
            return self._within(around, rules, hints, own, tag)
        key = id(around), id(own), tag in WHOLE_PAGE, *map(id, rules)
        if known := self._states.get(key):
            return known[2]
        state = self._within(around, rules, hints, own, tag)
        if len(self._states) < _REMEMBERED:
            self._states[key] = around, own, state  # their predecessors are kept too, so that their ids are not reused
        return state

    def _within(self, around: State, rules: list[StyleRule], hints: Declarations, own: Declarations, tag: str) -> State:
        try:
            self._steps.spend(sum(rule.size for rule in rules))
            return within(around, _winning(rules, hints, own), tag)
        except Undecided as reason:
            self._undecided[reason.bound] += 1
            return around

    def _matching(self, element: Element) -> list[StyleRule]:
        known = self._matched.get(element.path)
        if known is not None:
            return known
        found = []
        beside = False
        try:
            candidates, steps = self._candidates(element)
            self._steps.spend(steps)
            for rule in candidates:
                beside |= rule.beside
                try:
                    if rule.certain or rule.selector.test(element):
                        found.append(rule)
                except Undecided as reason:
                    self._count(reason.bound, rule.declarations)
                except ValueError:  # an invalid address
                    self._count(None, rule.declarations)
        except Undecided as reason:
            self._undecided[reason.bound] += 1
        if len(found) > 1:
            found.sort(key=StyleRule.weight)
        if element.path and not beside:
            self._matched[element.path] = found
        return found

    def _candidates(self, element: Element) -> tuple[list[StyleRule], int]:
        """The rules that may apply to an element, and the steps that it takes to find out which do."""
        known, key = self._sheet.remembered, (element.tag, element.id, element.attrib.get("class"))
        if element.path and (found := known.get(key)):
            return found
        classes = element.classes
        rules = self._sheet.candidates(element.tag, element.id, classes)
        found = rules, len(classes) + sum(rule.steps for rule in rules)
        if element.path and len(known) < _REMEMBERED_CANDIDATES:
            known[key] = found
        return found

    def _count(self, bound: str | None, declarations: Declarations) -> None:
        """Count an undecided style, which matters if the rule hides text, or sets or uses a variable that may."""
        hides = self._hides.get(id(declarations))
        if hides is None:
            hides = self._hides[id(declarations)] = _may_hide(declarations)
        self._undecided[bound] += hides

    def gaps(self) -> Iterator[Gap]:
        """Yield gaps for the styles that could not be applied."""
        for bound, declarations in self._sheet.unread:
            if not self._undecided[bound]:
                self._count(bound, declarations)
        if self._sheet.truncated:
            self._undecided["css_chars"] += 1
        for reason, count in (+self._undecided).items():
            why = _REASONS.get(reason or "", "a selector depends on the state of a browser or on what follows an element")
            yield Gap(
                f"{why}: text hidden by it counts as visible", bound=reason, count=count, code=None if reason else ReasonCode.NO_READER
            )


def _may_hide(declarations: Declarations) -> bool:
    try:
        varies = any(name.startswith("--") or value.varies for name, value in declarations.items())
        return varies or within(VISIBLE, declarations, "p").hidden
    except Undecided:
        return True


def _winning(rules: list[StyleRule], hints: Declarations, own: Declarations) -> Declarations:
    """The winning value of each property, from rules in ascending order of weight."""
    found = dict(hints)
    for rule in rules:
        found.update(rule.normal)
    found.update(own)
    if important := [rule for rule in rules if rule.important]:
        for rule in sorted(important, key=StyleRule.important_weight):
            found.update(rule.important)
        found.update({name: value for name, value in own.items() if value.important})
    return found
