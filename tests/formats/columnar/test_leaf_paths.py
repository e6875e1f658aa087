"""In columns of any nested type, readers name each text as its place says, and rewriters change the one that they are told to."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.formats.editing.ordering import Text, cleaned, covering, texts_of
from veritensor_ray.core.media_types import ARROW_FILE, ARROW_STREAM, PARQUET
from veritensor_ray.formats.columnar.arrow.rewrite import rewrite_arrow_file, rewrite_arrow_stream
from veritensor_ray.formats.columnar.leaf_paths import member_name, place_of_member
from veritensor_ray.formats.columnar.parquet.rewrite import rewrite_parquet
from veritensor_ray.formats.common.kind import Kind
from veritensor_ray.formats.editing.edits import Unit

REWRITERS = {ARROW_FILE: rewrite_arrow_file, ARROW_STREAM: rewrite_arrow_stream, PARQUET: rewrite_parquet}
leaves = st.sampled_from([pa.string(), pa.large_string(), pa.int8()])
types = st.recursive(
    leaves,
    lambda inner: (
        st.builds(pa.list_, inner)
        | st.builds(pa.large_list, inner)
        | st.builds(lambda one, two: pa.struct([("a", one), ("b.c", two)]), inner, inner)
        | st.builds(pa.map_, st.just(pa.string()), inner)
    ),
    max_leaves=4,
)


def values(kind: pa.DataType) -> st.SearchStrategy[Any]:
    """Values of a type, null ones among them."""
    if pa.types.is_struct(kind):
        some: st.SearchStrategy[Any] = st.fixed_dictionaries({field.name: values(field.type) for field in kind})
    elif pa.types.is_map(kind):
        some = st.lists(st.tuples(st.sampled_from(["k", "l", "m"]), values(kind.item_type)), max_size=3)
    elif pa.types.is_nested(kind):
        some = st.lists(values(kind.value_type), max_size=3)
    else:
        some = st.integers(0, 9) if kind == pa.int8() else st.text("xyzé", min_size=1, max_size=3)
    return st.none() | some


def named(value: Any, kind: pa.DataType, path: str) -> Iterator[tuple[str, str]]:
    """The texts of a value with their paths."""
    if isinstance(value, str):
        yield value, path
    elif isinstance(value, dict):
        for field in kind:
            yield from named(value[field.name], field.type, f"{path}.{field.name}")
    elif isinstance(value, list):
        for number, item in enumerate(value):
            if pa.types.is_map(kind):
                yield item[0], f"{path}[].key"
                yield from named(item[1], kind.item_type, f"{path}[].value")
            else:
                yield from named(item, kind.value_type, f"{path}[{number}]")


def file_of(column: pa.Array, kind: str) -> bytes:
    table, out = pa.table({"c": column}), io.BytesIO()
    if kind == PARQUET:
        pq.write_table(table, out)
    else:
        with (pa.ipc.new_file if kind == ARROW_FILE else pa.ipc.new_stream)(out, table.schema) as writer:
            writer.write_table(table)
    return out.getvalue()


def in_order(texts: list[Text]) -> list[Text]:
    return sorted(texts, key=str)


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(list(REWRITERS)), st.data())
def test_the_reader_and_the_rewriter_agree_on_names(media_type: str, choose: st.DataObject) -> None:
    kind = choose.draw(types)
    rows = choose.draw(st.lists(values(kind), min_size=1, max_size=4))
    column = pa.array(rows, kind)
    data = file_of(column, media_type)
    found = [(text, Unit(row=row, column=path)) for row, value in enumerate(rows) for text, path in named(value, kind, "c")]
    assert in_order(texts_of(data, Kind(media_type))) == in_order(found)
    if not found:
        return
    chosen = choose.draw(st.sampled_from(found))
    made, orders = cleaned(REWRITERS[media_type], data, Kind(media_type), [covering(*chosen)])
    assert not orders.undone
    # of values with one name, all that begin with the text are changed
    expected = [
        ("[X]" + text.removeprefix(chosen[0]) if unit == chosen[1] and text.startswith(chosen[0]) else text, unit) for text, unit in found
    ]
    assert in_order(texts_of(made, Kind(media_type))) == in_order(expected)


@pytest.mark.parametrize(
    ("name", "place"), [(member_name(12, "c[0].a"), (12, "c[0].a")), ("row 1 ", (1, "")), ("row x c", None), ("c", None)]
)
def test_the_place_of_a_file_in_a_column_is_in_its_name(name: str, place: tuple[int, str] | None) -> None:
    assert place_of_member(name) == place
