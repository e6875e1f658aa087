"""Selectors that need no compiling say the same of themselves as compiled ones."""

from __future__ import annotations

import cssselect2
import tinycss2

from tests.cases import each
from veritensor_ray.formats.markup.css.plain_selectors import PlainSelector


@each(
    ("text", "certain"),
    [
        ("a", True), ("*", True), (".b", True), ("*.b", True), ("#c", True), ("\\61", True), ("A.B#c.d", False), ("a b>c + d~*.e", False),
        ("\n a\t.b ", False), ("* *", False), ("#1", None), ("a:hover", None), ("a::before", None), ("[b]", None), (":not(a)", None),
        ("a|b", None), ("> a", None), ("a >", None), ("a > > b", None), (".", None), (". a", None), (".*", None), ("a*", None),
        ("a/**/b", None), ("a " * 10, None),
    ],
)  # fmt: skip
def test_a_plain_selector_is_what_the_library_makes_of_it(text: str, certain: bool | None) -> None:
    tokens = tinycss2.parse_component_value_list(text)
    found = PlainSelector.of(tokens)
    assert (found and found.certain) is certain
    if found:
        (compiled,) = cssselect2.compile_selector_list(tokens)
        for name in ("id", "class_name", "lower_local_name", "specificity", "never_matches", "pseudo_element"):
            assert getattr(found, name) == getattr(compiled, name), name
