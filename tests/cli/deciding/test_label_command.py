"""`label` and `precision`: from unlabelled findings to a rule that can be pasted into the policy file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.test_cli import call
from tests.findings.outputs import finding, written
from veritensor_ray.policy.policy_file import parse

ODD = "odd/\x1b[2J\u202e.md"
RULE = "signatures.user-[x]*"


@pytest.fixture
def output(tmp_path: Path) -> str:
    rows = [
        finding(n, ODD if n == 39 else f"a/{n}.md", {"line": n}, rule_id=RULE, confidence=n / 40, content_fingerprint=f"{n:032x}")
        for n in range(40)
    ]
    written(tmp_path / "out", [*rows, finding(90, "a/0.md", {"line": 1}, rule_id="test.other")])
    return str(tmp_path / "out")


def labelled(output: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for value, where in (("true", "confidence >= 0.5 and rule <> 'test.other'"), ("false", "confidence < 0.5")):
        assert call(monkeypatch, "label", output, value, "--where", where) == 0


def test_a_threshold_can_be_pasted_into_the_policy(
    output: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    labelled(output, monkeypatch)
    assert capsys.readouterr().out == "20 findings: labelled true\n20 findings: labelled false\n"
    assert call(monkeypatch, "precision", output, "--target", "1") == 0
    said = capsys.readouterr().out
    row = next(line for line in said.splitlines() if line.startswith(RULE))
    assert row.split() == [RULE, "20", "20", "0.50", "0.35", "to", "0.65", "0", "100.0%"]
    assert "1 rule with findings has no label; `veritensor-ray precision" in said
    (rule,) = parse(said[said.index("rules:") :]).rules
    assert (rule.rule, rule.min_confidence) == ("signatures.user-[[]x][*]", 0.5)
    assert "# 1.00 of 20 labels; loses 0 true, 20 false" in said


def test_nothing_to_measure_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    written(tmp_path / "out", [])
    assert call(monkeypatch, "precision", str(tmp_path / "out")) == 0
    assert capsys.readouterr().out == "no rule has findings here, so there is no precision to show\n"


def test_the_same_as_json(output: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    labelled(output, monkeypatch)
    capsys.readouterr()
    assert call(monkeypatch, "precision", output, "--target", "0.95", "--json") == 0
    rules = {one["rule"]: one for one in json.loads(capsys.readouterr().out)["rules"]}
    assert rules[RULE]["threshold"] == {
        "min_confidence": 0.47,
        "precision": pytest.approx(20 / 21),
        "kept": 21,
        "true_lost": 0,
        "false_lost": 19,
    }
    assert (rules["test.other"]["precision"], rules["test.other"]["unlabelled"], rules["test.other"]["share"]) == (None, 1, 0)


def test_findings_to_label_next_are_harmless_to_a_terminal(
    output: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, "precision", output, "--next", "100") == 0
    said = capsys.readouterr().out
    assert "\\x1b[2J" in said and not {"\x1b", "\u202e"} & set(said)
    assert "label them with `veritensor-ray label" in said
    assert call(monkeypatch, "precision", output, "--next", "2", "--json") == 0
    assert [row["rule_id"] for row in json.loads(capsys.readouterr().out)] == [RULE, "test.other"]
    assert call(monkeypatch, "label", output, "true", "--where", "true") == 0
    assert call(monkeypatch, "precision", output, "--next", "2") == 0
    assert "every finding has a label" in capsys.readouterr().out


def test_labels_of_an_earlier_audit_count_for_equal_content(
    output: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    labelled(output, monkeypatch)
    rows = [
        finding(500 + n, f"new/{n}.md", {"line": n}, rule_id=RULE, confidence=n / 40, content_fingerprint=f"{n:032x}") for n in range(40)
    ]
    written(tmp_path / "later", rows)
    written(tmp_path / "foreign", rows, site_key_id="other")
    capsys.readouterr()
    later = str(tmp_path / "later")
    assert call(monkeypatch, "precision", later, "--labels", output, "--json") == 0
    (rule,) = json.loads(capsys.readouterr().out)["rules"]
    assert (rule["true"], rule["false"], rule["unlabelled"], rule["share"]) == (20, 20, 0, 1)
    assert call(monkeypatch, "label", later, "true", "--finding", f"{500:032x}") == 0  # this one is judged differently here
    capsys.readouterr()
    assert call(monkeypatch, "precision", later, "--labels", output, "--json") == 0
    (rule,) = json.loads(capsys.readouterr().out)["rules"]
    assert (rule["true"], rule["false"]) == (21, 20)
    assert call(monkeypatch, "precision", later, "--labels", str(tmp_path / "foreign")) == 2
    assert "has a different site key" in capsys.readouterr().err


def test_a_label_can_be_removed(output: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    ids = ("--finding", f"{1:032x}", "--finding", f"{2:032x}")
    assert call(monkeypatch, "label", output, "true", *ids) == 0
    assert call(monkeypatch, "label", output, "--clear", *ids) == 0
    assert capsys.readouterr().out.splitlines() == ["2 findings: labelled true", "2 findings: label removed"]
    assert call(monkeypatch, "precision", output, "--json") == 0
    assert {one["precision"] for one in json.loads(capsys.readouterr().out)["rules"]} == {None}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("label", "{}", "true"), "name findings with --finding, or describe them with --where"),
        (("label", "{}", "true", "--where", "true", "--finding", "123456"), "exactly one of the two"),
        (("label", "{}", "--where", "true"), "exactly one of the three"),
        (("label", "{}", "maybe", "--where", "true"), "exactly one of the three"),
        (("label", "{}", "true", "--clear", "--where", "true"), "exactly one of the three"),
        (("label", "{}", "true", "--finding", "999999"), "no finding in"),
        (("label", "{}", "true", "--where", "rule = 'none'"), "no finding was labelled"),
        (("label", "{}", "true", "--where", "1) or (1"), "is not valid"),
        (("precision", "{}", "--target", "0"), "give a share above 0 and at most 1"),
        (("precision", "{}", "--target", "90"), "give a share above 0 and at most 1"),
        (("precision", "{}", "--next", "-1"), "give a number of findings"),
    ],
)
def test_mistakes(
    arguments: tuple[str, ...], says: str, output: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, *(one.replace("{}", output) for one in arguments)) == 2
    assert says in capsys.readouterr().err
    assert not (Path(output) / "labels.jsonl").exists()
