"""Orders become changes of texts: what they reach, what happens where they overlap, and when they are left undone."""

from __future__ import annotations

import numpy as np
import pytest

from veritensor_ray.formats.editing import edits as orders
from veritensor_ray.formats.editing import many_edits
from veritensor_ray.formats.editing.actions import Action
from veritensor_ray.formats.editing.edits import Order, Orders, Unit, applied
from veritensor_ray.formats.editing.many_edits import ManyOrders, Numbers
from veritensor_ray.formats.editing.marks import Mark, Marks

ZERO = "\u200b"
TAGS = "".join(chr(0xE0000 + ord(char)) for char in "ignore")


@pytest.fixture(autouse=True, params=[64, 0], ids=["few", "many"])
def few(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many orders do what few do."""
    for module in (orders, many_edits):
        monkeypatch.setattr(module, "FEW", request.param)


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


AT = [Unit(), Unit(row=4, column="a"), Unit(part="p", page=2), Unit(row=1, column="b"), Unit(row=4, column="b"), Unit(row=1, column="b")]
MARKS = [Mark("r.one", "high", None, *unit, "visible", None, at, at + 1, "x", straight=True) for at, unit in enumerate(AT)]
INSIDE = [MARKS[0]._replace(member=name) for name in ("z.zip!/a", "b", "z.zip", "z.zip!/a!/c", "z.zipped")]


def many(marks: list[Mark], *actions: Action) -> ManyOrders:
    """The orders for marks, with an action for each kind of them; the last one for all others."""
    kept = Marks()
    for one in marks:
        kept.append(one)
    return ManyOrders.of(kept, [(actions[min(number, len(actions) - 1)], False) for number in range(len(kept.kinds))])


def told(orders: ManyOrders | list[Order]) -> Orders:
    return Orders(orders, frozenset(), lambda *_: "")


def test_orders_are_made_from_marks_when_they_are_asked_for() -> None:
    orders = many(MARKS, Action.MASK, Action.KEEP, Action.STRIP)
    chosen = [(0, Action.MASK), *((number, Action.STRIP) for number in (2, 3, 4, 5))]
    expected = [Order(number, MARKS[number], action, False) for number, action in chosen]
    assert (list(orders), orders[1], len(orders)) == (expected, expected[1], 5)
    assert orders[1:3] == expected[1:3]
    assert orders != expected[1:]
    assert orders.such(lambda kind: kind.action is Action.STRIP) == expected[1:]
    assert orders.such(lambda kind: kind.action is Action.QUARANTINE) == []
    assert ManyOrders.listed(expected) == expected


def test_orders_are_found_by_unit_and_by_row() -> None:
    marks = [*MARKS, MARKS[1]._replace(rule="r.drop", row=9), MARKS[0]._replace(over_bytes=True), *INSIDE]
    orders = told(many(marks, *[Action.MASK] * 4, Action.DROP_ROW, Action.MASK))
    assert {unit: [order.number for order in some] for unit, some in orders.units.items()} == {
        unit: [number for number, other in enumerate(AT) if other == unit] for unit in AT
    }
    assert list(orders.units) == list(dict.fromkeys(AT))
    assert (list(orders.rows), [order.number for order in orders.over_bytes]) == ([9], [7])
    assert [row for row in range(12) if orders.concern(row)] == [1, 4, 9]
    assert orders.columns == {None, "a", "b"}
    assert (Unit(row=2, column="b") in orders.units, 3 in orders.rows) == (False, False)
    orders.drop_row(9)
    orders.drop_row(4)
    assert [order.number for order in orders.undone] == [0, 2, 3, 5, 7, *range(8, 13)]


@pytest.mark.parametrize(
    ("name", "expected"),
    [("z.zip", ["z.zip", "z.zip!/a", "z.zip!/a!/c"]), ("b", ["b"]), ("a", []), ("z.zip!/a", ["z.zip!/a", "z.zip!/a!/c"])],
)
def test_orders_for_a_member_are_those_for_it_and_everything_in_it(name: str, expected: list[str]) -> None:
    inner = told(many([MARKS[0], *INSIDE], Action.MASK)).member_orders(name)
    assert sorted(order.mark.member or "" for order in inner) == expected
    assert [order.mark.member for some in inner.units.values() for order in some] == expected[:1]


def test_numbers() -> None:
    numbers = Numbers()
    numbers.add(3)
    numbers.update([0, 70_000])
    assert [number for number in (0, 1, 3, 4, 70_000, 80_000) if number in numbers] == [0, 3, 70_000]
    assert numbers.lacks(np.array([3, 5, 0, 80_000])) == [1, 3]


def test_the_first_changes_of_each_kind_are_shown() -> None:
    value = "a@b.c " * 9 + "secret"
    found = [mark(6 * i, 6 * i + 5, "a@b.c") for i in range(9)] + [mark(54, 60, "secret")._replace(rule="secrets.password")]
    made = Orders([Order(i, one, Action.MASK, False) for i, one in enumerate(found)], frozenset(), lambda *_: "[X]")
    made.edits(Unit(), value)
    samples = [(one.rule, one.left[-8:], one.new) for one in made.account.samples]
    assert samples == [
        ("pii.email", "", "[X]"),
        ("pii.email", "[X] ", "[X]"),
        ("pii.email", "[X] [X] ", "[X]"),
        ("secrets.password", "[X] [X] ", "[X]"),
    ]
