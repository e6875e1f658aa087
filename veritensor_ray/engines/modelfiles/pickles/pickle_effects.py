"""Says what a pickle does when it is loaded: an effect for each name, and one for what it holds. Whatever is not proven is unknown."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from veritensor_ray.engines.base import FileVerdict
from veritensor_ray.engines.modelfiles.effects import Effect, EffectKind
from veritensor_ray.engines.modelfiles.naming.judgement import Verdict
from veritensor_ray.formats.model_files.pickle.structure import Ended, Pickles, Rest

if TYPE_CHECKING:
    from veritensor_ray.engines.modelfiles.pickles.pickle_calls import NameCalls

_WHY = {
    "dangerous": "it runs code, reaches the network or files, or serves to reach what does",
    "unknown": "it is not on the list of harmless names",
    "harmless": "it is on the list of harmless names",
}


def of_name(seen: NameCalls, verdict: Verdict, base: int) -> Effect:
    """Return what a pickle does with a name, and whether that is harmless."""
    name, why = seen.first, _WHY[verdict]
    judged: FileVerdict = "inert" if verdict == "harmless" else verdict
    what = f"{name}{seen.args}" if seen.args else str(name)
    if verdict == "harmless" and seen.worst is not None:
        judged, why = seen.worst.verdict, seen.worst.why
    elif verdict == "harmless" and seen.calls:
        why = "it only builds a value from its arguments, or was harmless with them"
    if not name.resolved and verdict != "dangerous":
        judged, why = "unknown", "the pickle computes the name, or takes it from the extension registry"
    kind: EffectKind = "calls" if seen.calls else "imports"
    return Effect(kind, what, judged, why, base + name.offset, base + name.end, max(1, seen.count))


def of_end(ended: Ended, base: int) -> Iterator[Effect]:
    """Yield what a whole pickle holds."""
    start, end = base + ended.start, base + ended.end
    if ended.odd_frames:
        yield Effect("holds", "frames that overlap or end too early", "unknown", "unpicklers may disagree on what it contains", start, end)
    if not ended.reason:
        yield Effect("holds", "numbers, texts and containers", "inert", "every opcode was understood", start, end)


def of_rest(rest: Rest, size: int | None, base: int) -> Effect:
    """Return what stands behind the last pickle."""
    start, end = base + rest.start, base + (rest.start if size is None else size)
    if rest.tensors:
        return Effect("holds", "tensors", "inert", "loading copies their bytes into memory", start, end)
    return Effect("holds", "bytes behind the last pickle", "unknown", "unpicklers do not read them", start, end)


def of_persistent_ids(pickles: Pickles) -> Iterator[Effect]:
    """Yield what the loader is asked for by persistent ids."""
    storages = pickles.aside.storages
    if storages is None:
        why = "the loader decides what they refer to, and they are not all storages of torch"
        yield Effect("holds", "persistent ids", "unknown", why)
    elif storages:
        yield Effect("holds", "storages of torch", "inert", "the loader takes their bytes from the same file", times=len(storages))
