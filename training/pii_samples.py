"""Texts with marked names, addresses and diagnoses: filled templates, records, a labelled set, and text without any; it knows no model."""

from __future__ import annotations

import functools
import json
import random
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from training import pii_names as names
from training import pii_places as places
from training import texts
from training.documents import Document, excerpt
from training.pii_lists import words
from training.pii_noise import noisy, wrapped
from training.pii_pieces import Piece, joined, text_of
from training.pii_records import cell, cells, record
from training.pii_slots import fill

TRAINED_SET = "presidio_generated_large"
LONGEST = 80  # words of a sample
_WORD = re.compile(r"\w+(?:[-_]\w+)*|\S")  # as GLiNER's splitter `whitespace`
_LABELS = {
    "PERSON": "person",
    "ADDRESS": "address",
    "STREET_ADDRESS": "address",
    "ORGANIZATION": "organization",
    "LOCATION": "location",
    "GPE": "location",
}
# Clean excerpts that may hold a real name or organisation are neither trained on nor counted.
_SIGNS = re.compile(
    r"@|©|(?i:copyright|\(c\)|author|maintain|contribut|thanks|translat|written)|\b(by|par|von|por):? [A-Z]\w+|\[ ?[A-Z]\w+ [A-Z]\w+ ?\]|\b(Inc|Ltd|LLC|Corp|GmbH|Foundation|University|Universität|Université|Universidad|"
    r"Institute|Microsoft|Google|Oracle|Apple|IBM|Amazon|Mozilla|Intel|Company|Association|Bank|Debian Project|Mr|Mrs|Ms|Dr|Prof|Jr|von|van|Street|Avenue)\b|\b[A-Z]\. ?[A-Z][a-z]+"
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Sample:
    """Words and marked runs of them, the last word included."""

    words: list[str]
    spans: list[tuple[int, int, str]]
    source: str


def sample(pieces: Sequence[Piece], source: str, longest: int = LONGEST, rng: random.Random | None = None) -> Sample | None:
    """Pieces cut into words; a window of them if there are too many."""
    text, marks, at = text_of(pieces), [], 0
    for part, label in pieces:
        if label:
            marks.append((at, at + len(part), label))
        at += len(part)
    found = [m.span() for m in _WORD.finditer(text)]
    if not found:
        return None
    first = rng.randrange(len(found) - longest + 1) if rng and len(found) > longest and rng.random() < 0.5 else 0
    found = found[first : first + longest]
    spans = []
    for start, end, label in marks:
        inside = [i for i, (a, b) in enumerate(found) if a < end and b > start]
        if inside:
            spans.append((inside[0], inside[-1], label))
    return Sample([text[a:b] for a, b in found], spans, source)


def labelled(data: Path, name: str, parts: bool = False) -> list[tuple[list[Piece], str]]:
    """A set of the data folder with the language of each text. Parts of an address that stand together are one, unless `parts`."""
    frame = pd.read_parquet(data / "pii" / f"{name}.parquet")
    found = [(_marked(text, json.loads(spans)), lang) for text, spans, lang in zip(frame.text, frame.spans, frame.lang, strict=True)]
    return found if parts else [(joined(pieces), lang) for pieces, lang in found]


def _marked(text: str, spans: Iterable[tuple[int, int, str]]) -> list[Piece]:
    pieces, at = [], 0
    for start, end, label in sorted(spans):
        if start >= at and label in _LABELS:
            pieces += [(text[at:start], ""), (text[start:end], _LABELS[label])]
            at = end
    return [*pieces, (text[at:], "")]


def replaced(rng: random.Random, pieces: Sequence[Piece]) -> list[Piece]:
    """The same text with other names."""
    result: list[Piece] = []
    for text, label in pieces:
        if label == "person":
            first, last = names.first_last(rng, "en")
            new = names.person(rng, "en")[1] if " " in text else rng.choice((first, last))
        elif label == "address":
            new = places.address(rng, "en") if len(text.split()) > 5 else places.street(rng, "en")
        elif label == "organization":
            new = names.organization(rng, "en")
        else:
            new = places.country(rng, "en") if rng.random() < 0.4 else places.city(rng, "en")
        result.append((new, label) if label else (text, label))
    return result


_GERMAN = re.compile(r"\b(und|der|die|das|nicht|werden|wird|ist|ein|eine|mit|für|auf)\b")


def german(documents: Sequence[Document]) -> list[Document]:
    """Documents in the language that writes all nouns like names."""
    return [d for d in documents if len(_GERMAN.findall(d.text[:3000])) > 15]


@functools.cache
def first_names() -> frozenset[str]:
    return frozenset(
        n
        for locale in ("en_US", "en_GB", "de_DE", "fr_FR", "es_ES", "it_IT", "nl_NL", "sv_SE", "pl_PL", "fi_FI")
        for n in names.pool(locale)[0]
        if len(n) > 2
    ) - set(words("no_names"))


_CAPITALS = re.compile(r"\b([A-Z]\w+)[ ,]+[A-Z]\w+")


def nameless(text: str) -> bool:
    """Nothing in a clean excerpt looks like a real person, company or address."""
    return not _SIGNS.search(text) and not any(m[1] in first_names() for m in _CAPITALS.finditer(text))


def clean(rng: random.Random, documents: Sequence[Document], count: int) -> list[str]:
    """Excerpts of documents without names, of all groups alike; of help pages more, because they are there in many languages."""
    groups: dict[str, list[Document]] = {}
    for document in documents:
        groups.setdefault(document.group, []).append(document)
    kinds = sorted(groups) + ["help"] * 3 * ("help" in groups)
    found: dict[str, None] = {}
    for _ in range(count * 8):
        text = excerpt(rng, rng.choice(groups[rng.choice(kinds)]).text)[: rng.choice((100, 200, 300, 400))].rpartition(" ")[0]
        if len(text) > 15 and nameless(text):
            found[text] = None
        if len(found) >= count:
            break
    return list(found)


def lines(kept_apart: bool) -> dict[str, list[texts.Line]]:
    """Our own lines: `templates` to fill, and `negatives` without a name."""
    found: dict[str, list[texts.Line]] = {"templates": [], "negatives": []}
    for path in sorted((texts.FOLDER / "pii").glob("*.txt")):
        kind, language = path.stem.split(".")
        for text in dict.fromkeys(path.read_text("utf-8").splitlines()):
            line = texts.Line(text.strip(), False, kind, language)
            if text.strip() and line.kept_apart == kept_apart:
                found[kind].append(line)
    return found


def filled(rng: random.Random, line: texts.Line, noise: bool = True) -> list[Piece]:
    pieces = fill(rng, texts.choose(rng, line.text), line.language)
    return noisy(rng, wrapped(rng, pieces)) if noise else pieces


def held_out(rng: random.Random, per_line: int = 3) -> list[tuple[str, list[Piece]]]:
    """Language and text of the lines that are kept apart."""
    return [(line.language, filled(rng, line)) for kind in lines(True).values() for line in kind for _ in range(per_line)]


def training_set(data: Path, documents: Sequence[Document], rng: random.Random, scale: float = 1.0) -> list[Sample]:
    """About 32,000 samples at scale 1."""
    made = [sample(pieces, source, rng.choice((40, LONGEST, LONGEST)), rng) for pieces, source in generated(data, documents, rng, scale)]
    return [s for s in made if s]


def generated(data: Path, documents: Sequence[Document], rng: random.Random, scale: float = 1.0) -> list[tuple[Sequence[Piece], str]]:
    """The same before they are cut into words: pieces, and where they come from."""
    made: list[tuple[Sequence[Piece], str]] = []
    mine = lines(False)
    excerpts = clean(rng, documents, int(11_000 * scale))

    def add(count: float, source: str, make: Callable[[], Sequence[Piece]]) -> None:
        made.extend((make(), source) for _ in range(int(count * scale)))

    english = [line for line in mine["templates"] if line.language == "en"]
    others = [line for line in mine["templates"] if line.language != "en"]
    add(8_000, "templates, en", lambda: filled(rng, rng.choice(english)))
    add(4_500, "templates, other languages", lambda: filled(rng, rng.choice(others)))
    add(
        1_500,
        "templates side by side",
        lambda: [*filled(rng, rng.choice(english)), (rng.choice(("\n", " ", "\n\n")), ""), *filled(rng, rng.choice(english))],
    )
    add(1_200, "templates in documents", lambda: _between(rng, excerpts, filled(rng, rng.choice(english))))
    nouns = clean(rng, german(documents), int(2_600 * scale))
    more = iter(nouns)
    add(2_500, "documents in German", lambda: noisy(rng, [(next(more, nouns[0]), "")]))
    add(
        800,
        "templates in documents, German",
        lambda: _between(rng, nouns, filled(rng, rng.choice([x for x in others if x.language == "de"]))),
    )
    add(2_500, "records", lambda: noisy(rng, record(rng)))
    add(2_000, "single values", lambda: noisy(rng, cell(rng)))
    add(600, "rows of values", lambda: cells(rng))
    add(
        3_000,
        "our negatives",
        lambda: noisy(rng, fill(rng, texts.choose(rng, (line := rng.choice(mine["negatives"])).text), line.language)),
    )
    trained = [pieces for pieces, _ in labelled(data, TRAINED_SET)]
    add(2_600, TRAINED_SET, lambda: rng.choice(trained))
    add(2_600, f"{TRAINED_SET}, other names", lambda: noisy(rng, replaced(rng, rng.choice(trained))))
    rest = iter(excerpts)
    add(8_500, "documents", lambda: noisy(rng, [(next(rest, excerpts[0]), "")]))
    return made


def _between(rng: random.Random, excerpts: Sequence[str], pieces: Sequence[Piece]) -> list[Piece]:
    before, after = rng.choice(excerpts)[:150], rng.choice(excerpts)[:150]
    return [(before + rng.choice((" ", "\n")), ""), *pieces, (rng.choice((" ", "\n")) + after, "")]
