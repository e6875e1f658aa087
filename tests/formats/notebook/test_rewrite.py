"""Notebooks: texts are changed in place under the names that the reader gives them, and outputs and metadata are taken out on request."""

from __future__ import annotations

import base64
import io
import json
from typing import Any

import nbformat
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.formats.editing.ordering import cleaned, covering, order, over_bytes, texts_of
from tests.formats.images.test_painting import noise
from tests.formats.images.test_rewrite import BOX, SIZE, inside, saved
from veritensor_ray.formats.common.kind import Kind
from veritensor_ray.formats.editing.actions import CannotRewriteError, Strippable
from veritensor_ray.formats.editing.edits import Unit
from veritensor_ray.formats.notebook.rewrite import rewrite_notebook

KIND = Kind("application/x-ipynb+json", "utf-8")
PNG = "iVBORw0KGgoAAAANSUhEUg=="


def notebook(**changes: Any) -> dict[str, Any]:
    code = {
        "cell_type": "code",
        "execution_count": 7,
        "id": "one",
        "metadata": {"tags": ["a tag"], "collapsed": False},
        "source": ["key = 'x'\n", "print(key)"],
        "outputs": [
            {"name": "stdout", "output_type": "stream", "text": ["x\n", "y\n"]},
            {
                "data": {"text/plain": "a repr", "image/png": PNG, "application/json": {"k": ["a\u00e9 value", 1.50, None]}},
                "execution_count": 7,
                "metadata": {"note": "from here"},
                "output_type": "execute_result",
            },
            {"ename": "E", "evalue": "bad", "output_type": "error", "traceback": ["line 1", "line 2"]},
        ],
    }
    picture = {
        "cell_type": "markdown",
        "id": "two",
        "metadata": {},
        "source": "See ![](attachment:a.png)",
        "attachments": {"a.png": {"image/png": PNG}},
    }
    metadata = {"authors": [{"name": "Ann"}], "kernelspec": {"display_name": "P", "name": "python3"}, "title": "t"}
    return {"cells": [code, picture], "metadata": metadata, "nbformat": 4, "nbformat_minor": 5, **changes}


def written(value: dict[str, Any], indent: int | None = 1) -> bytes:
    return (json.dumps(value, indent=indent, ensure_ascii=False) + "\n").encode()


def check(data: bytes) -> Any:
    nbformat.validate(nbformat.reads(data.decode(), as_version=4))
    return json.loads(data)


def test_every_text_is_changed_in_its_place() -> None:
    data = written(notebook())
    texts = [text for text in texts_of(data, KIND) if text[0]]
    out, orders = cleaned(rewrite_notebook, data, KIND, [covering(*one) for one in texts if not one[0].startswith("{")])
    assert not orders.undone
    after = check(out)
    code, picture = after["cells"]
    assert code["source"] == ["[X]", ""]
    assert (code["id"], picture["id"]) == ("cell-0", "cell-1")
    assert code["metadata"] == {"tags": ["[X]"], "collapsed": False}
    assert [output.get("text") or output.get("traceback") for output in code["outputs"]] == [["[X]", ""], None, ["[X]", ""]]
    assert code["outputs"][1]["data"]["image/png"] == picture["attachments"]["a.png"]["image/png"] == PNG
    assert code["outputs"][1]["data"]["text/plain"] == picture["source"] == after["metadata"]["authors"][0]["name"] == "[X]"
    assert out.decode().split("\n")[-3:] == data.decode().split("\n")[-3:]


@pytest.mark.parametrize(
    ("start", "end", "after"),
    [
        (7, 8, ["key = '[X]'\n", "print(key)"]),
        (7, 15, ["key = '[X]", "(key)"]),
        (9, 12, ["key = 'x'[X]", "int(key)"]),
        (10, 20, ["key = 'x'\n", "[X]"]),
    ],
)
def test_a_change_across_lines_keeps_the_list(start: int, end: int, after: list[str]) -> None:
    data = written(notebook())
    text, unit = texts_of(data, KIND)[0]
    out, orders = cleaned(rewrite_notebook, data, KIND, [order(unit, start, end, text[start:end])])
    assert (check(out)["cells"][0]["source"], orders.undone) == (after, [])
    assert len(out.decode().split("\n")) == len(data.decode().split("\n"))


def test_a_string_within_a_json_output() -> None:
    data = written(notebook())
    text, unit = next(one for one in texts_of(data, KIND) if one[0].startswith("{"))
    at = text.index("value")
    out, orders = cleaned(rewrite_notebook, data, KIND, [order(unit, at, at + 5, "value")])
    assert (out, orders.undone) == (data.replace(b" value", b" [X]"), [])
    at = text.index("u00e9")
    out, _ = cleaned(rewrite_notebook, data, KIND, [order(unit, at, at + 5, "u00e9")])
    assert check(out)["cells"][0]["outputs"][1]["data"]["application/json"]["k"][0] == "a[X] value"
    with pytest.raises(CannotRewriteError, match="not the text of a string"):
        at = text.index("1.5")
        cleaned(rewrite_notebook, data, KIND, [order(unit, at, at + 3, "1.5")])


def test_outputs_are_taken_out() -> None:
    data = written(notebook())
    texts = {unit: text for text, unit in texts_of(data, KIND)}
    gone = Unit(part="cell 0", column="outputs[0].text")
    image = order(Unit(part="cell 0", column="outputs[1].data.image/png"), 0, 5, "words")
    out, orders = cleaned(rewrite_notebook, data, KIND, [covering(texts[gone], gone), image], strip=[Strippable.NOTEBOOK_OUTPUTS])
    expected = notebook()
    expected["cells"][0] |= {"outputs": [], "execution_count": None}
    expected["cells"][1]["attachments"] = {}
    assert check(out) == expected
    assert not orders.undone
    assert orders.account.counts == {("clean.notebook-outputs", "strip"): 3}
    assert cleaned(rewrite_notebook, out, KIND, [], strip=[Strippable.NOTEBOOK_OUTPUTS])[0] == out


@pytest.mark.parametrize("indent", [None, 1])
def test_metadata_is_taken_out(indent: int | None) -> None:
    data = written(notebook(), indent)
    author = Unit(column="metadata.authors[0].name")
    out, orders = cleaned(rewrite_notebook, data, KIND, [covering("Ann", author)], strip=[Strippable.METADATA])
    expected = notebook(metadata={"kernelspec": notebook()["metadata"]["kernelspec"]})
    expected["cells"][0]["metadata"] = expected["cells"][0]["outputs"][1]["metadata"] = {}
    assert (check(out), orders.undone) == (expected, [])
    assert cleaned(rewrite_notebook, out, KIND, [], strip=[Strippable.METADATA])[0] == out


def test_an_image_is_left_to_the_caller() -> None:
    data = written(notebook())
    out, orders = cleaned(rewrite_notebook, data, KIND, [order(Unit(part="cell 1", column="attachments.a.png.image/png"), 0, 5, "words")])
    assert (out, len(orders.undone)) == (data, 1)


def test_orders_over_bytes() -> None:
    data = written(notebook())
    at = data.index(b"print")
    out, orders = cleaned(
        rewrite_notebook, data, KIND, [over_bytes(at, at + 5), over_bytes(data.index(b"nbformat"), data.index(b"nbformat") + 5)]
    )
    assert (out, len(orders.undone)) == (data.replace(b"print", b"[X]"), 1)


@pytest.mark.parametrize(
    "data",
    [
        b'{"cells": {"a": "x"}, "nbformat": 4}',
        b'{"cells": [], "nbformat": 4, "nbformat": 4, "a": "x"}',
        b'{"worksheets": [{"cells": ["x"]}]}',
        b'{"cells": ["x"',
    ],
)
def test_what_is_no_notebook_is_json(data: bytes) -> None:
    texts = texts_of(data, KIND)
    text, unit = next(one for one in texts if "x" in one[0])
    at = text.index("x")
    out, orders = cleaned(rewrite_notebook, data, KIND, [order(unit, at, at + 1, "x")])
    assert (out, orders.undone) == (data.replace(b"x", b"[X]"), [])
    with pytest.raises(CannotRewriteError, match="not a notebook of version 4"):
        cleaned(rewrite_notebook, data, KIND, [], strip=[Strippable.NOTEBOOK_OUTPUTS])


def test_a_large_notebook_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("veritensor_ray.core.bounds.HELD", 100)
    with pytest.raises(CannotRewriteError, match="longer than 100 characters"):
        cleaned(rewrite_notebook, written(notebook()), KIND, [])


texts = st.text(st.characters(codec="utf-8"), max_size=8) | st.sampled_from(["a.b", "[0]", 'é\n"\\'])
sources = texts | st.lists(texts | st.integers(), max_size=4)
anything = st.recursive(
    st.none() | st.integers(0, 9) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
bundles = st.dictionaries(st.sampled_from(["text/plain", "application/json", "image/svg+xml", "text/html"]), anything) | anything
outputs = st.fixed_dictionaries(
    {}, optional={"text": sources, "data": bundles, "evalue": anything, "name": st.sampled_from(["stdout", "n"]), "metadata": anything}
)
cells = anything | st.fixed_dictionaries(
    {},
    optional={
        "source": sources,
        "outputs": st.lists(outputs | anything, max_size=2),
        "attachments": st.dictionaries(texts, bundles, max_size=2),
        "metadata": anything,
    },
)


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(st.lists(cells, max_size=3), anything, st.booleans(), st.data())
def test_the_reader_and_the_rewriter_agree_on_names(found: list[Any], metadata: Any, ascii_only: bool, choose: st.DataObject) -> None:
    data = json.dumps({"cells": found, "metadata": metadata}, ensure_ascii=ascii_only, indent=1).encode()
    before = texts_of(data, KIND)
    able = [number for number, (text, unit) in enumerate(before) if text[0] not in "{[" and [one for _, one in before].count(unit) == 1]
    chosen = choose.draw(st.lists(st.sampled_from(able), unique=True)) if able else []
    try:
        out, orders = cleaned(rewrite_notebook, data, KIND, [covering(*before[number]) for number in chosen])
    except CannotRewriteError as error:
        assert "not the text of a string" in str(error)  # a number in a list of lines
        return
    assert not orders.undone
    assert texts_of(out, KIND) == [("[X]" if number in chosen else text, unit) for number, (text, unit) in enumerate(before)]
    if not chosen:
        assert out == data


@pytest.mark.parametrize("lines", [False, True])
def test_a_picture_is_painted_and_everything_around_it_stays(lines: bool) -> None:
    picture = saved(noise("RGB"), "PNG")
    encoded = base64.b64encode(picture).decode() + "\n"
    value = [encoded[:76], encoded[76:]] if lines else encoded
    output = {"output_type": "display_data", "metadata": {}, "data": {"image/png": value, "text/plain": "a plot"}}
    data = json.dumps({"nbformat": 4, "cells": [{"cell_type": "code", "source": "plot()", "outputs": [output]}]}, indent=1).encode()
    unit = Unit(part="cell 0", column="outputs[0].data.image/png")
    out, orders = cleaned(rewrite_notebook, data, KIND, [order(unit, 0, 4, view="ocr", boxes=(BOX,))])
    made = json.loads(out)["cells"][0]["outputs"][0]["data"]
    shown = np.array(Image.open(io.BytesIO(base64.b64decode("".join(made["image/png"])))))
    mask = inside(SIZE, BOX)
    assert (shown[mask] == 0).all() and not list(orders.undone)
    np.testing.assert_array_equal(shown[~mask], np.array(noise("RGB"))[~mask])
    at = data.index(b"a plot")
    assert out.endswith(data[at:]) and out.startswith(data[: data.index(b"iVBOR")])
