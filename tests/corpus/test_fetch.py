"""Opening what was planned: whole, in parts, changed, gone."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import re
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import fsspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from veritensor_ray.core.errors import ChangedDuringRun, LimitExceeded, ReadError
from veritensor_ray.corpus import fetch
from veritensor_ray.corpus.fetch import HashingFile, OpenArtifact, Throttle, is_beside
from veritensor_ray.corpus.listing import roots, walk
from veritensor_ray.corpus.planning import PlanRow
from veritensor_ray.formats.common.spool import edges

DATA = b"one\ntwo\nthree\n"


def planned(source: Path | str, **changes: Any) -> tuple[PlanRow, Any]:
    """The plan's row for a single file, and its root."""
    (root,) = roots([str(source)], {})
    (entry,) = walk(root, {})
    row = PlanRow(0, entry.artifact, entry.path, 0, entry.size, entry.etag, entry.mtime)
    for name, value in changes.items():
        setattr(row, name, value)
    return row, root


def opened(source: Path | str, **changes: Any) -> OpenArtifact:
    """That file, open."""
    return OpenArtifact(*planned(source, **changes), {})


@pytest.fixture(params=["in memory", "streamed"])
def kept(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Small artifacts are kept in memory, big ones are streamed."""
    if request.param == "streamed":
        monkeypatch.setattr(fetch, "IN_MEMORY", 0)
    yield request.param


@pytest.mark.parametrize(
    ("range_", "data"),
    [
        ({}, DATA),
        ({"kind": "lines", "start": 4, "end": 8}, b"two\n"),
        ({"kind": "jsonl", "start": 0, "end": 4}, b"one\n"),
        ({"kind": "lines", "start": 8, "end": len(DATA)}, b"three\n"),
        ({"kind": "rowgroups", "start": 1, "end": 2}, DATA),
    ],
)
def test_whole_or_in_part(tmp_path: Path, kept: str, range_: dict[str, Any], data: bytes) -> None:
    (tmp_path / "a.txt").write_bytes(DATA)
    artifact = opened(tmp_path / "a.txt", **range_)
    assert artifact.size == len(data)
    for _ in range(2):
        file = artifact.file()
        assert file.read() == data
        assert file.read() == b""
    assert edges(artifact.file(), 3) == (data[:3], data[3:], len(data))
    assert artifact.content_id() == hashlib.sha256(data).hexdigest()
    artifact.check_unchanged()
    artifact.close()


def test_an_empty_file(tmp_path: Path, kept: str) -> None:
    (tmp_path / "a").touch()
    artifact = opened(tmp_path / "a")
    assert (artifact.size, edges(artifact.file(), 10), artifact.content_id()) == (0, (b"", b"", 0), hashlib.sha256(b"").hexdigest())


def _longer(path: Path) -> None:
    path.write_bytes(DATA + b"more")


def _shorter(path: Path) -> None:
    path.write_bytes(DATA[:-3])


def _touched(path: Path) -> None:
    os.utime(path, (1, 1))


def _rewritten(path: Path) -> None:
    path.write_bytes(DATA.swapcase())
    os.utime(path, (1, 1))


def _fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


CHANGES = pytest.mark.parametrize(
    ("change", "reason"),
    [
        (_longer, "changed during the run"),
        (_shorter, "changed during the run"),
        (_touched, "changed during the run"),
        (_rewritten, "changed during the run"),
        (Path.unlink, "changed during the run: it no longer exists"),
        (_fifo, "changed during the run: it is no longer a regular file"),
        (_folder, "changed during the run: it is no longer a regular file"),
    ],
)


@CHANGES
def test_a_file_that_changed_since_the_plan(tmp_path: Path, change: Callable[[Path], None], reason: str) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(DATA)
    row, root = planned(path)
    change(path)
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(5):
        with pytest.raises(ChangedDuringRun) as caught:
            OpenArtifact(row, root, {})
        assert str(caught.value) == reason
    assert len(list(Path("/proc/self/fd").iterdir())) <= before + 1, "descriptors are not left open"


@pytest.mark.parametrize("change", [_longer, _shorter, _touched, _rewritten])
def test_a_file_that_changes_while_it_is_read(tmp_path: Path, kept: str, change: Callable[[Path], None]) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(DATA)
    artifact = opened(path)
    change(path)
    artifact.file().read()
    with pytest.raises(ChangedDuringRun):
        artifact.check_unchanged()


def test_a_file_that_gets_shorter_between_opening_and_reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.txt").write_bytes(DATA)
    monkeypatch.setattr(OpenArtifact, "_check_local", lambda *_: None)
    with pytest.raises(ChangedDuringRun, match="it is now shorter"):
        opened(tmp_path / "a.txt", size=100)


def test_a_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.txt").write_bytes(DATA)
    row, root = planned(tmp_path / "a.txt")
    (tmp_path / "a.txt").chmod(0)
    if os.access(tmp_path / "a.txt", os.R_OK):  # root: permissions do not bind

        def refuse(*_: Any) -> int:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(ReadError, match=r"permission denied: cannot read .*a\.txt"):
        OpenArtifact(row, root, {})


@pytest.fixture
def memory() -> Iterator[Any]:
    """fsspec's store in memory with one object."""
    fs = fsspec.filesystem("memory")
    fs.store.clear()
    fs.pipe("/bucket/a.txt", DATA)
    yield fs
    fs.store.clear()


def test_an_object_of_a_store(memory: Any, kept: str) -> None:
    artifact = opened("memory://bucket/a.txt")
    assert (artifact.file().read(), artifact.content_id()) == (DATA, hashlib.sha256(DATA).hexdigest())
    artifact.check_unchanged()
    assert opened("memory://bucket/a.txt", size=None).size == len(DATA)
    assert opened("memory://bucket/a.txt", kind="lines", start=4, end=8).file().read() == b"two\n"


@pytest.mark.parametrize(
    ("change", "reason"),
    [(lambda fs: fs.rm("/bucket/a.txt"), "it no longer exists"), (lambda fs: fs.pipe("/bucket/a.txt", b"short"), "it is now shorter")],
)
def test_an_object_that_changed_since_the_plan(memory: Any, change: Callable[[Any], None], reason: str) -> None:
    row, root = planned("memory://bucket/a.txt")
    change(memory)
    with pytest.raises(ChangedDuringRun, match=reason):
        OpenArtifact(row, root, {})


def test_whatever_a_store_raises_is_a_read_error(memory: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError("the store\nhas a bad day")

    row, root = planned("memory://bucket/a.txt")
    monkeypatch.setattr(type(memory), "open", broken)
    with pytest.raises(ReadError, match=r"cannot read .*: the store has a bad day"):
        OpenArtifact(row, root, {})


class Server(BaseHTTPRequestHandler):
    """Objects by their path: `/ranges/…`, `/none/…` (says that it reads no ranges), `/ignores/…` (says nothing), `/endless/…` (no size)."""

    body = DATA

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        way, asked = self.path.split("/")[1], re.match(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        part = self.body[int(asked[1]) : int(asked[2]) + 1] if asked and way == "ranges" else self.body
        self.send_response(206 if asked and way == "ranges" else 200)
        if way != "endless":
            self.send_header("Content-Length", str(len(part)))
        if way == "none":
            self.send_header("Accept-Ranges", "none")
        self.end_headers()
        if self.command == "GET":
            with contextlib.suppress(ConnectionError):  # a client that has seen enough
                self.wfile.write(part)

    def log_message(self, *_: Any) -> None: ...


@pytest.fixture
def server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Server) as running:
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
        thread.join()


@pytest.mark.parametrize("way", ["ranges", "none", "ignores", "endless"])
@pytest.mark.parametrize("block", [8 << 20, 5])
def test_a_server_that_reads_no_ranges(server: str, kept: str, way: str, block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "_BLOCK", block)
    artifact = opened(f"{server}/{way}/a.txt")
    file = artifact.file()
    file.seek(8)
    assert (file.read(5), artifact.size) == (b"three", len(DATA))
    assert edges(artifact.file(), 3) == (b"one", DATA[3:], len(DATA))
    assert artifact.content_id() == hashlib.sha256(DATA).hexdigest()
    artifact.check_unchanged()
    artifact.close()


@pytest.mark.parametrize("way", ["none", "endless"])
def test_what_can_only_be_read_in_one_piece_has_a_bound(server: str, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "UNRANGED_BYTES", 10)
    with pytest.raises(LimitExceeded, match="its server does not support ranges, and it is larger than 10 bytes") as caught:
        opened(f"{server}/{way}/a.txt")
    assert caught.value.bound == "unranged_bytes"


def test_an_object_of_such_a_server_that_changed(server: str) -> None:
    with pytest.raises(ChangedDuringRun):
        opened(f"{server}/none/a.txt", size=5)


@pytest.mark.parametrize("path", ["/proc/version", "/proc/self/status", "/proc/uptime", "/sys/kernel/mm/transparent_hugepage/enabled"])
def test_files_whose_size_the_system_does_not_say(path: str) -> None:
    if not Path(path).exists():
        pytest.skip("no such file on this machine")
    row, root = planned(path)
    row.mtime = 1.0 if row.size == 0 else row.mtime  # those of /proc are made anew for every look
    artifact = OpenArtifact(row, root, {})
    data = artifact.file().read()
    assert data and artifact.size == len(data) and artifact.content_id() == hashlib.sha256(data).hexdigest()
    artifact.check_unchanged()
    artifact.close()


def test_such_a_file_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "UNSIZED_BYTES", 5)
    with pytest.raises(LimitExceeded, match="the system does not report its size, and it is larger than 5 bytes") as caught:
        opened("/proc/version")
    assert caught.value.bound == "unsized_bytes"


@settings(max_examples=100)
@given(
    data=st.binary(max_size=300),
    bounds=st.tuples(st.integers(0, 300), st.integers(0, 300)),
    reads=st.lists(st.tuples(st.integers(0, 320), st.integers(0, 120)), max_size=20),
)
def test_the_digest_is_that_of_hashlib_whatever_the_order_of_reads(
    data: bytes, bounds: tuple[int, int], reads: list[tuple[int, int]]
) -> None:
    start, end = sorted(min(bound, len(data)) for bound in bounds)
    part = data[start:end]
    file = HashingFile(io.BytesIO(data), start, end)
    for offset, count in reads:
        file.seek(offset)
        assert file.read(count) == part[offset : offset + count]
    assert file.digest() == hashlib.sha256(part).hexdigest() == file.digest()


def test_seeking() -> None:
    file = HashingFile(io.BytesIO(b"..0123456789.."), 2, 12)
    for offset, whence, at in ((3, io.SEEK_SET, 3), (2, io.SEEK_CUR, 5), (-1, io.SEEK_END, 9), (5, io.SEEK_END, 15), (-99, io.SEEK_CUR, 0)):
        assert (file.seek(offset, whence), file.tell()) == (at, at)
    assert (file.readable(), file.seekable(), file.writable()) == (True, True, False)
    file.seek(15)
    assert file.read() == b""


class Clock:
    """Time that goes by only where somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(fetch, "time", made)
    return made


def test_a_throttle_keeps_the_rate_and_reads_whole(tmp_path: Path, kept: str, clock: Clock) -> None:
    data = os.urandom(600_000)
    (tmp_path / "a").write_bytes(data)
    pulses: list[float] = []
    throttle = Throttle(1_000_000, lambda: pulses.append(clock.now))
    artifact = OpenArtifact(*planned(tmp_path / "a"), {}, throttle)
    assert artifact.file().read(len(data)) == data, "a slow read is no short one"
    assert 0.3 <= clock.now <= 0.6, "600 kB at 1 MB/s, less the last piece"
    assert pulses, "waiting is no lack of progress"
    artifact.close()


def test_bytes_that_are_read_for_the_first_time_are_progress() -> None:
    pulses: list[int] = []
    file = HashingFile(io.BytesIO(bytes(100)), 0, 100, Throttle(None, lambda: pulses.append(file.tell())))
    for start in (0, 0, 40, 10):
        file.seek(start)
        file.read(40)
    assert len(pulses) == 2
    file.digest()
    assert len(pulses) == 3


def test_a_throttle_counts_over_many_small_files(tmp_path: Path, clock: Clock) -> None:
    throttle = Throttle(100_000)
    (tmp_path / "a").write_bytes(b"x" * 10_000)
    for _ in range(5):
        OpenArtifact(*planned(tmp_path / "a"), {}, throttle).close()
    assert clock.now == pytest.approx(0.4), "all but the last wait for those before them"


@pytest.mark.parametrize("there", ["a.pt.safetensors", "a.safetensors"])
@pytest.mark.parametrize("scheme", ["", "memory://"])
def test_what_stands_beside_an_artifact_is_known(tmp_path: Path, scheme: str, there: str) -> None:
    folder = f"{scheme}{tmp_path}"
    for name in ("a.pt", there):
        with fsspec.open(f"{folder}/{name}", "wb") as file:
            file.write(DATA)
    row, root = planned(f"{folder}/a.pt")
    assert is_beside(row, root, {}, ".safetensors") is (there == "a.pt.safetensors")
