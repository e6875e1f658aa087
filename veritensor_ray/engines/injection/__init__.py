"""Detects prompt injection: a linear model selects the passages worth reading, and a transformer reads them."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence

import pyarrow as pa
from tokenizers import Tokenizer

from veritensor_ray.core.config import Settings, Severity
from veritensor_ray.core.errors import ModelError
from veritensor_ray.engines.base import FileInfo, Hit, Needs, Rule, WithModel
from veritensor_ray.engines.injection.calibrated_scores import Thresholds, odds
from veritensor_ray.engines.injection.described import Described, described
from veritensor_ray.engines.injection.encoder_network import Network
from veritensor_ray.engines.injection.linear import Linear
from veritensor_ray.engines.injection.scoring import Scorer
from veritensor_ray.engines.injection.windows import Cutter, TokenWindow, from_table
from veritensor_ray.models.lock import digest
from veritensor_ray.models.model_store import ModelStore, known_answers

# Files that affect the result besides the transformer's weights, which the model's name already identifies.
_BESIDE = ("linear.safetensors", "tokenizer.json")

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
    version = "4"
    needs = Needs(model="injection", gpu=True, libraries=("onnxruntime",))

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._cutter: Cutter | None = None
        self._scorer: Scorer | None = None

    def applies(self, about: FileInfo) -> bool:
        """Return True: text of any file may contain an injection."""
        return True

    def rules(self) -> Sequence[Rule]:
        """Return the engine's one rule."""
        return [RULE]

    def fingerprint(self) -> str:
        """Return a digest of the model, windows, cascade and thresholds."""
        model, about = self._described(), self._about()
        shape = (about.window_tokens, about.stride_tokens, about.mix, about.ceiling)
        files = [digest(path) for name in _BESIDE if (path := model.folder / name).exists()]
        parts = (self.version, model.name, *files, str(shape), str(self._gate()), str(self.thresholds()))
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]

    def _gate(self) -> float | None:
        return self._about().gate if self._settings.injection.cascade else None

    def _about(self) -> Described:
        """Return how the model is to be used. Raises ModelError."""
        return described(self._described())

    def thresholds(self) -> Thresholds:
        """Return the effective thresholds as log odds: the configured ones, or those calibrated with the model. Raises ModelError."""
        calibrated, chosen = self._about().thresholds, self._settings.injection
        medium = odds(chosen.medium or calibrated.medium)
        return Thresholds(medium, max(odds(chosen.high or calibrated.high), medium))

    def load(self, models: ModelStore) -> None:
        """Load weights and tokenizer, and run the self-test. Raises ModelError."""
        cutter = self._load_cutter(models)
        model = self._described()
        network = Network(model.folder, self._settings.injection.token_budget, self._settings.resources.model_threads)
        scorer = Scorer(cutter, network, self._about().mix, self._about().ceiling)
        self._self_test(scorer, str(model.folder))
        self._scorer = scorer

    def _load_cutter(self, models: ModelStore) -> Cutter:
        """Load what `prepare` needs: the tokenizer and the linear model, but not the transformer's weights."""
        self._model = model = models.model("injection")
        words = model.folder / "tokenizer.json"
        try:
            tokenizer = Tokenizer.from_file(str(words))
        except Exception as error:  # noqa: BLE001  # the library raises nothing more specific
            raise ModelError(f"{words} cannot be loaded: {str(error)[:200]}. Reinstall the pinned model") from None
        weights, about = model.folder / "linear.safetensors", self._about()
        linear = Linear.load(weights) if weights.exists() else None
        self._cutter = Cutter(tokenizer, about.window_tokens, about.stride_tokens, linear, self._gate())
        return self._cutter

    def _self_test(self, scorer: Scorer, folder: str) -> None:
        answers = known_answers(self._described())
        attack, harmless = (scorer.highest(answers[name]) for name in ("attack", "harmless"))
        medium = self.thresholds().medium
        if not (attack >= medium > harmless):  # also fails for NaN
            raise ModelError(
                f"the model in {folder} fails its self-test: log odds of {attack:.2f} for an attack and {harmless:.2f} for a harmless text, "
                f"threshold {medium:.2f}. Reinstall the pinned model, or check injection.medium in the configuration"
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

    def highest(self, texts: pa.RecordBatch, prepared: pa.RecordBatch) -> tuple[float, Hit] | None:
        """Return the log odds and hit of the highest-scoring window, scored by itself as in `scan_prepared`; None if there is no window."""
        if self._scorer is None:
            raise ModelError("the injection model is not loaded")
        windows = from_table(prepared)
        if not windows:
            return None
        _, window = max(zip(self._scorer.scores(windows), windows, strict=True), key=lambda one: one[0])
        score = self._scorer.alone(window)
        return score, self._hit(self._scorer, texts, self.thresholds(), score, window)

    def _hits(self, scorer: Scorer, texts: pa.RecordBatch, windows: Sequence[TokenWindow]) -> Iterator[Hit]:
        """Yield one hit for each run of consecutive windows above the threshold."""
        thresholds = self.thresholds()
        medium = thresholds.medium
        best: tuple[float, TokenWindow] | None = None
        last: TokenWindow | None = None
        for window, score in [*zip(windows, scorer.scores(windows, (medium, thresholds.high)), strict=True), (None, -math.inf)]:
            follows = window is not None and last is not None and window.row == last.row and window.start <= last.end
            if best and (score < medium or not follows):
                yield self._hit(scorer, texts, thresholds, *best)
                best = None
            if window is not None and score >= medium and (best is None or score > best[0]):
                best = (score, window)
            last = window

    def _hit(self, scorer: Scorer, texts: pa.RecordBatch, thresholds: Thresholds, score: float, window: TokenWindow) -> Hit:
        start, end = scorer.place(texts.column("text")[window.row].as_py()[window.start : window.end], thresholds.medium)
        severity: Severity = "high" if score >= thresholds.high else "medium"
        return Hit(RULE.id, window.start + start, window.start + end, window.row, _probability(score), severity)


def _probability(log_odds: float) -> float:
    return 1 / (1 + math.exp(-max(-700.0, log_odds)))
