"""The table of packages is whole, names no licence that forbids training, and what is read out of files is their text."""

from __future__ import annotations

import json
import re

import pytest

from training.corpora import (  # fmt: skip
    PIECE,
    READ_AS,
    decode,
    fluent_strings,
    json_strings,
    mail_text,
    notebook_cells,
    page_text,
    pieces,
    po_strings,
    quoted_strings,
    sources,
)
from training.documents import COPYLEFT

SOURCES = sources()


def test_every_row_can_be_fetched_and_read() -> None:
    assert len(SOURCES) > 200
    for source in SOURCES:
        assert source.registry in ("npm", "pypi", "sdist", "debian")
        assert source.read_as in READ_AS
        assert 0 < source.megabytes <= 5
        re.compile(source.files)


def test_no_licence_forbids_training_on_it() -> None:
    assert [source.package for source in SOURCES if COPYLEFT.search(source.licence) or not source.licence] == []


def test_no_package_is_taken_twice_for_a_kind() -> None:
    assert len({(source.kind, source.package) for source in SOURCES}) == len(SOURCES)


@pytest.mark.parametrize(
    ("read", "text", "expected"),
    [
        (po_strings, 'msgid ""\nmsgstr "Language: de"\n\nmsgid "Open"\nmsgstr "Öff"\n"nen"\n\nmsgid "x"\nmsgstr ""\n', "Öffnen"),
        (json_strings, json.dumps({"a": ["one", 2, {"b": "two"}], "c": None}), "one\ntwo"),
        (json_strings, "{", ""),
        (quoted_strings, "x = 'Save changes'; y = 'name'; z = \"Größe\"; u = 'https://a.example/b c'", "Save changes\nGröße"),
        (fluent_strings, "# a comment\nopen = Open the file\n    .title = Press to open\n", "Open the file\nPress to open"),
        (notebook_cells, json.dumps({"cells": [{"source": ["import a\n", "a.b"], "outputs": ["no"]}, {"source": "# Title"}]}), "import a\na.b\n\n# Title"),
        (notebook_cells, "no notebook", ""),
        (mail_text, "Subject: Hi\nContent-Type: text/plain\n\nSee you.", "Subject: Hi\nContent-Type: text/plain\n\nSee you."),
        (page_text, "<head><title>t</title></head><p>Tea &amp; cake</p>\n\n\n<script>x()</script><p>at four</p>", "Tea & cake\nat four"),
    ],
)  # fmt: skip
def test_text_is_read_out_of_files(read: object, text: str, expected: str) -> None:
    assert callable(read)
    assert read(text) == expected


@pytest.mark.parametrize(("raw", "expected"), [(b"\xef\xbb\xbfa\r\nb\rc", "a\nb\nc"), ("naïve".encode("cp1252"), "naïve"), (b"a\0b", "")])
def test_bytes_are_decoded_or_left(raw: bytes, expected: str) -> None:
    assert decode(raw) == expected


def test_a_long_text_is_cut_at_ends_of_lines_and_nothing_is_lost() -> None:
    text = "".join(f"line {number}\n" for number in range(5_000))
    found = list(pieces(text))
    assert len(found) > 1
    assert "\n".join(found) == text.strip("\n")
    assert max(map(len, found)) <= PIECE
