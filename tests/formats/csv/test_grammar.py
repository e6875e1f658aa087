"""The tokenizer, which says where cells are, finds the cells that Python's csv module finds."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from veritensor_ray.formats.csv.grammar import Tokenizer, column_names


@given(st.text(st.sampled_from('ab,;"\r\n x\0'), max_size=40), st.sampled_from(",;\t|"))
@settings(max_examples=600, deadline=None)
def test_the_tokenizer_agrees_with_the_csv_module(text: str, delimiter: str) -> None:
    tokenizer = Tokenizer(delimiter)
    lines, at = [], 0
    for line in io.StringIO(text, newline=""):
        lines.append((line, at))
        at += len(line)
    records = list(tokenizer.records(iter(lines)))
    assert "".join(record for record, _ in records) == text
    found = [[cell.value for cell in tokenizer.cells(record)] for record, _ in records]
    assert found == list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))


@pytest.mark.parametrize(("names", "width", "expected"), [(["a", "b"], 1, ["a", "b"]), (["a"], 3, ["a", "1", "2"]), ([], 2, ["0", "1"])])
def test_cells_beyond_the_header_are_called_by_number(names: list[str], width: int, expected: list[str]) -> None:
    assert column_names(names, width) == expected
