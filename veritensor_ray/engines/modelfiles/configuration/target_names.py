"""Judges what a configuration names as code: dotted paths, entry points and files. Nothing is imported.

Configuration may name what only acts (`naming.dangerous.ACTS`), because it reads data, which a pickle has no business to do.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from veritensor_ray.core.config import Severity
from veritensor_ray.engines.base import FileVerdict
from veritensor_ray.engines.modelfiles.naming.dangerous import REACH
from veritensor_ray.engines.modelfiles.naming.judgement import DEEPEST, NamePolicy, acts, cuts, is_module, listed, parsed, runs_code

PATH = re.compile(r"[A-Za-z_]\w*+(?:\.[A-Za-z_]\w*+)*+(?:[:/][A-Za-z_]\w*+(?:\.[A-Za-z_]\w*+)*+)?")
_LONGEST = 1000

# Read a file that is code itself, or fetch one: no command is named, so `high` suffices.
_LOADS = parsed(
    """
torch: load hub jit
torch.hub: *
torch.jit: load
torch.package: *
torch.serialization: *
torch.utils.model_zoo: *
pickle: load Unpickler
joblib: load
joblib.numpy_pickle: *
dill: load
cloudpickle: load
pandas: read_pickle read_hdf HDFStore
keras.utils: get_file
requests: *
urllib: *
urllib.request: *
http: *
io: open FileIO open_code
builtins: open
codecs: open
pathlib: open
mmap: *
shutil: *
"""
)
_REACH = parsed(REACH)


class NamedTarget(NamedTuple):
    """The verdict on a name, and the severity of a finding about it (None for that of the rule); `why` is one clause."""

    path: str
    verdict: FileVerdict
    why: str
    severity: Severity | None = None

    @property
    def reaches(self) -> bool:
        """Whether the name only serves to reach others, which its arguments name."""
        return any(listed(_REACH, *cut) for cut in cuts(self.path))


def is_path(text: str) -> bool:
    """Return whether a text is a dotted path, or a module and a name with a colon between them."""
    return len(text) <= _LONGEST and "." in text.replace(":", ".") and PATH.fullmatch(text) is not None


def judged_target(text: str, policy: NamePolicy) -> NamedTarget:
    """Return the verdict on what a loader would import for a text."""
    path = re.sub(r"[:/]", ".", text.strip()).replace("__builtin__.", "builtins.")
    names = cuts(path)
    if _dangerous(path):
        severity: Severity | None = "high" if any(listed(_LOADS, *name) for name in names) else None
        return NamedTarget(path, "dangerous", "it runs code, starts programs or fetches files", severity)
    if acts(path):
        return NamedTarget(path, "unknown", "it reads or writes data, or drives the program")
    verdicts = {policy.judge(*name) for name in names}
    if "harmless" in verdicts and "dangerous" not in verdicts:
        return NamedTarget(path, "inert", "a known name of a common library")
    return NamedTarget(path, "unknown", "a name that is not known to be harmless")


def _dangerous(path: str) -> bool:
    """Return whether a path runs code by itself, or leads through other modules to something that does (`project.utils.os.system`)."""
    parts = path.split(".")[:DEEPEST]
    if any(re.fullmatch(r"__\w+__", part) for part in parts[1:-1]) or parts[-1] in ("__globals__", "__builtins__", "__subclasses__"):
        return True
    return any(
        runs_code(".".join(parts[start:]).lstrip("_"))
        for start in range(len(parts) - 1)
        if start == 0 or is_module(parts[start].lstrip("_"))
    )


def judged_module(text: str, policy: NamePolicy) -> NamedTarget:
    """Return the verdict on a module that is imported as a whole: known packages have no effect that counts."""
    known = policy.judge(text, "Name") == "harmless" or text.split(".")[0] in ("torch", "numpy", "transformers", "sklearn", "pandas")
    return NamedTarget(text, "inert" if known else "unknown", "a known package" if known else "a module that is not known")
