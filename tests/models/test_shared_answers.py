"""Equal texts are read once: by a process while it remembers them, and by the processes of a machine that share their answers."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from veritensor_ray.models import shared_answers
from veritensor_ray.models.shared_answers import ModelAnswers, Place, share

# asks about the words after the place, and prints those that it had to compute
OTHER = """
import sys
from veritensor_ray.models.shared_answers import ModelAnswers, share
path, device, inode, *words = sys.argv[1:]
place = share((path, int(device), int(inode)))
asked = []
lengths = ModelAnswers("lengths", int, int)
answers = lengths.of([word.encode() for word in words], words, lambda new: asked.extend(new) or map(len, new))
assert answers == [len(word) for word in words]
print(place[1:] == (int(device), int(inode)), *asked)
"""


def lengths(model: str = "lengths") -> ModelAnswers[str, int]:
    return ModelAnswers(model, int, int)


def computed(answers: ModelAnswers[str, int], *words: str) -> list[str]:
    """The words that had to be computed."""
    asked: list[str] = []

    def ask(new: list[str]) -> Iterator[int]:
        asked.extend(new)
        return map(len, new)

    assert answers.of([word.encode() for word in words], words, ask) == [len(word) for word in words]
    return asked


def other(place: Place, *words: str) -> list[str]:
    """What another process of this machine had to compute, after whether it shares its answers with this one."""
    done = subprocess.run([sys.executable, "-c", OTHER, *map(str, place), *words], capture_output=True, text=True, check=True)
    return done.stdout.split()


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    monkeypatch.setattr(shared_answers, "_log", None)
    found = share(None)
    if found is None:
        pytest.skip("this system has no files in memory")
    yield found
    assert shared_answers._log is not None
    shared_answers._log.close()


def test_equal_texts_are_computed_once() -> None:
    answers = lengths()
    assert computed(answers, "one", "three", "one") == ["one", "three"]
    assert computed(answers, "three", "seven", "one") == ["seven"]
    assert computed(answers) == []


def test_what_was_asked_for_last_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_answers, "_KNOWN", 3)
    answers = lengths()
    computed(answers, "a", "b", "c")
    computed(answers, "a")
    assert computed(answers, "d") == ["d"]
    assert computed(answers, "a", "c", "d") == []
    assert computed(answers, "b") == ["b"]
    assert len(computed(answers, *"ghijklmn")) == 8, "a call may ask about more than is remembered"
    assert len(answers) == 3


def test_processes_learn_from_each_other(place: Place) -> None:
    answers = lengths()
    assert computed(answers, "one", "three") == ["one", "three"]
    assert other(place, "one", "seven", "three") == ["True", "seven"]
    assert computed(answers, "seven", "eleven") == ["eleven"]
    assert other(place, "seven", "eleven") == ["True"], "answers outlive the process that gave them"
    assert computed(lengths("letters"), "one") == ["one"], "another model has other answers"


def test_without_a_place_each_process_remembers_for_itself(place: Place) -> None:
    computed(lengths(), "one")
    path, device, inode = place
    for wrong in (path, device, 0), ("/proc/self/fd/987654", device, inode), (f"{path}/no", device, inode):
        assert other(wrong, "one") == ["False", "one"]


def test_a_line_that_was_cut_costs_two_answers_and_no_more(place: Place) -> None:
    log = shared_answers._log
    assert log is not None
    os.write(log._descriptor, b'["lengths", "6f6e65", 3')  # and no line end: memory was short
    log.append(['["lengths", "74776f", 3]', '["lengths", "736978", 3]'])
    assert computed(lengths(), "one", "two", "six") == ["one", "two"]


def test_the_shared_answers_have_a_limit(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_answers, "_SHARED", 100)
    many = [f"word {number}" for number in range(20)]
    answers = lengths()
    computed(answers, *many)
    assert computed(answers, *many) == [], "this process still knows them"
    assert computed(lengths(), *many) == many
