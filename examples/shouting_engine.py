"""An engine in one file: it flags runs of exclamation marks. It knows neither Ray nor files nor the schema of findings."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pyarrow as pa

from veritensor_ray.config import Settings
from veritensor_ray.engines.base import FileInfo, Hit, Needs, Rule
from veritensor_ray.models.model_store import ModelStore

RULE = Rule(
    id="shouting.exclamation-marks",
    title="Run of exclamation marks",
    description="Three or more exclamation marks in a row.",
    category="hidden-content",
    severity="info",
    remediation="Nothing: this rule is an example.",
)
_RUN = re.compile(r"!{3,}")


class Shouting:
    """Needs no model, so it runs where the bytes are."""

    name = "shouting"
    version = "1"
    needs = Needs()

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def applies(self, about: FileInfo) -> bool:
        """To everything that text comes out of."""
        return True

    def load(self, models: ModelStore) -> None:
        """Nothing to load."""

    def rules(self) -> Sequence[Rule]:
        """One rule."""
        return [RULE]

    def fingerprint(self) -> str:
        """The same input gives the same result until the version changes."""
        return f"{self.name}-{self.version}"

    def scan_text(self, texts: pa.RecordBatch) -> list[Hit]:
        """Character offsets within each segment; a null text has none."""
        rows = enumerate(texts.column("text").to_pylist())
        return [Hit(RULE.id, match.start(), match.end(), row) for row, text in rows for match in _RUN.finditer(text or "")]
