"""Every rule of ours against its cases: `cases/<theme>.yaml` for text, `cases_file/<theme>.yaml` for bytes.

A case file maps a rule to texts that it has to see and texts that it has to leave alone:

    rule_name:
      match: ["a text", {text: "a text", name: "SKILL.md"}, {text: "a text", view: hidden}, {hex: "4d5a", extension: ".png"}]
      ignore: ["another text"]
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import yaml

from veritensor_ray.core.config import SEVERITIES, Limits, Settings
from veritensor_ray.core.segments import Block, Identity, to_batch
from veritensor_ray.engines import signatures
from veritensor_ray.engines.base import CATEGORIES, FileInfo, Rule
from veritensor_ray.engines.joined import SEPARATOR
from veritensor_ray.engines.signatures import Signatures
from veritensor_ray.engines.signatures.ruleset import built_in

HERE = Path(__file__).parent
SOURCES = Path(signatures.__file__).parent / "rules"
NAMES = {"notebooks": "case.ipynb"}  # of entries without a name or extension, where rules are for certain files only
FOLDERS = {"text": "cases", "file": "cases_file"}
METADATA = ("title", "description", "category", "severity", "taxonomy", "remediation", "false_alarms")
TAXONOMY = re.compile(r"OWASP-(LLM|ASI)\d\d:20\d\d|ATLAS:AML\.T\d{4}(\.\d{3})?|CWE-\d+")


@dataclass(frozen=True)
class Declared:
    """A rule as it stands in a .yar file."""

    scope: str
    theme: str
    name: str
    meta: dict[str, str]
    condition: str

    @property
    def id(self) -> str:
        return f"signatures.{self.name.lower().replace('_', '-')}"


def declared() -> Iterator[Declared]:
    for scope in FOLDERS:
        for path in sorted((SOURCES / scope).glob("*.yar")):
            for body in re.split(r"(?m)^(?=(?:private\s+|global\s+)*rule\s)", path.read_text(encoding="utf-8"))[1:]:
                name = re.search(r"rule\s+(\w+)", body)
                assert name
                meta = dict(re.findall(r'^\s*(\w+)\s*=\s*"(.*)"\s*$', body.partition("strings:")[0], re.MULTILINE))
                yield Declared(scope, path.stem, name[1], meta, body.rpartition("condition:")[2].strip().rstrip("}").strip())


@dataclass(frozen=True)
class Case:
    """One entry of a case file."""

    data: bytes
    name: str
    view: str = "visible"

    @staticmethod
    def of(entry: str | dict[str, str], theme: str) -> Case:
        known = {"text": entry} if isinstance(entry, str) else entry
        data = bytes.fromhex(known["hex"]) if "hex" in known else known["text"].encode()
        usual = f"case{known['extension']}" if "extension" in known else NAMES.get(theme, "case.txt")
        return Case(data, known.get("name", usual), known.get("view", "visible"))


RULES = list(declared())
CASES: dict[tuple[str, str], dict[str, list[Any]]] = {
    (scope, rule): cases
    for scope, folder in FOLDERS.items()
    for path in sorted((HERE / folder).glob("*.yaml"))
    for rule, cases in yaml.safe_load(path.read_text(encoding="utf-8")).items()
}
each_rule = pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"{rule.scope}-{rule.name}")


@pytest.fixture(scope="module")
def engine() -> Signatures:
    return Signatures(Settings())


def text_batch(cases: list[Case]) -> pa.RecordBatch:
    """One row a case, each from a file of its own."""
    limits = Limits()
    blocks = [Block([case.data.decode()], view=case.view) for case in cases]
    parts = [
        to_batch(block, Identity(i, case.name, "text/plain"), limits) for i, (block, case) in enumerate(zip(blocks, cases, strict=True))
    ]
    return pa.Table.from_batches(parts).unify_dictionaries().combine_chunks().to_batches()[0]


def seen(engine: Signatures, rule: Declared, cases: list[Case]) -> list[int]:
    """Numbers of the cases in which the rule has a hit."""
    if rule.scope == "text":
        return sorted({hit.row or 0 for hit in engine.scan_text(text_batch(cases)) if hit.rule == rule.id})
    found = []
    for i, case in enumerate(cases):
        about = FileInfo(case.name, len(case.data), "application/octet-stream")
        if any(hit.rule == rule.id for hit in engine.scan_file(io.BytesIO(case.data), about)):
            found.append(i)
    return found


@each_rule
def test_a_rule_sees_its_cases_and_leaves_the_others(rule: Declared, engine: Signatures) -> None:
    assert (rule.scope, rule.name) in CASES, f"{FOLDERS[rule.scope]}/{rule.theme}.yaml has no cases for {rule.name}"
    cases = CASES[rule.scope, rule.name]
    match, ignore = ([Case.of(entry, rule.theme) for entry in cases.get(kind) or ()] for kind in ("match", "ignore"))
    assert match, "no case to match"
    assert ignore, "no case to ignore"
    found = seen(engine, rule, [*match, *ignore])
    missed = [case for i, case in enumerate(match) if i not in found]
    wrong = [case for i, case in enumerate(ignore, len(match)) if i in found]
    assert (missed, wrong) == ([], [])


def test_every_case_belongs_to_a_rule() -> None:
    assert set(CASES) <= {(rule.scope, rule.name) for rule in RULES}


@each_rule
def test_a_rule_says_what_it_means_and_what_to_do(rule: Declared, engine: Signatures) -> None:
    assert [name for name in METADATA if not rule.meta.get(name, "").strip()] == []
    assert rule.meta["category"] in CATEGORIES
    assert rule.meta["severity"] in SEVERITIES
    assert 0 < float(rule.meta.get("confidence", "1")) <= 1
    taxonomy = [part.strip() for part in rule.meta["taxonomy"].split(",")]
    assert [part for part in taxonomy if not TAXONOMY.fullmatch(part)] == []
    if rule.scope == "text":
        assert rule.condition == "any of them", "text is joined: conditions over a whole cell do not hold"
    if "files" in rule.meta:
        assert rule.scope == "text"
        re.compile(rule.meta["files"].replace("\\\\", "\\"))
    assert re.fullmatch(r"signatures\.[a-z0-9-]+", rule.id)
    (loaded,) = (known for known in engine.rules() if known.id == rule.id)
    assert (loaded.title, loaded.category, loaded.severity) == tuple(rule.meta[name] for name in ("title", "category", "severity"))


def test_ids_are_unique(engine: Signatures) -> None:
    ids = [rule.id for rule in engine.rules()]
    assert len(ids) == len(set(ids)) == len(RULES) + 1  # and the one on names that lie


def crossing(text: str) -> Iterator[bytes]:
    """The text with the border of two cells in the place of each white space."""
    for space in list(re.finditer(r"\s+", text))[:40]:
        yield f"{text[: space.start()]}{SEPARATOR}{text[space.end() :]}".encode()


def test_no_text_rule_matches_over_the_border_of_two_cells() -> None:
    rules = built_in("text")
    wrong: set[str] = set()
    for (scope, _), cases in CASES.items():
        for entry in cases["match"] if scope == "text" else ():
            for data in crossing(Case.of(entry, "").data.decode()[:2000]):
                wrong |= {rule for rule, start, end in rules.match(data) if SEPARATOR.encode() in data[start:end]}
    assert wrong == set()


def test_rules_are_rules(engine: Signatures) -> None:
    assert all(isinstance(rule, Rule) and rule.references is not None for rule in engine.rules())
