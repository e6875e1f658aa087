"""A test of many cases runs all of them, and names each that fails."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest

from tests.cases import each


def notes(raised: BaseException) -> list[str]:
    """What is said of the cases that failed, and of those in them."""
    inner = raised.exceptions if isinstance(raised, BaseExceptionGroup) else ()
    return [*getattr(raised, "__notes__", ()), *(note for one in inner for note in notes(one))]


def test_every_case_runs_and_each_that_fails_is_named() -> None:
    seen: list[int] = []

    @each(("given", "expected"), [(1, 1), (2, 3), pytest.param(4, 4), pytest.param(5, 6, id="five")])
    def test(given: int, expected: int) -> None:
        seen.append(given)
        assert given == expected

    with pytest.raises(ExceptionGroup, match="2 of 4 cases failed") as raised:
        test()
    assert seen == [1, 2, 4, 5]
    assert notes(raised.value) == ["the case: 2, 3", "the case: five"]


def test_names_come_from_a_list_or_a_function() -> None:
    def test(row: tuple[int, int]) -> None:
        raise ValueError(row)

    for ids, names in ((["a", "b"], ["a", "b"]), (sum, ["3", "7"]), (None, ["(1, 2)", "(3, 4)"])):
        with pytest.raises(ExceptionGroup) as raised:
            each("row", [(1, 2), (3, 4)], ids)(test)()
        assert notes(raised.value) == [f"the case: {name}" for name in names]


def test_two_tables_give_all_pairs() -> None:
    seen: list[tuple[int, str]] = []

    @each("one", [1, 2])
    @each("other", "ab")
    def test(one: int, other: str) -> None:
        seen.append((one, other))
        assert (one, other) != (2, "b")

    with pytest.raises(ExceptionGroup) as raised:
        test()
    assert seen == [(1, "a"), (1, "b"), (2, "a"), (2, "b")]
    assert notes(raised.value) == ["the case: 2", "the case: 'b'"]


def test_nothing_passes_unseen() -> None:
    """pytest.raises and pytest.skip raise what is no Exception."""

    @each("what", [pytest.fail, pytest.skip, lambda _: None])
    def test(what: object) -> None:
        assert callable(what)
        what("why")

    with pytest.raises(BaseExceptionGroup, match="2 of 3 cases failed"):
        test()

    def one(what: object) -> None:
        assert what

    for wrong in ([], [pytest.param(1, 2)], [pytest.param(1, marks=pytest.mark.slow)]):
        with pytest.raises(AssertionError):
            each("what", wrong)(one)()
    with pytest.raises(ValueError, match="longer than"):
        each("what", [len, len], ["a"])(one)()
    with pytest.raises(AssertionError, match="does not take all"):
        each("another", [1])(one)


def test_a_library_that_is_left_out_leaves_out_the_test() -> None:
    @each("one", [1, 2])
    def test(one: int) -> None:
        raise ModuleNotFoundError("No module named 'torch'", name="torch")

    with pytest.raises(ModuleNotFoundError) as raised:
        test()
    assert notes(raised.value) == ["the case: 1"]


@each("one", [1, 2])
def test_fixtures_come_from_pytest(one: int, tmp_path: Path) -> None:
    assert tmp_path.is_dir()
    assert one in (1, 2)
    assert list(inspect.signature(test_fixtures_come_from_pytest).parameters) == ["tmp_path"]


def test_rows_of_a_function_are_made_once_when_the_test_runs() -> None:
    made: list[int] = []

    def rows() -> list[int]:
        made.append(len(made))
        return [1, 2]

    @each("other", ["a", "b"])
    @each("one", rows)
    def test(one: int, other: str) -> None:
        assert one < 3

    assert made == []
    test()
    assert made == [0]
