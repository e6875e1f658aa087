"""Checks a model's configuration for code to import, templates, and layers that contain code. Nothing named in it is ever imported."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from veritensor_ray.core import bounds
from veritensor_ray.core.config import Severity
from veritensor_ray.core.errors import LimitExceeded
from veritensor_ray.engines.modelfiles import templates
from veritensor_ray.engines.modelfiles.judgement import NamePolicy, runs_code

LARGEST = bounds.CONFIG
_REMOTE, _ADAPTER, _LAMBDA, _MODULE, _TARGET = (
    f"modelfiles.{name}" for name in ("remote-code", "adapter-base", "keras-lambda", "keras-module", "config-target")
)
_TEMPLATES = ("chat_template", "default_chat_template")
_LIBRARIES = frozenset(
    {"transformers", "peft", "diffusers", "torch", "sentence_transformers", "torchvision", "timm", "open_clip", "onnxruntime", "optimum"}
)
_KERAS = ("keras", "tf_keras", "tensorflow", "keras_core", "keras_cv", "keras_nlp", "keras_hub", "builtins")
_YAML_TARGET = re.compile(rb"^[ \t-]*[\"']?_target_[\"']?[ \t]*:[ \t]*[\"']?([\w.]{1,300})", re.MULTILINE)
_NODES = bounds.CONFIG_NODES


class ConfigFinding(NamedTuple):
    """One finding. `key` locates it in the file's text, and `evidence` identifies it."""

    rule: str
    key: str
    message: str
    evidence: str
    severity: Severity | None = None


class Pairs(list[tuple[str, Any]]):
    """A JSON object that keeps repeated keys, because loaders may use either the first or the last value."""

    def get(self, key: str) -> Any:
        """Return the last value of a key, or None."""
        return next((value for name, value in reversed(self) if name == key), None)


def parse(data: bytes) -> Any:
    """Parse JSON in UTF-8, UTF-16 or UTF-32. Raises ValueError or RecursionError."""
    return json.loads(data.decode(json.detect_encoding(data), "replace").removeprefix("\ufeff"), object_pairs_hook=Pairs)


def check(top: Any, name: str, policy: NamePolicy) -> Iterator[ConfigFinding]:
    """Yield the findings in a parsed configuration file of that name."""
    if isinstance(top, Pairs):
        if name == "adapter_config.json":
            yield from _adapter(top)
        if name == "model_index.json":
            yield from _pipeline(top)
    if isinstance(top, list) and name == "modules.json":
        yield from _modules(top)
    for pairs in _objects(top):
        if pairs.get("class_name") is not None:
            yield from _keras(pairs, policy)
        for key, value in pairs:
            yield from _pair(key, value)


def _objects(top: Any) -> Iterator[Pairs]:
    stack, count = [top], 0
    while stack and count < _NODES:
        value = stack.pop()
        count += 1
        if isinstance(value, Pairs):
            yield value
            stack.extend(inner for _, inner in reversed(value) if isinstance(inner, list))
        elif isinstance(value, list):
            stack.extend(inner for inner in reversed(value) if isinstance(inner, list))
    if stack:
        raise LimitExceeded("config_nodes", f"only {_NODES} values of the configuration were checked")


def _texts(value: Any, level: int = 0) -> Iterator[str]:
    """Yield the texts in a value, without its keys."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list) and level < 5:
        for item in value[:1000]:
            yield from _texts(item[1] if isinstance(value, Pairs) else item, level + 1)


def _pair(key: str, value: Any) -> Iterator[ConfigFinding]:
    if key == "auto_map":
        yield from _auto_map(value)
    elif key == "trust_remote_code" and value is True:
        yield ConfigFinding(_REMOTE, key, "trust_remote_code is set", key)
    elif key == "custom_pipelines" and value:
        classes = [text for text in _texts(value) if re.fullmatch(r"[\w./-]+\.\w+", text)]
        yield ConfigFinding(_REMOTE, key, f"custom pipelines: {', '.join(classes)[:200]}", key + ": " + ", ".join(classes))
    elif key == "_target_" and isinstance(value, str) and runs_code(value):
        yield target(value)
    elif key in _TEMPLATES:
        for template in _texts(value):
            yield from _template(key, template)


def target(value: str) -> ConfigFinding:
    """Return the finding for a configuration that calls a function which runs code."""
    return ConfigFinding(_TARGET, "_target_", f"_target_ is {value[:200]}", value[:300])


def _template(key: str, template: str) -> Iterator[ConfigFinding]:
    for found in templates.check(template):
        yield ConfigFinding(found.rule, key, f"line {found.line} of the template: {found.what}", found.what, found.severity)


def _auto_map(value: Any) -> Iterator[ConfigFinding]:
    targets = [text for text in _texts(value) if text]
    foreign = [text for text in targets if "--" in text]
    own = [text for text in targets if "--" not in text]
    if own:
        yield ConfigFinding(_REMOTE, "auto_map", f"code shipped with the model: {', '.join(own)[:200]}", ", ".join(own))
    for text in foreign[:100]:
        yield ConfigFinding(_REMOTE, "auto_map", f"code from another repository: {text[:200]}", text, "high")


def _adapter(top: Pairs) -> Iterator[ConfigFinding]:
    base = top.get("base_model_name_or_path")
    if isinstance(base, str) and base:
        kind = "an address" if "://" in base else "an absolute path" if re.match(r"[/\\~]|[A-Za-z]:[/\\]", base) else ""
        kind = kind or ("a path outside" if ".." in base.split("/") else "another repository" if "/" in base else "")
        if kind:
            yield ConfigFinding(_ADAPTER, "base_model_name_or_path", f"the base model is {kind}: {base[:200]}", base)
    mapping = top.get("auto_mapping")
    library = mapping.get("parent_library") if isinstance(mapping, Pairs) else None
    if isinstance(library, str) and library.split(".")[0] not in _LIBRARIES:
        yield ConfigFinding(_REMOTE, "auto_mapping", f"the base model's class comes from {library[:200]}", library)


def _pipeline(top: Pairs) -> Iterator[ConfigFinding]:
    """Check a Diffusers pipeline: a component is a library and a class. Any other library name is a module in the model's folder."""
    for key, value in top:
        if isinstance(value, list) and len(value) == 2 and all(isinstance(text, str) for text in value):
            library = value[0].split(".")[0]
            known = library in _LIBRARIES or (
                not key.startswith("_") and library in ("stable_diffusion", "deepfloyd_if", "kandinsky", "audioldm")
            )
            if not known:
                yield ConfigFinding(_REMOTE, key, f"{key[:80]} is {value[1][:80]} from the module {value[0][:80]}", ".".join(value))


def _modules(top: list[Any]) -> Iterator[ConfigFinding]:
    """Check the modules of Sentence Transformers, each of which names its class."""
    for entry in top[:1000]:
        kind = entry.get("type") if isinstance(entry, Pairs) else None
        if isinstance(kind, str) and kind.split(".")[0] not in _LIBRARIES:
            yield ConfigFinding(_REMOTE, "type", f"a module of the model is {kind[:200]}", kind)


def _keras(pairs: Pairs, policy: NamePolicy) -> Iterator[ConfigFinding]:
    name, module, config = pairs.get("class_name"), pairs.get("module"), pairs.get("config")
    if name in ("Lambda", "__lambda__"):
        label = config.get("name") if isinstance(config, Pairs) else None
        if name == "Lambda" or not isinstance(config, Pairs) or config.get("code"):
            yield ConfigFinding(
                _LAMBDA, str(name), f"{name} {label or ''} contains code".replace("  ", " "), f"{name} {label or ''}".strip()
            )
    if not isinstance(module, str) or not isinstance(name, str) or not module:
        return
    called = config if name == "function" and isinstance(config, str) else name
    if policy.judge(module, called) == "dangerous":
        yield ConfigFinding(_MODULE, "module", f"loading calls {module}.{called}"[:300], f"{module}.{called}", "critical")
    elif module.split(".")[0] not in _KERAS and policy.judge(module, called) == "unknown":
        yield ConfigFinding(_MODULE, "module", f"loading imports {module}.{called}"[:300], f"{module}.{called}")


def yaml_targets(data: bytes) -> Iterator[tuple[int, ConfigFinding]]:
    """Yield dangerous targets of Hydra and NeMo with their offsets. The lines are matched as text; no YAML is parsed."""
    for match in _YAML_TARGET.finditer(data):
        value = match[1].decode("ascii", "replace")
        if runs_code(value):
            yield match.start(1), target(value)
