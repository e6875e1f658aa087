"""Judges names to which a pickle refers as dangerous, harmless or unknown."""

from __future__ import annotations

import _compat_pickle
import fnmatch
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from veritensor_ray.engines.modelfiles.naming.dangerous import ACTS, CODE, DOING, IN_C, REACH
from veritensor_ray.engines.modelfiles.naming.harmless import BUILDERS, EXACT

Verdict = Literal["dangerous", "harmless", "unknown"]
_CLASS = re.compile(r"_?[A-Z][A-Za-z0-9]*_?[A-Za-z0-9]*")
_DTYPE = re.compile(r"[bq]?(?:u?int|float|complex|bits)\d[a-z0-9_]*")  # of PyTorch, to which each version adds some
_CYTHON = re.compile(r"__pyx_unpickle_\w+")
_ERROR = re.compile(r"[A-Z]\w*(Error|Exception|Warning)")
_SCRIPTED = "__torch__"  # TorchScript classes, which are not Python modules
_CYTHON_MODULES = ("sklearn", "scipy", "pandas", "numpy", "hdbscan", "lightfm", "implicit")
# Names that look like classes, occur in estimator modules and do more than hold data.
_NOT_DATA = frozenset({"Path", "Popen", "Parallel", "Memory", "Thread", "Timer", "Request", "NamedTemporaryFile", "TemporaryDirectory"})


def parsed(table: str) -> dict[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = {}
    for line in table.split("\n"):
        module, _, names = line.partition(": ")
        if names:
            found[module] = found.get(module, frozenset()) | frozenset(names.split())
    return found


_CODE, _ACTS, _REACH, _EXACT = parsed(CODE), parsed(ACTS), parsed(REACH), parsed(EXACT)
_IN_C = frozenset(IN_C.split())
_MODULES = frozenset(
    {"os", "sys", "subprocess", "shutil", "socket", "ctypes", "importlib", "builtins", "posix", "nt", "pty", "runpy", "pickle"}
)
_PREFIXES = tuple(module for module, names in _EXACT.items() if "~" in names)
DEEPEST = 30  # parts of a path that are looked at
_MOST_STEPS = 1 + max(module.count(".") for table in (_CODE, _ACTS, _REACH) for module in table)  # of a module that a table lists


_DOING = frozenset(DOING.split())


def plain_name(name: str) -> bool:
    """Return whether a name may be that of an attribute which does nothing by itself: no module, special attribute or method that acts."""
    parts = name.split(".")
    return all(part.isidentifier() and not is_module(part) and part not in _DOING for part in parts)


def is_module(name: str) -> bool:
    """Return whether an attribute of that name may be a module or special attribute from which anything can be reached."""
    return name in _MODULES or name.startswith("__")


def digest_source() -> str:
    """Return the tables that determine the verdicts."""
    return CODE + ACTS + REACH + EXACT + IN_C + DOING + BUILDERS


@dataclass(frozen=True, slots=True)
class NamePolicy:
    """Judges names. `allow` holds patterns of `module.name` that the user trusts; a dangerous name stays dangerous."""

    allow: Sequence[str] = ()

    def judge(self, module: str, name: str) -> Verdict:
        """Return the verdict on a name. It is also judged by its equivalent in Python 3, and by the module that exports it."""
        names = {one for called in ((module, name), _renamed(module, name)) for one in (called, _exported(*called))}
        if _leads_elsewhere(name) or any(listed(table, *one) for table in (_CODE, _ACTS, _REACH) for one in names):
            return "dangerous"
        if any(_harmless(*one) for one in names) or self._allowed(names):
            return "harmless"
        return "unknown"

    def _allowed(self, names: Iterable[tuple[str, str]]) -> bool:
        return any(fnmatch.fnmatchcase(f"{module}.{name}", pattern) for module, name in names for pattern in self.allow)


def runs_code(path: str) -> bool:
    """Return whether a dotted path leads to something that runs code by itself, rather than to something that only acts."""
    names = [_exported(*name) for name in cuts(path)]
    return max((exactness(_CODE, *name) for name in names), default=0) > max((exactness(_ACTS, *name) for name in names), default=0)


def acts(path: str) -> bool:
    """Return whether a dotted path leads to something that reads, writes, connects or drives a program."""
    return any(listed(_ACTS, *_exported(*name)) for name in cuts(path))


def cuts(path: str) -> list[tuple[str, str]]:
    """Return every way to read a dotted path as a module and a name in it, the longest module first."""
    parts = path.split(".")[:DEEPEST]
    return [(".".join(parts[:cut]), ".".join(parts[cut:])) for cut in range(len(parts) - 1, 0, -1)]


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
    return exactness(table, module, name) > 0


def exactness(table: Mapping[str, frozenset[str]], module: str, name: str) -> int:
    """Return how exactly a table lists a name: 0 if it does not, more for a longer module, and more for the name than for all of it."""
    steps, found = [*module.split("."), *name.split(".")], 0
    for cut in range(1, min(len(steps), _MOST_STEPS + 1)):
        names = table.get(".".join(steps[:cut]))
        if names and ((cut >= module.count(".") + 1 and steps[cut] in names) or ".".join(steps[cut:]) in names):
            found = 2 * cut + 1
        elif names and "*" in names:
            found = 2 * cut
    return found


def _leads_elsewhere(name: str) -> bool:
    """Return whether a name leads out of its module: through an imported one (`serialization.os.system`), or through special attributes."""
    parts = name.split(".")
    return not _MODULES.isdisjoint(parts) or (len(parts) > 1 and any(part.startswith("__") or part in _DOING for part in parts[1:]))


def _harmless(module: str, name: str) -> bool:
    """Return whether a name is known to be harmless, or is a member of an enumeration that is."""
    owner, _, member = name.rpartition(".")
    while owner and member.isupper() and not _known(module, name):
        name = owner
        owner, _, member = name.rpartition(".")
    return _known(module, name) or _is_data(module, name)


def _known(module: str, name: str) -> bool:
    names = _EXACT.get(module, frozenset())
    if (name in names and name != "~") or (module == "builtins" and _ERROR.fullmatch(name)) or module.split(".")[0] == _SCRIPTED:
        return True
    if module == "torch" and _DTYPE.fullmatch(name):
        return True
    return _CYTHON.fullmatch(name) is not None and module.split(".")[0] in _CYTHON_MODULES


def _is_data(module: str, name: str) -> bool:
    """Return whether a name is like that of a class, in a package whose classes only hold data."""
    if name in _NOT_DATA or not _CLASS.fullmatch(name):
        return False
    return any(module == prefix or module.startswith(f"{prefix}.") for prefix in _PREFIXES)
