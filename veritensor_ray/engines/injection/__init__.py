"""Detects prompt injection: a first stage selects the passages worth reading, and a transformer reads them."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import astuple, replace

import pyarrow as pa
from tokenizers import Tokenizer

from veritensor_ray.core.config import Settings, Severity
from veritensor_ray.core.errors import ModelError
from veritensor_ray.engines.base import FileInfo, Hit, Needs, Rule, WithModel
from veritensor_ray.engines.injection.calibrated_scores import Thresholds, odds
from veritensor_ray.engines.injection.described import Described, described
from veritensor_ray.engines.injection.encoder_network import Network
from veritensor_ray.engines.injection.first_stage import FILES, FirstStage
from veritensor_ray.engines.injection.mixing import Mix, combined, undominated
from veritensor_ray.engines.injection.prompt_columns import holds_prompts
from veritensor_ray.engines.injection.scoring import Scorer
from veritensor_ray.engines.injection.windows import Cutter, TokenWindow, from_table
from veritensor_ray.models.lock import digest
from veritensor_ray.models.model_store import Model, ModelStore, known_answers

_APART = 3.0  # log odds between the two texts of the self-test, by the transformer alone, if it has most of the say
WORTH_A_LOOK = "Worth a look: perhaps instructions aimed at a language model"
RULE = Rule(
    id="injection.prompt",
    title="Instructions aimed at a language model",
    description="A classifier rates this passage as an attempt to override a model's instructions.",
    category="prompt-injection",
    severity="medium",
    remediation="Read the passage. Unless it is a quotation, remove it or keep the document out of retrieval and training.",
    taxonomy=("OWASP-LLM01:2025", "ATLAS:AML.T0051", "CWE-1427"),
    false_alarms="Texts about prompt injection, imperative instructions to human readers, and role-play.",
)


class Injection(WithModel):
    """Scores windows. Consecutive windows above the threshold become one hit, at the highest-scoring sentences of the best window."""

    name = "injection"
    version = "6"
    needs = Needs(model="injection", gpu=True, libraries=("onnxruntime",))

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._first: Model | None = None
        self._cutter: Cutter | None = None
        self._scorer: Scorer | None = None

    def applies(self, about: FileInfo) -> bool:
        """Return True: text of any file may contain an injection."""
        return True

    def rules(self) -> Sequence[Rule]:
        """Return the engine's one rule."""
        return [RULE]

    def fingerprint(self) -> str:
        """Return a digest of the model, the first stage, windows, cascade, mix and thresholds."""
        model, about = self._described(), self._about()
        shape = (about.window_tokens, about.stride_tokens, self.mix(), about.ceiling)
        tokenizer = digest(path) if (path := model.folder / "tokenizer.json").exists() else ""
        # The name identifies the transformer's weights.
        parts = (self.version, model.name, self.first_stage(), tokenizer, str(shape), str(self._gate()), str(self.thresholds()))
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]

    def brings_first_stage(self) -> bool:
        """Return whether the first stage is part of the model. Otherwise that of the model in the package is used. Raises ModelError."""
        return any((self._described().folder / name).exists() for name in FILES)

    def _first_model(self) -> Model:
        """Return the model whose first stage is used, and with it the gate. Raises ModelError."""
        if self._first is None:
            self._first = self._described() if self.brings_first_stage() else ModelStore("embedded").model("injection")
        return self._first

    def first_stage(self) -> str:
        """Return a digest of the first stage. Raises ModelError."""
        files = [digest(path) for name in FILES if (path := self._first_model().folder / name).exists()]
        return hashlib.sha256("\0".join(files).encode()).hexdigest()[:16]

    def _gate(self) -> float | None:
        return described(self._first_model()).gate if self._settings.injection.cascade else None

    def about(self) -> Described:
        """Return how the model describes itself. Raises ModelError."""
        return described(self._described())

    def is_outdated(self) -> bool:
        """Return whether the mix was fitted with another first stage. Raises ModelError."""
        fitted_with = self.about().first_stage
        return self._settings.injection.mix is None and fitted_with is not None and fitted_with != self.first_stage()

    def _about(self) -> Described:
        """Return how the model is to be used. Raises ModelError."""
        if self.is_outdated():
            raise ModelError(
                f"calibration.json of {self._described().folder} was made with the first stage of another version of veritensor-ray, so its "
                "mix and thresholds do not hold. Run `veritensor-ray models calibrate` again"
            )
        return self.about()

    def mix(self) -> Mix:
        """Return the effective mix: the configured one, or that of the model. Raises ModelError."""
        return self._settings.injection.mix or self._about().mix

    def thresholds(self) -> Thresholds:
        """Return the effective thresholds as log odds: the configured ones, or those calibrated with the model. Raises ModelError."""
        calibrated, chosen = self._about().thresholds, self._settings.injection
        medium = odds(chosen.medium or calibrated.medium)
        if chosen.low:  # who wants fewer findings gets no more of a higher severity
            medium = max(medium, odds(chosen.low))
        low = min(odds(chosen.low or calibrated.low or chosen.medium or calibrated.medium), medium)
        return Thresholds(low, medium, max(odds(chosen.high or calibrated.high), medium))

    def load(self, models: ModelStore) -> None:
        """Load weights and tokenizer, and run the self-test. Raises ModelError."""
        cutter = self._load_cutter(models)
        model = self._described()
        network = Network(model.folder, self._settings.injection.token_budget, self._settings.resources.model_threads)
        scorer = Scorer(cutter, network, self.mix(), self._about().ceiling)
        self._self_test(scorer, str(model.folder))
        self._scorer = scorer

    def _load_cutter(self, models: ModelStore) -> Cutter:
        """Load what `prepare` needs: the tokenizer and the first stage, but not the transformer's weights."""
        self._model, self._first = models.model("injection"), None
        model = self._described()
        words = model.folder / "tokenizer.json"
        try:
            tokenizer = Tokenizer.from_file(str(words))
        except Exception as error:  # noqa: BLE001  # the library raises nothing more specific
            raise ModelError(f"{words} cannot be loaded: {str(error)[:200]}. Reinstall the pinned model") from None
        about, first = self._about(), FirstStage.load(self._first_model().folder)
        self._cutter = Cutter(tokenizer, about.window_tokens, about.stride_tokens, first, self._gate())
        return self._cutter

    def _self_test(self, scorer: Scorer, folder: str) -> None:
        answers = known_answers(self._described())
        attack, harmless = (scorer.highest(answers[name]) for name in ("attack", "harmless"))
        thresholds = self.thresholds()
        if not (attack >= thresholds.medium and thresholds.low > harmless):  # also fails for NaN
            raise ModelError(
                f"the model in {folder} fails its self-test: log odds of {attack:.2f} for an attack and {harmless:.2f} for a harmless text, "
                f"thresholds {thresholds.medium:.2f} and {thresholds.low:.2f}. Reinstall the pinned model, or check injection.medium, "
                "injection.low and injection.mix in the configuration"
            )
        a, b, _ = scorer.mix
        alone = replace(scorer, mix=(1.0, 0.0, 0.0))  # the first stage would hide that a tokenizer is another model's
        if a > b and not alone.highest(answers["attack"]) - alone.highest(answers["harmless"]) >= _APART:
            raise ModelError(
                f"the model in {folder} fails its self-test: its transformer hardly tells an attack from a harmless text. "
                "Reinstall the pinned model"
            )
        if not scorer.cutter.windows([answers["attack"]]):
            raise ModelError(f"the model in {folder} fails its self-test: its first stage misses an attack. Reinstall the pinned model")

    def prepare(self, texts: pa.RecordBatch) -> pa.RecordBatch:
        """Return the windows that the transformer has to read, schema WINDOWS. They are computed where the bytes are."""
        cutter = self._cutter or self._load_cutter(ModelStore.of(self._settings))
        return cutter.table(texts.column("text").to_pylist())

    def scan_text(self, texts: pa.RecordBatch) -> list[Hit]:
        """Return the hits, ordered by segment."""
        return self.scan_prepared(texts, self.prepare(texts))

    def scan_prepared(self, texts: pa.RecordBatch, prepared: pa.RecordBatch) -> list[Hit]:
        """Return the hits, ordered by segment, from the result of `prepare` for the same texts."""
        if self._scorer is None:
            raise ModelError("the injection model is not loaded")
        return list(self._hits(self._scorer, texts, from_table(prepared)))

    def strongest(self, prepared: pa.RecordBatch) -> Iterator[tuple[float, float, TokenWindow]]:
        """Yield what both models say of the windows one of which has the highest score, whatever the mix.

        Each is scored by itself, as `scan_prepared` does near a threshold.
        """
        if self._scorer is None:
            raise ModelError("the injection model is not loaded")
        windows, network = from_table(prepared), self._scorer.network
        scores = network.score(windows).tolist() if windows else []
        for _, first, window in undominated((deep, window.first, window) for deep, window in zip(scores, windows, strict=True)):
            yield network.alone(window), first, window

    def located(self, texts: pa.RecordBatch, deep: float, window: TokenWindow) -> Hit:
        """Return the hit for a window, given what the transformer says of it."""
        if self._scorer is None:
            raise ModelError("the injection model is not loaded")
        score = combined(self._scorer.mix, self._scorer.ceiling, deep, window.first)
        return self._hit(self._scorer, texts, self.thresholds(), score, window)

    def _hits(self, scorer: Scorer, texts: pa.RecordBatch, windows: Sequence[TokenWindow]) -> Iterator[Hit]:
        """Yield one hit for each run of consecutive windows above the threshold."""
        thresholds = self.thresholds()
        least = thresholds.low
        alarm = False
        best: tuple[float, TokenWindow] | None = None
        last: TokenWindow | None = None
        for window, score in [*zip(windows, scorer.scores(windows, astuple(thresholds)), strict=True), (None, -math.inf)]:
            follows = window is not None and last is not None and window.row == last.row and window.start <= last.end
            follows = follows and (score >= thresholds.medium) == alarm  # what is only worth a look does not join two alarms
            alarm = score >= thresholds.medium
            if best and (score < least or not follows):
                yield self._hit(scorer, texts, thresholds, *best)
                best = None
            if window is not None and score >= least and (best is None or score > best[0]):
                best = (score, window)
            last = window

    def _hit(self, scorer: Scorer, texts: pa.RecordBatch, thresholds: Thresholds, score: float, window: TokenWindow) -> Hit:
        start, end = scorer.place(texts.column("text")[window.row].as_py()[window.start : window.end], thresholds.low)
        severity: Severity = "high" if score >= thresholds.high else "medium" if score >= thresholds.medium else "low"
        if severity == "medium" and holds_prompts(texts, window.row):  # where orders belong, only what is certain is an alarm
            severity = "low"
        message = WORTH_A_LOOK if severity == "low" else None
        return Hit(RULE.id, window.start + start, window.start + end, window.row, _probability(score), severity, message)


def _probability(log_odds: float) -> float:
    return 1 / (1 + math.exp(-max(-700.0, log_odds)))
