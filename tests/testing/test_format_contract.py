"""The contracts of readers and rewriters fail for one that breaks them, in the check that says so."""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, BinaryIO

import pytest

from veritensor_ray.core.errors import ReadError
from veritensor_ray.core.media_types import Format
from veritensor_ray.core.segments import Block, Gap
from veritensor_ray.formats import format_registry
from veritensor_ray.formats.common.source import Item, Member, Source
from veritensor_ray.formats.editing.edits import Orders, Unit
from veritensor_ray.testing import ReaderContract, RewriterContract, SampleDocument

HEAD = b"\x89rows\n"
ROWS = Format("application/x-rows", "rows", "data", (".rows",), magics=((0, HEAD),), read="here:read", rewrite="here:rewrite", version="1")
DOCUMENT = SampleDocument(HEAD + b"first words\nmore words\n\x00", texts=("first words", "more words"))


def rows_of(source: Source) -> Iterator[tuple[int, bytes]]:
    """The lines after the head, up to the zero byte that ends the file."""
    source.file.seek(len(HEAD))
    number = 0
    while (line := source.file.readline(1000)) != b"\x00":
        if not line.endswith(b"\n") or line.startswith(b"\x00"):
            raise ReadError("the rows are cut off")
        yield number, line[:-1]
        number += 1


def read(source: Source) -> Iterator[Item]:
    for number, line in rows_of(source):
        yield Block([line.decode("utf-8", "replace")], row=number)


def rewrite(source: Source, out: BinaryIO, orders: Orders) -> None:
    out.write(HEAD)
    for number, line in rows_of(source):
        out.write(orders.cell(Unit(row=number), line.decode("latin-1")).encode("latin-1") + b"\n")
    out.write(b"\x00")


def holding(source: Source) -> Iterator[Item]:
    source.file.seek(len(HEAD))
    data = source.file.read()
    if not data.endswith(b"\x00"):
        raise ReadError("the rows are cut off")
    for number, line in enumerate(data.split(b"\n")[:-1]):
        yield Block([line.decode("utf-8", "replace")], row=number)


def gathering(source: Source) -> Iterator[Item]:
    """Holds everything, in pieces."""
    if sum(map(len, [*iter(lambda: source.file.read(1 << 20), b"")])):
        yield from read(source)


def silent(source: Source) -> Iterator[Item]:
    try:
        yield from read(source)
    except ReadError:
        return


def raising(source: Source) -> Iterator[Item]:
    for item in read(source):
        assert isinstance(item, Block)
        "".join(item.texts).encode("ascii")  # fails for whatever is damaged
        yield item


def losing(source: Source) -> Iterator[Item]:
    yield from [*read(source)][:1]


def nowhere(source: Source) -> Iterator[Item]:
    for item in read(source):
        assert isinstance(item, Block)
        yield replace(item, row=None)


def misplaced(source: Source) -> Iterator[Item]:
    for item in read(source):
        assert isinstance(item, Block)
        yield replace(item, byte_offset=0)


class Changing:
    """Yields something else each time."""

    count = 0

    @classmethod
    def read(cls, source: Source) -> Iterator[Item]:
        cls.count += 1
        yield from read(source)
        yield Member(f"{cls.count}", io.BytesIO(b"%d" % cls.count))


def doubtful(source: Source) -> Iterator[Item]:
    yield from read(source)
    yield Gap("perhaps something is missing")


def calling(source: Source) -> Iterator[Item]:
    import socket

    with contextlib.suppress(OSError):
        socket.create_connection(("127.0.0.1", 9))
    yield from read(source)


def failing(
    contract: type[Any], monkeypatch: pytest.MonkeyPatch, row: Format = ROWS, document: SampleDocument = DOCUMENT, **functions: Any
) -> set[str]:
    """The checks that a reader or a rewriter fails."""
    known = {"here:read": read, "here:rewrite": rewrite} | {f"here:{name}": function for name, function in functions.items()}
    monkeypatch.setattr(format_registry, "_imported", lambda path: known[path])
    one = type("Contract", (contract,), {"row": row, "documents": (document,)})()
    failed = set()
    for name in (name for name in dir(one) if name.startswith("test_")):
        with pytest.MonkeyPatch.context() as patch:
            try:
                getattr(one, name)(**{"monkeypatch": patch} if name == "test_no_socket_is_opened" else {})
            except Exception:  # noqa: BLE001  # a reader may fail in any way
                failed.add(name.removeprefix("test_"))
    return failed


@pytest.mark.parametrize("contract", [ReaderContract, RewriterContract])
def test_a_good_format_passes(contract: type[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    assert failing(contract, monkeypatch) == set()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("reader", "check"),
    [
        (holding, "large_files_are_not_held"),
        (gathering, "large_files_are_not_held"),
        (silent, "what_is_cut_off_is_told"),
        (raising, "damage_raises_only_read_errors"),
        (losing, "every_text_is_read"),
        (doubtful, "every_text_is_read"),
        (nowhere, "locations_lead_back"),
        (misplaced, "locations_lead_back"),
        (Changing.read, "two_readings_are_equal"),
        (calling, "no_socket_is_opened"),
    ],
)
def test_a_reader_with_a_mistake_fails(reader: Any, check: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert check in failing(ReaderContract, monkeypatch, read=reader)


def without_version() -> Format:
    return replace(ROWS, media_type="application/x-rows-2", extensions=(), magics=((0, b"\x89rowz\n"),), version="")


def test_a_row_that_does_not_fit_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    failed = failing(ReaderContract, monkeypatch, without_version())
    assert failed >= {"the_row_says_what_it_must", "its_files_are_recognised"}


def copying(source: Source, out: BinaryIO, orders: Orders) -> None:
    """Leaves edits undone, as it should if it cannot make them, but it could."""
    source.file.seek(0)
    while data := source.file.read(1 << 20):
        out.write(data)


def lying(source: Source, out: BinaryIO, orders: Orders) -> None:
    """Says that edits are made."""
    copying(source, out, orders)
    for number, line in rows_of(source):
        orders.cell(Unit(row=number), line.decode("latin-1"))


def guessing(source: Source, out: BinaryIO, orders: Orders) -> None:
    """Makes edits wherever they may belong."""
    rewrite(source, out, orders)
    for order in orders.undone:
        orders.tick(order)


def tidying(source: Source, out: BinaryIO, orders: Orders) -> None:
    made = io.BytesIO()
    rewrite(source, made, orders)
    out.write(re.sub(rb"\w+\n", lambda found: found[0].upper(), made.getvalue()))


def emptying(source: Source, out: BinaryIO, orders: Orders) -> None:
    """Says that rows are dropped."""
    rewrite(source, out, orders)
    for row in list(orders.rows):
        orders.drop_row(row)


def greedy(source: Source, out: BinaryIO, orders: Orders) -> None:
    source.file.read()
    rewrite(source, out, orders)


def strict(source: Source, out: BinaryIO, orders: Orders) -> None:
    for _, line in rows_of(source):
        line.decode("ascii")
    rewrite(source, out, orders)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rewriter", "check"),
    [
        (copying, "each_text_can_be_changed"),
        (copying, "all_texts_can_be_changed_at_once"),
        (lying, "each_text_can_be_changed"),
        (lying, "damage_raises_only_what_callers_expect"),
        (guessing, "an_edit_that_is_not_at_its_place_is_not_made"),
        (tidying, "a_file_without_edits_stays_as_it_is"),
        (tidying, "no_other_byte_changes"),
        (emptying, "a_row_is_dropped_or_said_to_stay"),
        (greedy, "large_files_are_not_held"),
        (strict, "damage_raises_only_what_callers_expect"),
    ],
)
def test_a_rewriter_with_a_mistake_fails(rewriter: Any, check: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert check in failing(RewriterContract, monkeypatch, rewrite=rewriter)


def boxed(source: Source) -> Iterator[Item]:
    source.file.seek(len(HEAD))
    yield Member("a.txt", source.file)


def unboxing(source: Source, out: BinaryIO, orders: Orders) -> None:
    """Changes what it holds, wherever the order says that it is."""
    source.file.seek(len(HEAD))
    text = source.file.read(1 << 20).decode("latin-1")
    inner = orders.member_orders("a.txt")
    out.write(HEAD + (inner.cell(Unit(), text) if inner else text).encode("latin-1"))


@pytest.mark.parametrize(("rewriter", "passes"), [(unboxing, True), (copying, False)])
def test_files_inside_have_to_change_too(rewriter: Any, passes: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    box = SampleDocument(HEAD + b"words inside", members=(b"words inside",))
    failed = failing(RewriterContract, monkeypatch, document=box, read=boxed, rewrite=rewriter)
    assert ("each_file_inside_can_be_changed" not in failed) is passes
