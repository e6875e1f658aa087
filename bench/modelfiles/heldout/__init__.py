"""Held-out attacks on what loads models, each with a benign twin, written from specifications, loaders' sources and advisories.

Nothing here is ever loaded or run, and nothing here was known to those who wrote the rules that it measures.
"""

from __future__ import annotations

from collections.abc import Iterator

from bench.modelfiles.heldout import configuration, graphs, hub, keras, known, machine, paths, raw, templates, trusted
from bench.modelfiles.heldout.sample import Sample

CLASSES = (configuration, templates, keras, graphs, paths, hub, raw, trusted, machine, known)


def samples() -> Iterator[Sample]:
    """Yield every sample, class after class."""
    for module in CLASSES:
        yield from module.samples()
