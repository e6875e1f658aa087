"""Three answers about a name that a pickle refers to: dangerous, harmless, unknown; it reads no file."""

from __future__ import annotations

import _compat_pickle
import fnmatch
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from veritensor_ray.engines.modelfiles.dangerous import CODE, REACH
from veritensor_ray.engines.modelfiles.harmless import EXACT

Verdict = Literal["dangerous", "harmless", "unknown"]
_CLASS = re.compile(r"_?[A-Z][A-Za-z0-9]*_?[A-Za-z0-9]*")
_CYTHON = re.compile(r"__pyx_unpickle_\w+")
_ERROR = re.compile(r"[A-Z]\w*(Error|Exception|Warning)")
_SCRIPTED = "__torch__"  # classes of TorchScript, which are no Python modules
_CYTHON_MODULES = ("sklearn", "scipy", "pandas", "numpy", "hdbscan", "lightfm", "implicit")
# Names of the look of a class that modules of estimators import and that do more than hold data.
_NOT_DATA = frozenset({"Path", "Popen", "Parallel", "Memory", "Thread", "Timer", "Request", "NamedTemporaryFile", "TemporaryDirectory"})


def _parsed(table: str) -> dict[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = {}
    for line in table.split("\n"):
        module, _, names = line.partition(": ")
        if names:
            found[module] = found.get(module, frozenset()) | frozenset(names.split())
    return found


_CODE, _REACH, _EXACT = _parsed(CODE), _parsed(REACH), _parsed(EXACT)
_MODULES = frozenset(
    {"os", "sys", "subprocess", "shutil", "socket", "ctypes", "importlib", "builtins", "posix", "nt", "pty", "runpy", "pickle"}
)
_PREFIXES = tuple(module for module, names in _EXACT.items() if "~" in names)


def is_module(name: str) -> bool:
    """Whether an attribute of that name would be one of the modules that everything can be reached from."""
    return name in _MODULES or name.startswith("__")


def digest_source() -> str:
    """Everything that the verdicts follow from."""
    return CODE + REACH + EXACT


@dataclass(frozen=True, slots=True)
class NamePolicy:
    """`allow`: patterns of `module.name` that the user vouches for; what is dangerous stays so."""

    allow: Sequence[str] = ()

    def judge(self, module: str, name: str) -> Verdict:
        """Names of Python 2 count as what Python 3 makes of them as well."""
        both = {(module, name), _renamed(module, name)}
        if _leads_elsewhere(name) or any(listed(_CODE, *one) or listed(_REACH, *one) for one in both):
            return "dangerous"
        if any(_harmless(*one) for one in both) or self._allowed(both):
            return "harmless"
        return "unknown"

    def _allowed(self, names: Iterable[tuple[str, str]]) -> bool:
        return any(fnmatch.fnmatchcase(f"{module}.{name}", pattern) for module, name in names for pattern in self.allow)


def runs_code(path: str) -> bool:
    """Whether a dotted path leads to something that runs code by itself."""
    parts = path.split(".")
    return any(listed(_CODE, ".".join(parts[:cut]), ".".join(parts[cut:])) for cut in range(len(parts) - 1, 0, -1))


def _renamed(module: str, name: str) -> tuple[str, str]:
    """What an unpickler of Python 3 looks up in a pickle of protocol 0 to 2."""
    if (module, name) in _compat_pickle.NAME_MAPPING:
        return _compat_pickle.NAME_MAPPING[module, name]
    return _compat_pickle.IMPORT_MAPPING.get(module, module), name


def listed(table: Mapping[str, frozenset[str]], module: str, name: str) -> bool:
    """Whether a table names it: the module, a package around it, or something on the way of a dotted name (`torch`, `hub.load`)."""
    steps = [*module.split("."), *name.split(".")]
    for cut in range(1, len(steps)):
        names = table.get(".".join(steps[:cut]))
        if names and ("*" in names or (cut >= module.count(".") + 1 and steps[cut] in names) or ".".join(steps[cut:]) in names):
            return True
    return False


def _leads_elsewhere(name: str) -> bool:
    """Names that lead out of their module: through one that it imported (`serialization.os.system`), or through what every object has."""
    parts = name.split(".")
    return not _MODULES.isdisjoint(parts) or (len(parts) > 1 and any(part.startswith("__") for part in parts))


def _harmless(module: str, name: str) -> bool:
    names = _EXACT.get(module, frozenset())
    if (name in names and name != "~") or (module == "builtins" and _ERROR.fullmatch(name)) or module.split(".")[0] == _SCRIPTED:
        return True
    if _CYTHON.fullmatch(name):
        return module.split(".")[0] in _CYTHON_MODULES
    if name in _NOT_DATA or not _CLASS.fullmatch(name):
        return False
    return any(module == prefix or module.startswith(f"{prefix}.") for prefix in _PREFIXES)
