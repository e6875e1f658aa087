"""`baseline accept`: one entry for everything that an output has now, after which only new findings count."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from tests.cli.test_cli import call
from tests.findings.outputs import finding, written
from veritensor_ray.findings.schema import FINDINGS
from veritensor_ray.policy.judge import Judge, load_policy

WHO = ("--until", "90d", "--owner", "me", "--reason", "as of today")
ROWS = [
    finding(1, "hr/a.md", {"line": 1}, severity="critical", severity_original="critical", rule_id="pii.email"),
    finding(2, "hr/b.md", {"line": 2}, rule_id="pii.email"),
    finding(3, "web/\x1b[2J\u202e.md", {"line": 2}, severity="low", severity_original="low"),
    finding(4, "web/c.md", {"line": 2}),
]
LATER = finding(5, "hr/a.md", {"line": 9}, rule_id="pii.email")


@pytest.fixture
def output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    written(tmp_path / "out", ROWS)
    return str(tmp_path / "out")


POLICY = Path("../out/policy.yaml")  # seen from the working directory of these tests


def counting(policy: Path = POLICY) -> list[int]:
    """Numbers of the findings that count in the next run, which finds one more."""
    judged = Judge(load_policy(str(policy)), datetime.now(UTC).date()).apply(pa.Table.from_pylist([*ROWS, LATER], schema=FINDINGS))
    return [int(row["finding_id"], 16) for row in judged.to_pylist() if not row["suppressed_by"]]


@pytest.mark.parametrize(
    ("arguments", "left", "says"),
    [
        ((), [5], "4 findings in 4 artifacts"),
        (("--up-to", "medium"), [1, 5], "3 findings in 3 artifacts"),
        (("--where", "artifact glob 'web/*'"), [1, 2, 5], "2 findings in 2 artifacts"),
        (("--where", "rule = 'pii.email' -- or not", "--up-to", "medium"), [1, 3, 4, 5], "1 finding in 1 artifact"),
    ],
)
def test_only_new_findings_count_afterwards(
    arguments: tuple[str, ...], left: list[int], says: str, output: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = datetime.now(UTC).date()
    assert call(monkeypatch, "baseline", "accept", output, *WHO, *arguments, "--yes") == 0
    said = capsys.readouterr().out
    assert says in said
    assert ("This accepts 1 of severity critical" in said) == (1 not in left)
    assert not {"\x1b", "\u202e"} & set(said)
    (one,) = load_policy(str(POLICY)).suppressions
    assert (one.owner, one.reason, set(one.match)) == ("me", "as of today", {"finding"})
    assert one.expires in {day + timedelta(90) for day in (before, datetime.now(UTC).date())}  # midnight may have passed
    assert counting() == left


def test_what_is_suppressed_already_is_left_out(output: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (("--up-to", "critical", "--where", "severity = 'critical'"), ()):
        assert call(monkeypatch, "baseline", "accept", output, *WHO, *arguments, "--yes") == 0
    assert "This accepts 1 of severity critical" not in capsys.readouterr().out.partition("was added")[2]
    assert [len(one.finding or ()) for one in load_policy(str(POLICY)).suppressions] == [32, 3]
    text = POLICY.read_text()
    assert call(monkeypatch, "baseline", "accept", output, *WHO, "--yes") == 0
    assert "nothing to accept: all findings (4) are already suppressed" in capsys.readouterr().out
    assert POLICY.read_text() == text


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (WHO[2:], 2, "Missing option '--until'"),
        (WHO[:4], 2, "Missing option '--reason'"),
        ((*WHO[:2], *WHO[4:]), 2, "Missing option '--owner'"),
        (WHO, 2, "there is no terminal to ask on"),
        ((*WHO, "--dry-run"), 0, ""),
        ((*WHO, "--yes", "--where", "severity = 'info' and confidence > 2"), 0, ""),
        ((*WHO, "--yes", "--up-to", "worst"), 2, "unknown severity 'worst'"),
        ((*WHO, "--yes", "--where", "true) or (true"), 2, "the condition 'true) or (true' is not valid"),
        ((*WHO, "--yes", "--until", "2020-01-01"), 2, "--until 2020-01-01 is not in the future"),
        ((*WHO, "--yes", "--owner", " "), 2, "the entry's owner: must not be empty"),
        ((*WHO, "--yes", "--sweep", "20260101T000000Z-aaaaaa"), 2, "has no complete sweep"),
    ],
)
def test_nothing_is_written_without_need(
    arguments: tuple[str, ...], code: int, says: str, output: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, "baseline", "accept", output, *arguments) == code
    assert says in capsys.readouterr().err
    assert not POLICY.exists()


def test_a_sweep_other_than_the_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The ids of an earlier sweep, not of the last one."""
    state = tmp_path / "state"
    for name, rows in (("20260101T000000Z-aaaaaa", ROWS[:1]), ("20260102T000000Z-bbbbbb", ROWS)):
        written(state / "sweeps" / name, rows)
    (state / "latest.json").write_text('{"sweep": "20260102T000000Z-bbbbbb"}')
    monkeypatch.chdir(tmp_path)
    assert call(monkeypatch, "baseline", "accept", str(state), *WHO, "--yes", "--sweep", "20260101T000000Z-aaaaaa") == 0
    assert counting(state / "policy.yaml") == [2, 3, 4, 5]
    assert call(monkeypatch, "baseline", "accept", str(state), *WHO, "--yes") == 0
    assert counting(state / "policy.yaml") == [5]
