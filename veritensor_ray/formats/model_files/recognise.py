"""Recognizes model files without a magic, and those that are zip files."""

from __future__ import annotations

import re
from collections.abc import Collection

from veritensor_ray.core.media_types import CORE_ML, FAISS, NPZ, ONNX, PADDLE, PICKLE, PYTORCH, SAFETENSORS, TENSORFLOW
from veritensor_ray.formats.first_bytes import UNLIKE_TEXT
from veritensor_ray.formats.model_files.coreml.structure import is_core_ml
from veritensor_ray.formats.model_files.onnx.recognise import is_onnx
from veritensor_ray.formats.model_files.paddle.structure import is_paddle
from veritensor_ray.formats.model_files.pickle.recognise import is_certainly_pickle, is_marked_pickle
from veritensor_ray.formats.model_files.tensorflow.structure import root_of

_HEADER = 100_000_000  # bytes of the longest header of safetensors
_FAISS = re.compile(rb"I[A-Za-z][A-Za-z0-9]{2}")
_OBSOLETE = (1 << 20).to_bytes(8, "little") * 2


def model_type(head: bytes) -> str | None:
    """The media type, if the first bytes alone determine it."""
    if is_marked_pickle(head):
        return PICKLE
    return SAFETENSORS if head[8:10] == b'{"' and 0 < int.from_bytes(head[:8], "little") < _HEADER else None


def model_type_by_structure(head: bytes, whole: bool) -> str | None:
    """The media type of model files that begin without a magic number; the bytes that follow have to match the format."""
    if UNLIKE_TEXT.match(head):
        if is_onnx(head):
            return ONNX
        if is_core_ml(head):
            return CORE_ML
        if is_paddle(head):
            return PADDLE
        if root_of(head):
            return TENSORFLOW
        if _is_faiss(head):
            return FAISS
    return PICKLE if is_certainly_pickle(head, whole) else None


def zipped_model(names: Collection[str]) -> str | None:
    """The media type of a zip file by the names of its entries: a pickle and the tensors that it names, or arrays."""
    if any(name.count("/") <= 1 and name.endswith("data.pkl") for name in names):
        return PYTORCH
    return NPZ if names and all(name.endswith(".npy") for name in names) else None


def _is_faiss(head: bytes) -> bool:
    """Checks for four letters, the dimension, the number of vectors, and a repeated number that stands for two obsolete fields."""
    return bool(_FAISS.match(head)) and head[16:32] == _OBSOLETE
