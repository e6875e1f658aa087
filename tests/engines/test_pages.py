"""Every engine of ours has a page that names its rules, a row in the README, and a class in the tests of the contract."""

from __future__ import annotations

import re

import pytest

from tests.docs.blocks import ROOT
from tests.engines import test_contracts
from veritensor_ray.core.config import Settings
from veritensor_ray.engines.registry import BUILT_IN, create

README = (ROOT / "README.md").read_text()


@pytest.mark.parametrize("name", BUILT_IN)
def test_an_engine_has_a_page_that_names_its_rules(name: str) -> None:
    [engine] = create(Settings(), [name])
    file = ROOT / "docs" / "engines" / f"{name}.md"
    assert file.exists(), f"write docs/engines/{name}.md; CONTRIBUTING.md says what it has to contain"
    page = file.read_text()
    assert [rule.id for rule in engine.rules() if f"`{rule.id}`" not in page] == [], f"docs/engines/{name}.md has to name them"


@pytest.mark.parametrize("name", BUILT_IN)
def test_the_readme_has_a_row_for_an_engine(name: str) -> None:
    row = f"| [`{name}`](docs/engines/{name}.md) |"
    assert any(line.startswith(row) for line in README.splitlines()), f"the table of README.md has no row that begins with {row}"


@pytest.mark.parametrize("name", BUILT_IN)
def test_an_engine_keeps_the_contract(name: str) -> None:
    test_class = f"Test{BUILT_IN[name].partition(':')[2]}"
    assert hasattr(test_contracts, test_class), f"tests/engines/test_contracts.py has no class {test_class}"


def test_the_table_of_signatures_is_up_to_date() -> None:
    [engine] = create(Settings(), ["signatures"])
    page = (ROOT / "docs" / "engines" / "signatures.md").read_text()
    rules = engine.rules()
    for category in dict.fromkeys(rule.category for rule in rules):
        told = page.partition(f"\n### {category}\n")[2].partition("\n#")[0]
        rows = [f"| `{rule.id}` | {rule.severity} | {rule.title} |" for rule in rules if rule.category == category]
        assert re.findall(r"^\| `signatures\..*$", told, re.MULTILINE) == rows, f"{category}: one row for each rule, in their order"
    assert f"{len(rules)} rules" in README


def test_the_table_of_structure_has_the_titles_of_today() -> None:
    [engine] = create(Settings(), ["structure"])
    page = (ROOT / "docs" / "engines" / "structure.md").read_text()
    rules = {f"| `{rule.id}` | {rule.severity} | {rule.title} |" for rule in engine.rules()}
    assert set(re.findall(r"^\| `structure\..*$", page, re.MULTILINE)) == rules
