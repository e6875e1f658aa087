"""Graphs run alike on every processor."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from veritensor_ray.models.onnx_graph import OnnxGraph


def test_products_of_eight_bits_do_not_overflow(tmp_path: Path) -> None:
    """Pairs of these products exceed 16 bits, in which processors without VNNI add them up unless they are told not to."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    size, most = 64, np.full((64, 16), 127, np.int8)
    nodes = [
        helper.make_node("Cast", ["given"], ["bytes"], to=TensorProto.UINT8),
        helper.make_node("MatMulInteger", ["bytes", "most"], ["sums"]),
        helper.make_node("Cast", ["sums"], ["answer"], to=TensorProto.FLOAT),
    ]
    graph = helper.make_graph(
        nodes,
        "product",
        [helper.make_tensor_value_info("given", TensorProto.INT64, [1, size])],
        [helper.make_tensor_value_info("answer", TensorProto.FLOAT, [1, 16])],
        [numpy_helper.from_array(most, "most")],
    )
    file = tmp_path / "product.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), file)
    answer = OnnxGraph(file, ["given"], "answer").answer({"given": np.full((1, size), 255)})
    assert answer.tolist() == [[255 * 127 * size] * 16]
