"""Judges programs that a configuration holds as texts: Python that some loader evaluates, and commands of a shell. Nothing is run."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from veritensor_ray.core import bounds
from veritensor_ray.engines.modelfiles.configuration import key_lists
from veritensor_ray.engines.modelfiles.configuration.target_names import judged_target
from veritensor_ray.engines.modelfiles.graphs.python_code import UNPARSED, SourceNodes, dotted, nodes_of
from veritensor_ray.engines.modelfiles.naming.judgement import NamePolicy

_SHELL = re.compile(
    r"(?:curl|wget|fetch|aria2c)\b[^\n|;&]{0,500}[|&;]{1,2}\s*(?:sudo\s+)?(?:\S{0,200}/)?(?:ba|z|da|k)?sh\b|\|\s*(?:sudo\s+)?(?:\S{0,200}/)?(?:ba|z|da)?sh\b(?:\s+-\w)?\s*(?:$|['\"])"
    r"|(?:ba|z)?sh\s+(?:-c\s+)?[\"']?\$\((?:curl|wget)|(?:ba)?sh\s+<\((?:curl|wget)|/dev/(?:tcp|udp)/|\bnc(?:at)?\s+(?:-\w{1,20}\s{1,20}){0,20}-e\b|base64\s+(?:-d|--decode)"
    r"|\bpython[\d.]*\s+-c\b|\bperl\s+-e\b|\bruby\s+-e\b|powershell(?:\.exe)?\s+-(?:e|enc|c|w)|\bmkfifo\b|rm\s+-rf\s+[/~]|bash\s+-i\b"
    r"|(?:curl|wget)\b[^\n]{0,300}(?:\$\(|`|-d\s*@|--data\S{0,50}\s{0,20}@|-F\s{0,20}\S{1,50}=@|--post-file|-T\s)|\b(?:chmod\s+\+x|crontab|authorized_keys|/etc/(?:passwd|shadow|cron))",
    re.IGNORECASE,
)
_ROOTS = {"nn": "torch.nn", "np": "numpy", "F": "torch.nn.functional", "pd": "pandas", "tf": "tensorflow"}
_WORDS = re.compile(
    r"\b(?:eval|exec|compile|__import__|open|getattr|setattr|globals|vars|breakpoint|system|popen|subprocess|importlib|import|os|sys|socket|ctypes|"
    r"pickle|marshal|runpy|pty|builtins|shutil|requests|urllib|load|load_library)\b|__\w+__"
)
_RUNNING = frozenset({"eval", "exec", "compile", "__import__", "breakpoint", "execfile"})
_ORDINARY = frozenset(key_lists.ORDINARY_CALLS.split())
_POLICY = NamePolicy()
_DUNDER = re.compile(r"__(?:class|mro|bases?|subclasses|globals|builtins|import|code|reduce|reduce_ex|loader|dict|getattribute|init)__")


def shell_danger(text: str) -> str | None:
    """Return the part of a command that downloads and runs, decodes and runs, or opens a connection; None if there is none."""
    found = _SHELL.search(text[: bounds.COMMAND])
    return found[0][:200] if found else None


def python_danger(text: str) -> str | None:
    """Return what a Python text calls or reaches that runs code; None if nothing, or if it is not Python."""
    if not _WORDS.search(text[: bounds.COMMAND]):
        return None
    try:
        return next(_dangers(nodes_of(text[: bounds.COMMAND].strip())), None)
    except UNPARSED:
        return None


def _dangers(source: SourceNodes) -> Iterator[str]:
    for node in source.nodes:
        if isinstance(node, ast.Call):
            first, dot, rest = dotted(node.func, source).partition(".")
            name = rest if first == "builtins" and isinstance(node.func, ast.Name) else _ROOTS.get(first, first) + dot + rest
            if _runs(name) or name.split(".")[-1] in ("system", "popen", "load_library"):
                yield name
        elif isinstance(node, ast.Attribute) and _DUNDER.fullmatch(node.attr):
            yield node.attr
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and _DUNDER.fullmatch(node.value):
            yield node.value
        elif isinstance(node, ast.Name) and node.id in ("__builtins__", "__loader__", "__import__"):
            yield node.id


def _runs(name: str) -> bool:
    """Return whether a call runs code or unpickles; files are read, written and fetched by ordinary scripts too."""
    if "." not in name:
        return name in _RUNNING
    target = judged_target(name, _POLICY)
    return target.verdict == "dangerous" and name not in _ORDINARY and name.split(".")[0] not in _ORDINARY
