"""Elements for cssselect2, built while a page is read: they know their ancestors and preceding siblings, but nothing that follows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from veritensor_ray.core import bounds
from veritensor_ray.formats.markup.css.css_values import Undecided
from veritensor_ray.formats.markup.css.visibility import VISIBLE, State

_LONG = 256  # characters of an attribute that are examined in one step


class Steps:
    """The budget for evaluating selectors and values, which averages a fixed amount per element whatever the page."""

    def __init__(self) -> None:
        self._left = 100 * bounds.CSS_STEPS  # an advance for the variables, which the first elements set

    def another_element(self) -> None:
        """Add the budget of one more element."""
        self._left += bounds.CSS_STEPS

    def spend(self, number: int) -> None:
        """Spend steps. Raises Undecided if none are left."""
        self._left -= number
        if self._left < 0:
            raise Undecided("css_steps")


class _Siblings:
    """The children of an element up to one of them; later ones are not known yet."""

    def __init__(self, element: Element) -> None:
        self._element = element

    def __getitem__(self, asked: slice) -> list[Element]:
        if asked.stop is None:
            raise Undecided
        return self._element.previous_siblings

    def __len__(self) -> int:
        raise Undecided

    def __iter__(self) -> Iterator[Element]:
        raise Undecided


class Element:
    """An open element, or one that precedes it. It is its own `etree_element`: a tag and attributes."""

    __slots__ = ("_ancestors", "_classes", "_steps", "attrib", "children", "count", "id", "index", "parent", "path", "state", "tag")

    in_html_document = True
    in_disabled_fieldset = False
    namespace_url = "http://www.w3.org/1999/xhtml"
    etree_children = ("not known",)  # so that no element is `:empty`: an element without text hides none

    def __init__(self, tag: str, attrib: Mapping[str, str], parent: Element | None, steps: Steps) -> None:
        self.tag, self.attrib, self.parent, self._steps = tag, attrib, parent, steps
        self.id = attrib.get("id")
        self._classes: frozenset[str] | None = None
        self.state: State = parent.state if parent else VISIBLE
        self.children: list[Element] = []  # only the first ones
        self.count = self.index = self.path = 0  # a path of 0 means none
        self._ancestors: tuple[Element, ...] | None = None
        if parent:
            self.index = parent.count
            parent.count += 1
            if self.index < bounds.CSS_SIBLINGS:
                parent.children.append(self)

    def close(self) -> None:
        """End the element: nothing refers to its content any more."""
        self.children.clear()

    @property
    def local_name(self) -> str:
        """The tag."""
        return self.tag

    @property
    def etree_element(self) -> Element:
        """The element itself."""
        return self

    def get(self, name: str, default: str | None = None) -> str | None:
        """The value of an attribute. A long value costs several steps."""
        value = self.attrib.get(name, default)
        if value and len(value) > _LONG:
            self._steps.spend(len(value) // _LONG)
        return value

    @property
    def classes(self) -> frozenset[str]:
        """The classes of the element."""
        if self._classes is None:
            self._classes = frozenset((self.get("class") or "").split())
        return self._classes

    @property
    def ancestors(self) -> tuple[Element, ...]:
        """The ancestors, from the root to the parent."""
        if self._ancestors is None:
            self._ancestors = (*self.parent.ancestors, self.parent) if self.parent else ()
        self._steps.spend(len(self._ancestors))
        return self._ancestors

    @property
    def previous(self) -> Element | None:
        """The preceding sibling."""
        if not self.index or self.parent is None:
            return None
        if self.index > bounds.CSS_SIBLINGS:
            raise Undecided("css_siblings")
        return self.parent.children[self.index - 1]

    @property
    def previous_siblings(self) -> list[Element]:
        """The preceding siblings, in page order."""
        if not self.index or self.parent is None:
            return []
        if self.index > bounds.CSS_SIBLINGS:
            raise Undecided("css_siblings")
        self._steps.spend(self.index)
        return self.parent.children[: self.index]

    @property
    def etree_siblings(self) -> _Siblings:
        """The children of the parent."""
        return _Siblings(self)

    def iter_subtree(self) -> Iterator[Element]:
        """Raise Undecided, because the content of an element follows it."""
        raise Undecided

    iter_children = iter_next_siblings = iter_siblings = iter_subtree

    @property
    def lang(self) -> str:
        """The language from the nearest attribute."""
        return next((found.lower() for one in (self, *reversed(self.ancestors)) if (found := one.get("lang"))), "")
