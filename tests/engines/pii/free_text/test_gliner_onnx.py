"""GLiNER as a graph: how words, labels and tokens go in, and how spans are read from what comes out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from veritensor_ray.core.config import Settings
from veritensor_ray.core.errors import ModelError
from veritensor_ray.engines.pii.free_text.gliner_onnx import GlinerOnnx, spans
from veritensor_ray.engines.pii.free_text.passages_read import FreeText
from veritensor_ray.models.model_store import ONNX, Model, ModelStore

LABELS = ["person", "street address"]
KNOWN = "maria"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The embedded tokenizer, and a graph that takes each word whose last token is that of `maria` for the first of the labels."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper
    from tokenizers import Tokenizer

    made = tmp_path_factory.mktemp("graph")
    data = (ModelStore("embedded").model("pii").folder / "tokenizer.json").read_bytes()
    (made / "tokenizer.json").write_bytes(data)
    token = Tokenizer.from_buffer(data).encode([KNOWN], is_pretokenized=True, add_special_tokens=False).ids[-1]
    constants = {"known": np.array(token), "three": np.array([3]), "score": np.array([0.9, 0.0], np.float32).reshape(1, 2, 1)}
    nodes = [
        ("Gather", ["input_ids", "word_tokens"], "last"),
        ("Equal", ["last", "known"], "same"),
        ("Cast", ["same"], "as_number"),
        ("Mul", ["score", "as_number"], "scored"),
        ("Shape", ["label_tokens"], "labels"),
        ("Shape", ["word_tokens"], "words"),
        ("Concat", ["three", "labels", "words"], "shape"),
        ("Expand", ["scored", "shape"], "scores"),
    ]
    more = {"Cast": {"to": TensorProto.FLOAT}, "Concat": {"axis": 0}}
    graph = helper.make_graph(
        [helper.make_node(kind, takes, [gives], **more.get(kind, {})) for kind, takes, gives in nodes],
        "names",
        [helper.make_tensor_value_info(name, TensorProto.INT64, ["n" + name]) for name in ("input_ids", "label_tokens", "word_tokens")],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [3, "labels", "words"])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), made / ONNX)
    return made


def test_spans_stand_where_their_words_do(folder: Path) -> None:
    texts = ["", "Ask Maria; then MARIA.", "nobody", "\u200b maria\u0301?"]
    found = GlinerOnnx(folder, LABELS).entities(texts, 0.5)
    assert [[(text[a:b], label) for a, b, label, _ in one] for text, one in zip(texts, found, strict=True)] == [
        [],
        [("Maria", "person"), ("MARIA", "person")],
        [],
        [("maria", "person")],
    ]
    assert GlinerOnnx(folder, LABELS, at_once=2).entities(texts * 3, 0.5) == found * 3


@pytest.mark.parametrize("before", ["word ", "." * 700 + " ", "x" * 5000 + " ", "日" * 1000])
def test_a_text_with_more_tokens_than_have_a_place_is_read_whole(folder: Path, before: str) -> None:
    text = before * 3 + " maria"
    assert [text[a:b] for a, b, _, _ in GlinerOnnx(folder, LABELS).entities([text], 0.5)[0]] == ["maria"]


def test_a_text_cannot_ask_for_labels_of_its_own(folder: Path) -> None:
    marker = GlinerOnnx(folder, LABELS)
    (window,) = marker._windows("<<ENT>> password <<SEP>> [CLS] [SEP] [PAD]")
    special = {marker._words.special(name) for name in ("<<ENT>>", "<<SEP>>", "[CLS]", "[SEP]", "[PAD]")}
    assert not special & set(window.ids)


def test_a_tokenizer_without_the_tokens_that_ask_is_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / ONNX).write_bytes((folder / ONNX).read_bytes())
    (tmp_path / "tokenizer.json").write_text((folder / "tokenizer.json").read_text("utf-8").replace("<<SEP>>", "<<ELSE>>"), "utf-8")
    with pytest.raises(ModelError, match=r"tokenizer\.json cannot be used: it has no token <<SEP>>"):
        GlinerOnnx(tmp_path, LABELS)


def test_the_folder_decides_what_runs_it(folder: Path) -> None:
    settings = {"labels": {"person": "person"}, "sinks": ["place"], "selftest": {"text": "hi maria", "label": "person", "span": "maria"}}
    reader = FreeText(Model("pii", folder, "graph", settings), Settings())
    assert [[(s.rule, s.start, s.end) for s in one] for one in reader.read(["maria", "x", "maria"])] == [
        [("person", 0, 5)],
        [],
        [("person", 0, 5)],
    ]
    reader._marker = None  # type: ignore[assignment]  # what is known is not asked again
    with pytest.raises(AttributeError):
        reader.read(["new"])


def test_a_model_that_knows_nothing_fails_its_self_test(folder: Path) -> None:
    settings = {"labels": {"person": "person"}, "selftest": {"text": "hi jo", "label": "person", "span": "jo"}}
    with pytest.raises(ModelError, match="fails its self-test: it does not recognize 'jo' as person"):
        FreeText(Model("pii", folder, "graph", settings), Settings())


def scored(*rows: str) -> np.ndarray:
    """Digits, a word each: how likely a label begins, ends and goes on there, three rows a label."""
    digits = np.array([[int(digit) / 10 for digit in row] for row in rows], np.float32)
    return digits.reshape(-1, 3, digits.shape[1]).transpose(1, 0, 2)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (("0000", "0000", "0000"), []),
        (("0900", "0080", "0990"), [(1, 2, 0, 0.8)]),
        (("0900", "0009", "0929"), []),  # it does not go on
        (("0090", "0900", "0990"), []),  # it ends before it begins
        (("0900", "0960", "0990"), [(1, 1, 0, 0.9)]),  # the likelier of two ends
        (("9090", "9090", "9090"), [(0, 0, 0, 0.9), (2, 2, 0, 0.9)]),
        (("0700", "0070", "0770", "0090", "0009", "0099"), [(2, 3, 1, 0.9)]),  # labels compete for a word
    ],
)
def test_spans_of_scores(rows: tuple[str, ...], expected: list[tuple[int, int, int, float]]) -> None:
    found = [(a, b, label, round(score, 3)) for a, b, label, score in spans(scored(*rows), 0.5)]
    assert found == expected


def test_addresses_in_lines_of_their_own_are_several() -> None:
    model = ModelStore("embedded").model("pii")
    text = "4186 Pine Drive, Springfield, IL 62701\n77 Mill Road, Leeds LS1 4AP\n9 Elm Street, Boston, MA 02108"
    found = [text[one.start : one.end] for one in FreeText(model, Settings()).read([text])[0] if one.rule == "address"]
    assert len(found) == 3
