"""The messages of an ONNX model. Weights are numbers in bulk."""

from __future__ import annotations

from veritensor_ray.formats.model_files.wire import BULK, DATA, NUMBER, PAIR, TEXT, Schema

_FLOAT = ("f", NUMBER)
_PROPS = ("metadata_props", PAIR)
_OPSET = ("opset_import", "Opset")
SCHEMA: Schema = {
    "Model": {
        1: ("ir_version", NUMBER), 2: ("producer_name", TEXT), 3: ("producer_version", TEXT), 4: ("domain", TEXT), 6: ("doc_string", TEXT),
        7: ("graph", "Graph"), 8: _OPSET, 14: _PROPS, 20: ("training_info", "Training"), 25: ("functions", "Function"),
        26: ("configuration", "Devices"),
    },
    "Graph": {
        1: ("node", "Node"), 2: ("name", TEXT), 5: ("initializer", "Tensor"), 10: ("doc_string", TEXT), 11: ("input", "Value"),
        12: ("output", "Value"), 13: ("value_info", "Value"), 14: ("quantization_annotation", "Annotation"), 15: ("sparse_initializer", "Sparse"),
        16: _PROPS,
    },
    "Node": {
        1: ("input", TEXT), 2: ("output", TEXT), 3: ("name", TEXT), 4: ("op_type", TEXT), 5: ("attribute", "Attribute"), 6: ("doc_string", TEXT),
        7: ("domain", TEXT), 8: ("overload", TEXT), 9: _PROPS,
        10: ("device_configurations", "NodeDevices"),
    },
    "Attribute": {
        1: ("name", TEXT), 2: _FLOAT, 3: ("i", NUMBER), 4: ("s", DATA), 5: ("t", "Tensor"), 6: ("g", "Graph"), 7: BULK, 8: BULK, 9: ("strings", DATA),
        10: ("tensors", "Tensor"), 11: ("graphs", "Graph"), 13: ("doc_string", TEXT), 14: ("tp", "Type"), 15: ("type_protos", "Type"),
        21: ("ref_attr_name", TEXT), 22: ("sparse_tensor", "Sparse"), 23: ("sparse_tensors", "Sparse"),
    },
    "Tensor": {
        1: BULK, 3: ("segment", "Segment"), 4: BULK, 5: BULK, 6: ("string_data", DATA), 7: BULK, 8: ("name", TEXT), 9: BULK,
        10: BULK, 11: BULK, 12: ("doc_string", TEXT), 13: ("external_data", PAIR), 16: _PROPS,
    },
    "Segment": {},
    "Devices": {1: ("name", TEXT), 3: ("device", TEXT)},
    "NodeDevices": {1: ("configuration_id", TEXT), 2: ("sharding_spec", "Sharding")},
    "Sharding": {1: ("tensor_name", TEXT), 2: BULK, 3: ("index_to_device_group_map", "Devices of a shard"), 4: ("sharded_dim", "Sharded")},
    "Devices of a shard": {2: BULK},
    "Sharded": {2: ("simple_sharding", "Simple")},
    "Simple": {2: ("dim_param", TEXT)},
    "Sparse": {1: ("values", "Tensor"), 2: ("indices", "Tensor"), 3: BULK},
    "Value": {1: ("name", TEXT), 2: ("type", "Type"), 3: ("doc_string", TEXT), 4: _PROPS},
    "Type": {
        1: ("tensor", "Shaped"), 4: ("sequence", "Of"), 5: ("map", "Map"), 6: ("denotation", TEXT), 8: ("sparse", "Shaped"), 9: ("optional", "Of"),
    },
    "Shaped": {2: ("shape", "Shape")},
    "Of": {1: ("elements", "Type")},
    "Map": {2: ("values", "Type")},
    "Shape": {1: ("dim", "Dimension")},
    "Dimension": {2: ("dim_param", TEXT), 3: ("denotation", TEXT)},
    "Annotation": {1: ("tensor_name", TEXT), 2: ("quant_parameter_tensor_names", PAIR)},
    "Training": {1: ("initialization", "Graph"), 2: ("algorithm", "Graph"), 3: ("initialization_binding", PAIR), 4: ("update_binding", PAIR)},
    "Function": {
        1: ("name", TEXT), 4: ("input", TEXT), 5: ("output", TEXT), 6: ("attribute", TEXT), 7: ("node", "Node"), 8: ("doc_string", TEXT),
        9: _OPSET, 10: ("domain", TEXT), 11: ("attribute_proto", "Attribute"), 12: ("value_info", "Value"), 13: ("overload", TEXT), 14: _PROPS,
    },
    "Opset": {1: ("domain", TEXT)},
    PAIR: {1: ("key", TEXT), 2: ("value", TEXT)},
}  # fmt: skip
