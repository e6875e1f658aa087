"""What travels in a plan for a data file of a table: it comes back as it was, and says which rows are left."""

from __future__ import annotations

import numpy as np
import pytest

from veritensor_ray.core.table_view import TableColumn, TableView, packed

COLUMNS = (
    TableColumn("mail", "c1"),
    TableColumn("more", "c2", 7, (TableColumn("elementType", "elementType", None, (TableColumn("a", "b"),)),)),
)


@pytest.mark.parametrize(
    "view",
    [
        TableView(()),
        TableView(COLUMNS),
        TableView(COLUMNS, log_decides=True),
        TableView(COLUMNS, (("day", "é"), ("day", "")), packed([False] * 9 + [True])),
    ],
)
def test_it_comes_back_as_it_was(view: TableView) -> None:
    data = view.to_bytes()
    assert TableView.from_bytes(data) == view
    assert TableView.from_bytes(data).to_bytes() == data


@pytest.mark.parametrize("first", [0, 1, 7, 8, 13, 99, 100, 101, 1000])
@pytest.mark.parametrize("count", [0, 1, 8, 50, 2000])
def test_which_rows_are_left(first: int, count: int) -> None:
    deleted = np.random.default_rng(1).random(100) < 0.5
    view = TableView((), (), packed(deleted))
    expected = ~np.concatenate([deleted, np.zeros(4000, bool)])[first : first + count]
    assert view.living(first, count).tolist() == expected.tolist()
    assert view.hidden == deleted.sum()


def test_a_vector_that_deletes_nothing_changes_nothing() -> None:
    assert TableView((), (), packed([False] * 1000)) == TableView(())
