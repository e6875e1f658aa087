"""Derive thresholds for the `injection` engine from clean documents.

Each document is read as a scan reads it, and its highest score counts. Code above `highest_passage` runs in this process; `highest_passage`
and the code below it run in the bounded process, where the bytes are. It does not depend on Ray.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from veritensor_ray.bundle.active_bundle import Active
from veritensor_ray.core.config import Settings
from veritensor_ray.core.detection import Hit
from veritensor_ray.core.errors import CannotRunError, ModelError, UsageError, VeritensorError
from veritensor_ray.core.reasons import ReasonCode
from veritensor_ray.core.segments import Gap
from veritensor_ray.core.text_positions import Columns
from veritensor_ray.corpus.listing import roots
from veritensor_ray.corpus.planning import PlanRow, plan_rows
from veritensor_ray.engines.base import Transcriber
from veritensor_ray.engines.injection import Injection
from veritensor_ray.engines.injection.calibrated_scores import FEW, Thresholds, above, probability, resolves, thresholds, without
from veritensor_ray.engines.injection.described import described
from veritensor_ray.engines.registry import create, selected
from veritensor_ray.models.model_store import ModelStore
from veritensor_ray.models.standard import home, keep_calibration
from veritensor_ray.pipeline.bounded import process
from veritensor_ray.pipeline.context import Context, workbench
from veritensor_ray.pipeline.extract import Extraction, Pulse
from veritensor_ray.pipeline.scan import Handover
from veritensor_ray.pipeline.shard import read_images, split_engines

LEAST = 50  # documents
_WINDOWS = 256  # windows scored between two signs of progress
_READ = ("scanned", "partial")
_LEFT_OUT = (ReasonCode.NOT_INCLUDED, ReasonCode.EXCLUDED)  # left out by the user, who knows about it
_NUMBERS, _WORDS = ("page", "paragraph", "row", "line", "byte_offset"), ("part", "column", "view")  # fields of a location
TOP = "."  # the kind of documents that lie next to the folders

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class CleanDocument:
    """A clean document and its highest-scoring passage. The score is minus infinity if the model found no text to read."""

    artifact: str
    kind: str
    score: float
    member: str | None
    location: Mapping[str, Any]
    partial: bool


@dataclass(frozen=True, slots=True)
class UnreadDocument:
    """A document that was not counted, and the reason."""

    artifact: str
    reason: str


@dataclass(frozen=True)
class Calibration:
    """The result of a calibration.

    `before` holds the thresholds that were in force. `problem` says why the new ones cannot be used. `quiet` is true if even a plain attack
    would not reach high severity.
    """

    model: str
    window_tokens: int
    stride_tokens: int
    documents: Sequence[CleanDocument]
    unread: Sequence[UnreadDocument]
    medium_rate: float
    high_rate: float
    before: Thresholds
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
        return thresholds(self.scores, self.medium_rate, self.high_rate)

    @cached_property
    def left_out(self) -> dict[str, Thresholds]:
        """For each kind, the thresholds derived from the other kinds. Empty if there is only one kind."""
        return {kind: without(self.scores, kind, self.medium_rate, self.high_rate) for kind in self.kinds if len(self.kinds) > 1}

    def notes(self) -> Iterator[str]:
        """Yield what the user should know about these thresholds, as sentences."""
        for name, rate in (("medium", self.medium_rate), ("high", self.high_rate)):
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
            if (count := above(scores, others.medium)) > self.medium_rate * len(scores):
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
        """Return the settings to store with the model. The window size is included because thresholds are valid only for it."""
        rates = {
            kind: {"documents": len(s), "medium": above(s, self.after.medium) / len(s), "high": above(s, self.after.high) / len(s)}
            for kind, s in self.scores.items()
        }
        return {
            "thresholds": {"medium": probability(self.after.medium), "high": probability(self.after.high)},
            "window_tokens": self.window_tokens,
            "stride_tokens": self.stride_tokens,
            "clean": rates,
            "goals": {"medium": self.medium_rate, "high": self.high_rate},
        }


def calibrate(settings: Settings, medium_rate: float, high_rate: float, progress: Progress = lambda done, total: None) -> Calibration:
    """Read and score all documents of the sources. Raises UsageError if there are too few, ModelError, or CannotRunError."""
    settings = settings.model_copy(update={"sample": None, "since": None})  # use every document
    names = _engines(settings)
    [engine] = create(settings, [Injection.name])
    assert isinstance(engine, Injection)  # noqa: S101  # the name guarantees the type
    before = engine.thresholds()
    rows = list(plan_rows(settings, names, lambda *_: []))
    wanted = [row for row in rows if row.shard >= 0]
    if len(wanted) < LEAST:
        raise UsageError(_too_few(settings.sources, len(wanted), "documents"))
    context = Context(settings, tuple(roots(settings.sources, settings.stores)), names, b"calibrate", "calibrate")
    _ready(context)
    documents: list[CleanDocument] = []
    skipped = [row for row in rows if row.shard < 0 and row.reason_code not in _LEFT_OUT]
    unread = [UnreadDocument(row.artifact, row.reason or str(row.status)) for row in skipped]
    in_folders = any("/" in row.artifact for row in wanted)
    for done, row in enumerate(wanted):
        progress(done, len(wanted))
        read = _read(context, row, in_folders)
        if isinstance(read, CleanDocument):
            documents.append(read)
        else:
            unread.append(read)
    progress(len(wanted), len(wanted))
    if len(documents) < LEAST:
        raise UsageError(_too_few(settings.sources, len(documents), "documents with readable text"))
    if not any(math.isfinite(document.score) for document in documents):
        raise CannotRunError("the model found no text to read in any of these documents. Choose other documents")
    model = ModelStore.of(settings).model(engine.needs.model or "")
    about = described(model)
    found = Calibration(model.name, about.window_tokens, about.stride_tokens, documents, unread, medium_rate, high_rate, before)
    return replace(found, problem=_problem(context, found.after), quiet=not _finds_an_attack(context, found.after.high))


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


def _problem(context: Context, after: Thresholds) -> str:
    """Return why a run would reject the model with these thresholds: it must detect an obvious attack."""
    if _finds_an_attack(context, after.medium):
        return ""
    return (
        f"with medium at {probability(after.medium)} the model would miss a plain attack, and runs would reject it, because some documents "
        "score too close to an attack. Check the passages with the highest scores. Exclude documents that contain attacks (--exclude), add "
        "documents, or allow more false positives (--medium-rate)"
    )


def _finds_an_attack(context: Context, threshold: float) -> bool:
    """Return whether the attack of the self-test reaches a threshold, given as log odds."""
    own = context.settings.injection.model_copy(update={"medium": probability(threshold), "high": None})
    try:
        _ready(replace(context, settings=context.settings.model_copy(update={"injection": own})))
    except ModelError:
        return False
    return True


def _read(context: Context, row: PlanRow, in_folders: bool) -> CleanDocument | UnreadDocument:
    limits = context.settings.limits
    try:
        said, _ = process.SHARED.call("score", context, row, seconds=limits.artifact_seconds, memory=limits.worker_memory)
    except process.Died as death:
        return UnreadDocument(row.artifact, str(death))
    score = said["score"]
    if said["status"] not in _READ or not said["texts"]:
        return UnreadDocument(row.artifact, str(said["reason"] or "it contains no text"))
    kind = str(said["media_type"]) if not in_folders else row.artifact.partition("/")[0] if "/" in row.artifact else TOP
    at = said["location"]
    location: dict[str, Any] = {name: int(at[name]) for name in _NUMBERS if at.get(name) is not None}
    location |= {name: str(at[name]) for name in _WORDS if at.get(name) is not None}
    member = None if said["member"] is None else str(said["member"])
    return CleanDocument(row.artifact, kind, -math.inf if score is None else float(score), member, location, said["status"] == "partial")


# ---- the code below runs in the bounded process


def highest_passage(context: Context, row: PlanRow, pulse: Pulse) -> dict[str, Any]:
    """Return the fate of a document, its number of texts, and the score and location of its best passage, as JSON values."""
    local, models = split_engines(context)
    bench = workbench(context, models)
    [engine] = [engine for engine in bench.engines if isinstance(engine, Injection)]
    extraction = Extraction(context, [row], workbench(context, local), models, pulse)
    outcome = extraction.outcomes[0]
    texts, best = 0, -math.inf
    where: dict[str, Any] = {"member": None, "location": {}}
    try:
        for handover in extraction.batches():
            read: Handover | None = handover
            if handover.images:
                read, (_, gaps) = read_images(context, bench, handover.batch, pulse)
                for _, gap in gaps:
                    outcome.add_gap(gap)
            if read is None:
                continue
            texts += read.batch.num_rows
            for score, hit in _passages(engine, read, pulse):
                if score > best:
                    place = Columns(read.batch, (hit.row or 0,)).at(hit.row or 0)
                    best, where = score, {"member": place.values["member"], "location": place.location(hit)}
    except VeritensorError:
        raise
    except Exception as error:  # noqa: BLE001  # the boundary of a document: the others are still worth reading
        outcome.add_gap(Gap.failed(engine.name, error))
        texts = 0
    outcome.settle()
    about = {"status": outcome.status, "reason": outcome.reason, "media_type": outcome.media_type, "texts": texts}
    return about | where | {"score": best if math.isfinite(best) else None}


def _passages(engine: Injection, read: Handover, pulse: Pulse) -> Iterator[tuple[float, Hit]]:
    """Yield the highest-scoring passage of each group of windows."""
    prepared = read.prepared.get(engine.name)
    windows = engine.prepare(read.batch) if prepared is None else prepared
    for at in range(0, windows.num_rows, _WINDOWS):
        if found := engine.highest(read.batch, windows.slice(at, _WINDOWS)):
            yield found
        pulse()
