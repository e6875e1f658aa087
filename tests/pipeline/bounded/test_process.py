"""The process that decodes for `plan` and `vr.inspect`: what kills it is told, and costs nobody else anything."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import veritensor_ray as vr
from veritensor_ray.core.config import Settings
from veritensor_ray.core.errors import CannotRunError
from veritensor_ray.corpus.effort import effort
from veritensor_ray.corpus.listing import roots
from veritensor_ray.corpus.planning import plan_rows
from veritensor_ray.pipeline.bounded import process
from veritensor_ray.pipeline.context import Context
from veritensor_ray.pipeline.estimate import calibrate, survey
from veritensor_ray.testing import painted

ENGINE = """
import os, signal, sys, time
from pathlib import Path
from veritensor_ray.engines.base import Needs

class Fragile:
    name, version, needs = "fragile", "1", Needs()
    def __init__(self, settings): pass
    def applies(self, about): return True
    def load(self, models): pass
    def rules(self): return []
    def fingerprint(self): return "fragile-1"
    def scan_text(self, texts):
        for text in texts.column("text").to_pylist():
            what, _, rest = text.partition(" ")
            if what == "hang":
                if rest: Path(rest).write_text(str(os.getpid()))
                while True: pass
            if what == "eat": bytearray(3 << 30)
            if what == "kill": os.kill(os.getpid(), signal.SIGKILL)
            if what == "crash": os.kill(os.getpid(), signal.SIGSEGV)
            if what == "exit": os._exit(7)
            if what == "print": os.write(1, b"noise"); print("noise", flush=True)
            if what == "shout": sys.stderr.write("shouted\\n" * 20_000)
            if what == "read": assert not sys.stdin.read()
        return []
"""
FORESEEING = """
import io
from PIL import Image
from veritensor_ray.testing import ObedientTranscriber

class Foreseeing(ObedientTranscriber):
    name = "foreseeing"

    def foreseen(self, image):
        return Image.open(io.BytesIO(image)).width / 10
"""
OPTIONS: dict[str, Any] = {"plugins": ["fragile_engine:Fragile"], "engines": ["fragile"], "limits": {"artifact_seconds": 20.0}}
HASTY: dict[str, Any] = {**OPTIONS, "limits": {"artifact_seconds": 1.0}}


@pytest.fixture(scope="module", autouse=True)
def _engines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    folder = tmp_path_factory.mktemp("plugins")
    (folder / "fragile_engine.py").write_text(ENGINE)
    (folder / "foreseeing_engine.py").write_text(FORESEEING)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])]))
        patch.syspath_prepend(str(folder))
        process.SHARED.close()  # it has the path of another file
        yield
        process.SHARED.close()


@pytest.fixture
def _new() -> None:
    """For tests of a process that has just been started; all others use the one that runs."""
    process.SHARED.close()


DEATHS = [
    ("hang", "no progress for 1 s", "timeout"),
    ("kill", "the worker died while reading it (SIGKILL): it crashed or exceeded worker_memory", "process-died"),
    ("crash", "the worker died while reading it (SIGSEGV): it crashed or exceeded worker_memory", "process-died"),
    ("exit", "the worker exited with code 7 while reading it", "process-died"),
]


@pytest.mark.parametrize(("text", "reason", "code"), DEATHS)
def test_a_death_is_told_and_the_next_text_is_read(text: str, reason: str, code: str) -> None:
    seen = vr.inspect(text, **(HASTY if text == "hang" else OPTIONS))
    assert (seen.ledger["status"], seen.ledger["reason"]) == ("quarantined", reason)
    assert seen.ledger["reason_code"] == code
    assert [(one["engine"], one["status"], one["reason_code"]) for one in seen.ledger["coverage"]] == [("fragile", "quarantined", code)]
    assert vr.inspect("harmless", **OPTIONS).ledger["status"] == "scanned"


def test_memory_is_bounded() -> None:
    seen = vr.inspect("eat", **{**OPTIONS, "limits": {"worker_memory": "200MB"}})
    assert seen.ledger["status"] == "partial"
    assert "MemoryError" in seen.ledger["reason"]


@pytest.mark.parametrize("text", ["print", "shout", "read"])
def test_pipes_belong_to_the_answers(text: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert vr.inspect(text, **OPTIONS).ledger["status"] == "scanned"
    assert capfd.readouterr() == ("", "")


def test_the_process_is_kept_and_replaced() -> None:
    vr.inspect("harmless", **OPTIONS)
    first = process.SHARED._process
    assert first is not None
    vr.inspect("harmless", **OPTIONS)
    assert process.SHARED._process is first
    first.kill()
    first.wait()  # and not os.waitid: a thread waits for it as well, and only one of the two gets the answer
    assert vr.inspect("harmless", **OPTIONS).ledger["status"] == "scanned"
    assert process.SHARED._process is not first


@pytest.mark.usefixtures("_new")
def test_it_is_started_ahead_of_the_first_call() -> None:
    process.SHARED.start()
    first = process.SHARED.pid
    assert first is not None
    assert vr.inspect("harmless", **OPTIONS).ledger["status"] == "scanned"
    assert process.SHARED.pid == first


@pytest.mark.usefixtures("_new")
def test_engines_with_a_model_are_loaded_for_what_they_read(tmp_path: Path) -> None:
    names = ("fake-model", "fake-ocr")
    kinds = ("veritensor_ray.testing:ObedientModel", "veritensor_ray.testing:ObedientTranscriber")
    settings = Settings.model_validate({"plugins": kinds, "engines": names, "sources": [str(tmp_path)]})
    context = Context(settings, tuple(roots(settings.sources, settings.stores)), names, b"k", "tests")
    took = {}
    for name, data in {
        "a.bin": b"\0",
        "b.txt": b"words",
        "c.png": painted("words"),
        "d.txt": b"more words",
        "e.png": painted("more"),
    }.items():
        (tmp_path / name).write_bytes(data)
        rows = [row for row in plan_rows(settings, names, lambda *_: []) if row.artifact == name]
        scanned = process.scan(context, rows)
        assert scanned.table.column("status").to_pylist() == ["skipped" if name == "a.bin" else "scanned"]
        took[name] = scanned.local > 0, scanned.models > 0
    assert took == {
        "a.bin": (True, False),
        "b.txt": (False, True),
        "c.png": (False, True),
        "d.txt": (False, False),
        "e.png": (False, False),
    }


@pytest.mark.usefixtures("_new")
def test_it_outlives_the_thread_that_asked_first() -> None:
    thread = threading.Thread(target=vr.inspect, args=("harmless",), kwargs=OPTIONS)
    thread.start()
    thread.join()
    first = process.SHARED.pid
    assert vr.inspect("harmless", **OPTIONS).ledger["status"] == "scanned"
    assert process.SHARED.pid == first


def test_what_it_raises_is_raised_here(tmp_path: Path) -> None:
    settings = Settings.model_validate({**OPTIONS, "sources": [str(tmp_path)]})
    (tmp_path / "a.txt").write_text("harmless")
    starts = tuple(roots(settings.sources, settings.stores))
    context = Context(settings, starts, ("fragile",), b"k", "tests", expected=(("fragile", "another"),))
    rows = [row for row in plan_rows(settings, ("fragile",), lambda *_: []) if row.artifact == "a.txt"]
    with pytest.raises(CannotRunError, match="differs from the one the run was planned with"):
        process.scan(context, rows)


def test_the_kind_whose_samples_kill_it_is_guessed(tmp_path: Path) -> None:
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    (corpus / "a.txt").write_text("crash")
    (corpus / "b.md").write_text("harmless")
    settings = Settings.model_validate({**OPTIONS, "sources": [str(corpus)]})
    found = survey(plan_rows(settings, ("fragile",), lambda *_: []), {}, settings, ("fragile",))
    calibrate(found, settings, b"k")
    assert [*found.measured] == ["text/markdown"]
    assert found.of("text/plain") > 0
    assert [*found.seen["text/plain"]] == [f"quarantined: {DEATHS[2][1]}"]


@pytest.mark.usefixtures("_new")
def test_images_count_by_what_is_in_them_if_an_engine_can_tell(tmp_path: Path) -> None:
    (tmp_path / "corpus").mkdir()
    widths = [*range(1, 9)]
    for width in widths:
        (tmp_path / "corpus" / f"{width}.png").write_bytes(painted("x" * width))
    (tmp_path / "corpus" / "broken.png").write_bytes(painted("x" * 8)[:30])
    settings = Settings.model_validate({"plugins": ["foreseeing_engine:Foreseeing"], "sources": [str(tmp_path / "corpus")]})
    found = survey(plan_rows(settings, ("foreseeing",), lambda *_: []), {}, settings, ("foreseeing",))
    calibrate(found, settings, b"k")
    whole, broken = found.kinds["image/png"].classes[2], found.kinds["image/png"].classes[1]
    assert whole.effort == pytest.approx(sum(widths) / 10)
    assert 0 < whole.sampled < whole.effort, "some were read only once the process was warm"
    assert broken.effort == pytest.approx(effort("broken.png", 30)), "by its name and size"


def test_what_kills_the_splitter_is_not_split(tmp_path: Path) -> None:
    (tmp_path / "big.txt").write_text("a line\n" * 400_000)
    settings = Settings.model_validate({"sources": [str(tmp_path / "big.txt")], "limits": {"split_bytes": "1MB", "shard_bytes": "1MB"}})
    with process.Splitter(settings) as split:
        assert [row.parts for row in plan_rows(settings, ("signatures",), split)] == [3, 3, 3]
    (tmp_path / "big.txt").write_text("a line\n" * 6_000_000)  # enough to be cut in many places: the watchdog is a thread, and starts late
    hasty = settings.model_copy(update={"limits": settings.limits.model_copy(update={"artifact_seconds": 1e-6})})
    with process.Splitter(hasty) as split:
        assert [row.parts for row in plan_rows(hasty, ("signatures",), split)] == [1]


SCRIPT = """
import sys, veritensor_ray as vr
vr.inspect("hang " + sys.argv[1], plugins=["fragile_engine:Fragile"], engines=["fragile"])
"""


def test_it_dies_with_its_parent_and_a_script_needs_no_guard(tmp_path: Path) -> None:
    """The script has no `if __name__ == "__main__"`, and would start itself again by multiprocessing."""
    script, note = tmp_path / "script.py", tmp_path / "pid"
    script.write_text(SCRIPT)
    with subprocess.Popen([sys.executable, str(script), str(note)]) as parent:
        child = _pid(note)
        parent.kill()
    give_up = time.monotonic() + 30
    while Path(f"/proc/{child}").exists() and time.monotonic() < give_up:
        if " Z " in Path(f"/proc/{child}/stat").read_text():
            return  # nobody is left who would wait for it
    assert not Path(f"/proc/{child}").exists()


def _pid(note: Path) -> int:
    give_up = time.monotonic() + 60
    while time.monotonic() < give_up:
        if note.exists() and (text := note.read_text()):
            return int(text)
        time.sleep(0.05)
    raise AssertionError("the process did not start")


@pytest.mark.usefixtures("_new")
def test_nothing_is_imported_from_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("pyarrow", "json", "fsspec", "veritensor_ray"):
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w'); raise SystemExit('imported')")
    monkeypatch.chdir(tmp_path)
    assert vr.inspect("harmless", **OPTIONS).ledger["status"] == "scanned"
    assert not (tmp_path / "ran").exists()
