"""The messages of a Paddle program. How one begins is its only mark."""

from __future__ import annotations

import re

from veritensor_ray.formats.model_files.wire import BULK, NUMBER, TEXT, Schema

_TENSOR = ("tensor", "TensorDesc")
PROGRAM = "Program"
SCHEMA: Schema = {
    PROGRAM: {1: ("blocks", "Block"), 4: ("program_version", "Version"), 5: ("op_version_map", "VersionMap")},
    "Block": {1: ("idx", NUMBER), 2: ("parent_idx", NUMBER), 3: ("vars", "Var"), 4: ("ops", "Op"), 5: ("forward_block_idx", NUMBER)},
    "Op": {1: ("inputs", "Port"), 2: ("outputs", "Port"), 3: ("op_type", TEXT), 4: ("attrs", "Attr"), 5: ("is_target", NUMBER)},
    "Port": {1: ("parameter", TEXT), 2: ("arguments", TEXT)},
    "Attr": {
        1: ("name", TEXT), 2: ("type", NUMBER), 3: ("i", NUMBER), 4: ("f", NUMBER), 5: ("s", TEXT), 6: BULK, 7: BULK, 8: ("strings", TEXT), 10: ("b", NUMBER),
        11: BULK, 12: ("block_idx", NUMBER), 13: ("l", NUMBER), 14: BULK, 15: BULK, 16: BULK, 17: ("var_name", TEXT), 18: ("vars_name", TEXT),
        19: ("float64", NUMBER), 20: ("scalar", "Scalar"), 21: ("scalars", "Scalar"),
    },
    "Scalar": {1: ("scalar_type", NUMBER), 2: ("scalar_b", NUMBER), 3: ("scalar_i", NUMBER), 4: ("r", NUMBER), 5: ("c", "Complex")},
    "Complex": {1: ("r", NUMBER), 2: ("c", NUMBER)},
    "Var": {
        1: ("var", TEXT), 2: ("var_type", "VarType"), 3: ("persistable", NUMBER), 4: ("need_check_feed", NUMBER), 5: ("is_parameter", NUMBER),
        6: ("stop_gradient", NUMBER), 7: ("var_attrs", "VarAttr"),
    },
    "VarAttr": {1: ("name", TEXT), 2: ("type", NUMBER), 3: ("i", NUMBER), 4: ("s", TEXT), 5: BULK},
    "VarType": {
        1: ("kind", NUMBER), 2: _TENSOR, 3: ("dense", "Dense"), 4: ("array", "Dense"), 5: ("reader", "Reader"), 7: ("tuple", "Tuple"), 8: _TENSOR,
        9: _TENSOR, 10: _TENSOR, 11: _TENSOR, 12: _TENSOR,
    },
    "TensorDesc": {1: ("data_type", NUMBER), 2: BULK},
    "Dense": {1: _TENSOR, 2: ("lod_level", NUMBER)},
    "Reader": {1: ("dense", "Dense")},
    "Tuple": {1: BULK},
    "Version": {1: ("version", NUMBER)},
    "VersionMap": {1: ("pair", "VersionPair")},
    "VersionPair": {1: ("op_name", TEXT), 2: ("op_version", "Version")},
}  # fmt: skip
# The first block has the number 0 and no parent, which are required fields, and a variable or an operator.
_BEGINS = re.compile(rb"\x0a[\x80-\xff]{0,4}[\x00-\x7f]\x08\x00\x10(?:\xff{9}\x01|[\x00\x01])(?:[\x1a\x22]|\Z)", re.DOTALL)


def is_paddle(head: bytes) -> bool:
    """Whether a file that begins like this is a program of Paddle."""
    return _BEGINS.match(head) is not None
