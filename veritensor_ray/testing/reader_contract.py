"""The contract that every reader keeps, as a test class. pytest rewrites the asserts of this module."""

from __future__ import annotations

import re
import tracemalloc
from typing import Any, ClassVar

from veritensor_ray.core.segments import Block
from veritensor_ray.formats.common.source import Member
from veritensor_ray.testing.engine_contract import without_network
from veritensor_ray.testing.format_contract import (
    CUTS,
    ENDLESS,
    LAST,
    MOST_HELD,
    REPEATED,
    OfFormat,
    Padded,
    SampleDocument,
    drain,
    until_error,
)


class ReaderContract(OfFormat):
    """Inherit from this in a test class, and set `row` and `documents`; pytest runs the rest.

    Set `is_structured` to False for a format in which what is cut off cannot be known, such as plain text.
    """

    is_structured: ClassVar[bool] = True

    def test_the_row_says_what_it_must(self) -> None:
        self.known()
        assert self.row.title
        assert re.fullmatch(r"[a-z]+/[a-z0-9.+-]+", self.row.media_type)
        assert all(re.fullmatch(r"\.[a-z0-9]+", extension) for extension in (*self.row.extensions, *self.row.also))
        assert self.row.read or self.row.family == "text", "the row must name a reader"
        assert self.row.version or (self.row.read or ".").startswith("."), "a plug-in's row must have a version"

    def test_its_files_are_recognised(self) -> None:
        for document in self.known():
            assert self.is_recognised(document.data, document), (
                "the magics, the beginning, the opening or the extension must identify the format"
            )

    def test_every_text_is_read(self) -> None:
        for document in self.known():
            reading = self.read(document.data, document)
            assert reading.lacks(document) == [], "these texts or members are not read"
            assert not reading.told, "a complete file has no gap and no error"
            assert document.texts or document.members, "a document must list what is read from it"

    def test_two_readings_are_equal(self) -> None:
        for document in self.known():
            assert self.read(document.data, document) == self.read(document.data, document)

    def test_locations_lead_back(self) -> None:
        for document in self.known():
            nowhere = [one.text for one in self.read(document.data, document).texts if one.is_nowhere]
            assert len(nowhere) < 2, f"the locations of these texts lead nowhere: {nowhere}"
            self._check_offsets(document)

    def test_what_is_cut_off_is_told(self) -> None:
        if not self.is_structured:
            import pytest

            pytest.skip("the format has no structure that shows where it is cut off")
        for document in self.known():
            size = len(document.data)
            for at in sorted({size * part // CUTS for part in range(CUTS)} | set(range(max(0, size - LAST), size))):
                if not at or not self.is_recognised(data := document.data[:at], document):
                    continue  # what remains is empty, or a file of another type that is read as such
                reading = self.read(data, document)
                assert reading.told or not reading.lacks(document), f"cut off at byte {at}: {reading.lacks(document)} are lost in silence"

    def test_damage_raises_only_read_errors(self) -> None:
        for document in self.known():
            for data in self.damaged(document):
                self.read(data, document)  # anything but ReadError fails the test

    def test_large_files_are_not_held(self) -> None:
        for document in self.known():
            if self.is_structured:
                self._check_memory(document)
            padded = Padded(document.data, document.data, REPEATED)
            for item in until_error(self.items(self.source(padded, document))):
                assert self.is_structured or padded.tell() < REPEATED, "the first texts must come before the whole file is read"
                if isinstance(item, Block):
                    break
            assert not padded.greedy, f"read() asked for {padded.greedy} bytes at once; read pieces, or compare a length with a bound first"

    def test_no_socket_is_opened(self, monkeypatch: Any) -> None:
        documents = self.known()
        with without_network(monkeypatch):
            for document in documents:
                self.read(document.data, document)

    def _check_memory(self, document: SampleDocument) -> None:
        """Checks that a reader does not hold what follows the document."""
        endless = Padded(document.data, bytes(1), ENDLESS)
        tracemalloc.start()
        try:
            for item in until_error(self.items(self.source(endless, document))):
                if isinstance(item, Member):
                    drain(item.file)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert not endless.greedy, f"read() asked for {endless.greedy} bytes at once; read pieces, or compare a length with a bound first"
        assert peak < MOST_HELD, f"{peak:,} bytes were held"

    def _check_offsets(self, document: SampleDocument) -> None:
        """Checks that a byte offset leads to the text, and a line to a line of the file."""
        kind = self.source(document.data, document).kind
        lines = len(document.data.decode(kind.encoding or "utf-8", "replace").splitlines())
        for item in self.items(self.source(document.data, document)):
            if not isinstance(item, Block) or item.origins is not None or not len(item.texts):
                continue
            first = str(item.texts[0])[:16]
            if item.byte_offset is not None:
                byte = item.byte_offset if isinstance(item.byte_offset, int) else item.byte_offset[0]
                at = document.data[byte:][: 4 * len(first)].decode(kind.encoding or "utf-8", "replace")
                assert at.startswith(first), f"byte {byte} is not where {first!r} begins"
            numbers = [item.line] if isinstance(item.line, int) else item.line or ()
            assert not kind.is_text or all(1 <= int(line) <= max(lines, 1) for line in numbers), "a line must be one of the file"
