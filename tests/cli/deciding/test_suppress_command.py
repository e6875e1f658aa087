"""`suppress`: what it writes into which file, what it leaves as it was, and what it shows of a corpus that is hostile."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.cli.test_cli import call
from veritensor_ray.core.errors import UsageError
from veritensor_ray.findings.schema import FINDINGS, LEDGER, ROLLUP
from veritensor_ray.policy.judge import Judge, Suppression, load_policy
from veritensor_ray.policy.policy_edit import add_to_file, added
from veritensor_ray.policy.policy_file import parse

ODD = "notes[1]\x1b[2J\u202e*.md"
SECRET = "evidence-7h4t-n0b0dy-5h0uld-c0py"
ID = "1234567890abcdef1234567890abcdef"
WHY = ("--reason", "looked at")


def _finding(**changes: Any) -> dict[str, Any]:
    row: dict[str, Any] = {
        "finding_id": ID,
        "content_fingerprint": "f" * 32,
        "artifact": "hr/a.md",
        "engine": "pii",
        "rule_id": "pii.email",
        "count": 1,
    }
    row |= {"content_id": "c" * 64, "severity": "high", "severity_original": "high", "confidence": 0.9, "evidence": SECRET, "state": "new"}
    return row | {"location": {"line": 3}} | changes


ROWS = [
    _finding(),
    _finding(finding_id="1234567890ffffffffffffffffffffff", rule_id="pii.phone"),
    _finding(finding_id="a" * 32, artifact=ODD, content_id="etag-1", content_fingerprint="e" * 32),
    _finding(finding_id="b" * 32, artifact=f"deep/{ODD}", content_id="d" * 64, content_fingerprint="9" * 32),
    _finding(finding_id="c" * 32, artifact="copy.md"),
    _finding(finding_id="d" * 32, artifact="deep/copy.md", content_id="d" * 64, content_fingerprint="9" * 32),
]
KINDS = {ODD: "etag", "deep/copy.md": "blocks"}  # of those whose content_id is no SHA-256


@pytest.fixture
def output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Results with six findings; the working directory is empty."""
    ledger = [
        {
            "artifact": row["artifact"],
            "content_id": row["content_id"],
            "content_id_kind": KINDS.get(row["artifact"], "sha256"),
            "status": "scanned",
        }
        for row in ROWS
    ]
    for name, schema, rows in (("findings", FINDINGS, ROWS), ("ledger", LEDGER, ledger), ("rollup", ROLLUP, [])):
        (tmp_path / "out" / name).mkdir(parents=True)
        pq.write_table(pa.Table.from_pylist(rows, schema=schema), tmp_path / "out" / name / "part-00000.parquet")
    run = {
        "scan_id": "r",
        "finished_at": "2026-01-01T00:00:00+00:00",
        "sources": ["/data"],
        "status": {"scanned": 6},
        "totals": {"artifacts": 6},
        "severity": {"high": 6},
        "engines": {},
        "rules": [],
        "not_covered": [],
        "coverage": {},
    }
    (tmp_path / "out" / "run.json").write_text(json.dumps(run))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return str(tmp_path / "out")


POLICY = Path("../out/policy.yaml")  # seen from the working directory of these tests


def suppressed(policy: str = str(POLICY)) -> list[str]:
    """Ids of the findings that the policy suppresses, shortened."""
    done = Judge(load_policy(policy), datetime.now(UTC).date()).apply(pa.Table.from_pylist(ROWS, schema=FINDINGS))
    return [row["finding_id"][:12] for row in done.to_pylist() if row["suppressed_by"]]


@pytest.mark.parametrize(
    ("finding", "by", "entry", "hidden"),
    [
        ("1234567890AB", "finding", {"finding": ID}, ["1234567890ab"]),
        (ID, "finding", {"finding": ID}, ["1234567890ab"]),
        (ID, "fingerprint", {"fingerprint": "f" * 32}, ["1234567890ab", "1234567890ff", "c" * 12]),
        (ID, "sha256", {"sha256": "c" * 64}, ["1234567890ab", "1234567890ff", "c" * 12]),
        (ID, "rule", {"rule": "pii.email", "path": "hr/a.md"}, ["1234567890ab"]),
        (ID, "path", {"path": "hr/a.md"}, ["1234567890ab", "1234567890ff"]),
        ("cccccc", "path", {"path": "/copy.md"}, ["c" * 12]),  # not deep/copy.md
        (ID, "folder", {"rule": "pii.email", "path": "hr/*"}, ["1234567890ab"]),
        ("dddddd", "folder", {"rule": "pii.email", "path": "deep/*"}, ["b" * 12, "d" * 12]),
        ("aaaaaa", "path", {"path": "/notes[[]1]\x1b[[]2J\u202e[*].md"}, ["a" * 12]),
        ("bbbbbb", "rule", {"rule": "pii.email", "path": "deep/notes[[]1]\x1b[[]2J\u202e[*].md"}, ["b" * 12]),
    ],
)
def test_what_is_written(
    finding: str,
    by: str,
    entry: dict[str, str],
    hidden: list[str],
    output: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = datetime.now(UTC).date()
    assert call(monkeypatch, "suppress", output, finding, "--by", by, *WHY, "--owner", "me", "--expires", "90d") == 0
    days = (before, datetime.now(UTC).date())  # midnight may have passed
    said = capsys.readouterr().out
    one = load_policy(str(POLICY)).suppressions[0]
    assert (one.match, one.reason, one.owner) == (entry, "looked at", "me")
    assert one.expires in [day + timedelta(days=90) for day in days]
    assert suppressed() == hidden
    text = POLICY.read_text()
    assert SECRET not in text
    assert text.isascii()
    assert oct(POLICY.stat().st_mode)[-3:] == "600"
    assert "\x1b" not in said and "\u202e" not in said
    assert "high" in said and "pii.email" in said and SECRET in said
    assert f"policy.yaml: {one.name} was added until {one.expires}" in said
    assert (f"matches {len(hidden)} finding{'' if len(hidden) == 1 else 's'} in" in said) == (by != "finding")
    assert not list(Path().iterdir())


FILE = ("--policy", "policy.yaml")


@pytest.mark.parametrize(
    ("arguments", "hidden"),
    [
        ((ID, "--output", "OUT"), ["1234567890ab"]),
        (("1234567890ab", "--output", "OUT", "--by", "path"), ["1234567890ab", "1234567890ff"]),
        (("--where", "rule = 'pii.phone'", "--output", "OUT", "--yes"), ["1234567890ff"]),
    ],
)
def test_the_option_of_earlier_versions_names_the_same_output(
    arguments: tuple[str, ...], hidden: list[str], output: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert call(monkeypatch, "suppress", *(output if word == "OUT" else word for word in arguments), *WHY) == 0
    assert suppressed() == hidden


def test_without_results_only_a_whole_id_will_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert call(monkeypatch, "suppress", ID, *WHY, *FILE) == 0
    one = load_policy("policy.yaml").suppressions[0]
    assert (one.match, one.owner, one.expires) == ({"finding": ID}, None, None)


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        ((ID,), 2, "--reason"),
        ((ID, "--reason", " ", *FILE), 2, "must not be empty"),
        ((ID, "--reason", "bytes \udcff", *FILE), 2, "the entry's reason"),
        (("{}", "12345", *WHY), 2, "neither the id of a finding"),
        (("{}", "' OR 1=1 --", *WHY), 2, "neither the id of a finding"),
        (("123456", *WHY), 2, "give all 32 digits"),
        ((ID, *WHY), 2, "or a policy file with --policy"),
        ((ID, *WHY, "--by", "path"), 2, "name the results that contain it before the id"),
        ((ID, *WHY, "--by", "engine"), 2, "unknown --by 'engine'"),
        ((ID, *WHY, *FILE, "--expires", "soon"), 2, "give an ISO date or time"),
        ((ID, *WHY, *FILE, "--expires", "99999d"), 0, ""),
        ((ID, *WHY, *FILE, "--expires", "12w"), 0, ""),
        ((ID, *WHY, *FILE, "--expires", "1h"), 0, ""),
        ((ID, *WHY, *FILE, "--expires", "9999999d"), 2, "give an ISO date or time"),
        ((ID, *WHY, *FILE, "--expires", "2020-01-01"), 2, "not in the future"),
        ((ID, *WHY, *FILE, "--expires", "0d"), 2, "not in the future"),
        (("{}", "123456", *WHY), 2, f"{ID}, 1234567890ffffffffffffffffffffff; give more digits"),
        (("{}", "999999", *WHY), 2, "no finding in"),
        (("{}", "aaaaaa", *WHY, "--by", "sha256"), 2, "suppress the finding or the artifact instead"),
        (("{}", "dddddd", *WHY, "--by", "sha256"), 2, "was not computed"),
        (("/no/such/place", ID, *WHY), 4, "run.json"),
        (("{}", "cccccc", *WHY, "--by", "folder"), 2, "so pii.email would be suppressed everywhere"),
        (("{}", ID, *WHY, "--where", "true"), 2, "exactly one of the two"),
        (("{}", *WHY), 2, "exactly one of the two"),
        ((*WHY, "--where", "true"), 2, "name them first: suppress OUTPUT --where"),
        (("{}", *WHY, "--where", "true", "--by", "rule"), 2, "give one of the two"),
        (("{}", *WHY, "--where", "true"), 2, "there is no terminal to ask on"),
        (("{}", *WHY, "--where", "true", "--dry-run", "--expires", "0d"), 2, "not in the future"),
        (("{}", *WHY, "--where", "rule = 'pii.none'", "--yes"), 2, "no finding meets the condition"),
        (("{}", *WHY, "--where", "true) OR (true", "--yes"), 2, "is not valid"),
        (("{}", *WHY, "--where", "evidence = getenv('HOME')", "--yes"), 2, "is not valid"),
        (("{}", ID, *WHY, "--output", "{}"), 2, "named twice"),
        ((*WHY, "--output", "{}"), 2, "exactly one of the two"),
        (("/no/such/place", *WHY), 2, "exactly one of the two"),
        ((ID, *WHY, "--policy", "no/folder/policy.yaml"), 4, "Its folder must exist"),
        ((ID, *WHY, "--policy", "/dev/null"), 2, "not a regular file"),
    ],
)
def test_mistakes(
    arguments: tuple[str, ...], code: int, says: str, output: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, "suppress", *(one.replace("{}", output) for one in arguments)) == code
    assert says in capsys.readouterr().err
    assert not code or not list(Path().iterdir())


def test_the_configured_policy_is_written_and_links_and_modes_stay(output: str, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("shared").mkdir()
    target = Path("shared/p.yaml")
    target.write_text("rules: []\n")
    target.chmod(0o640)
    Path("link.yaml").symlink_to("shared/p.yaml")
    Path("veritensor-ray.yaml").write_text("policy: link.yaml\n")
    assert call(monkeypatch, "suppress", ID, *WHY) == 0
    assert Path("link.yaml").is_symlink()
    assert suppressed("shared/p.yaml") == ["1234567890ab"]
    assert oct(target.stat().st_mode)[-3:] == "640"
    assert not POLICY.exists()
    assert call(monkeypatch, "suppress", "c" * 32, *WHY, *FILE) == 0
    assert suppressed("policy.yaml") == ["c" * 12]


@pytest.mark.parametrize(
    ("before", "arguments", "entries"),
    [
        ("finding: 1234567890abcdef1234567890abcdef", (), 1),
        ("finding: 1234567890abcdef1234567890abcdef, expires: 2999-01-01", (), 1),  # the same: whoever wants more edits it
        ("finding: 1234567890abcdef1234567890abcdef, expires: 2020-01-01", (), 2),  # expired
        ("path: 'hr/*'", (), 1),
        ("path: 'hr/*', expires: 2999-01-01", (), 2),  # does not last as long
        ("path: 'hr/*', expires: 2999-01-01", ("--expires", "90d"), 1),
        ("path: 'hr/*', rule: 'secrets.*'", (), 2),
        ("path: 'hr/*'", ("--by", "rule"), 2),  # broader than this finding
        ("rule: pii.email, path: hr/a.md", ("--by", "rule"), 1),
    ],
)
def test_what_is_suppressed_already_is_not_suppressed_again(
    before: str,
    arguments: tuple[str, ...],
    entries: int,
    output: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = f"suppressions:\n  - {{{before}, reason: seen}}\n"
    POLICY.write_text(text)
    assert call(monkeypatch, "suppress", output, ID, *WHY, *arguments) == 0
    assert len(load_policy(str(POLICY)).suppressions) == entries
    assert ("already suppressed by S-" in capsys.readouterr().out) == (entries == 1)
    assert (POLICY.read_text() == text) == (entries == 1)


ENTRY = Suppression(finding=ID, reason='why: # "it\'s"')
ADDED = ['- finding: "1234567890abcdef1234567890abcdef"', '  reason: "why: # \\"it\'s\\""']


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "suppressions:\n  @\n"),
        ("# a policy\n", "# a policy\nsuppressions:\n  @\n"),
        ("# a policy", "# a policy\nsuppressions:\n  @\n"),
        ("---\n", "---\nsuppressions:\n  @\n"),
        ("rules: []", "rules: []\nsuppressions:\n  @\n"),
        ("rules:\n- rule: a\n  # the end", "rules:\n- rule: a\n  # the end\nsuppressions:\n  @\n"),
        ("  rules: []\n  required_engines: [pii]\n", "  rules: []\n  required_engines: [pii]\n  suppressions:\n    @\n"),
        ("suppressions:", "suppressions:\n  @\n"),
        ("suppressions: # none\nrules: []\n", "suppressions: # none\n  @\nrules: []\n"),
        ("suppressions: [] # none\nrules: []\n", "suppressions: # none\n  @\nrules: []\n"),
        ("suppressions: null\n# end\nrules: []\n", "suppressions:\n  @\n# end\nrules: []\n"),
        ("suppressions:  ~", "suppressions:\n  @\n"),
        ("? suppressions\n: []\n", "? suppressions\n:\n  @\n"),
        ("suppressions: !!seq []\n", "suppressions:\n  @\n"),
        ("suppressions: [\n]\nrules: []", "suppressions:\n  @\nrules: []"),
        ("suppressions:\n- rule: a\n  reason: b\n", "suppressions:\n- rule: a\n  reason: b\n@\n"),
        ("suppressions:\n- rule: a\n  reason: b", "suppressions:\n- rule: a\n  reason: b\n@\n"),
        (
            "suppressions: # all\n    - rule: a # one\n      reason: b # two\n      # three\n    # four\n# five\n\nrules: []\n",
            "suppressions: # all\n    - rule: a # one\n      reason: b # two\n      # three\n    @\n    # four\n# five\n\nrules: []\n",
        ),
        ("suppressions:\n  - {rule: a, reason: b} # c\n\nrules: []\n", "suppressions:\n  - {rule: a, reason: b} # c\n  @\n\nrules: []\n"),
        ("suppressions:\n  - rule: a\n    reason: b\n    owner:\nrules: []\n", "suppressions:\n  - rule: a\n    reason: b\n    owner:\n  @\nrules: []\n"),
        ("suppressions:\n - reason: b\n   rule: >\n     a\n\n     b\nrules: []\n", "suppressions:\n - reason: b\n   rule: >\n     a\n\n     b\n @\nrules: []\n"),
        ("suppressions:\n  - rule: a\n    reason: b\n      c\n      d\n", "suppressions:\n  - rule: a\n    reason: b\n      c\n      d\n  @\n"),
        ("\ufeffsuppressions: # é\n  - rule: 'é'\n    reason: b\n", "\ufeffsuppressions: # é\n  - rule: 'é'\n    reason: b\n  @\n"),
        ('"suppressions":\n  - rule: a\n    reason: b\n', '"suppressions":\n  - rule: a\n    reason: b\n  @\n'),
    ],
)  # fmt: skip
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_where_the_entry_goes(before: str, after: str, newline: str) -> None:
    """`@` is where the two lines of the entry belong, indented like it."""
    expected = []
    for line in after.split("\n"):
        margin = line.partition("@")[0]
        expected += [f"{margin}{one}" for one in ADDED] if "@" in line else [line]
    if "\n" in before:
        assert added(before.replace("\n", newline), ENTRY, "p.yaml") == newline.join(expected)
    else:
        assert added(before, ENTRY, "p.yaml") == "\n".join(expected)


def test_a_list_is_written_one_id_a_line() -> None:
    many = Suppression(finding=("b" * 32, "a" * 32), reason="r", owner="o", expires=datetime(2027, 3, 1, tzinfo=UTC).date())
    text = added("suppressions:\n  - rule: a\n    reason: b\nrules: []\n", many, "p.yaml")
    assert text == (
        f'suppressions:\n  - rule: a\n    reason: b\n  - finding:\n      - "{"a" * 32}"\n      - "{"b" * 32}"\n    reason: "r"\n    owner: "o"\n'
        "    expires: 2027-03-01\nrules: []\n"
    )
    both = added(text, ENTRY, "p.yaml")
    assert parse(both).suppressions[1:] == (many, ENTRY)


def test_a_file_never_becomes_too_large_to_read(tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text("# " + "x" * ((32 << 20) - 10))
    before = path.stat().st_size
    with pytest.raises(UsageError, match="would be larger than 32 MiB and was not changed"):
        add_to_file(path, ENTRY)
    assert path.stat().st_size == before


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "{rules: []}\n",
        "suppressions: [{rule: a, reason: b}]\n",
        "suppressions: [ # none yet\n]\n",
        "rules: []\n...\n",
        "suppressions:\n  - rule: a\n    reason: |+\n      b",
        "suppressions: {rule: a}\n",
        "suppressions: &x []\n",
    ],
)
def test_what_cannot_be_edited_safely_is_left_alone(text: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "policy.yaml").write_text(text)
    assert call(monkeypatch, "suppress", ID, *WHY) == 2
    assert (tmp_path / "policy.yaml").read_text() == text
    assert [path.name for path in tmp_path.iterdir()] == ["policy.yaml"]


def _usable(text: str) -> bool:
    return bool(text.strip())


@given(st.text(min_size=1, max_size=80).filter(_usable), st.text(min_size=1, max_size=30).filter(_usable), st.booleans())
def test_any_words_come_back(reason: str, owner: str, windows: bool) -> None:
    try:
        entry = Suppression(finding=ID, reason=reason, owner=owner)
    except ValueError:
        return  # half a surrogate pair
    text = "# one\nsuppressions:\n  - rule: a\n    reason: b\nrules: []\n".replace("\n", "\r\n" if windows else "\n")
    assert parse(added(text, entry, "p")).suppressions[-1] == entry


@given(
    st.lists(
        st.sampled_from(["\n", " ", "- ", "suppressions:", "rules:", "reason: b", "rule: a", "# c", "[]", "|", "'", "\t", "{", "}"]),
        max_size=20,
    )
)
def test_any_file_gets_the_entry_or_stays(parts: list[str]) -> None:
    text = "".join(parts)
    try:
        before = parse(text)
        after = parse(added(text, ENTRY, "p"))
    except UsageError:
        return
    assert after.suppressions == (*before.suppressions, ENTRY)
    assert after.rules == before.rules


def test_two_at_once_lose_nothing(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from veritensor_ray.policy.judge import Suppression\n"
        "from veritensor_ray.policy.policy_edit import add_to_file\n"
        "for n in range(20): add_to_file(Path(sys.argv[1]), Suppression(finding=f'{sys.argv[2]}{n:031x}', reason='r'))"
    )
    running = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "policy.yaml"), digit]) for digit in "ab"]
    assert [one.wait() for one in running] == [0, 0]
    assert len({one.finding for one in load_policy(str(tmp_path / "policy.yaml")).suppressions}) == 40


def test_mistakes_in_the_file_are_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "policy.yaml").write_text("rules: [{rule: a, sverity: off}]")
    monkeypatch.chdir(tmp_path)
    assert call(monkeypatch, "suppress", ID, *WHY, *FILE) == 2
    assert "did you mean rules.1.severity?" in capsys.readouterr().err


def test_what_is_not_suppressed_has_an_empty_cell(output: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [row | {"suppressed_by": name, "evidence": text} for row, name, text in zip(ROWS, ("S-1", None), (None, SECRET), strict=False)]
    pq.write_table(pa.Table.from_pylist(rows, schema=FINDINGS), Path(output) / "findings" / "part-00000.parquet")
    assert call(monkeypatch, "findings", output, "--suppressed") == 0
    said = capsys.readouterr().out
    assert "S-1" in said and SECRET in said and "nan" not in said


def test_a_policy_in_the_corpus_or_behind_a_link_has_to_be_named(
    output: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A source is only ever read."""
    POLICY.symlink_to(tmp_path / "victim")
    (tmp_path / "victim").write_text("rules: []\n")
    assert call(monkeypatch, "suppress", output, ID, *WHY) == 2
    assert "is a link to another file; name a policy with --policy" in capsys.readouterr().err
    POLICY.unlink()
    run = json.loads((Path(output) / "run.json").read_text())
    (Path(output) / "run.json").write_text(json.dumps(run | {"sources": [str(tmp_path)]}))
    assert call(monkeypatch, "suppress", output, ID, *WHY) == 2
    assert "lies in the corpus, so it may not be yours; name a policy with --policy" in capsys.readouterr().err
    assert (tmp_path / "victim").read_text() == "rules: []\n"
    assert not POLICY.exists()
    assert call(monkeypatch, "suppress", output, ID, *WHY, "--policy", "policy.yaml") == 0


EMAIL = "rule = 'pii.email' and artifact glob 'hr/*' or rule = 'pii.phone'"
HIDDEN = ["1234567890ab", "1234567890ff"]


@pytest.mark.parametrize(
    ("arguments", "answer", "hidden", "says"),
    [
        (("--yes",), None, HIDDEN, "policy.yaml: S-"),
        ((), "y\n", HIDDEN, "policy.yaml: S-"),
        ((), "n\n", [], "policy.yaml is unchanged"),
        (("--dry-run",), None, [], "policy.yaml is unchanged (--dry-run)"),
        (("--dry-run", "--yes"), None, [], "policy.yaml is unchanged (--dry-run)"),
    ],
)
def test_many_findings_are_one_entry(
    arguments: tuple[str, ...],
    answer: str | None,
    hidden: list[str],
    says: str,
    output: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if answer:
        monkeypatch.setattr("sys.stdin", Terminal(answer))
    assert call(monkeypatch, "suppress", output, "--where", EMAIL, *WHY, *arguments) == 0
    said = capsys.readouterr()
    assert says in said.out
    assert "2 findings in 1 artifact\n" in said.out
    assert SECRET in said.out and "hr/a.md" in said.out and "pii.phone" in said.out
    assert ("policy.yaml?" in said.err) == (answer is not None)
    assert ("findings that appear later are not covered" in said.out) == bool(hidden)
    assert POLICY.exists() == bool(hidden)
    if hidden:
        (one,) = load_policy(str(POLICY)).suppressions
        assert one.match == {"finding": (ID, "1234567890ffffffffffffffffffffff")}
        assert suppressed() == hidden
        assert SECRET not in POLICY.read_text()


class Terminal(io.StringIO):
    """Standard input of somebody who types an answer."""

    def isatty(self) -> bool:
        return True


def test_what_a_condition_finds_again_is_left_out(output: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The policy of today decides, and not that of the run; an entry of its own is not made twice."""
    assert call(monkeypatch, "suppress", output, "--where", EMAIL, *WHY, "--yes") == 0
    assert call(monkeypatch, "suppress", output, "--where", "true", *WHY, "--yes", "--owner", "me") == 0
    said = capsys.readouterr().out
    assert "4 findings in 4 artifacts; 2 more are already suppressed and left out" in said
    assert not {"\x1b", "\u202e"} & set(said)
    first, second = load_policy(str(POLICY)).suppressions
    assert (len(first.match["finding"]), len(second.match["finding"])) == (2, 4)
    text = POLICY.read_text()
    assert call(monkeypatch, "suppress", output, "--where", "true", *WHY, "--yes") == 0
    assert "policy.yaml is unchanged: all findings that meet the condition (6) are already suppressed" in capsys.readouterr().out
    assert POLICY.read_text() == text
