"""Texts in memory: every hit once, each text for itself, and failures confined to one text."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any, BinaryIO

import pyarrow as pa
import pytest

from veritensor_ray.core.config import Limits
from veritensor_ray.core.detection import FileInfo, Hit, Rule
from veritensor_ray.pipeline.context import Workbench
from veritensor_ray.pipeline.texts_in_memory import TextResults, scan_texts

WORD = "needle"
RULES = {name: Rule(name, "t", "d", "prompt-injection", "medium", "r") for name in ("fake.text", "fake.bytes")}


class Fake:
    """Finds a word in texts and in bytes, and fails at another one. It remembers the columns that it saw."""

    name, version, needs = "fake", "1", None

    def __init__(self) -> None:
        self.columns: list[Any] = []

    def applies(self, about: FileInfo) -> bool:
        return True

    def load(self, models: Any) -> None:
        pass

    def rules(self) -> list[Rule]:
        return list(RULES.values())

    def fingerprint(self) -> str:
        return "fake"

    def scan_text(self, texts: pa.RecordBatch) -> list[Hit]:
        self.columns += texts.column("column").to_pylist()
        return [
            Hit("fake.text", at, at + len(WORD), row) for row, text in enumerate(texts.column("text").to_pylist()) for at in places(text)
        ]

    def scan_file(self, file: BinaryIO, about: FileInfo) -> Iterator[Hit]:
        data = file.read()
        at = data.find(WORD.encode())
        if at >= 0:
            yield Hit("fake.bytes", at, at + len(WORD))
        if b"boom" in data:
            raise ValueError("no")


def places(text: str) -> Iterator[int]:
    at = text.find(WORD)
    while at >= 0:
        yield at
        at = text.find(WORD, at + 1)


def scanned(texts: list[str], **options: Any) -> TextResults:
    limits = Limits(segment_chars=4096, overlap_chars=100)
    return scan_texts(Workbench((Fake(),), RULES), limits, texts, **options)  # type: ignore[arg-type]  # a fake


def found(results: TextResults, rule: str = "fake.text") -> dict[int, list[tuple[int, int]]]:
    every = {number: [(mark.start, mark.end) for mark in of.marks if mark.rule == rule] for number, of in results.recorded.items()}
    return {number: marks for number, marks in every.items() if marks}


def spans(text: str) -> list[tuple[int, int]]:
    return [(at, at + len(WORD)) for at in places(text)]


@pytest.mark.parametrize(
    "text", [WORD, f"ä😀{WORD} {WORD}", f"{'x' * 5000} {WORD} " * 7, f"{WORD}\n" * 3000], ids=["one", "two", "long", "many"]
)
def test_every_hit_is_there_once_at_its_characters(text: str) -> None:
    texts = ["nothing", text, "", text]
    assert found(scanned(texts)) == {1: spans(text), 3: spans(text)}


def test_hits_in_bytes_are_characters_too() -> None:
    assert found(scanned(["größer", f"größer 😀 {WORD}"]), "fake.bytes") == {1: [(9, 15)]}


def test_a_hit_in_an_encoded_text_has_the_place_of_the_encoding() -> None:
    encoded = base64.b64encode(f"some words and a {WORD} in clear text".encode()).decode()
    [mark] = scanned(["nothing", f"see {encoded}."]).recorded[1].marks
    assert (mark.view, mark.decoded_via, mark.straight) == ("decoded", "base64", False)
    assert 4 <= mark.start < mark.end <= 4 + len(encoded)


def test_an_encoded_file_is_left_to_the_caller() -> None:
    data = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 2
    [file] = scanned(["nothing", f"see {base64.b64encode(data).decode()} there"]).files
    assert (file.text, file.via, file.at, file.content) == (1, "base64", 4, data)


def test_a_failure_is_a_gap_of_its_text() -> None:
    results = scanned([WORD, f"boom {WORD}", WORD])
    ((number, gap),) = results.gaps
    assert (number, gap.reason.rpartition(" ")[0]) == (1, "fake failed: ValueError in test_texts_in_memory.py, line")
    assert found(results) == found(results, "fake.bytes") == {0: [(0, 6)], 1: [(5, 11)], 2: [(0, 6)]}


def test_rows_and_marks_go_together_and_rows_can_be_left_out() -> None:
    text = f"{WORD} " * 50
    shown, marked = scanned([text]), scanned([text], showing=False)
    rows = [(row["location"]["start"], row["location"]["end"]) for row in shown.recorded[0].rows if row["rule_id"] == "fake.text"]
    assert rows == found(shown)[0] == found(marked)[0] == spans(text)
    assert marked.recorded[0].rows == []


def test_engines_see_the_name_of_the_column() -> None:
    engine = Fake()
    scan_texts(Workbench((engine,), RULES), Limits(), ["a", "b"], "e-mail")  # type: ignore[arg-type]  # a fake
    assert engine.columns == ["e-mail", "e-mail"]
