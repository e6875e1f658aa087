"""Judges the keys of Hugging Face configuration that run code, fetch it, or read files elsewhere, in whichever file they stand."""

from __future__ import annotations

import re
from collections.abc import Iterator

from veritensor_ray.core.config import Severity
from veritensor_ray.engines.modelfiles.configuration import key_lists
from veritensor_ray.engines.modelfiles.configuration.nodes import ListNode, MapNode, Node, ScalarNode, text_of, texts
from veritensor_ray.engines.modelfiles.configuration.regex_bombs import is_bomb
from veritensor_ray.engines.modelfiles.configuration.seen import ADAPTER, EXHAUSTS, OUTSIDE, REMOTE, TARGET, NodeEffect, NodeFound, NodeHit
from veritensor_ray.engines.modelfiles.configuration.target_names import is_path, judged_target
from veritensor_ray.engines.modelfiles.naming.judgement import NamePolicy
from veritensor_ray.engines.modelfiles.path_names import leaves_folder

LIBRARIES = frozenset(key_lists.LIBRARIES.split())
NAMED = frozenset({"model_index.json", "modular_model_index.json", "modules.json", "router_config.json"})  # files whose names matter
_OWN_PIPELINES = ("stable_diffusion", "deepfloyd_if", "kandinsky", "audioldm")
_FOREIGN = re.compile(r"[\w.-]+/[\w.-]+--[\w./-]+\.\w+")
_HUB = re.compile(r"(?:[\w.+-]+\|)*(?!\.{1,2}/)[\w.-]+/[\w.-]+(?:@[\w./-]+)?(?::[\w.]+)?")
_KERNELS = re.compile(
    r"_?(?:\w+_)?(?:attn|attention|experts)_implementation(?:_\w+)?|(?:hub_)?kernels?(?:_(?:config|mapping|repo|repo_id|id|layers|map))?",
    re.IGNORECASE,
)
_OWN_KERNELS = "kernels-community/"
_ADDRESS = re.compile(r"(?:https?|ftp|git\+\w+|file|s3|gs|smb)://|\\\\", re.IGNORECASE)
# Keys that name a model, a tokenizer or a file which is fetched and read.
_FETCHED = frozenset(key_lists.FETCHED.split())
_CODE_FILES = frozenset(key_lists.CODE_FILES.split())
_MODULE_KEY = re.compile(r"(?:custom_)?(?:module|class|library|import)(?:_path|_name)?$")
_HF = frozenset(key_lists.HUB.split())
_SIZES = re.compile(
    r"vocab_size|hidden_size|intermediate_size|num_hidden_layers|n_layer|n_embd|num_attention_heads|num_labels|d_model|num_layers|pad_to_multiple_of|Fixed"
)
_LARGEST = 10**10
_LONGEST_KEY = 200  # that is matched with the names of kernels
# Where the authors of timm's models publish them.
_AUTHORS = re.compile(
    r"https://(?:github\.com/(?:rwightman|huggingface|facebookresearch|microsoft)/|huggingface\.co/timm/|dl\.fbaipublicfiles\.com/|download\.pytorch\.org/"
    r"|storage\.googleapis\.com/(?:vit_models|bit_models|mixer_models)/)"
)
_UNPICKLED = re.compile(r"\.(?:pkl|pickle|p|joblib|pt|pth|dill)(?:\.(?:gz|bz2|xz|zip|zst))?(?:$|[?#])", re.IGNORECASE)
_PATTERNS = frozenset({"Regex", "target_modules", "layers_pattern", "exclude_modules", "modules_to_save"})


def judged_hub_keys(node: MapNode, policy: NamePolicy) -> Iterator[NodeFound]:
    """Yield what the pairs of one mapping make the libraries of Hugging Face import, fetch or read."""
    keys = {name for name, _, _ in node.named()}
    for name, key, value in node.named():
        if name == "auto_map":
            yield from _auto_map(value)
        elif name == "trust_remote_code" and isinstance(value, ScalarNode) and value.value in (True, "true", "True"):
            yield NodeHit(key, REMOTE, "trust_remote_code is set", name)
        elif name == "custom_pipelines":
            yield from _pipelines(key, value)
        elif len(name) <= _LONGEST_KEY and _KERNELS.fullmatch(name) and (name != "kernel" or keys & _HF):
            yield from _kernels(name, value)
        elif name == "custom_generate":
            yield from _generate(value)
        elif name == "megatron_core":
            yield from _megatron(value)
        elif name == "auto_mapping":
            yield from _auto_mapping(key, value)
        elif name in _CODE_FILES:
            yield from _code_file(name, value, sure=bool(keys & _HF))
        elif name == "quantization_config":
            yield from _quantized(value, policy)
        elif name == "weight_map":
            yield from _weights(value)
        elif name in ("pretrained_cfg", "default_cfg"):
            yield from _timm(value)
        elif name in ("data_files", "data_dir"):
            yield from _data_files(value)
        if name in _FETCHED:
            yield from _fetched(name, value, adapter=name == "base_model_name_or_path")
        yield from _numbers_and_patterns(name, value)
        yield from _foreign(name, value)


def _auto_map(value: Node) -> Iterator[NodeFound]:
    targets = [one for one in texts(value, 1000) if one.value]
    own = [str(one.value) for one in targets if "--" not in str(one.value)]
    if own:
        yield NodeHit(value, REMOTE, f"code shipped with the model: {', '.join(own)[:200]}", ", ".join(own))
    for one in [one for one in targets if "--" in str(one.value)][:100]:
        yield NodeHit(one, REMOTE, f"code from another repository: {str(one.value)[:200]}", str(one.value), "high")


def _pipelines(key: ScalarNode, value: Node) -> Iterator[NodeFound]:
    classes = [str(one.value) for one in texts(value) if re.fullmatch(r"[\w./-]+\.\w+", str(one.value))]
    if list(texts(value, 1)):
        yield NodeHit(key, REMOTE, f"custom pipelines: {', '.join(classes)[:200]}", f"custom_pipelines: {', '.join(classes)}")


def _kernels(key: str, value: Node) -> Iterator[NodeFound]:
    for scalar in texts(value, 100):
        text = str(scalar.value)
        if len(text) > 500 or (not _HUB.fullmatch(text) and not _ADDRESS.match(text)):
            continue
        if text.split("|")[-1].startswith(_OWN_KERNELS):
            yield NodeHit(scalar, REMOTE, f"{key[:80]} fetches the kernel {text[:200]}", text, "low")
        elif not leaves_folder(text) or _ADDRESS.match(text):
            yield NodeHit(scalar, REMOTE, f"{key[:80]} fetches and runs a kernel: {text[:200]}", text, "high")


def _generate(value: Node) -> Iterator[NodeFound]:
    for scalar in texts(value, 100):
        if text := str(scalar.value):
            severity: Severity | None = "high" if "/" in text else None
            yield NodeHit(scalar, REMOTE, f"custom_generate takes its code from {text[:200]}", text, severity)


def _megatron(value: Node) -> Iterator[NodeFound]:
    for scalar in texts(value, 10):
        if not re.fullmatch(r"megatron(\.\w+)*", str(scalar.value)):
            yield NodeHit(scalar, REMOTE, f"megatron_core imports the module {str(scalar.value)[:200]}", str(scalar.value))


def _auto_mapping(key: ScalarNode, value: Node) -> Iterator[NodeFound]:
    library = value.text("parent_library") if isinstance(value, MapNode) else None
    if library and library.split(".")[0] not in LIBRARIES:
        yield NodeHit(key, REMOTE, f"the base model's class comes from {library[:200]}", library)


def _code_file(key: str, value: Node, sure: bool) -> Iterator[NodeFound]:
    for scalar in texts(value, 100):
        text = str(scalar.value)
        if re.search(r"\.pyc?(?::\w+)?$", text) and (sure or key in ("model_file", "custom_pipeline")):
            severity: Severity | None = "high" if leaves_folder(text) or key == "model_file" else None
            yield NodeHit(scalar, REMOTE, f"{key[:80]} is code that is run: {text[:200]}", text, severity)
        elif _ADDRESS.match(text) and (sure or key == "custom_pipeline"):
            yield NodeHit(scalar, REMOTE, f"{key[:80]} is fetched from {text[:200]}", text, "high")


def _quantized(value: Node, policy: NamePolicy) -> Iterator[NodeFound]:
    for scalar in texts(value, 1000):
        text = str(scalar.value)
        if is_path(text) and judged_target(text, policy).verdict == "dangerous":
            yield NodeHit(scalar, TARGET, f"quantization_config names {text[:200]}", text)
    for name, _, inner in value.named() if isinstance(value, MapNode) else ():
        if (file := text_of(inner)) and re.search(r"\.py$", file):
            yield NodeHit(inner, REMOTE, f"{name[:80]} is code: {file[:200]}", file)
        elif _MODULE_KEY.search(name) and isinstance(inner, ScalarNode) and is_path(str(inner.value)) and _root(inner) not in LIBRARIES:
            yield NodeHit(inner, REMOTE, f"{name[:80]} is the module {str(inner.value)[:200]}", str(inner.value))


def _root(node: ScalarNode) -> str:
    return str(node.value).split(".")[0]


def _weights(value: Node) -> Iterator[NodeFound]:
    """Judge the index of a model in several files."""
    known: set[str] = set()
    for scalar in texts(value, 100_000):
        text = str(scalar.value)
        if text not in known and len(known) < 1000:
            known.add(text)
            if leaves_folder(text):
                yield NodeHit(scalar, OUTSIDE, f"weights are read from {text[:200]}", text, "high" if _ADDRESS.match(text) else None)


def _timm(value: Node) -> Iterator[NodeFound]:
    """Judge where timm takes a checkpoint from, which it unpickles, instead of the repository's own."""
    for key, _, inner in value.named() if isinstance(value, MapNode) else ():
        text = text_of(inner) if key in ("url", "file") else None
        if text and leaves_folder(text):
            severity: Severity | None = "low" if key == "url" and _AUTHORS.match(text) else None
            yield NodeHit(inner, OUTSIDE, f"the checkpoint is {text[:200]}", text, severity)


def _data_files(value: Node) -> Iterator[NodeFound]:
    """Judge the files that `datasets` reads: pickles from elsewhere, and files of the system. A project may name its own data anywhere."""
    for scalar in texts(value, 1000):
        text = str(scalar.value)
        if _UNPICKLED.search(text) and "://" in text:
            yield NodeHit(scalar, OUTSIDE, f"a pickle is fetched as data: {text[:200]}", text, "high")
        elif _system(text):
            yield NodeHit(scalar, OUTSIDE, f"data is read from {text[:200]}", text)


def _fetched(key: str, value: Node, adapter: bool) -> Iterator[NodeFound]:
    text = text_of(value)
    if not text:
        return
    climbs = ".." in re.split(r"[/\\]", text)
    if adapter:
        kind = "an address" if _ADDRESS.match(text) else "an absolute path" if re.match(r"[/\\~]|[A-Za-z]:[/\\]", text) else ""
        kind = kind or ("a path outside" if climbs else "another repository" if "/" in text else "")
        if kind:
            severity: Severity | None = "medium" if kind in ("an address", "a path outside") or _system(text) else None
            yield NodeHit(value, ADAPTER, f"the base model is {kind}: {text[:200]}", text, severity)
    elif key not in ("url", "pretrained_url", "dataset", "file", "checkpoint") and (_ADDRESS.match(text) or _system(text)):
        yield NodeHit(value, OUTSIDE, f"{key[:80]} is {text[:200]}", text)


def _system(text: str) -> bool:
    return re.match(r"/(?:etc|proc|dev|sys|root|var/run)/|\\\\|~/\.(?:ssh|aws|cache)", text) is not None


def _numbers_and_patterns(key: str, value: Node) -> Iterator[NodeFound]:
    if isinstance(value, ScalarNode) and type(value.value) is int and value.value > _LARGEST and _SIZES.fullmatch(key):
        yield NodeHit(value, EXHAUSTS, f"{key} is {value.value}", f"{key}: {value.value}")
    elif key in _PATTERNS and (text := text_of(value)) and is_bomb(text):
        yield NodeHit(value, EXHAUSTS, f"the time of this pattern grows exponentially: {text[:150]}", text)


def _foreign(key: str, value: Node) -> Iterator[NodeFound]:
    """Judge references to classes of other repositories by any key."""
    if key == "auto_map":
        return
    for scalar in [value] if isinstance(value, ScalarNode) else value.items[:50] if isinstance(value, ListNode) else []:
        if (text := text_of(scalar)) and len(text) < 500 and _FOREIGN.fullmatch(text):
            yield NodeHit(scalar, REMOTE, f"{key[:80]} takes code from another repository: {text[:200]}", text, "high")


def judged_by_name(top: Node, name: str, policy: NamePolicy) -> Iterator[NodeFound]:
    """Yield the findings in files whose meaning depends on their names."""
    if name in ("model_index.json", "modular_model_index.json") and isinstance(top, MapNode):
        yield from _components(top)
    elif name == "modules.json" and isinstance(top, ListNode):
        for entry in top.items[:1000]:
            if isinstance(entry, MapNode):
                yield from _class_of_module(entry.get("type"))
                yield from _folder_of_module(entry.get("path"))
    elif name == "router_config.json" and isinstance(top, MapNode):
        kinds = top.get("types")
        for _, value in kinds.pairs if isinstance(kinds, MapNode) else ():
            yield from _class_of_module(value)


def _class_of_module(value: Node | None) -> Iterator[NodeFound]:
    if isinstance(value, ScalarNode) and isinstance(value.value, str) and value.value.split(".")[0] not in LIBRARIES:
        yield NodeHit(value, REMOTE, f"a module of the model is {value.value[:200]}", value.value)
    elif isinstance(value, ScalarNode) and value.value:
        yield NodeEffect(value, "imports", str(value.value), "unknown", "a class of a known library")


def _folder_of_module(value: Node | None) -> Iterator[NodeFound]:
    if value and (text := text_of(value)) and leaves_folder(text):
        yield NodeHit(value, OUTSIDE, f"a module is read from {text[:200]}", text)


def _components(top: MapNode) -> Iterator[NodeFound]:
    """Judge a Diffusers pipeline: a component is a library and a class. Any other library name is a module in the model's folder."""
    for key, _, value in top.named():
        parts = [one.value for one in value.items[:2] if isinstance(one, ScalarNode)] if isinstance(value, ListNode) else []
        if len(parts) == 2 and isinstance(parts[0], str) and isinstance(parts[1], str):
            library = parts[0].split(".")[0]
            if library not in LIBRARIES and (key.startswith("_") or library not in _OWN_PIPELINES):
                yield NodeHit(value, REMOTE, f"{key[:80]} is {parts[1][:80]} from the module {parts[0][:80]}", f"{parts[0]}.{parts[1]}")
