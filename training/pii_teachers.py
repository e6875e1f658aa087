"""Clean text with the tags that two teachers agree on: spaCy's small English model, and the tagger of the round before; it knows no training.

Neither is right often enough alone. Where both say the same, the word is learned; where one says a name and the other does not, the word
weighs nothing or little. In text that is not about patients nothing is a diagnosis, and an address has a word for a street and a number.
"""

from __future__ import annotations

import json
import random
import re
import subprocess
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from training.documents import Document, share
from training.pii_marked import Array, Marked, Scored, mark, within
from veritensor_ray.engines.pii.free_text.tagger import KINDS, TAGS, Tagger
from veritensor_ray.engines.pii.free_text.word_features import words

# Passages of each gathered kind, where that is not the usual number.
MORE_OF = {
    "novel": 5000, "mail": 5000, "web": 7000, "encyclopedia": 6000, "legal": 5000, "speeches": 4000, "dialogue": 4000, "docs": 3000,
    "json-data": 3000, "code": 3500, "notebooks": 2500, "survey-csv": 2500, "poetry": 1500, "changelog": 1500, "logs": 1200,
}  # fmt: skip
USUAL = 1000
FOREIGN = 14_000  # passages that are not English, of all packages alike
SEEN = 0.15  # probability from which the tagger says something
_ENGLISH = re.compile(r"\b(the|and|of|to|is|in|that|for|you|with|are|was|on|it)\b", re.I)
_STREET = re.compile(
    r"(?i)\b(street|st|ave|avenue|road|rd|blvd|boulevard|drive|dr|lane|ln|floor|suite|ste|apt|box|str|rue|calle|platz|weg|via|plaza|square|sq|"
    r"court|ct|way|hwy|highway|building|parkway|pkwy|terrace|place|pl|circle|allee|gasse|avenida|paseo|chemin|quai)\b|stra(ß|ss)e\b|str\."
)
Read = Callable[[Sequence[str]], list[list[Scored]]]  # the large model: spans of each text
_PLACES = ("GPE", "LOC", "FAC")
_SPACY = """
import json, sys, spacy
nlp = spacy.load(sorted(spacy.util.get_installed_models())[0], exclude=["tagger", "parser", "attribute_ruler", "lemmatizer"])
found = [[(e.start_char, e.end_char, e.label_) for e in d.ents] for d in nlp.pipe(json.load(sys.stdin), batch_size=128)]
json.dump(found, sys.stdout)
"""


def spacy_entities(python: str, texts: Sequence[str]) -> list[list[tuple[int, int, str]]]:
    """What spaCy says of each text, by an interpreter that has it and one model."""
    done = subprocess.run([python, "-c", _SPACY], input=json.dumps(list(texts)), stdout=subprocess.PIPE, text=True, check=True)
    return [[(int(a), int(b), str(label)) for a, b, label in one] for one in json.loads(done.stdout)]


def is_english(text: str) -> bool:
    """By its commonest words."""
    return len(_ENGLISH.findall(text)) >= max(2, len(text) / 6 * 0.06)


def passages(rng: random.Random, documents: Sequence[Document]) -> list[str]:
    """Pieces of 200 to 800 characters of documents of all kinds, most of them English."""
    kinds: dict[str, list[Document]] = defaultdict(list)
    for document in documents:
        kinds[document.group].append(document)
    found: dict[str, None] = {}
    for kind, some in sorted(kinds.items()):
        for _ in range(MORE_OF.get(kind, USUAL)):
            found[_piece(rng, rng.choice(some))] = None
    return [text for text in found if len(text) >= 30]


def foreign(rng: random.Random, documents: Sequence[Document]) -> tuple[list[str], frozenset[str]]:
    """Pieces of documents that are not English, and the words that at least three of their packages use, which are therefore not names."""
    from training.pii_samples import first_names

    packages: dict[str, list[Document]] = defaultdict(list)
    for document in documents:
        if not is_english(document.text[:2000]) and re.search(r"[^\W\d]{4}", document.text[:2000]):
            packages[document.package].append(document)
    spread = Counter(w for some in packages.values() for w in {w for d in some for w in re.findall(r"\w{3,}", d.text[:200_000].lower())})
    names = sorted(packages)
    found = dict.fromkeys(_piece(rng, rng.choice(packages[rng.choice(names)])) for _ in range(FOREIGN))
    common = {word for word, count in spread.items() if count >= 3} - {name.lower() for name in first_names()}
    return [text for text in found if len(text) >= 30], frozenset(common)


def _piece(rng: random.Random, document: Document) -> str:
    text = document.text
    if len(document.segments) > 20:
        at = rng.randrange(len(document.segments))
        text = "\n".join(document.segments[at : at + 12])
    length = rng.choice((200, 400, 600, 800))
    start = rng.randrange(max(1, len(text) - length))
    start = max(text.find("\n", start, start + 100), text.find(" ", start, start + 60), start) if start else 0
    return text[start : start + length].strip()


def agreed(tagger: Tagger, text: str, entities: Sequence[tuple[int, int, str]] | None, common: frozenset[str]) -> Marked | None:
    """A passage of clean text; `entities` is None where it is not English; what the tagger calls a name there teaches nothing."""
    found, tags = tagger.probabilities(text)
    count = len(found.starts)
    if not count:
        return None
    mass = tags[:, 1::2] + tags[:, 2::2]
    kinds, top = mass.argmax(1), mass.max(1)
    opens = 2 * tags[np.arange(count), 1 + 2 * kinds] > top
    said, first = [""] * count, [False] * count
    for start, end, label in entities or ():
        begin, stop = within(found, start, end)
        said[begin:stop] = [label] * (stop - begin)
        if begin < stop:
            first[begin] = True
    streets = _streets(text, found.starts, found.ends, kinds, top)
    result, weights = np.zeros(count, np.uint8), np.ones(count, np.float32)
    for i in range(count):
        kind = KINDS[kinds[i]] if top[i] >= SEEN else ""
        word = text[found.starts[i] : found.ends[i]]
        tag, weights[i] = _verdict(kind, float(top[i]), said[i], word, bool(streets[i]), None if entities is not None else common)
        if tag:
            result[i] = TAGS.index(f"{'B' if (opens[i] if tag == 'address' else first[i]) else 'I'}-{tag}")
    return Marked(text, result, weights, "agreed")


def _verdict(kind: str, top: float, said: str, word: str, street: bool, common: frozenset[str] | None) -> tuple[str, float]:
    """Tag and weight of one word: what the tagger and spaCy say of it, and what it is. `common` is given where the text is not English."""
    if kind == "medical":
        return "", 1.0
    if kind == "address":
        if street:
            return "address", 0.5 if top > 0.5 else 0.0
        return ("location", 0.5) if said in _PLACES else ("", 0.7)
    if common is not None:
        name = kind in ("person", "organization")
        return "", (0.7 if word.islower() or word.lower() in common else 0.0) if name else 1.0
    if said in ("PERSON", "ORG"):
        same = kind == {"PERSON": "person", "ORG": "organization"}[said]
        return (kind, 1.0) if same else ("", 0.0)
    if said in _PLACES:
        return ("location", 0.5) if kind in ("", "location") else ("", 0.0)
    if kind in ("person", "organization"):
        return "", _doubted(kind, top, word)
    return "", 1.0


def _doubted(kind: str, top: float, word: str) -> float:
    """What a word teaches that the tagger calls a name and spaCy does not."""
    if word.isupper() and len(word) > 1:
        return 1.0
    if kind == "organization":
        return 0.7 if top < 0.7 else 0.3
    if word.islower():
        return 0.0  # spaCy knows names by their capitals
    return 0.5 if top < 0.7 else 0.1


def _streets(text: str, starts: Array, ends: Array, kinds: Array, top: Array) -> Array:
    """Which words belong to a run of address that has a street's word and a number."""
    inside = (kinds == KINDS.index("address")) & (top >= SEEN)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], inside.astype(np.int8), [0]])))
    result = np.zeros(len(inside), bool)
    for first, last in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        run = text[starts[first] : ends[last - 1]]
        result[first:last] = last - first <= 20 and bool(_STREET.search(run)) and any(map(str.isdigit, run))
    return result


def clinical(data: Path, rng: random.Random) -> list[str]:
    """Pieces of clinical notes and dialogues, 600 characters each, of six in ten of the shared texts."""
    texts = [text for text in pd.read_parquet(data / "pii" / "mts_dialog.parquet").text if share(text) < 0.6]
    starts = [rng.randrange(max(1, len(text) - 600)) for text in texts]
    return [text[start : start + 600] for text, start in zip(texts, starts, strict=True)]


def diagnosed(texts: Sequence[str], read: Sequence[Sequence[Scored]]) -> Iterator[Marked]:
    """Clinical text with what the large model calls a diagnosis; what else it sees there, or is unsure of, teaches nothing."""
    for text, spans in zip(texts, read, strict=True):
        found = words(text)
        tags, weights = np.zeros(len(found.starts), np.uint8), np.ones(len(found.starts), np.float32)
        for start, end, label, score in spans:
            first, last = within(found, start, end)
            if label == "medical" and score >= 0.4:
                mark(tags, first, last, "medical")
            else:
                weights[first:last] = 0
        yield Marked(text, tags, weights, "clinical")
