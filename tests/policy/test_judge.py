"""Which severity findings get and what they are suppressed by; what a policy file may say; what a run says at its end."""

from __future__ import annotations

import pickle
import re
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.clock import AtMost
from tests.docs.blocks import wrong_commands
from veritensor_ray.core.errors import UsageError
from veritensor_ray.findings.schema import FINDINGS
from veritensor_ray.policy.judge import Judge, Policy, load_policy, matched, notes
from veritensor_ray.policy.policy_file import parse, path_glob

ROOT = Path(__file__).resolve().parents[2]
TODAY = date(2026, 11, 20)
A, B = "a" * 32, "b" * 32
SHA = "c" * 64


def finding(**changes: Any) -> dict[str, Any]:
    row: dict[str, Any] = {"finding_id": A, "content_fingerprint": B, "artifact": "hr/staff.csv", "rule_id": "pii.email", "content_id": SHA}
    return row | {"severity": "high", "severity_original": "high", "confidence": 0.8, "evidence": "e", "count": 1} | changes


def table(*rows: dict[str, Any]) -> pa.Table:
    return pa.Table.from_pylist(list(rows), schema=FINDINGS)


def policy(**keys: Any) -> Policy:
    return Policy.model_validate(keys)


def judged(keys: dict[str, Any], *rows: dict[str, Any]) -> list[tuple[str, str | None]]:
    done = Judge(policy(**keys), TODAY).apply(table(*rows))
    return list(zip(done["severity"].to_pylist(), done["suppressed_by"].to_pylist(), strict=True))


LOW = {"path": "hr/**", "severity": "low"}
OFF = {"rule": "pii.*", "severity": "off"}
SUPPRESSED = {"finding": A, "reason": "r", "id": "mine"}


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({}, ("high", None)),
        ({"rules": [LOW]}, ("low", None)),
        ({"rules": [{"path": "legal/**", "severity": "low"}]}, ("high", None)),
        ({"rules": [LOW | {"rule": "secrets.*"}]}, ("high", None)),  # both have to fit
        ({"rules": [LOW | {"rule": "pii.*"}]}, ("low", None)),
        ({"rules": [LOW, OFF]}, ("low", None)),  # the first that fits
        ({"rules": [OFF, LOW]}, ("high", "policy:1")),
        ({"rules": [{"path": "legal/**", "severity": "off"}, OFF]}, ("high", "policy:2")),
        ({"rules": [{"path": "hr/*"}, OFF]}, ("high", None)),  # an exception
        ({"rules": [{"rule": "pii.*", "min_confidence": 0.9}, LOW]}, ("high", "policy:1")),
        ({"rules": [{"rule": "pii.*", "min_confidence": 0.8}]}, ("high", None)),  # below, not at
        ({"rules": [{"rule": "pii.*", "min_confidence": 0.9, "severity": "critical"}]}, ("critical", "policy:1")),
        ({"suppressions": [SUPPRESSED]}, ("high", "mine")),
        ({"suppressions": [SUPPRESSED], "rules": [LOW]}, ("low", "mine")),
        ({"suppressions": [SUPPRESSED], "rules": [OFF]}, ("high", "mine")),  # somebody looked at it
        ({"suppressions": [{"path": "hr/*", "reason": "r", "id": "wide"}, SUPPRESSED]}, ("high", "wide")),
        ({"suppressions": [SUPPRESSED, {"path": "hr/*", "reason": "r", "id": "wide"}]}, ("high", "mine")),
        ({"suppressions": [SUPPRESSED | {"expires": "2026-11-21"}]}, ("high", "mine")),
        ({"suppressions": [SUPPRESSED | {"expires": "2026-11-20"}]}, ("high", None)),  # on the day itself
        ({"suppressions": [SUPPRESSED | {"expires": "2026-11-20"}], "rules": [OFF]}, ("high", "policy:1")),
    ],
)
def test_what_a_finding_is_worth(keys: dict[str, Any], expected: tuple[str, str | None]) -> None:
    assert judged(keys, finding()) == [expected]


@pytest.mark.parametrize(
    ("match", "fits"),
    [
        ({"finding": A}, True),
        ({"finding": A.upper()}, True),
        ({"finding": B}, False),
        ({"fingerprint": B}, True),
        ({"fingerprint": A}, False),
        ({"finding": [B, A]}, True),
        ({"finding": [B, SHA[:32]]}, False),
        ({"fingerprint": [A, B.upper()], "path": "hr/*"}, True),
        ({"finding": [A, B], "fingerprint": [A, SHA[:32]]}, False),
        ({"finding": [A, B], "fingerprint": [A, B]}, True),
        ({"finding": [A, B], "path": "legal/*"}, False),
        ({"sha256": SHA}, True),
        ({"sha256": "d" * 64}, False),
        ({"rule": "pii.*"}, True),
        ({"rule": "PII.*"}, False),
        ({"path": "*.csv"}, True),
        ({"finding": A, "fingerprint": A}, False),
        ({"finding": A, "fingerprint": B, "sha256": SHA, "rule": "pii.email", "path": "hr/staff.csv"}, True),
        ({"finding": A, "sha256": "d" * 64}, False),
        ({"finding": A, "path": "legal/*"}, False),
        ({"sha256": SHA, "rule": "secrets.*"}, False),
        ({"path": "hr/*", "rule": "secrets.*"}, False),
    ],
)
def test_all_that_a_suppression_gives_has_to_match(match: dict[str, Any], fits: bool) -> None:
    keys = {"suppressions": [match | {"reason": "r", "id": "x"}]}
    others = [finding(finding_id="1" * 32, content_fingerprint=None, content_id=None, artifact="z", rule_id="z.z")] * 2
    assert judged(keys, others[0], finding(), others[1]) == [("high", None), ("high", "x" if fits else None), ("high", None)]
    assert matched(policy(**keys).suppressions[0], table(others[0], finding())).num_rows == fits


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        ({"finding": A}, {"finding": [A]}, True),
        ({"finding": A}, {"finding": [A, A.upper()]}, True),
        ({"finding": [A, B]}, {"finding": [B, A]}, True),
        ({"finding": [A, B]}, {"finding": A}, False),
        ({"finding": [A, B]}, {"fingerprint": [A, B]}, False),
    ],
)
def test_equal_lists_make_equal_entries(one: dict[str, Any], other: dict[str, Any], equal: bool) -> None:
    first, second = (policy(suppressions=[match | {"reason": "r"}]) for match in (one, other))
    assert (first.suppressions[0].name == second.suppressions[0].name) == equal
    assert (first.digest() == second.digest()) == equal


def test_each_of_several_entries_with_the_same_id_counts() -> None:
    """The first one that has not expired applies, and one finding may be in any number of lists."""
    old = {"finding": [A, B], "reason": "r", "expires": "2026-11-01", "id": "old"}
    keys = {"suppressions": [old, SUPPRESSED | {"finding": [B, A]}, {"finding": [B], "reason": "r", "id": "late"}]}
    rows = [finding(), finding(finding_id="d" * 32), finding(finding_id=B)]
    assert judged(keys, *rows) == [("high", "mine"), ("high", None), ("high", "mine")]
    judge = Judge(policy(**keys), TODAY)
    judge.apply(table(*rows))
    assert {one["id"]: one["findings"] for one in judge.report()["suppressions"]} == {"old": 0, "mine": 2, "late": 1}


@pytest.mark.parametrize(
    ("pattern", "name", "fits"),
    [
        ("*.md", "a.md", True),
        ("*.md", "deep/er/a.md", True),
        ("notes.md", "deep/notes.md", True),
        ("/notes.md", "notes.md", True),
        ("/notes.md", "deep/notes.md", False),
        ("/*.md", "notes.md", True),
        ("hr/**", "hr/a/b.csv", True),
        ("hr/*", "hr/a/b.csv", True),
        ("hr/**", "old/hr/a.csv", False),
        ("hr/**", "HR/a.csv", False),
        ("**/hr/*", "old/hr/a.csv", True),
        ("a[[]1].md", "a[1].md", True),
        ("*", "new\nline", True),
        ("//odd", "/odd", True),
    ],
)
def test_globs_are_those_of_include(pattern: str, name: str, fits: bool) -> None:
    assert (path_glob(pattern).match(name) is not None) == fits


def test_a_row_without_confidence_stands_for_many_and_stays() -> None:
    rules = {"rules": [{"rule": "pii.*", "min_confidence": 0.9}]}
    rows = [finding(confidence=None), finding(confidence=0.1), finding(confidence=0.95)]
    assert [by for _, by in judged(rules, *rows)] == [None, "policy:1", None]


def test_what_an_earlier_policy_did_is_undone() -> None:
    before = table(finding(severity="info", suppressed_by="S-1"), finding(severity="critical", severity_original="low"))
    for keys in ({}, {"rules": [{"path": "other/*", "severity": "info"}]}):
        after = Judge(policy(**keys), TODAY).apply(before)
        assert after["severity"].to_pylist() == ["high", "low"]
        assert after["suppressed_by"].to_pylist() == [None, None]
    keys = {"rules": [LOW], "suppressions": [SUPPRESSED]}
    once = Judge(policy(**keys), TODAY).apply(before)
    assert Judge(policy(**keys), TODAY).apply(once) == once
    assert once["severity_original"] == before["severity_original"]


def test_only_two_columns_change_and_the_schema_stays() -> None:
    rows = [finding(finding_id=f"{n:032x}", artifact=f"hr/{n}") for n in range(20)]
    chunked = pa.concat_tables([table(*rows[:7]), table(), table(*rows[7:])])
    done = Judge(policy(rules=[LOW], suppressions=[SUPPRESSED | {"finding": f"{9:032x}"}]), TODAY).apply(chunked)
    assert done.schema.equals(FINDINGS, check_metadata=True)
    kept = [name for name in FINDINGS.names if name not in ("severity", "suppressed_by")]
    assert done.select(kept) == chunked.select(kept)
    assert [row for row, by in enumerate(done["suppressed_by"].to_pylist()) if by] == [9]
    assert Judge(policy(rules=[LOW]), TODAY).apply(table()).schema.equals(FINDINGS, check_metadata=True)


def test_the_report_counts_over_all_tables_and_a_pickled_judge_goes_on() -> None:
    suppressions = [
        SUPPRESSED | {"owner": "o"},
        {"path": "nowhere/*", "reason": "unused", "id": "unused"},
        {"rule": "pii.*", "reason": "old", "expires": "2026-11-01", "id": "old"},
        {"fingerprint": B, "reason": "both", "expires": "2026-12-01", "id": "both"},
    ]
    judge = Judge(policy(suppressions=suppressions, rules=[{"rule": "pii.phone", "severity": "off"}]), TODAY)
    judge.apply(table(finding(), finding(finding_id=B, content_fingerprint=A)))
    judge = pickle.loads(pickle.dumps(judge))  # noqa: S301  # our own
    judge.apply(table(finding(rule_id="pii.phone", finding_id=B, content_fingerprint=A), finding(finding_id=B, content_fingerprint=A)))
    report = judge.report()
    assert (report["file"], report["rules"], report["turned_off"], report["day"]) == (None, 1, 1, "2026-11-20")
    found = {one["id"]: (one["findings"], one["expired"]) for one in report["suppressions"]}
    # what another suppression or a rule hides does not count again
    assert found == {"mine": (1, False), "unused": (0, False), "old": (2, True), "both": (1, False)}
    assert report["suppressions"][0] == {"id": "mine", "reason": "r", "owner": "o", "expires": None, "expired": False, "findings": 1}


def _entry(**changes: Any) -> dict[str, Any]:
    return {"id": "S-1", "reason": "why", "owner": None, "expires": None, "expired": False, "findings": 1} | changes


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (_entry(), []),
        (_entry(findings=0), ["suppression S-1 (why) matched nothing"]),
        (_entry(expires="2026-12-04", findings=2), ["suppression S-1 (why) expires on 2026-12-04; 2 findings will count again"]),
        (_entry(expires="2026-12-05"), []),
        (_entry(expires="2026-12-01", findings=0), ["suppression S-1 (why) matched nothing"]),
        (_entry(expires="2026-11-01", expired=True, findings=3), ["suppression S-1 (why) expired on 2026-11-01; 3 findings count again"]),
        (_entry(expires="2026-11-01", expired=True), ["suppression S-1 (why) expired on 2026-11-01; 1 finding counts again"]),
        (
            _entry(expires="2026-11-01", expired=True, findings=0),
            ["suppression S-1 (why) expired on 2026-11-01; no finding counts again"],
        ),
        (_entry(reason="\x1b[2J" + "x" * 99, findings=0), ["suppression S-1 (\\x1b[2J" + "x" * 52 + "…) matched nothing"]),
    ],
)
def test_notes(entry: dict[str, Any], expected: list[str]) -> None:
    assert notes({"day": "2026-11-20", "suppressions": [entry]}) == expected


def test_many_notes_of_a_kind_are_cut() -> None:
    said = notes({"day": "2026-11-20", "suppressions": [_entry(findings=0)] * 1000})
    assert len(said) == 11
    assert said[-1] == "990 more suppressions matched nothing; run.json lists them"


def test_digest_and_identity() -> None:
    text = "rules:\n  - {rule: 'pii.*', severity: off}\n"
    one = parse(text)
    assert one.digest() == parse(f"# a comment\n{text}").digest() == pickle.loads(pickle.dumps(one)).digest()  # noqa: S301  # our own
    assert len({one.digest(), Policy().digest(), parse(text.replace("off", "low")).digest()}) == 3
    keys = policy(suppressions=[SUPPRESSED | {"expires": "2026-11-20"}, {"rule": "x.*", "reason": "r", "expires": "2026-12-01"}])
    days = [Judge(keys, date(2026, *day)).identity for day in ((1, 1), (11, 19), (11, 20), (11, 30), (12, 1))]
    assert days[0] == days[1] == keys.digest()
    assert days[2] == days[3] != days[4] != days[0]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("rule: []", "line 1: unknown key rule; did you mean rules?"),
        ("rules:\n- rule: a\n- rule: b\n  severty: low", "line 4: unknown key rules.2.severty"),
        ("rules:\n- rule: a\n\n- severity: low", "line 4: key rules.2: give path, rule or both"),
        ("rules: [{rule: a, severty: low}]", "unknown key rules.1.severty; did you mean rules.1.severity?"),
        ("suppressions:\n- {rule: a, reason: r}\n- {rule: a, reson: r}", "suppressions.2.reson; did you mean suppressions.2.reason?"),
        ("rules: [{severity: low}]", "key rules.1: give path, rule or both"),
        ("rules: [{rule: a, severity: worst}]", "rules.1.severity: Input should be 'info', 'low'"),
        ("rules: [{rule: a, min_confidence: 2}]", "rules.1.min_confidence"),
        ("rules: [{rule: a, min_confidence: .nan}]", "rules.1.min_confidence"),
        ("rules: [{rule: '', severity: low}]", "rules.1.rule: must not be empty"),
        ("rules: {rule: a}", "key rules: must be a list"),
        ("suppressions: [{rule: a}]", "suppressions.1.reason: this key is required"),
        ("suppressions: [{rule: a, reason: ' '}]", "suppressions.1.reason: must not be empty"),
        ("suppressions: [{reason: r}]", "at least one of finding, fingerprint, rule, sha256, path"),
        ("suppressions: [{finding: abc, reason: r}]", "suppressions.1.finding: give an id of 32 hexadecimal digits, or a list of them"),
        ("suppressions: [{fingerprint: {a: b}, reason: r}]", "suppressions.1.fingerprint: give an id of 32 hexadecimal digits"),
        ("suppressions: [{sha256: etag-1, reason: r}]", "suppressions.1.sha256"),
        (
            f"suppressions: [{{finding: [{A}, abc], reason: r}}]",
            "suppressions.1.finding: number 2 of the list is not an id of 32 hexadecimal",
        ),
        (f"suppressions: [{{finding: [{A}, [{A}]], reason: r}}]", "suppressions.1.finding: number 2 of the list"),
        (f"suppressions: [{{fingerprint: [{A}, null], reason: r}}]", "suppressions.1.fingerprint: number 2 of the list"),
        ("suppressions: [{finding: [], reason: r}]", "suppressions.1.finding: must not be empty"),
        (f"suppressions: [{{finding: {{a: {A}}}, reason: r}}]", "suppressions.1.finding"),
        ("suppressions: [{rule: a, reason: r, expires: 2027}]", "give a day as YYYY-MM-DD"),
        ("suppressions: [{rule: a, reason: r, expires: 2027-02-30}]", "suppressions.1.expires"),
        ("suppressions: [{rule: a, reason: r, expires: 2027-02-01 10:00}]", "give a day as YYYY-MM-DD"),
        ("suppressions: [{rule: a, reason: r, id: 'policy:1'}]", "suppressions.1.id"),
        ("suppressions: [{rule: a, reason: r, id: x}, {rule: b, reason: r, id: x}]", "two suppressions have the id x"),
        ("- rules", "the top level must be a mapping"),
        ("rules: [\n", "line 2: while parsing a flow node, did not find expected node content. docs/policy.md"),
        ("rules:\n\t- rule: a", "line 2: while scanning for the next token, found character that cannot start any token"),
        ("rules: []\nrules: []", "the key rules appears twice (line 1)"),
        ("suppressions: [{rule: a, rule: b, reason: r}]", "the key rule appears twice"),
        ("a: 1\n---\nb: 2", "but found another document"),
        ("null: 1", "should be strings"),
        ("? [a]\n: b", "unhashable key"),
        ("rules: &x []\nsuppressions: *x", "anchors and aliases are not allowed (line 1)"),
        ("rules: &x [*x]", "anchors and aliases are not allowed"),
        ("<<: {rules: []}", "unknown key <<"),
        ("rules: !!python/object/apply:os.system ['true']", "could not determine a constructor"),
        ("rules: !!timestamp 2027-99-99", "month must be in"),
        ("rules: !!int x", "invalid literal"),
        ("rules: " + "[" * 5000, "level"),
        ("rules: " + "{a: " * 5000, "levels"),
        ("required_engines: [" + "a," * 1_000_001 + "]", "values are not allowed"),
        ("rules: [\x00]", "docs/policy.md"),
    ],
)
def test_mistakes_and_tricks_are_refused(text: str, says: str) -> None:
    with pytest.raises(UsageError, match=re.escape(says)) as raised:
        parse(text, "p.yaml")
    assert str(raised.value).startswith("policy file p.yaml: ")


def test_a_thousand_mistakes_make_a_short_message() -> None:
    with pytest.raises(UsageError) as raised:
        parse("rules: [" + "{severity: low}," * 1000 + "]", "p.yaml")
    assert str(raised.value).count("\n") == 19


@pytest.mark.results
def test_a_mapping_with_many_keys_is_read_once(at_most: AtMost) -> None:
    """Looking for duplicates key by key would take half a minute."""
    with at_most(5), pytest.raises(UsageError, match="unknown key"):
        parse("".join(f"k{n}: 1\n" for n in range(50_000)), "p.yaml")


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n", "{}", "rules:\nsuppressions: null\nrequired_engines: []\n"])
def test_a_policy_may_be_empty(text: str) -> None:
    assert parse(text).digest() == Policy().digest()


def test_scalars_are_text() -> None:
    """YAML would make a boolean, an octal number, a float and a date of these."""
    read = parse(
        f"suppressions:\n- finding: 0{'1' * 31}\n  reason: 1.0\n  owner: no\n  id: 2026-01-01\nrules:\n- rule: on\n  severity: off"
    )
    one = read.suppressions[0]
    assert (one.finding, one.reason, one.owner, one.id) == ("0" + "1" * 31, "1.0", "no", "2026-01-01")
    assert (read.rules[0].rule, read.rules[0].severity) == ("on", "off")


@given(st.text(max_size=40))
def test_any_text_is_a_policy_or_a_usage_error(text: str) -> None:
    try:
        parse(text)
        parse(f"suppressions: [{{path: '{text}', reason: r}}]")
    except UsageError:
        pass


@given(st.text("*?[]!-/ab\\(){}+.^$|", min_size=1, max_size=30), st.text("ab/-]!", max_size=20))
def test_any_glob_compiles_and_ends(pattern: str, name: str) -> None:
    if pattern.strip():
        one = policy(suppressions=[{"path": pattern, "rule": pattern, "reason": "r"}])
        Judge(one, TODAY).apply(table(finding(artifact=name, rule_id=name)))


def test_which_file_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "policy.yaml").write_text("required_engines: [pii, secrets]")
    assert (load_policy(None).file, load_policy(None).required_engines) == (None, ()), "nothing is looked up in the working directory"
    assert (load_policy("policy.yaml").file, load_policy("policy.yaml").required_engines) == ("policy.yaml", ("pii", "secrets"))
    (tmp_path / "other.yaml").write_text("\ufeffrules: [{rule: 'é', severity: off}]")
    assert (load_policy("other.yaml").file, load_policy("other.yaml").rules[0].rule) == ("other.yaml", "é")


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        ("absent", None, "does not exist"),
        ("latin", "rules: [] # \xe9".encode("latin-1"), "not UTF-8"),
        ("large", b"#" * (33 << 20), "larger than 32 MiB"),
    ],
)
def test_files_that_are_no_policy(name: str, data: bytes | None, says: str, tmp_path: Path) -> None:
    if data is not None:
        (tmp_path / name).write_bytes(data)
    with pytest.raises(UsageError, match=says):
        load_policy(str(tmp_path / name))


def test_what_is_no_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for path in (tmp_path, Path("/dev/zero")):
        with pytest.raises(UsageError, match="not a regular file"):
            load_policy(str(path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "policy.yaml").symlink_to("gone")
    with pytest.raises(UsageError, match="does not exist"):  # not: nothing is required
        load_policy("policy.yaml")


def _large(rows: int) -> pa.Table:
    columns: dict[str, Any] = {
        "finding_id": [f"{n:032x}" for n in range(rows)],
        "content_fingerprint": [f"{n % 999:032x}" for n in range(rows)],
        "artifact": [f"team{n % 50}/folder/file-{n % (rows // 10)}.md" for n in range(rows)],
        "rule_id": [f"pii.r{n % 40}" for n in range(rows)],
        "content_id": [f"{n % (rows // 10):064x}" for n in range(rows)],
        "severity_original": ["high"] * rows,
        "confidence": [n % 100 / 100 for n in range(rows)],
    }
    return pa.table(
        {f.name: pa.array(columns[f.name], f.type) if f.name in columns else pa.nulls(rows, f.type) for f in FINDINGS}, schema=FINDINGS
    )


@pytest.mark.results
def test_large_tables_take_seconds(at_most: AtMost) -> None:
    """A hundred thousand rows take a fraction of what a Python loop over them would; nothing to do takes no time."""
    rows = _large(100_000)
    reason = {"reason": "r"}
    large = policy(
        rules=[{"path": f"team{n}/*", "rule": "pii.*", "severity": "low", "min_confidence": 0.5} for n in range(5)],
        suppressions=[{"path": f"*file-{n}.md"} | reason for n in range(10)] + [{"finding": f"{n:032x}"} | reason for n in range(10)],
    )
    with at_most(4):
        done = Judge(large, TODAY).apply(rows)
    with at_most(0.5):
        assert Judge(Policy(), TODAY).apply(rows)["suppressed_by"].null_count == 100_000
    assert 0 < done["suppressed_by"].null_count < 100_000


@pytest.mark.results
def test_an_entry_with_many_ids_takes_seconds(at_most: AtMost) -> None:
    """Reading 100,000 ids takes about a second; applying them takes a lookup for each row, however many ids there are."""
    rows = _large(100_000)
    text = "suppressions:\n  - finding:\n" + "".join(f"      - {n:032x}\n" for n in range(100_000)) + "    reason: r\n"
    with at_most(5):
        read = parse(text)
    judge = Judge(read, TODAY)
    with at_most(1):
        done = judge.apply(rows)
    assert done["suppressed_by"].null_count == 0
    with at_most(1):
        assert matched(read.suppressions[0], rows).num_rows == 100_000


def test_the_example_and_the_page_are_policies() -> None:
    example = load_policy(str(ROOT / "examples" / "policy.yaml"))
    assert (len(example.rules), len(example.suppressions), example.required_engines) == (4, 2, ("pii", "secrets"))
    rows = [
        (finding(artifact="hr/public/page.md"), ("high", None)),
        (finding(), ("low", None)),
        (finding(artifact="a.md", rule_id="pii.person", confidence=0.89), ("high", "policy:3")),
        (finding(artifact="tests/fixtures/x.env", rule_id="secrets.aws-key"), ("high", "policy:4")),
        (finding(finding_id=example.suppressions[0].finding), ("low", example.suppressions[0].name)),
    ]
    done = Judge(example, TODAY).apply(table(*(row for row, _ in rows)))
    assert list(zip(done["severity"].to_pylist(), done["suppressed_by"].to_pylist(), strict=True)) == [expected for _, expected in rows]
    page = (ROOT / "docs" / "policy.md").read_text()
    assert not list(wrong_commands(page))
    blocks = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    assert len(blocks) >= 2
    for block in blocks:
        assert parse(block, "docs/policy.md").digest() != Policy().digest()
