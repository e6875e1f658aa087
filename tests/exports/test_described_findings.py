"""The words and facts that formats share."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from tests.exports import outputs
from veritensor_ray.exports import described_findings
from veritensor_ray.exports.described_findings import FoundPackage


@pytest.mark.parametrize(
    ("rule", "evidence", "package"),
    [
        ("known-vulnerability", "requests==2.19.0 GHSA-x84v-xcm2-53pg", FoundPackage("requests", "2.19.0", "GHSA-x84v-xcm2-53pg")),
        ("known-vulnerability", "@angular/core==1.0 CVE-2020-1", FoundPackage("@angular/core", "1.0", "CVE-2020-1")),
        ("malicious-package", "colourama MAL-2022-1", FoundPackage("colourama", None, "MAL-2022-1")),
        ("malicious-package", "colourama>=1,<2 MAL-2022-1", FoundPackage("colourama", None, "MAL-2022-1")),
        ("typosquat", "reqeusts", FoundPackage("reqeusts")),
        ("typosquat", "two words", None),
        ("known-vulnerability", "requests==2.1*.0 GHSA-1", None),  # masked
        ("extra-index", "https://index.example/simple", None),
        ("direct-url", "https://x.example/a==1 GHSA-1", None),
        ("typosquat", None, None),
    ],
)
def test_the_package_is_taken_from_the_evidence(rule: str, evidence: str | None, package: FoundPackage | None) -> None:
    assert described_findings.package_of(outputs.finding(rule_id=f"dependencies.{rule}", evidence=evidence)) == package


@pytest.mark.parametrize(
    ("by", "accepted", "words"),
    [
        (None, None, None),
        ("S-1", True, "Suppressed by S-1: our own fixture. Owner: ml@example.com. Expires: 2027-01-01."),
        ("S-gone", True, "Suppressed by S-gone: run.json does not record the reason."),
        ("policy:3", False, "Rule 3 of the policy turns this finding off."),
    ],
)
def test_suppressions_are_explained(by: str | None, accepted: bool | None, words: str | None) -> None:
    found = described_findings.suppression_of(outputs.finding(suppressed_by=by), {"S-1": outputs.ENTRY})
    assert (found and found.accepted, found and found.words) == (accepted, words)


@pytest.mark.parametrize(
    ("at", "words", "line"),
    [
        ({"line": 4, "byte_offset": None}, "models/a.pkl:4", 4),
        ({"line": 4, "part": "cell 2", "byte_offset": None}, "models/a.pkl cell 2 line 4", None),
        ({"page": 2, "line": 1, "byte_offset": None}, "models/a.pkl page 2 line 1", None),
        ({"row": 0, "column": "messages[0]\u202e", "byte_offset": None}, "models/a.pkl row 0 messages[0]\\u202e", None),
        (None, "models/a.pkl", None),
    ],
)
def test_locations_in_words(at: dict[str, Any] | None, words: str, line: int | None) -> None:
    row = outputs.finding(at=at) if at else outputs.finding() | {"location": None}
    assert (described_findings.place_of(row), described_findings.line_of(row)) == (words, line)


@pytest.mark.parametrize(
    ("rule", "message", "words"),
    [
        ("modelfiles.dangerous-pickle", "posix.system is called", "Pickle that runs code: posix.system is called"),
        ("modelfiles.dangerous-pickle", "Pickle that runs code", "Pickle that runs code"),
        ("acme.not-installed", "a message", "a message"),
        ("acme.not-installed", None, "acme.not-installed"),
    ],
)
def test_a_headline_says_nothing_twice(rule: str, message: str | None, words: str) -> None:
    assert (
        described_findings.headline(outputs.RULE if rule == outputs.RULE.rule_id else None, outputs.finding(rule_id=rule, message=message))
        == words
    )


def test_only_plain_addresses_are_references() -> None:
    assert described_findings.references(outputs.RULE) == ["https://docs.python.org/3/library/pickle.html"]


@pytest.mark.parametrize("text", outputs.HOSTILE.values(), ids=outputs.HOSTILE)
def test_hostile_text_is_neither_markup_nor_a_control_character(text: str) -> None:
    safe = described_findings.markdown_safe(text).replace("<!-- -->", "")
    assert not set("\r\n\x1b\x00\u202e") & set(safe)
    assert "<" not in safe
    for mark in "`*_[]()#|!":
        assert all(safe[at - 1] == "\\" for at, one in enumerate(safe) if one == mark)


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("plain text, 2-3 words.", "plain text, 2-3 words."),
        ("- item", r"\- item"),
        ("12. item", r"12\. item"),
        ("   code", "code"),
        ("===", r"\==="),
        ("a & b", "a &amp; b"),
        ("@all", "@<!-- -->all"),
        ("$`x`$ and $$x$$", r"\$\`x\`\$ and \$\$x\$\$"),  # formulas
        ("see #12", r"see \#<!-- -->12"),
        ("https://evil.example www.evil.example", "https:<!-- -->//evil.example www<!-- -->.evil.example"),
    ],
)
def test_markdown_shows_text_as_it_is(text: str, safe: str) -> None:
    assert described_findings.markdown_safe(text) == safe


def test_an_object_is_written_item_by_item() -> None:
    file = io.BytesIO()
    described_findings.write_object(file, {"a": 1}, {"b": iter(["ü", {"c": None}]), "d": iter([])}, {"e": "\x1b\ud800"})
    assert json.loads(file.getvalue()) == {"a": 1, "b": ["ü", {"c": None}], "d": [], "e": "\x1b\ud800"}
    assert file.getvalue().isascii()
