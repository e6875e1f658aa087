"""Compares what one group of pickles does in Python's unpicklers with what the walk of this package says. It runs in a process of its own."""

from __future__ import annotations

import resource
import sys
from collections.abc import Iterator
from itertools import islice

from bench.pickles.machines import InC, InPython, Record, Walked, register_extensions, unpickled, walked
from bench.pickles.opcode_mixtures import EXTENSIONS, mixture

_MEMORY = 1 << 30  # an unpickler allocates what a pickle declares
_SHOWN = 20  # differences of a group


def limit() -> None:
    """Limit this process before it compares: its memory, and what it prints about errors that the unpickler in C cannot raise."""
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    sys.unraisablehook = lambda _: None
    register_extensions()


def compared(seeds: range) -> tuple[int, list[str]]:
    """Return how many names Python's unpickler resolved in the pickles of some seeds, and the differences."""
    resolved, found = 0, []
    for seed in seeds:
        data = mixture(seed)
        machines = {kind.__name__: unpickled(kind, data) for kind in (InC, InPython)}
        resolved += len(machines["InC"].names)
        found += [
            f"seed {seed}: {name}: {said}: {data!r}" for name, record in machines.items() for said in differences(record, walked(data))
        ]
    return resolved, found[:_SHOWN]


def differences(record: Record, ours: Walked) -> Iterator[str]:
    """Yield what an unpickler did and the walk does not say."""
    return islice(_differences(record, ours), 1)


def _differences(record: Record, ours: Walked) -> Iterator[str]:
    for module, name in record.names:
        if (module, name) not in ours.names and not (ours.unresolved and _may_be_unresolved(module, name)):
            yield f"resolves {module!r} {name!r}"
    for called in record.calls:
        if (
            called not in ours.calls
            and not (ours.unresolved and _may_be_unresolved(*called))
            and not (ours.unnamed and called[0] == "persistent")
        ):
            yield f"calls {called}"
    for end in record.ends if not ours.framed else ():
        if end not in ours.ends:
            yield f"ends at {end}, and not at {ours.ends}"


def _may_be_unresolved(module: str, name: str) -> bool:
    """Return whether a name may stand there as a computed one, or as a number of the extension registry."""
    whole = f"{module}.{name}"
    return "computed" in (module, name) or (module, name) in EXTENSIONS.values() or not whole.replace(".", "_").isidentifier()
