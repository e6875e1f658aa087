"""Which action a finding gets, what a cleaning policy may say, and what is said about a mistake in one."""

from __future__ import annotations

import pickle
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from veritensor_ray.cleaning.cleaning_policy import CleanPolicy, load_clean_policy, parse
from veritensor_ray.core.config import SEVERITIES
from veritensor_ray.core.detection import CATEGORIES
from veritensor_ray.core.errors import UsageError
from veritensor_ray.formats.editing.actions import Action, Conversion, Ruling, Strippable
from veritensor_ray.formats.editing.marks import Mark


def mark(rule: str, severity: str = "medium", **values: Any) -> Mark:
    given = {"member": None, "part": None, "page": None, "row": None, "column": None, "view": "visible", "decoded_via": None, **values}
    return Mark(rule, severity, start=0, end=4, text="text", straight=True, **given)


def decided(text: str, found: Mark, category: str, artifact: str = "docs/a.md") -> str:
    verdict = parse(text).decide(found, category, artifact)
    return verdict.action.value + (" same length" if verdict.keep_length else "")


@pytest.mark.parametrize(
    ("found", "category", "action"),
    [
        (mark("modelfiles.dangerous-pickle", "critical"), "unsafe-deserialization", "quarantine"),
        (mark("modelfiles.remote-code"), "unsafe-model", "quarantine"),
        (mark("signatures.mimikatz-program", "high"), "malware", "quarantine"),
        (mark("structure.macro", view="metadata"), "malware", "strip"),
        (mark("structure.macro-suspicious", "high", view="metadata"), "malware", "strip"),
        (mark("dependencies.malicious-package", "critical"), "malicious-package", "quarantine"),
        (mark("structure.archive-bomb", "high"), "archive-hazard", "quarantine"),
        (mark("secrets.github-token", "high"), "secret", "mask"),
        (mark("secrets.github-token", "high", view="hidden"), "secret", "mask"),
        (mark("pii.email"), "pii", "mask"),
        (mark("pii.person", "low"), "pii", "keep"),
        (mark("signatures.zero-width-run"), "hidden-content", "strip"),
        (mark("injection.prompt", view="hidden"), "prompt-injection", "strip"),
        (mark("injection.prompt", view="comment", row=3), "prompt-injection", "strip"),
        (mark("injection.prompt", view="metadata"), "prompt-injection", "strip"),
        (mark("injection.prompt", row=0), "prompt-injection", "drop-row"),
        (mark("injection.prompt", row=0, view="decoded"), "prompt-injection", "drop-row"),
        (mark("injection.prompt"), "prompt-injection", "quarantine"),
        (mark("signatures.send-data-to-url", row=2), "exfiltration", "drop-row"),
        (mark("signatures.send-data-to-url"), "exfiltration", "quarantine"),
        (mark("signatures.format-mismatch"), "format-mismatch", "quarantine"),
        (mark("dependencies.known-vulnerability", "high"), "vulnerable-dependency", "quarantine"),
        (mark("dependencies.typosquat"), "typosquat", "quarantine"),
    ],
)
def test_without_a_policy_the_defaults_decide(found: Mark, category: str, action: str) -> None:
    assert decided("", found, category) == action


def test_every_category_has_a_default_that_does_not_keep_the_finding() -> None:
    verdicts = {category: CleanPolicy().decide(mark("x.y"), category, "a") for category in CATEGORIES}
    assert [category for category, verdict in verdicts.items() if verdict.action is Action.KEEP] == []


@pytest.mark.parametrize("level", SEVERITIES)
def test_the_defaults_act_at_and_above_the_level(level: str) -> None:
    actions = [decided(f"level: {level}", mark("pii.email", severity), "pii") for severity in SEVERITIES]
    at = SEVERITIES.index(level)
    assert actions == ["keep"] * at + ["mask"] * (len(SEVERITIES) - at)


EMAIL = mark("pii.email", "low", row=3, column="user.email")


@pytest.mark.parametrize(
    ("rule", "matches"),
    [
        ("rule: pii.email", True),
        ("rule: pii.*", True),
        ("rule: secrets.*", False),
        ("category: pii", True),
        ("category: secret", False),
        ("severity: low", True),
        ("severity: info", True),
        ("severity: medium", False),
        ("path: '*.md'", True),
        ("path: docs/*", True),
        ("path: /a.md", False),
        ("column: '*.email'", True),
        ("column: user.email", True),
        ("column: email", False),
        ("view: visible", True),
        ("view: [hidden, visible]", True),
        ("view: hidden", False),
        ("rule: pii.*, path: '*.md', column: user.*, category: pii, severity: low, view: visible", True),
        ("rule: pii.*, path: '*.txt'", False),
    ],
)
def test_a_rule_acts_on_findings_that_meet_all_its_conditions_whatever_the_level(rule: str, matches: bool) -> None:
    assert decided(f"level: critical\nrules: [{{{rule}, action: drop-cell}}]", EMAIL, "pii") == ("drop-cell" if matches else "keep")


@pytest.mark.parametrize(
    ("pattern", "column", "matches"),
    [
        ("messages[].content", "messages[].content", True),
        ("*[].content", "messages[].content", True),
        ("messages[].content", "messages[12].content", True),
        ("messages[].parts[].text", "messages[12].parts[0].text", True),
        ("messages[].content", "messages[x].content", False),
        ("messages[1].content", "messages[1].content", True),
        ("messages[1].content", "messages[12].content", False),
        ("[em]ail", "email", False),
        ("*", None, False),
    ],
)
def test_brackets_in_the_path_of_a_column_are_entries_of_lists(pattern: str, column: str | None, matches: bool) -> None:
    found = decided(f"rules: [{{column: '{pattern}', action: drop-cell}}]", mark("pii.email", "low", column=column), "pii")
    assert found == ("drop-cell" if matches else "keep")


def test_the_first_rule_that_matches_decides() -> None:
    text = "rules:\n- {path: /docs/a.md, action: keep}\n- {rule: pii.*, action: mask, keep_length: true}\n- {rule: '*', action: drop-file}"
    found = mark("pii.email")
    assert decided(text, found, "pii", "docs/a.md") == "keep"
    assert decided(text, found, "pii", "docs/b.md") == "mask same length"
    assert decided(text, mark("secrets.jwt"), "secret", "docs/b.md") == "drop-file"


def test_what_to_strip_adds_up_over_the_entries_that_match() -> None:
    policy = parse("strip: [comments, {path: '*.docx', kinds: [macros, metadata]}, {path: '/a.docx', kinds: [hidden-text]}]")
    assert policy.strips("x.md") == {Strippable.COMMENTS}
    assert policy.strips("b/x.docx") == {Strippable.COMMENTS, Strippable.MACROS, Strippable.METADATA}
    assert policy.strips("a.docx") == set(Strippable) - {Strippable.NOTEBOOK_OUTPUTS, Strippable.ATTACHMENTS}
    assert CleanPolicy().strips("a.docx") == set()


def test_formats_that_files_may_become_are_one_or_a_list() -> None:
    assert CleanPolicy().convert == ()
    assert parse("convert: safetensors").convert == (Conversion.SAFETENSORS,)
    assert parse("convert: [safetensors, office]").convert == (Conversion.SAFETENSORS, Conversion.OFFICE)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("level: high\nrule: []", "line 2: unknown key rule; did you mean rules?"),
        ("rules:\n- {rule: a, action: mask}\n- rule: a\n  acton: mask", "line 4: unknown key rules.2.acton; did you mean rules.2.action?"),
        ("rules:\n- rule: a\n  action: musk", "line 3: key rules.1.action: action 'musk' is not one of keep, mask"),
        ("rules:\n- rule: a\n  action: musk", "did you mean 'mask'?"),
        ("rules: [{rule: a}]", "rules.1.action: this key is required"),
        ("rules: [{action: mask}]", "rules.1: give at least one of rule, category, severity, path, column, view"),
        ("rules: [{rule: a, action: strip, keep_length: true}]", "keep_length is only for the action mask, and not for strip; remove it"),
        ("rules: [{category: secrets, action: mask}]", "category 'secrets' is not one of"),
        ("rules: [{view: [hiden], action: strip}]", "view 'hiden' is not one of visible, hidden"),
        ("rules: [{rule: '', action: strip}]", "rules.1.rule: must not be empty"),
        ("level: hgh", "severity 'hgh' is not one of info, low, medium, high, critical; did you mean 'high'?"),
        ("unchecked: drop", "value 'drop' is not one of hold, copy"),
        (
            "strip: [macro]",
            "kind 'macro' is not one of hidden-text, comments, metadata, macros, notebook-outputs, attachments; did you mean 'macros'?",
        ),
        ("convert: safetensor", "conversion 'safetensor' is not one of safetensors, office; did you mean 'safetensors'?"),
        ("strip: [{path: '*.md'}]", "kinds: this key is required"),
        ("rules: [pii]", "key rules.1: must be a mapping of keys to values"),
        ("strip: comments", "key strip: must be a list"),
        ("pseudonym_key: swordfish", "secrets are referenced, never written into the configuration"),
        ("rules: [" + "{rule: a, action: mask}," * 1001 + "]", "more than 1000 rules are not allowed"),
        ("rules: &x []\nstrip: *x", "anchors and aliases are not allowed (line 1)"),
        ("level: high\nlevel: low", "the key level appears twice"),
        ("rules: !!python/object/apply:os.system ['true']", "docs/clean.md"),
        (
            "- rules",
            "the top level must be a mapping with the keys level, unsupported, unchecked, remaining, names, convert, pseudonym_key, rules, strip",
        ),
    ],
)
def test_mistakes_and_tricks_are_refused(text: str, says: str) -> None:
    with pytest.raises(UsageError, match=re.escape(says)) as raised:
        parse(text, "c.yaml")
    assert str(raised.value).startswith("cleaning policy c.yaml: ")


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        ("pii.emial", "key rules.1.rule: no engine has a rule pii.emial; did you mean pii.email?"),
        ("secret.*", "key rules.1.rule: no engine has a rule secret.*"),
        ("pii.*", None),
        ("pii.email", None),
    ],
)
def test_a_rule_that_no_engine_has_is_refused(rule: str, says: str | None) -> None:
    policy = parse(f"rules: [{{rule: '{rule}', action: mask}}]", "c.yaml")
    if says is None:
        policy.check_rules(["pii.email", "secrets.jwt"])
        return
    with pytest.raises(UsageError, match=re.escape(says)):
        policy.check_rules(["pii.email", "secrets.jwt"])


def test_a_file_is_read_and_a_missing_one_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "clean.yaml"
    file.write_text("level: high\n")
    assert (load_clean_policy(str(file)).level, load_clean_policy(str(file)).file) == ("high", str(file))
    assert load_clean_policy(None) == CleanPolicy()
    with pytest.raises(UsageError, match=r"cleaning policy .*b\.yaml does not exist\. Correct its path"):
        load_clean_policy(str(tmp_path / "b.yaml"))
    file.write_bytes(b"#" * (1 << 20) + b"##")
    with pytest.raises(UsageError, match=r"is larger than 1 MiB\. Match findings by globs"):
        load_clean_policy(str(file))


def test_the_digest_covers_what_the_policy_says_and_no_comment() -> None:
    digests = [
        parse(text).digest()
        for text in (
            "rules: [{rule: a, action: mask}]",
            "# a comment\nrules:\n  - {action: mask, rule: a, reason: wanted}\n",
            "rules: [{rule: a, action: strip}]",
            "{rules: [{rule: a, action: mask}], level: high}",
            "{rules: [{rule: a, action: mask}], strip: [macros]}",
        )
    ]
    assert digests[0] == digests[1]
    assert len(set(digests)) == 4


def test_a_policy_travels_to_workers() -> None:
    policy = pickle.loads(pickle.dumps(parse("rules: [{path: '*.md', action: mask, keep_length: true}]", "c.yaml")))  # noqa: S301
    assert policy.decide(mark("pii.email", "low"), "pii", "a.md") == Ruling(Action.MASK, keep_length=True)
    assert policy.file == "c.yaml"


def test_a_decision_is_made_once_for_findings_that_differ_only_in_place(monkeypatch: pytest.MonkeyPatch) -> None:
    policy, calls = parse("rules: [{rule: 'pii.*', action: mask}]"), Counter[str]()
    decide = CleanPolicy._decided

    def counted(self: CleanPolicy, *given: Any) -> Ruling:
        calls["decided"] += 1
        return decide(self, *given)

    monkeypatch.setattr(CleanPolicy, "_decided", counted)
    for number in range(100):
        policy.decide(mark("pii.email", row=number)._replace(start=number, end=number + 4, text=str(number)), "pii", "a.csv")
    assert calls == {"decided": 1}
