"""Texts with a tag and a weight for every word, as the word tagger learns them: labelled, generated, and harmless; it knows no model."""

from __future__ import annotations

import json
import random
import string
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from training.documents import share
from training.pii_pieces import Piece, text_of
from veritensor_ray.engines.pii.free_text.tagger import KINDS, TAGS
from veritensor_ray.engines.pii.free_text.word_features import WordRows, words

# Real texts with labels: how often each is taken, and what a word of it weighs.
LABELLED = {"wnut17": (3, 1.0), "btc_twitter": (3, 0.5), "wikigold": (3, 1.0), "sec_filings": (3, 1.0)}
_LABELS = {"PERSON": "person", "ORGANIZATION": "organization", "LOCATION": "location"}
KEPT_APART = 0.2  # of each labelled set, by text

Array = np.ndarray[Any, np.dtype[Any]]
Scored = tuple[int, int, str, float]  # characters, label, score


@dataclass(frozen=True, slots=True)
class Marked:
    """A text; `tags` and `weights` have an entry for each of its words, and a word of weight 0 teaches nothing."""

    text: str
    tags: Array
    weights: Array
    source: str


def marked(text: str, spans: Iterable[tuple[int, int, str]], source: str, weight: float = 1.0) -> Marked:
    """From spans of characters; labels that the tagger does not know are passed over."""
    found = words(text)
    tags = np.zeros(len(found.starts), np.uint8)
    for start, end, label in spans:
        if label in KINDS:
            mark(tags, *within(found, start, end), label)
    return Marked(text, tags, np.full(len(tags), weight, np.float32), source)


def within(found: WordRows, start: int, end: int) -> tuple[int, int]:
    """The words that a range of characters touches, as [first, last)."""
    return int(np.searchsorted(found.ends, start, "right")), int(np.searchsorted(found.starts, end, "left"))


def mark(tags: Array, first: int, last: int, kind: str) -> None:
    """Words [first, last) are one span."""
    if first < last:
        tags[first] = TAGS.index(f"B-{kind}")
        tags[first + 1 : last] = TAGS.index(f"I-{kind}")


def of_pieces(pieces: Sequence[Piece], source: str) -> Marked:
    """From pieces with a label or none."""
    spans, at = [], 0
    for part, label in pieces:
        spans += [(at, at + len(part), label)] if label else []
        at += len(part)
    return marked(text_of(pieces), spans, source)


def labelled(data: Path, kept_apart: bool = False) -> Iterator[Marked]:
    """Real texts with labels, those to train on or those kept apart."""
    for name, (_, weight) in LABELLED.items():
        frame = pd.read_parquet(data / "pii" / f"{name}.parquet")
        for text, spans in zip(frame.text, frame.spans, strict=True):
            if (share(text) < KEPT_APART) == kept_apart:
                known = [(start, end, _LABELS[label]) for start, end, label in json.loads(spans) if label in _LABELS]
                yield marked(text, known, name, weight)


def recased(rng: random.Random, texts: Iterable[Marked]) -> Iterator[Marked]:
    """A third of them again in small letters, an eighth in capitals: words and tags stay."""
    for one in texts:
        luck = rng.random()
        other = one.text.lower() if luck < 0.35 else one.text.upper() if luck < 0.47 else one.text
        if other != one.text and len(other) == len(one.text):
            yield Marked(other, one.tags, one.weights, one.source)


def harmless(rng: random.Random) -> Iterator[Marked]:
    """Names of characters, citations, models of machines, numbers, hashes and tables of values."""
    characters = [name for c in map(chr, range(0x20, 0x1F000)) if (name := unicodedata.name(c, ""))]
    for _ in range(1400):
        some = rng.sample(characters, rng.randrange(1, 6))
        some = [name.title() for name in some] if rng.random() < 0.3 else some
        yield marked(rng.choice(("\n", " ; ", "\n0041;", ", ")).join(some), (), "names of characters")
    for _ in range(1800):
        before = rng.choice(("", "", "", "See ", "In re ", "under ", "Compare ", "the ", "with "))
        yield marked(before + _citation(rng) + rng.choice(("", ".", ", and more", " is cited", "; see below")), (), "citations and models")
    for _ in range(4000):
        yield marked(rng.choice(_CODES)(rng), (), "numbers and codes")


def _citation(rng: random.Random) -> str:
    a, b = rng.randrange(1, 999), rng.randrange(1, 2000)
    return rng.choice((
        f"{a} U. S. {b}", f"{a} F. 2d {b}", f"{a} F. Supp. {b} (D. Md. {rng.randrange(1950, 2020)})", f"{a} S. Ct. {b}", f"{a} U.S.C. § {b}",
        f"Llama {a % 5} {b % 99}B", f"Sun Ultra {a % 80}", f"Section {a}.{b} of the Act", f"Chapter {a}, Page {b}", f"Boeing {b}", f"Windows {b}",
        f"version {a} build {b}", f"Table {a} Figure {b}", f"{a} items in {b} days", f"RFC {b}", f"ISO {b}-{a}", f"Volume {a} Number {b}",
        f"Pentium {a}, {b} MHz",
    ))  # fmt: skip


def _some(rng: random.Random, alphabet: str, least: int, most: int) -> str:
    return "".join(rng.choices(alphabet, k=rng.randint(least, most)))


def _several(rng: random.Random, make: Callable[[random.Random], str], least: int, most: int, between: str) -> str:
    return between.join(make(rng) for _ in range(rng.randint(least, most)))


def _number(rng: random.Random) -> str:
    return str(rng.randrange(1, 10 ** rng.randint(1, 7)))


_PLACES = ("Israel", "Italy", "Japan", "Malaysia", "Norway", "France", "Chile", "Texas", "Ohio", "Berlin")
_UNITS = ("Meeting", "million", "millions", "Milliarden", "milioni", "items", "km", "hours", "pages", "users", "votes")
_CODES: tuple[Callable[[random.Random], str], ...] = (
    lambda rng: _several(rng, _number, 4, 40, ", "),
    lambda rng: _several(rng, lambda r: _several(r, _number, 2, 6, "  "), 2, 8, "\n"),
    lambda rng: _some(rng, "0123456789abcdef", 16, 64),
    lambda rng: _several(rng, lambda r: _some(r, "0123456789ABCDEF", 4, 4), 4, 11, " "),
    lambda rng: _some(rng, string.ascii_letters + string.digits + "+/", 30, 300) + rng.choice(("", "=", "==")),
    lambda rng: _several(rng, lambda r: _some(r, "BTPVXSE", 5, 20), 1, 8, " "),
    lambda rng: _several(rng, lambda r: f"{r.choice('wabcx')}{r.randint(1, 30)}{r.choice(('', 'cid', 'se', 'sdt', 'cex'))}", 3, 11, " "),
    lambda rng: (
        f"{rng.choice(('', '6', 'h', 'Mm'))}{rng.choice(('Prot', 'Gene', 'Chr', 'Exon'))} {_some(rng, string.ascii_uppercase, 2, 5)}{rng.randint(1, 20)}"
    ),
    lambda rng: _several(rng, lambda r: _some(r, string.ascii_uppercase + string.digits, 3, 5), 2, 4, "-"),
    lambda rng: f"{rng.randrange(1, 400)} {rng.choice(_UNITS)} {rng.choice(('of', 'de', 'di', 'von', 'in', ''))}".strip(),
    lambda rng: rng.choice(("[[ ", "tensor([[ ", "array([[")) + _several(rng, _number, 3, 13, ",  ") + "]]",
    lambda rng: _several(rng, lambda r: f"{r.choice(_PLACES)} {r.randrange(1, 99)}", 2, 8, "\n"),
)
