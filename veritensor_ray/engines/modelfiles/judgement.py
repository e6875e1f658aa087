"""Judges names to which a pickle refers as dangerous, harmless or unknown."""

from __future__ import annotations

import _compat_pickle
import fnmatch
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from veritensor_ray.engines.modelfiles.dangerous import CODE, IN_C, REACH
from veritensor_ray.engines.modelfiles.harmless import EXACT

Verdict = Literal["dangerous", "harmless", "unknown"]
_CLASS = re.compile(r"_?[A-Z][A-Za-z0-9]*_?[A-Za-z0-9]*")
_DTYPE = re.compile(r"[bq]?(?:u?int|float|complex|bits)\d[a-z0-9_]*")  # of PyTorch, to which each version adds some
_CYTHON = re.compile(r"__pyx_unpickle_\w+")
_ERROR = re.compile(r"[A-Z]\w*(Error|Exception|Warning)")
_SCRIPTED = "__torch__"  # TorchScript classes, which are not Python modules
_CYTHON_MODULES = ("sklearn", "scipy", "pandas", "numpy", "hdbscan", "lightfm", "implicit")
# Names that look like classes, occur in estimator modules and do more than hold data.
_NOT_DATA = frozenset({"Path", "Popen", "Parallel", "Memory", "Thread", "Timer", "Request", "NamedTemporaryFile", "TemporaryDirectory"})


def _parsed(table: str) -> dict[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = {}
    for line in table.split("\n"):
        module, _, names = line.partition(": ")
        if names:
            found[module] = found.get(module, frozenset()) | frozenset(names.split())
    return found


_CODE, _REACH, _EXACT = _parsed(CODE), _parsed(REACH), _parsed(EXACT)
_IN_C = frozenset(IN_C.split())
_MODULES = frozenset(
    {"os", "sys", "subprocess", "shutil", "socket", "ctypes", "importlib", "builtins", "posix", "nt", "pty", "runpy", "pickle"}
)
_PREFIXES = tuple(module for module, names in _EXACT.items() if "~" in names)


def is_module(name: str) -> bool:
    """Return whether an attribute of that name may be a module or special attribute from which anything can be reached."""
    return name in _MODULES or name.startswith("__")


def digest_source() -> str:
    """Return the tables that determine the verdicts."""
    return CODE + REACH + EXACT + IN_C


@dataclass(frozen=True, slots=True)
class NamePolicy:
    """Judges names. `allow` holds patterns of `module.name` that the user trusts; a dangerous name stays dangerous."""

    allow: Sequence[str] = ()

    def judge(self, module: str, name: str) -> Verdict:
        """Return the verdict on a name. It is also judged by its equivalent in Python 3, and by the module that exports it."""
        names = {one for called in ((module, name), _renamed(module, name)) for one in (called, _exported(*called))}
        if _leads_elsewhere(name) or any(listed(_CODE, *one) or listed(_REACH, *one) for one in names):
            return "dangerous"
        if any(_harmless(*one) for one in names) or self._allowed(names):
            return "harmless"
        return "unknown"

    def _allowed(self, names: Iterable[tuple[str, str]]) -> bool:
        return any(fnmatch.fnmatchcase(f"{module}.{name}", pattern) for module, name in names for pattern in self.allow)


def runs_code(path: str) -> bool:
    """Return whether a dotted path leads to something that runs code by itself."""
    parts = path.split(".")
    names = ((".".join(parts[:cut]), ".".join(parts[cut:])) for cut in range(len(parts) - 1, 0, -1))
    return any(listed(_CODE, *_exported(*name)) for name in names)


def _renamed(module: str, name: str) -> tuple[str, str]:
    """Return the name that Python 3 looks up for a pickle of protocol 0 to 2."""
    if (module, name) in _compat_pickle.NAME_MAPPING:
        return _compat_pickle.NAME_MAPPING[module, name]
    return _compat_pickle.IMPORT_MAPPING.get(module, module), name


def _exported(module: str, name: str) -> tuple[str, str]:
    """Return the name under the module that exports it, if its own is one that Python writes in C."""
    return module[1:] if module in _IN_C else module, name


def listed(table: Mapping[str, frozenset[str]], module: str, name: str) -> bool:
    """Return whether a table lists a name, its module, a package around it, or a part of a dotted name (`torch`, `hub.load`)."""
    steps = [*module.split("."), *name.split(".")]
    for cut in range(1, len(steps)):
        names = table.get(".".join(steps[:cut]))
        if names and ("*" in names or (cut >= module.count(".") + 1 and steps[cut] in names) or ".".join(steps[cut:]) in names):
            return True
    return False


def _leads_elsewhere(name: str) -> bool:
    """Return whether a name leads out of its module: through an imported one (`serialization.os.system`), or through special attributes."""
    parts = name.split(".")
    return not _MODULES.isdisjoint(parts) or (len(parts) > 1 and any(part.startswith("__") for part in parts))


def _harmless(module: str, name: str) -> bool:
    names = _EXACT.get(module, frozenset())
    if (name in names and name != "~") or (module == "builtins" and _ERROR.fullmatch(name)) or module.split(".")[0] == _SCRIPTED:
        return True
    if module == "torch" and _DTYPE.fullmatch(name):
        return True
    if _CYTHON.fullmatch(name):
        return module.split(".")[0] in _CYTHON_MODULES
    if name in _NOT_DATA or not _CLASS.fullmatch(name):
        return False
    return any(module == prefix or module.startswith(f"{prefix}.") for prefix in _PREFIXES)
