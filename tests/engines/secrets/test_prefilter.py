"""What is skipped could not have been found: the pass over all words, and names that a short word follows."""

from __future__ import annotations

import functools
import random
from pathlib import Path

import pytest

from tests.cases import each
from tests.engines.secrets.building import batch
from veritensor_ray.core.config import Settings
from veritensor_ray.engines import automaton
from veritensor_ray.engines.base import Hit
from veritensor_ray.engines.secrets import Secrets, assignments
from veritensor_ray.engines.secrets.assignments import AssignedValue, is_hopeless, judged, values_after
from veritensor_ray.engines.secrets.extents import TextWithValues
from veritensor_ray.engines.secrets.prefilter import Prefilter

ROOT = Path(__file__).parents[3]
REAL = [
    path.read_text(encoding="utf-8")
    for folder in ("docs", "tests/engines/secrets", "veritensor_ray/core/config.py")
    for path in sorted((ROOT / folder).rglob("*.*") if (ROOT / folder).is_dir() else [ROOT / folder])
    if path.suffix in (".md", ".py")
]
WORDS = ["key", "token", "password", "my_secret", "--api-key", "auth", "is", "was", "value", "=", ":", "=>", "(", "'Zk4_pq9Lw2xT'", '"a8Kd03kslQ1"', "b'9dk2Lq0s'",
         "hunter2", "x9Kq2mPz7RtY4wVb", "the", "of", "-String", "-", ",", "\n", "  ", "\t", "{", "}", "default", "ConvertTo", "é", "\xa0", ".", "1234"]  # fmt: skip


def made(seed: int, count: int = 4000) -> str:
    chance = random.Random(seed)
    return "".join(chance.choice(WORDS) + chance.choice(["", " ", " ", " "]) for _ in range(count))


HOSTILE = [
    "AKIA" * 3000,
    "?token=" * 2000,
    "".join(f"?token={n}" for n in range(2000)),
    "key" * 3000,
    "password: x " * 900,
    "{kty" * 500,
    "\x00\xff" * 900,
]


@functools.cache
def secrets() -> Secrets:
    return Secrets(Settings())


def hits(text: str, path: str) -> list[Hit]:
    return secrets().scan_text(batch([text], path))


@pytest.mark.skipif(not automaton.available(), reason="there is no Hyperscan for this machine")
def test_words_are_found_with_and_without_an_automaton(monkeypatch: pytest.MonkeyPatch) -> None:
    exact, any_case = [("AKIA", 1), ("/S[UA][A-Z2-7]{3}/", 2), ("$2a$", 3), ("://", 3)], [("key", 4), ("_pat", 5), ("auth = (", 5)]
    fast = Prefilter(exact, any_case)
    monkeypatch.setattr(automaton, "available", lambda: False)
    slow = Prefilter(exact, any_case)
    for text in [*REAL, *HOSTILE, "AKIAKIA KeykEY _PAT $2a$ SUABCSAABC AUTH = (", ""]:
        assert fast.find(text.encode()) == slow.find(text.encode())


def test_a_word_of_any_length_is_refused() -> None:
    with pytest.raises(ValueError, match="no fixed length"):
        Prefilter([("/a[bc]+/", 1)], [])


PATHS = ["notes.txt", "code.py", "settings.yaml", "none"]


@pytest.mark.parametrize(
    ("path", "texts"),
    [
        *(pytest.param(path, [*HOSTILE, *map(made, range(3))], id=f"made {path}") for path in PATHS),
        *(pytest.param(path, REAL, id=f"real {path}") for path in PATHS),
    ],
)
def test_findings_are_those_of_looking_behind_every_name(path: str, texts: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    fast = [hits(text, path) for text in texts]
    monkeypatch.setattr(assignments, "is_hopeless", lambda *_: False)
    assert fast == [hits(text, path) for text in texts]
    assert sum(map(len, fast)) > 20


@each(
    ("text", "hopeless"),
    [
        ("key of the kingdom", True),
        ("token  handling, mostly", True),
        ("key is Zk4_pq9Lw2xT", False),
        ("key value", False),
        ("key x9Kq2mPz7RtY4wVb", False),
        ("key b'9dk2Lq0s'", False),
        ("key name 'abc'", False),
        ("key fn('abc')", False),
        ("key = 3", False),
        ("key: 3", False),
    ],
)
def test_what_stands_behind_a_name(text: str, hopeless: bool) -> None:
    end = text.index(" ") if text[3:4] != ":" else 3
    assert is_hopeless(text, 0, end) is hopeless
    if hopeless:
        assert not any(judged(text[:end], value, "txt") for value in values_after(TextWithValues(text), 0, end, "txt"))


def test_the_name_of_an_option_is_looked_behind() -> None:
    assert not is_hopeless("--password hunter2x", 2, 10)


def test_equal_values_are_judged_once() -> None:
    assignments._judged.cache_clear()
    for place in range(500):
        judged("password", AssignedValue("hunter2x!", place, True, "assign"), "txt")
    assert assignments._judged.cache_info().misses == 1
