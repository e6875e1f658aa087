"""Texts full of hits: what neighbours share gives the rows that each would have by itself, and work grows with the text and not with its square."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.findings.building import RULE, batch, rows_of, rule
from veritensor_ray.core.detection import Hit
from veritensor_ray.core.origins import Origin
from veritensor_ray.core.text_positions import Columns
from veritensor_ray.findings.recorded import Recorded
from veritensor_ray.findings.recorder import Recorder, _DisjointSpans
from veritensor_ray.masking import evidence
from veritensor_ray.masking.evidence import SharedMasks, around
from veritensor_ray.masking.redaction import mask

SECRET, PERSONAL = rule("test.secret", category="secret"), rule("test.person", category="pii")
_KINDS = (RULE, SECRET, PERSONAL)


def _rows(text: str, word: str, kind: Any = RULE, **place: Any) -> list[dict[str, Any]]:
    made = Recorder({one.id: one for one in _KINDS}, b"key", 1000)
    hits = [Hit(kind.id, found.start(), found.end(), 0) for found in re.finditer(word, text)]
    made.text_hits("test", batch([text], **place), hits)
    return rows_of(made) if made.by_artifact else []


_MADE_OF = (
    "the quick brown fox ", "jane.miller@mail.org ", "4111 1111 1111 1111\n", "password = hunter2X! ", "AKIAIOSFODNN7EXAMPLE ", "https://u:pw12345@h.org/ ",
    "bad", " bad ", "é漢 ", "\n\n", "x" * 90 + " ",
)  # fmt: skip


@pytest.mark.parametrize("kind", _KINDS, ids=lambda kind: kind.category)
@given(st.lists(st.sampled_from(_MADE_OF), min_size=1, max_size=60).map("".join))
def test_neighbours_show_what_each_would_show_by_itself(kind: Any, text: str) -> None:
    """Where no secret or number is so long that the cut around a hit goes through it."""
    together = _rows(text, "bad|fox", kind, line=1, byte_offset=0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evidence, "_PIECE", 0)  # each hit has a piece of its own
        patch.setattr(Recorded, "known_enough", lambda *_: False)  # and a row of its own
        assert together == _rows(text, "bad|fox", kind, line=1, byte_offset=0)


def test_what_hits_share_is_masked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    looked = []
    for size in (20_000, 80_000):
        text, masked = "jane@mail.org " * (size // 14), list[int]()
        monkeypatch.setattr(evidence, "mask", lambda piece, note, masked=masked: masked.append(len(piece)) or mask(piece, note))
        _rows(text, "jane", PERSONAL)
        looked.append(sum(masked))
        assert sum(masked) <= 1.3 * size
    assert looked[1] <= 4.5 * looked[0]


@given(st.lists(st.tuples(st.integers(0, 900), st.integers(0, 300)), max_size=30))
def test_every_hit_has_all_of_its_window(hits: list[tuple[int, int]]) -> None:
    text = "".join(chr(97 + i % 23) for i in range(1000))
    windows = [around(len(text), start, start + size) for start, size in sorted(hits)]
    shared = SharedMasks(text, windows)
    for number, (left, right) in enumerate(windows):
        assert shared.of(number, left, right, lambda *_: None) == text[left:right]


class _Encoded(str):
    """A text that says how many of its characters were taken out to be counted in bytes."""

    taken = 0

    def __getitem__(self, key: Any) -> str:
        part = super().__getitem__(key)
        type(self).taken += len(part)
        return part


def test_bytes_before_hits_are_counted_on() -> None:
    text = _Encoded("é bad " * 500)
    place = Columns(batch([str(text)], line=1, byte_offset=7), (0,)).at(0)
    place.text = text
    found = [place.location(Hit(RULE.id, match.start(), match.end(), 0))["byte_offset"] for match in re.finditer("bad", str(text))]
    assert found == [7 + len(text[: match.start()].encode()) for match in re.finditer("bad", str(text))]
    _Encoded.taken = 0
    for match in re.finditer("bad", str(text)):
        place.location(Hit(RULE.id, match.start(), match.end(), 0))
    assert _Encoded.taken <= len(text)


def test_places_come_in_any_order() -> None:
    place = Columns(batch(["ä\nb bad ü\nbad"], line=3, byte_offset=0), (0,)).at(0)
    for at in (10, 4, 10, 0):
        found = place.location(Hit(RULE.id, at, at + 3, 0))
        assert (found["line"], found["byte_offset"]) == (3 + place.text.count("\n", 0, at), len(place.text[:at].encode()))


def test_origins_of_a_text_that_was_changed_everywhere_are_looked_up_one_by_one() -> None:
    text = "bad " * 2000
    origins = [[Origin(at, 2 * at, 2 * at + 1, 1 + at // 100) for at in range(len(text))]]
    (row,) = _rows(text, "bad", origins=origins, view="decoded")
    assert [(place["start"], place["end"], place["line"]) for place in row["places"][:3]] == [(0, 5, 1), (8, 13, 1), (16, 21, 1)]
    assert sum(row["counts"]) == 2000


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 30), st.integers(1, 6)), max_size=40))
def test_ranges_in_order_answer_as_a_list_of_them(asked: list[tuple[bool, int, int]]) -> None:
    spans, plain = _DisjointSpans(), list[tuple[int, int]]()
    for is_new, start, size in asked:
        end = start + size
        assert spans.meets(start, end) == any(start < last and first < end for first, last in plain)
        if is_new:
            spans.add(start, end)
            plain.append((start, end))
    assert len(spans) <= len(plain)
