"""Samples of the call stack are divided among the parts of the program."""

from __future__ import annotations

import pytest

from bench.samples import part_of
from bench.static_path import PARTS, REST


@pytest.mark.parametrize(
    ("modules", "part"),
    [
        ("formats/common/joined_text.py|formats/markup/html.py|pipeline/walk.py", "HTML: tags and paragraphs"),
        ("formats/markup/css/cascade.py|formats/markup/html.py", "HTML: style sheets"),
        ("engines/joined.py|engines/secrets/__init__.py|pipeline/scan.py", "engine secrets"),
        ("formats/mail/recognise.py|formats/recognition.py|pipeline/walk.py", "recognizing files"),
        ("core/detection.py|pipeline/walk.py|pipeline/extract.py", "walk over files"),
        ("", "walk over files"),
    ],
)
def test_a_sample_belongs_to_the_innermost_part(modules: str, part: str) -> None:
    assert part_of(modules, PARTS, REST) == part
