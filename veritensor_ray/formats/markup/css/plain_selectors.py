"""Selectors that are understood without compiling them, which is most of the work of reading a style sheet."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import cssselect2
from tinycss2.ast import Node

if TYPE_CHECKING:
    from veritensor_ray.formats.markup.css.selectors import Element

_COMBINED = 8  # combinators, which the compiled selector nests


class PlainSelector:
    """A selector of nothing but tags, classes, ids and combinators, with the attributes of a compiled one.

    Compiling it cannot fail, so it can wait until an element is tested. Most are never tested, because no element has their last class.
    """

    never_matches, pseudo_element = False, None

    def __init__(self, tokens: Sequence[Node]) -> None:
        self._tokens = tokens
        self.id: str | None = None
        self.class_name: str | None = None
        self.lower_local_name: str | None = None
        self.specificity = 0, 0, 0
        self.certain = True

    @classmethod
    def of(cls, tokens: Sequence[Node]) -> PlainSelector | None:
        """Return the selector, or None if there is anything else in it, or too many combinators to be sure that it compiles."""
        found = cls(tokens)
        ids = classes = tags = parts = combined = 0  # parts of the last compound
        space = joined = False
        waiting = iter(tokens)
        for token in waiting:
            kind = token.type
            if kind == "whitespace":
                space = True
                continue
            value = token.value if kind in ("literal", "hash", "ident") else None
            if kind == "literal" and value in ("+", ">", "~"):
                if joined or not parts:
                    return None
                joined = True
                continue
            if parts and (space or joined):
                found.id = found.class_name = found.lower_local_name = None
                parts, combined = 0, combined + 1
            space = joined = False
            if kind == "hash" and token.is_identifier:
                found.id, ids = value, ids + 1
            elif kind == "literal" and value == "." and (token := next(waiting, None)) and token.type == "ident":
                found.class_name, classes = token.value, classes + 1
            elif kind == "ident" and not parts:
                found.lower_local_name, tags = token.lower_value, tags + 1
            elif not (kind == "literal" and value == "*" and not parts):
                return None
            parts += 1
        if joined or combined > _COMBINED:
            return None
        found.specificity = ids, classes, tags
        found.certain = ids + classes + tags <= 1 and not combined
        return found

    @functools.cached_property
    def test(self) -> Callable[[Element], bool]:
        """Whether the selector applies to an element."""
        return cssselect2.compile_selector_list(self._tokens)[0].test  # type: ignore[no-any-return]
