"""The summary in Markdown: what it says, in which order, and how text of the corpus is kept from being markup."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from syrupy.assertion import SnapshotAssertion

from tests.exports import outputs
from veritensor_ray.exports import markdown
from veritensor_ray.exports.markdown import code
from veritensor_ray.results.results import Results


def exported(results: Results) -> str:
    file = io.BytesIO()
    markdown.write(outputs.selection(results), file)
    return file.getvalue().decode()


def test_a_summary(tmp_path: Path, snapshot: SnapshotAssertion) -> None:
    rows = [
        outputs.finding("1", at={"line": 4, "start": 0, "end": 9, "byte_offset": None}),
        outputs.finding("2", rule_id="acme.rule", severity="low", at={"line": 4, "start": 3, "end": 5, "byte_offset": None}),
        outputs.finding("3", artifact="top.pkl", severity="high", count=12, evidence="a`b"),
        outputs.finding("4", severity="info", suppressed_by="S-1"),
    ]
    ledger = [outputs.entry(), *(outputs.entry(f"x/{number}", status="unreadable", reason="damaged") for number in range(9))]
    gaps = [{"status": "unreadable", "reason": "damaged", "reason_code": "damaged", "artifacts": 9}]
    assert exported(outputs.output(tmp_path, rows, ledger, not_covered=gaps, sources=["s3://kb"])) == snapshot


def test_nothing_to_say(tmp_path: Path, snapshot: SnapshotAssertion) -> None:
    assert exported(outputs.output(tmp_path, sources=["s3://kb"])) == snapshot


def test_a_summary_is_short_whatever_the_corpus_is_like(tmp_path: Path) -> None:
    long = "x" * 5_000
    rows = [
        outputs.finding(f"{n:032}", artifact=f"{n}{long}/{n}", rule_id=f"acme.r{n}{long}", evidence=long, message=long) for n in range(60)
    ]
    gaps = outputs.not_covered(*(f"{number} {long}" for number in range(50)))
    text = exported(outputs.output(tmp_path, rows, not_covered=gaps, sources=[long] * 50))
    assert len(text) < 20_000
    for words in ("- 30 more reasons", "- 50 more"):
        assert words in text.splitlines()
    assert "hunter2" not in text


def test_credentials_of_a_source_are_not_shown(tmp_path: Path) -> None:
    assert "hunter2" not in exported(outputs.output(tmp_path))


@pytest.mark.parametrize(
    "text", ["plain", "a`b", "``", "`", "a``b`c", "`x", "x`", " ", "", "a|b", "<b>", "[x](y)", "@all", "https://a.example", "\\"]
)
def test_a_code_span_shows_the_text_and_nothing_else(text: str) -> None:
    (paragraph,) = [one for one in MarkdownIt("commonmark").parse(f"- x {code(text)} y") if one.type == "inline"]
    before, span, after = list(paragraph.children or [])
    assert (before.content, span.type, after.content) == ("x ", "code_inline", " y")
    assert span.content.strip() == text.strip()


def test_a_code_span_is_shortened_in_the_middle() -> None:
    assert code("a" * 50 + "b" * 50, 21) == "`" + "a" * 6 + "…" + "b" * 14 + "`"
