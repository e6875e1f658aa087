"""Leases: of several runs exactly one gets an output, also through crashes, lost answers and stores that ignore conditions."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import fsspec
import pytest

from tests.corpus.emulators import Azure, Gcs, S3App, objects_server, s3_server
from veritensor_ray.core.config import Store
from veritensor_ray.core.errors import CannotRunError, LeaseHeld, StoreError
from veritensor_ray.stores import lease as module
from veritensor_ray.stores.conditional_writes import conditional
from veritensor_ray.stores.holder import Holder, parse, this_process
from veritensor_ray.stores.lease import LEASE, lease
from veritensor_ray.stores.outputs import OutputStore

ROUNDS = 8
KINDS = ["s3", "gcs", "azure", "memory"]
Make = Callable[[str], OutputStore]


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RENEW_SECONDS", 0.3)
    monkeypatch.setattr(module, "LIFETIME_SECONDS", 1.5)
    monkeypatch.setattr(module, "SETTLE_SECONDS", 0.2)


@pytest.fixture
def app() -> S3App:
    return S3App()


@pytest.fixture
def s3(app: S3App, tmp_path: Path) -> Iterator[Make]:
    import boto3

    (tmp_path / "secret").write_text("s")
    with s3_server(app) as endpoint:
        client = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id="k", aws_secret_access_key="s")
        client.create_bucket(Bucket="results")
        for left in client.list_objects_v2(Bucket="results").get("Contents", ()):  # moto keeps them for the whole process
            client.delete_object(Bucket="results", Key=left["Key"])
        client.close()
        secret = f"file:{tmp_path / 'secret'}"
        store = Store(endpoint=endpoint, region="us-east-1", path_style=True, key=secret, secret=secret)
        yield lambda name: OutputStore(f"s3://results/{name}", {"s3://": store})


@pytest.fixture
def make(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    """Outputs in the store that the test is told."""
    with contextlib.ExitStack() as stack:
        if request.param == "s3":
            yield request.getfixturevalue("s3")
        elif request.param == "gcs":
            endpoint, _ = stack.enter_context(objects_server(Gcs))
            yield lambda name: OutputStore(f"gs://results/{name}", {"gs://": Store(endpoint=endpoint, anonymous=True)})
        elif request.param == "azure":
            endpoint, _ = stack.enter_context(objects_server(Azure))
            text = f"DefaultEndpointsProtocol=http;AccountName=a;AccountKey=a2V5;BlobEndpoint={endpoint}/a;"
            monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", text)
            fsspec.get_filesystem_class("abfs").clear_instance_cache()
            yield lambda name: OutputStore(f"abfs://results/{name}")
        else:
            fsspec.filesystem("memory").store.clear()
            yield lambda name: OutputStore(f"memory://results/{name}")


every_store = pytest.mark.parametrize("make", KINDS, indirect=True)


def held_in(store: OutputStore) -> Holder:
    seen = conditional(store.uri, store.stores, LEASE).read()
    assert seen is not None
    return parse(seen.data, 0)


def put(store: OutputStore, data: bytes) -> None:
    place = conditional(store.uri, store.stores, LEASE)
    seen = place.read()
    assert place.write(data, seen.version if seen else None) is not None


def elsewhere(lifetime: float = 1.5) -> Holder:
    return replace(this_process(lifetime), host="elsewhere", pid=7, machine="another")


def compete(store: OutputStore, runs: int) -> tuple[int, int]:
    """How many of so many runs at one moment got the lease, and how many were told that another has it; winners hold it till the end."""
    ready, over = threading.Barrier(runs), threading.Barrier(runs)

    def one(_: int) -> bool:
        ready.wait()
        with contextlib.ExitStack() as stack:
            try:
                held = stack.enter_context(lease(store))
            except LeaseHeld:
                held = None
            over.wait()
            if held is not None:
                held.check()
            return held is not None

    with ThreadPoolExecutor(runs) as threads:
        won = list(threads.map(one, range(runs)))
    return won.count(True), won.count(False)


@every_store
@pytest.mark.usefixtures("quick")
def test_of_several_runs_at_one_moment_one_wins(make: Make) -> None:
    assert [compete(make(f"round-{number}"), 3) for number in range(ROUNDS)] == [(1, 2)] * ROUNDS


@pytest.mark.usefixtures("quick")
def test_of_several_runs_one_takes_a_dead_ones_lease(s3: Make) -> None:
    def round_(number: int) -> tuple[int, int]:
        put(s3(f"round-{number}"), elsewhere(0.2).data())
        return compete(s3(f"round-{number}"), 3)

    assert [round_(number) for number in range(5)] == [(1, 2)] * 5


RUN = """
import json, sys
from veritensor_ray.core.config import Store
from veritensor_ray.stores import lease as module
from veritensor_ray.stores.outputs import OutputStore
from veritensor_ray.core.errors import LeaseHeld
module.RENEW_SECONDS = 0.3
options = json.loads(sys.argv[1])
for line in sys.stdin:
    try:
        with module.lease(OutputStore(line.strip(), {"s3://": Store(**options)} if options else {})):
            print("won", flush=True)
            input()
    except LeaseHeld:
        print("held", flush=True)
        input()
"""


@contextlib.contextmanager
def process(options: dict[str, Any]) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-c", RUN, json.dumps(options)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as one:
        yield one
        one.kill()


def say(one: subprocess.Popen[str], text: str) -> None:
    assert one.stdin is not None
    one.stdin.write(text + "\n")
    one.stdin.flush()


def hear(one: subprocess.Popen[str]) -> str:
    assert one.stdout is not None
    return one.stdout.readline().strip()


def options_of(store: OutputStore) -> dict[str, Any]:
    return {} if store.local else store.stores["s3://"].model_dump()


@pytest.mark.parametrize("place", ["s3", "local"])
def test_of_two_processes_one_wins(place: str, s3: Make, tmp_path: Path) -> None:
    def store(number: int) -> OutputStore:
        return s3(f"round-{number}") if place == "s3" else OutputStore(str(tmp_path / f"round-{number}"))

    with process(options_of(store(0))) as one, process(options_of(store(0))) as two:
        for number in range(ROUNDS):
            say(one, store(number).uri)
            say(two, store(number).uri)
            assert sorted([hear(one), hear(two)]) == ["held", "won"]
            say(one, "")
            say(two, "")


@pytest.mark.parametrize("place", ["s3", "local"])
def test_a_killed_process_of_this_machine_need_not_be_waited_for(place: str, s3: Make, tmp_path: Path) -> None:
    store = s3("state") if place == "s3" else OutputStore(str(tmp_path / "state"))
    with process(options_of(store)) as one:
        say(one, store.uri)
        assert hear(one) == "won"
        one.kill()
    notes: list[str] = []
    with lease(store, notes.append) as held:
        held.check()
    assert notes == [], "it would say that it waits"


@every_store
@pytest.mark.usefixtures("quick")
def test_it_is_renewed_while_it_is_held_and_free_afterwards(make: Make) -> None:
    store = make("state")
    with lease(store) as held:
        ends = time.monotonic() + 30
        while held_in(store).renewals < 2:
            assert time.monotonic() < ends
            time.sleep(0.1)
        with (
            pytest.raises(LeaseHeld, match=r"another run is writing \w+://results/state: process \d+ on .*\. Wait .* expires at .* UTC"),
            lease(store),
        ):
            pass
        held.check()
    assert held_in(store).released
    notes: list[str] = []
    with lease(store, notes.append) as held:
        held.check()
    assert notes == []


@every_store
@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("data", [elsewhere().data(), b"not json", b'{"pid": -1}'], ids=["of another machine", "damaged", "of no process"])
def test_a_lease_that_nobody_renews_is_taken_over_after_its_lifetime(make: Make, data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    store, notes, slept = make("state"), list[str](), list[float]()
    put(store, data)
    clock = SimpleNamespace(sleep=slept.append, clock_gettime=lambda _: sum(slept), CLOCK_BOOTTIME=time.CLOCK_BOOTTIME)
    monkeypatch.setattr(module, "time", clock)  # it goes on only while the run waits
    with lease(store, notes.append) as held:
        assert sum(slept) >= 1.5
        held.check()
    assert len(notes) == 1 and "is held by process" in notes[0] and "Waiting up to" in notes[0]


def test_a_clock_that_is_wrong_takes_nothing_from_a_run_that_is_alive(s3: Make, quick: None) -> None:
    """The holder's time of day is years behind: by this machine's clock its lease ended long ago."""
    store = s3("state")
    holder = replace(elsewhere(), expires=datetime(2001, 1, 1, tzinfo=UTC))
    put(store, holder.data())
    with contextlib.ExitStack() as stack:
        stop = threading.Event()

        def renew() -> None:
            renewals = holder.renewals
            while not stop.wait(0.2):
                put(store, replace(holder, renewals=(renewals := renewals + 1)).data())

        thread = threading.Thread(target=renew)
        thread.start()
        stack.callback(thread.join)
        stack.callback(stop.set)
        with pytest.raises(LeaseHeld, match="process 7 on elsewhere"), lease(store):
            pass


@every_store
@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("wait", [0, 0.5], ids=["at once", "after the thread noticed"])
def test_a_holder_that_lost_it_notices_and_leaves_the_others_alone(make: Make, wait: float) -> None:
    store = make("state")
    other = elsewhere().data()
    with lease(store) as held:
        held.check()
        while True:  # the holder may renew in between
            with contextlib.suppress(AssertionError):
                put(store, other)
                break
        time.sleep(wait)
        with pytest.raises(LeaseHeld, match=r"taken over by process 7 on elsewhere.*nothing from this run was published"):
            held.check()
    assert held_in(store).host == "elsewhere"


@pytest.mark.usefixtures("quick")
def test_a_lease_that_is_removed_is_lost(s3: Make) -> None:
    store = s3("state")
    with lease(store) as held:
        store.delete("_work")
        with pytest.raises(LeaseHeld, match="was removed while this run held it"):
            held.check()


@pytest.mark.usefixtures("quick")
def test_a_store_that_refuses_after_a_while(s3: Make, app: S3App) -> None:
    store, notes = s3("state"), list[str]()
    with lease(store, notes.append) as held:
        app.shut = True
        time.sleep(1.5)
        with pytest.raises(LeaseHeld, match=r"could not be renewed for 2 s \(.+\), so nothing from this run was published"):
            held.check()
    assert "cannot be renewed" in notes[0] and "could not be released" in notes[-1] and len(notes) == 2
    with pytest.raises(StoreError, match="access denied: s3:PutObject is required on s3://results/state"), lease(store):
        pass


@pytest.mark.usefixtures("quick")
def test_writes_whose_answers_are_lost_arrived(s3: Make, app: S3App) -> None:
    app.lose = 1
    store = s3("state")
    with lease(store) as held:
        app.lose = 1
        held.check()
        held.check()
        assert app.lose == 0


@pytest.mark.usefixtures("quick")
def test_a_store_that_ignores_conditions_is_told_and_is_best_effort(s3: Make, app: S3App) -> None:
    app.forget = True
    notes: list[str] = []
    with lease(s3("state"), notes.append) as held:
        held.check()
    assert "does not support conditional writes" in notes[0]
    assert [compete(s3(f"round-{number}"), 2) for number in range(3)] == [(1, 1)] * 3


def test_a_local_lease_whose_file_is_removed(tmp_path: Path) -> None:
    store = OutputStore(str(tmp_path / "out"))
    with lease(store) as held:
        held.check()
        with pytest.raises(LeaseHeld, match=r"another run is writing .*out. Wait for it, or choose a different --output"), lease(store):
            pass
        (tmp_path / "out" / LEASE).unlink()
        with pytest.raises(LeaseHeld, match="was removed while this run held it"):
            held.check()
    with lease(store) as held:
        held.check()


def test_a_local_output_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "out").touch()
    with pytest.raises(CannotRunError, match="is not writable"), lease(OutputStore(str(tmp_path / "out"))):
        pass


@pytest.mark.parametrize("name", ["_work", "_work/.lease", "_work/RUN", "findings", "run.json", "sweeps", "sweeps/1", "latest.json"])
def test_nothing_is_written_through_a_link(tmp_path: Path, name: str) -> None:
    """The lease comes before everything else that a run writes, and its file is not written through a link either."""
    outside, link = tmp_path / "outside", tmp_path / "out" / name
    link.parent.mkdir(parents=True)
    if "." in name:
        outside.write_text("mine")
    else:
        outside.mkdir()
    link.symlink_to(outside)
    with (
        pytest.raises(StoreError, match=f"{name} is a symbolic link, and nothing is written through links"),
        lease(OutputStore(str(tmp_path / "out"))),
    ):
        pass
    assert not list(outside.iterdir()) if outside.is_dir() else outside.read_text() == "mine"


def test_links_of_a_sweep_to_its_own_tables_may_stay(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    (folder / "sweeps/1/findings").mkdir(parents=True)
    (folder / "current").symlink_to("sweeps/1")
    (folder / "findings").symlink_to("current/findings")
    with lease(OutputStore(str(folder))) as held:
        held.check()
    (folder / "ledger").symlink_to("current/../../elsewhere")
    with pytest.raises(StoreError, match="ledger is a symbolic link"), lease(OutputStore(str(folder))):
        pass


def test_no_object_is_written_or_moved_through_a_link(tmp_path: Path) -> None:
    store, outside = OutputStore(str(tmp_path / "out")), tmp_path / "outside"
    outside.mkdir()
    store.put("a/b/one", b"1")
    (tmp_path / "out/c").symlink_to(outside)
    attempts: list[Callable[[], None]] = [
        lambda: store.put("c/two", b"2"),
        lambda: store.put("c/d/two", b"2"),
        lambda: store.move("a/b/one", "c/one"),
    ]
    for attempt in attempts:
        with pytest.raises(StoreError, match="out/c is a symbolic link"):
            attempt()
    assert not list(outside.iterdir())


def test_what_a_lease_says_is_harmless(tmp_path: Path) -> None:
    hostile = this_process(180).data().decode().replace('"host": "', '"host": "\\u001b[2J\\n')
    assert "\x1b" not in str(parse(hostile.encode(), 0)) and "\n" not in str(parse(hostile.encode(), 0))
    assert parse(hostile.replace('"lifetime": 180', '"lifetime": 1e12').encode(), 0).lifetime == 3600
