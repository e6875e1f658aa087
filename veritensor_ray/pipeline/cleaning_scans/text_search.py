"""Looks for known texts in a file, as its reader and everything below it show them: the marks are those of an engine that knows the texts."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa

from veritensor_ray.cleaning.artifact_cleaner import Following, copied
from veritensor_ray.cleaning.followed_findings import Look, SoughtText
from veritensor_ray.cleaning.last_net import telling
from veritensor_ray.core.detection import Hit, Rule
from veritensor_ray.core.errors import ReadError
from veritensor_ray.corpus.listing import roots
from veritensor_ray.corpus.planning import PlanRow
from veritensor_ray.engines.base import Onlooker
from veritensor_ray.formats.editing.marks import Mark
from veritensor_ray.pipeline.context import Context, Workbench
from veritensor_ray.pipeline.extract import Extraction

_NAME = "sought"
Pulse = Callable[[], None]


class KnownTexts(Onlooker):
    """An engine that finds given texts: those that cannot stand anywhere by chance, and others where no letter or digit touches them."""

    name = _NAME

    def __init__(self, sought: Sequence[SoughtText]) -> None:
        self._sought = [(one, _pattern(one.text)) for one in sought if one.text]

    def scan_text(self, texts: pa.RecordBatch) -> list[Hit]:
        """Return where the texts are."""
        return [hit for row, text in enumerate(texts.column("text").to_pylist()) if text for hit in self._in(row, text)]

    def _in(self, row: int, text: str) -> Iterator[Hit]:
        for one, pattern in self._sought:
            for found in pattern.finditer(text):
                yield Hit(one.rule, *found.span(), row, severity=one.severity)  # type: ignore[arg-type]  # it was one of the marks'


def _pattern(text: str) -> re.Pattern[str]:
    word = text not in telling(text)
    before, after = (r"(?<![^\W_])" if word and text[0].isalnum() else ""), (r"(?![^\W_])" if word and text[-1].isalnum() else "")
    return re.compile(before + r"\s+".join(map(re.escape, text.split())) + after)


def following(context: Context, rules: Mapping[str, Rule]) -> Following:
    """Return what looks into converted files; `rules` are those of the run."""

    def look(file: BinaryIO, name: str, pulse: Pulse) -> Look:
        return partial(_marks, context, rules, file, name, pulse)

    return look


def _marks(
    context: Context, rules: Mapping[str, Rule], file: BinaryIO, name: str, pulse: Pulse, sought: Sequence[SoughtText]
) -> Iterable[Mark]:
    """Return the marks of texts in a file. Raises ReadError if a part of it cannot be read."""
    with tempfile.TemporaryDirectory(prefix="veritensor-ray-") as folder:
        path = Path(folder, name)
        with path.open("xb") as out:
            copied(file, out, pulse)
        settings = context.settings.model_copy(update={"sources": [folder], "inventory": []})
        here = replace(context, settings=settings, roots=tuple(roots([folder], {})), read_rate=None)
        row = PlanRow(0, name, os.fsencode(path), 0, path.stat().st_size, None, path.stat().st_mtime, engines=(_NAME,))
        extraction = Extraction(here, [row], Workbench((KnownTexts(sought),), dict(rules)), (), pulse)
        for _ in extraction.batches():
            pass  # no model is asked
        (outcome,) = extraction.outcomes
        if outcome.unchecked is not None:
            raise ReadError(f"the converted file cannot be read as a whole: {outcome.unchecked}")
        return outcome.recorded.marks
