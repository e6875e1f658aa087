"""What a user can give is described: keys of the configuration and of a policy, commands, stores, formats of exports.

So is what a user gets: the columns and words of results, messages and metrics.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, get_args, get_origin

import pytest
from pydantic import BaseModel

from tests.docs.blocks import COMMANDS, ROOT
from veritensor_ray.cleaning.cleaning_policy import CleanPolicy, CleanRule, StripRule, View
from veritensor_ray.cleaning.pseudonyms import PSEUDONYMS
from veritensor_ray.core.config import Settings
from veritensor_ray.core.detection import CATEGORIES
from veritensor_ray.exports import CATALOGS, FORMATS
from veritensor_ray.findings.schema import ALL_TABLES, TABLES
from veritensor_ray.formats.editing.actions import Action, Strippable
from veritensor_ray.jobs.announce import message
from veritensor_ray.jobs.announce.metrics import write_metrics
from veritensor_ray.policy.policy_file import Policy, PolicyRule, Suppression
from veritensor_ray.results import comparison
from veritensor_ray.stores.filesystems import PROTOCOLS

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


@pytest.mark.parametrize("table", ["findings", "ledger", "locations"])
def test_a_column_is_described(table: str) -> None:
    text = (DOCS / "results.md").read_text().partition(f"\n## `{table}`\n")[2].partition("\n## ")[0]
    nested = [field.type.value_type if hasattr(field.type, "value_type") else field.type for field in ALL_TABLES[table]]
    names = [*ALL_TABLES[table].names, *(inner.name for kind in nested if hasattr(kind, "fields") for inner in kind.fields)]
    assert len(names) > 12
    assert [name for name in names if f"`{name}`" not in text] == []


def test_a_format_is_described() -> None:
    section = (DOCS / "results.md").read_text().partition("\n## Queries\n")[2].partition("\n## ")[0]
    assert [name for name in (*FORMATS, *CATALOGS) if f"`{name}`" not in section] == [], "describe them in docs/results.md, under Queries"


def words(model: type[BaseModel]) -> Iterator[tuple[str, str]]:
    """The key and every word of a setting that takes one of a few."""
    for name, field in model.model_fields.items():
        for one in (field.annotation, *get_args(field.annotation)):
            if isinstance(one, type) and issubclass(one, BaseModel):
                yield from words(one)
            elif get_origin(one) is Literal:
                yield from ((name, word) for word in get_args(one))


def test_a_word_of_a_setting_is_described() -> None:
    text = "".join(page.read_text() for page in (DOCS / "configuration.md", *(DOCS / "engines").glob("*.md")))
    found = [*words(Settings)]
    assert ("profile", "embedded") in found
    assert [(key, word) for key, word in found if not re.search(rf"`{word}`|\b{key}: .*\b{re.escape(word)}\b", text)] == []


@pytest.mark.parametrize("model", [Policy, PolicyRule, Suppression])
def test_a_key_of_a_policy_is_described(model: type[BaseModel]) -> None:
    text = (DOCS / "policy.md").read_text()
    assert [name for name in model.model_fields if not re.search(rf"`([\w\[\]]+\.)?{name}`|^ *(- )?{name}:", text, re.MULTILINE)] == []


@pytest.mark.parametrize("model", [CleanPolicy, CleanRule, StripRule])
def test_a_key_of_a_cleaning_policy_is_described(model: type[BaseModel]) -> None:
    text = (DOCS / "clean.md").read_text()
    assert [name for name in model.model_fields if not re.search(rf"`([\w\[\]]+\.)?{name}` \|", text)] == []


def test_actions_kinds_and_default_categories_of_a_cleaning_policy_are_described() -> None:
    text = (DOCS / "clean.md").read_text().partition("## The policy")[2].partition("## Pseudonyms")[0]
    words = [*Action, *Strippable, *get_args(View)]
    assert [word for word in words if f"`{word}`" not in text] == []


def test_every_pseudonym_is_described() -> None:
    text = (DOCS / "clean.md").read_text().partition("## Pseudonyms")[2]
    assert [rule for rule in PSEUDONYMS if f"`{rule}`" not in text] == []


def test_a_store_is_described() -> None:
    text = (DOCS / "configuration.md").read_text()
    assert [name for name in PROTOCOLS if name != "memory" and f"`{name}://`" not in text] == []


def test_a_category_is_described_and_no_other() -> None:
    section = (DOCS / "results.md").read_text().partition("\n### Categories\n")[2].partition("\n## ")[0]
    assert sorted(re.findall(r"`([\w-]+)`", section)) == sorted(CATEGORIES)


def test_a_state_and_a_column_of_trends_are_described() -> None:
    text = (DOCS / "sweeps.md").read_text()
    assert [word for word in (*message.STATES, *comparison.STATES, *TABLES["trends"].names) if f"`{word}`" not in text] == []


def test_a_field_of_a_message_is_described() -> None:
    text = (DOCS / "schedules.md").read_text()
    fields = {*message.message_of({}), *message.message_of_failure(Settings(), ValueError())}
    assert [name for name in sorted(fields) if f"`{name}`" not in text] == []


def test_a_metric_is_described(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    write_metrics(str(tmp_path / "metrics"), {"started_at": now.isoformat(), "finished_at": now.isoformat()}, now, 0, now)
    metrics = set(re.findall(r"(?m)^# TYPE (\w+) ", (tmp_path / "metrics").read_text()))
    assert len(metrics) > 8
    assert metrics - set(re.findall(r"`(\w+)(?:\{[\w,]+\})?`", (DOCS / "schedules.md").read_text())) == set()
