"""Checks TensorFlow Lite models: their own operators, those of TensorFlow, all others, and buffers outside of the file. Nothing is run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO

from veritensor_ray.core.errors import Malformed
from veritensor_ray.core.segments import Gap
from veritensor_ray.engines.base import Hit
from veritensor_ray.engines.modelfiles.effects import Found
from veritensor_ray.engines.modelfiles.graphs.found import (
    FILES,
    MALFORMED,
    danger,
    foreign,
    inert,
    looks_like_path,
    operators,
    unknown,
)
from veritensor_ray.engines.modelfiles.graphs.tensorflow_access import access_of
from veritensor_ray.engines.modelfiles.graphs.tensorflow_graphs import RULES_OF_ACCESS, custom
from veritensor_ray.engines.modelfiles.path_names import leaves_folder
from veritensor_ray.formats.common.flatbuffer import FlatFile, FlatTable
from veritensor_ray.formats.common.kind import HEAD_BYTES

MAGIC = b"TFL3"
_END_OF_ZIP, _TAIL = b"PK\x05\x06", HEAD_BYTES  # the metadata of a model may end with files
_PADDING = 16  # bytes to which a writer may round a file up
_CUSTOM_CODE, _LAST_BUILT_IN = 32, 209
# Operators that TensorFlow Lite's own libraries register: its postprocessing, MediaPipe, text, audio and Edge TPU.
_KNOWN = re.compile(
    r"TFLite_Detection_PostProcess|TFLite\w*|Convolution2DTransposeBias|MaxPoolingWithArgmax2D|MaxUnpooling2D|Landmarks2TransformMatrix"
    r"|Transform(?:Tensor(?:Bilinear)?|Landmarks)\w*|AudioSpectrogram|Mfcc|Rfft2d|Irfft2d|Numeric[Vv]erify|Atan2|Sign|Hashtable\w*|Roll|Bucketize"
    r"|RandomUniform|RandomStandardNormal|Multinomial|Gumbel\w*|AveragePool3D|MaxPool3D|Signal\w*|tftext:\w+|aeq\.\w+|ReduceProd|Round|SentencepieceTokenize\w*"
    r"|(?:custom_call\.)?(?:stablehlo|odml)\.\w+|PPPAttention|NGrams\w*|Ngrams|WhitespaceTokenizeWithOffsets|RaggedTensorToTensor|Extract\w*Features?"
)


def scan_tflite(file: BinaryIO) -> Iterator[Found]:
    """Yield what running a model would do."""
    if not file.seekable():
        yield Gap("a TensorFlow Lite model that is read from a stream was not checked", engine="modelfiles")
        return
    data = FlatFile(file)
    try:
        model = FlatTable.root(data)
        yield from _operators(model)
        for graph in model.tables(2):
            for tensor in graph.tables(0):
                tensor.vector(0, 4), tensor.vector(3)  # the shape and the name
            list(graph.tables(3))
        yield from _buffers(model, data)
        yield from _groups(model)
        yield from _metadata(model)
        if _END_OF_ZIP in data.read(max(0, data.size - _TAIL), min(data.size, _TAIL)):
            yield unknown("holds", "a zip file", "it follows the model, and was not read")
        elif data.size - data.reached > _PADDING:
            yield unknown("holds", "bytes behind the model", "no table of it leads there", (data.reached, data.size))
    except Malformed as error:
        yield Hit(MALFORMED, 0, 8, severity="medium", message=f"TensorFlow Lite: {error}", evidence=str(error))


def _operators(model: FlatTable) -> Iterator[Found]:
    for code in model.tables(1):
        built_in = max(code.number(0, 1), code.number(3, 4))
        name, place = code.text(1), (code.at, code.at + 4)
        if built_in != _CUSTOM_CODE and built_in <= _LAST_BUILT_IN and built_in >= 0 and not name:
            yield inert("calls", f"built-in operator {built_in}", "it only computes", place)
        elif name.startswith("Flex"):
            yield from judge_flex(name[4:], place)
        elif _KNOWN.fullmatch(name):
            yield inert("calls", name, "an operator of TensorFlow Lite's own libraries", place)
        else:
            yield from foreign(name or f"built-in operator {built_in}", "TensorFlow Lite's operators", place)


def judge_flex(operator: str, place: tuple[int, int]) -> Iterator[Found]:
    """Yield the judgement of an operator of TensorFlow in a model of TensorFlow Lite."""
    access = access_of(operator)
    if access and not (access.usual and access.kind != "runs"):
        yield from danger(
            RULES_OF_ACCESS[access.kind], access.kind, f"Flex{operator}", access.why, place, "medium" if access.usual else "high"
        )
    elif access:
        yield unknown(access.kind, f"Flex{operator}", access.why, place)
    elif operator in operators("tensorflow"):
        yield inert("calls", f"Flex{operator}", "it only computes", place)
    else:
        yield from custom(f"Flex{operator}", place)


def _buffers(model: FlatTable, data: FlatFile) -> Iterator[Found]:
    """Check that weights lie in the file: a large model has them behind its tables."""
    for buffer in model.tables(4):
        buffer.vector(0)
        offset, length = buffer.number(1, 8, signed=False), buffer.number(2, 8, signed=False)
        data.reached = max(data.reached, offset + length)
        if offset > 1 and offset + length > data.size:
            message = f"a buffer of {length} bytes at byte {offset} lies outside of the file"
            yield Hit(MALFORMED, buffer.at, buffer.at + 4, severity="medium", message=message, evidence=message)
            return


def _groups(model: FlatTable) -> Iterator[Found]:
    """Check the files that hold weights of the model."""
    for group in model.tables(8):
        name, place = group.text(0), (group.at, group.at + 4)
        if leaves_folder(name):
            yield from danger(FILES, "reads", name, "weights outside of the model's folder", place)
        else:
            yield inert("reads", name, "weights in the model's folder", place)


def _metadata(model: FlatTable) -> Iterator[Found]:
    for entry in model.tables(6):
        name = entry.text(0)
        if looks_like_path(name):
            yield from danger(FILES, "reads", name, "metadata of the model leads outside of it", (entry.at, entry.at + 4), "medium")
        else:
            yield inert("holds", f"metadata {name}", "it is not loaded", (entry.at, entry.at + 4))
