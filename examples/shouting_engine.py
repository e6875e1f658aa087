"""An engine in a single file that flags runs of exclamation marks. It does not depend on Ray, on files or on the schema of findings."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pyarrow as pa

from veritensor_ray.core.config import Settings
from veritensor_ray.engines.base import FileInfo, Hit, Needs, Rule
from veritensor_ray.models.model_store import ModelStore

RULE = Rule(
    id="shouting.exclamation-marks",
    title="Run of exclamation marks",
    description="Three or more exclamation marks in a row.",
    category="hidden-content",
    severity="info",
    remediation="No action is needed, because this rule is only an example.",
)
_RUN = re.compile(r"!{3,}")


class Shouting:
    """Finds runs of exclamation marks. It needs no model, so it runs in the workers that read the files."""

    name = "shouting"
    version = "1"
    needs = Needs()

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def applies(self, about: FileInfo) -> bool:
        """Return True: the engine reads the text of every file."""
        return True

    def load(self, models: ModelStore) -> None:
        """Do nothing, because there is no model to load."""

    def rules(self) -> Sequence[Rule]:
        """Return the only rule."""
        return [RULE]

    def fingerprint(self) -> str:
        """Return a value that changes with the version, because only a new version can give other results."""
        return f"{self.name}-{self.version}"

    def scan_text(self, texts: pa.RecordBatch) -> list[Hit]:
        """Return hits with character offsets within each segment. A null text has no hits."""
        rows = enumerate(texts.column("text").to_pylist())
        return [Hit(RULE.id, match.start(), match.end(), row) for row, text in rows for match in _RUN.finditer(text or "")]
