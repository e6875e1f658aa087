"""Trains and calibrates the embedded PII model: GLiNER on the lower layers of the base, its word list cut, capitals marked.

The base knows no capitals. So the tokenizer puts † before a word that begins with one and ‡ before a word in capitals; lower-case
text reads as before. All is written to the tokenizer's file: whoever loads the folder with GLiNER gets it.
"""

from __future__ import annotations

import json
import random
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gliner import GLiNER, GLiNERConfig
from safetensors.torch import save_file
from tokenizers import Regex, normalizers
from transformers import PreTrainedTokenizerFast

from training import pii_measure as measure
from training.base import base_weights, cut_words, deberta_config, micro_batches, select, write_tokenizer
from training.documents import Document
from training.pii_card import card, seal
from training.pii_samples import LONGEST, Sample, training_set

LABELS = ("person", "organization", "address", "medical")  # rule and text of the label are the same
SINK = "location"  # asked for and not reported: what is a place alone is none of the others
LAYERS = (0, 1, 2)
WORDS = 12_000
HIDDEN = 192
ROUNDS = ((1.0, 1.5e-4), (0.6, 1e-4))  # share of the samples, learning rate
BATCH = 48  # samples of a step, at least
BF16 = bool(torch.cpu._is_avx512_bf16_supported())
READ_AT_ONCE = 48  # words: attention costs the square of the length
# In lower case: a model that goes by capitals alone, or with another word list, does not know the name.
SELFTEST = {"text": "please send the signed contract to maria schneider before friday.", "label": "person", "span": "maria schneider"}


def with_capitals(tokenizer: PreTrainedTokenizerFast) -> PreTrainedTokenizerFast:
    """The tokenizer with a mark before words that begin with a capital letter or are written in capitals."""
    n, backend = normalizers, tokenizer.backend_tokenizer
    marks = [n.Prepend("†"), n.Replace(Regex(r"^†(?!\p{Lu})"), ""), n.Replace(Regex(r"^†(?=\p{Lu}{2})"), "‡")]
    backend.normalizer = n.Sequence([*marks, backend.normalizer])
    return tokenizer


def new_model(words: Sequence[str]) -> Any:
    """An untrained head on the chosen layers and words of the base."""
    tokenizer, rows = cut_words([*words, "† ‡ " * 1000], WORDS)
    config = deberta_config(len(LAYERS), len(rows))
    weights = {k: v.contiguous() for k, v in select(base_weights(), rows, LAYERS).items()}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        config.save_pretrained(folder)
        save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
        write_tokenizer(with_capitals(tokenizer), folder)
        about = GLiNERConfig(model_name=name, span_mode="token_level", hidden_size=HIDDEN, num_rnn_layers=1, max_len=256, dropout=0.15,
                             subtoken_pooling="last", max_types=10)  # fmt: skip
        model = GLiNER.from_config(about, backbone_from_pretrained=True)
    model.config.model_name = "embedded-pii-backbone"
    model.config.encoder_config._name_or_path = ""
    return model


def train(model: Any, samples: Sequence[Sample], rng: random.Random, rate: float) -> None:
    """Batches of about 48 samples, gathered from micro-batches; of the words' embeddings only the new ones are learned."""
    core, processor = model.model, model.data_processor
    embedding = core.token_rep_layer.bert_layer.model.embeddings.word_embeddings.weight
    backend = processor.transformer_tokenizer
    fresh = torch.zeros(len(embedding), 1)
    fresh[[backend.convert_tokens_to_ids(t) for t in ("†", "‡", "<<ENT>>", "<<SEP>>", "[UNK]")]] = 1.0
    embedding.register_hook(lambda grad: grad * fresh)
    body = [p for n, p in core.named_parameters() if "bert_layer.model" in n and "word_embeddings" not in n]
    head = [p for n, p in core.named_parameters() if "bert_layer.model" not in n]
    groups = [{"params": body, "lr": rate}, {"params": head, "lr": 6 * rate}, {"params": [embedding], "lr": 6 * rate, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, weight_decay=0.01)
    lengths = [14 + int(1.6 * len(s.words)) for s in samples]
    batches = micro_batches(lengths, rng)
    steps = _steps(batches)
    warm = max(1, steps // 16)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda s: min((s + 1) / warm, max(0.02, (steps - s) / max(1, steps - warm))))
    core.train()
    begin, waiting, step, seen, losses = time.process_time(), 0, 0, 0, [0.0]
    for batch in batches:
        asked = [*LABELS, SINK] if rng.random() < 0.5 else list(LABELS)
        loss = _loss(core, processor, [samples[i] for i in batch], asked)
        (loss / BATCH).backward()  # type: ignore[no-untyped-call]
        losses.append(loss.item() / len(batch))
        waiting += len(batch)
        seen += sum(lengths[i] for i in batch)
        if waiting >= BATCH:
            torch.nn.utils.clip_grad_norm_([*body, *head], 5.0)
            optimizer.step()
            optimizer.zero_grad()
            schedule.step()
            waiting, step = 0, step + 1
            if step % 50 == 0:
                spent = time.process_time() - begin
                print(f"step {step}/{steps} loss {np.mean(losses[-150:]):.3f} {spent:.0f} s {seen / spent:.0f} tokens/s", flush=True)
    core.eval()


def _steps(batches: Sequence[Sequence[int]]) -> int:
    steps = waiting = 0
    for batch in batches:
        waiting += len(batch)
        if waiting >= BATCH:
            steps, waiting = steps + 1, 0
    return max(1, steps)


def _loss(core: Any, processor: Any, samples: Sequence[Sample], asked: list[str]) -> torch.Tensor:
    raw = [{"tokenized_text": s.words, "ner": [list(span) for span in s.spans if span[2] in asked]} for s in samples]
    batch = processor.collate_raw_batch(raw, entity_types=[asked] * len(raw))
    inputs = processor.tokenize_and_prepare_labels(batch, prepare_labels=True)
    with torch.autocast("cpu", torch.bfloat16, enabled=BF16):
        out = core(**{k: v for k, v in inputs.items() if k not in ("labels",)}, text_lengths=batch["seq_length"])
    targets = inputs["labels"]
    width = targets.shape[1]
    losses = torch.nn.functional.binary_cross_entropy_with_logits(out.logits[:, :width].float(), targets, reduction="none")
    mask = (torch.arange(width) < batch["seq_length"]).float()
    total: torch.Tensor = (losses * mask[:, :, None, None]).sum()
    return total


def export(model: Any, out: Path) -> None:
    """The folder that GLiNER loads without a hub: half precision on disk."""
    out.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(out, safe_serialization=True)
    state = {k: v.half().contiguous() for k, v in model.prepare_state_dict(model.model.state_dict()).items()}
    save_file(state, out / "model.safetensors", metadata={"format": "pt"})
    write_tokenizer(model.data_processor.transformer_tokenizer, out)
    for path in out.iterdir():
        path.chmod(0o644)


def fit(data: Path, documents: Sequence[Document], out: Path, seed: int, scale: float) -> list[Sample]:
    """Rounds of training, each on fresh samples from the files of the one before; returns what was trained on."""
    seen: list[Sample] = []
    for number, (share, rate) in enumerate(ROUNDS):
        rng = random.Random(seed + 100 * number)
        torch.manual_seed(seed + number)
        samples = training_set(data, [d for d in documents if d.may_train], rng, scale * share)
        print(f"round {number + 1}: {len(samples)} samples", sorted(Counter(s.source for s in samples).items()), flush=True)
        model = GLiNER.from_pretrained(str(out), local_files_only=True) if number else new_model([" ".join(s.words) for s in samples])
        train(model, samples, rng, rate)
        export(model, out)
        seen += samples
    return seen


def calibrate(data: Path, out: Path, documents: Sequence[Document], seed: int, count: int = 2000) -> dict[str, Any]:
    """Thresholds and measurements of the files in `out`; writes calibration.json and returns what the card says."""
    model = GLiNER.from_pretrained(str(out), local_files_only=True).eval()
    facts = measure.calibration(model, LABELS, [SINK], data, [d for d in documents if not d.may_train], random.Random(seed + 2), count)
    kept = {
        "labels": {label: label for label in LABELS},
        "thresholds": facts["thresholds"],
        "window_words": READ_AT_ONCE,
        "sinks": [SINK],
        "selftest": SELFTEST,
    }
    kept |= {k: facts[k] for k in ("clean_windows", "false_alarms", "measured")}
    (out / "calibration.json").write_text(json.dumps(kept, indent=2) + "\n", "utf-8")  # the labels stay in the order of the training
    return facts | {"parameters": sum(p.numel() for p in model.model.parameters()) / 1e6}


def run(
    data: Path, documents: Sequence[Document], out: Path, seed: int, scale: float, count: int, measure_only: bool, command: str
) -> None:
    """What `python -m training pii` does: train unless only measured, calibrate, describe, seal."""
    samples = None if measure_only else fit(data, documents, out, seed, scale)
    facts = calibrate(data, out, documents, seed, count)
    about = {"layers": len(LAYERS), "words": WORDS, "window": LONGEST, "command": command}
    card(out, facts, samples, [d for d in documents if d.may_train], about)
    seal(out)
