"""Trains the word tagger of `pii`: two rounds, the second on clean text whose tags the first and spaCy agree on."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.numpy import save_file

from training import pii_teachers as teachers
from training.documents import Document
from training.pii_arranged import arranged
from training.pii_marked import LABELLED, Scored, harmless, labelled, of_pieces, recased
from training.pii_network import train
from training.pii_samples import generated
from veritensor_ray.core.config import load_settings
from veritensor_ray.engines.pii.free_text.chunks import chunks
from veritensor_ray.engines.pii.free_text.passages_read import FreeText
from veritensor_ray.engines.pii.free_text.tagger import FILE, KINDS, Tagger, TaggerNetwork
from veritensor_ray.models.model_store import ModelStore

EPOCHS = (3.0, 5.0)  # of the rounds
LOOSE = 0.06  # from this score on the large model makes a clinical word doubtful


# Mean probability below which a run of words is of no interest, and from which on it is sure: chosen on the real documents and the labelled
# sets for a reading by the large model of some 300 passages a megabyte, where its answer changes most.
VERGES = {"person": (0.3, 0.6), "organization": (0.5, 0.65), "address": (0.3, 0.98), "medical": (0.6, 0.95)}


def large_model(folder: Path) -> teachers.Read:
    """The GLiNER model of the same folder, which says more than it would report."""
    settings = load_settings(flags={"pii": {"thresholds": dict.fromkeys(KINDS[:-1], LOOSE)}}, environ={})
    reader = FreeText(ModelStore("embedded", folder.parent).model("pii"), settings)

    def read(texts: Sequence[str]) -> list[list[Scored]]:
        places = [(i, a, b) for i, text in enumerate(texts) for a, b in chunks(text, 48)]
        found: list[list[Scored]] = [[] for _ in texts]
        for (i, start, _), spans in zip(places, reader.read([texts[i][a:b] for i, a, b in places]), strict=True):
            found[i] += [(start + one.start, start + one.end, one.rule, one.score) for one in spans]
        return found

    return read


def fit(data: Path, documents: Sequence[Document], read: teachers.Read, spacy: str, out: Path, seed: int, scale: float) -> Counter[str]:
    """Both rounds; writes the tagger's file into `out` and returns what was trained on. `read` is the large model, for clinical text."""
    rng = random.Random(seed)
    torch.manual_seed(seed)
    trained = [d for d in documents if d.may_train]
    real = list(labelled(data))
    base = [of_pieces(pieces, source) for _ in range(2) for pieces, source in generated(data, trained, rng, scale)]
    base += [one for one in real for _ in range(LABELLED[one.source][0])]
    base += [*recased(rng, real), *arranged(rng), *harmless(rng)]
    notes = teachers.clinical(data, rng)
    clinical = list(teachers.diagnosed(notes, read(notes)))
    base += [*clinical, *clinical]
    print(f"round 1: {sorted(Counter(one.source for one in base).items())}", flush=True)
    first = Tagger(TaggerNetwork(train(base, EPOCHS[0] * scale, rng).arrays()), {}, 1)
    english = teachers.passages(rng, [d for d in trained if d.group != "docs-multilingual"])
    entities = teachers.spacy_entities(spacy, english)
    other, common = teachers.foreign(rng, trained)
    agreed = [teachers.agreed(first, t, e if teachers.is_english(t) else None, common) for t, e in zip(english, entities, strict=True)]
    agreed += [teachers.agreed(first, t, None, common) for t in other]
    clean = [one for one in agreed if one]
    texts = [*base, *clean, *recased(rng, clean)]
    print(f"round 2: {len(texts)} texts", flush=True)
    save_file(train(texts, EPOCHS[1] * scale, rng).arrays(), out / FILE)
    (out / FILE).chmod(0o644)
    return Counter(one.source for one in texts)


def set_verges(out: Path) -> None:
    """Into the calibration that lies beside the weights."""
    path = out / "calibration.json"
    kept = json.loads(path.read_text("utf-8"))
    path.write_text(json.dumps(kept | {"tagger": VERGES}, indent=1) + "\n", "utf-8")
