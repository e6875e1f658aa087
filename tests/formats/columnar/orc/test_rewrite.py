"""ORC: cells change and rows go in a file that pyarrow writes anew, and everything else of it is read as before."""

from __future__ import annotations

import datetime
import io
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import orc

from tests.cleaning.marked import Rewritten, rewritten
from tests.formats.columnar.orc.test_read import COLUMNS, ORC, written
from tests.formats.editing.ordering import cleaned, covering, order, texts_of
from tests.formats.reading import reader_source
from veritensor_ray.cleaning.cleaning_policy import CleanPolicy
from veritensor_ray.cleaning.copy_manifest import Result
from veritensor_ray.core.errors import ReadError
from veritensor_ray.formats.columnar.orc import orc_footer
from veritensor_ray.formats.columnar.orc import rewrite as rewriting
from veritensor_ray.formats.columnar.orc.orc_child import decode
from veritensor_ray.formats.columnar.orc.orc_process import decoded_orc
from veritensor_ray.formats.columnar.orc.read import OrcTail
from veritensor_ray.formats.columnar.orc.rewrite import rewrite_orc, same_values
from veritensor_ray.formats.editing.actions import Action, CannotRewriteError, Strippable
from veritensor_ray.formats.editing.edits import Unit
from veritensor_ray.formats.records import protobuf

MAIL = "jane.doe@example-mail.de"
S = pa.string()


@pytest.fixture(scope="module", autouse=True)
def _in_this_process() -> Iterator[None]:
    """Decode in this process, but for the test of the other one: its start takes longer than all of this."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rewriting, "decoded_orc", lambda path, out, *_: decode(str(path), str(out)))
        yield


def clean(data: bytes, action: str = "mask") -> Rewritten:
    return rewritten(data, "a.orc", CleanPolicy.model_validate({"rules": [{"rule": "pii.*", "action": action}]}))


def table(rows: int, *found: int) -> Any:
    """Most types, with a value in some rows."""
    texts = [MAIL if number in found else f"x{number % 7}" for number in range(rows)]
    few = [None if number % 5 == 4 else number for number in range(rows)]
    return pa.table(
        {
            "text": pa.array([None if number % 11 == 10 else text for number, text in enumerate(texts)], S),
            "list": pa.array([[text, None, "é"][: number % 4] for number, text in enumerate(texts)], pa.list_(S)),
            "map": pa.array([[("k", text)] for text in texts], pa.map_(S, S)),
            "deep": pa.array([[{"a": text, "n": number}] for number, text in enumerate(texts)], pa.list_(pa.struct([("a", S), ("n", pa.int32())]))),
            "raw": pa.array([text.encode() for text in texts]),
            "float": pa.array([float("nan") if one is None else one / 3 for one in few], pa.float64()),
            "small": pa.array(few, pa.int16()),
            "half": pa.array(few, pa.float32()),
            "yes": pa.array([None if one is None else one % 2 == 0 for one in few], pa.bool_()),
            "day": pa.array([None if one is None else datetime.date(1600, 1, 1) + datetime.timedelta(one) for one in few]),
            "at": pa.array(few, pa.timestamp("ns")),
            "zone": pa.array([-(1 << 60) + number for number in range(rows)], pa.timestamp("ns", "UTC")),
            "price": pa.array([None if one is None else Decimal(-one) / 100 for one in few], pa.decimal128(30, 2)),
        }
    )  # fmt: skip


def replaced(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: replaced(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(replaced(one) for one in value)
    if isinstance(value, bytes):
        return value.replace(MAIL.encode(), b"[EMAIL]")
    return value.replace(MAIL, "[EMAIL]") if isinstance(value, str) else value


def read_back(data: bytes) -> Any:
    return orc.ORCFile(io.BytesIO(data)).read()


def same(one: Any, two: Any) -> bool:
    return one.schema == two.schema and all(
        same_values(here.combine_chunks(), there.combine_chunks()) for here, there in zip(one.columns, two.columns, strict=True)
    )


def with_footer(data: bytes, metadata: list[tuple[bytes, bytes]], kinds: dict[int, list[tuple[int, int | bytes]]] | None = None) -> bytes:
    """The same file with metadata, and with other fields in some of its types."""
    tail = OrcTail(reader_source(data, ORC))
    number = -1
    for at, (key, value) in enumerate(tail.footer):
        if key == 4:
            number += 1
            extra = (kinds or {}).get(number, [])
            fields = [one for one in protobuf.fields(value) if one[0] not in {key for key, _ in extra}] + extra  # type: ignore[arg-type]
            tail.footer[at] = key, orc_footer.message(fields)
    file = io.BytesIO(data)
    orc_footer.with_footer_of(file, OrcTail(reader_source(data, ORC)), tail, metadata)
    return file.getvalue()


@pytest.mark.parametrize("codec", ["uncompressed", "zlib", "snappy", "lz4", "zstd"])
def test_cells_of_every_type_stay_and_the_others_change(codec: str) -> None:
    before = table(300, 3, 150)
    data = with_footer(written(before, compression=codec, row_index_stride=1000), [(b"made.by", b"somebody"), (b"owner", MAIL.encode())])
    found = clean(data)
    assert found.data is not None, found.cleaned.reason
    after = orc.ORCFile(io.BytesIO(found.data))
    expected = pa.table([pa.array(replaced(column.to_pylist()), column.type) for column in before.columns], names=before.column_names)
    assert same(read_back(found.data), expected)
    assert (after.compression, after.row_index_stride) == (codec.upper(), 1000)
    assert after.metadata.to_dict() == {b"made.by": b"somebody", b"owner": b"[EMAIL]"}
    assert clean(found.data).cleaned.result == Result.COPIED


def test_rows_go_from_a_file_of_many_stripes() -> None:
    before = pa.table({"c": [MAIL if number % 1000 == 7 else "some words " * 9 for number in range(5000)], "n": range(5000)})
    data = written(before, compression="uncompressed", stripe_size=1 << 16, batch_size=100, dictionary_key_size_threshold=0.0)
    assert orc.ORCFile(io.BytesIO(data)).nstripes > 2
    found = clean(data, "drop-row")
    assert found.data is not None, found.cleaned.reason
    assert same(read_back(found.data), before.filter(pa.array([number % 1000 != 7 for number in range(5000)])))
    assert found.cleaned.rows_dropped == 5
    assert orc.ORCFile(io.BytesIO(found.data)).nstripes > 1


def test_no_row_is_left() -> None:
    found = clean(written(pa.table({"c": [MAIL]})), "drop-row")
    assert found.data is not None, found.cleaned.reason
    assert read_back(found.data).to_pylist() == []
    assert read_back(found.data).schema == pa.schema([("c", S)])


def test_types_and_their_attributes_stay() -> None:
    """A VARCHAR(40) with an attribute beside a text, as Hive and Iceberg write them."""
    attribute = orc_footer.message([(1, b"iceberg.id"), (2, b"1")])
    data = with_footer(written(pa.table({"c": [MAIL], "d": ["x"]})), [], {2: [(1, 16), (4, 40), (7, attribute)], 1: [(7, attribute)]})
    found = clean(data)
    assert found.data is not None, found.cleaned.reason
    old, new = (OrcTail(reader_source(one, ORC)) for one in (data, found.data))
    assert [value for number, value in old.footer if number == 4] == [value for number, value in new.footer if number == 4]
    assert read_back(found.data).to_pylist() == [{"c": "[EMAIL]", "d": "x"}]


def test_stripped_metadata() -> None:
    data = with_footer(written(pa.table({"c": ["x"]})), [(b"made.by", b"somebody")])
    made, told = cleaned(rewrite_orc, data, ORC, [], strip=[Strippable.METADATA])
    assert (orc.ORCFile(io.BytesIO(made)).metadata.to_dict(), dict(told.account.counts)) == ({}, {("clean.metadata", "strip"): 1})
    assert cleaned(rewrite_orc, data, ORC, [])[0] == data


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (written(pa.table({"c": COLUMNS["union"][0], "t": ["a", "b"]})), "a union"),
        (with_footer(written(pa.table({"t": ["a", "b"]})), [], {1: [(1, 17), (4, 1)]}), "a greatest length"),
        (written(pa.table({"t": ["a"], "c": pa.array([datetime.datetime(9999, 1, 1)], pa.timestamp("us"))})), "out of range"),
    ],
    ids=["union", "char", "time"],
)
def test_what_the_library_does_not_write_holds_the_file(data: bytes, why: str) -> None:
    with pytest.raises((CannotRewriteError, pa.ArrowInvalid), match=why):
        cleaned(rewrite_orc, data, ORC, [covering("a", Unit(row=0, column="t"))])


def test_the_file_is_decoded_in_another_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rewriting, "decoded_orc", decoded_orc)
    data = written(pa.table({"c": [MAIL]}))
    unit = Unit(row=0, column="c")
    made, _ = cleaned(rewrite_orc, data, ORC, [covering(MAIL, unit)])
    assert read_back(made).to_pylist() == [{"c": "[X]"}]
    broken = bytearray(data)
    text = data.index(MAIL.encode(), data.rindex(b"\x18" + MAIL.encode(), 0, data.index(b"\n\x06\x08\x06")))
    broken[text - 3 : text] = b"\xff\xff\xff"  # the lengths of the texts
    with pytest.raises(ReadError, match="the library for ORC files"):
        cleaned(rewrite_orc, bytes(broken), ORC, [covering(MAIL, unit)])


def test_a_file_that_breaks_off_is_an_error() -> None:
    data = written(table(50, 3))
    for size in (10, len(data) // 2, len(data) - 1):
        with pytest.raises(ReadError):
            cleaned(rewrite_orc, data[:size], ORC, [covering(MAIL, Unit(row=3, column="text"))])


_KINDS: dict[str, tuple[Any, Any]] = {
    "text": (S, st.none() | st.text(st.characters(codec="utf-8"), max_size=9)),
    "number": (pa.int64(), st.none() | st.integers(-(1 << 63), (1 << 63) - 1)),
    "float": (pa.float64(), st.none() | st.floats()),
    "list": (pa.list_(S), st.none() | st.lists(st.none() | st.text(st.characters(codec="utf-8"), max_size=5), max_size=3)),
    "struct": (pa.struct([("a", S), ("b", pa.float32())]), st.none() | st.fixed_dictionaries({"a": st.none() | st.text(st.characters(codec="utf-8"), max_size=5), "b": st.floats(width=32)})),
    "bytes": (pa.binary(), st.none() | st.binary(max_size=6)),
}  # fmt: skip


@settings(max_examples=30, deadline=None)
@given(st.lists(st.sampled_from([*_KINDS]), min_size=1, max_size=3, unique=True), st.integers(1, 12), st.data())
def test_only_what_is_ordered_changes_in_any_table(names: list[str], rows: int, data: st.DataObject) -> None:
    values = {name: data.draw(st.lists(_KINDS[name][1], min_size=rows, max_size=rows)) for name in names}
    before = pa.table({name: pa.array(values[name], _KINDS[name][0]) for name in names})
    file = written(before)
    texts = [(text, unit) for text, unit in texts_of(file, ORC) if text and unit.row is not None]
    alone = [one for one in texts if [unit for _, unit in texts].count(one[1]) == 1]
    chosen = data.draw(st.lists(st.sampled_from(alone), max_size=3, unique=True)) if alone else []
    dropped = data.draw(st.sets(st.integers(0, rows - 1), max_size=3))
    drops = [order(Unit(row=row, column=names[0]), action=Action.DROP_ROW) for row in sorted(dropped)]
    made, told = cleaned(rewrite_orc, file, ORC, [*(covering(text, unit) for text, unit in chosen), *drops])
    assert not told.undone
    kept = [row for row in range(rows) if row not in dropped]
    untouched = [row for row in kept if row not in {unit.row for _, unit in chosen}]
    after = read_back(made)
    assert same(after.take([kept.index(row) for row in untouched]), before.take(untouched)) if untouched else after.num_rows == len(kept)
    expected = [
        ("[X]" if (text, unit) in chosen else text, unit._replace(row=kept.index(unit.row or 0)))
        for text, unit in texts
        if unit.row in kept
    ]
    assert sorted(map(repr, ((text, unit) for text, unit in texts_of(made, ORC) if text))) == sorted(map(repr, expected))
