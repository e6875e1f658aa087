"""Measure `injection` on attacks and hard benign texts by strangers, whole sources of which were left out of training, at its three levels.

Beside it, in the same run: stackone-defender and NanoGuard, and texts of our own authors that no training sees. The last row is a sample of
real documents. Cells are those of `bench.injection`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bench.injection import LEVELS, Array, Cell, Cells, Defender, Injection, added, scores_of_some, tally
from bench.injection_page import false, recall, table
from bench.injection_texts import QUOTING, SEED, Frame, Texts, as_texts, documents
from bench.nanoguard import NanoGuard
from training import texts as own
from training.injection_data import MEASURE_ONLY, held_out

OWN = "our own texts"
MOST, READ_BY_OTHERS = 1500, 100  # texts of a source: for the engine, and for the others, which are slow
DOCUMENTS = 5  # real documents of a kind, for all
READ = "read"  # whether the first stage lets the transformer read any of a text
DEFENDER, NANOGUARD = "defender as shipped", "NanoGuard as shipped"
OTHERS: Mapping[str, type[Defender | NanoGuard]] = {DEFENDER: Defender, NANOGUARD: NanoGuard}
Row = dict[str, Any]


def sources(data: Path) -> Iterator[tuple[str, Frame]]:
    """Yield the sources left out of training, with the columns text, label, kind and lang."""
    for name in MEASURE_ONLY:
        if name.startswith("strangers/"):
            yield name.removeprefix("strangers/"), held_out(data, name)
    rows = [(one.text, int(one.attack), one.channel, one.language) for one in own.written("apart")]
    yield OWN, pd.DataFrame(rows, columns=["text", "label", "kind", "lang"])


def measure(data: Path, most: int = MOST) -> dict[str, list[Row]]:
    """Return rows by source and by language, each with its cells."""
    engine, others = Injection(), {name: kind() for name, kind in OTHERS.items()}
    by_source: list[Row] = []
    by_language: dict[str, list[Cells]] = {}
    for name, whole in sources(data):
        frame = whole.sample(min(most, len(whole)), random_state=SEED).reset_index(drop=True)
        texts = as_texts(frame)
        levels, first = engine.scores(texts)
        by_source.append({"source": name, "cells": _by_us(levels, first, texts.labels) | _by_others(others, texts, READ_BY_OTHERS)})
        for language in sorted(set(frame.lang)):
            of = (frame.lang == language).to_numpy()
            by_language.setdefault(language, []).append(_by_us(levels[of], first[of], texts.labels[of]))
    real = [texts for kind, texts in documents(data, DOCUMENTS).items() if kind not in QUOTING]
    cells = added(_by_us(*engine.scores(texts), texts.labels) | _by_others(others, texts, DOCUMENTS) for texts in real)
    by_source.append({"source": f"real documents, {DOCUMENTS} of a kind", "cells": cells})
    return {"sources": by_source, "languages": [{"language": name, "cells": added(cells)} for name, cells in by_language.items()]}


def _by_us(levels: Array, first: Array, labels: Array) -> Cells:
    return {READ: tally(first > -np.inf, labels)} | {name: tally(levels > number, labels) for number, name in enumerate(LEVELS)}


def _by_others(others: Mapping[str, Defender | NanoGuard], texts: Texts, most: int) -> Cells:
    cells = {}
    for name, other in others.items():
        scores = scores_of_some(other.score, texts, most)
        known = ~np.isnan(scores)
        cells[name] = tally(scores[known] >= other.own, texts.labels[known])
    return cells


def section(results: dict[str, list[Row]]) -> list[str]:
    """Return the paragraphs and tables of the section, hardest sources first."""
    columns = (READ, *(f"`{name}`" for name in LEVELS), *OTHERS)
    return [
        "### Attacks and orders by strangers", "",
        "Whole sources were left out of training: mails, notes, tool descriptions, direct attacks in other languages, and benign texts that "
        f"order something. `{OWN}` were written for this project, by the authors of training texts, and kept apart. Cells show recall, then the share of benign "
        f"texts that raise an alert; in `{READ}`, a text counts if the first stage lets the transformer read any of it. The last columns are of other detectors, "
        f"which read at most {READ_BY_OTHERS} texts of a source. NanoGuard is the transformer of the package metatronnanoguard, which holds its weights (16.8 million "
        "parameters). It was trained on public sets that its authors do not name, so it may know some of these texts.", "",
        table(("source", "attacks / benign", *columns), _rows(results["sources"], "source", (READ, *LEVELS, *OTHERS))), "",
        "The same by language, for those with 20 attacks or more:", "",
        table(("language", "attacks / benign", *columns[:4]),
              _rows([row for row in results["languages"] if row["cells"]["medium"][1] >= 20], "language", (READ, *LEVELS))), "",
    ]  # fmt: skip


def _rows(rows: Sequence[Row], name: str, columns: Sequence[str]) -> Iterator[tuple[str, ...]]:
    for row in sorted(rows, key=lambda one: (recall(one["cells"]["medium"]) is None, recall(one["cells"]["medium"]) or 0.0)):
        _, attacks, _, benign = row["cells"]["medium"]
        yield (row[name], f"{attacks} / {benign}", *(_cell(row["cells"][column]) for column in columns))


def _cell(cell: Cell) -> str:
    return " / ".join("–" if share is None else f"{share:.2f}" for share in (recall(cell), false(cell)))
