"""`explain-model`: what a model file would do when it is loaded, for people and as JSON, with the exit codes of `inspect`."""

from __future__ import annotations

import io
import json
import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.cli.test_cli import call

HOSTILE = "evil\x1b[31m[bold]\u202ename"


class Runs:
    """Starts a program when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("touch canary",)


def globals_of(count: int) -> bytes:
    """A pickle that refers to so many names that no list knows."""
    return b"\x80\x02(" + b"".join(b"cstrange_%d\nThing\n" % number for number in range(count)) + b"l."


def zipped(**members: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return out.getvalue()


def array() -> bytes:
    out = io.BytesIO()
    np.save(out, np.zeros(3))
    return out.getvalue()


FILES = {
    "run.pkl": pickle.dumps(Runs()),
    "names.pkl": globals_of(900),
    "hostile.pkl": f"\x80\x02c{HOSTILE}\nThing\n.".encode("latin-1", "replace"),
    "two.zip": zipped(**{"sub/good.npy": array(), f"sub/{HOSTILE}.pkl": pickle.dumps(Runs(), 2), "notes.md": b"Nothing to see."}),
    "cut.npy": array()[:20],
    "notes.md": b"Nothing to see.",
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory with a file of each kind."""
    monkeypatch.chdir(tmp_path)
    for name, data in FILES.items():
        (tmp_path / name).write_bytes(data)
    (tmp_path / "models").mkdir()
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("run.pkl",), 0, "run.pkl: dangerous. Do not load it."),
        (("run.pkl", "--fail-on", "high"), 1, "posix.system"),
        (("names.pkl",), 0, "names.pkl: unknown. Loading it may do more"),
        (("names.pkl",), 0, "more; --json lists them"),
        (("two.zip",), 0, "two.zip: dangerous. Do not load it."),
        (("two.zip",), 0, "sub/good.npy, read as NumPy array"),
        (("notes.md",), 0, "notes.md: not a model file."),
        (("notes.md", "--fail-on", "info"), 0, "not a model file"),
        (("cut.npy",), 3, "cut.npy: unknown."),
        (("cut.npy", "--allow-partial"), 0, "Not fully checked"),
        (("models",), 2, "explain-model takes one file; submit judges all the model files of a folder"),
        (("gone.pkl",), 2, "gone.pkl does not exist"),
    ],
)
def test_it_says_what_loading_would_do(
    arguments: tuple[str, ...], code: int, says: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, "explain-model", *arguments) == code
    said = "".join(capsys.readouterr())
    assert says in " ".join(said.split())
    assert "read as :" not in " ".join(said.split())
    assert not Path("canary").exists()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["names.pkl", "hostile.pkl", "two.zip"])
def test_the_output_is_short_and_harmless_to_a_terminal(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    call(monkeypatch, "explain-model", name)
    said = capsys.readouterr().out
    assert len(said.splitlines()) < 60
    assert not {"\x1b", "\u202e"} & set(said)


@pytest.mark.slow
def test_json_has_every_member_and_effect_with_verdict_reason_and_place(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    call(monkeypatch, "explain-model", "two.zip", "--json")
    found = json.loads(capsys.readouterr().out)
    assert (found["artifact"], found["verdict"], found["files_left_out"]) == ("two.zip", "dangerous", 0)
    assert (found["files"][0]["read_as"], found["files"][0]["verdict"]) == ("pickle", "dangerous")
    (worst, *_) = found["files"][0]["effects"]
    assert set(worst) == {"kind", "what", "verdict", "why", "start", "end", "times"}
    assert worst["verdict"] == "dangerous"
    assert 0 < worst["start"] < worst["end"] <= len(pickle.dumps(Runs(), 2))
    assert {row["rule_id"] for row in found["findings"]} >= {"modelfiles.dangerous-pickle", "modelfiles.not-inert"}
