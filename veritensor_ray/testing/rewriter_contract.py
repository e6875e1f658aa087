"""The contract that every rewriter keeps, as a test class. pytest rewrites the asserts of this module."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from typing import BinaryIO, ClassVar, cast

from veritensor_ray.core.errors import ReadError
from veritensor_ray.formats.editing.actions import Action, CannotRewriteError
from veritensor_ray.formats.editing.edits import Order, Orders, Unit
from veritensor_ray.formats.format_registry import rewrite
from veritensor_ray.testing.format_contract import (
    REPEATED,
    Discarding,
    OfFormat,
    Padded,
    ReadText,
    SampleDocument,
    bare,
    order_for,
    orders_of,
)


class RewriterContract(OfFormat):
    """Inherit from this in a test class, and set `row` and `documents`; pytest runs the rest. Keep the contract of readers first.

    `other_bytes` is the number of bytes that may change besides those of an edit of the same length, for checksums; None says that the
    format is compressed.
    """

    other_bytes: ClassVar[int | None] = 0

    def test_a_file_without_edits_stays_as_it_is(self) -> None:
        for document in self.known():
            assert self.rewritten(document, [])[0] == document.data

    def test_each_text_can_be_changed(self) -> None:
        for document in self.known():
            texts = (found := self.read(document.data, document)).worded
            assert texts or found.worded_members, "a document must have a text with a word, or a file with one, so that it can be changed"
            for mask in ("X", "", "a longer mask"):
                for one in texts:
                    self._check_changed(document, one, mask)

    def test_each_file_inside_can_be_changed(self) -> None:
        for document in self.known():
            before = self.read(document.data, document)
            for number, text in before.worded_members:
                order = text.order()
                order = order._replace(mark=order.mark._replace(member=before.names[number]))
                for mask in ("X", "", "a longer mask"):
                    data, orders = self.rewritten(document, [order], mask)
                    assert not orders.undone, f"the edit in {before.names[number]!r} stays undone"
                    expected = [text.masked(mask).encode() if at == number else one for at, one in enumerate(before.members)]
                    assert self.read(data, document).members == expected, "exactly the file with the order must change"

    def test_all_texts_can_be_changed_at_once(self) -> None:
        for document in self.known():
            before = self.read(document.data, document)
            data, orders = self.rewritten(document, [one.order(number) for number, one in enumerate(before.worded)])
            assert not orders.undone
            assert self.read(data, document).words == [one.masked("MASKED") for one in before.texts]

    def test_no_other_byte_changes(self) -> None:
        if self.other_bytes is None:
            import pytest

            pytest.skip("the format is compressed")
        for document in self.known():
            for one in self.read(document.data, document).worded:
                order = one.order()
                size = len((order.mark.text or "").encode())
                data, _ = self.rewritten(document, [order], "X" * size)
                assert len(data) == len(document.data), "a mask of the same length must not change the length of the file"
                changed = sum(a != b for a, b in zip(data, document.data, strict=True))
                assert changed <= size + self.other_bytes, f"{changed} bytes changed instead of {size}"

    def test_a_row_is_dropped_or_said_to_stay(self) -> None:
        for document in self.known():
            for one in (texts := self.read(document.data, document).texts):
                if one.unit.row is None:
                    continue
                order = order_for(0, one.unit, 0, 0, "")._replace(action=Action.DROP_ROW)
                try:
                    data, orders = self.rewritten(document, [order])
                except CannotRewriteError:
                    continue
                rest = [other.text for other in texts if other.unit.row != one.unit.row]
                left = [other.text for other in texts] if orders.undone else rest
                assert bare(self.read(data, document).words) == bare(left), f"row {one.unit.row} is not dropped, or more than it"

    def test_an_edit_that_is_not_at_its_place_is_not_made(self) -> None:
        for document in self.known():
            unit = next((one.unit for one in self.read(document.data, document).texts), Unit())
            for order in (order_for(0, unit, 0, 7, "nowhere"), order_for(0, unit._replace(row=10**6), 0, 3, "abc")):
                try:
                    data, orders = self.rewritten(document, [order])
                except CannotRewriteError:
                    continue
                assert orders.undone, "an edit whose text is not there must stay undone, so that the file is held back"
                assert self.read(data, document).words == self.read(document.data, document).words

    def test_damage_raises_only_what_callers_expect(self) -> None:
        for document in self.known():
            for data in self.damaged(document):
                self._check_damaged(SampleDocument(data, name=document.name), document)

    def test_large_files_are_not_held(self) -> None:
        for document in self.known():
            padded = Padded(document.data, document.data, REPEATED // 16)
            with contextlib.suppress(CannotRewriteError, ReadError):
                rewrite(
                    self.source(padded, document),
                    cast("BinaryIO", Discarding()),
                    orders_of([order_for(0, Unit(row=10**6), 0, 3, "abc")], "X"),
                )
            assert not padded.greedy, f"read() asked for {padded.greedy} bytes at once; copy pieces"

    def rewritten(self, document: SampleDocument, orders: Sequence[Order], mask: str = "MASKED") -> tuple[bytes, Orders]:
        """Returns the new file, and the orders after that."""
        told, out = orders_of(orders, mask), io.BytesIO()
        rewrite(self.source(document.data, document), out, told)
        return out.getvalue(), told

    def _check_changed(self, document: SampleDocument, text: ReadText, mask: str) -> None:
        """Checks that one text has changed as ordered, and that everything else is as it was."""
        before = self.read(document.data, document)
        data, orders = self.rewritten(document, [text.order()], mask)
        after = self.read(data, document)
        assert not orders.undone, f"the edit of {text.text!r} stays undone"
        expected = [one.masked(mask) if one == text else one.text for one in before.texts]
        assert bare(after.words) == bare(expected), "exactly the ordered text must change"
        assert after.members == before.members, "files inside must stay as they are"

    def _check_damaged(self, broken: SampleDocument, document: SampleDocument) -> None:
        """Checks that a damaged file is refused, or that an edit is made, or that it is said not to have been made."""
        before = self.read(broken.data, document)
        text = next(iter(before.worded), ReadText("abc", Unit(row=0)))
        told, out = orders_of([text.order()], "MASKED"), io.BytesIO()
        try:
            rewrite(self.source(broken.data, document), out, told)
        except (CannotRewriteError, ReadError):
            return
        if told.undone:
            return
        after = "".join(self.read(out.getvalue(), document).words)
        assert text.masked("MASKED")[:99] in after, "an edit counts as made, but the text is as it was"
