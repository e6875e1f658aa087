"""Where a policy is kept: a named file, the output, or nowhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.findings.outputs import finding, written
from veritensor_ray.core.errors import CannotRunError, UsageError
from veritensor_ray.policy.policy_file import Suppression
from veritensor_ray.results.policy_place import FilePlace, NoPlace, StorePlace, in_output, place_for
from veritensor_ray.results.results import Results
from veritensor_ray.stores import conditional_writes
from veritensor_ray.stores.outputs import OutputStore


def entry(number: int) -> Suppression:
    return Suppression.model_validate({"finding": f"{number:032x}", "reason": "reviewed"})


@pytest.fixture
def results(tmp_path: Path) -> Results:
    return written(tmp_path / "out", [finding(1)], sources=[str(tmp_path / "corpus")])


@pytest.mark.parametrize(
    ("about", "named", "place"),
    [
        ({}, None, "{tmp}/out/policy.yaml"),
        ({"policy": None}, None, "{tmp}/out/policy.yaml"),
        ({"policy": {"file": "policy.yaml", "in_output": True}}, None, "{tmp}/out/policy.yaml"),
        ({}, "own.yaml", "own.yaml"),
        ({"policy": {"file": "central.yaml"}}, "own.yaml", "own.yaml"),
        ({"policy": {"file": "central.yaml"}}, None, UsageError("judged by the policy central.yaml; name it")),
        ({"sources": ["{tmp}"]}, None, UsageError("lies in the corpus")),
        ({"sources": ["{tmp}/out/"]}, None, UsageError("lies in the corpus")),
        ({"sources": ["{tmp}"]}, "own.yaml", "own.yaml"),
    ],
)
def test_the_place_of_decisions(
    about: dict[str, Any], named: str | None, place: str | UsageError, results: Results, tmp_path: Path
) -> None:
    told = {name: [one.format(tmp=tmp_path) for one in value] if name == "sources" else value for name, value in about.items()}
    judged = replace(results, run={**results.run, **told})
    if isinstance(place, str):
        assert str(place_for(judged, named)) == place.format(tmp=tmp_path)
    else:
        with pytest.raises(UsageError, match=str(place)):
            place_for(judged, named)


def test_without_an_output_the_file_has_to_be_named() -> None:
    with pytest.raises(UsageError, match="--policy"):
        place_for(None, None)
    assert str(place_for(None, "own.yaml")) == "own.yaml"


def test_a_link_in_the_output_is_not_followed(results: Results, tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("rules: []\n")
    (tmp_path / "out" / "policy.yaml").symlink_to(tmp_path / "victim")
    with pytest.raises(UsageError, match="is a link to another file"):
        place_for(results, None)


def test_the_state_of_sweeps_keeps_one_policy_for_all(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "latest.json").write_text('{"sweep": "20260101T000000Z-aaaaaa"}')
    night = written(tmp_path / "state/sweeps/20260101T000000Z-aaaaaa", [finding(1)], sources=["/data"])
    assert str(place_for(night, None)) == f"{tmp_path}/state/policy.yaml"


def _local(tmp_path: Path) -> FilePlace:
    place = in_output(OutputStore(str(tmp_path)), [])
    assert isinstance(place, FilePlace)
    return place


@pytest.mark.parametrize("make", [_local, lambda tmp_path: StorePlace(OutputStore(f"memory://{tmp_path.name}"))], ids=["local", "store"])
def test_suppressions_are_added_one_after_the_other(make: Callable[[Path], Any], tmp_path: Path) -> None:
    place = make(tmp_path)
    assert place.load().suppressions == ()
    place.add(entry(1))
    place.add(entry(2))
    assert [one.finding for one in place.load().suppressions] == [f"{number:032x}" for number in (1, 2)]


def test_two_people_who_decide_at_once_lose_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Between the first one's read and write, another adds an entry."""
    place = StorePlace(OutputStore(f"memory://{tmp_path.name}"))
    others = [entry(2)]
    write = conditional_writes.BestEffort.write

    def late(self: Any, data: bytes, version: str | None) -> str | None:
        if others:
            place.add(others.pop())
        return write(self, data, version)

    monkeypatch.setattr(conditional_writes.BestEffort, "write", late)
    place.add(entry(1))
    assert {one.finding for one in place.load().suppressions} == {f"{number:032x}" for number in (1, 2)}


def test_a_store_that_is_always_busy_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(conditional_writes.BestEffort, "write", lambda self, data, version: None)
    with pytest.raises(CannotRunError, match="keeps changing, so nothing was added"):
        StorePlace(OutputStore(f"memory://{tmp_path.name}")).add(entry(1))


def test_without_a_place_the_reason_is_said_when_something_is_decided() -> None:
    place = NoPlace("name the policy")
    assert place.load().suppressions == ()
    with pytest.raises(UsageError, match="name the policy"):
        place.add(entry(1))
