"""Parquet and Arrow: every text leaf with its row and path."""

from __future__ import annotations

import io
import json
import pickle
import random
import struct
from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.cases import each
from tests.formats.images.test_read import PNG, chunk
from tests.formats.reading import flat, members, read, reader_source, split, until_error
from veritensor_ray.core.config import Limits
from veritensor_ray.core.errors import LimitExceeded, ReadError
from veritensor_ray.formats.columnar.parquet.structure import Shared
from veritensor_ray.formats.common.kind import Kind

PARQUET = Kind("application/vnd.apache.parquet")
FILE = Kind("application/vnd.apache.arrow.file")
STREAM = Kind("application/vnd.apache.arrow.stream")
S = pa.string()


def written(table: Any, kind: Kind, **options: Any) -> bytes:
    """The table in that format."""
    out = io.BytesIO()
    if kind is PARQUET:
        pq.write_table(table, out, **options)
    else:
        with (pa.ipc.new_file if kind is FILE else pa.ipc.new_stream)(out, table.schema) as writer:
            writer.write_table(table, **options)
    return out.getvalue()


def packed(offsets: list[int]) -> bytes:
    """Offsets as Arrow stores them."""
    return struct.pack(f"<{len(offsets)}i", *offsets)


COLUMNS = {
    "string": (pa.array(["x", None, "y", ""]), [("x", 0, "c"), ("y", 2, "c"), ("", 3, "c")]),
    "large_string": (pa.array(["x", "é"], pa.large_string()), [("x", 0, "c"), ("é", 1, "c")]),
    "string_view": (pa.array(["x", "a text longer than twelve bytes"], pa.string_view()), [("x", 0, "c"), ("a text longer than twelve bytes", 1, "c")]),
    "dictionary": (pa.array(["x", None, "x"]).dictionary_encode(), [("x", 0, "c"), ("x", 2, "c")]),
    "struct": (pa.array([{"a": "x", "b": {"d": "y"}}, None], pa.struct([("a", S), ("b", pa.struct([("d", S)]))])), [("x", 0, "c.a"), ("y", 0, "c.b.d")]),
    "list": (pa.array([["x", "y"], None, [], ["z"]]), [("x", 0, "c[0]"), ("y", 0, "c[1]"), ("z", 3, "c[0]")]),
    "large_list": (pa.array([["x"], ["y"]], pa.large_list(S)), [("x", 0, "c[0]"), ("y", 1, "c[0]")]),
    "fixed_list": (pa.array([["x", "y"], ["z", None]], pa.list_(S, 2)), [("x", 0, "c[0]"), ("y", 0, "c[1]"), ("z", 1, "c[0]")]),
    "list_of_struct": (pa.array([[{"a": "x"}, {"a": "y"}], [{"a": "z"}]]), [("x", 0, "c[0].a"), ("y", 0, "c[1].a"), ("z", 1, "c[0].a")]),
    "list_of_list": (pa.array([[["x"], ["y", "z"]]]), [("x", 0, "c[0][0]"), ("y", 0, "c[1][0]"), ("z", 0, "c[1][1]")]),
    "map": (pa.array([[("k", "x")], [], [("m", "y")]], pa.map_(S, S)), [("k", 0, "c[].key"), ("m", 2, "c[].key"), ("x", 0, "c[].value"), ("y", 2, "c[].value")]),
    "list of maps": (pa.array([[[("k", "x"), ("l", "y")], []], [[], [("m", "z")]]], pa.list_(pa.map_(S, S))), [("k", 0, "c[0][].key"), ("l", 0, "c[0][].key"), ("m", 1, "c[1][].key"), ("x", 0, "c[0][].value"), ("y", 0, "c[0][].value"), ("z", 1, "c[1][].value")]),
    "binary text": (pa.array([b"x", None, b"", "é".encode()]), [("x", 0, "c"), ("é", 3, "c")]),
    "numbers": (pa.array([1, 2]), []),
    "list of numbers": (pa.array([[1], [2]]), []),
    "nulls": (pa.nulls(3), []),
    "empty": (pa.array([], S), []),
}  # fmt: skip
ONLY_ARROW = {
    "list_view": (pa.array([["x", "y"], ["z"]], pa.list_view(S)), [("x", 0, "c[0]"), ("y", 0, "c[1]"), ("z", 1, "c[0]")]),
    "sparse union": (pa.UnionArray.from_sparse(pa.array([0, 1], pa.int8()), [pa.array(["x", ""]), pa.array([1, 2])]), [("x", 0, "c")]),
    "dense union": (pa.UnionArray.from_dense(pa.array([1, 0], pa.int8()), pa.array([0, 0], pa.int32()), [pa.array(["x"]), pa.array([1])]), [("x", 1, "c")]),
    "runs": (pa.RunEndEncodedArray.from_arrays(pa.array([2, 3], pa.int32()), pa.array(["x", "y"])), [("x", 0, "c"), ("x", 1, "c"), ("y", 2, "c")]),
}  # fmt: skip


@each(
    ("kind", "array", "rows"),
    [pytest.param(kind, *COLUMNS[name], id=f"{kind.media_type[16:]} {name}") for kind in (PARQUET, FILE, STREAM) for name in COLUMNS]
    + [pytest.param(kind, *ONLY_ARROW[name], id=f"{kind.media_type[16:]} {name}") for kind in (FILE, STREAM) for name in ONLY_ARROW],
)
def test_every_text_leaf(kind: Kind, array: Any, rows: list[tuple[str, int, str]]) -> None:
    blocks, gaps = read(written(pa.table({"c": array}), kind), kind)
    assert (sorted(flat(blocks, "row", "column")), gaps) == (sorted(rows), [])


@pytest.mark.parametrize("kind", [PARQUET, FILE, STREAM])
def test_rows_go_on_over_batches_and_row_groups(kind: Kind) -> None:
    table = pa.table({"n": range(3000), "c": [str(i) for i in range(3000)]})
    source = reader_source(written(table, kind, **({"row_group_size": 700} if kind is PARQUET else {"max_chunksize": 700})), kind)
    rows = flat(split(source)[0], "row", "column")
    assert rows == [(str(i), i, "c") for i in range(3000)]
    assert source.counts.rows == 3000


def test_a_part_reads_its_row_groups_and_counts_rows_from_the_beginning() -> None:
    table = pa.table({"c": [str(i) for i in range(100)]}).replace_schema_metadata({"note": "look here"})
    data = written(table, PARQUET, row_group_size=10)
    first = flat(read(data, PARQUET, row_groups=(0, 3))[0], "row")
    second = flat(read(data, PARQUET, row_groups=(3, 10), first_part=False)[0], "row")
    assert first == [*((str(i), i) for i in range(30)), ("look here", None)]
    assert second == [(str(i), i) for i in range(30, 100)]


@pytest.mark.parametrize("kind", [PARQUET, FILE, STREAM])
def test_metadata_is_text_too(kind: Kind) -> None:
    table = pa.table({"c": ["x"]}).replace_schema_metadata({"note": "look here"})
    assert flat(read(written(table, kind), kind)[0], "column", "view") == [("x", "c", "visible"), ("look here", "note", "metadata")]


@pytest.mark.parametrize("kind", [PARQUET, FILE])
def test_binary_cells_are_text_or_image_or_a_gap(kind: Kind) -> None:
    blocks, gaps = read(written(pa.table({"c": [b"x", PNG, b"\xff\xfe\x00\x01", b"\x80"]}), kind), kind)
    assert [(flat([b], "row"), b.images) for b in blocks] == [([("x", 0)], None), ([("", 1)], [PNG])]
    assert [(gap.location, gap.count) for gap in gaps] == [("column c", 2)]


def test_a_struct_of_bytes_and_path_is_an_image() -> None:
    column = pa.array([{"bytes": PNG, "path": "a.png"}])
    blocks, _ = read(written(pa.table({"image": column}), PARQUET), PARQUET)
    assert [(b.column, b.images) for b in blocks] == [(["image.bytes"], [PNG]), ("image.path", None)]


def test_texts_and_trailing_data_of_pictures_in_cells() -> None:
    noted = PNG[:-12] + chunk(b"tEXt", b"note\x00look here") + PNG[-12:] + b"PK\x03\x04 and an archive"
    data = written(pa.table({"c": [PNG, noted]}), PARQUET)
    assert next(row for row in flat(read(data, PARQUET)[0], "row", "column", "view") if row[3] == "metadata") == (
        "look here",
        1,
        "c (note)",
        "metadata",
    )
    assert members(data, PARQUET) == {"row 1 c/trailing data": b"PK\x03\x04 and an archive"}


def test_parquet_with_invalid_utf8_is_mended_and_said() -> None:
    blocks, gaps = read(
        written(pa.table({"c": pa.StringArray.from_buffers(2, pa.py_buffer(packed([0, 2, 6])), pa.py_buffer(b"\xff\xfegood"))}), PARQUET),
        PARQUET,
    )
    assert flat(blocks, "row") == [("\ufffd\ufffd", 0), ("good", 1)]
    assert [(gap.location, gap.count) for gap in gaps] == [("column c", 1)]


NESTED = {
    "string": lambda text: pa.array([text, "fine"]),
    "large_string": lambda text: pa.array([text, "fine"], pa.large_string()),
    "dictionary": lambda text: pa.array([text, "fine"]).dictionary_encode(),
    "list": lambda text: pa.array([[text], ["fine"]]),
    "fixed list": lambda text: pa.array([[text], ["fine"]], pa.list_(S, 1)),
    "large list": lambda text: pa.array([[text], ["fine"]], pa.large_list(S)),
    "struct": lambda text: pa.array([{"a": text}, {"a": "fine"}]),
    "map": lambda text: pa.array([[("k", text)], [("k", "fine")]], pa.map_(S, S)),
    "list of structs": lambda text: pa.array([[{"a": text}], [{"a": "fine"}]]),
}


@each("kind", [FILE, STREAM])
@each("name", NESTED)
def test_arrow_with_invalid_utf8_is_mended_and_said(kind: Kind, name: str) -> None:
    data = written(pa.table({"c": NESTED[name]("!!look here")}), kind).replace(b"!!look", b"\xff\xfelook")
    blocks, gaps = read(data, kind)
    assert [text for text in flat(blocks) if text != "k"] == ["\ufffd\ufffdlook here", "fine"]
    assert [gap.count for gap in gaps] == [1]


def test_offsets_are_checked_where_texts_are_not_utf8_too() -> None:
    data = written(pa.table({"c": ["!!look", "here"]}), STREAM).replace(b"!!look", b"\xff\xfelook")
    assert data.count(packed([0, 6, 10])) == 1
    with pytest.raises(ReadError, match="not a complete Arrow file"):
        read(data.replace(packed([0, 6, 10]), packed([0, 6, 1 << 30])), STREAM)


@pytest.mark.parametrize("kind", [PARQUET, FILE, STREAM])
def test_binary_cells_that_are_files_are_members(kind: Kind) -> None:
    point, archive = pickle.dumps({"payload": "x"}), b"PK\x05\x06" + bytes(18)
    table = pa.table({"c": [b"text", point, None], "d": [[archive], [], [b"\x80\x81\xff\xfe"]]})
    assert members(written(table, kind), kind) == {"row 1 c": point, "row 0 d[0]": archive}
    assert [(gap.location, gap.count, gap.coverage) for gap in read(written(table, kind), kind)[1]] == [("column d[]", 1, "no-reader")]


def test_binary_cells_of_many_batches_are_one_gap() -> None:
    _, gaps = read(written(pa.table({"c": [b"\x80\x81\xff\xfe"] * 5000}), PARQUET), PARQUET)
    assert [gap.count for gap in gaps] == [5000]


def test_embeddings_as_bytes_are_numbers_and_no_gap() -> None:
    vector = struct.pack("<384f", *(0.01 * i for i in range(384)))
    assert read(written(pa.table({"c": [vector, bytes(1536)]}), PARQUET), PARQUET) == ([], [])


def test_features_of_the_datasets_library() -> None:
    """Columns as `save_to_disk` leaves them: pictures and sound as structs, translations, sequences of structs, labels, and the features."""
    sound = b"RIFF\x24\x00\x00\x00WAVEfmt " + bytes(28)
    table = pa.table(
        {
            "image": [{"bytes": PNG, "path": "a.png"}],
            "audio": [{"bytes": sound, "path": None}],
            "label": [3],
            "translation": [{"en": "look here", "fr": "regarde ici"}],
            "answers": [{"text": ["one", "two"], "answer_start": [1, 2]}],
            "turns": [[{"role": "user", "content": "hello"}]],
        }
    ).replace_schema_metadata({"huggingface": '{"info": {"description": "note"}}'})
    data = written(table, STREAM)
    blocks, gaps = read(data, STREAM)
    found = flat([block for block in blocks if block.images is None], "column")
    assert {column: text for text, column in found} == {
        "image.path": "a.png",
        "translation.en": "look here",
        "translation.fr": "regarde ici",
        "answers.text[0]": "one",
        "answers.text[1]": "two",
        "turns[0].role": "user",
        "turns[0].content": "hello",
        "huggingface": '{"info": {"description": "note"}}',
    }
    assert ([block.images for block in blocks if block.images], members(data, STREAM), gaps) == ([[PNG]], {"row 0 audio.bytes": sound}, [])


def test_odd_names_and_many_columns() -> None:
    names = ["a.b", "", "a\nb", "é", "x" * 250]
    rows = flat(read(written(pa.table([pa.array(["x"])] * 5, names), PARQUET), PARQUET)[0], "column")
    assert [name for _, name in rows] == [*names, "schema"]  # a long name is read as text too


@pytest.mark.parametrize("struct", [False, True])
def test_a_giant_name_is_not_repeated_for_every_value(struct: bool) -> None:
    name = "c" * 100_000
    column = pa.array([[{name: "x"} if struct else "x"] * 50] * 40)
    data = written(pa.table({"a" if struct else name: column}), FILE)
    paths = [path for _, path in flat(read(data, FILE)[0], "column")]
    assert (len(paths), max(map(len, paths)) < 300) == (2001, True)  # and the name itself


def test_nuls_and_giant_cells() -> None:
    texts = ["a\x00b", "x" * 5_000_000]
    assert flat(read(written(pa.table({"c": texts}), PARQUET), PARQUET)[0]) == texts


@pytest.mark.parametrize("kind", [FILE, STREAM])
@pytest.mark.parametrize(
    ("offsets", "text"),
    [([0, 5, 100_000_000], b"abcdefgh"), ([0, 5, 2], b"abcdefgh"), ([-4, 4, 8], b"abcdefgh")],
    ids=["behind the end", "backwards", "negative"],
)
def test_arrow_with_invalid_offsets_is_refused(kind: Kind, offsets: list[int], text: bytes) -> None:
    data = written(pa.table({"c": ["abcd", "efgh"]}), kind)
    for before, after in ((packed([0, 4, 8]), packed(offsets)), (b"abcdefgh", text)):
        assert data.count(before) == 1
        data = data.replace(before, after)
    with pytest.raises(ReadError, match="not a complete Arrow file"):
        read(data, kind)


@pytest.mark.parametrize("kind", [PARQUET, FILE, STREAM])
def test_damaged_files_raise_read_errors_only(kind: Kind) -> None:
    whole = written(pa.table({"c": ["some", "words"], "d": [["x"], ["y"]]}), kind)
    chance = random.Random(7)
    damaged = [whole[:length] for length in range(8, len(whole), 5)]
    for _ in range(200):
        flipped = bytearray(whole)
        flipped[chance.randrange(len(flipped))] ^= 1 << chance.randrange(8)
        damaged.append(bytes(flipped))
    for data in damaged:
        try:
            read(data, kind)
        except ReadError as error:
            assert "\n" not in str(error)


def test_what_is_no_parquet_says_so_in_a_line() -> None:
    with pytest.raises(ReadError, match="not a complete Parquet file: "):
        read(b"PAR1" + bytes(100), PARQUET)


ONE, ROWS = "la " * 350_000, 200
VIEW = struct.pack("<i4sii", len(ONE), ONE[:4].encode(), 0, 0)  # length, beginning, buffer, place in it
SHARED = {
    "dictionary": pa.DictionaryArray.from_arrays(pa.array([0] * ROWS, pa.int32()), pa.array([ONE])),
    "dictionary of lists": pa.DictionaryArray.from_arrays(pa.array([0] * ROWS, pa.int32()), pa.array([[ONE]])),
    "runs": pa.RunEndEncodedArray.from_arrays(pa.array([ROWS], pa.int32()), pa.array([ONE])),
    "list_view": pa.ListViewArray.from_arrays(pa.array([0] * ROWS, pa.int32()), pa.array([1] * ROWS, pa.int32()), pa.array([ONE])),
    "string_view": pa.Array.from_buffers(pa.string_view(), ROWS, [None, pa.py_buffer(VIEW * ROWS), pa.py_buffer(ONE.encode())]),
    "dense union": pa.UnionArray.from_dense(pa.array([0] * ROWS, pa.int8()), pa.array([0] * ROWS, pa.int32()), [pa.array([ONE])]),
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "array", "options"),
    [pytest.param(kind, array, {}, id=f"{kind.media_type[16:]} {name}") for kind in (FILE, STREAM) for name, array in SHARED.items()]
    + [
        pytest.param(PARQUET, SHARED["dictionary"], {}, id="parquet dictionary"),
        pytest.param(PARQUET, SHARED["dictionary"], {"store_schema": False}, id="parquet dictionary of its own"),
        pytest.param(PARQUET, None, {"use_dictionary": False, "column_encoding": "DELTA_BYTE_ARRAY"}, id="parquet prefixes"),
    ],
)
def test_rows_that_share_one_value_count_each(kind: Kind, array: Any, options: dict[str, Any]) -> None:
    data = written(pa.table({"c": pa.array([ONE] * ROWS) if array is None else array}), kind, **options)  # that one is 210 MB
    (blocks, _), error = until_error(reader_source(data, kind, Limits(expanded_ratio=2)), LimitExceeded)
    assert isinstance(error, LimitExceeded)
    assert error.bound == "expanded_ratio"
    sizes = [sum(map(len, flat([block]))) for block in blocks]
    assert 60_000_000 < sum(sizes) < 80_000_000  # `column_bytes`, and what any file may expand to
    assert max(sizes) < 9_000_000


@pytest.mark.parametrize("name", ["dictionary_page_offset", "no footer"])
def test_a_footer_that_nobody_understands_means_few_rows_at_once(name: str) -> None:
    data = bytearray(written(pa.table({"c": ["x"] * 3000}), PARQUET))
    if name == "no footer":
        data[-8:-4] = (1 << 31).to_bytes(4, "little")
    shared = Shared(io.BytesIO(bytes(data)))
    assert shared.rows_at_once(0 if name == "no footer" else 7, {"c"}, 1024) == 8


def test_rows_at_once_follow_the_dictionaries() -> None:
    table = pa.table({"long": ["x" * 1_000_000, "y"], "short": ["a", "b"], "number": [1, 2]})
    shared = Shared(io.BytesIO(written(table, PARQUET)))
    assert shared.rows_at_once(0, {"long", "short"}, 1024) == 134
    assert shared.rows_at_once(0, {"short"}, 1024) == 1024


@pytest.mark.parametrize("kind", [PARQUET, FILE])
@pytest.mark.parametrize(
    "array", [pa.array([b"planted words   "] * 2, pa.binary(16)), pa.array([b"planted words   "] * 2, pa.binary(16)).dictionary_encode()]
)
def test_bytes_of_a_fixed_size_are_read_too(kind: Kind, array: Any) -> None:
    blocks, gaps = read(written(pa.table({"n": [1, 2], "c": array}), kind), kind)
    assert "planted words" in " ".join(flat(blocks))
    assert gaps == []


def test_the_metadata_of_a_table_without_text_is_read() -> None:
    blocks, _ = read(written(pa.table({"n": [1]}).replace_schema_metadata({"d": "planted words"}), PARQUET), PARQUET)
    assert "planted words" in flat(blocks)


TURNS = [
    [{"content": "a", "role": "user"}, {"content": "b", "role": "tool"}],
    None,
    [],
    [{"content": None, "role": "user"}, {"content": "c", "role": "moderator"}, {"content": "d", "role": None}, None],
    [{"content": "e", "role": "system"}],
]
HEARD = [("a", 0, "user"), ("b", 0, "tool"), ("c", 3, None), ("d", 3, None), ("e", 4, "system")]
UNHEARD = [(text, row, None) for text, row, _ in HEARD]


def chat(
    text: pa.DataType = S, who: pa.DataType = S, of: Callable[..., pa.DataType] = pa.list_, names: Sequence[str] = ("content", "role")
) -> pa.Array:
    """The conversations as a column of a type."""
    kind = of(pa.struct([(names[0], text), (names[1], who)]))
    return pa.array([turns and [turn and dict(zip(names, turn.values(), strict=True)) for turn in turns] for turns in TURNS], kind)


NAMED = pa.dictionary(pa.int32(), S)


CONVERSATIONS = [
    ("messages", chat(), HEARD),
    ("conversations", chat(names=("value", "from")), HEARD),
    ("chosen", chat(pa.large_string(), pa.large_string(), pa.large_list), HEARD),
    ("messages", chat(NAMED, NAMED), HEARD),
    ("messages", chat(names=("value", "role")), UNHEARD),
    ("output", chat(), UNHEARD),
    ("c.messages", chat(), UNHEARD),
    ("c", pa.StructArray.from_arrays([chat()], ["messages"]), UNHEARD),
    ("messages", pa.StructArray.from_arrays([chat()], ["messages"]), UNHEARD),
    ("messages", pa.ListArray.from_arrays(pa.array(range(6), pa.int32()), chat()), UNHEARD),
    ("messages", pa.array([json.dumps(turns) for turns in TURNS]), [(json.dumps(turns), row, None) for row, turns in enumerate(TURNS)]),
    ("messages", pa.array([[{"content": {"text": "a", "role": "user"}, "role": "user"}]]), [("a", 0, None)]),
    ("messages", pa.array([[{"content": [{"text": "a", "role": "user"}], "role": "user"}]]), [("a", 0, None)]),
    ("messages", pa.array([[{"content": "a", "role": "user", "text": "b"}]]), [("a", 0, None), ("b", 0, None)]),
]


@each(
    ("kind", "name", "column", "expected"),
    [
        *((kind, *case) for kind in (PARQUET, FILE, STREAM) for case in CONVERSATIONS),
        *((kind, "messages", chat(pa.string_view(), pa.string_view()), HEARD) for kind in (FILE, STREAM)),
    ],
)
def test_a_speaker_is_believed_only_in_the_conversation_of_a_row(kind: Kind, name: str, column: Any, expected: list[Any]) -> None:
    blocks, _ = read(written(pa.table({name: column}), kind), kind)
    said = [found for found in flat(blocks, "row", "speaker") if found[0] not in ("user", "tool", "system", "moderator")]
    assert sorted(said, key=lambda one: (one[1], one[0])) == expected
