"""The messages of TensorFlow's models. Which of them a file is, its first fields tell: nothing names it."""

from __future__ import annotations

import io
import re
from typing import BinaryIO

from veritensor_ray.core.errors import Malformed
from veritensor_ray.formats.common.kind import HEAD_BYTES
from veritensor_ray.formats.model_files.wire import BULK, DATA, NUMBER, PAIR, TEXT, Schema, UnreadField, WireText, walk

SAVED_MODEL, META_GRAPH, GRAPH, KERAS_METADATA = "SavedModel", "MetaGraph", "Graph", "KerasMetadata"
_ATTRS = ("attr", "Attr")
_ANY = ("any", "Any")
_TENSOR_INFOS = ("tensor_infos", "TensorInfoEntry")
SCHEMA: Schema = {
    SAVED_MODEL: {1: ("saved_model_schema_version", NUMBER), 2: ("meta_graphs", META_GRAPH)},
    META_GRAPH: {
        1: ("meta_info", "MetaInfo"), 2: ("graph", GRAPH), 3: ("saver", "Saver"), 4: ("collections", "Collection"), 5: ("signatures", "SignatureEntry"),
        6: ("assets", "Asset"), 7: ("objects", "Objects"),
    },
    "MetaInfo": {
        1: ("meta_graph_version", TEXT), 2: ("stripped_ops", "Ops"), 3: _ANY, 4: ("tags", TEXT), 5: ("tensorflow_version", TEXT),
        6: ("tensorflow_git_version", TEXT), 7: ("stripped_default_attrs", NUMBER), 8: ("function_aliases", PAIR),
    },
    "Ops": {1: ("op", "OpDef")},
    "OpDef": {
        1: ("op_name", TEXT), 2: ("input_arg", "Arg"), 3: ("output_arg", "Arg"), 4: ("attr_def", "AttrDef"), 5: ("summary", TEXT),
        6: ("description", TEXT), 8: ("deprecation", "Deprecation"), 16: ("is_aggregate", NUMBER), 17: ("is_stateful", NUMBER),
        18: ("is_commutative", NUMBER), 19: ("allows_uninitialized_input", NUMBER), 20: ("control_output", TEXT), 21: ("distributed", NUMBER),
    },
    "Arg": {
        1: ("arg", TEXT), 2: ("description", TEXT), 3: ("type", NUMBER), 4: ("type_attr", TEXT), 5: ("number_attr", TEXT), 6: ("type_list_attr", TEXT),
        7: ("handle_data", "HandleData"), 16: ("is_ref", NUMBER), 17: ("full_type", "FullType"),
    },
    "HandleData": {1: ("dtype", NUMBER), 2: ("shape", "Shape")},
    "AttrDef": {
        1: ("attr_name", TEXT), 2: ("type", TEXT), 3: ("default", "Value"), 4: ("description", TEXT), 5: ("has_minimum", NUMBER), 6: ("minimum", NUMBER),
        7: ("allowed", "Value"),
    },
    "Deprecation": {1: ("version", NUMBER), 2: ("explanation", TEXT)},
    "FullType": {1: ("type_id", NUMBER), 2: ("args", "FullType"), 3: ("s", TEXT), 4: ("i", NUMBER)},
    "Shape": {2: ("dim", "Dim"), 3: ("unknown_rank", NUMBER)},
    "Dim": {1: ("size", NUMBER), 2: ("dim_name", TEXT)},
    "Any": {1: ("type_url", TEXT), 2: ("any_value", DATA)},
    GRAPH: {1: ("node", "Node"), 2: ("library", "Library"), 3: ("version", NUMBER), 4: ("versions", "Versions"), 5: ("debug_info", "DebugInfo")},
    "Versions": {1: ("producer", NUMBER), 2: ("min_consumer", NUMBER), 3: BULK},
    "DebugInfo": {
        1: ("files", TEXT), 2: ("traces", "TraceEntry"), 3: ("frames_by_id", "FrameEntry"), 4: ("traces_by_id", "TraceById"),
        5: ("name_to_trace_id", "TraceIdEntry"),
    },
    "TraceEntry": {1: ("trace_name", TEXT), 2: ("trace", "Trace")},
    "TraceById": {1: ("id", NUMBER), 2: ("trace", "Trace")},
    "TraceIdEntry": {1: ("trace_name", TEXT), 2: ("id", NUMBER)},
    "FrameEntry": {1: ("id", NUMBER), 2: ("frame", "Frame")},
    "Trace": {1: ("file_line_cols", "Frame"), 2: BULK},
    "Frame": {1: ("file_index", NUMBER), 2: ("line", NUMBER), 3: ("col", NUMBER), 4: ("func", TEXT), 5: ("code", TEXT)},
    "Node": {
        1: ("name", TEXT), 2: ("op", TEXT), 3: ("input", TEXT), 4: ("device", TEXT), 5: _ATTRS, 6: ("debug", "NodeDebug"), 7: ("full_type", "FullType"),
    },
    "NodeDebug": {1: ("original_node_names", TEXT), 2: ("original_func_names", TEXT)},
    "Attr": {1: ("key", TEXT), 2: ("value", "Value")},
    "Value": {
        1: ("list", "Values"), 2: ("s", DATA), 3: ("i", NUMBER), 4: ("f", NUMBER), 5: ("b", NUMBER), 6: ("type", NUMBER), 7: ("shape", "Shape"),
        8: ("tensor", "Tensor"), 9: ("placeholder", TEXT), 10: ("func", "FunctionName"),
    },
    "Values": {2: ("s", DATA), 3: BULK, 4: BULK, 5: BULK, 6: BULK, 7: ("shape", "Shape"), 8: ("tensor", "Tensor"), 9: ("func", "FunctionName")},
    "FunctionName": {1: ("function", TEXT), 2: _ATTRS},
    "Tensor": {
        1: ("dtype", NUMBER), 2: ("shape", "Shape"), 3: ("version_number", NUMBER), 4: BULK, 5: BULK, 6: BULK, 7: BULK, 8: ("string_val", DATA), 9: BULK,
        10: BULK, 11: BULK, 12: BULK, 13: BULK, 14: ("resource", "Handle"), 15: ("variant", "Variant"), 16: BULK, 17: BULK, 18: BULK,
    },
    "Handle": {
        1: ("handle_device", TEXT), 2: ("container", TEXT), 3: ("handle_name", TEXT), 4: ("hash_code", NUMBER), 5: ("maybe_type_name", TEXT),
        6: ("dtypes", "HandleData"),
    },
    "Variant": {1: ("type_name", TEXT), 2: ("metadata", DATA), 3: ("tensors", "Tensor")},
    "Library": {1: ("function", "Function"), 2: ("gradient", "Gradient"), 3: ("registered_gradients", "RegisteredGradient")},
    "Gradient": {1: ("function_name", TEXT), 2: ("gradient_func", TEXT)},
    "RegisteredGradient": {1: ("gradient_func", TEXT), 2: ("registered_op_type", TEXT)},
    "Function": {
        1: ("signature", "OpDef"), 3: ("body", "Node"), 4: ("ret", PAIR), 5: _ATTRS, 6: ("control_ret", PAIR), 7: ("arg_attr", "ArgAttrEntry"),
        8: ("unique_id", "UniqueId"),
    },
    "ArgAttrEntry": {1: ("index", NUMBER), 2: ("attrs", "ArgAttrs")},
    "ArgAttrs": {1: _ATTRS},
    "UniqueId": {1: ("index", NUMBER), 2: ("id", NUMBER)},
    "Saver": {
        1: ("filename_tensor", TEXT), 2: ("save_tensor", TEXT), 3: ("restore_op", TEXT), 4: ("max_to_keep", NUMBER), 5: ("sharded", NUMBER),
        6: ("keep_every", NUMBER), 7: ("saver_version", NUMBER),
    },
    "Collection": {1: ("key", TEXT), 2: ("value", "Items")},
    "Items": {1: ("nodes", "Texts"), 2: ("bytes", "Bytes"), 3: ("ints", "Bulk"), 4: ("floats", "Bulk"), 5: ("anys", "Anys")},
    "Texts": {1: ("value", TEXT)},
    "Bytes": {1: ("value", DATA)},
    "Bulk": {1: BULK},
    "Anys": {1: _ANY},
    "SignatureEntry": {1: ("key", TEXT), 2: ("signature", "Signature")},
    "Signature": {1: _TENSOR_INFOS, 2: _TENSOR_INFOS, 3: ("method_name", TEXT), 4: ("defaults", "DefaultEntry")},
    "DefaultEntry": {1: ("key", TEXT), 2: ("tensor", "Tensor")},
    "TensorInfoEntry": {1: ("key", TEXT), 2: ("tensor_info", "TensorInfo")},
    "TensorInfo": {
        1: ("tensor_name", TEXT), 2: ("dtype", NUMBER), 3: ("shape", "Shape"), 4: ("coo", "Coo"), 5: ("composite", "Composite"),
    },
    "Coo": {1: ("values", TEXT), 2: ("indices", TEXT), 3: ("dense_shape", TEXT)},
    "Composite": {1: ("type_spec", "TypeSpec"), 2: ("components", "TensorInfo")},
    "Asset": {1: ("tensor_info", "TensorInfo"), 2: ("filename", TEXT)},
    "Objects": {1: ("nodes", "Object"), 2: ("concrete_functions", "ConcreteEntry")},
    "Object": {
        1: ("children", "Child"), 3: ("slots", "Slot"), 4: ("user_object", "UserObject"), 5: ("asset", "AssetIndex"), 6: ("function", "SavedFunction"),
        7: ("variable", "Variable"), 8: ("bare", "Bare"), 9: ("constant", "Constant"), 10: ("resource", "Resource"), 11: ("saveables", "Saveable"),
        12: ("captured", "Constant"), 13: ("registered_name", TEXT), 14: ("proto", "Any"), 15: ("dependencies", "Child"), 16: ("registered_saver", TEXT),
    },
    "Child": {1: ("node_id", NUMBER), 2: ("local_name", TEXT)},
    "Slot": {1: ("original", NUMBER), 2: ("slot_name", TEXT), 3: ("slot_node", NUMBER)},
    "UserObject": {1: ("identifier", TEXT), 2: ("version", "Versions"), 3: ("metadata", TEXT)},
    "AssetIndex": {1: ("asset_index", NUMBER)},
    "SavedFunction": {1: ("concrete", TEXT), 2: ("spec", "FunctionSpec")},
    "FunctionSpec": {1: ("fullargspec", "Structured"), 2: ("is_method", NUMBER), 5: ("input_signature", "Structured"), 6: ("jit", NUMBER)},
    "Variable": {
        1: ("dtype", NUMBER), 2: ("shape", "Shape"), 3: ("trainable", NUMBER), 4: ("sync", NUMBER), 5: ("aggregation", NUMBER), 6: ("variable_name", TEXT),
        7: ("variable_device", TEXT), 8: ("components", "Variable"),
    },
    "Bare": {1: ("concrete", TEXT), 2: ("keywords", TEXT), 3: ("positional", NUMBER), 4: ("spec", "FunctionSpec")},
    "Constant": {1: ("operation", TEXT)},
    "Resource": {1: ("device", TEXT)},
    "Saveable": {1: ("key", TEXT), 2: ("functions", "SaveFunctions")},
    "SaveFunctions": {2: ("save", NUMBER), 3: ("restore", NUMBER)},
    "ConcreteEntry": {1: ("key", TEXT), 2: ("concrete_function", "Concrete")},
    "Concrete": {2: BULK, 3: ("canonicalized", "Structured"), 4: ("output_signature", "Structured")},
    "Structured": {
        1: ("none", "Empty"), 11: ("float64", NUMBER), 12: ("int64", NUMBER), 13: ("string", TEXT), 14: ("bool", NUMBER), 31: ("shape", "Shape"),
        32: ("dtype", NUMBER), 33: ("spec", "TensorSpec"), 34: ("type_spec", "TypeSpec"), 35: ("bounded", "TensorSpec"), 51: ("list", "StructuredList"),
        52: ("tuple", "StructuredList"), 53: ("dict", "StructuredDict"), 54: ("named_tuple", "NamedTuple"), 55: ("tensor", "Tensor"),
        56: ("numpy", "Tensor"),
    },
    "Empty": {},
    "StructuredList": {1: ("values", "Structured")},
    "StructuredDict": {1: ("fields", "StructuredPair")},
    "StructuredPair": {1: ("key", TEXT), 2: ("value", "Structured")},
    "NamedTuple": {1: ("tuple_name", TEXT), 2: ("values", "StructuredPair")},
    "TensorSpec": {
        1: ("spec_name", TEXT), 2: ("shape", "Shape"), 3: ("dtype", NUMBER), 4: ("minimum", "Tensor"), 5: ("maximum", "Tensor"),
    },
    "TypeSpec": {1: ("type_spec_class", NUMBER), 2: ("state", "Structured"), 3: ("class_name", TEXT), 4: ("components", NUMBER)},
    KERAS_METADATA: {1: ("nodes", "KerasObject")},
    "KerasObject": {
        2: ("node_id", NUMBER), 3: ("node_path", TEXT), 4: ("keras_identifier", TEXT), 5: ("keras_metadata", TEXT), 6: ("version", "Versions"),
    },
    PAIR: {1: ("key", TEXT), 2: ("value", TEXT)},
}  # fmt: skip
_FIRST = (b"\x08", b"\x0a", b"\x12", b"\x22")  # the tags of the fields that such files begin with
_NAME = re.compile(r"[A-Za-z0-9.>][\w./>\\-]*|_[\w./>\\-]+")
_OPERATOR = re.compile(r"(?:[A-Za-z]\w*>)*[A-Za-z_]\w*")


def root_of(head: bytes) -> str | None:
    """Return the message that a file with these first bytes is, if it is one of TensorFlow's."""
    if head[:1] not in _FIRST:
        return None
    return next((root for root in (SAVED_MODEL, GRAPH, KERAS_METADATA, META_GRAPH) if _is(head, root)), None)


def any_root_of(head: bytes) -> str | None:
    """Return the message that a file with these first bytes may be, even if it has fields that TensorFlow does not know."""
    return next((root for root in (SAVED_MODEL, GRAPH, KERAS_METADATA, META_GRAPH) if _is(head, root, strict=False)), None)


def root_of_file(file: BinaryIO) -> str | None:
    """Return the message that a file is, and rewind it."""
    head = file.read(HEAD_BYTES)
    file.seek(0)
    return root_of(head)


def _is(head: bytes, root: str, strict: bool = True) -> bool:
    """Whether all fields are known up to the first operator, or to the first object of Keras, which is named as such."""
    name = ""
    try:
        for found in walk(io.BytesIO(head), SCHEMA, root, whole=False):
            if strict and isinstance(found, UnreadField) and not found.numbers:
                return False
            if isinstance(found, WireText) and found.message == "Node" and found.name == "name":
                name = found.text
            if isinstance(found, WireText) and (found.message, found.name) in (("Node", "op"), ("OpDef", "op_name")):
                return bool(_OPERATOR.fullmatch(found.text)) and (found.message == "OpDef" or not name or bool(_NAME.fullmatch(name)))
            if isinstance(found, WireText) and found.name == "keras_identifier":
                return found.text.startswith("_tf_keras")
    except Malformed:
        pass
    return False
