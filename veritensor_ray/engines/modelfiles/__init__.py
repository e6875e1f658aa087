"""Checks model files: the calls in their pickles, their headers, templates and configuration. Nothing is ever loaded or rendered."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Iterator, Sequence
from functools import partial
from typing import BinaryIO

from veritensor_ray.core.config import Settings
from veritensor_ray.core.segments import Gap
from veritensor_ray.engines.base import FileInfo, Hit, Judged, Needs, Rule, until_failure
from veritensor_ray.engines.modelfiles.effects import Effect, Judging
from veritensor_ray.engines.modelfiles.graphs.found import digest_operators
from veritensor_ray.engines.modelfiles.looks import look_for, named
from veritensor_ray.engines.modelfiles.modelfile_rules import RULES
from veritensor_ray.engines.modelfiles.naming.judgement import NamePolicy, digest_source
from veritensor_ray.models.model_store import ModelStore

_NOT_INERT = "modelfiles.not-inert"
_SEVERITIES = {rule.id: rule.severity for rule in RULES}


class ModelFiles:
    """Examines files by their content; `looks.py` says which function examines what. It passes a verdict on each model file."""

    name = "modelfiles"
    version = "2"
    needs = Needs()

    def __init__(self, settings: Settings) -> None:
        self._policy = NamePolicy(tuple(settings.modelfiles.allow))

    def applies(self, about: FileInfo) -> bool:
        """Return True for model files, possible pickles, templates and configuration."""
        return look_for(about) is not None

    def load(self, models: ModelStore) -> None:
        """Do nothing: this engine has no model."""

    def rules(self) -> Sequence[Rule]:
        """Return all rules."""
        return RULES

    def role(self, path: str) -> Hashable:
        """Return the name if it marks the file as configuration or a template, else None."""
        name = FileInfo(path, None, "").name
        return name if named(name) or "chat_template" in path else None

    def fingerprint(self) -> str:
        """Return a digest of the rules and the lists of names."""
        source = repr((self.version, RULES, tuple(self._policy.allow)))
        return hashlib.sha256((source + digest_source() + digest_operators()).encode()).hexdigest()[:16]

    def scan_file(self, file: BinaryIO, about: FileInfo) -> Iterator[Hit | Gap | Judged]:
        """Yield the hits and gaps in one file, and the verdict on it if it is a model file. Offsets are in bytes.

        The verdict is passed even if a look fails: what was found before still counts, and the file is not inert.
        """
        row = look_for(about)
        if row is None:
            return
        judging = Judging(_SEVERITIES)
        for found in until_failure(self.name, partial(row.look, file, about, self._policy)):
            judging.add(found)
            if not isinstance(found, Effect):
                yield found
        if judging.has_evidence or row.model:
            judged = judging.judged(row.title)
            yield judged
            if judged.verdict != "inert":
                yield _not_inert(judged)


def _not_inert(judged: Judged) -> Hit:
    """Return the finding that lets a policy demand an inert file, at the place of the worst effect."""
    start, end = next(((one.start, one.end) for one in judged.effects[:1] if one.end > one.start), (0, 16))
    message = f"{judged.verdict}: {judged.reasons[0]}" if judged.reasons else judged.verdict
    return Hit(_NOT_INERT, start, end, message=message[:400], evidence="; ".join(judged.reasons)[:1000])
