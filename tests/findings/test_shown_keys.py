"""Keys of rows as they are shown."""

from __future__ import annotations

import pytest

from veritensor_ray.findings.shown_keys import shown
from veritensor_ray.formats.columnar.keyed_rows import bounded, written


@pytest.mark.parametrize(
    ("values", "found_in", "expected"),
    [
        ({"id": "17"}, (), "id=17"),
        ({"id": "17", "region": "eu"}, ("mail",), "id=17, region=eu"),
        ({"id": "17", "mail": "ada@kaldor-mail.com"}, ("mail",), "id=17, mail=•••"),
        ({"id": None, "mail": None}, ("mail",), "id=null, mail=null"),
        ({"id": "a\x1b[2J\u202eb"}, (), "id=a\\x1b[2J\\u202eb"),
        ({"id": "\ud800"}, (), "id=?"),
        ({"id": "x" * 64}, (), f"id={'x' * 64}"),
        ({"id": "x" * 65}, (), "id=…"),
    ],
)
def test_what_is_shown(values: dict[str, str | None], found_in: tuple[str, ...], expected: str) -> None:
    columns = [[value if value is None else bounded(value)] for value in values.values()]
    [key] = written(list(values), columns)
    assert shown(key, found_in) == expected
