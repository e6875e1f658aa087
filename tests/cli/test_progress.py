"""The displays of a run's progress: plain lines, JSON lines, and the bar."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

import pytest

from veritensor_ray.cli import progress
from veritensor_ray.cli.progress import Bar, Json, PlainProgress
from veritensor_ray.jobs.run_reporting import Reading

GB = 1_000_000_000
LONG = Reading(2 * GB, 1, "data/huge.tar.gz", "reading", 2 * GB, 20 * GB, 120.0, 2.0)
HOSTILE = "\x1b]0;owned\x07\u202e[bold]\nhuge.zip"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that stands still; the test moves it."""
    now = [1000.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    return now


def committed(read: int, **severities: int) -> dict[str, Any]:
    return {"shard": 0, "artifacts": 3, "bytes": 7, "severities": severities, "read": read, "effort": read / GB}


def lines(text: str) -> list[str]:
    """What was written, without the time of day."""
    return [line.split(" ", 1)[1] for line in text.splitlines()]


@pytest.mark.parametrize(
    ("reading", "line"),
    [
        (
            LONG,
            "0/1 shards · 2.0 GB of 20.0 GB · 20.0 MB/s · findings so far: none · about 49 s left · reading data/huge.tar.gz: 2.0 GB of 20.0 GB, 2 min",
        ),
        (
            Reading(0, 1, "huge.bin", "signatures", 5 * GB, 20 * GB, 60.0),
            "0/1 shards · 0 B of 20.0 GB · 0 B/s · findings so far: none · about 50 s left · signatures huge.bin: 5.0 GB of 20.0 GB, 60 s",
        ),
        (
            Reading(2 * GB, 4, "a.txt", "reading", 1, 2, 4.9, 2.0),
            "0/1 shards · 2.0 GB of 20.0 GB · 20.0 MB/s · findings so far: none · about 49 s left",
        ),
        (Reading(20 * GB, 0, effort=100.0), "0/1 shards · 20.0 GB of 20.0 GB · 200.0 MB/s · findings so far: none"),
    ],
    ids=["one giant shard", "bytes before text", "nothing takes long", "all read, not yet committed"],
)
def test_a_line_within_a_shard(capsys: pytest.CaptureFixture[str], clock: list[float], reading: Reading, line: str) -> None:
    shown = PlainProgress()
    shown.scanning(1, 20 * GB, 0, 0, 100.0, 2)
    clock[0] += 100
    shown.reading(reading)
    assert lines(capsys.readouterr().err) == [line]


def test_time_left_is_that_of_the_effort(clock: list[float]) -> None:
    shown = PlainProgress()
    shown.scanning(4, 20 * GB, 1, 0, 300.0, 2)
    seen = [shown.line().rpartition(" · ")[2]]
    for effort in (60.0, 180.0, 300.0):
        clock[0] += 30
        shown.reading(Reading(GB, 1, effort=effort))
        seen.append(shown.line().rpartition(" · ")[2])
    assert seen == ["about 2 min left", "about 2 min left", "about 40 s left", "findings so far: none"]


def test_findings_so_far_are_the_worst_first(clock: list[float]) -> None:
    shown = PlainProgress()
    shown.scanning(4, 20 * GB, 0, 0, 20.0, 2)
    shown.count(committed(1, low=1200, high=2))
    shown.count(committed(2, critical=1, low=1))
    assert "findings so far: 1 critical, 2 high, 1,201 low" in shown.line()


def test_plain_lines_come_every_ten_seconds_at_most(capsys: pytest.CaptureFixture[str], clock: list[float]) -> None:
    shown = PlainProgress()
    shown.scanning(99, 20 * GB, 0, 0, 20.0, 2)
    for second in range(60):
        clock[0] += 1
        shown.reading(LONG) if second % 2 else shown.committed(committed(GB))
    assert len(lines(capsys.readouterr().err)) == 6


def test_the_last_commit_has_its_line_and_with_verbose_each(capsys: pytest.CaptureFixture[str], clock: list[float]) -> None:
    for verbose, expected in ((False, ["3/3"]), (True, ["1/3", "2/3", "3/3"])):
        shown = PlainProgress(verbose)
        shown.scanning(3, 30, 0, 0, 20.0, 2)
        for read in (10, 20, 30):
            shown.committed(committed(read, high=1))
        assert [line.split(" ")[0] for line in lines(capsys.readouterr().err)] == expected


def test_json_events(capsys: pytest.CaptureFixture[str], clock: list[float]) -> None:
    shown = Json()
    shown.scanning(2, 20 * GB, 1, GB, 100.0, 2)
    shown.reading(LONG)
    clock[0] += 10
    shown.reading(LONG)
    shown.committed(committed(19 * GB, high=1))
    events = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [{name: value for name, value in event.items() if name != "time"} for event in events] == [
        {"event": "scanning", "shards": 2, "bytes": 20 * GB, "done": 1, "read": GB},
        {"event": "progress", "done": 1, "shards": 2, "bytes": 20 * GB, "read": 3 * GB, "in_progress": 1}
        | {"artifact": "data/huge.tar.gz", "doing": "reading", "at": 2 * GB, "of": 20 * GB, "seconds": 120.0}
        | {"effort": 2.0, "left": 49, "severities": {}},
        {"event": "committed", "done": 2, "shards": 2, **committed(20 * GB, high=1), "effort": 19.0},
    ]


@pytest.mark.parametrize("make", [PlainProgress, Json])
def test_a_hostile_name_cannot_move_the_terminal(capsys: pytest.CaptureFixture[str], clock: list[float], make: Callable[[], Any]) -> None:
    shown = make()
    shown.scanning(1, GB, 0, 0, 20.0, 2)
    clock[0] += 10
    capsys.readouterr()
    shown.reading(Reading(1, 1, HOSTILE, "reading", 1, GB, 60.0))
    (line,) = capsys.readouterr().err.splitlines()
    assert line.isprintable()
    assert "huge.zip" in line


def test_a_long_name_shows_its_end() -> None:
    shown = PlainProgress()
    shown.now = Reading(1, 1, "deep/" * 100 + "file.zip", "reading", 1, 2, 60.0)
    name = shown.longest().removeprefix("reading ").partition(":")[0]
    assert len(name) == 60
    assert name.startswith("…")
    assert name.endswith("/file.zip")


def test_the_bar_follows_bytes_and_names_what_takes_long(clock: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    from rich.console import Console

    monkeypatch.setattr(progress, "console", lambda stderr: Console(file=io.StringIO()))
    bar = Bar()
    try:
        bar.scanning(4, 20 * GB, 1, GB, 100.0, 2)
        bar.stage("scan")
        clock[0] += 100
        bar.reading(Reading(2 * GB, 1, HOSTILE, "reading", 2 * GB, 19 * GB, 100.0))
        assert (bar._progress.tasks[0].completed, bar._progress.tasks[0].total) == (3 * GB, 20 * GB)
        screen = Console(file=io.StringIO(), width=80, markup=False, highlight=False)
        with screen.capture() as captured:
            screen.print(bar._progress.get_renderable())
        drawn = [line.strip() for line in captured.get().splitlines()]
        assert drawn[0].endswith("3.0 GB of 20.0 GB · 20.0 MB/s · about 50 s left")
        assert drawn[1:] == [
            "1/4 shards · findings so far: none",
            r"reading \x1b]0;owned\x07\u202e[bold] huge.zip: 2.0 GB of 19.0 GB, 2 min",
        ]
        bar.committed(committed(19 * GB))
        assert bar._progress.tasks[0].completed == 20 * GB
        bar.stage("collect")
        assert bar._below() == []
    finally:
        bar.close()
