"""Paragraphs: white space that flows, and the way back to every character."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from veritensor_ray.core.origins import Origin, Origins
from veritensor_ray.formats.common.joined_text import Paragraph

PIECES = st.lists(
    st.lists(st.sampled_from(["a", "bc", " ", "  ", "\n", "\t", "\r\n", "\f", "\u00a0", "é", "&", "&amp;", "&#65;"]), max_size=12).map(
        "".join
    ),
    max_size=4,
)


def _taken(pieces: list[str]) -> tuple[str, list[Origin]]:
    found: list[tuple[str, list[Origin]]] = []
    paragraph = Paragraph(lambda text, origins, owned: found.append((text, origins)))
    at, line = 0, 1
    for piece in pieces:
        paragraph.flow(piece, at, line)
        at += len(piece)
        line += piece.count("\n")
    paragraph.end()
    return found[0] if found else ("", [])


@settings(max_examples=300)
@given(PIECES)
def test_white_space_flows_as_one_space_and_every_character_leads_back(pieces: list[str]) -> None:
    source = "".join(pieces)
    text, origins = _taken(pieces)
    plain = re.sub(r"[ \t\n\r\f]+", " ", source).strip(" ")
    if not any(piece.rpartition("&")[2].isalnum() for piece in pieces):  # no reference is cut between two pieces
        plain = plain.replace("&amp;", "\0").replace("&#65;", "A").replace("\0", "&")
        assert text == plain
    every = Origins.of(origins)
    for at, character in enumerate(text):
        origin = origins[every.number(at)]
        start, end = every.back(len(text), at)
        assert origin.line == 1 + source.count("\n", 0, origin.start)
        if character != " " and end - start == 1:
            assert source[start] == character


@pytest.mark.parametrize("unit", ["&#65;", "&", "a &", "  a", "\ta", "\n\n a", "a\n"])
def test_work_grows_with_the_text(unit: str) -> None:
    """Counted in pieces: what is taken of twice the text is twice as much."""

    def pieces(count: int) -> int:
        text, origins = _taken(["x" + unit * count])
        return len(text) + len(origins)

    assert pieces(2_000) <= 2 * pieces(1_000) + 2
