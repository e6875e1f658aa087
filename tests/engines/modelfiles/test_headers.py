"""safetensors, GGUF, ONNX and HDF5: what their headers lead to."""

from __future__ import annotations

import io
import json
import random
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from safetensors.numpy import save

from tests.cases import each
from tests.engines.modelfiles.building import found, judged, scan
from tests.formats.model_files.building import GGUF_ARRAY, GGUF_STRING, gguf
from veritensor_ray.core.media_types import UNKNOWN
from veritensor_ray.engines.modelfiles.path_names import leaves_folder
from veritensor_ray.formats.recognition import sniff


def safetensors(header: Any, data: int = 0) -> bytes:
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(raw).to_bytes(8, "little") + raw + bytes(data)


def entry(start: int, end: int, shape: list[int] | None = None, dtype: str = "U8") -> dict[str, Any]:
    return {"dtype": dtype, "shape": [end - start] if shape is None else shape, "data_offsets": [start, end]}


@each(
    ("data", "problem"),
    [
        (save({"a": np.ones((2, 3), np.float32), "b": np.zeros(0)}, {"note": "x"}), None),
        (safetensors({"c": entry(0, 10, [5], "BF16")}, 10), None),
        (safetensors({"a": entry(0, 8), "b": entry(4, 12)}, 12), "entry 2 overlaps the tensor before it"),
        (safetensors({"a": entry(0, 8), "b": entry(10, 12)}, 12), "there is a gap of 2 bytes before entry 2"),
        (safetensors({"a": entry(0, 8)}, 4), "the tensors need 8 bytes, but the file has 4"),
        (safetensors({"a": entry(0, 8)}, 9), "1 bytes after the last tensor do not belong to any"),
        (safetensors({"a": entry(8, 0, [8])}, 8), "entry 1: its offsets are in the wrong order"),
        (safetensors({"a": entry(0, 8, [3], "F32")}, 8), "entry 1: 8 bytes do not hold a tensor of its shape"),
        (safetensors({"a": entry(0, 8, [-8])}, 8), "entry 1: it does not have a valid shape"),
        (safetensors({"a": 7}, 8), "entry 1: the description of the tensor is invalid"),
        (safetensors({"__metadata__": {"a": 1}}), "__metadata__ contains values other than strings"),
        (
            safetensors(b'{"a": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]}, "a": 0}', 1),
            "the name of entry 2 has occurred before",
        ),
        (safetensors(b'{"a": }   '), "the header is not JSON in UTF-8"),
    ],
)
def test_safetensors(data: bytes, problem: str | None) -> None:
    expected = [] if problem is None else [("safetensors-malformed", problem)]
    assert found(data, "a.safetensors")[:1] == expected


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        ((1 << 60).to_bytes(8, "little") + b'{"a": {}}', f"the header has {1 << 60:,} bytes; at most 100,000,000 are allowed"),
        (b"\x00\x01\x02", "the file ends inside the header"),
        ((900).to_bytes(8, "little") + b"\x00\x01" * 20, "the file ends inside the header"),
    ],
)
def test_what_is_only_called_safetensors(data: bytes, problem: str) -> None:
    assert sniff(data, ".safetensors").media_type == UNKNOWN
    assert found(data, "a.safetensors") == [("safetensors-malformed", problem)]


def test_gguf_templates_and_lengths() -> None:
    good = gguf([("general.name", GGUF_STRING, "a"), ("tokenizer.chat_template", GGUF_STRING, "{{ messages[0]['content'] }}")])
    assert found(good, "a.gguf") == []
    bad = gguf([("tokenizer.chat_template.tool", GGUF_STRING, "x\n{{ ''.__class__ }}")])
    assert found(bad, "a.gguf") == [("template-escape", "__class__")]
    [hit] = scan(bad, "a.gguf")
    assert bad[hit.start : hit.end] == b"{{ ''.__class__ }}"  # type: ignore[union-attr]
    assert found(good[:-3], "a.gguf")[0][0] == "gguf-malformed"
    assert found(gguf([("a", GGUF_STRING, "x")] * 2), "a.gguf") == [("gguf-malformed", "the key of metadata pair 2 has occurred before")]
    huge = good.replace((1).to_bytes(8, "little") + b"a", (1 << 62).to_bytes(8, "little") + b"a", 1)
    assert [rule for rule, _ in found(huge, "a.gguf")] == ["gguf-malformed"]


def model(location: str = "weights.bin", domain: str = "", functions: bool = False) -> bytes:
    import onnx.helper

    tensor = onnx.helper.make_tensor("w", onnx.TensorProto.FLOAT, [2], [1.0, 2.0])
    tensor.ClearField("float_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", "0")):
        pair = tensor.external_data.add()
        pair.key, pair.value = key, value
    node = onnx.helper.make_node("Relu", ["w"], ["y"], domain=domain)
    inner = onnx.helper.make_graph([onnx.helper.make_node("Relu", ["w"], ["y"])], "inner", [], [], [tensor])
    branch = onnx.helper.make_node("If", ["c"], ["z"], then_branch=inner, else_branch=inner)
    graph = onnx.helper.make_graph([node, branch], "graph", [], [])
    opsets = [onnx.helper.make_opsetid("", 18), *([onnx.helper.make_opsetid(domain, 1)] if domain else [])]
    own = (
        [onnx.helper.make_function(domain, "F", ["a"], ["b"], [onnx.helper.make_node("Relu", ["a"], ["b"])], opsets[:1])]
        if functions
        else []
    )
    data: bytes = onnx.helper.make_model(graph, opset_imports=opsets, functions=own).SerializeToString()
    return data


@each(
    ("data", "expected"),
    lambda: [
        (model(), []),
        (model("sub/weights.bin"), []),
        (model("../../etc/passwd"), ("onnx-external-data", "../../etc/passwd")),
        (model("/etc/passwd"), ("onnx-external-data", "/etc/passwd")),
        (model(domain="evil.ops"), ("onnx-custom-operators", "evil.ops")),
        (model(domain="com.microsoft"), []),
        (model(domain="mine.functions", functions=True), []),
    ],
)
def test_onnx(data: bytes, expected: Any) -> None:
    results = found(data, "model.bin")
    assert expected in results if expected else results == []


@pytest.mark.parametrize("key", ["token_type", "scores"])
def test_arrays_of_a_vocabulary_that_differ_in_length(key: str) -> None:
    def vocabulary(entries: int) -> bytes:
        pairs = [("tokenizer.ggml.tokens", GGUF_ARRAY, ["a", "b"]), (f"tokenizer.ggml.{key}", GGUF_ARRAY, ["1"] * entries)]
        return gguf(pairs)

    assert found(vocabulary(2), "a.gguf") == []
    assert found(gguf([(f"tokenizer.ggml.{key}", GGUF_ARRAY, ["1"])]), "a.gguf") == []
    assert found(vocabulary(3), "a.gguf") == [("gguf-malformed", f"the vocabulary has 2 tokens, but {key} has 3 entries")]


@pytest.mark.parametrize(
    ("template", "verdict"),
    [
        ("{% for m in messages %}<|{{ m.role }}|>{{ m.content }}{% endfor %}", "inert"),
        ("{% if not tools %}{{ raise_exception('There must be at least one tool.') }}{% endif %}{{ messages[0].content }}", "inert"),
        ("<|system|>Answer in the language of the user.{{ messages[0].content }}", "unknown"),
        ("{{ 'Answer in the language of the user.' + messages[0].content }}", "unknown"),
    ],
)
def test_a_template_with_words_of_its_own_is_not_proven(template: str, verdict: str) -> None:
    file = judged(gguf([("general.architecture", GGUF_STRING, "llama"), ("tokenizer.chat_template", GGUF_STRING, template)]), "a.gguf")
    assert file is not None
    assert file.verdict == verdict, file.reasons


def test_real_onnx_models_raise_nothing() -> None:
    import onnx

    folder = Path(onnx.__file__).parent / "backend/test/data"
    models = sorted(folder.rglob("*.onnx"))
    assert len(models) > 50
    for path in models:
        assert [hit for hit in found(path.read_bytes(), path.name) if hit[0] != "onnx-custom-operators"] == [], path


@pytest.mark.parametrize(
    ("path", "leaves"),
    [
        ("a/b", False),
        ("a/../b", False),
        ("a/../../b", True),
        ("./a", False),
        ("..\\b", True),
        ("C:x", True),
        ("~/a", True),
        ("s3://b", True),
        ("a\0", True),
    ],
)
def test_paths(path: str, leaves: bool) -> None:
    assert leaves_folder(path) is leaves


def test_hdf5() -> None:
    out = io.BytesIO()
    with h5py.File(out, "w") as root:
        layer = {"class_name": "Lambda", "config": {"name": "l", "function": ["4w==", None, None]}}
        root.attrs["model_config"] = json.dumps({"class_name": "Sequential", "config": {"layers": [layer]}})
        root["here"] = np.arange(3)
        root["group/link"] = h5py.ExternalLink("/etc/passwd", "/x")
        root["group/near"] = h5py.ExternalLink("other.h5", "/x")
        root.create_dataset("raw", shape=(4,), dtype="u1", external=[("../secret", 0, 4)])
    results = scan(out.getvalue(), "model.h5")
    assert [(hit.rule.removeprefix("modelfiles."), hit.severity) for hit in results] == [  # type: ignore[union-attr]
        ("keras-lambda", None),
        ("hdf5-external-data", "high"),
        ("hdf5-external-data", None),
        ("hdf5-external-data", "high"),
    ]


@each(
    ("data", "name"),
    lambda: [
        (save({"a": np.ones(4, np.float32)}, {"k": "v"}), "a.safetensors"),
        (gguf([("tokenizer.chat_template", GGUF_STRING, "{{ x.__class__ }}"), ("n", 4, 7)]), "a.gguf"),
        (model("../x", "evil"), "a.onnx"),
    ],
)
def test_damage_raises_nothing(data: bytes, name: str) -> None:
    chance = random.Random(5)
    for cut in range(0, len(data), 2):
        scan(data[:cut], name)
        changed = bytearray(data)
        changed[cut] = chance.randrange(256)
        scan(bytes(changed), name)


def test_only_the_first_architecture_of_gguf_has_keys() -> None:
    made = gguf([("general.architecture", GGUF_ARRAY, ["llama", "evil"]), ("evil.key", GGUF_STRING, "x")])
    file = judged(made, "a.gguf")
    assert file is not None
    assert [reason for reason in file.reasons if "evil.key" in reason]
