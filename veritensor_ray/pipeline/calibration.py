"""Fit the mix of the `injection` engine and derive its thresholds, from clean documents and known attacks.

Each document is read as a scan reads it, in the bounded process, and its highest score counts. It does not depend on Ray.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from operator import itemgetter
from pathlib import Path
from typing import Any

from veritensor_ray.bundle.active_bundle import Active
from veritensor_ray.core.config import Settings
from veritensor_ray.core.errors import CannotRunError, ModelError, UsageError
from veritensor_ray.core.reasons import ReasonCode
from veritensor_ray.corpus.listing import roots
from veritensor_ray.corpus.planning import PlanRow, plan_rows
from veritensor_ray.engines.base import Transcriber
from veritensor_ray.engines.injection import Injection
from veritensor_ray.engines.injection.calibrated_scores import FEW, Rates, Thresholds, above, probability, resolves, thresholds, without
from veritensor_ray.engines.injection.described import Described
from veritensor_ray.engines.injection.mixing import ALONE, Mix, Pair, combined, fit
from veritensor_ray.engines.registry import create, selected
from veritensor_ray.models.standard import home, keep_calibration
from veritensor_ray.pipeline.bounded import process
from veritensor_ray.pipeline.context import Context
from veritensor_ray.pipeline.strongest_passages import RatedPassage

LEAST = 50  # documents
_READ = ("scanned", "partial")
_LEFT_OUT = (ReasonCode.NOT_INCLUDED, ReasonCode.EXCLUDED)  # left out by the user, who knows about it
_NUMBERS, _WORDS = ("page", "paragraph", "row", "line", "byte_offset"), ("part", "column", "view")  # fields of a location
TOP = "."  # the kind of documents that lie next to the folders

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class CleanDocument:
    """A clean document and its highest-scoring passage. The score is minus infinity if the model found no text to read.

    `before` is the highest score with the mix that was in force.
    """

    artifact: str
    kind: str
    before: float
    score: float
    member: str | None
    location: Mapping[str, Any]
    partial: bool


@dataclass(frozen=True, slots=True)
class RatedDocument:
    """A clean document and its passages, one of which has the highest score."""

    artifact: str
    kind: str
    passages: Sequence[RatedPassage]
    partial: bool

    def scored(self, before: Mix, mix: Mix, ceiling: float | None) -> CleanDocument:
        """Return the document with its score, and with that of the mix that was in force."""
        found = ((combined(mix, ceiling, one.deep, one.first), one) for one in self.passages)
        score, at = max(found, key=itemgetter(0), default=(-math.inf, None))
        member, location = (at.member, at.location) if at else (None, {})
        return CleanDocument(self.artifact, self.kind, _best(self.passages, before, ceiling), score, member, location, self.partial)


@dataclass(frozen=True, slots=True)
class UnreadDocument:
    """A document that was not counted, and the reason."""

    artifact: str
    reason: str


@dataclass(frozen=True)
class Calibration:
    """The result of a calibration.

    `about` is what is stored with the model besides its thresholds. `before` holds the thresholds and `mix_before` the mix that were in force.
    `attacks` and `attacks_before` are the scores of known attacks. `problem` says why the new ones cannot be used. `quiet` is true if even a
    plain attack would not reach high severity.
    """

    model: str
    about: Described
    documents: Sequence[CleanDocument]
    unread: Sequence[UnreadDocument]
    rates: Rates
    before: Thresholds
    mix_before: Mix
    attacks: Sequence[float]
    attacks_before: Sequence[float]
    problem: str = ""
    quiet: bool = False

    @cached_property
    def kinds(self) -> dict[str, list[CleanDocument]]:
        """Documents by kind, highest score first."""
        found: dict[str, list[CleanDocument]] = {}
        for document in sorted(self.documents, key=lambda one: (one.kind, -one.score, one.artifact)):
            found.setdefault(document.kind, []).append(document)
        return found

    @cached_property
    def scores(self) -> dict[str, list[float]]:
        """Scores as log odds, by kind."""
        return {kind: [document.score for document in documents] for kind, documents in self.kinds.items()}

    @cached_property
    def after(self) -> Thresholds:
        """The thresholds derived from the documents."""
        return thresholds(self.scores, self.rates)

    @cached_property
    def left_out(self) -> dict[str, Thresholds]:
        """For each kind, the thresholds derived from the other kinds. Empty if there is only one kind."""
        return {kind: without(self.scores, kind, self.rates) for kind in self.kinds if len(self.kinds) > 1}

    def notes(self) -> Iterator[str]:
        """Yield what the user should know about these thresholds, as sentences."""
        for name, rate in self.rates._asdict().items():
            short = [kind for kind, scores in self.scores.items() if not resolves(len(scores), rate)]
            if short:
                yield (
                    f"{name}: confirming a rate of {rate * 100:g} % takes {math.ceil(1 / rate):,} documents of a kind. {_some(short)} "
                    f"{'have' if len(short) > 1 else 'has'} fewer, so the threshold lies above all {'their' if len(short) > 1 else 'its'} "
                    "scores, by a margin extrapolated from the tail of the scores"
                )
        if few := [kind for kind, scores in self.scores.items() if len(scores) < FEW]:
            yield f"{_some(few)}: fewer than {FEW} documents, so one tail was fitted to all kinds together. Add more of them"
        for kind, others in self.left_out.items():
            scores = self.scores[kind]
            if (count := above(scores, others.medium)) > self.rates.medium * len(scores):
                yield (
                    f"{kind}: with thresholds from the other kinds alone, {count:,} of its {len(scores):,} documents would be "
                    "reported at medium. Expect a similar rate for kinds not represented here"
                )
        if self.quiet:
            yield (
                f"high: even the plain attack of the self-test does not reach {self.after.high:.1f} log odds, so no finding will be above "
                "medium. Add documents, so less has to be extrapolated, allow more false positives (--high-rate), or set injection.high"
            )
        if partial := sum(document.partial for document in self.documents):
            yield f"{partial:,} {'document was' if partial == 1 else 'documents were'} read only in part; the part that was read counts"

    def settings(self) -> dict[str, Any]:
        """Return the settings to store with the model: all that its thresholds are valid for, and where they come from."""
        levels = asdict(self.after)
        rates = {
            kind: {"documents": len(s)} | {name: above(s, level) / len(s) for name, level in levels.items()}
            for kind, s in self.scores.items()
        }
        return self.about.model_dump(mode="json", exclude_none=True) | {
            "thresholds": {name: probability(level) for name, level in levels.items()},
            "clean": rates,
            "goals": self.rates._asdict(),
        }


def calibrate(settings: Settings, rates: Rates, progress: Progress = lambda done, total: None) -> Calibration:
    """Read and score all documents of the sources. Raises UsageError if there are too few, ModelError, or CannotRunError."""
    settings = settings.model_copy(update={"sample": None, "since": None})  # use every document
    names = _engines(settings)
    engine = Injection(settings)
    fits = settings.injection.mix is None and not engine.brings_first_stage()  # otherwise the mix is set, or part of the model
    if engine.is_outdated():
        settings = _with(settings, mix=ALONE)
        engine = Injection(settings)
    rows = list(plan_rows(settings, names, lambda *_: [], opener=process.snapshots(settings), describe=process.descriptions(settings)))
    wanted = [row for row in rows if row.shard >= 0]
    if len(wanted) < LEAST:
        raise UsageError(_too_few(settings.sources, len(wanted), "documents"))
    context = Context(
        settings, tuple(roots(settings.sources, settings.stores, settings.inventory, settings.as_of)), names, b"calibrate", "calibrate"
    )
    _ready(context)
    documents: list[RatedDocument] = []
    skipped = [row for row in rows if row.shard < 0 and row.reason_code not in _LEFT_OUT]
    unread = [UnreadDocument(row.artifact, row.reason or str(row.status)) for row in skipped]
    in_folders = any("/" in row.artifact for row in wanted)
    for done, row in enumerate(wanted):
        progress(done, len(wanted))
        read = _read(context, row, in_folders)
        if isinstance(read, RatedDocument):
            documents.append(read)
        else:
            unread.append(read)
    progress(len(wanted), len(wanted))
    if len(documents) < LEAST:
        raise UsageError(_too_few(settings.sources, len(documents), "documents with readable text"))
    if not any(document.passages for document in documents):
        raise CannotRunError("the model found no text to read in any of these documents. Choose other documents")
    found = calibrated(engine, documents, _attacks(context), rates, fits)
    found = replace(found, unread=unread)
    quiet = not _passes_self_test(context, found, replace(found.after, medium=found.after.high))
    return replace(found, problem=_problem(context, found), quiet=quiet)


def calibrated(
    engine: Injection, documents: Sequence[RatedDocument], attacks: Sequence[Sequence[Pair]], rates: Rates, fits: bool
) -> Calibration:
    """Return the calibration with the mix in force or, if one may be fitted, with the one that finds most attacks at equal rates."""
    before, ceiling = engine.mix(), engine.about().ceiling
    fitted = fit([[one[:2] for one in document.passages] for document in documents], attacks, ceiling) if fits else before

    def with_mix(mix: Mix) -> Calibration:
        scored = [document.scored(before, mix, ceiling) for document in documents]
        about = engine.about().model_copy(update={"mix": mix, "first_stage": None if engine.brings_first_stage() else engine.first_stage()})
        now, then = ([_best(passages, one, ceiling) for passages in attacks] for one in (mix, before))
        return Calibration(engine.model_name or "", about, scored, (), rates, engine.thresholds(), before, now, then)

    return max(map(with_mix, (ALONE, fitted) if fits else (before,)), key=lambda one: above(one.attacks, one.after.medium))


def _best(passages: Sequence[tuple[Any, ...]], mix: Mix, ceiling: float | None) -> float:
    """Return the highest score of passages; minus infinity if there are none."""
    return max((combined(mix, ceiling, one[0], one[1]) for one in passages), default=-math.inf)


def keep(settings: Settings, active: Active | None, calibration: Calibration) -> Path | None:
    """Store the thresholds with the model. Returns None if the model is sealed. Raises ModelError.

    A sealed model is the one in the package, or one in a signed bundle.
    """
    if sealed(settings, active):
        return None
    return keep_calibration(home(settings.models)[0], "injection", calibration.settings())


def sealed(settings: Settings, active: Active | None) -> str:
    """Return why no thresholds can be stored with the model, or an empty string if they can."""
    if settings.profile == "embedded":
        return "the embedded model is part of the package"
    if active is not None and settings.models and Path(settings.models).is_relative_to(active.folder):
        return f"the model is part of bundle {active.id}, which is signed"
    return ""


def _engines(settings: Settings) -> tuple[str, ...]:
    """Return the injection engine and the selected engines that turn images into text for it."""
    chosen = selected(settings)
    if Injection.name not in chosen:
        raise UsageError("the configuration does not select the injection engine, so there is nothing to calibrate. Add it to engines")
    return tuple(one.name for one in create(settings, chosen) if one.name == Injection.name or isinstance(one, Transcriber))


def _too_few(sources: Sequence[str], count: int, what: str) -> str:
    return (
        f"{' '.join(sources)} holds {count:,} {what}. Calibration needs at least {LEAST}, and 2,000 of a kind to confirm a rate of 0.05 %"
    )


def _some(kinds: Sequence[str]) -> str:
    return ", ".join(kinds[:5]) + (f" and {len(kinds) - 5} other kinds" if len(kinds) > 5 else "")


def _ready(context: Context) -> None:
    """Load the engines in the bounded process, without limits. Raises ModelError."""
    process.SHARED.call("ready", context, seconds=context.settings.limits.artifact_seconds, memory=None)


def _attacks(context: Context) -> list[list[Pair]]:
    said, _ = process.SHARED.call("attacks", context, seconds=context.settings.limits.artifact_seconds, memory=None)
    return [[(float(deep), float(first)) for deep, first in passages] for passages in said["attacks"]]


def _with(settings: Settings, **injection: Any) -> Settings:
    return settings.model_copy(update={"injection": settings.injection.model_copy(update=injection)})


def _problem(context: Context, found: Calibration) -> str:
    """Return why a run would reject the model with these thresholds: it must detect an obvious attack."""
    after = found.after
    if _passes_self_test(context, found, after):
        return ""
    return (
        f"with low at {probability(after.low)} and medium at {probability(after.medium)} the model would miss a plain attack or report a "
        "harmless sentence, and runs would reject it, because some documents score too close to an attack. Check the passages with the highest scores. Exclude documents that contain attacks (--exclude), add "
        "documents, or allow more false positives (--medium-rate)"
    )


def _passes_self_test(context: Context, found: Calibration, levels: Thresholds) -> bool:
    """Return whether the model passes its self-test with thresholds and the new mix."""
    named = {name: probability(level) for name, level in asdict(levels).items()}
    try:
        _ready(replace(context, settings=_with(context.settings, mix=found.about.mix, **named)))
    except ModelError:
        return False
    return True


def _read(context: Context, row: PlanRow, in_folders: bool) -> RatedDocument | UnreadDocument:
    limits = context.settings.limits
    try:
        said, _ = process.SHARED.call("score", context, row, seconds=limits.artifact_seconds, memory=limits.worker_memory)
    except process.Died as death:
        return UnreadDocument(row.artifact, str(death))
    if said["status"] not in _READ or not said["texts"]:
        return UnreadDocument(row.artifact, str(said["reason"] or "it contains no text"))
    kind = str(said["media_type"]) if not in_folders else row.artifact.partition("/")[0] if "/" in row.artifact else TOP
    return RatedDocument(row.artifact, kind, [_passage(*one) for one in said["passages"]], said["status"] == "partial")


def _passage(deep: float, first: float, member: str | None, at: Mapping[str, Any]) -> RatedPassage:
    """Return a passage from the answer of the other process, whatever that holds."""
    location: dict[str, Any] = {name: int(at[name]) for name in _NUMBERS if at.get(name) is not None}
    location |= {name: str(at[name]) for name in _WORDS if at.get(name) is not None}
    return RatedPassage(float(deep), float(first), None if member is None else str(member), location)
