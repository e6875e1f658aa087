"""Cleaning on an embedded Ray: what a sweep rewrites, moves and removes, what an interruption leaves, and what must not overlap."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tests import s3_server
from tests.cleaning.in_process import FAKE, tree, write
from veritensor_ray.cleaning.cleaning_policy import parse
from veritensor_ray.cleaning.copy_statement import verify_copy
from veritensor_ray.core.config import load_settings
from veritensor_ray.core.errors import IncompleteOutput, LeaseHeld, OutputConflict, SignatureError, UsageError
from veritensor_ray.core.signing import TrustList, load_public_key, new_key, trust
from veritensor_ray.findings.run_file import CLEAN_KIND
from veritensor_ray.jobs import cleaning_run as cleaning
from veritensor_ray.jobs.cleaning_run import clean
from veritensor_ray.jobs.run_reporting import Silent
from veritensor_ray.jobs.scheduling import on_ray
from veritensor_ray.stores.lease import lease
from veritensor_ray.stores.outputs import OutputStore

POLICY = """
rules:
  - {path: "*aside*", rule: fake-local.findme, action: quarantine}
  - {rule: fake-local.findme, action: strip}
"""


class Noting(Silent):
    """Keeps what a run says, and may interrupt it at a stage."""

    def __init__(self, interrupt: Callable[[str], bool] = lambda stage: False) -> None:
        self.notes: list[str] = []
        self._interrupt = interrupt

    def note(self, text: str) -> None:
        self.notes.append(text)
        self.stage(text)

    def stage(self, name: str) -> None:
        if self._interrupt(name):
            raise KeyboardInterrupt


def nested(times: int) -> str:
    """A text that has to be stripped so many times."""
    return "" if not times else f"FIND{nested(times - 1)}ME"


class Case:
    """A corpus, its policy, and the destination."""

    def __init__(self, base: Path) -> None:
        self.corpus, self.dest, self.policy = base / "corpus", base / "dest", base / "clean.yaml"
        self.policy.write_text(POLICY)

    def clean(self, report: Silent | None = None, **options: Any) -> dict[str, Any]:
        flags = {"sources": [str(self.corpus)], "output": str(self.dest), "limits": {"shard_artifacts": 2}} | FAKE | options
        return clean(load_settings(flags=flags, environ={}), str(self.policy), report or Silent())

    def manifest(self) -> dict[str, tuple[str, str | None]]:
        rows = pq.read_table(self.dest / "manifest.parquet").to_pylist()
        assert len({row["artifact"] for row in rows}) == len(rows)
        return {row["artifact"]: (row["result"], row["path"]) for row in rows}

    def row(self, artifact: str) -> dict[str, Any]:
        """A row of the manifest."""
        (found,) = [row for row in pq.read_table(self.dest / "manifest.parquet").to_pylist() if row["artifact"] == artifact]
        return dict(found)

    def files(self, place: str = "corpus") -> dict[str, str]:
        return {name.decode(): content.decode() for name, content in tree(self.dest / place).items() if content != b"(folder)"}

    def inodes(self) -> dict[str, int]:
        return {str(path.relative_to(self.dest)): path.stat().st_ino for path in self.dest.glob("[cq]*/**/*") if path.is_file()}


@pytest.fixture
def case(tmp_path: Path) -> Case:
    made = Case(tmp_path)
    write(made.corpus, {"a.txt": "one FINDME two", "deep/b.txt": "nothing", "deep/er/aside.txt": "FINDME", "c.txt": "FINDME", "d.txt": "x"})
    return made


@pytest.mark.parametrize("there", ["mine.txt", "corpus/a.txt", "run.json"])
def test_a_folder_with_something_else_is_left_alone(case: Case, there: str) -> None:
    write(case.dest, {there: "mine"})
    with pytest.raises(UsageError, match="holds something else"):
        case.clean()
    assert tree(case.dest).keys() >= {there.encode()}


@pytest.mark.parametrize(
    ("run_json", "published"),
    [
        ({"kind": CLEAN_KIND, "verdict": "clean", "before": {"scan_id": "2-b"}}, []),
        ({"kind": CLEAN_KIND, "verdict": "clean", "before": {"scan_id": "1-a"}}, ["2-b"]),
        ("damaged", ["2-b"]),
        (None, ["2-b"]),
    ],
)
def test_what_a_finished_copy_left_is_not_published_again(
    case: Case, monkeypatch: pytest.MonkeyPatch, run_json: Any, published: list[str]
) -> None:
    """The end of a run removes its tables one by one, and of those of several rounds only the first ones may be left."""
    store, again = OutputStore(str(case.dest)), list[str]()
    monkeypatch.setattr(cleaning._Cleaning, "_last", lambda self: {"scan_id": "2-b"})
    monkeypatch.setattr(cleaning._Cleaning, "_publish", lambda self, run, held: again.append(run))
    for run in ("1-a", "2-b", "3-c"):
        store.put(f"_work/{run}/tables/00/manifest.parquet", b"")
    if run_json is not None:
        store.put("run.json", json.dumps(run_json).encode())
    settings = load_settings(None, {"sources": [str(case.corpus)], "output": str(case.dest), "job": "sweep"})
    with lease(store) as held:
        cleaning._Cleaning(settings, parse(POLICY), Silent())._publish_pending(held)
    assert again == published
    assert [name for name in store.names("_work") if name != ".lease"] == [*published, "3-c"]


@pytest.mark.usefixtures("anywhere")
class TestAudits:
    def test_references_follow_names_that_are_known_before_and_after_the_scan(self, case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(on_ray, "_NAMES_AT_ONCE", 1)  # so that several processes share them
        name = "ada.lindqvist@kaldor-mail.com"
        secret = "Xk29dkQw81vvLm"  # which only the content makes a secret
        write(case.corpus, {f"mail/{name}.txt": "x", f"{secret}.txt": f"password: {secret}", "a.txt": f"see mail/{name}.txt, {secret}.txt"})
        case.policy.write_text("{names: pseudonym, rules: [{category: pii, action: pseudonym}]}")
        found = case.clean(engines=["pii", "secrets"], pii={"free_text": False})
        one, other = ((case.manifest()[old][1] or "").removeprefix("corpus/") for old in (f"mail/{name}.txt", f"{secret}.txt"))
        assert name not in one
        assert secret not in other
        assert case.files()["a.txt"] == f"see {one}, {other}"
        assert (found["verdict"], found["rounds"]) == ("clean", 1)

    def test_a_cleaning_that_is_interrupted_anywhere(self, case: Case, tmp_path: Path) -> None:
        """Before each stage and note of the whole run once; then the same command again, until nothing interrupts it."""
        write(case.corpus, {"again.txt": nested(3), "twice.jsonl": f'{{"t": "{nested(2)}"}}\n'})
        undisturbed = Case(tmp_path)
        undisturbed.dest = tmp_path / "undisturbed"
        expected = undisturbed.clean()
        seen: set[str] = set()

        def once(stage: str) -> bool:
            fresh = stage.split(":")[0][:30] not in seen
            seen.add(stage.split(":")[0][:30])
            return fresh

        times = 0
        while True:
            try:
                found = case.clean(Noting(once))
                break
            except KeyboardInterrupt:
                times += 1
                assert not (case.dest / "run.json").exists()
                with pytest.raises(IncompleteOutput):
                    verify_copy(OutputStore(str(case.dest)), None)
        assert times > 6
        names = ("results", "actions", "changes", "rounds", "left", "verdict", "not_copied")
        assert {name: found[name] for name in names} == {name: expected[name] for name in names}
        assert (case.files(), case.files("quarantine")) == (undisturbed.files(), undisturbed.files("quarantine"))
        assert case.manifest() == undisturbed.manifest()
        assert found["verdict"] == "clean"
        inodes, said = case.inodes(), Noting()
        assert case.clean(said)["finished_at"] == found["finished_at"]
        assert any("already holds this copy" in note for note in said.notes)
        assert case.inodes() == inodes
        write(case.corpus, {"new.txt": "FINDME"})
        stale = case.clean()
        assert (stale["verdict"], stale["changed_since"]["names"]) == ("incomplete", {"new": ["new.txt"]})
        assert verify_copy(OutputStore(str(case.dest)), None).run["verdict"] == "clean", "which is about the copy, and not about the corpus"
        (case.corpus / "new.txt").unlink()
        assert case.clean()["verdict"] == "clean"
        case.policy.write_text("level: low")
        with pytest.raises(OutputConflict, match="made with another policy or key"):
            case.clean()
        with lease(OutputStore(str(case.dest))), pytest.raises(LeaseHeld):
            case.clean(fresh=True)
        assert (case.dest / "run.json").exists(), "whoever holds it, nothing was removed"

    def test_what_the_audit_of_the_copy_finds_is_removed_three_times_at_most(self, case: Case) -> None:
        write(case.corpus, {"twice.txt": nested(2), "four.txt": nested(4), "five.txt": nested(5), "kept.txt": "FINDME", "aside.txt": ""})
        keeping = '  - {path: "*kept*", action: keep}'
        case.policy.write_text(POLICY.replace("rules:", f"rules:\n{keeping}"))
        run = case.clean()
        assert (run["verdict"], run["left"], run["rounds"], run["results"]["held"]) == ("clean", {}, 4, 1)
        manifest = case.manifest()
        assert (manifest["four.txt"], manifest["five.txt"]) == (("cleaned", "corpus/four.txt"), ("held", "quarantine/five.txt"))
        assert (case.files("quarantine")["five.txt"], case.files()["kept.txt"]) == ("FINDME", "FINDME")
        assert {name: case.files()[name] for name in ("twice.txt", "four.txt")} == {"twice.txt": "", "four.txt": ""}
        assert case.row("four.txt")["actions"] == [{"rule": "fake-local.findme", "action": "strip", "count": 4}]
        verify_copy(OutputStore(str(case.dest)), None)
        case.policy.write_text(f"remaining: copy\n{case.policy.read_text()}")
        run = case.clean(fresh=True)
        assert (run["verdict"], run["left"], run["rounds"]) == ("findings-left", {"medium": 1}, 3)
        assert case.manifest()["five.txt"] == ("cleaned", "corpus/five.txt")

    def test_the_audit_of_the_copy_scans_what_was_rewritten_or_tampered_with(self, case: Case) -> None:
        with pytest.raises(KeyboardInterrupt):
            case.clean(Noting(lambda stage: stage == "auditing the copy"))
        write(case.dest, {"corpus/d.txt": "x FINDME"})
        assert case.clean()["results"] == {"copied": 1, "cleaned": 2, "quarantined": 1, "held": 1}
        before = json.loads((case.dest / "before/run.json").read_text())
        first, last = (json.loads((night / "run.json").read_text()) for night in sorted((case.dest / "after/sweeps").iterdir()))
        assert first["elsewhere"] == {"scan_id": before["scan_id"], "artifacts": 1}
        assert (last["elsewhere"]["artifacts"], last["plan"]["unchanged"]) == (0, 3), "the file was held back, the others are as they were"

    def test_what_is_signed_is_found_out_when_it_changes(self, case: Case, tmp_path: Path) -> None:
        new_key(tmp_path / "key", "ann")
        case.clean(sign_key=f"file:{tmp_path / 'key'}")
        store, trusted = OutputStore(str(case.dest)), trust(TrustList(tmp_path / "none.json"), *load_public_key(tmp_path / "key.pub"))
        assert verify_copy(store, trusted).files == 5
        own = [path for path in (*case.dest.glob("*"), *case.dest.glob("[cq]*/**/*")) if path.is_file() and path.name != "attestation.json"]
        audits = [*case.dest.glob("before/*/*.parquet"), *case.dest.glob("after/sweeps/*/*/*.parquet"), *case.dest.rglob("run.json")]
        assert (len(own), len(audits) > 8) == (3 + 5, True)
        for path in (*own, *audits):
            data = path.read_bytes()
            path.write_bytes(data + b" ")
            with pytest.raises(SignatureError, match=f"{path.name}|(before|after) has changed"):
                verify_copy(store, trusted)
            path.write_bytes(data)
        assert verify_copy(store, trusted).files == 5

    def test_a_copy_without_a_file_is_empty_and_not_clean(self, case: Case) -> None:
        case.policy.write_text("rules: [{rule: fake-local.findme, action: quarantine}]")
        for name in ("deep/b.txt", "d.txt"):
            (case.corpus / name).unlink()
        run = case.clean()
        assert (run["verdict"], run["results"], run["after"]) == ("empty", {"quarantined": 3}, None)
        assert verify_copy(OutputStore(str(case.dest)), None).run["verdict"] == "empty"

    def test_what_is_left_below_the_level_is_counted(self, case: Case) -> None:
        case.policy.write_text("level: high\nrules: [{path: 'deep/*', rule: fake-local.findme, action: keep}]")
        run = case.clean()
        assert (run["verdict"], run["below"]) == ("clean", [{"rule": "fake-local.findme", "severity": "medium", "count": 2, "places": 2}])
        case.policy.write_text("level: high")
        settings = load_settings(flags={"sources": [str(case.corpus)], "output": str(case.dest), "fresh": True} | FAKE, environ={})
        run = clean(settings, str(case.policy), level="medium")
        assert (run["verdict"], run["level"], run["below"], run["results"]) == ("clean", "medium", [], {"copied": 2, "quarantined": 3})


@pytest.mark.usefixtures("anywhere")
class TestSweeps:
    def test_nights(self, case: Case) -> None:
        first = case.clean(job="sweep")
        assert first["results"] == {"copied": 2, "cleaned": 2, "quarantined": 1}
        assert case.files() == {"a.txt": "one  two", "c.txt": "", "d.txt": "x", "deep/b.txt": "nothing"}
        before = case.inodes()
        same = case.clean(job="sweep")
        assert (case.inodes(), same["results"]) == (before, first["results"]), "nothing was written or moved"

        write(
            case.corpus, {"a.txt": "now FINDME differs", "deep/er/aside.txt": "clean now", "c-aside.txt": "FINDME", "new/e.txt": "FINDME!"}
        )
        for name in ("c.txt", "deep/b.txt"):
            (case.corpus / name).unlink()
        third = case.clean(job="sweep")
        assert case.files() == {"a.txt": "now  differs", "d.txt": "x", "deep/er/aside.txt": "clean now", "new/e.txt": "!"}
        assert case.files("quarantine") == {"c-aside.txt": "FINDME"}
        assert not (case.dest / "quarantine/deep").exists(), "empty folders vanish"
        assert case.inodes()["corpus/d.txt"] == before["corpus/d.txt"]
        assert set(case.manifest()) == {"a.txt", "d.txt", "deep/er/aside.txt", "c-aside.txt", "new/e.txt"}
        assert third["verdict"] == "clean"

        # a folder that cannot be listed is not gone
        (case.corpus / "new").chmod(0)
        if not os.access(case.corpus / "new", os.R_OK):
            unlisted = case.clean(job="sweep")
            assert case.files()["new/e.txt"] == "!"
            assert (unlisted["not_copied"], unlisted["verdict"]) == ({"unlisted": 1}, "incomplete")
        (case.corpus / "new").chmod(0o700)

        # another policy cleans everything again
        case.policy.write_text(POLICY.replace("strip}", "quarantine}"))
        said = Noting()
        case.clean(said, job="sweep")
        assert any("everything is cleaned again" in note for note in said.notes)
        assert set(case.files()) == {"d.txt", "deep/er/aside.txt"}
        assert set(case.files("quarantine")) == {"a.txt", "c-aside.txt", "new/e.txt"}

    def test_old_nights_are_removed_and_another_key_cleans_everything_again(self, case: Case, tmp_path: Path) -> None:
        key = tmp_path / "key"
        key.touch(mode=0o600)
        case.policy.write_text(f"pseudonym_key: file:{key}\n{POLICY}")
        for night in range(4):
            key.write_text("k" * 32 if night < 3 else "another key of 32 characters at least")
            write(case.corpus, {"a.txt": f"{night} FINDME"})
            said = Noting()
            run = case.clean(said, job="sweep", sweep={"keep": 2})
            assert (run["verdict"], run["results"]) == ("clean", {"copied": 2, "cleaned": 2, "quarantined": 1})
            assert any("everything is cleaned again" in note for note in said.notes) == (night == 3)
        assert [len(list((case.dest / audit / "sweeps").iterdir())) for audit in ("before", "after")] == [2, 2]
        assert verify_copy(OutputStore(str(case.dest)), None).files == 5
        assert case.files()["a.txt"] == "3 "

    def test_a_night_that_is_interrupted_before_its_copies_are_published(self, case: Case) -> None:
        case.clean(job="sweep")
        write(case.corpus, {"a.txt": "second FINDME", "new.txt": "FINDME"})
        with pytest.raises(KeyboardInterrupt):
            case.clean(Noting(lambda stage: stage == "publish"), job="sweep")
        assert case.files()["a.txt"] == "one  two"
        assert not (case.dest / "run.json").exists() or json.loads((case.dest / "run.json").read_text())["verdict"]
        write(case.corpus, {"c.txt": "third FINDME"})  # meanwhile
        case.clean(job="sweep")
        assert case.files() == {"a.txt": "second ", "c.txt": "third ", "d.txt": "x", "deep/b.txt": "nothing", "new.txt": ""}
        assert parse(case.policy.read_text()).level == "medium"
        assert verify_copy(OutputStore(str(case.dest)), None).files == 6


@pytest.mark.usefixtures("anywhere")
def test_from_a_bucket_into_a_bucket_and_into_a_folder(case: Case, endpoint: str, tmp_path: Path) -> None:
    """Two nights, of which the second is interrupted before its copies are in their places; then once into a folder."""
    import boto3

    s3_server.empty(endpoint)
    client = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id="k", aws_secret_access_key="k")
    for name in ("source", "target"):
        client.create_bucket(Bucket=name)
    (tmp_path / "key").write_text("k")
    named = f"file:{tmp_path}/key"  # Ray's workers, which started earlier, find it too
    store = {"endpoint": endpoint, "region": "us-east-1", "path_style": True, "key": named, "secret": named}
    options: dict[str, Any] = {"sources": ["s3://source/docs"], "stores": {"s3://": store}}
    files = {"a.txt": "one FINDME two", "b [1]*.txt": "FINDME", "deep/aside.txt": "FINDME", "c.txt": "nothing"}
    for name, text in files.items():
        client.put_object(Bucket="source", Key=f"docs/{name}", Body=text.encode())

    def objects(prefix: str) -> dict[str, str]:
        found = client.list_objects_v2(Bucket="target", Prefix=prefix).get("Contents", [])
        return {
            one["Key"].removeprefix(prefix): client.get_object(Bucket="target", Key=one["Key"])["Body"].read().decode() for one in found
        }

    to_bucket = options | {"output": "s3://target/clean", "job": "sweep"}
    assert case.clean(**to_bucket)["verdict"] == "clean"
    assert objects("clean/corpus/") == {"a.txt": "one  two", "b [1]*.txt": "", "c.txt": "nothing"}
    assert objects("clean/quarantine/") == {"deep/aside.txt": "FINDME"}
    client.put_object(Bucket="source", Key="docs/a.txt", Body=b"second FINDME")
    client.delete_object(Bucket="source", Key="docs/b [1]*.txt")
    with pytest.raises(KeyboardInterrupt):
        case.clean(Noting(lambda stage: stage == "publish"), **to_bucket)
    assert case.clean(**to_bucket)["results"] == {"copied": 1, "cleaned": 1, "quarantined": 1}
    assert objects("clean/corpus/") == {"a.txt": "second ", "c.txt": "nothing"}
    assert [name for name in objects("clean/_work/") if name != ".lease"] == []
    assert verify_copy(OutputStore("s3://target/clean", load_settings(flags=options, environ={}).stores), None).files == 3
    case.clean(**options)
    assert case.files() == {"a.txt": "second ", "c.txt": "nothing"}
