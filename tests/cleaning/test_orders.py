"""Orders become changes of texts: what they reach, what happens where they overlap, and when they are left undone."""

from __future__ import annotations

import pytest

from veritensor_ray.cleaning.actions import Action
from veritensor_ray.cleaning.orders import Order, Orders, Unit, applied
from veritensor_ray.findings.marks import Mark

ZERO = "\u200b"
TAGS = "".join(chr(0xE0000 + ord(char)) for char in "ignore")


def mark(start: int, end: int, text: str | None, view: str = "visible", column: str | None = None, via: str | None = None) -> Mark:
    return Mark("pii.email", "high", None, None, None, None, column, view, via, start, end, text, straight=text is not None)


def changed(value: str, *orders: tuple[Mark, Action]) -> str | None:
    """The text after its orders, or None if one of them is left undone."""
    made = Orders([Order(i, *order, False) for i, order in enumerate(orders)], frozenset(), lambda *_: "[X]")
    text = applied(value, made.edits(Unit(column=orders[0][0].column), value))
    return None if made.undone else text


@pytest.mark.parametrize(
    ("value", "orders", "expected"),
    [
        ("mail a@b.c now", [(5, 10, Action.MASK)], "mail [X] now"),
        ("mail a@b.c now", [(5, 10, Action.STRIP)], "mail  now"),
        (f"he{ZERO}llo", [(0, 6, Action.STRIP)], "hello"),
        (f"see {TAGS}that", [(4, 7, Action.STRIP)], "see that"),  # all of the hidden text, of which the rule matches the beginning
        ("one two three", [(0, 7, Action.MASK), (4, 13, Action.MASK)], "[X]"),
        # two findings of hidden characters that overlap: everything that is visible stays, whichever of them is the longest
        (f"ab{ZERO}cd{TAGS}ef", [(0, 6, Action.STRIP), (4, 13, Action.STRIP)], "abcdef"),
        # a value in a longer text with hidden characters is masked all the same
        (f"ab{ZERO}cd a@b.c ef{ZERO}gh", [(0, 16, Action.STRIP), (6, 11, Action.MASK)], "abcd [X] efgh"),
        (f"a@{ZERO}b.c", [(0, 6, Action.MASK), (2, 3, Action.STRIP)], "[X]"),
    ],
)
def test_what_an_order_changes(value: str, orders: list[tuple[int, int, Action]], expected: str) -> None:
    assert changed(value, *((mark(start, end, value[start:end]), action) for start, end, action in orders)) == expected


def test_a_key_of_which_engines_saw_the_beginning_goes_as_a_whole() -> None:
    key = "\n".join(["-----BEGIN PRIVATE KEY-----", *["MIIE" * 16] * 20, "AbC=", "-----END PRIVATE KEY-----"])
    for seen in (27, 60, 500):
        assert changed(f"a {key} b", (mark(2, 2 + seen, key[:seen]), Action.MASK)) == "a [X] b"


def test_a_hidden_value_is_stripped_as_a_whole() -> None:
    assert changed("see a@b.c", (mark(4, 9, "a@b.c", "metadata", "title"), Action.STRIP)) == ""


def test_an_encoded_run_is_replaced_as_a_whole() -> None:
    assert changed("x bWFpbCBhQGIuYw== y", (mark(6, 10, None, "decoded", via="base64"), Action.MASK)) == "x [X] y"


@pytest.mark.parametrize(
    "given",
    [
        mark(5, 10, "x@y.z"),  # the text at the place is a different one
        mark(5, 99, None),
        mark(-1, 3, None),
    ],
)
def test_a_text_that_is_not_there_is_left_undone(given: Mark) -> None:
    assert changed("mail a@b.c now", (given, Action.MASK)) is None


def test_a_dropped_row_takes_its_other_orders_with_it() -> None:
    dropped, masked = mark(0, 3, None)._replace(row=7), mark(0, 3, "abc")._replace(row=7)
    orders = Orders([Order(0, dropped, Action.DROP_ROW, False), Order(1, masked, Action.MASK, False)], frozenset(), lambda *_: "")
    orders.drop_row(7)
    assert orders.undone == [] and [one.row for one in orders.account.rows] == [7]
