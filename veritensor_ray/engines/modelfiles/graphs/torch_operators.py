"""Judges operators of PyTorch by their names: those that reach files, the network or memory, those of PyTorch itself, and all others."""

from __future__ import annotations

import re
from collections.abc import Iterator

from veritensor_ray.core import bounds
from veritensor_ray.engines.modelfiles.effects import Found
from veritensor_ray.engines.modelfiles.graphs.found import FILES, Place, danger, foreign, inert, operators, unknown

_REACHING = re.compile(
    r"(?:aten::)?(?:from_file|_?save|_?load|from_blob|_from_blob\w*|data_ptr|_data_ptr|open|read|write)"
    r"|prim::(?:rpc_\w+|(?:Ignored)?PythonOp|load|save)|(?:rpc|c10d|distributed|dist_autograd|distributed_rpc)::\w+"
    r"|(?:image|video\w*|torchvision|torchaudio\w*|torchtext|torio\w*|torchdata)::(?:\w*(?:read|write|load|save|open|stream|file)\w*)"
    r"|debugprims::\w+|symm_mem::\w+|\w+::(?:\w*(?:read|write|load|save|open)_?(?:file|from_file|to_file|tensor_file|url)\w*|exec\w*|system|shell\w*|dlopen)"
)
_COMPILED = re.compile(r"(?:tensorrt|torch_?trt|neuron\w*|aot_?inductor|coreml|nnapi|_?lite|tensorexpr|xnnpack_delegate|openvino)::\w+")
_METHOD = re.compile(r"(?:\w+\.)+(_?[a-z]\w*)")


def judged_operator(operator: str, place: Place) -> Iterator[Found]:
    """Yield what an operator does, or a function of `torch`."""
    method = _METHOD.fullmatch(operator)
    if reaches_outside(operator):
        yield from danger(FILES, "calls", operator, "the operator reaches files, the network or memory", place)
    elif is_own(operator) or (method and is_own(method[1])):
        yield inert("calls", operator, "it only computes", place)
    elif "::" in operator:
        yield from foreign(operator, "PyTorch's operators", place)
    else:
        yield unknown("calls", f"torch.{operator}", "it is not one of PyTorch's operators", place)


def reaches_outside(name: str) -> bool:
    """Return whether an operator (`aten::from_file`) has access to files, to the network or to memory that is not a tensor's."""
    return _REACHING.fullmatch(name.partition(".")[0][: bounds.NAME]) is not None


def is_compiled(name: str) -> bool:
    """Return whether an operator runs a part of the model that was compiled for a device."""
    return _COMPILED.fullmatch(name) is not None


def is_own(name: str) -> bool:
    """Return whether an operator is one of PyTorch's own."""
    space, _, operator = name.rpartition("::")
    return (operator if space in ("", "aten") else f"{space}:{operator}") in operators("torch")
