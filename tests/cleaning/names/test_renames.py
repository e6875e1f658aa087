"""The table of new names: it finds the same as a search for each name alone, and writes names as the text around them does."""

from __future__ import annotations

import pickle
import random

import pytest

from veritensor_ray.cleaning.names import renames
from veritensor_ray.cleaning.names.renames import RenamedPart, Renames, as_table, of_tables
from veritensor_ray.core import bounds

NAMES = ["a@b.co", "invoice_4929421234567897.csv", "invoice_4929421234567898.csv", "invoice_49", "ada@kaldor.com", "ada@kaldor.com.md", "K1.x", "été@kaldor.com"]  # fmt: skip


def table(*names: str) -> Renames:
    made = Renames.of(RenamedPart(name, f"new {number}", bare=True) for number, name in enumerate(names))
    assert made is not None
    return made


@pytest.mark.parametrize("seed", range(20))
def test_it_finds_what_a_search_for_each_name_finds(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    draw = random.Random(seed)
    monkeypatch.setattr(renames, "_AT_ONCE", draw.choice((1, 7, 64, 1 << 16)))
    pieces = [draw.choice([*NAMES, draw.choice(NAMES)[: draw.randrange(9)], draw.choice("x/. @é")]) for _ in range(60)]
    data = "".join(pieces).encode()
    expected = {(at, at + len(name)) for one in NAMES for name in [one.encode()] for at in range(len(data)) if data.startswith(name, at)}
    found = [(one.start, one.end) for one in table(*NAMES).found(data)]
    assert set(found) == expected
    assert found == sorted(found, key=lambda one: (one[0], -one[1]))


def test_an_empty_table_and_empty_data() -> None:
    assert Renames.of([]) is None
    assert [*table(*NAMES).found(b"")] == []
    assert [*table("abc").found(b"abc abc")] == [], "which is too short to be looked for"
    assert "abc" in table("abc"), "but renamed nevertheless"


@pytest.mark.parametrize(
    ("text", "new"),
    [
        ("ada@k.com.md", "T [X]@é.md"),
        ("ada%40k.com.md", "T%20%5BX%5D%40%C3%A9.md"),
        ("ad%61@k.com.md", "T%20%5BX%5D@%C3%A9.md"),
        ("ada@k.com", None),
    ],
)
def test_a_new_name_is_written_as_the_old_one(text: str, new: str | None) -> None:
    made = Renames.of([RenamedPart("ada@k.com.md", "T [X]@é.md", bare=True)])
    assert made is not None
    assert made.new(text) == new


def test_of_different_new_names_one_is_chosen_whatever_their_order() -> None:
    some = [RenamedPart("ada@k.com", new, bare) for new, bare in (("b", False), ("a", True), ("c", False))]
    for parts in (some, some[::-1]):
        made = Renames.of(parts)
        assert made is not None
        assert (len(made), made.new("ada@k.com"), [one.bare for one in made.found(b"ada@k.com")]) == (1, "a", [True])


def test_it_travels_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    parts = [RenamedPart(name, f"new {name}", bare=False) for name in NAMES]
    made = of_tables([as_table(parts[:3]), as_table([]), as_table(parts[3:])])
    assert made is not None
    buffers: list[pickle.PickleBuffer] = []
    there: Renames = pickle.loads(pickle.dumps(made, 5, buffer_callback=buffers.append), buffers=buffers)  # noqa: S301  # its own
    assert [there.new(name) for name in NAMES] == [f"new {name}" for name in NAMES]
    columns = [chunk for column in made.table.columns for chunk in column.chunks]
    assert len(buffers) >= len([one for chunk in columns for one in chunk.buffers() if one]), "which processes of a machine share"
    monkeypatch.setattr(bounds, "RENAMES", 3)
    cut = of_tables([as_table(parts)])
    assert cut is not None
    assert (len(cut), cut.complete, made.complete) == (3, False, True)


def test_names_that_begin_alike_cost_nothing_where_none_of_them_stands() -> None:
    """Each letter of this text may begin any of 240 names: a search that tries them one after the other takes hours for a large file."""
    made = table(*("a" * length + "@kaldor.com" for length in range(8, 248)))
    assert [*made.found(b"a" * (1 << 24))] == []
    assert [(one.start, one.end) for one in made.found(b"a" * 300 + b"@kaldor.com")][:1] == [(53, 311)]
