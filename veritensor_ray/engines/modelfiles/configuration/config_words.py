"""Finds out which files are worth parsing: those that hold a word by which some finding begins, or an escape in which one may hide.

Parsing configuration takes a hundred times as long as this, and most JSON and YAML holds data.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache

from veritensor_ray.engines.automaton import Automaton, Pattern, available
from veritensor_ray.engines.modelfiles.configuration.code_keys import ALWAYS
from veritensor_ray.engines.modelfiles.naming.dangerous import CODE

# Keys and values that are rare in data.
_WORDS = (
    *ALWAYS, "auto_map", "trust_remote_code", "custom_pipeline", "attn_implementation", "attention_implementation", "experts_implementation",
    "kernel", "custom_generate", "model_file", "quantization_config", "weight_map", "base_model_name_or_path", '"Regex"', "target_modules",
    "layers_pattern", "exclude_modules", "chat_template", "chatTemplate", "jinja", "loader_module", "model_code_path", "python_model", "python_param",
    "op_library", "default_model_filename", '"constructor"', "EXECUTION_ENV", "serializedFile", "allow_remote", "user_dir", "download:", "python/", "%TAG", "py/re", "py/new", "ext://",
    "__import__", "instance_group", "max_batch_size", "model_type", "_class_name", '"Custom"', "_Native", "_NDArray", "backbone", "head:",
    "sentence_transformers", "py_modules", "working_dir", "diffusers", "router_config", "!include", "parent_library", "modeling_file",
    "code_file", "pipeline_file", "architectures", "transformers_version", "_or_path", "vision_tower", "processor_class", "tokenizer_class",
    "class_name", "parser-plugin", "parser_plugin", "worker-extension", "worker_extension", "worker-cls", "worker_cls", "scheduler-cls", "scheduler_cls",
    "logits-processors", "logits_processors", "runtime_env", "pretrained_cfg", "data_files",
)  # fmt: skip
_PATTERNS = (
    rb"__(globals|builtins|subclasses|mro|bases|import|code|reduce|reduce_ex|loader|class|init)__",
    rb"\{%[-+]? ?(for|if|set)\s",
    rb"\\u00[2-7][0-9a-fA-F]",
    rb"\\x[2-7][0-9a-fA-F]",
    rb"\\U000000",
    rb"\\[0-7][0-7][0-7]",
    rb"(^|[\s\[{,:?-])![\w!<%(]",
    rb"\\\r?\n",
    rb"\x00",
    rb"[\w.-]/[\w.-]{1,100}--",
    rb"\.(so|dll|dylib|pyd)[\"'\s.\d]",
    rb"(_path|_file|tower|model|path)[\"']?\s{0,5}[:=]\s{0,5}[\"']?(https?:|file:|s3:|/etc|/proc|/tmp|\\\\|//|\.\.)",
    rb"(size|layers?|heads|labels|_model|embd|multiple_of|Fixed)[\"']?\s{0,5}:\s{0,5}\d{11}",
    rb"(curl|wget|base64|powershell|mkfifo|crontab|authorized_keys|/dev/tcp|/etc/|bash -)",
    rb"(eval|exec|system|popen|load_library)\(",
    rb"\$\{[\w.]+:",
    rb"[\s\[{,:-]&[\w.-]{1,100}\s{0,5}[\[{\n]",  # an anchor on a list or mapping
)


_EARNED = 1 << 19  # bytes that a process must have looked at before the automaton saves more time than it takes to build
_CALL = 256  # bytes that could be looked at in the time that each search takes however short the text is
_seen = [0]


@cache
def _roots() -> list[bytes]:
    """Return the packages with names that run code."""
    packages = {line.partition(":")[0].split(".")[0] for line in CODE.split("\n") if ":" in line} | {"__builtin__"}
    return sorted(one.encode() for one in packages)


def _path(root: bytes) -> bytes:
    """Return a pattern for a name in a package."""
    return rb"[\"'\s:,\[(=._]" + re.escape(root) + rb"[.:]_?[a-zA-Z]"


def _pair(roots: bytes) -> bytes:
    """Return a pattern for a key that names a module, with one of these packages."""
    return rb"(module|library|package|mod|pkg|_name|_path)_{0,2}[\"']?\s{0,5}[:=]\s{0,5}[\"']?_?(" + roots + rb")[\"'\s,}]"


@cache
def _automaton() -> Automaton:
    paths = map(_path, _roots())  # each by itself: together they take Hyperscan 20 s
    sources = (*(re.escape(word.encode()) for word in _WORDS), *_PATTERNS, *paths, _pair(b"|".join(map(re.escape, _roots()))))
    return Automaton(Pattern(number, source) for number, source in enumerate(sources))


@lru_cache(512)  # all of them, unless packages become many
def _named(root: bytes) -> re.Pattern[bytes]:
    return re.compile(_path(root) + b"|" + _pair(re.escape(root)))


@cache
def _words_and_patterns() -> tuple[list[bytes], list[re.Pattern[bytes]]]:
    return [word.encode() for word in _WORDS], [re.compile(source) for source in _PATTERNS]


def searched(data: bytes) -> bool:
    """Return what the automaton would find, piece by piece: hundreds of times as slow, but with nothing to build."""
    words, patterns = _words_and_patterns()
    return (
        any(word in data for word in words)
        or any(root in data and _named(root).search(data) for root in _roots())
        or any(pattern.search(data) for pattern in patterns)
    )


def worth_parsing(data: bytes) -> bool:
    """Return whether a file may hold a finding."""
    _seen[0] += len(data) + _CALL
    return searched(data) if _seen[0] < _EARNED or not available() else _automaton().holds(data)
