"""Judges every name to which a pickle refers. Nothing is unpickled."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from veritensor_ray.core.reasons import ReasonCode
from veritensor_ray.core.segments import Gap
from veritensor_ray.engines.base import Hit
from veritensor_ray.engines.modelfiles.judgement import NamePolicy, Verdict, is_module
from veritensor_ray.formats.model_files.pickle.events import Call, Doubtful
from veritensor_ray.formats.model_files.pickle.pickle_values import Blob, Many, Name, shown
from veritensor_ray.formats.model_files.pickle.structure import Ended, Pickles

_PATH = re.compile(r"[A-Za-z_][\w.]*")
_NAMES = 1000  # most distinct names in a file
_DANGEROUS, _UNKNOWN, _BROKEN = "modelfiles.dangerous-pickle", "modelfiles.unknown-pickle-global", "modelfiles.broken-pickle"
_INNER_PICKLES = (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05", b"PK\x03\x04")  # which the reader passes on as separate files
_UFUNC = ("numpy.core._ufunc_reconstruct", "numpy._core._ufunc_reconstruct")


@dataclass(slots=True)
class _Calls:
    """A distinct name in a pickle: its first occurrence, its arguments, and the number of references, calls and harmless calls."""

    first: Name
    count: int = 0
    args: str | None = None
    calls: int = 0
    excused: int = 0


class PickleScan:
    """Judges the pickles of one file. `base` is the offset of the first pickle; `sure` says whether it is known to be one."""

    def __init__(self, policy: NamePolicy, base: int = 0, sure: bool = True) -> None:
        self._policy, self._base, self._sure = policy, base, sure
        self._seen: dict[str, _Calls] = {}
        self._doubtful: dict[str, _Calls] = {}
        self._lost = 0
        self._distinct = 0

    def scan(self, file: BinaryIO) -> Iterator[Hit | Gap]:
        """Yield the hits of each pickle when it ends."""
        first = True
        for event in Pickles(file).events():
            if isinstance(event, Name):
                self._refer(self._seen, event)
            elif isinstance(event, Call):
                self._call(self._seen, event)
            elif isinstance(event, Doubtful):
                self._doubt(event.event)
            elif isinstance(event, Ended):
                yield from self._ended(event, event.sure or (first and self._sure))
                first = False
        if self._lost:
            said = f"a pickle refers to more than {_NAMES} names; {self._lost} were not judged"
            yield Gap(said, engine="modelfiles", count=self._lost, code=ReasonCode.LIMIT)

    def _doubt(self, event: Name | Call) -> None:
        if isinstance(event, Name):
            self._refer(self._doubtful, event)
        else:
            self._call(self._doubtful, event)

    def _refer(self, seen: dict[str, _Calls], name: Name) -> None:
        found = seen.get(str(name))
        if found is None:
            full = self._distinct >= _NAMES and self._policy.judge(name.module, name.name) != "dangerous"
            if full or self._distinct >= 10 * _NAMES:
                self._lost += 1
                return
            self._distinct += 1
            found = seen[str(name)] = _Calls(name)
        found.count += 1

    def _call(self, seen: dict[str, _Calls], call: Call) -> None:
        found = seen.get(str(call.function))
        if found is None:
            return
        found.calls += 1
        if self._excused(call):
            found.excused += 1
        elif found.args is None:
            found.args = shown(call.args)

    def _excused(self, call: Call) -> bool:
        """Return whether a call is harmless because of its arguments, although the function alone is not."""
        items = call.args.items if isinstance(call.args, Many) else []
        name = str(call.function)
        if name == "torch.storage._load_from_bytes":
            return len(items) == 1 and isinstance(items[0], Blob) and items[0].head.startswith(_INNER_PICKLES)
        if name in ("builtins.type", "__builtin__.type"):
            return len(items) == 1
        if name == "functools.partial":
            return bool(items) and self._is_harmless(items[0])
        if name in _UFUNC and len(items) == 2 and all(isinstance(item, str) for item in items):
            return self._policy.judge(*items) == "harmless"
        if name in ("builtins.getattr", "__builtin__.getattr"):
            return len(items) == 2 and self._is_harmless(items[0]) and isinstance(items[1], str) and not is_module(items[1])
        return False

    def _is_harmless(self, value: object) -> bool:
        return isinstance(value, Name) and self._policy.judge(value.module, value.name) == "harmless"

    def _ended(self, ended: Ended, sure: bool) -> Iterator[Hit]:
        found = [(seen, self._verdict(seen)) for seen in self._seen.values()]
        if sure or any(verdict == "dangerous" for _, verdict in found):
            for seen, verdict in found:
                yield from self._hit(seen, verdict)
        for seen in self._doubtful.values():
            if self._verdict(seen) == "dangerous":
                yield from self._hit(seen, "dangerous")
        if ended.reason and sure:
            yield self._broken(ended)
        self._seen, self._doubtful = {}, {}

    def _verdict(self, seen: _Calls) -> Verdict:
        if seen.calls and seen.calls == seen.excused:
            return "harmless"
        return self._policy.judge(seen.first.module, seen.first.name)

    def _hit(self, seen: _Calls, verdict: Verdict) -> Iterator[Hit]:
        name = seen.first
        start, end = self._base + name.offset, self._base + name.end
        what = f"{name} is called with {seen.args}" if seen.args else f"{name} is referenced"
        if verdict == "dangerous":
            yield Hit(_DANGEROUS, start, end, message=what, evidence=str(name))
        elif not self._sure and not _PATH.fullmatch(str(name)):
            return  # bytes that happen to be opcodes
        elif not name.resolved:
            message = "a name that the pickle computes, or takes from the extension registry"
            yield Hit(_UNKNOWN, start, end, severity="high", message=message, evidence=str(name))
        elif verdict == "unknown":
            yield Hit(_UNKNOWN, start, end, message=what, evidence=str(name))

    def _broken(self, ended: Ended) -> Hit:
        end = self._base + ended.end
        at = max(self._base + ended.start, end - 1)
        return Hit(
            _BROKEN,
            at,
            end,
            message=f"the pickle breaks at byte {at}: {ended.reason}",
            evidence=ended.reason,
        )
