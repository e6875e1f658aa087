"""Reports for frameworks: the tables, the status that results reach, the numbers, and what hostile text becomes."""

from __future__ import annotations

import base64
import hashlib
import html.parser
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.exports import outputs
from veritensor_ray.core.config import Settings
from veritensor_ray.core.detection import CATEGORIES
from veritensor_ray.core.errors import UsageError
from veritensor_ray.engines.registry import BUILT_IN, rules_of
from veritensor_ray.exports.report.compliance import FRAMEWORKS, RENDERERS, ComplianceDocument, Item, compliance, render
from veritensor_ray.exports.report.compliance.facts import FACTS
from veritensor_ray.exports.report.compliance.frameworks import STATUSES, Row, framework
from veritensor_ray.results.results import Results

ROWS = [(name, row) for name in FRAMEWORKS for row in framework(name).items]
ALL = {name: {"version": "1", "fingerprint": "1", "model": None} for name in BUILT_IN}
COMPLETE: dict[str, dict[str, int]] = {name: {"complete": 1} for name in BUILT_IN}


@pytest.mark.parametrize(("name", "row"), ROWS, ids=[f"{name} {row.id}" for name, row in ROWS])
def test_each_item_names_things_that_exist(name: str, row: Row) -> None:
    assert row.at_most in STATUSES
    assert row.title[0].isupper()
    assert row.reason.endswith(".")
    assert set(row.engines) <= set(BUILT_IN)
    assert set(row.facts) <= set(FACTS)
    assert row.needs in (None, "sweep", "policy")
    where = row.findings or {}
    assert set(where) <= {"categories", "engines", "taxonomy"}
    assert set(where.get("categories", ())) <= set(CATEGORIES)
    assert set(where.get("engines", ())) <= set(BUILT_IN)
    says_something = bool(row.engines or row.facts or row.findings is not None)
    assert says_something == (row.at_most != "none")


def test_taxonomies_belong_to_rules_and_ids_are_unique() -> None:
    used = {row.findings["taxonomy"] for _, row in ROWS if row.findings and "taxonomy" in row.findings}
    assert used <= {one for rule in rules_of(Settings(), BUILT_IN).values() for one in rule.taxonomy}
    assert len({(name, row.id) for name, row in ROWS}) == len(ROWS)


@pytest.mark.parametrize("name", FRAMEWORKS)
def test_no_table_claims_conformity(name: str) -> None:
    words = " ".join(f"{row.title} {row.reason}" for row in framework(name).items).lower()
    assert not re.search(r"\b(compliant|complies|conform|certif|satisf|fulfil|meets)", words)


def test_the_page_of_the_documentation_lists_each_table() -> None:
    page = (Path(__file__).parents[3] / "docs" / "compliance.md").read_text()
    listed = re.findall(r"^\| `([a-z0-9-]+)` \|.*\| (\d+) \|$", page, re.MULTILINE)
    assert listed == [(name, str(len(framework(name).items))) for name in FRAMEWORKS]


def item(results: Results, name: str, id: str) -> Item:
    return next(one for one in compliance(results, name).items if one.id == id)


@pytest.mark.parametrize(
    ("about", "name", "id", "status", "short"),
    [
        ({}, "owasp-llm", "LLM03:2025", "evidence", ()),
        ({}, "owasp-llm", "LLM09:2025", "none", ()),
        ({}, "eu-ai-act", "Article 15(5)", "partial", ()),
        (
            {"coverage": COMPLETE | {"dependencies": {"complete": 1, "db_missing": 2}}},
            *("owasp-llm", "LLM03:2025", "partial"),
            ("Not everything was checked by the engine dependencies.",),
        ),
        (
            {"engines": {name: about for name, about in ALL.items() if name != "pii"}},
            *("owasp-llm", "LLM02:2025", "partial"),
            ("Not part of this audit: the engine pii.",),
        ),
        (
            {"engines": ALL | {"pii": {"version": "1", "missing": "the model is missing"}}},
            *("eu-ai-act", "Article 10(5)", "none"),
            ("Not part of this audit: the engine pii.",),
        ),
        (
            {"coverage": COMPLETE | {"modelfiles": {"not-applicable": 3}}},
            *("nist-ai-rmf", "MANAGE 3.2", "none"),
            ("Nothing in this corpus is of a kind that the engine modelfiles can check.",),
        ),
        ({}, "nist-ai-rmf", "MEASURE 2.1", "evidence", ()),
        (
            {"not_covered": outputs.not_covered("encrypted")},
            *("nist-ai-rmf", "MEASURE 2.1", "partial"),
            ("Not everything in the corpus was checked; see the list above.",),
        ),
        ({}, "nist-ai-rmf", "MEASURE 3.1", "none", ("This output holds a single audit; only a sweep records this.",)),
        ({}, "nist-ai-rmf", "MANAGE 1.3", "partial", ()),
        ({"policy": {"file": None}}, "nist-ai-rmf", "MANAGE 1.3", "none", ("No policy file was applied.",)),
    ],
)
def test_the_status_that_results_reach(
    about: dict[str, Any], name: str, id: str, status: str, short: Sequence[str], tmp_path: Path
) -> None:
    run: dict[str, Any] = {"engines": ALL, "coverage": COMPLETE} | about
    found = item(outputs.output(tmp_path, [outputs.finding()], **run), name, id)
    assert (found.status, found.short) == (status, short)


def test_numbers_agree_with_sql_over_the_files(tmp_path: Path) -> None:
    rows = [
        outputs.finding("1"),
        outputs.finding("2", severity="low"),
        outputs.finding("3", artifact="b.pkl", suppressed_by="S-1"),
        outputs.finding("4", artifact="b.pkl", rule_id="pii.email", category="pii", severity="medium"),
        outputs.finding("5", artifact="c.pkl", count=30) | {"location": None},  # counts 30 findings that have no row
    ]
    results = outputs.output(tmp_path, rows, engines=ALL, coverage=COMPLETE)
    table = f"'{tmp_path}/findings/*.parquet'"
    query = f"SELECT coalesce(sum(CASE WHEN location IS NULL THEN count ELSE 1 END), 0)::BIGINT FROM {table} WHERE category IN ({{}})"
    for id, categories in (("Article 10(5)", ["pii"]), ("Article 15(5)", ["unsafe-deserialization"])):
        (number,) = duckdb.connect().execute(f"{query.format(str(categories)[1:-1])} AND suppressed_by IS NULL").fetchall()[0]
        found = item(results, "eu-ai-act", id)
        assert sum(rule["findings"] for rule in found.rules) == number
        assert any(one.startswith(f"{number} finding") for one in found.facts)
    assert item(results, "eu-ai-act", "Article 15(5)").rules == (
        {"rule_id": "modelfiles.dangerous-pickle", "severity": "critical", "findings": 32, "artifacts": 2},
    )


def test_the_document_begins_with_the_disclaimer_and_what_was_not_covered(tmp_path: Path) -> None:
    results = outputs.output(tmp_path, not_covered=outputs.not_covered("encrypted"))
    document = compliance(results, "iso-42001")
    assert document.missing == ("unreadable: encrypted (2 artifacts)",)
    assert document.about["SHA-256 of run.json"] == hashlib.sha256((tmp_path / "run.json").read_bytes()).hexdigest()
    for suffix in (".md", ".html"):
        text = render(document, suffix).decode()
        order = [
            text.index(words) for words in ("does not state that anything complies", "unreadable: encrypted", "run-1", "A.4.3", "A.10.3")
        ]
        assert order == sorted(order)
        assert "hunter2" not in text  # the sources' credentials
    about = json.loads(render(document, ".json"))
    assert about["disclaimer"].startswith("This report does not state that anything complies")
    assert sum(about["counts"].values()) == len(about["items"])


def test_an_audit_that_covered_everything_says_so(tmp_path: Path) -> None:
    document = compliance(outputs.output(tmp_path), "iso-42001")
    assert "Every applicable engine has seen every byte of the corpus." in render(document, ".md").decode()


class _Tags(html.parser.HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen: set[str] = set()
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        self.attributes |= {name for name, _ in attrs}


@pytest.mark.parametrize("text", outputs.HOSTILE.values(), ids=outputs.HOSTILE)
def test_hostile_text(text: str, tmp_path: Path) -> None:
    plain, hostile = (_document(tmp_path / name, text if name == "hostile" else "plain") for name in ("plain", "hostile"))
    tags = [_Tags(), _Tags()]
    for parser, document in zip(tags, (plain, hostile), strict=True):
        parser.feed(render(document, ".html").decode())
    assert (tags[0].seen, tags[0].attributes) == (tags[1].seen, tags[1].attributes)
    assert "script" not in tags[1].seen
    for suffix in RENDERERS:
        assert not set("\x00\x07\x1b\r\u202e\u2066\u200b") & set(render(hostile, suffix).decode())
    markdown = render(hostile, ".md").decode()
    assert markdown.count("\n") == render(plain, ".md").decode().count("\n")
    assert "](javascript" not in markdown
    assert "<script" not in markdown


def _document(folder: Path, text: str) -> ComplianceDocument:
    row = outputs.finding(rule_id=text, message=text, evidence=text, artifact=text)
    policy = {"file": text, "digest": text, "day": text, "suppressions": [outputs.ENTRY | {"reason": text, "owner": text}]}
    engines = {"modelfiles": {"version": text, "model": text}}
    about: dict[str, Any] = {
        "sources": [text],
        "policy": policy,
        "engines": engines,
        "profile": text,
        "coverage": {"modelfiles": {"complete": 1, text: 1}},
    }
    return compliance(outputs.output(folder, [row], not_covered=outputs.not_covered(text), status={text: 2}, **about), "nist-ai-rmf")


def test_the_page_allows_only_its_own_style(tmp_path: Path) -> None:
    page = render(compliance(outputs.output(tmp_path), "eu-ai-act"), ".html").decode()
    style = re.search("<style>(.*?)</style>", page, re.DOTALL)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert f'content="default-src &#39;none&#39;; style-src &#39;sha256-{digest}&#39;"' in page
    assert not re.search(r"https?://|url\(|style=|<script|<img|<link", page)


@pytest.mark.parametrize(
    ("name", "suffix", "message"), [("nist-ai-rfm", ".md", "did you mean 'nist-ai-rmf'"), ("iso-42001", ".pdf", "not one of .html")]
)
def test_unknown_names(name: str, suffix: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=re.escape(message)):
        render(compliance(outputs.output(tmp_path), name), suffix)
