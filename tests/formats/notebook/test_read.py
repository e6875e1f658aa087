"""Notebooks: cells, outputs, attachments and metadata, with wrong types too."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from tests.cases import each
from tests.formats.images.test_read import PNG
from tests.formats.reading import flat, read, reasons
from veritensor_ray.core.errors import LimitExceeded
from veritensor_ray.formats.common.kind import Kind
from veritensor_ray.formats.notebook import read as module

KIND = Kind("application/x-ipynb+json", "utf-8")


def notebook(*cells: Any, **more: Any) -> bytes:
    """A notebook with these cells."""
    return json.dumps({"cells": list(cells), "nbformat": 4, "nbformat_minor": 5, **more}).encode()


def code(*outputs: Any, source: Any = "1", **more: Any) -> dict[str, Any]:
    """A code cell."""
    return {"cell_type": "code", "execution_count": 1, "source": source, "outputs": list(outputs), **more}


S = ("1", "cell 0", "source", "visible")


@each(
    ("cell", "rows"),
    [
        (code(source="a\nb"), [("a\nb", "cell 0", "source", "visible")]),
        (code(source=["a\n", "b"]), [("a\nb", "cell 0", "source", "visible")]),
        (code(source=[]), []),
        (code({"output_type": "stream", "name": "stdout", "text": ["x\n", "y"]}), [S, ("x\ny", "cell 0", "outputs[0].text", "visible")]),
        (
            code({"output_type": "error", "ename": "E", "evalue": "v", "traceback": ["t"]}),
            [S, ("E", "cell 0", "outputs[0].ename", "metadata"), ("v", "cell 0", "outputs[0].evalue", "visible"), ("t", "cell 0", "outputs[0].traceback", "visible")],
        ),
        (code({}, {"data": {"text/html": ["<b>", "x"]}}), [S, ("<b>x", "cell 0", "outputs[1].data.text/html", "visible")]),
        (code({"data": {"image/svg+xml": "<svg/>"}}), [S, ("<svg/>", "cell 0", "outputs[0].data.image/svg+xml", "visible")]),
        (code({"data": {"application/json": {"a": "x"}}}), [S, ('{"a": "x"}', "cell 0", "outputs[0].data.application/json", "visible")]),
        (code(metadata={"tags": ["x"], "n": 1}), [S, ("x", "cell 0", "metadata.tags[0]", "metadata")]),
        (code(attachments={"a": {"text/plain": "x"}}), [S, ("x", "cell 0", "attachments.a.text/plain", "visible")]),
    ],
)  # fmt: skip
def test_cells(cell: Any, rows: list[tuple[str, ...]]) -> None:
    blocks, gaps = read(notebook(cell), KIND)
    assert (flat(blocks, "part", "column", "view"), gaps) == (rows, [])


WRONG = "hidden in the wrong type"


@each(
    "cell",
    [
        WRONG,
        [WRONG],
        [[{"a": WRONG}]],
        {"source": {"a": WRONG}},
        {"source": [["x", WRONG]]},
        {"outputs": WRONG},
        {"outputs": {"a": WRONG}},
        {"outputs": [WRONG]},
        {"outputs": [[WRONG]]},
        {"outputs": [{"text": {"a": WRONG}}]},
        {"outputs": [{"data": WRONG}]},
        {"outputs": [{"data": [WRONG]}]},
        {"outputs": [{"data": {"text/plain": {"a": WRONG}}}]},
        {"outputs": [{"unknown": WRONG}]},
        {"attachments": WRONG},
        {"attachments": {"a": WRONG}},
        {"attachments": {"a": [WRONG]}},
        {"unknown": [{"a": WRONG}]},
    ],
)
def test_a_text_of_the_wrong_type_is_read_all_the_same(cell: Any) -> None:
    blocks, _ = read(notebook(cell, code(source="after")), KIND)
    assert any(WRONG in text for text in flat(blocks))
    assert ("after", "cell 1") in flat(blocks, "part")


@pytest.mark.parametrize(
    "data",
    [
        json.dumps({"cells": {"a": WRONG}, "nbformat": 4}).encode(),
        json.dumps({"cells": WRONG, "nbformat": 4}).encode(),
        json.dumps({"worksheets": [{"cells": [{"input": WRONG}]}]}).encode(),
        json.dumps([WRONG]).encode(),
        json.dumps(WRONG).encode(),
        b'{"cells": [{"source": "' + WRONG.encode() + b'"}], "cells": [], "nbformat": 4}',
        b'{"cells": [{"source": "' + WRONG.encode() + b'", "source": "x"}], "nbformat": 4}',
        b'{"cells": [{"source": "' + WRONG.encode(),
        b'{"nbformat": 4, "a": "' + WRONG.encode() + b'", "cells": ' + b"[" * 5000,
    ],
)
def test_what_is_no_notebook_is_read_as_json_or_text(data: bytes) -> None:
    assert any(WRONG in text for text in flat(read(data, KIND, name_says=KIND.media_type)[0]))


@pytest.mark.parametrize("depth", [10, 300, 900])
def test_deep_metadata_hides_nothing(depth: int) -> None:
    deep: Any = "bottom"
    for _ in range(depth):
        deep = [deep]
    blocks, _ = read(notebook(code(), metadata={"deep": deep}), KIND)
    assert any("bottom" in text for text in flat(blocks))
    assert max(len(path) for *_, path in flat(blocks, "column") if path) <= 2000 + 3 * depth


def test_pictures_are_images_and_bad_base64_is_a_gap() -> None:
    encoded = base64.encodebytes(PNG).decode()
    blocks, gaps = read(
        notebook(
            code(
                {"data": {"image/png": [encoded[:20], encoded[20:]]}},
                {"data": {"image/vnd.microsoft.icon": "abc"}},
                {"data": {"image/png": 3}},
            )
        ),
        KIND,
    )
    assert next(block.images for block in blocks if block.images) == [PNG]
    assert reasons(gaps) == ["image/vnd.microsoft.icon in outputs[1].data is not valid base64"]


def test_lone_surrogates_and_nuls_and_marks() -> None:
    data = b"\xef\xbb\xbf" + notebook(code(source="a\x00b \ud800 c"))
    blocks, _ = read(data, Kind(KIND.media_type, "utf-8", 3))
    assert flat(blocks) == ["a\x00b \ud800 c"]


def test_bytes_that_do_not_decode_hide_nothing() -> None:
    assert flat(read(notebook(code(source="x?y")).replace(b"?", b"\xff"), KIND)[0]) == ["x\ufffdy"]


def test_a_notebook_that_is_too_big(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LARGEST", 50)
    with pytest.raises(LimitExceeded) as caught:
        read(notebook(code(), code()), KIND)
    assert caught.value.bound == "notebook_bytes"
