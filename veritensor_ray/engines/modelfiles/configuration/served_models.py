"""Judges configuration of programs that serve models: libraries and modules that MLflow, Triton, Caffe, MXNet, ONNX Runtime, TorchServe,
ModelScope, Ray Serve and YOLO load for it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from veritensor_ray.engines.modelfiles.configuration.nodes import ListNode, MapNode, Node, ScalarNode, text_of, texts
from veritensor_ray.engines.modelfiles.configuration.program_texts import python_danger
from veritensor_ray.engines.modelfiles.configuration.seen import LIBRARY, OUTSIDE, REMOTE, TARGET, NodeEffect, NodeFound, NodeHit
from veritensor_ray.engines.modelfiles.configuration.target_names import is_path, judged_target
from veritensor_ray.engines.modelfiles.naming.judgement import NamePolicy
from veritensor_ray.engines.modelfiles.path_names import leaves_folder

_LIBRARY = re.compile(r"[^\s,;:|]{1,500}\.(?:so(?:\.\d+)*|dll|dylib|pyd)", re.IGNORECASE)
_LIBRARY_KEY = re.compile(
    r"custom_?op|op_?lib|plugin|extension|delegate|kernel|backend|provider|engine|native|so_?(?:file|path)|dll|lib_?path|librar(?:y|ies)$|^runtime$|^string_value$",
    re.IGNORECASE,
)
_BARE = re.compile(r"backend_path|provider|ep_|location|^lib$", re.IGNORECASE)  # a name without a folder is the system's library there
_SHARED = ("\\\\", "//", "/tmp", "/dev/shm", "/proc")  # noqa: S108  # folders that others can write to
_ROW = 3  # a row of a YOLO model has at least: from, number, module
_ARGUMENT = re.compile(r"[\w\s.,'\"()\[\]=+*/%:<>-]*")


def judged_serving(node: MapNode, policy: NamePolicy) -> Iterator[NodeFound]:
    """Yield the code and libraries that one mapping makes a serving program load."""
    for name, _, value in node.named():
        if isinstance(value, ScalarNode) and isinstance(value.value, str):
            yield from _libraries(name, value)
        elif isinstance(value, ListNode):
            for item in value.items[:100]:
                if isinstance(item, ScalarNode) and isinstance(item.value, str):
                    yield from _libraries(name, item)
        if name in _BY_KEY:
            yield from _BY_KEY[name](node, value, policy)


def _libraries(key: str, value: ScalarNode) -> Iterator[NodeFound]:
    text = str(value.value).strip()
    if not _LIBRARY_KEY.search(key) or not _LIBRARY.fullmatch(text.removeprefix("file://")):
        return
    outside = leaves_folder(text) or text.startswith("\\\\")
    if not outside and "/" not in text and "\\" not in text and _BARE.search(key):
        yield NodeEffect(value, "imports", text, "unknown", "a native library of the system")
        return
    yield NodeHit(value, LIBRARY, f"{key[:80]} loads {text[:200]}", text, "high" if outside else None)


def _mlflow(node: MapNode, value: Node, policy: NamePolicy) -> Iterator[NodeFound]:
    text = text_of(value)
    if not text or not text.strip():
        return
    target = judged_target(f"{text}._load_pyfunc", policy)
    if target.verdict == "dangerous":
        yield NodeHit(value, TARGET, f"loader_module is {text[:200]}", text, "high")
    elif text.split(".")[0] != "mlflow":
        yield NodeHit(value, REMOTE, f"the model is loaded by the module {text[:200]}", text)
    else:
        yield NodeEffect(value, "imports", text, "inert", "a flavor of MLflow itself; the files that it loads are judged by themselves")


def _code_path(node: MapNode, value: Node, policy: NamePolicy) -> Iterator[NodeFound]:
    """Judge `model_code_path`, `code` and the like: Python files that are run, or folders from which modules are imported."""
    if node.get("loader_module") is None and node.get("model_code_path") is None and node.get("python_model") is None:
        return
    for scalar in texts(value, 100):
        text = str(scalar.value)
        if leaves_folder(text):
            yield NodeHit(scalar, OUTSIDE, f"code is loaded from {text[:200]}", text, "high")
        elif text.endswith(".py"):
            yield NodeHit(scalar, REMOTE, f"code shipped with the model: {text[:200]}", text)
        else:
            yield NodeEffect(scalar, "imports", text, "unknown", "modules come with the model")


def _python_model(node: MapNode, value: Node, policy: NamePolicy) -> Iterator[NodeFound]:
    text = text_of(value)
    if text and leaves_folder(text):
        yield NodeHit(value, OUTSIDE, f"the model is unpickled from {text[:200]}", text, "high")


def _caffe(node: MapNode, value: Node, policy: NamePolicy) -> Iterator[NodeFound]:
    """Judge a layer in Python: Caffe imports its module and calls the layer."""
    module, layer = (value.text("module"), value.text("layer")) if isinstance(value, MapNode) else (None, None)
    if isinstance(value, MapNode) and module:
        path = f"{module}.{layer or ''}".strip(".")
        target = judged_target(path, policy)
        if target.verdict == "dangerous":
            yield NodeHit(value, TARGET, f"python_param is {path[:200]}", path, target.severity)
        else:
            yield NodeHit(value, REMOTE, f"a layer is the Python class {path[:200]}", path)


def _mxnet(node: MapNode, value: Node, policy: NamePolicy) -> Iterator[NodeFound]:
    text = text_of(value)
    if text in ("_Native", "_NDArray") and (node.get("attrs") or node.get("attr") or node.get("param")):
        yield NodeHit(value, LIBRARY, f"the operator {text} calls an address in memory", text, "high")
    elif text == "Custom" and (node.get("attrs") or node.get("attr") or node.get("param")) and node.get("inputs"):
        attributes = next((one for key in ("attrs", "attr", "param") if isinstance(one := node.get(key), MapNode)), None)
        kind = attributes.text("op_type") if attributes else None
        yield NodeHit(value, REMOTE, f"the operator {str(kind)[:100]} is Python code", f"Custom {kind}")


def _environment(node: MapNode, value: Node, policy: NamePolicy) -> Iterator[NodeFound]:
    """Judge Triton's `parameters { key: "EXECUTION_ENV_PATH" value: { string_value: … } }`: an archive with a Python of its own."""
    if isinstance(value, ScalarNode) and value.value == "EXECUTION_ENV_PATH" and isinstance(held := node.get("value"), MapNode):
        text = held.text("string_value") or ""
        if leaves_folder(text.replace("$$TRITON_MODEL_DIRECTORY/", "")):
            yield NodeHit(held, OUTSIDE, f"the Python environment is {text[:200]}", text, "high")
        else:
            yield NodeEffect(held, "runs", text, "unknown", "a Python environment that comes with the model")


def _triton_library(node: MapNode, value: Node, policy: NamePolicy) -> Iterator[NodeFound]:
    for scalar in texts(value, 100):
        text = str(scalar.value)
        yield NodeHit(scalar, LIBRARY, f"Triton loads the library {text[:200]}", text, "high")


def _triton_model(node: MapNode, value: Node, policy: NamePolicy) -> Iterator[NodeFound]:
    for scalar in texts(value, 10):
        text = str(scalar.value)
        if leaves_folder(text) or _LIBRARY.fullmatch(text):
            yield NodeHit(scalar, LIBRARY, f"Triton loads {text[:200]}", text, "high" if leaves_folder(text) else None)


def _langchain(node: MapNode, value: Node, policy: NamePolicy) -> Iterator[NodeFound]:
    path = ".".join(str(one.value) for one in texts(value, 30))
    if node.get("lc") is not None and is_path(path) and judged_target(path, policy).verdict == "dangerous":
        yield NodeHit(value, TARGET, f"id is {path[:200]}", path)


def _triton_backend(node: MapNode, value: Node, policy: NamePolicy) -> Iterator[NodeFound]:
    text = text_of(value)
    if text is None or not any(node.get(key) for key in ("input", "instance_group", "max_batch_size", "parameters")):
        return
    if leaves_folder(text) or "/" in text:
        yield NodeHit(value, LIBRARY, f"Triton's backend is {text[:200]}", text, "high")
    elif text == "python":
        yield NodeEffect(value, "runs", "model.py", "unknown", "the Python backend runs code that comes with the model")


def _torchserve(node: MapNode, value: Node, policy: NamePolicy) -> Iterator[NodeFound]:
    text = text_of(value)
    served = node.get("serializedFile") or node.get("modelName") or node.get("modelVersion")
    if text and served and re.search(r"\.py(?::\w+)?$", text):
        yield NodeHit(value, REMOTE, f"the handler is {text[:200]}", text, "high" if leaves_folder(text) else None)


def _modelscope(node: MapNode, value: Node, policy: NamePolicy) -> Iterator[NodeFound]:
    if isinstance(value, ScalarNode) and value.value is True:
        yield NodeHit(value, REMOTE, "allow_remote is set", "allow_remote")


def _ray(node: MapNode, value: Node, policy: NamePolicy) -> Iterator[NodeFound]:
    for scalar in texts(value, 100):
        text = str(scalar.value)
        if re.match(r"(?:https?|s3|gs|git\+\w+|ftp)://|file:", text, re.IGNORECASE):
            yield NodeHit(scalar, REMOTE, f"code is fetched from {text[:200]}", text)


def _yolo(node: MapNode, value: Node, policy: NamePolicy) -> Iterator[NodeFound]:
    """Judge the rows of a YOLO model, whose texts are evaluated as Python."""
    for name, _, own in node.named():
        if (text := text_of(own)) and (danger := python_danger(text)):
            yield NodeHit(own, TARGET, f"{name[:80]} is Python that calls {danger[:100]}", text, "high")
    for row in value.items[:1000] if isinstance(value, ListNode) else ():
        if not isinstance(row, ListNode) or len(row.items) < _ROW:
            continue
        for scalar in (one for item in row.items for one in texts(item, 100)):
            text = str(scalar.value)
            if danger := python_danger(text):
                yield NodeHit(scalar, TARGET, f"a layer is Python that calls {danger[:100]}", text, None)
            elif not _ARGUMENT.fullmatch(text) or "lambda" in text or len(text) > 500:
                yield NodeHit(scalar, TARGET, f"a layer is the Python text {text[:100]}", text, "medium")


def _user_folder(node: MapNode, value: Node, policy: NamePolicy) -> Iterator[NodeFound]:
    """Judge a folder from which modules are imported (fairseq): one on another machine belongs to others."""
    for scalar in texts(value, 100):
        text = str(scalar.value)
        if "://" in text or text.startswith(_SHARED):
            yield NodeHit(scalar, OUTSIDE, f"modules are imported from {text[:200]}", text, "high")
        elif text.strip() not in ("", "???"):
            yield NodeEffect(scalar, "imports", text, "unknown", "modules are imported from a folder")


def _runtime(node: MapNode, value: Node, policy: NamePolicy) -> Iterator[NodeFound]:
    """Judge the environment of Ray's workers: packages that are installed from an address."""
    for key in ("pip", "uv", "conda"):
        for packages in value.all(key) if isinstance(value, MapNode) else ():
            yield from _ray(node, packages, policy)


def _vllm(node: MapNode, value: Node, policy: NamePolicy) -> Iterator[NodeFound]:
    """Judge files and classes that vLLM imports when its server starts; those of its own are known by a short name or by `vllm`."""
    for scalar in texts(value, 100):
        text = str(scalar.value).strip()
        if re.search(r"\.pyc?$", text) or "/" in text:
            yield NodeHit(scalar, REMOTE, f"vLLM imports {text[:200]}", text, "high" if leaves_folder(text) else None)
        elif is_path(text) and not text.startswith("vllm."):
            target = judged_target(text, policy)
            if target.verdict == "dangerous":
                yield NodeHit(scalar, TARGET, f"vLLM imports {text[:200]}", text, target.severity)
            elif target.verdict == "unknown" and node.get("model") is not None:
                yield NodeHit(scalar, REMOTE, f"vLLM imports the module of {text[:200]}", text)
            else:
                yield NodeEffect(scalar, "imports", text, target.verdict, target.why)


_Judge = Callable[[MapNode, Node, NamePolicy], Iterator[NodeFound]]
_BY_KEY: dict[str, _Judge] = {
    "loader_module": _mlflow,
    "model_code_path": _code_path,
    "code": _code_path,
    "code_paths": _code_path,
    "python_model": _python_model,
    "python_param": _caffe,
    "op": _mxnet,
    "key": _environment,
    "op_library_filename": _triton_library,
    "default_model_filename": _triton_model,
    "id": _langchain,
    "backend": _triton_backend,
    "handler": _torchserve,
    "allow_remote": _modelscope,
    "working_dir": _ray,
    "py_modules": _ray,
    "backbone": _yolo,
    "head": _yolo,
    "user_dir": _user_folder,
    "runtime_env": _runtime,
    **{
        form: _vllm
        for name in (
            "tool-parser-plugin",
            "reasoning-parser-plugin",
            "worker-extension-cls",
            "worker-cls",
            "scheduler-cls",
            "logits-processors",
        )
        for form in (name, name.replace("-", "_"))
    },
}
SERVED_KEYS = tuple(_BY_KEY)
