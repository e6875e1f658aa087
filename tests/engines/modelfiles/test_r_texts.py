"""Objects of R in ASCII form: functions that act, and texts with their names, which do not."""

from __future__ import annotations

import pytest

from tests.engines.modelfiles.building import found, judged

START = "A\n2\n263168\n131840\n"


def symbol(name: str) -> str:
    return f"1\n262153\n{len(name)}\n{name}\n"


def text(value: str) -> str:
    return f"16\n1\n262153\n{len(value)}\n{value}\n"


@pytest.mark.parametrize(
    ("body", "names"),
    [
        (f"1029\n253\n252\n6\n{symbol('system')}2\n{text('echo')}254\n", ["system"]),
        (f"6\n{symbol('download.file')}2\n{symbol('system2')}254\n", ["download.file", "system2"]),
        (f"6\n{symbol('mean')}2\n{text('system')}254\n", []),
        ("14\n2\n1.5\n2.5\n", []),
    ],
)
@pytest.mark.parametrize("start", ["", "RDA2\n"])
def test_symbols(start: str, body: str, names: list[str]) -> None:
    data = (start + START + body).encode()
    assert found(data, "model.rds") == [("r-code", name) for name in names]
    passed = judged(data, "model.rds")
    assert passed is not None
    assert passed.verdict == "unknown"


def test_a_text_that_is_no_object() -> None:
    assert found(b"A\nlist of\nwords\n" + symbol("system").encode(), "model.rds") == []
