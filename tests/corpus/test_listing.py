"""Listings: every entry once, in a stable order, whatever lies in the folder."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest

from veritensor_ray.core.errors import StoreError
from veritensor_ray.corpus import listing
from veritensor_ray.corpus.listing import Listed, Root, printable, roots, unprintable, walk


def tree(base: Path, *names: str) -> None:
    """Files that hold their own name."""
    for name in names:
        (base / name).parent.mkdir(parents=True, exist_ok=True)
        (base / name).write_text(name)


def listed(*sources: str | Path, **options: Any) -> list[Listed]:
    """Everything that the sources list."""
    return [entry for root in roots([str(source) for source in sources], {}) for entry in walk(root, {}, **options)]


def names(entries: list[Listed]) -> list[str]:
    """Artifact names."""
    return [entry.artifact for entry in entries]


def test_depth_first_and_sorted(tmp_path: Path) -> None:
    tree(tmp_path, "b.txt", "a/z.txt", "a/b/c.txt", "a.txt", ".hidden", "c/é.txt")
    (tmp_path / "empty").mkdir()
    assert names(listed(tmp_path)) == [".hidden", "a.txt", "b.txt", "a/z.txt", "a/b/c.txt", "c/é.txt"]
    entry = listed(tmp_path)[1]
    info = (tmp_path / "a.txt").stat()
    assert entry == Listed("a.txt", os.fsencode(tmp_path / "a.txt"), 5, None, info.st_mtime)


def _fifo(path: Path) -> None:
    os.mkfifo(path)


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        here = Path.cwd()
        os.chdir(path.parent)  # the path of a socket must be short
        server.bind(path.name)
        os.chdir(here)


@pytest.mark.parametrize(
    ("make", "status", "reason", "code"),
    [
        (_fifo, "skipped", "not a regular file: named pipe", "not-a-file"),
        (_socket, "skipped", "not a regular file: socket", "not-a-file"),
        (lambda path: path.symlink_to("/nowhere"), "skipped", "symbolic link (not followed; see follow_links)", "link"),
        (lambda path: path.symlink_to("/etc"), "skipped", "symbolic link (not followed; see follow_links)", "link"),
        (lambda path: path.symlink_to(path), "skipped", "symbolic link (not followed; see follow_links)", "link"),
    ],
)
def test_what_is_no_file_is_an_entry_with_a_reason(
    tmp_path: Path, make: Callable[[Path], None], status: str, reason: str, code: str
) -> None:
    make(tmp_path / "odd")
    assert [(e.artifact, e.status, e.reason, e.reason_code) for e in listed(tmp_path)] == [("odd", status, reason, code)]


@pytest.mark.parametrize(
    ("target", "status", "reason", "code"),
    [
        ("../there.txt", None, None, None),
        ("/nowhere", "unreadable", "cannot be read: No such file or directory", "not-found"),
        ("link", "unreadable", "cannot be read: Too many levels of symbolic links", "store-failed"),
        (".", "skipped", "symbolic link to a folder that has already been scanned", "link"),
    ],
)
def test_links_that_are_followed(tmp_path: Path, target: str, status: str | None, reason: str | None, code: str | None) -> None:
    tree(tmp_path, "there.txt")
    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus" / "link").symlink_to(target)
    assert [(e.artifact, e.status, e.reason, e.reason_code) for e in listed(tmp_path / "corpus", follow_links=True)] == [
        ("link", status, reason, code)
    ]


@pytest.mark.parametrize("target", ["out", "."])
def test_the_output_is_one_entry_behind_a_link_too(tmp_path: Path, target: str) -> None:
    """A link may lead to the output, or to a folder above it."""
    tree(tmp_path, "corpus/x.txt", "above/out/results.txt")
    (tmp_path / "corpus" / "link").symlink_to(tmp_path / "above" / target)
    found = listed(tmp_path / "corpus", follow_links=True, own_output=str(tmp_path / "above/out"))
    assert {entry.artifact: entry.status for entry in found} == {"x.txt": None, "link" if target == "out" else "link/out": "skipped"}


def test_links_in_circles_end(tmp_path: Path) -> None:
    tree(tmp_path, "a/x.txt", "b/y.txt")
    (tmp_path / "a" / "to_b").symlink_to("../b")
    (tmp_path / "b" / "to_a").symlink_to("../a")
    (tmp_path / "b" / "up").symlink_to("..")
    found = listed(tmp_path, follow_links=True)
    assert {"a/x.txt", "b/y.txt"} <= set(names(found))
    assert len(set(names(found))) == len(found) < 20


def test_a_source_may_be_a_link(tmp_path: Path) -> None:
    tree(tmp_path, "real/a.txt")
    (tmp_path / "folder").symlink_to("real")
    (tmp_path / "file").symlink_to("real/a.txt")
    assert names(listed(tmp_path / "folder")) == ["a.txt"]
    assert [(e.artifact, e.size, e.status) for e in listed(tmp_path / "file")] == [("file", 10, None)]


def test_a_folder_that_cannot_be_listed_is_an_entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree(tmp_path, "a.txt", "closed/b.txt", "open/c.txt")
    (tmp_path / "closed").chmod(0)
    if os.access(tmp_path / "closed", os.R_OK):  # root: permissions do not bind
        real = os.scandir

        def scandir(path: Any) -> Any:
            if os.fspath(path).endswith(b"closed"):
                raise PermissionError(13, "Permission denied")
            return real(path)

        monkeypatch.setattr(os, "scandir", scandir)
    found = [(e.artifact, e.status, e.reason) for e in listed(tmp_path)]
    (tmp_path / "closed").chmod(0o700)
    assert found == [
        ("a.txt", None, None),
        ("closed", "unlisted", "cannot be listed: Permission denied"),
        ("open/c.txt", None, None),
    ]


ODD = [
    b"plain",
    b"with space",
    b"new\nline",
    b"tab\t",
    "é€😀".encode(),
    b"\xff\xfe",
    b"a\x80b",
    b"\\xff",
    b"\\x5cxff",
    b"-rf",
    b"*",
    b"[a]",
    b"%41",
    b"a" * 255,
]


def test_odd_names_stay_apart_and_open_again(tmp_path: Path) -> None:
    for name in [*ODD, b"\\xff\\xfe", b"\xff\\xfe"]:
        Path(os.fsdecode(os.path.join(os.fsencode(tmp_path), name))).write_bytes(name)  # noqa: PTH118  # bytes
    found = listed(tmp_path)
    assert len(set(names(found))) == len(found) == len(ODD) + 2
    for entry in found:
        entry.artifact.encode()
        assert Path(os.fsdecode(entry.path)).read_bytes() == entry.path.rpartition(b"/")[2]


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        (b"plain/name", "plain/name"),
        ("é".encode(), "é"),
        (b"a\xff", "a\\xff"),
        (b"a\\xff", "a\\x5cxff"),
        (b"a\\x5c", "a\\x5cx5c"),
        (b"windows\\path\\x", "windows\\path\\x"),
    ],
)
def test_printable_names(path: bytes, shown: str) -> None:
    assert printable(path) == shown
    assert unprintable(shown) == path


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("", ["a.txt", "b.md", "sub/c.txt", "sub/deep/d.txt", "x[1].txt"]),
        ("/", ["a.txt", "b.md", "sub/c.txt", "sub/deep/d.txt", "x[1].txt"]),
        ("/*.txt", ["a.txt", "x[1].txt"]),
        ("/**/*.txt", ["a.txt", "sub/c.txt", "sub/deep/d.txt", "x[1].txt"]),
        ("/sub/*", ["c.txt"]),
        ("/sub/**", ["c.txt", "deep/d.txt"]),
        ("/s*/c.txt", ["sub/c.txt"]),
        ("/[ab].*", ["a.txt", "b.md"]),
        ("/?.md", ["b.md"]),
        ("/none*", []),
        ("/a.txt", ["a.txt"]),
        ("/x[1].txt", ["x[1].txt"]),
        ("/sub", ["c.txt", "deep/d.txt"]),
    ],
)
@pytest.mark.parametrize("scheme", ["", "file://"])
def test_globs_files_and_folders(tmp_path: Path, source: str, found: list[str], scheme: str) -> None:
    tree(tmp_path, "a.txt", "b.md", "x[1].txt", "sub/c.txt", "sub/deep/d.txt")
    assert sorted(names(listed(f"{scheme}{tmp_path}{source}"))) == found


@pytest.mark.parametrize("source", ["/no/such/folder", "memory://no-such-bucket"])
def test_a_source_that_does_not_exist(source: str) -> None:
    with pytest.raises(StoreError, match="does not exist"):
        roots([source], {})


def test_several_sources_have_prefixes_that_differ(tmp_path: Path) -> None:
    for folder in ("a/data", "b/data", "c/data-2"):
        tree(tmp_path, f"{folder}/x.txt")
    found = listed(tmp_path / "a/data", tmp_path / "b/data", tmp_path / "c/data-2", tmp_path / "a/data/x.txt")
    assert names(found) == ["data/x.txt", "data-2/x.txt", "data-2-2/x.txt", "data-3/x.txt"]
    assert len({entry.path for entry in found}) == 3


def test_the_own_output_is_one_skipped_entry(tmp_path: Path) -> None:
    tree(tmp_path, "a.txt", "out/findings/1.parquet", "out/run.json", "outer/b.txt")
    found = [(e.artifact, e.status, e.reason) for e in listed(tmp_path, own_output=str(tmp_path / "out"))]
    assert found == [("a.txt", None, None), ("out", "skipped", listing.OWN), ("outer/b.txt", None, None)]


@pytest.fixture
def memory() -> Iterator[Any]:
    """fsspec's store in memory, empty before and after."""
    fs = fsspec.filesystem("memory")
    fs.store.clear()
    fs.pseudo_dirs[:] = [""]
    yield fs
    fs.store.clear()
    fs.pseudo_dirs[:] = [""]


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("memory://bucket", ["a.txt", "sub/b.txt", "sub/deep/c.md"]),
        ("memory://bucket/", ["a.txt", "sub/b.txt", "sub/deep/c.md"]),
        ("memory://bucket/sub", ["b.txt", "deep/c.md"]),
        ("memory://bucket/**/*.txt", ["a.txt", "sub/b.txt"]),
        ("memory://bucket/a.txt", ["a.txt"]),
        ("memory://top.txt", ["top.txt"]),
        ("memory://*.txt", ["top.txt"]),
        ("memory://b*/a.txt", ["bucket/a.txt"]),
    ],
)
def test_a_store(memory: Any, source: str, found: list[str]) -> None:
    for name in ("top.txt", "bucket/a.txt", "bucket/sub/b.txt", "bucket/sub/deep/c.md"):
        memory.pipe(f"/{name}", name.encode())
    assert names(listed(source)) == found
    for entry in listed(source):
        assert memory.cat(os.fsdecode(entry.path)).decode().endswith(entry.artifact)
        assert entry.size == len(memory.cat(os.fsdecode(entry.path)))


def test_a_prefix_of_a_store_that_cannot_be_listed_is_an_entry(memory: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a.txt", "closed/b.txt", "open/c.txt"):
        memory.pipe(f"/bucket/{name}", b"x")
    real = type(memory).ls

    def ls(self: Any, path: str, **options: Any) -> Any:
        if path.endswith("closed"):
            raise PermissionError("no")
        return real(self, path, **options)

    monkeypatch.setattr(type(memory), "ls", ls)
    found = [(e.artifact, e.status, e.reason) for e in listed("memory://bucket")]
    assert found == [
        ("a.txt", None, None),
        ("closed", "unlisted", "permission denied: cannot list memory://bucket"),
        ("open/c.txt", None, None),
    ]


def test_the_own_output_in_a_store(memory: Any) -> None:
    for name in ("a.txt", "out/run.json"):
        memory.pipe(f"/bucket/{name}", b"x")
    found = [(e.artifact, e.status) for e in listed("memory://bucket", own_output="memory://bucket/out")]
    assert found == [("a.txt", None), ("out", "skipped")]


def test_a_root_is_what_names_are_relative_to(tmp_path: Path) -> None:
    tree(tmp_path, "a.txt")
    assert roots([f"{tmp_path}/a.txt"], {}) == [Root(str(tmp_path), "", "a.txt")]
    assert roots([f"file://{tmp_path}/"], {}) == [Root(str(tmp_path), "")]
