"""Every text that the reader of an office document reads can be changed, and nothing else is."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable, Iterator
from typing import Any
from xml.etree import ElementTree
from xml.sax.saxutils import escape

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.formats.office import building
from tests.formats.office.test_rewrite import presentation, word_document, workbook
from veritensor_ray.core.config import Limits
from veritensor_ray.core.origins import Origins
from veritensor_ray.core.segments import Block
from veritensor_ray.formats.editing.actions import Action
from veritensor_ray.formats.editing.edits import Order, Orders
from veritensor_ray.formats.editing.marks import Mark
from veritensor_ray.formats.format_registry import reader_for, rewrite
from veritensor_ray.formats.opened_files import opened


def texts(data: bytes, name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The texts of a document with their positions."""
    source = opened(io.BytesIO(data), name, Limits())
    reader = reader_for(source.kind)
    assert reader is not None
    for block in reader(source):
        if isinstance(block, Block):
            for number, text in enumerate(block.texts):
                fields = {key: getattr(block, key) for key in ("part", "row", "column", "view", "start", "origins")}
                yield text, {key: value[number] if isinstance(value, list) else value for key, value in fields.items()}


def marks(data: bytes, name: str, pattern: str) -> Iterator[Mark]:
    """A mark for each match, as a run makes it of a hit."""
    for text, at in texts(data, name):
        for match in re.finditer(pattern, text):
            start, end = ((at["start"] or 0) + place for place in match.span())
            if at["origins"]:
                origins = Origins.of(at["origins"])
                start, end = origins.back(len(text), match.start())[0], origins.back(len(text), match.end() - 1)[1]
            unit = (at["part"], None, at["row"], at["column"], at["view"])
            yield Mark("test.rule", "high", None, *unit, None, start, end, match[0], not at["origins"])


def masked(data: bytes, name: str, pattern: str, new: str) -> tuple[bytes, list[Mark]]:
    """The document with all matches replaced, and the marks that were left undone."""
    ordered = [Order(number, mark, Action.MASK, False) for number, mark in enumerate(marks(data, name, pattern))]
    orders = Orders(ordered, frozenset(), lambda mark, action, keep, original: new)
    out = io.BytesIO()
    rewrite(opened(io.BytesIO(data), name, Limits()), out, orders)
    return out.getvalue(), [order.mark for order in orders.undone]


def saved(name: str) -> Callable[[], bytes]:
    return (building.FILES / name).read_bytes


DOCUMENTS: dict[str, Callable[[], bytes]] = {
    "letter.docx": saved("letter.docx"),
    "sheets.xlsx": saved("sheets.xlsx"),
    "slides.pptx": saved("slides.pptx"),
    "letter.odt": saved("letter.odt"),
    "sheets.ods": saved("sheets.ods"),
    "slides.odp": saved("slides.odp"),
    "letter.fodt": saved("letter.fodt"),
    "own.docx": word_document,
    "own.xlsx": workbook,
    "own.pptx": presentation,
}
WORD = r"[^\W\d_]{4,}"


@pytest.mark.slow
@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_word_that_is_read_can_be_changed(name: str) -> None:
    before = DOCUMENTS[name]()
    data, undone = masked(before, name, WORD, "7")
    assert masked(before, name, WORD, "7")[0] == data, "equal orders give equal bytes"
    assert {mark.column for mark in undone if mark.view != "residue"} <= {"sheet"}, "formulas refer to sheets by their names"
    assert {mark.column for mark in marks(data, name, WORD) if mark.view != "residue"} <= {"sheet"}


def shape(data: bytes) -> dict[str, list[tuple[str, list[str]]]]:
    """The elements of each part with the names of their attributes."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {
            name: [(element.tag, sorted(element.attrib)) for element in ElementTree.fromstring(archive.read(name)).iter()]  # noqa: S314
            for name in archive.namelist()
            if name.endswith((".xml", ".rels")) and not name.endswith("[Content_Types].xml")
        }


@pytest.mark.parametrize("name", ["letter.docx", "sheets.xlsx", "slides.pptx"])
def test_the_structure_stays(name: str) -> None:
    before = DOCUMENTS[name]()
    after, _ = masked(before, name, r"\b[a-z]{4,}\b", "7")
    assert shape(after) == {part: found for part, found in shape(before).items() if part in shape(after)}


PIECE = st.sampled_from(["K", "E", "Y", "KEY", "xKEYx", "KE"]) | st.text(st.sampled_from("aKEY1 @.&<>\"'é\u00ad😀]\n\t"), max_size=12)
RUNS = st.lists(st.tuples(PIECE, st.booleans(), st.booleans()), max_size=6)


@settings(max_examples=60, deadline=None)
@given(paragraphs=st.lists(RUNS, min_size=1, max_size=4))
def test_runs_of_any_kind(paragraphs: list[list[tuple[str, bool, bool]]]) -> None:
    """A value is replaced wherever it is read, even across runs; every other character is read as before."""
    data = building.docx("".join(f"<w:p>{''.join(map(run, runs))}</w:p>" for runs in paragraphs))
    after, undone = masked(data, "a.docx", "KEY", "[X]")
    assert undone == []
    keep = ("part", "view", "column")
    read = [[(text, *(at[key] for key in keep)) for text, at in texts(one, "a.docx")] for one in (data, after)]
    assert read[1] == [(text.replace("KEY", "[X]"), *rest) for text, *rest in read[0]]
    assert shape(after) == shape(data)


def run(piece: tuple[str, bool, bool]) -> str:
    text, hidden, quoted = piece
    content = f"<![CDATA[{text}]]>" if quoted and "]]>" not in text else escape(text)
    return f"<w:r>{'<w:rPr><w:vanish/></w:rPr>' if hidden else ''}<w:t>{content}</w:t></w:r>"
