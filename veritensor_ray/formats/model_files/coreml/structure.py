"""The messages of a Core ML model, as far as they name classes, files and operations. What other layers and models hold is skipped and told."""

from __future__ import annotations

from veritensor_ray.formats.model_files.forward import ForwardView
from veritensor_ray.formats.model_files.wire import BULK, DATA, FIRST_NUMBER, NUMBER, OTHERWISE, PAIR, TEXT, Schema, begins_with, varint

MODEL = "CoreModel"
_FEATURE = ("feature", "Feature")
_NETWORK = ("network", "Network")
_ATTRIBUTES = ("attributes", "MilAttribute")
_VALUE_ENTRY = {1: ("key", TEXT), 2: ("value", "MilValue")}
_TYPES = frozenset(
    {200, 201, 202, *range(300, 305), *range(400, 405), 500, 501, 502, 555, 556, 560, *range(600, 611), 900, *range(2000, 2007), 3000}
)
SCHEMA: Schema = {
    MODEL: {
        1: ("specification_version", NUMBER), 2: ("description", "Description"), 10: ("is_updatable", NUMBER), 200: ("pipeline_classifier", "Pipelined"),
        201: ("pipeline_regressor", "Pipelined"), 202: ("pipeline", "Pipeline"), 303: _NETWORK, 403: _NETWORK, 500: _NETWORK, 502: ("program", "MilProgram"),
        555: ("custom_model", "CustomModel"), 556: ("linked_model", "LinkedModel"), 3000: ("serialized_model", "SerializedModel"),
    },
    "Description": {
        1: _FEATURE, 10: _FEATURE, 11: ("predicted", TEXT), 12: ("probabilities", TEXT), 13: _FEATURE, 20: ("functions", "FunctionInfo"),
        21: ("default_function", TEXT), 50: _FEATURE, 100: ("metadata", "Metadata"),
    },
    "FunctionInfo": {1: ("feature_name", TEXT), 2: _FEATURE, 3: _FEATURE, 4: ("predicted", TEXT), 5: ("probabilities", TEXT), 6: _FEATURE},
    "Feature": {1: ("feature_name", TEXT), 2: ("short_description", TEXT), 3: BULK},
    "Metadata": {
        1: ("short_description", TEXT), 2: ("version", TEXT), 3: ("author", TEXT), 4: ("license", TEXT), 100: ("user_defined", PAIR),
    },
    "Pipelined": {1: ("pipeline", "Pipeline")},
    "Pipeline": {1: ("models", MODEL), 2: ("model_name", TEXT)},
    "Network": {
        1: ("layers", "Layer"), 2: BULK, 5: ("mapping", NUMBER), 6: ("mapping", NUMBER), 10: BULK, 100: ("labels", "Labels"), 101: BULK,
        200: ("probabilities", TEXT),
    },
    "Labels": {1: ("label", TEXT)},
    "Layer": {
        1: ("layer_name", TEXT), 2: ("input", TEXT), 3: ("output", TEXT), 4: BULK, 5: BULK, 10: ("is_updatable", NUMBER), 500: ("custom", "CustomLayer"),
        605: ("branch", "Branch"), 615: ("loop", "Loop"), OTHERWISE: BULK,
    },
    "Branch": {1: _NETWORK, 2: _NETWORK},
    "Loop": {1: ("max_iterations", NUMBER), 2: ("condition", TEXT), 3: _NETWORK, 4: _NETWORK},
    "CustomLayer": {10: ("class_name", TEXT), 20: BULK, 30: ("parameters", "Parameter"), 40: ("custom_description", TEXT)},
    "CustomModel": {10: ("class_name", TEXT), 30: ("parameters", "Parameter"), 40: ("custom_description", TEXT)},
    "Parameter": {1: ("key", TEXT), 2: ("value", "ParameterValue")},
    "ParameterValue": {10: ("double", NUMBER), 20: ("parameter", TEXT), 30: ("int", NUMBER), 40: ("long", NUMBER), 50: ("bool", NUMBER), 60: ("bytes", DATA)},
    "LinkedModel": {1: ("linked_file", "LinkedFile")},
    "LinkedFile": {1: ("file_name", "LinkedText"), 2: ("search_path", "LinkedText")},
    "LinkedText": {1: ("linked", TEXT)},
    "SerializedModel": {1: ("serialized_identifier", TEXT), 2: BULK},
    "MilProgram": {1: ("program_version", NUMBER), 2: ("functions", "MilFunctionEntry"), 3: ("doc_string", TEXT), 4: _ATTRIBUTES},
    "MilFunctionEntry": {1: ("key", TEXT), 2: ("function", "MilFunction")},
    "MilFunction": {1: ("inputs", "MilNamed"), 2: ("opset", TEXT), 3: ("blocks", "MilBlockEntry"), 4: _ATTRIBUTES},
    "MilBlockEntry": {1: ("key", TEXT), 2: ("block", "MilBlock")},
    "MilBlock": {1: ("inputs", "MilNamed"), 2: ("outputs", TEXT), 3: ("operations", "MilOperation"), 4: _ATTRIBUTES},
    "MilOperation": {1: ("operation", TEXT), 2: ("inputs", "MilInput"), 3: ("outputs", "MilNamed"), 4: ("blocks", "MilBlock"), 5: _ATTRIBUTES},
    "MilInput": {1: ("key", TEXT), 2: ("argument", "MilArgument")},
    "MilArgument": {1: ("bindings", "MilBinding")},
    "MilBinding": {1: ("binding", TEXT), 2: ("value", "MilValue")},
    "MilAttribute": _VALUE_ENTRY,
    "MilNamed": {1: ("named", TEXT), 2: BULK},
    "MilValue": {1: ("doc_string", TEXT), 2: BULK, 3: ("immediate", "MilImmediate"), 5: ("blob", "MilBlob")},
    "MilImmediate": {1: ("tensor", "MilTensor"), 2: ("tuple", "MilValues"), 3: ("list", "MilValues"), 4: ("dictionary", "MilDictionary")},
    "MilValues": {1: ("values", "MilValue")},
    "MilDictionary": {1: ("pairs", "MilPair")},
    "MilPair": {1: ("key", "MilValue"), 2: ("value", "MilValue")},
    "MilTensor": {1: BULK, 2: BULK, 3: BULK, 4: ("strings", "MilStrings"), 5: BULK, 6: BULK, 7: BULK},
    "MilStrings": {1: ("string", TEXT)},
    "MilBlob": {1: ("blob_file", TEXT), 2: ("offset", NUMBER)},
    PAIR: {1: ("key", TEXT), 2: ("value", TEXT)},
}  # fmt: skip


def is_core_ml(head: bytes) -> bool:
    """Whether a file that begins like this is a Core ML model: a version, a description, and one of the kinds of models."""
    return head.startswith(FIRST_NUMBER) and len(head) >= 6 and begins_with(head, _judged)


def _judged(window: ForwardView, number: int, wire: int) -> bool | None:
    if number in _TYPES and wire == 2:
        return True
    if number in (1, 10) and wire == 0:
        return False if varint(window) > 100 else None
    return None if (number, wire) == (2, 2) and window.skip(varint(window)) else False
