"""The state of sweeps: what is published, what readers see meanwhile, what is removed, and what was missed."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from veritensor_ray.core.config import Store
from veritensor_ray.core.errors import IncompleteOutput, StoreError, UsageError
from veritensor_ray.findings.schema import TABLES
from veritensor_ray.findings.sweep_publishing import link, prune, publish
from veritensor_ray.findings.sweep_state import folder_of, latest, lines, missed, night, nights, results, surplus
from veritensor_ray.stores.outputs import OutputStore

BEGIN = datetime(2026, 1, 1, 22, tzinfo=UTC)


def name(number: int) -> str:
    return f"{BEGIN + timedelta(number):%Y%m%dT%H%M%SZ}-0a1b2c"


def run_of(number: int, **about: Any) -> dict[str, Any]:
    started = BEGIN + timedelta(number)
    return {
        "scan_id": name(number),
        "job": "sweep",
        "started_at": started.isoformat(),
        "finished_at": (started + timedelta(hours=1)).isoformat(),
        "site_key_id": "k",
    } | about


def tables_of(store: OutputStore, number: int) -> None:
    """What a collect leaves: a file in each table that says which night it is of."""
    for table in TABLES:
        folder_of(store, name(number)).put(f"{table}/part-00000.parquet", str(number).encode())


def collected(store: OutputStore, number: int) -> dict[str, Any]:
    """A sweep with all its tables, not published yet."""
    tables_of(store, number)
    run = run_of(number)
    folder_of(store, name(number)).put("run.json", json.dumps(run).encode())
    return run


def published(store: OutputStore, *numbers: int) -> None:
    for number in numbers:
        publish(store, collected(store, number))


@pytest.fixture(params=["local", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> OutputStore:
    """An empty state on a disk and in a bucket."""
    import boto3

    if request.param == "local":
        return OutputStore(str(tmp_path / "state"))
    endpoint = request.getfixturevalue("endpoint")
    (tmp_path / "secret").write_text("s")
    client = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id="k", aws_secret_access_key="s")
    client.create_bucket(Bucket=tmp_path.name.replace("_", "-"))
    client.close()
    file = f"file:{tmp_path}/secret"
    about = Store(endpoint=endpoint, region="us-east-1", path_style=True, key=file, secret=file)
    return OutputStore(f"s3://{tmp_path.name.replace('_', '-')}/state", {"s3://": about})


def test_before_the_first_sweep_has_ended(store: OutputStore) -> None:
    assert (latest(store), nights(store), surplus(store, 1), list(lines(store, 60))) == (None, [], [], [])
    collected(store, 1)
    assert (latest(store), nights(store)) == (None, []), "it has a run.json, and is not published"


def test_what_is_published_is_the_last_one(store: OutputStore) -> None:
    published(store, 1, 2)
    collected(store, 3)
    assert latest(store) == name(2)
    assert [one.id for one in nights(store)] == [name(1), name(2)], "the third is not reachable"
    about = json.loads(store.read("latest.json") or b"")
    assert about == {"sweep": name(2), "started_at": run_of(2)["started_at"], "finished_at": run_of(2)["finished_at"], "site_key_id": "k"}


def test_a_night_by_its_id(store: OutputStore) -> None:
    published(store, 1, 2)
    one = night(store, name(1))
    assert (one.id, one.started, one.run["scan_id"]) == (name(1), BEGIN + timedelta(1), name(1))
    assert one.store.read("findings/part-00000.parquet") == b"1"


@pytest.mark.parametrize("odd", ["", ".", "..", "nothing", "../..", "latest.json", f"{name(1)}/findings", f"../sweeps/{name(1)}"])
def test_a_night_that_is_not_there(store: OutputStore, odd: str) -> None:
    published(store, 1)
    with pytest.raises(UsageError, match=f"has no complete sweep .*Complete sweeps: {name(1)}"):
        night(store, odd)


def test_a_night_that_is_not_published_cannot_be_opened(store: OutputStore) -> None:
    published(store, 1)
    collected(store, 2)
    with pytest.raises(UsageError, match="has no complete sweep"):
        night(store, name(2))


def test_the_results_of_an_output(store: OutputStore) -> None:
    with pytest.raises(IncompleteOutput, match=r"as named has no run.json: no audit or sweep was written there"):
        results(store, "as named")
    store.put("_work/run/plan.parquet", b"")
    collected(store, 1)
    with pytest.raises(IncompleteOutput, match=r"the run has not finished. Repeat the submit to resume it"):
        results(store)
    published(store, 1, 2)
    found, run = results(store)
    assert (found.uri, run["scan_id"]) == (folder_of(store, name(2)).uri, name(2))
    again, _ = results(found)
    assert again == found, "the folder of a sweep is an output too"
    store.put("run.json", json.dumps({"scan_id": "audit"}).encode())
    found, run = results(store)
    assert (found, run["scan_id"]) == (store, "audit")


def test_what_latest_json_names_and_is_not_there_is_no_result(store: OutputStore) -> None:
    published(store, 1)
    store.delete(f"sweeps/{name(1)}")
    with pytest.raises(IncompleteOutput):
        results(store)


@pytest.mark.parametrize(
    ("complete", "unfinished", "keep", "expected"),
    [
        ((1,), (), 1, []),
        ((1, 2, 3), (), 3, []),
        ((1, 2, 3), (), 30, []),
        ((1, 2, 3, 4), (), 2, [1, 2]),
        ((1, 2, 3), (), 1, [1, 2]),
        ((1, 3), (2,), 9, [2]),
        ((1, 2), (3,), 9, [3]),
        ((1, 2, 3), (0, 4), 1, [1, 2, 0, 4]),
    ],
)
def test_surplus(tmp_path: Path, complete: tuple[int, ...], unfinished: tuple[int, ...], keep: int, expected: list[int]) -> None:
    state = OutputStore(str(tmp_path))
    for number in unfinished:
        tables_of(state, number)
    published(state, *complete)
    assert surplus(state, keep) == [name(number) for number in expected]


def test_prune_never_removes_the_last_one(store: OutputStore) -> None:
    published(store, 1, 2, 3)
    tables_of(store, 4)
    prune(store, [name(3), name(1), name(4), "nothing"])
    assert store.names("sweeps") == [name(2), name(3)]
    assert [one.id for one in nights(store)] == [name(2), name(3)]
    assert folder_of(store, name(3)).read("findings/part-00000.parquet") == b"3"


def test_a_sweep_that_is_half_removed_is_no_complete_one(store: OutputStore, monkeypatch: pytest.MonkeyPatch) -> None:
    published(store, 1, 2)
    delete = OutputStore.delete

    def stops(self: OutputStore, what: str) -> None:
        if what.startswith("sweeps/"):
            raise OSError("the machine is gone")
        delete(self, what)

    monkeypatch.setattr(OutputStore, "delete", stops)
    with pytest.raises(OSError, match="gone"):
        prune(store, [name(1)])
    monkeypatch.undo()
    assert [one.id for one in nights(store)] == [name(2)]
    assert surplus(store, 30) == [name(1)], "the next one removes the rest"


HOUR, DAY = 3600.0, 86400.0


@pytest.mark.parametrize(
    ("hours", "every", "expected"),
    [
        (24, DAY, 0),
        (24.4, DAY, 0),
        (1, DAY, 0),
        (0, DAY, 0),
        (-5, DAY, 0),  # a clock that was set back
        (35.9, DAY, 0),  # half of it is grace
        (36, DAY, 1),
        (48, DAY, 1),
        (72, DAY, 2),
        (24 * 30, DAY, 29),
        (3, HOUR, 2),
        (24 * 8, 7 * DAY, 0),
        (24 * 14, 7 * DAY, 1),
    ],
)
def test_missed(hours: float, every: float, expected: int) -> None:
    assert missed(BEGIN, BEGIN + timedelta(hours=hours), every) == expected


def test_lines_tell_what_was_missed_before_each(store: OutputStore) -> None:
    published(store, 1, 2, 5, 6, 16)
    assert [(one.id, gap) for one, gap in lines(store, DAY)] == [(name(16), 9), (name(6), 0), (name(5), 2), (name(2), 0), (name(1), 0)]


def test_links_on_a_local_disk(tmp_path: Path) -> None:
    state = OutputStore(str(tmp_path))
    published(state, 1)
    assert (tmp_path / "current").readlink() == Path("sweeps") / name(1), "relative, so that the folder can be moved"
    published(state, 2)
    for table in TABLES:
        assert (tmp_path / table / "part-00000.parquet").read_bytes() == b"2"
    prune(state, [name(1)])
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["current", "latest.json", "sweeps", *TABLES])


def test_links_that_lag_behind_are_mended(tmp_path: Path) -> None:
    state = OutputStore(str(tmp_path))
    published(state, 1, 2)
    link(state, name(1))  # as where a sweep died between latest.json and the links
    assert (tmp_path / "ledger" / "part-00000.parquet").read_bytes() == b"1"
    link(state, str(latest(state)))
    assert (tmp_path / "ledger" / "part-00000.parquet").read_bytes() == b"2"


def test_a_state_without_links_gets_them_with_the_next_sweep(tmp_path: Path) -> None:
    state = OutputStore(str(tmp_path))
    published(state, 1)
    for path in tmp_path.iterdir():
        if path.is_symlink():
            path.unlink()
    published(state, 2)
    assert (tmp_path / "findings" / "part-00000.parquet").read_bytes() == b"2"


def test_a_state_that_cannot_have_links_is_published_all_the_same(tmp_path: Path) -> None:
    """As one that was copied with what the links lead to in place of the links."""
    state = OutputStore(str(tmp_path))
    (tmp_path / "findings").mkdir()
    problem = publish(state, collected(state, 1))
    assert problem == f"{tmp_path}/current does not point to the last sweep (File exists). Its tables are in {tmp_path}/sweeps/{name(1)}"
    assert latest(state) == name(1)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"sweep": 1}', b'{"sweep": ""}', b'{"sweep": "../x"}', b'{"sweep": "a/b"}', b"[" * 100_000]
)
def test_a_damaged_latest_json(store: OutputStore, content: bytes) -> None:
    published(store, 1)
    store.put("latest.json", content)
    for read in (latest, nights, results):
        with pytest.raises(StoreError, match=r"latest\.json is damaged: it names no sweep\. Copy it again, or set it to"):
            read(store)


def test_a_reader_never_finds_nothing_or_two_nights_in_one_folder(tmp_path: Path) -> None:
    """A table has two files; whoever resolves `findings` once sees both of one night, and nights go only forward."""
    state = OutputStore(str(tmp_path))
    for number in range(201):
        run = collected(state, number)
        folder_of(state, name(number)).put("findings/part-00001.parquet", str(number).encode())
        if number == 0:
            publish(state, run)
    seen: list[list[bytes]] = []
    wrong: list[BaseException] = []
    begun, done = threading.Event(), threading.Event()

    def read() -> None:
        try:
            while not done.is_set():
                folder = (tmp_path / "findings").resolve(strict=True)
                seen.append([path.read_bytes() for path in sorted(folder.iterdir())])
                begun.set()
        except BaseException as error:  # noqa: BLE001  # it is looked at below
            wrong.append(error)
            begun.set()

    reader = threading.Thread(target=read)
    reader.start()
    assert begun.wait(30)
    for number in range(1, 201):
        publish(state, run_of(number))
    done.set()
    reader.join()
    assert not wrong
    assert all(len(files) == 2 and files[0] == files[1] for files in seen)
    order = [int(files[0]) for files in seen]
    assert order == sorted(order)
    assert len(set(order)) > 5, "it has seen nights change"
