"""The copies of a run in their places: names, interruptions, links, stores, and what changed meanwhile."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import stat
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import s3_server
from tests.cleaning.in_process import FAKE, STRIP, Files, InProcess, finish, interrupted, tree, write
from veritensor_ray.cleaning.copy_places import clashing, copy_path
from veritensor_ray.cleaning.copy_statement import verify_copy
from veritensor_ray.core.errors import IncompleteOutput, StoreError

POLICY = """
rules:
  - {path: "*quarantine*", rule: fake-local.findme, action: quarantine}
  - {path: "*drop*", rule: fake-local.findme, action: drop-file}
  - {rule: fake-local.findme, action: strip}
"""
CORPUS: Files = {
    "plain.txt": "nothing",
    "a/found.txt": "one FINDME two",
    "a/b/quarantine.txt": "FINDME",
    "a/drop.txt": "FINDME",
    "c/refused.txt": "FINDME REFUSE-REWRITE",
}
COPY = {
    b"plain.txt": b"nothing",
    b"a": b"(folder)",
    b"a/found.txt": b"one  two",
}
ASIDE = {
    b"a": b"(folder)",
    b"a/b": b"(folder)",
    b"a/b/quarantine.txt": b"FINDME",
    b"c": b"(folder)",
    b"c/refused.txt": b"FINDME REFUSE-REWRITE",
}


@pytest.fixture
def cleaning(tmp_path: Path) -> InProcess:
    write(tmp_path / "corpus", CORPUS)
    return InProcess(str(tmp_path / "corpus"), str(tmp_path / "dest"), POLICY)


def test_every_artifact_goes_where_the_policy_says(cleaning: InProcess, tmp_path: Path) -> None:
    summary = cleaning.scan().publish()
    assert tree(tmp_path / "dest/corpus") == COPY
    assert tree(tmp_path / "dest/quarantine") == ASIDE
    assert summary["results"] == {"copied": 1, "cleaned": 1, "quarantined": 1, "held": 1, "dropped": 1}
    rows = cleaning.manifest()
    assert {name: (row["result"], row["path"]) for name, row in rows.items()} == {
        "plain.txt": ("copied", "corpus/plain.txt"),
        "a/found.txt": ("cleaned", "corpus/a/found.txt"),
        "a/b/quarantine.txt": ("quarantined", "quarantine/a/b/quarantine.txt"),
        "a/drop.txt": ("dropped", None),
        "c/refused.txt": ("held", "quarantine/c/refused.txt"),
    }
    assert rows["c/refused.txt"]["reason"] == "the text says so"


def test_a_table_that_cannot_be_read_is_not_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "deltalake", None)
    monkeypatch.delitem(sys.modules, "veritensor_ray.corpus.tables.delta", raising=False)
    write(tmp_path / "corpus", {"plain.txt": "nothing", "t/_delta_log/0.json": "{}", "t/x.parquet": "FINDME"})
    cleaning = InProcess(str(tmp_path / "corpus"), str(tmp_path / "dest"))
    summary = cleaning.scan().publish()
    rows = cleaning.manifest()
    assert {name: row["result"] for name, row in rows.items()} == {
        "plain.txt": "copied",
        **dict.fromkeys(("t", "t/_delta_log/0.json", "t/x.parquet"), "left-out"),
    }
    assert summary["not_copied"] == {"unreadable": 2}, "the table and its data file, and no folder"
    assert rows["t/x.parquet"]["reason"].endswith("pip install 'veritensor-ray[delta]'")


def test_nobody_else_may_read_a_copy(cleaning: InProcess, tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        cleaning.scan().publish()
    finally:
        os.umask(before)
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "dest").rglob("*") if path.is_file()}
    folders = {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "dest").rglob("*") if path.is_dir()}
    assert (modes, folders) == ({0o600}, {0o700})


@pytest.mark.parametrize("steps", range(9))
def test_an_interrupted_publication_is_repeated(cleaning: InProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: int) -> None:
    """Every move, removal and write may be the last; `corpus` already exists, so files are moved one by one."""
    write(tmp_path / "dest/corpus", {"old/gone.txt": "of an earlier sweep", "plain.txt": "an earlier version"})
    cleaning.scan()
    with interrupted(monkeypatch, steps, "move", "remove", "put"):
        cleaning.publish()
    with pytest.raises(IncompleteOutput, match="the cleaning has not finished"):
        verify_copy(cleaning.store, None)
    cleaning.publish()
    assert tree(tmp_path / "dest/corpus") == COPY
    assert tree(tmp_path / "dest/quarantine") == ASIDE


def test_leftovers_of_killed_processes_are_not_published(cleaning: InProcess, tmp_path: Path) -> None:
    cleaning.scan()
    write(tmp_path / "dest/_work/run/corpus", {".0123.tmp": "half a fi", "x/.4567.tmp": "half a fi"})
    cleaning.publish()
    assert tree(tmp_path / "dest/corpus") == COPY


@pytest.mark.parametrize("lost", ["_work/run/corpus/plain.txt", "_work/run/quarantine/c/refused.txt"])
def test_a_copy_without_a_file_is_not_published(cleaning: InProcess, tmp_path: Path, lost: str) -> None:
    cleaning.scan()
    (tmp_path / "dest" / lost).unlink()
    with pytest.raises(StoreError, match=f"1 files that the manifest lists are not in .*{lost.removeprefix('_work/run/')}; repeat"):
        cleaning.publish()


def test_without_the_copies_nothing_is_published(cleaning: InProcess, tmp_path: Path) -> None:
    """The audit is complete, but somebody removed `_work`."""
    cleaning.scan().store.delete("_work")
    with pytest.raises(StoreError, match="the copies of 5 artifacts that have not changed since run run are not in"):
        cleaning.publish()
    assert not (tmp_path / "dest/corpus").exists()


@pytest.mark.parametrize("place", ["corpus", "corpus/a", "quarantine"])
def test_links_in_the_destination_are_not_followed(cleaning: InProcess, tmp_path: Path, place: str) -> None:
    outside = tmp_path / "outside"
    write(outside, {"found.txt": "mine"})
    link = tmp_path / "dest" / place
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(outside)
    cleaning.scan()
    try:
        cleaning.publish()
    except StoreError as error:
        assert f"{link} is a symbolic link" in str(error)  # both ends are right: refused, or replaced
    assert tree(outside) == {b"found.txt": b"mine"}


def test_staged_files_do_not_go_through_links(cleaning: InProcess, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (tmp_path / "dest/_work/run").mkdir(parents=True)
    (tmp_path / "dest/_work/run/corpus").symlink_to(outside)
    with pytest.raises(StoreError, match="is a symbolic link, and nothing is written through links"):
        cleaning.scan()
    assert not list(outside.iterdir())


@pytest.mark.parametrize("name", ["bytes.bin", "bytes.bin.gz", "bytes.zip", "bytes.tar"])
@pytest.mark.parametrize(("unchecked", "place"), [("copy", "corpus"), ("hold", "quarantine")])
def test_a_file_without_a_reader_is_held_wherever_it_lies(tmp_path: Path, name: str, unchecked: str, place: str) -> None:
    data, out = bytes(range(256)) * 40, io.BytesIO()
    if name.endswith(".gz"):
        data = gzip.compress(data)
    elif name.endswith(".zip"):
        with zipfile.ZipFile(out, "w") as archive:
            archive.writestr("bytes.bin", data)
        data = out.getvalue()
    elif name.endswith(".tar"):
        with tarfile.open(fileobj=out, mode="w") as tape:
            (about := tarfile.TarInfo("bytes.bin")).size = len(data)
            tape.addfile(about, io.BytesIO(data))
        data = out.getvalue()
    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus" / name).write_bytes(data)
    run = InProcess(str(tmp_path / "corpus"), str(tmp_path / "dest"), f"unchecked: {unchecked}")
    run.scan().publish()
    assert (tmp_path / "dest" / place / name).read_bytes() == data
    assert unchecked == "copy" or run.manifest()[name]["reason"].startswith("it was not wholly checked: no reader for ")


@pytest.mark.parametrize(("unchecked", "place"), [("copy", "corpus"), ("hold", "quarantine")])
def test_a_sparse_file_stays_sparse(tmp_path: Path, unchecked: str, place: str) -> None:
    write(tmp_path / "corpus", {"hole.bin": b"\0", "middle.bin": b"\0head", "zeros.bin": bytes(3 << 20)})
    for name, tail in (("hole.bin", b""), ("middle.bin", b"tail")):
        with (tmp_path / "corpus" / name).open("r+b") as file:
            file.truncate(32 << 20)
            file.seek(0, 2)
            file.write(tail)
    run = InProcess(str(tmp_path / "corpus"), str(tmp_path / "dest"), f"unchecked: {unchecked}\n{STRIP}")
    run.scan().publish()
    for source in (tmp_path / "corpus").iterdir():
        copy = tmp_path / "dest" / place / source.name
        assert hashlib.sha256(copy.read_bytes()).digest() == hashlib.sha256(source.read_bytes()).digest()
        assert copy.stat().st_blocks * 512 <= 3 << 20, f"{source.name} takes more than its data"
    finish(run)
    assert verify_copy(run.store, None).files == 3


def test_names_that_are_not_text_keep_their_bytes(tmp_path: Path) -> None:
    names = [b"caf\xe9.txt", b"line\nbreak.txt", b"back\\xff.txt", b"b\xffb/\xfe.txt", b"x" * 251 + b".txt", b"aux.txt"]
    write(tmp_path / "corpus", {os.fsdecode(name): "FINDME" for name in names})
    run = InProcess(str(tmp_path / "corpus"), str(tmp_path / "dest"))
    run.scan().publish()
    assert {name for name, content in tree(tmp_path / "dest/corpus").items() if content != b"(folder)"} == set(names)
    finish(run)
    assert verify_copy(run.store, None).files == len(names)


@pytest.mark.parametrize(
    ("artifact", "from_store", "to_store", "path"),
    [
        ("a/b.txt", False, False, "a/b.txt"),
        ("a/b.txt", True, True, "a/b.txt"),
        ("caf\\xe9", False, False, "caf\\xe9"),
        ("caf\\xe9", False, True, "caf\\xe9"),
        ("caf\\xe9", True, False, "caf\\x5cxe9"),  # of a store, that is its name
        ("a/../b", True, False, f"a/%2E%2E~{hashlib.sha256(b'..').hexdigest()[:32]}/b"),
        ("a//b", True, False, "a/~e3b0c44298fc1c149afbf4c8996fb924/b"),
    ],
)
def test_paths(artifact: str, from_store: bool, to_store: bool, path: str) -> None:
    assert copy_path(artifact, from_store, to_store) == path


def test_different_names_have_different_paths() -> None:
    odd = [".", "..", "", "\0", "a\0", "a%00", "%2E", "%2E%2E", "%00", "a" * 300, "a" * 300 + "b", "é" * 200 + ".json", "é" * 201 + ".json"]
    odd += [copy_path(name, True, False) for name in odd]
    paths = [copy_path(name, True, False) for name in odd]
    assert len(set(paths)) == len(set(odd))
    assert all(0 < len(part) <= 255 and part not in (b".", b"..") for path in paths for part in path.encode().split(b"/"))


@pytest.mark.parametrize(
    ("names", "found"),
    [(["a", "a/b", "a-b"], {"a"}), (["a/b", "a/c"], set()), (["a", "a/b", "a/b/c"], {"a", "a/b"}), (["a", "ab/c", "a.b/c"], set())],
)
def test_clashing(names: list[str], found: set[str]) -> None:
    assert clashing(reversed(names)) == found


ODD = ["plus+space &.txt", "star*.txt", "q?[1].txt", "ü/ñ.txt", "100%25.txt", "#hash;semi.txt", "a\\x41b.txt", "quote'\".txt"]


@pytest.fixture
def client(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    import boto3

    s3_server.empty(endpoint)
    monkeypatch.setenv("CLEAN_K", "k")
    made = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id="k", aws_secret_access_key="k")
    for name in ("source", "target"):
        made.create_bucket(Bucket=name)
    yield made


def objects(client: Any, prefix: str) -> dict[str, bytes]:
    found = client.list_objects_v2(Bucket="target", Prefix=prefix).get("Contents", [])
    return {one["Key"].removeprefix(prefix): client.get_object(Bucket="target", Key=one["Key"])["Body"].read() for one in found}


def of_stores(endpoint: str, source: str, destination: str, **more: Any) -> InProcess:
    store = {"endpoint": endpoint, "region": "us-east-1", "path_style": True, "key": "env:CLEAN_K", "secret": "env:CLEAN_K"}
    return InProcess(source, destination, POLICY, FAKE | {"stores": {"s3://": store}} | more)


@pytest.mark.slow
def test_from_a_bucket_into_a_bucket(endpoint: str, client: Any) -> None:
    for name, content in {**CORPUS, **dict.fromkeys(ODD, "x FINDME y")}.items():
        client.put_object(Bucket="source", Key=f"docs/{name}", Body=content)
    client.put_object(Bucket="target", Key="dest/corpus/star-that-stays-away.txt", Body=b"of an earlier sweep")
    run = of_stores(endpoint, "s3://source/docs", "s3://target/dest")
    run.scan().publish()
    assert objects(client, "dest/corpus/") == {"plain.txt": b"nothing", "a/found.txt": b"one  two", **dict.fromkeys(ODD, b"x  y")}
    assert set(objects(client, "dest/quarantine/")) == {"a/b/quarantine.txt", "c/refused.txt"}
    assert not objects(client, "dest/_work/run/corpus/")
    finish(run)
    assert verify_copy(run.store, None).files == 4 + len(ODD)
    run.publish()  # again, as after an interruption
    assert len(objects(client, "dest/corpus/")) == 2 + len(ODD)


def test_removing_an_object_removes_no_other(endpoint: str, client: Any) -> None:
    for name in ("a*.txt", "ab.txt", "a[b].txt", "c.txt"):
        client.put_object(Bucket="target", Key=f"dest/corpus/{name}", Body=b"x")
    store = of_stores(endpoint, "s3://target/dest", "s3://target/dest").store
    store.remove(["corpus/a*.txt", "corpus/a[b].txt", "corpus/c.txt", "corpus/never.txt"])
    assert set(objects(client, "dest/corpus/")) == {"ab.txt"}


def test_objects_that_no_disk_can_hold_are_left_out(endpoint: str, client: Any, tmp_path: Path) -> None:
    names = ["clash", "clash/inner.txt", "a/../../../up.txt", "a//b.txt", "/top.txt", "./here.txt", "x" * 300 + ".txt", "z.txt"]
    for name in names:
        client.put_object(Bucket="source", Key=f"docs/{name}", Body=b"FINDME" if name != "clash" else b"nothing")
    run = of_stores(endpoint, "s3://source/docs", str(tmp_path / "dest"))
    summary = run.scan().publish()
    rows = run.manifest()
    assert rows["clash"]["result"] == "left-out"
    assert rows["clash"]["reason"].startswith("it cannot be a file in the destination")
    assert summary["not_copied"] == {"unreadable": 1}
    files = [path for path in (tmp_path / "dest/corpus").rglob("*") if path.is_file()]
    assert len(files) == len(rows) - 1
    assert not (tmp_path / "up.txt").exists()
    assert (tmp_path / "dest/corpus/clash/inner.txt").read_bytes() == b""
