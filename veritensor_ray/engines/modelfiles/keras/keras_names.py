"""Judges what a configuration of Keras names: its own layers and functions, those that do more than compute, and modules that lead elsewhere."""

from __future__ import annotations

import re
import sys
from typing import NamedTuple

from veritensor_ray.core import bounds
from veritensor_ray.core.config import Severity
from veritensor_ray.engines.base import FileVerdict
from veritensor_ray.engines.modelfiles.effects import EffectKind
from veritensor_ray.engines.modelfiles.graphs.found import CODE, FILES, NETWORK, operators
from veritensor_ray.engines.modelfiles.graphs.tensorflow_access import access_of
from veritensor_ray.engines.modelfiles.naming.judgement import NamePolicy

MODULE, LAMBDA = "modelfiles.keras-module", "modelfiles.keras-lambda"
ROOTS = frozenset({"keras", "tf_keras", "keras_core", "keras_cv", "keras_nlp", "keras_hub", "keras_tuner", "keras_contrib", "tensorflow"})
# Parts of modules of Keras that have the names of modules of the standard library.
_OWN_PARTS = frozenset(
    {"random", "math", "numpy", "torch", "types", "operator", "statistics", "code", "string", "copy", "tokenize", "test"}
)
_STANDARD = frozenset(sys.stdlib_module_names) - _OWN_PARTS
# Parts of Keras from which no configuration needs anything: they save, download, export and train.
_BESIDE_LAYERS = frozenset({
    "saving", "export", "utils", "datasets", "testing", "preprocessing", "applications", "callbacks", "backend", "trainers",
    "visualization", "wrappers", "_tf_keras", "api", "legacy", "distribution", "config", "estimator",
})  # fmt: skip
_ACTIVE: dict[str, tuple[str, EffectKind, str]] = {
    r"get_file|\w*load_data|\w*from_url|download\w*|RemoteMonitor|from_preset|\w*load_url": (NETWORK, "connects", "the function fetches from an address"),
    r"func_load|func_dump|enable_unsafe_deserialization|set_global_attribute|\w*SafeModeScope|load_model\w*|model_from_\w+|deserialize_keras_object|import_\w+"
    r"|clone_model|\w*load_own_variables|run_\w*script|custom_object_scope|CustomObjectScope|register_keras_serializable|LambdaCallback|py_func\w*|numpy_function"
    r"|plot_model|model_to_dot|set_backend|eval|exec|serialize_keras_object|python_utils": (CODE, "runs", "the function loads code, or turns the protection of loading off"),
    r"load_\w+|save_\w+|\w*_dataset_from_directory|\w*from_directory|ExportArchive|\w*FileEditor|\w*Checkpoint|CSVLogger|TensorBoard|BackupAndRestore|\w*extract_archive\w*"
    r"|\w*export_\w+|export|\w*_file|read_\w+|write_\w+|open|File|join|makedirs|rmtree|remove\w*|copy|rename|listdir|isdir|exists": (FILES, "reads", "the function reads or writes files"),
}  # fmt: skip
_OF_NAMES = tuple((re.compile(pattern), what) for pattern, what in _ACTIVE.items())
_COMPUTING = re.compile(
    r"(?:math|nn|linalg|signal|sparse|ragged|random|bitwise|image|strings|quantization|sets|dtypes|autodiff|sysconfig|__operators__)\..+"
)
_TF_ACTIVE = re.compile(
    r"(?:io\.(?!decode_|parse_|serialize_|encode_|VarLen|FixedLen|Ragged|Sparse)|gfile|saved_model|train\.|summary|data\.(?:\w+\.)*\w*(?:TextLine|TFRecord|Record|Csv|Sql)|distribute\.)\S*"
    r"|(?:\w+\.)*(?:py_func\w*|numpy_function|eager_py_func|load_\w*library|load_op_library|load_file_system_library|get_file|read_file|write_file|matching_files|load_model|load)"
)
_CAMEL = re.compile(r"[A-Z]\w*")


class KerasName(NamedTuple):
    """A verdict on a name. `rule` is None if nothing has to be reported."""

    verdict: FileVerdict
    why: str
    rule: str | None = None
    kind: EffectKind = "imports"
    severity: Severity | None = "high"


_INERT = KerasName("inert", "a part of Keras that only computes")
_NO_SYMBOL = KerasName("unknown", "a function of TensorFlow that no list has")
_OTHER = KerasName("unknown", "a class that is not one of Keras's own")


def judge_name(module: str, name: str, policy: NamePolicy) -> KerasName:
    """Return the verdict on an object that the configuration takes from a module; the module is empty in old versions."""
    if not module and "." in name:  # old versions look a dotted name up as it stands
        module, _, name = name.rpartition(".")
    parts = module.split(".") if module else []
    judged = (
        policy.judge(module, name) if module and module != "builtins" else policy.judge("builtins", name) if name.islower() else "unknown"
    )
    if judged == "dangerous" and (module or name in ("eval", "exec", "compile", "__import__", "open")):
        return KerasName("dangerous", f"loading calls {module}.{name}", MODULE, "calls", "critical")
    owned = not parts or parts[0] in ROOTS or parts == ["builtins"]
    if parts and parts[0] in ROOTS and (away := next((part for part in parts[1:] if part in _STANDARD or part.startswith("__")), None)):
        return KerasName("dangerous", f"the module leads to {away}, which is not Keras's", MODULE, "calls", "critical")
    if owned and (active := _active(name.rpartition(".")[2] or name)):
        return active
    if not owned:
        return _OTHER if judged == "harmless" else KerasName("unknown", f"loading imports {module}.{name}", MODULE, severity=None)
    if name.rpartition(">")[2] in operators("keras"):
        return _INERT if ">" not in name else _OTHER
    if "layers" not in parts and not _BESIDE_LAYERS.isdisjoint(parts):
        return KerasName("unknown", f"loading uses {module}.{name}, which is not a layer", MODULE, severity=None)
    return (
        _OTHER
        if _CAMEL.match(name) or not module or module == "builtins"
        else KerasName("unknown", f"loading calls {module}.{name}", MODULE, "calls", None)
    )


def _active(name: str) -> KerasName | None:
    for pattern, (rule, kind, why) in _OF_NAMES:
        if pattern.fullmatch(name[: bounds.NAME]):
            return KerasName("dangerous", why, rule, kind)
    return None


def judge_symbol(name: str) -> KerasName:
    """Return the verdict on a function of TensorFlow that a layer calls: `math.reduce_sum`, `io.read_file`, `raw_ops.PyFunc`."""
    if len(name) > bounds.NAME:
        return _NO_SYMBOL
    short = re.sub(r"^(?:tf|tensorflow)\.|^(?:_api\.|compat\.|v\d\.)+", "", name)
    short = re.sub(r"^(?:compat\.v\d\.)", "", short)
    access = access_of(short.rpartition(".")[2]) if short.startswith("raw_ops.") else None
    if access or _TF_ACTIVE.fullmatch(short):
        return KerasName(
            "dangerous", "the function of TensorFlow reaches files or code", CODE if not access or access.kind == "runs" else FILES, "calls"
        )
    if _COMPUTING.fullmatch(short) or re.fullmatch(
        r"[a-z]\w*|io\.\w+|raw_ops\.\w+|keras\.(?:backend|activations|ops)\.\w+|linalg\.\w+", short
    ):
        return KerasName("inert", "a function of TensorFlow that only computes")
    return _NO_SYMBOL
