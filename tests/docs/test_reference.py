"""What a user can give is described: keys of the configuration, commands, formats of exports; and so are the columns of results."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import get_args

import pytest
from pydantic import BaseModel

from tests.docs.blocks import COMMANDS, ROOT
from veritensor_ray.cli.export import FORMATS
from veritensor_ray.config import Settings
from veritensor_ray.findings.schema import TABLES

DOCS = ROOT / "docs"


def keys(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """All keys, sections left out; what stands under a name that users give is PREFIX."""
    for name, field in model.model_fields.items():
        types = [one for one in (field.annotation, *get_args(field.annotation)) if isinstance(one, type)]
        inner = next((one for one in types if issubclass(one, BaseModel)), None)
        named = "PREFIX." if str in types else ""
        yield from [f"{prefix}{name}"] if inner is None else keys(inner, f"{prefix}{name}.{named}")


@pytest.mark.parametrize("key", [*keys(Settings)])
def test_a_key_is_described(key: str) -> None:
    """In the page about the configuration, or in the page of the engine whose section it is in, in its table or its example."""
    if f"`{key}`" in (DOCS / "configuration.md").read_text():
        return
    page = (DOCS / "engines" / f"{key.partition('.')[0]}.md").read_text()
    assert f"`{key}`" in page or re.search(rf"^ +(- )?{key.rpartition('.')[2]}:", page, re.MULTILINE)


@pytest.mark.parametrize("command", COMMANDS[1:], ids=" ".join)
def test_a_command_is_described(command: tuple[str, ...]) -> None:
    pages = "".join(page.read_text() for page in (ROOT / "README.md", *DOCS.rglob("*.md")))
    assert re.search(rf"\bveritensor-ray {' '.join(command)}\b", pages)


@pytest.mark.parametrize("table", ["findings", "ledger"])
def test_a_column_is_described(table: str) -> None:
    text = (DOCS / "results.md").read_text().partition(f"\n## `{table}`\n")[2].partition("\n## ")[0]
    nested = [field.type.value_type if hasattr(field.type, "value_type") else field.type for field in TABLES[table]]
    names = [*TABLES[table].names, *(inner.name for kind in nested if hasattr(kind, "fields") for inner in kind.fields)]
    assert len(names) > 25
    assert [name for name in names if f"`{name}`" not in text] == []


def test_a_format_is_described() -> None:
    section = (DOCS / "results.md").read_text().partition("\n## Queries\n")[2]
    assert [name for name in FORMATS[1:] if f"`{name}`" not in section] == []
