"""Labels of columns: OpenMetadata's tag labels with the tags to create, DataHub's proposals with their URNs, and hostile names in both."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.exports.outputs import HOSTILE, RULE, entry, finding, output
from veritensor_ray import api as vr
from veritensor_ray.core.config import Settings
from veritensor_ray.core.wording import percent
from veritensor_ray.exports import CATALOGS
from veritensor_ray.exports.catalog_labels import label_selection
from veritensor_ray.findings.rule_texts import RuleText
from veritensor_ray.results.kinds_by_column import kinds_by_column
from veritensor_ray.testing.export_contract import UNPRINTABLE

EMAIL = RuleText("pii.email", "pii", "Email address", "An address.", "pii", "medium")
PERSON = RuleText("pii.person", "pii", "Person", "A name.", "pii", "low")
OWN = RuleText('user.a."b"', "user", "Own", "Own words.", "pii", "low")
URI = "s3://lake/a(1),2.parquet"
PARQUET = "urn:li:dataset:(urn:li:dataPlatform:s3,lake/a%281%29%2C2.parquet,PROD)"
# What OpenMetadata's schema of a TagLabel allows, and the words of those that it needs beside the name.
ALLOWED = {"tagFQN", "name", "displayName", "description", "style", "source", "labelType", "state", "href"}
WORDS = {
    "source": {"Classification", "Glossary"},
    "labelType": {"Manual", "Propagated", "Automated", "Derived"},
    "state": {"Suggested", "Confirmed"},
}


def cell(name: str, column: str, row: int, rule: str = "pii.email", **about: Any) -> dict[str, Any]:
    at = {"row": row, "column": column, "part": about.pop("part", None), "byte_offset": None}
    chosen = {"artifact": "a.parquet", "rule_id": rule, "severity": "medium", "severity_original": "medium", "evidence": "b***"}
    return finding(name, **chosen | {"at": at} | about)


ROWS = [
    cell("1", "mail", 0),
    cell("2", "mail", 2),
    cell("3", "mail", 2, "pii.person", severity="low", severity_original="low"),
    cell("4", "note", 3, "secrets.token", count=9),
    cell("5", "u.mail", 0, artifact="b.db", part="u"),
    cell("6", "v.mail", 0, artifact="b.db", part="v"),
    cell("7", "x", 0, artifact="c.zip", member="in/c.csv", rule='user.a."b"'),
    *(cell(f"a{number}", text, 0, artifact="d.jsonl", evidence=text, member=text) for number, text in enumerate(HOSTILE.values())),
]
LEDGER = [
    entry("a.parquet", uri=URI, tables=[{"member": None, "part": None, "rows": 4}]),
    entry("b.db", tables=[{"member": None, "part": "u", "rows": 1}, {"member": None, "part": "v", "rows": 3}]),
    entry("c.zip"),
    entry("d.jsonl"),
]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The file of each catalog."""
    results = output(tmp_path_factory.mktemp("audit"), ROWS, LEDGER, rules=(RULE, EMAIL, PERSON, OWN))
    files = {}
    for name, format in CATALOGS.items():
        file = io.BytesIO()
        format.write(label_selection(results, kinds_by_column(results, "findings", None, suppressed=False), Settings()), file)
        files[name] = file.getvalue()
    return files


@pytest.fixture
def tables(made: dict[str, bytes]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(made["openmetadata"])["tables"]
    return found


@pytest.fixture
def proposals(made: dict[str, bytes]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(made["datahub"])
    return found


def test_openmetadata_has_a_tag_for_each_rule_in_a_column(tables: list[dict[str, Any]]) -> None:
    first = tables[0]
    assert {name: first[name] for name in ("uri", "member", "part")} == {"uri": URI, "member": None, "part": None}
    tags = {column["name"]: [(tag["tagFQN"], tag["description"]) for tag in column["tags"]] for column in first["columns"]}
    assert tags == {
        "mail": [
            ("Veritensor.pii.email", r"medium: 2 of 4 rows \(50 %\), 2 locations, for example b\*\*\*"),
            ("Veritensor.pii.person", r"low: 1 of 4 rows \(25 %\), 1 location, for example b\*\*\*"),
        ],
        "note": [("Veritensor.secrets.token", r"medium: at least 1 row, 1 location, for example b\*\*\*")],
    }


def test_openmetadata_accepts_the_labels(tables: list[dict[str, Any]]) -> None:
    labels = [tag for table in tables for column in table["columns"] for tag in column["tags"]]
    assert len(labels) == len(ROWS) - 1
    for label in labels:
        assert {"tagFQN", *WORDS} <= set(label) <= ALLOWED
        assert all(label[name] in some for name, some in WORDS.items())


def test_openmetadata_knows_each_tag_before_it_is_used(made: dict[str, bytes]) -> None:
    """A parent stands before its tags, as they are created in this order."""
    found = json.loads(made["openmetadata"])
    known = {found["classification"]["name"]}
    for tag in found["tags"]:
        assert {"name", "description"} <= set(tag) <= {"name", "displayName", "description", "classification", "parent"}
        above = tag.get("parent", tag["classification"])
        assert above in known
        known.add(f'{above}."' + tag["name"].replace('"', '""') + '"' if "." in tag["name"] else f"{above}.{tag['name']}")
    assert {tag["tagFQN"] for table in found["tables"] for column in table["columns"] for tag in column["tags"]} <= known
    assert 'Veritensor.user."a.""b"""' in known


def test_datahub_proposes_the_tags_of_each_field(proposals: list[dict[str, Any]]) -> None:
    assert proposals[0] == {
        "entityType": "tag",
        "entityUrn": "urn:li:tag:veritensor.pii.email",
        "changeType": "UPSERT",
        "aspectName": "tagProperties",
        "aspect": {"json": {"name": "veritensor.pii.email", "description": "An address."}},
    }
    assert [one["entityUrn"] for one in proposals].count("urn:li:tag:veritensor.pii.email") == 1
    fields = {one["entityUrn"]: one for one in proposals if one["entityType"] == "schemaField"}
    assert fields[f"urn:li:schemaField:({PARQUET},mail)"] == {
        "entityType": "schemaField",
        "entityUrn": f"urn:li:schemaField:({PARQUET},mail)",
        "changeType": "UPSERT",
        "aspectName": "globalTags",
        "aspect": {
            "json": {
                "tags": [
                    {"tag": "urn:li:tag:veritensor.pii.email", "context": "medium: 2 of 4 rows (50 %), 2 locations, for example b***"},
                    {"tag": "urn:li:tag:veritensor.pii.person", "context": "low: 1 of 4 rows (25 %), 1 location, for example b***"},
                ]
            }
        },
    }


@pytest.mark.parametrize(
    "urn",
    [
        "urn:li:schemaField:(urn:li:dataset:(urn:li:dataPlatform:file,/data/b.db/u,PROD),mail)",
        "urn:li:schemaField:(urn:li:dataset:(urn:li:dataPlatform:file,/data/b.db/v,PROD),mail)",
        "urn:li:schemaField:(urn:li:dataset:(urn:li:dataPlatform:file,/data/c.zip!/in/c.csv,PROD),x)",
    ],
)
def test_datahub_names_what_is_inside(proposals: list[dict[str, Any]], urn: str) -> None:
    assert urn in {one["entityUrn"] for one in proposals}


def test_a_hostile_name_stays_one_component(proposals: list[dict[str, Any]]) -> None:
    urns = [one["entityUrn"] for one in proposals if one["entityType"] == "schemaField" and "/d.jsonl" in one["entityUrn"]]
    assert len(urns) == len(HOSTILE)
    for urn in urns:
        assert re.fullmatch(r"urn:li:schemaField:\(urn:li:dataset:\([^(),]*,[^(),]*,PROD\),[^(),]*\)", urn, re.DOTALL)


def texts(value: Any, *names: str) -> list[str]:
    """All texts with one of these names, in any depth."""
    if isinstance(value, list):
        return [text for one in value for text in texts(one, *names)]
    if not isinstance(value, dict):
        return []
    return [one for name, one in value.items() if name in names] + [text for one in value.values() for text in texts(one, *names)]


@pytest.mark.parametrize("catalog", CATALOGS)
def test_nothing_hostile_is_written_as_it_is(made: dict[str, bytes], catalog: str) -> None:
    assert re.search(rb"[^\x20-\x7e\n]", made[catalog]) is None
    said = texts(json.loads(made[catalog]), "description", "context")
    assert len(said) > len(HOSTILE)
    assert [text for text in said if UNPRINTABLE.search(text) or "\n" in text] == []


def test_descriptions_of_openmetadata_are_harmless_as_markdown(made: dict[str, bytes]) -> None:
    said = texts(json.loads(made["openmetadata"]), "description")
    assert [text for text in said if re.search(r"<(?!!-- -->)|(?<!\\)\]\(|(?<!\\)`", text)] == []


def test_suppressed_findings_give_no_labels(tmp_path: Path) -> None:
    results = output(tmp_path / "audit", [cell("1", "mail", 0), cell("2", "note", 1, suppressed_by="S-1")], LEDGER[:1])
    vr.open(results.store.uri).export(tmp_path / "tags.json", "openmetadata")
    (table,) = json.loads((tmp_path / "tags.json").read_text())["tables"]
    assert [column["name"] for column in table["columns"]] == ["mail"]


@pytest.mark.parametrize(
    ("share", "said"),
    [(0, "0 %"), (1e-9, "< 0.1 %"), (0.001, "0.1 %"), (0.3333, "33.3 %"), (0.5, "50 %"), (0.9999, "> 99.9 %"), (1, "100 %")],
)
def test_a_share_is_never_rounded_to_nothing_or_to_everything(share: float, said: str) -> None:
    assert percent(share) == said
