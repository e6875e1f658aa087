"""Small faults that are drawn by a seed, and whether tests catch them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tools.small_faults import Fault, drawn, faults_in, files_for, main

SOURCE = b"""
def age(years: int, seen: list[int]) -> str:
    seen.append(years)
    if years < 18:
        return "\xc3\xa9l\xc3\xa8ve"
    return "adult"
"""
TEST = """
from veritensor_ray.people.ages import age

def test_age() -> None:
    assert age(17, []) != age(18, [])
"""


def faulty(fault: Fault) -> str:
    return (SOURCE[: fault.start] + fault.text.encode() + SOURCE[fault.end :]).decode()


def test_each_kind_of_fault() -> None:
    made = {fault.kind: faulty(fault) for fault in faults_in("ages.py", SOURCE)}
    original = SOURCE.decode()
    assert made == {
        "a comparison turned": original.replace("years < 18", "(years <= 18)"),
        "a bound moved by one": original.replace("18", "19"),
        "a branch left out": original.replace("years < 18", "False"),
        "a call left out": original.replace("seen.append(years)", "None"),
    }


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for name, text in {"veritensor_ray/people/ages.py": SOURCE.decode(), "tests/people/test_ages.py": TEST}.items():
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_a_seed_draws_the_same_faults(checkout: Path) -> None:
    assert drawn([checkout], 3, 2) == drawn([checkout], 3, 2)
    assert len(drawn([checkout], 3, 120)) == 4


def test_what_differs_between_checkouts_is_left_alone(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    assert drawn([checkout, tmp_path_factory.mktemp("other")], 3, 120) == []


def test_the_tests_of_a_module_are_named_after_it_or_mention_it(checkout: Path) -> None:
    (checkout / "tests/test_all.py").write_text("from veritensor_ray.people import ages\n")
    (checkout / "tests/people/test_names.py").write_text("import this\n")
    assert files_for(checkout, "veritensor_ray/people/ages.py") == ["tests/people/test_ages.py", "tests/test_all.py"]
    assert files_for(checkout, "veritensor_ray/people/names_of_dogs.py") == ["tests/people/test_ages.py", "tests/people/test_names.py"]


def test_what_catches_a_fault_is_named_and_the_module_is_left_as_it_was(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["small_faults", str(checkout), f"{checkout}=-k nothing", "--seed", "3"])
    main()
    said = capsys.readouterr().out.replace(str(checkout), "HERE")
    assert "a comparison turned: tests/people/test_ages.py::test_age" in said
    assert "a call left out: missed" in said
    assert "a branch left out: tests/people/test_ages.py::test_age" in said
    assert "a bound moved by one: tests/people/test_ages.py::test_age" in said
    assert said.endswith("HERE: 3 of 4 caught\nHERE -k nothing: 3 of 4 caught\n")
    assert (checkout / "veritensor_ray/people/ages.py").read_bytes() == SOURCE
