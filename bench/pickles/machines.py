"""Runs pickles in Python's own unpicklers, whose names are inert recorders, and in the walk of this package. Nothing real is resolved or called."""

from __future__ import annotations

import contextlib
import copyreg
import io
import pickle
import warnings
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from bench.pickles.opcode_mixtures import EXTENSIONS
from veritensor_ray.formats.model_files.pickle.events import Call, Doubtful
from veritensor_ray.formats.model_files.pickle.pickle_values import Name
from veritensor_ray.formats.model_files.pickle.structure import Ended, Pickles

_MOST = 50  # pickles in a row


@dataclass
class Record:
    """What a machine did: the names that it resolved, the names that it called, and where the pickles ended that it read to their STOP."""

    names: list[tuple[str, str]] = field(default_factory=list)
    calls: list[tuple[str, str]] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)


_record = Record()


class _Recorder:
    """An inert stand-in for a class or function: each call returns another, and nothing else happens."""

    _name = ("", "")

    def __new__(cls, *args: object, **options: object) -> Any:
        kind = cls if isinstance(cls, type) else type(cls)
        _record.calls.append(kind._name)
        return "computed" if kind._name == ("compute", "text") else object.__new__(kind)

    def __call__(self, *args: object, **options: object) -> Any:
        """Be called as the result of a call."""
        return self

    def _take(self, *values: object) -> None:
        """Do nothing: BUILD, APPENDS, ADDITEMS and SETITEMS call a method of the object that they fill, and an unpickler stops if it is missing."""

    __setstate__ = append = extend = add = __setitem__ = _take


@lru_cache(4096)
def _stand_in(module: str, name: str) -> type:
    return type("_Recorder", (_Recorder,), {"_name": (module, name)})


class _Stub:
    """Replaces what an unpickler asks for."""

    def find_class(self, module: str, name: str) -> Any:
        """Note a name and return its stand-in."""
        _record.names.append((module, name))
        return _stand_in(module, name)

    def persistent_load(self, identity: object) -> Any:
        """Return something inert."""
        return _stand_in("persistent", "")


class InC(_Stub, pickle.Unpickler):
    """The unpickler that Python uses."""


class InPython(_Stub, pickle._Unpickler):  # undocumented, but what joblib and others derive from
    """Python's unpickler in Python, with the same stubs."""


def register_extensions() -> None:
    """Register the codes that the pickles use."""
    for code, name in EXTENSIONS.items():
        with contextlib.suppress(ValueError):
            copyreg.add_extension(*name, code)


def unpickled(kind: type[Any], data: bytes) -> Record:
    """Let one of Python's unpicklers read all pickles in the data, and return what it did."""
    global _record  # the stand-ins have no other way to the record
    _record = Record()
    copyreg._extension_cache.clear()  # type: ignore[attr-defined]  # else a code is resolved only once in a process
    file = io.BytesIO(data)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(_MOST):
            try:
                kind(file, buffers=iter((b"a", b"b"))).load()
            except Exception:  # noqa: BLE001  # whatever a damaged pickle raises ends this comparison
                break
            _record.ends.append(file.tell())
    return _record


@dataclass
class Walked:
    """What the walk of this package found: names, unresolved ones, calls of names, and the ends of pickles."""

    names: set[tuple[str, str]] = field(default_factory=set)
    unresolved: int = 0
    unnamed: int = 0  # calls of something that has no name
    calls: set[tuple[str, str]] = field(default_factory=set)
    ends: list[int] = field(default_factory=list)
    framed: bool = False  # whether the ends depend on the kind of file


def walked(data: bytes) -> Walked:
    """Walk through the pickles in the data."""
    found = Walked(framed=b"\x95" in data)
    for event in Pickles(io.BytesIO(data)).events():
        event = event.event if isinstance(event, Doubtful) else event
        if isinstance(event, Name):
            found.names.add((event.module, event.name))
            found.unresolved += not event.resolved
        elif isinstance(event, Call) and isinstance(event.function, Name):
            found.calls.add((event.function.module, event.function.name))
        elif isinstance(event, Call):
            found.unnamed += 1
        elif isinstance(event, Ended) and not event.reason:
            found.ends.append(event.end)
    return found
