"""What a notebook says in its keys, names and numbers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.cleaning.marked import rewritten
from veritensor_ray.formats.notebook.cells import unsaid

ADDRESS = "jane.doe@vault-mail.org"
CARD = 4111111111111111


def notebook(**changes: Any) -> dict[str, Any]:
    """A notebook of one cell with an output."""
    data = {"text/plain": "12345", "application/json": {"count": 123456}}
    output = {"output_type": "execute_result", "execution_count": 1, "data": data, "metadata": {}}
    kernel = {"kernelspec": {"display_name": "Python 3", "name": "python3"}, "language_info": {"codemirror_mode": {"version": 3}}}
    cell = {"cell_type": "code", "execution_count": 1, "metadata": {}, "source": ["1 + 1"], "outputs": [output], **changes}
    return {"cells": [cell], "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}


@pytest.mark.parametrize(
    "changes",
    [
        {"metadata": {ADDRESS: True}},
        {"attachments": {ADDRESS: {"text/plain": "x"}}},
        {"cell_type": ADDRESS},
        {"execution_count": ADDRESS},
        {"metadata": {"number": CARD}},
        {"metadata": {"list": [[CARD]]}},
    ],
)
def test_keys_names_and_numbers_are_searched(changes: dict[str, Any]) -> None:
    assert {mark.view for mark in rewritten(json.dumps(notebook(**changes)).encode(), "a.ipynb").marks} == {"residue"}


def test_an_ordinary_notebook_says_nothing_else() -> None:
    assert list(unsaid(notebook(metadata={"collapsed": False, "slideshow": {"slide_type": "slide"}, "ExecuteTime": {"end_time": 1}}))) == []
