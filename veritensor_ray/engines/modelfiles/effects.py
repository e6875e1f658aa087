"""The verdict on a model file, which follows from its effects: what it does when it is loaded. It does not depend on any format."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from veritensor_ray.core import bounds
from veritensor_ray.core.config import Severity
from veritensor_ray.core.segments import Gap
from veritensor_ray.core.wording import counted
from veritensor_ray.engines.base import VERDICTS, Effect, EffectKind, FileVerdict, Hit, Judged, worse

__all__ = ["Effect", "EffectKind", "Found", "Judging", "clean"]

_REASONS = 20  # reasons of a verdict that are recorded; the others are counted
_VERDICTS: Mapping[Severity, FileVerdict] = {"critical": "dangerous", "high": "dangerous", "medium": "unknown", "low": "unknown"}

# Whatever a look does not understand must be an effect whose verdict is `unknown`.
Found = Hit | Gap | Effect


def clean(text: str, most: int = 300) -> str:
    """Return a text as outputs can hold it: shortened, and without the lone surrogates that JSON may contain."""
    return text[:most].encode("utf-8", "replace").decode()


@dataclass(slots=True)
class Judging:
    """Collects what a look finds in one file, and judges the file.

    Equal effects are kept once and counted. Of different ones a limited number is kept for each verdict; the others are counted.
    A file is `inert` only if something in it was proven so, and nothing was found that speaks against it.
    """

    severities: Mapping[str, Severity]
    effects: dict[tuple[str, ...], Effect] = field(default_factory=dict)
    hits: list[Effect] = field(default_factory=list)
    lost: Counter[FileVerdict] = field(default_factory=Counter)
    has_evidence: bool = False  # that the file is a model file at all, which a gap does not show
    _kept: Counter[FileVerdict] = field(default_factory=Counter)

    def add(self, found: Found) -> None:
        """Take one thing that a look has found. A hit counts as an effect unless it only informs."""
        if isinstance(found, Effect):
            self._keep(found)
            self.has_evidence = True
        elif isinstance(found, Gap):
            self._keep(Effect("holds", "something that was not checked", "unknown", found.reason))
        elif verdict := _VERDICTS.get(found.severity or self.severities[found.rule]):
            self._hit(Effect("holds", found.rule, verdict, found.message or found.rule, found.start, found.end))

    def _hit(self, effect: Effect) -> None:
        self.has_evidence = True
        if len(self.hits) < bounds.EFFECTS:
            self.hits.append(effect)
        else:
            self.lost[effect.verdict] += 1

    def _keep(self, effect: Effect) -> None:
        key = effect[:4]
        known = self.effects.get(key)
        if known is not None:
            self.effects[key] = known._replace(times=known.times + effect.times)
        elif self._kept[effect.verdict] < bounds.EFFECTS:
            self._kept[effect.verdict] += 1
            self.effects[key] = effect
        else:
            self.lost[effect.verdict] += effect.times

    def judged(self, read_as: str = "") -> Judged:
        """Return the verdict with its reasons, the worst first: the effects that are not inert."""
        for hit in self.hits:
            if not self._explained(hit):
                self._keep(hit)
        self.hits = []
        effects = sorted(self.effects.values(), key=lambda one: VERDICTS.index(one.verdict), reverse=True)
        reasons = tuple(dict.fromkeys(one.said() for one in effects if one.verdict != "inert")) or self._without_effects()
        more = len(reasons) - _REASONS + self.lost["dangerous"] + self.lost["unknown"]
        rest = (f"and {counted(more, 'further reason')}",) if more > 0 else ()
        verdict = worse(*(one.verdict for one in effects), *self.lost) if effects else "unknown"
        return Judged(verdict, reasons[:_REASONS] + rest, read_as, tuple(effects), self.lost.total())

    def _explained(self, hit: Effect) -> bool:
        """Return whether an effect that is as bad stands where a hit is, and so says the same."""
        return any(
            one.start <= hit.start < one.end and worse(one.verdict, hit.verdict) == one.verdict
            for one in self.effects.values()
            if one.verdict != "inert"
        )

    def _without_effects(self) -> tuple[str, ...]:
        return () if self.effects else ("nothing in it was proven",)
