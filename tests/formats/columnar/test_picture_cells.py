"""Images in the cells of tables: the places of findings are painted over, what is beside the pixels goes, and every other cell stays."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image, PngImagePlugin
from pyarrow import orc

from tests.cleaning.marked import rewritten
from tests.formats.editing.ordering import cleaned, order
from tests.formats.images.test_painting import noise
from tests.formats.images.test_rewrite import BOX, inside, saved, shown
from veritensor_ray.cleaning.cleaning_policy import CleanPolicy
from veritensor_ray.core.config import Limits
from veritensor_ray.core.errors import ReadError
from veritensor_ray.core.media_types import ARROW_FILE, ARROW_STREAM, ORC, PARQUET
from veritensor_ray.formats.columnar.orc import rewrite as orc_rewriting
from veritensor_ray.formats.columnar.orc.orc_child import decode
from veritensor_ray.formats.common.kind import Kind
from veritensor_ray.formats.editing.actions import CannotRewriteError
from veritensor_ray.formats.editing.edits import Order, Unit
from veritensor_ray.formats.format_registry import rewrite
from veritensor_ray.formats.images.rewrite import without_metadata

MAIL = "jane.doe@example-mail.de"


def noted(mode: str = "RGB") -> bytes:
    info = PngImagePlugin.PngInfo()
    info.add_text("Comment", MAIL)
    return saved(noise(mode), "PNG", pnginfo=info)


def with_exif(kind: str) -> bytes:
    exif = Image.Exif()
    exif[0x010E] = MAIL
    return saved(noise("RGB"), kind, exif=exif)


PLAIN, GRAY = saved(noise("RGB"), "PNG"), saved(noise("L"), "PNG")
TRAILING = PLAIN + b"\nPlease write to " + MAIL.encode() + b" if anything is missing here."
PICTURES = {"PNG": PLAIN, "JPEG": saved(noise("RGB"), "JPEG"), "WEBP": saved(noise("RGB"), "WEBP"), "GIF": saved(noise("P"), "GIF")}
B = pa.binary()
HF = pa.struct([("bytes", B), ("path", pa.string())])
SHAPES: dict[str, tuple[Callable[[list[bytes | None]], pa.Array], str]] = {
    "binary": (lambda values: pa.array(values, B), "image"),
    "large binary": (lambda values: pa.array(values, pa.large_binary()), "image"),
    "Hugging Face": (lambda values: pa.array([{"bytes": one, "path": f"{at}.png"} for at, one in enumerate(values)], HF), "image.bytes"),
    "list": (lambda values: pa.array([[None, one] for one in values], pa.list_(B)), "image[1]"),
    "list of images": (lambda values: pa.array([[{"bytes": one, "path": None}] for one in values], pa.list_(HF)), "image[0].bytes"),
    "map": (lambda values: pa.array([[("front", one)] for one in values], pa.map_(pa.string(), B)), "image[].value"),
    "view": (lambda values: pa.array(values, pa.binary_view()), "image"),
    "dictionary": (lambda values: pa.array(values, B).dictionary_encode(), "image"),
}


def ipc(opener: Any) -> Callable[[pa.Table], bytes]:
    def write(table: pa.Table) -> bytes:
        out = io.BytesIO()
        with opener(out, table.schema) as writer:
            writer.write_table(table)
        return out.getvalue()

    return write


def by(write: Any) -> Callable[[pa.Table], bytes]:
    def written(table: pa.Table) -> bytes:
        out = io.BytesIO()
        write(table, out)
        return out.getvalue()

    return written


WRITERS = {ARROW_FILE: ipc(pa.ipc.new_file), ARROW_STREAM: ipc(pa.ipc.new_stream), PARQUET: by(pq.write_table), ORC: by(orc.write_table)}
READERS: dict[str, Callable[[bytes], pa.Table]] = {
    ARROW_FILE: lambda data: pa.ipc.open_file(data).read_all(),
    ARROW_STREAM: lambda data: pa.ipc.open_stream(data).read_all(),
    PARQUET: lambda data: pq.ParquetFile(io.BytesIO(data)).read(),
    ORC: lambda data: orc.read_table(io.BytesIO(data)),
}
SOME = [
    *((kind, shape) for kind in (ARROW_FILE, PARQUET) for shape in SHAPES),
    *((kind, shape) for kind in (ARROW_STREAM, ORC) for shape in ("binary", "Hugging Face", "list of images")),
]


@pytest.fixture(autouse=True)
def _in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orc_rewriting, "decoded_orc", lambda path, out, *_: decode(str(path), str(out)))


def drawn(row: int, column: str) -> Order:
    return order(Unit(row=row, column=column), 0, 4, view="ocr", decoded_via="ocr", boxes=(BOX,))


def bytes_in(value: Any) -> bytes | None:
    """The image in a value of any shape."""
    while isinstance(value, (list, tuple)):
        value = value[-1]
    found: bytes | None = value["bytes"] if isinstance(value, dict) else value
    return found


@pytest.mark.parametrize(("kind", "shape"), SOME)
def test_only_the_place_in_one_cell_is_painted(kind: str, shape: str) -> None:
    make, path = SHAPES[shape]
    column = make([GRAY, None, PLAIN, GRAY])
    table = pa.table({"image": column, "label": [1, 2, 3, 4]})
    if kind == ORC:
        path = path.replace("[0]", "[]")
    made, told = cleaned(rewrite, WRITERS[kind](table), Kind(kind), [drawn(2, path)])
    assert not told.undone
    after = READERS[kind](made)
    assert after.schema == READERS[kind](WRITERS[kind](table)).schema
    values = [bytes_in(one) for one in after["image"].to_pylist()]
    assert [values[0], values[1], values[3]] == [GRAY, None, GRAY] and values[2] is not None
    (before,), (now,) = shown(PLAIN), shown(values[2])
    mask = inside((90, 40), BOX)
    np.testing.assert_array_equal(now[~mask], before[~mask])
    assert not now[mask][:, :3].any()
    if shape == "Hugging Face":
        assert [one["path"] for one in after["image"].to_pylist()] == ["0.png", "1.png", "2.png", "3.png"]
    assert after["label"].to_pylist() == [1, 2, 3, 4]


@pytest.mark.parametrize("kind", PICTURES)
def test_pictures_of_every_format_are_painted_in_theirs(kind: str) -> None:
    data = WRITERS[PARQUET](pa.table({"image": [PICTURES[kind]]}))
    made, told = cleaned(rewrite, data, Kind(PARQUET), [drawn(0, "image")])
    (after,) = READERS[PARQUET](made)["image"].to_pylist()
    assert not told.undone and Image.open(io.BytesIO(after)).format == kind
    assert shown(after)[0][17, 40][:3].max() < 60
    assert dict(told.account.counts) == {("rule", "mask"): 1} | ({("clean.picture", "re-encoded"): 1} if kind == "JPEG" else {})


@pytest.mark.parametrize(
    ("column", "picture", "size"),
    [
        *((column, noted(), len(PLAIN)) for column in ("image", "image (Comment)", "a.b (c)")),
        ("image", TRAILING, len(PLAIN)),
        *(("image", with_exif(kind), None) for kind in ("WEBP", "JPEG", "TIFF")),
    ],
)
def test_what_is_said_beside_the_pixels_of_a_cell_is_found_and_removed(column: str, picture: bytes, size: int | None) -> None:
    data = WRITERS[PARQUET](pa.table({column: [PLAIN, picture], "n": ["x", "y"]}))
    done = rewritten(data, "a.parquet", CleanPolicy(unchecked="copy"), engines=("pii",))
    assert done.data is not None, done.cleaned.reason
    one, two = READERS[PARQUET](done.data)[column].to_pylist()
    assert one == PLAIN and MAIL.encode() not in two
    np.testing.assert_array_equal(shown(two)[0], shown(picture)[0])
    assert size in (None, len(two))


@pytest.mark.parametrize(
    ("table", "column", "kind", "why"),
    [
        (pa.table({"image": [PLAIN[:90]]}), "image", PARQUET, "the image cannot be opened"),
        (pa.table({"image": pa.array([PLAIN], pa.binary(len(PLAIN)))}), "image", PARQUET, "cannot be changed"),
        (pa.table([[PLAIN], [GRAY]], ["image", "image"]), "image", PARQUET, None),
        (pa.table({"image": [PLAIN]}), "image[3]", PARQUET, None),
    ],
    ids=["cut off", "of fixed length", "two of one name", "nowhere"],
)
def test_what_cannot_be_painted_is_not_changed(table: pa.Table, column: str, kind: str, why: str | None) -> None:
    data = WRITERS[kind](table)
    if why is not None:
        with pytest.raises((CannotRewriteError, ReadError), match=why):
            cleaned(rewrite, data, Kind(kind), [drawn(0, column)])
    else:
        made, told = cleaned(rewrite, data, Kind(kind), [drawn(0, column)])
        assert len(told.undone) == 1 and READERS[kind](made).equals(table)


@pytest.mark.parametrize("kind", [PARQUET, ARROW_FILE])
def test_a_picture_in_the_text_of_a_cell_loses_what_was_found_in_it(kind: str) -> None:
    """As in datasets of conversations about images."""
    url = f"data:image/png;base64,{base64.b64encode(noted()).decode()}"
    texts = [[{"text": f"See {url} and {url}, says {MAIL}."}, {"text": "x"}], [{"text": url}], None, [{"text": "none"}]]
    done = rewritten(WRITERS[kind](pa.table({"chat": texts, "n": [1, 2, 3, 4]})), "a.data", CleanPolicy(unchecked="copy"), engines=("pii",))
    assert done.data is not None, done.cleaned.reason
    new = base64.b64encode(without_metadata(noted(), Limits())).decode()
    plain = f"data:image/png;base64,{new}"
    assert READERS[kind](done.data)["chat"].to_pylist() == [
        [{"text": f"See {plain} and {plain}, says [EMAIL]."}, {"text": "x"}],
        [{"text": plain}],
        None,
        [{"text": "none"}],
    ]


def test_a_table_of_images_is_held_without_ocr() -> None:
    done = rewritten(WRITERS[PARQUET](pa.table({"image": [PLAIN, GRAY]})), "a.parquet")
    assert done.cleaned.reason == "it was not wholly checked: ocr was not selected: text in 2 images was not read"
    assert done.cleaned.reason_code == "engine-not-selected"
