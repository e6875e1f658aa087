"""`sweeps`, `purge`, and what `findings`, `diff` and `verify` make of a sweep's state."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from time_machine import TimeMachineFixture

from tests.cli.test_cli import ATTACK, call
from tests.results.test_comparison import RUN, A, X, Y, finding, write
from veritensor_ray.core.signing import change, load_public_key, new_key, trust
from veritensor_ray.findings.schema import TABLES
from veritensor_ray.findings.sweep_publishing import publish
from veritensor_ray.findings.sweep_state import folder_of, latest, nights
from veritensor_ray.results.attestation import attest
from veritensor_ray.stores.lease import lease
from veritensor_ray.stores.outputs import OutputStore

NOW = datetime(2026, 5, 6, 12, tzinfo=UTC)
PLAN = {"unchanged": 90, "again": 1, "changed": 2, "new": 3, "moved": 4, "copied": 0, "deleted": 5}
EVIL = "=cmd()\x1b]0;owned\x07\u202e\nb.md"


def sweep_id(began: datetime) -> str:
    return f"{began:%Y%m%dT%H%M%SZ}-abc123"


def add(state: OutputStore, days_ago: float, publishing: bool = True, **changes: Any) -> str:
    """A complete sweep that began so long ago, with a finding of each state."""
    began = NOW - timedelta(days=days_ago)
    run: dict[str, Any] = RUN | {"job": "sweep", "scan_id": sweep_id(began), "started_at": began.isoformat(timespec="seconds")}
    run |= {"finished_at": (began + timedelta(minutes=3)).isoformat(timespec="seconds"), "previous": latest(state), "plan": PLAN}
    run |= {"states": {"new": 1, "persisting": 1_234, "reopened": 0, "resolved": 1, "unverified": 1}, "suppressed": 6}
    run |= {"status": {"scanned": 96, "partial": 3, "unreadable": 1}, "severity": {"high": 2, "low": 9}, "totals": {"artifacts": 100}}
    findings = [
        X | {"state": "persisting"},
        finding("new", EVIL, state="new", severity="high"),
        finding("back", state="reopened"),
        finding("hidden", state="new", suppressed_by="S-1", count=6),
    ]
    gone = {"resolved": [finding("gone", state="resolved")], "unverified": [finding("unread", state="unverified")]}
    write(folder_of(state, run["scan_id"]).uri, findings, [A], run | changes, **gone)
    if publishing:
        publish(state, run)
    return str(run["scan_id"])


def unfinished(state: OutputStore, days_ago: float, previous: str | None, job: str = "sweep") -> str:
    """A run that was cut short after one shard of three."""
    began = NOW - timedelta(days=days_ago)
    name = sweep_id(began)
    request: dict[str, Any] = {"fingerprint_parts": {}, "totals": {"shards": 3}, "started_at": began.isoformat(timespec="seconds")}
    request |= {"job": job, "previous": previous, "fresh": False}
    state.put(f"_work/{name}/commits/00000.parquet", b"evidence")
    state.put(f"_work/{name}/request.json", json.dumps(request).encode())
    return name


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, time_machine: TimeMachineFixture) -> OutputStore:
    """Four nights, of which one is missing: 5, 4, 2 and 1 days before NOW, where the clock stands still."""
    time_machine.move_to(NOW, tick=False)
    monkeypatch.chdir(tmp_path)
    store = OutputStore(str(tmp_path / "state"))
    for days in (5, 4, 2, 1):
        add(store, days)
    return store


def test_nights(state: OutputStore, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(monkeypatch, "sweeps", state.uri) == 0
    lines = capsys.readouterr().out.splitlines()
    ids = [one.id for one in nights(state)]
    assert [line.split()[0] for line in lines if line.strip()][2:] == [ids[3], ids[2], "1", ids[1], ids[0]]
    assert "1 missed" in lines[-3]
    header = "sweep (UTC) took artifacts scanned unchanged not fully checked new persisting resolved unverified suppressed worst"
    assert lines[0].split() == header.split()  # nothing was reopened
    assert lines[-1].split()[1:] == ["3", "min", "100", "6", "94", "4", "1", "1,234", "1", "1", "6", "high"]


def test_nights_as_json(state: OutputStore, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(monkeypatch, "sweeps", state.uri, "--format", "json") == 0
    about = json.loads(capsys.readouterr().out)
    assert [one["missed_before"] for one in about["sweeps"]] == [0, 1, 0, 0]
    assert (about["overdue"], about["every"], about["unfinished"]) == (0, 86_400, [])
    newest = about["sweeps"][0]
    assert (newest["sweep"], newest["seconds"], newest["scanned"], newest["not_covered"]) == (latest(state), 180, 6, 4)
    assert (newest["plan"], newest["severity"], newest["suppressed"]) == (PLAN, {"high": 2, "low": 9}, 6)


@pytest.mark.parametrize(
    ("every", "overdue", "missed"),
    [("24h", 0, [0, 1, 0, 0]), ("12h", 1, [1, 3, 1, 0]), ("7d", 0, [0, 0, 0, 0]), ("30m", 47, [47, 95, 47, 0])],
)
def test_what_was_missed_depends_on_how_often(
    every: str, overdue: int, missed: list[int], state: OutputStore, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("c.yaml").write_text(f"sweep: {{every: {every}}}")
    assert call(monkeypatch, "sweeps", state.uri, "--config", "c.yaml", "--format", "json") == 0
    about = json.loads(capsys.readouterr().out)
    assert about["overdue"] == overdue
    assert [one["missed_before"] for one in about["sweeps"]] == missed
    assert call(monkeypatch, "sweeps", state.uri, "--config", "c.yaml") == 0
    assert ("overdue: the last complete sweep began" in capsys.readouterr().out) == bool(overdue)


def test_a_sweep_that_did_not_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    state = OutputStore(str(tmp_path / "state"))
    first = unfinished(state, 3, None)
    assert call(monkeypatch, "sweeps", state.uri) == 0
    out = capsys.readouterr().out
    assert f"{first}: 1 of 3 shards are done; running or interrupted; the same submit resumes it" in out
    assert "no sweep has ended yet" in out
    last = add(state, 2)
    later, other = unfinished(state, 1, last), unfinished(state, 0.5, "20250101T000000Z-abc123")
    add(state, 0.1, publishing=False)  # has tables, and is not published
    assert call(monkeypatch, "sweeps", state.uri) == 0
    out = capsys.readouterr().out
    assert f"{later}: 1 of 3 shards are done; running or interrupted" in out
    assert f"{other}: 1 of 3 shards are done; interrupted; the next sweep starts over" in out
    assert first not in out  # it is older than what is complete
    assert [line.split()[0] for line in out.splitlines()[-1:]] == [last]


@pytest.mark.parametrize("command", [("sweeps",), ("purge", "--older-than", "1d"), ("purge", "--older-than", "1d", "--dry-run")])
def test_what_is_no_state(
    command: tuple[str, ...], state: OutputStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    begun = OutputStore(str(tmp_path / "begun"))
    unfinished(begun, 3, None, job="audit")
    for output, code, says in (
        (write(tmp_path / "audit").uri, 2, "holds an audit, not a state"),
        (begun.uri, 2, "holds an audit that did not end"),
        (folder_of(state, str(latest(state))).uri, 2, "holds a single sweep; give its state"),
        (str(tmp_path / "none"), 4, "no sweep was written to"),
    ):
        before = sorted(tmp_path.rglob("*"))
        assert call(monkeypatch, *command, output) == code
        error = capsys.readouterr().err
        assert says in error
        assert "submit --job sweep" in error
        assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("older_than", "left"),
    [
        ("90d", 4),
        ("1w", 4),
        ("3d", 2),
        (f"{NOW - timedelta(days=3):%Y-%m-%d}", 2),
        ((NOW - timedelta(days=4.5)).isoformat(timespec="seconds"), 3),
        ("0d", 1),
        ("2999-01-01", 1),
    ],
    ids=["90d", "1w", "3d", "a date", "a moment", "0d", "a date to come"],
)
def test_purge(older_than: str, left: int, state: OutputStore, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    ids = [one.id for one in nights(state)]
    assert call(monkeypatch, "purge", state.uri, "--older-than", older_than, "--dry-run") == 0
    foretold = capsys.readouterr().out
    assert [one.id for one in nights(state)] == ids
    assert not (Path(state.uri) / "_work").exists()
    assert call(monkeypatch, "purge", state.uri, "--older-than", older_than) == 0
    out = capsys.readouterr().out
    assert out == foretold.replace("would be removed:", "removed:")
    assert state.names("sweeps") == [one.id for one in nights(state)] == ids[-left:]
    assert [line.split()[1] for line in out.splitlines() if line.startswith("removed: ")] == ids[:-left]
    assert f"kept: {left} complete sweep{'s' if left > 1 else ''} with all open findings; the last one is {ids[-1]}" in out
    assert "without evidence" in out
    assert ("nothing to remove" in out) == (left == 4)


def test_purge_takes_what_was_left_behind(state: OutputStore, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    last = str(latest(state))
    half = sweep_id(NOW - timedelta(days=30))
    state.put(f"sweeps/{half}/findings/part-00000.parquet", b"evidence")
    old, recent = unfinished(state, 20, "some"), unfinished(state, 0.5, last)
    state.put("sweeps/notes.txt", b"somebody else's")
    assert call(monkeypatch, "purge", state.uri, "--older-than", "10d") == 0
    out = capsys.readouterr().out
    assert [(name in out, state.exists(f"_work/{name}")) for name in (old, recent)] == [(True, False), (False, True)]
    assert out.count("did not end") == 2
    assert not state.exists(f"sweeps/{half}")
    assert state.exists("sweeps/notes.txt")
    assert len(nights(state)) == 4


def test_purge_waits_for_nobody(state: OutputStore, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with lease(state):
        assert call(monkeypatch, "purge", state.uri, "--older-than", "0d") == 4
    assert "another run is writing" in capsys.readouterr().err
    assert len(nights(state)) == 4


@pytest.mark.parametrize("age", ["90", "90y", "d", "", "-1d", "yesterday", "99999d9", "2026-13-01"])
def test_ages_that_are_none(age: str, state: OutputStore, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(monkeypatch, "purge", state.uri, f"--older-than={age}") == 2
    assert "give an ISO date or time" in capsys.readouterr().err
    assert len(nights(state)) == 4


@pytest.mark.parametrize(
    ("flags", "names"),
    [
        ((), ["x", "new", "back", "hidden"]),
        (("--state", "new,reopened"), ["new", "back", "hidden"]),
        (("--state", "reopened", "--state", "new"), ["new", "back", "hidden"]),
        (("--state", "resolved"), ["gone"]),
        (("--state", "new,unverified", "--severity", "medium"), ["new", "hidden", "unread"]),
    ],
)
def test_findings_by_state(
    flags: tuple[str, ...], names: list[str], state: OutputStore, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, "findings", state.uri, "--format", "jsonl", *flags) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert sorted(row["content_fingerprint"] for row in rows) == sorted(names)
    assert call(monkeypatch, "findings", state.uri, "--by", "evidence", *flags) == 0
    out = capsys.readouterr().out
    assert not {"\x1b", "\x07", "\u202e"} & set(out)
    assert {name for name in ("x", "new", "back", "gone", "unread") if f"evidence of {name}" in out} == set(names) - {"hidden"}
    assert ("1 suppressed finding is not shown; --suppressed shows it" in out) == ("hidden" in names)
    assert "state" in out.splitlines()[0].split()
    assert call(monkeypatch, "findings", state.uri, "--by", "evidence", "--suppressed", *flags) == 0
    out = capsys.readouterr().out
    assert ("evidence of hidden" in out and "S-1" in out) == ("hidden" in names)
    assert "not shown" not in out


@pytest.mark.parametrize(
    ("flags", "code", "says"),
    [
        (("--sweep", "nope"), 2, "has no complete sweep 'nope'"),
        (("--sweep", "../sweeps"), 2, "has no complete sweep"),
        (("--state", "moved"), 2, "unknown state 'moved'; choose from new, reopened, persisting, resolved, unverified"),
    ],
)
def test_findings_of_what_is_not_there(
    flags: tuple[str, ...], code: int, says: str, state: OutputStore, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, "findings", state.uri, *flags) == code
    assert says in capsys.readouterr().err


def test_an_audit_has_no_states(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    output = write(tmp_path / "audit", [X, Y | {"suppressed_by": "policy:1"}], [A]).uri
    assert call(monkeypatch, "findings", output) == 0
    out = capsys.readouterr().out
    assert "state" not in out.splitlines()[0].split()
    assert "1 suppressed finding is not shown; --suppressed shows it" in out
    assert call(monkeypatch, "findings", output, "--state", "persisting") == 2
    assert "`veritensor-ray diff` compares two audits" in capsys.readouterr().err


def test_findings_of_an_earlier_sweep(state: OutputStore, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    first = nights(state)[0]
    write(first.store.uri, [Y], [A], dict(first.run))
    for output, flags in ((state.uri, ("--sweep", first.id)), (first.store.uri, ())):
        assert call(monkeypatch, "findings", output, "--format", "jsonl", *flags) == 0
        assert json.loads(capsys.readouterr().out)["content_fingerprint"] == "y"


@pytest.fixture
def signed(state: OutputStore, tmp_path: Path) -> tuple[str, ...]:
    """Arguments of `verify` for the state, whose nights are all signed."""
    new_key(tmp_path / "key")
    change(str(tmp_path / "trusted.json"), lambda known: trust(known, *load_public_key(tmp_path / "key.pub")))
    for one in nights(state):
        attest(one.store, f"file:{tmp_path / 'key'}", one.run)
    return ("verify", state.uri, "--trusted-keys", str(tmp_path / "trusted.json"))


def test_verify_takes_the_last_night(
    signed: tuple[str, ...], state: OutputStore, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, *signed) == 0
    out = capsys.readouterr().out
    earlier, last = (one.id for one in nights(state)[-2:])
    assert f"verified: {len(TABLES) + 1} objects in {state.uri}/sweeps/{last}" in out.replace("\n", "")
    assert "1,234 persisting" in out
    assert call(monkeypatch, *signed, "--json") == 0
    about = json.loads(capsys.readouterr().out)
    assert (about["scan_id"], about["previous"], about["states"]["persisting"]) == (last, earlier, 1_234)
    folder = folder_of(state, earlier).uri
    assert call(monkeypatch, "verify", folder, *signed[2:]) == 0
    assert f"in {folder} are" in capsys.readouterr().out.replace("\n", "")


@pytest.mark.parametrize("folder", TABLES)
@pytest.mark.parametrize("fault", ["changed", "extra", "missing"])
def test_no_table_of_a_night_can_be_touched(
    folder: str,
    fault: str,
    signed: tuple[str, ...],
    state: OutputStore,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    night = Path(folder_of(state, str(latest(state))).uri) / folder
    if fault == "changed":
        (night / "part-00000.parquet").write_bytes(b"nothing was found")
    elif fault == "missing":
        (night / "part-00000.parquet").unlink()
    else:
        (night / "deep").mkdir()
        shutil.copy(night / "part-00000.parquet", night / "deep/x.parquet")
    assert call(monkeypatch, *signed) == 4
    name = "deep/x.parquet" if fault == "extra" else "part-00000.parquet"
    assert f"{folder}/{name} {'has' if fault == 'changed' else 'is'} {fault}" in capsys.readouterr().err


def test_an_audit_gets_no_tables_of_sweeps(
    signed: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    audit = write(tmp_path / "audit", [X], [A])
    attest(audit, f"file:{tmp_path / 'key'}", json.loads(audit.read("run.json") or b""))
    audit.put("resolved/part-00000.parquet", b"x")
    assert call(monkeypatch, "verify", audit.uri, *signed[2:]) == 4
    assert "resolved/part-00000.parquet is extra" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("latest_json", "says"),
    [
        (b"{", "latest.json is damaged"),
        (b"[]", "latest.json is damaged"),
        (b'{"sweep": "../../elsewhere"}', "latest.json is damaged"),
        (b'{"sweep": "../copy"}', "latest.json is damaged"),
        (b'{"sweep": "copy"}', "is not the signed sweep"),
        (b'{"sweep": "20990101T000000Z-abc123"}', "no run.json"),
    ],
)
def test_latest_json_leads_nowhere_else(
    latest_json: bytes,
    says: str,
    signed: tuple[str, ...],
    state: OutputStore,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write(tmp_path / "elsewhere")
    for copy in ("copy", "sweeps/copy"):
        shutil.copytree(nights(state)[0].store.uri, tmp_path / "state" / copy)
    state.put("latest.json", latest_json)
    assert call(monkeypatch, *signed) == 4
    assert says in capsys.readouterr().err


def test_two_real_nights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Through the command line alone: sweep, look, compare, sign, verify, purge."""
    corpus = tmp_path / "corpus"
    (corpus / "d").mkdir(parents=True)
    (corpus / "stays.md").write_text(ATTACK)
    (corpus / "goes.md").write_text(f"{ATTACK} This one goes.")
    (corpus / "d/moves.md").write_text(f"{ATTACK} This one moves.")
    monkeypatch.chdir(tmp_path)
    new_key(tmp_path / "key")
    change(str(tmp_path / "trusted.json"), lambda known: trust(known, *load_public_key(tmp_path / "key.pub")))
    submit = ("submit", "corpus", "--job", "sweep", "--output", "state", "--engines", "signatures", "--sign-key", "file:key")
    assert call(monkeypatch, *submit) == 0
    (corpus / "goes.md").unlink()
    (corpus / "d/moves.md").rename(corpus / EVIL)
    (corpus / "comes.md").write_text(f"{ATTACK} This one comes.")
    assert call(monkeypatch, *submit) == 0
    state = OutputStore(str(tmp_path / "state"))
    first, last = (one.id for one in nights(state))
    capsys.readouterr()

    assert call(monkeypatch, "diff", f"state/sweeps/{first}", "state", "--exit-code", "--format", "jsonl") == 1
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {(row["state"], row["artifact"], row["artifact_before"]) for row in rows} == {
        ("new", "comes.md", None),
        ("moved", EVIL, "d/moves.md"),
        ("resolved", "goes.md", None),
    }
    assert call(monkeypatch, "diff", "state", "state") == 0
    assert "no differences" in capsys.readouterr().out
    assert call(monkeypatch, "findings", "state", "--state", "new", "--format", "jsonl") == 0
    assert {json.loads(line)["artifact"] for line in capsys.readouterr().out.splitlines()} == {"comes.md"}
    assert call(monkeypatch, "sweeps", "state", "--format", "json") == 0
    about = json.loads(capsys.readouterr().out)
    assert [one["sweep"] for one in about["sweeps"]] == [last, first]
    assert about["sweeps"][0]["states"]["new"] > 0
    assert about["unfinished"] == []
    assert call(monkeypatch, "verify", "state", "--trusted-keys", "trusted.json") == 0
    assert call(monkeypatch, "purge", "state", "--older-than", "0d") == 0
    assert state.names("sweeps") == [last]
    assert call(monkeypatch, "verify", "state", "--trusted-keys", "trusted.json") == 0
