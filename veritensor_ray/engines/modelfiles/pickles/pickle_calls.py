"""Judges every name to which a pickle refers, and what is called with which arguments. Nothing is unpickled."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from veritensor_ray.core.config import Severity
from veritensor_ray.core.reasons import ReasonCode
from veritensor_ray.core.segments import Gap
from veritensor_ray.engines.base import Hit
from veritensor_ray.engines.modelfiles.effects import Effect, Found
from veritensor_ray.engines.modelfiles.naming.calling import CallPolicy, Judgement
from veritensor_ray.engines.modelfiles.naming.judgement import NamePolicy, Verdict
from veritensor_ray.engines.modelfiles.pickles import pickle_effects as effects
from veritensor_ray.formats.model_files.pickle.events import Call, Doubtful, Filled
from veritensor_ray.formats.model_files.pickle.pickle_values import Called, Name, shown
from veritensor_ray.formats.model_files.pickle.structure import Ended, Pickles, Rest

_PATH = re.compile(r"[A-Za-z_][\w.]*")
_NAMES = 1000  # most distinct names in a file
DANGEROUS, _UNKNOWN, _BROKEN = "modelfiles.dangerous-pickle", "modelfiles.unknown-pickle-global", "modelfiles.broken-pickle"
_UNPROVEN = "modelfiles.unproven-call"
_ODD_FRAMES = "its frames do not end between opcodes, so unpicklers disagree on what follows"


@dataclass(slots=True)
class NameCalls:
    """A distinct name in a pickle: its first occurrence, its calls, and the worst that is known about them."""

    first: Name
    count: int = 0
    calls: int = 0
    judged: int = 0  # calls that are harmless, or unknown, because of their arguments
    worst: Judgement | None = None
    args: str | None = None  # of the first call that is not proven
    telling: str = ""  # what a text among arguments looks like
    applied: str | None = None  # with what the result of a call is called


@dataclass(slots=True)
class _Odd:
    """Something else that was done with values: what, the judgement, and where."""

    what: str
    judgement: Judgement
    offset: int


@dataclass(slots=True)
class _Pickle:
    """What is known of one pickle of a file."""

    names: dict[str, NameCalls] = field(default_factory=dict)
    doubtful: dict[str, NameCalls] = field(default_factory=dict)
    odd: dict[str, _Odd] = field(default_factory=dict)


class PickleScan:
    """Judges the pickles of one file. `base` is the offset of the first pickle; `sure` says whether it is known to be one."""

    def __init__(self, policy: NamePolicy, base: int = 0, sure: bool = True) -> None:
        self._policy, self._base, self._sure = policy, base, sure
        self._calls = CallPolicy(policy)
        self._seen = _Pickle()
        self._lost = 0
        self._distinct = 0

    def scan(self, file: BinaryIO) -> Iterator[Found]:
        """Yield the hits and effects of each pickle when it ends, and what lies behind the last one."""
        first, any_sure = True, False
        pickles = Pickles(file)
        for event in pickles.events():
            if isinstance(event, Name):
                self._refer(self._seen.names, event)
            elif isinstance(event, Call):
                self._call(self._seen.names, event)
            elif isinstance(event, Filled):
                self._filled(event)
            elif isinstance(event, Doubtful):
                self._doubt(event.event)
            elif isinstance(event, Ended):
                sure = event.sure or (first and self._sure)
                yield from self._ended(event, sure)
                first, any_sure = False, any_sure or sure
            elif isinstance(event, Rest) and any_sure:
                yield effects.of_rest(event, pickles.window.size, self._base)
        if any_sure:
            yield from effects.of_persistent_ids(pickles)
        if self._lost:
            said = f"a pickle refers to more than {_NAMES} names; {self._lost} were not judged"
            yield Gap(said, engine="modelfiles", count=self._lost, code=ReasonCode.LIMIT)

    def _doubt(self, event: Name | Call) -> None:
        if isinstance(event, Name):
            self._refer(self._seen.doubtful, event)
        else:
            self._call(self._seen.doubtful, event)

    def _refer(self, seen: dict[str, NameCalls], name: Name) -> None:
        if (known := seen.get(str(name))) is not None:
            known.count += 1
            return
        full = self._distinct >= _NAMES and self._policy.judge(name.module, name.name) != "dangerous"
        if full or self._distinct >= 10 * _NAMES:
            self._lost += 1
            return
        self._distinct += 1
        seen[str(name)] = NameCalls(name, 1)

    def _call(self, seen: dict[str, NameCalls], call: Call) -> None:
        if not isinstance(call.function, Name):
            self._applied(seen, call)
            return
        found = seen.get(str(call.function))
        if found is None:
            return
        found.calls += 1
        judgement = self._calls.call(call.function, call)
        found.judged += judgement is not None
        if judgement is not None and judgement.verdict == "inert":
            return
        telling = judgement.telling if judgement else self._calls.telling(call.args)
        if found.args is None or (telling and not found.telling):
            found.args, found.worst, found.telling = shown(call.args), judgement, telling

    def _applied(self, seen: dict[str, NameCalls], call: Call) -> None:
        """Note that the result of a call, or something unknown, is called."""
        if self._calls.applied(call):
            return
        root = call.function
        while isinstance(root, Called):
            root = root.function
        found = seen.get(str(root)) if isinstance(root, Name) else None
        if found is not None and found.applied is None:
            found.applied = shown(call.args)
        why = Judgement("unknown", "the result of another call is called", self._calls.telling(call.args))
        self._note(
            f"{root} is called once more with {shown(call.args)}" if found else f"something is called with {shown(call.args)}",
            why,
            call.offset,
        )

    def _filled(self, filled: Filled) -> None:
        judgement = self._calls.state(filled)
        if judgement is not None:
            self._note(judgement.why, judgement, filled.offset)

    def _note(self, what: str, judgement: Judgement, offset: int) -> None:
        if len(self._seen.odd) < _NAMES or judgement.verdict == "dangerous":
            self._seen.odd.setdefault(what, _Odd(what, judgement, offset))
        else:
            self._lost += 1

    def _ended(self, ended: Ended, sure: bool) -> Iterator[Found]:
        seen, self._seen = self._seen, _Pickle()
        found = [(one, self._verdict(one)) for one in seen.names.values()]
        if sure or any(verdict == "dangerous" for _, verdict in found):
            for one, verdict in found:
                if verdict == "dangerous" or self._sure or _PATH.fullmatch(str(one.first)):  # else, bytes that happen to be opcodes
                    yield from self._hits(one, verdict)
                    yield effects.of_name(one, verdict, self._base)
        for name, one in seen.doubtful.items():
            if name not in seen.names and self._verdict(one) == "dangerous":
                yield from self._hits(one, "dangerous")
        if sure:
            for odd in seen.odd.values():
                yield from self._odd(odd)
            yield from effects.of_end(ended, self._base)
            if ended.reason or ended.odd_frames:
                yield self._broken(ended)

    def _verdict(self, seen: NameCalls) -> Verdict:
        verdict = self._policy.judge(seen.first.module, seen.first.name)
        excused = seen.calls and seen.calls == seen.judged and seen.applied is None
        return "harmless" if excused else verdict

    def _hits(self, seen: NameCalls, verdict: Verdict) -> Iterator[Hit]:
        name = seen.first
        start, end = self._base + name.offset, self._base + name.end
        args = seen.args or seen.applied
        what = f"{name} is called with {args}" if args else f"{name} is referenced"
        if verdict == "dangerous":
            yield Hit(DANGEROUS, start, end, message=what, evidence=str(name))
        elif not name.resolved:
            message = "a name that the pickle computes, or takes from the extension registry"
            yield Hit(_UNKNOWN, start, end, severity="high", message=message, evidence=str(name))
        elif verdict == "unknown":
            severity: Severity = "high" if seen.telling in ("an address", "code", "a command") else "medium"
            yield Hit(_UNKNOWN, start, end, severity=severity, message=what, evidence=str(name))
        elif seen.worst is not None and seen.worst.verdict == "unknown":
            severity = "medium" if seen.telling else "info"
            yield Hit(_UNPROVEN, start, end, severity=severity, message=f"{what}: {seen.worst.why}", evidence=str(name))

    def _odd(self, odd: _Odd) -> Iterator[Found]:
        start = max(self._base, self._base + odd.offset - 1)
        judgement = odd.judgement
        yield Effect("calls", odd.what, judgement.verdict, judgement.why, start, start + 1)
        severity: Severity = "high" if judgement.verdict == "dangerous" else "medium" if judgement.telling else "low"
        yield Hit(_UNPROVEN, start, start + 1, severity=severity, message=odd.what, evidence=judgement.why)

    def _broken(self, ended: Ended) -> Hit:
        end = self._base + ended.end
        at = max(self._base + ended.start, end - 1)
        reason = ended.reason or _ODD_FRAMES
        message = f"the pickle breaks at byte {at}: {reason}" if ended.reason else reason
        return Hit(_BROKEN, at, end, message=message, evidence=reason)
