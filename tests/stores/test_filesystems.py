"""Stores: what is refused, what is told, what is written whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import re
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fsspec.implementations.local import LocalFileSystem

from veritensor_ray.core.config import Settings, Store
from veritensor_ray.core.errors import StoreError, UsageError
from veritensor_ray.core.uris import is_local
from veritensor_ray.stores.filesystems import absolute, check_credentials, denied, filesystem
from veritensor_ray.stores.outputs import OutputStore, check_output
from veritensor_ray.stores.redirects import names


@pytest.mark.parametrize(
    ("uri", "local"),
    [("/a/b", True), ("a", True), ("file:///a", True), ("local:///a", True), ("s3://b/k", False), ("memory://x", False), ("a:b", True)],
)
def test_what_is_local(uri: str, local: bool) -> None:
    assert is_local(uri) is local


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        ("/a/b/", "/a/b"),
        ("file:///a/b", "/a/b"),
        ("local:///a", "/a"),
        ("s3://bucket/key/", "s3://bucket/key"),
        ("abfs://container@account.dfs.core.windows.net/x", "abfs://container@account.dfs.core.windows.net/x"),
        ("https://host/x?page=2", "https://host/x?page=2"),
        ("s3://bucket/a:b@c", "s3://bucket/a:b@c"),
    ],
)
def test_absolute(uri: str, path: str) -> None:
    assert absolute(uri) == path


def test_a_path_is_taken_from_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert absolute("rel/x") == f"{tmp_path}/rel/x"


def test_a_home_folder() -> None:
    assert absolute("~/x") == str(Path.home() / "x")


@pytest.mark.parametrize(
    "uri",
    [
        "s3://AKIA123:secret@bucket/key",
        "https://user:word@host/x",
        "https://host/x?sig=abc",
        "https://host/x?a=1&X-Amz-Signature=abc",
        "https://host/x?TOKEN=abc",
        "abfs://c@a/x?access_key=abc",
        "http://ghp_abc@host/x",
        "s3://b/k?AWSAccessKeyId=AKIA123&Signature=abc",
        "https://host/x?X-Goog-Signature=abc",
        "https://host/x?api_key=abc",
        "zip://a::https://user:word@host/x",
    ],
)
def test_credentials_in_a_uri_are_refused_and_not_repeated(uri: str) -> None:
    with pytest.raises(UsageError, match="must not contain credentials") as caught:
        absolute(uri)
    assert not any(secret in str(caught.value) for secret in ("secret", "word", "abc", "AKIA"))


@pytest.mark.parametrize(
    ("given", "what"),
    [
        ({"sources": ["/x", "http://user:word@host/x"]}, "a source"),
        ({"output": "s3://bucket/x?Signature=word"}, "output"),
        ({"policy": "https://host/policy.yaml?token=word"}, "policy"),
        ({"notify": {"url": "https://user:word@host/hook"}}, "notify.url"),
        ({"notify": {"url": "https://host/hook?key=word"}}, "notify.url"),
        ({"notify": {"command": "curl https://user:word@host/"}}, "notify.command"),
        ({"stores": {"s3://a/": {"endpoint": "http://user:word@minio:9000"}}}, "stores.endpoint"),
        ({"stores": {"https://user:word@host/": {"region": "x"}}}, "stores"),
    ],
)
def test_no_setting_carries_credentials(given: dict[str, Any], what: str) -> None:
    with pytest.raises(UsageError, match=rf"^{what} must not contain credentials.* env:NAME or file:/path$") as caught:
        check_credentials(Settings.model_validate(given))
    assert "word" not in str(caught.value).replace("password", "")


def test_settings_without_credentials() -> None:
    named = {"url": "env:HOOK", "secret": "file:/x"}
    check_credentials(Settings.model_validate({"sources": ["s3://b/x", "/a?token=1"], "notify": named, "pii": {"custom": []}}))
    check_credentials(Settings())


OTHERS = (
    "nonsense://x",
    "s4://b",
    "zip://a::/x.zip",
    "reference://",
    "ftp://h/x",
    "dir://x",
    "github://o:r@",
    "simplecache::file:///x",
    "FILE:///x",
)


@pytest.mark.parametrize("uri", OTHERS)
def test_a_protocol_that_is_no_store(uri: str) -> None:
    """What fsspec knows besides the stores reads other files through this machine."""
    with pytest.raises(UsageError, match=f"^{re.escape(uri.partition('://')[0])}:// is not supported. Use a local path or one of s3://, "):
        filesystem(uri, {})


@pytest.mark.parametrize(
    ("prefix", "uri", "covers"),
    [
        ("s3", "s3://b/k", True),
        ("s3", "s3a://b/k", False),
        ("s3://", "s3://b/k", True),
        ("s3://b", "s3://b", True),
        ("s3://b", "s3://b/k", True),
        ("s3://b", "s3://bucket/k", False),
        ("s3://b/team-", "s3://b/team-a/k", True),
        ("http://h", "http://h/x", True),
        ("http://h", "http://h.example/x", False),
        ("http://h", "http://h:8080/x", False),
        ("http://h:80", "http://h:8080/x", False),
        ("http://h", "http://h@evil/x", False),
    ],
)
def test_a_prefix_of_stores_covers_whole_names(prefix: str, uri: str, covers: bool) -> None:
    """Its endpoint and secrets are for that host or bucket alone."""
    assert names(prefix, uri) is covers


@pytest.mark.parametrize(("uri", "extra"), [("gs://bucket", "gcs"), ("az://bucket", "azure")])
def test_a_missing_library_is_named_with_its_extra(uri: str, extra: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: Any, **__: Any) -> Any:
        raise ImportError("no module")

    monkeypatch.setattr(fsspec, "filesystem", missing)
    monkeypatch.setitem(sys.modules, "gcsfs", None)
    with pytest.raises(StoreError, match=rf"pip install 'veritensor-ray\[{extra}\]'"):
        filesystem(uri, {})


@pytest.mark.parametrize(
    ("uri", "store", "options"),
    [
        ("s3://b/x", Store(), {}),
        (
            "s3://b/x",
            Store(endpoint="http://e", region="r", key="env:K", secret="env:S", path_style=True, ca_bundle="/ca"),
            {
                "endpoint_url": "http://e",
                "key": "the key",
                "secret": "the secret",
                "client_kwargs": {"region_name": "r", "verify": "/ca"},
                "config_kwargs": {"s3": {"addressing_style": "path"}},
            },
        ),
        ("s3a://b/x", Store(anonymous=True), {"anon": True}),
        ("gs://b/x", Store(anonymous=True), {"token": "anon"}),
        ("az://b/x", Store(account="a", key="env:K"), {"account_name": "a", "account_key": "the key"}),
        ("https://h/x", Store(token="env:K"), {"client_kwargs": {"headers": {"Authorization": "Bearer the key"}}}),
    ],
)
def test_options_come_from_the_configuration(monkeypatch: pytest.MonkeyPatch, uri: str, store: Store, options: dict[str, Any]) -> None:
    monkeypatch.setenv("K", "the key")
    monkeypatch.setenv("S", "the secret")
    seen: dict[str, Any] = {}

    class Fake:
        def _strip_protocol(self, uri: str) -> str:
            return uri

    def capture(protocol: str, **given: Any) -> Fake:
        seen.update(given)
        return Fake()

    monkeypatch.setattr(fsspec, "filesystem", capture)
    monkeypatch.setattr("gcsfs.core.GCSFileSystem", lambda **given: capture("gs", **given))
    filesystem(uri, {uri.partition("://")[0]: Store(endpoint="http://wrong"), uri[:-1]: store})  # the longest prefix counts
    seen.get("client_kwargs", {}).pop("trace_configs", None)  # tests/stores/test_redirects.py
    assert {name: value for name, value in seen.items() if name not in ("use_listings_cache", "skip_instance_cache")} == options


@pytest.mark.parametrize(
    ("uri", "action", "error", "message"),
    [
        ("s3://b/x", "list", PermissionError(), "access denied: s3:ListBucket is required on s3://b/x"),
        ("s3a://b/x", "read", PermissionError(), "access denied: s3:GetObject is required on s3a://b/x"),
        ("gs://b", "write", PermissionError(), "access denied: storage.objects.create is required on gs://b"),
        ("az://b", "list", PermissionError(), "access denied: Storage Blob Data Reader is required on az://b"),
        ("/a", "write", PermissionError(), "permission denied: cannot write /a"),
        ("memory://a", "read", PermissionError(), "permission denied: cannot read memory://a"),
        ("/a", "read", FileNotFoundError(), "/a does not exist"),
        ("s3://b", "list", OSError("no\n  route"), "cannot list s3://b: no route"),
        ("s3://b", "list", OSError(), "cannot list s3://b: OSError"),
        ("s3://b", "list", OSError("x" * 999), f"cannot list s3://b: {'x' * 200}"),
    ],
)
def test_what_a_failure_is_told_as(uri: str, action: str, error: Exception, message: str) -> None:
    assert denied(uri, action, error) == message


@pytest.fixture(params=["local", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[OutputStore]:
    """An empty output, on disk and in a store."""
    fs = fsspec.filesystem("memory")
    fs.store.clear()
    yield OutputStore(str(tmp_path / "out") if request.param == "local" else "memory://out")
    fs.store.clear()


def test_objects_come_and_go(store: OutputStore) -> None:
    assert (store.read("a/b"), store.exists("a/b"), store.names("a"), store.names("")) == (None, False, [], [])
    store.put("a/b", b"one")
    store.put("a/b", b"two")
    store.put("a/c", b"")
    with store.writer("a/big") as file:
        for _ in range(10):
            file.write(b"x" * 100_000)
    assert (store.read("a/b"), store.read("a/c"), len(store.read("a/big") or b"")) == (b"two", b"", 1_000_000)
    assert (store.exists("a/b"), store.exists("a"), store.names("a")) == (True, True, ["b", "big", "c"])
    with store.open("a/b") as file:
        assert file.seek(1)
        assert file.read() == b"wo"
    store.delete("a/b")
    store.delete("a/b")
    assert store.names("a") == ["big", "c"]
    store.delete("a")
    assert store.read("a/c") is None


def test_parquet_can_be_written_and_read(store: OutputStore) -> None:
    table = pa.table({"a": list(range(10))})
    with store.writer("t.parquet") as file:
        pq.write_table(table, file)
    with store.open("t.parquet") as file:
        assert pq.read_table(file).equals(table)


def test_what_fails_leaves_nothing_and_what_was_there_stays(store: OutputStore) -> None:
    store.put("kept", b"before")
    for name in ("kept", "new"):
        with pytest.raises(ZeroDivisionError), store.writer(name) as file:
            file.write(b"half")
            raise ZeroDivisionError
    assert (store.read("kept"), store.read("new"), store.names("")) == (b"before", None, ["kept"])


def test_files_are_private_and_no_temporary_stays(tmp_path: Path) -> None:
    store = OutputStore(str(tmp_path / "out"))
    store.put("deep/a", b"x")
    store.put("deep/a", b"y")
    assert stat.S_IMODE((tmp_path / "out/deep/a").stat().st_mode) == 0o600
    assert [path.name for path in (tmp_path / "out/deep").iterdir()] == ["a"]


def test_checking_an_output_leaves_nothing_in_it(store: OutputStore) -> None:
    check_output(store)
    assert store.names("_work") == []


def test_an_output_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match=f"cannot write {tmp_path}/file/out: "):
        check_output(OutputStore(f"{tmp_path}/file/out"))


@pytest.mark.parametrize(("failures", "goes"), [(0, True), (2, True), (99, False)])
def test_a_folder_that_is_still_written_to_is_removed_once_that_ends(
    failures: int, goes: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = OutputStore(str(tmp_path))
    store.put("folder/a", b"x")
    remove, pauses = LocalFileSystem.rm, list[float]()

    def rm(self: LocalFileSystem, path: str, recursive: bool = False) -> None:
        if len(pauses) < failures:
            raise OSError(errno.ENOTEMPTY, "not empty", path)
        remove(self, path, recursive)

    monkeypatch.setattr(LocalFileSystem, "rm", rm)
    monkeypatch.setattr("time.sleep", pauses.append)
    with (
        contextlib.nullcontext()
        if goes
        else pytest.raises(StoreError, match="folder cannot be removed, because something is being written there")
    ):
        store.delete("folder")
    assert store.exists("folder") is not goes
