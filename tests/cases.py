"""One test of many small cases, which reports every case that fails by its name.

pytest makes a test of each row of `parametrize`, in every process of a run, and then runs its fixtures and reports it: for a comparison of two
short texts, that takes longer than the case. `each` is written in the same way. Its rows need no fixture of their own, and none is skipped. Rows
that take long to make, or need a library, are the result of a function: it is called when the test runs, and not in every process.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pytest

Test = Callable[..., None]
FAILED = (Exception, pytest.fail.Exception, pytest.skip.Exception)  # pytest.raises fails with the second


def each(
    names: str | Sequence[str],
    rows: Iterable[Any] | Callable[[], Iterable[Any]],
    ids: Iterable[object] | Callable[[Any], object] | None = None,
) -> Callable[[Test], Test]:
    """Run the body of a test for each row of these values, as `pytest.mark.parametrize` would. Two of them run it for all pairs of rows."""
    columns = (names,) if isinstance(names, str) else tuple(names)

    @functools.cache
    def cases() -> list[tuple[object, tuple[Any, ...]]]:
        """The name of each row, if it has one, and its values."""
        made = [_case(row, isinstance(names, str), len(columns)) for row in (rows() if callable(rows) else rows)]
        assert made, "a table without rows would pass"
        if ids is None or callable(ids):
            return made
        return [(told, values) for told, (_, values) in zip(ids, made, strict=True)]

    def label(name: object, values: tuple[Any, ...]) -> str:
        shown = ids if callable(ids) else repr
        return str(name or ", ".join(str(shown(value)) for value in values))[:200]

    def wrap(test: Test) -> Test:
        @functools.wraps(test)
        def run(*instance: Any, **fixtures: Any) -> None:
            failed: list[BaseException] = []
            for name, values in cases():
                try:
                    test(*instance, **fixtures, **dict(zip(columns, values, strict=True)))
                except FAILED as error:
                    error.add_note(f"the case: {label(name, values)}")
                    if isinstance(error, ModuleNotFoundError):  # an environment may leave out a library, and then the test
                        raise
                    failed.append(error)
            if failed:
                raise BaseExceptionGroup(f"{len(failed)} of {len(cases())} cases failed", failed)

        signature = inspect.signature(test)
        kept = [parameter for name, parameter in signature.parameters.items() if name not in columns]
        assert len(kept) + len(columns) == len(signature.parameters), f"the test does not take all of {columns}"
        run.__signature__ = signature.replace(parameters=kept)  # type: ignore[attr-defined]  # the fixtures that pytest looks for
        return run

    return wrap


def _case(row: Any, single: bool, count: int) -> tuple[object, tuple[Any, ...]]:
    """The name of a row, if it has one, and its values."""
    param = type(pytest.param())
    if isinstance(row, param):
        assert not row.marks, "marks are for tests"
        name, values = str(row.id) if row.id is not None else None, tuple(row.values)
    else:
        name, values = None, (row,) if single else tuple(row)
    assert len(values) == count, f"{values!r} are not {count} values"
    return name, values
