"""The PII model's network as one graph for ONNX Runtime, matrices in eight bits; it knows no training.

    python -m training.pii_export FOLDER OUT

takes a folder with GLiNER's `model.safetensors` and leaves one with `model.onnx` in its place. What the model said before it was cut to
eight bits goes to tests/engines/pii/golden.json.
"""

from __future__ import annotations

import json
import logging
import random
import re
import shutil
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from gliner import GLiNER
from torch import nn
from torch.nn.functional import relu, scaled_dot_product_attention

from training.base import write_json
from training.pii_card import seal
from training.pii_pieces import text_of
from training.pii_samples import held_out
from veritensor_ray.engines.pii.free_text.chunks import chunks
from veritensor_ray.models.telemetry import silence

BESIDE = ("README.md", "calibration.json", "tokenizer.json")  # what a folder with a graph has as well
GLINERS = ("model.safetensors", "gliner_config.json", "tokenizer_config.json", "special_tokens_map.json")  # and what it has not
GOLDEN = Path(__file__).parent.parent / "tests" / "engines" / "pii" / "golden.json"
_LARGE = 0.995  # share of a layer's inner numbers that are left whole
_EIGHT = r"/(qkv|up|down)/MatMul"  # matrices that take all eight bits; see `export`
_LABELS = ["person", "organization", "address", "medical", "location"]


class Exported(nn.Module):
    """One window: ids of its tokens, where the labels asked for stand among them, and the last token of each word.

    Gives probabilities that a label begins at a word, ends there and goes on there: shape (3, labels, words). The words' vectors are
    eight bits and a scale each. `largest` holds what the inner numbers of each layer were at most.
    """

    def __init__(self, core: Any, largest: Sequence[torch.Tensor]) -> None:
        super().__init__()
        bert = core.token_rep_layer.bert_layer.model
        words = bert.embeddings.word_embeddings.weight.detach()
        scale = words.abs().amax(1, keepdim=True).clamp(min=1e-8) / 127
        self.register_buffer("words", torch.round(words / scale).to(torch.int8))
        self.register_buffer("scale", scale)
        places = bert.embeddings.position_embeddings.weight + bert.embeddings.token_type_embeddings.weight[:1]
        self.register_buffer("places", places.detach())
        self.norm = bert.embeddings.LayerNorm
        heads = bert.config.num_attention_heads
        self.layers = nn.ModuleList(_Layer(layer, heads, most) for layer, most in zip(bert.encoder.layer, largest, strict=True))
        self.projection = getattr(core.token_rep_layer, "projection", nn.Identity())
        self.lstm, self.scores = core.rnn.lstm, _Scores(core.scorer)

    def forward(self, ids: torch.Tensor, labels: torch.Tensor, ends: torch.Tensor) -> torch.Tensor:
        x = self.words[ids].float() * self.scale[ids]  # type: ignore[index]
        x = self.norm(x + self.places[: x.shape[0]])[None]  # type: ignore[index]
        for layer in self.layers:
            x = layer(x)
        words, _ = self.lstm(self.projection(x[:, ends]))
        return torch.sigmoid(self.scores(words, self.projection(x[:, labels])))


class _Layer(nn.Module):
    """A layer of BERT. Inner numbers that are much larger than the others are made several times, as equal parts: the sum is the same.

    In eight bits all of them share one scale, and a single large one would leave nothing of the rest.
    """

    def __init__(self, layer: Any, heads: int, largest: torch.Tensor) -> None:
        super().__init__()
        own = layer.attention.self
        parts = (own.query_proj, own.key_proj, own.value_proj)
        self.heads = heads
        self.qkv = _linear(torch.cat([p.weight for p in parts]), torch.cat([p.bias for p in parts]))
        self.out, self.first, self.second = layer.attention.output.dense, layer.attention.output.LayerNorm, layer.output.LayerNorm
        times = torch.ceil(largest / torch.quantile(largest, _LARGE)).clamp(min=1).long()
        which = torch.repeat_interleave(torch.arange(len(times)), times)
        up, down = layer.intermediate.dense, layer.output.dense
        self.up, self.down = _linear(up.weight[which], up.bias[which]), _linear(down.weight[:, which], down.bias)
        self.register_buffer("half_share", (0.5 / times)[which])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        query, key, value = self.qkv(x).view(1, x.shape[1], 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        seen = scaled_dot_product_attention(query, key, value).transpose(1, 2).reshape(x.shape)
        x = self.first(x + self.out(seen))
        inner = self.up(x)
        gelu = inner * (1 + torch.erf(inner * 0.5**0.5)) * self.half_share
        return torch.as_tensor(self.second(x + self.down(gelu)))


class _Scores(nn.Module):
    """GLiNER's scorer; what depends on the word alone, or on the label alone, is computed once."""

    def __init__(self, scorer: Any) -> None:
        super().__init__()
        self.word, self.label, self.last = scorer.proj_token, scorer.proj_label, scorer.out_mlp[3]
        inner = scorer.out_mlp[0]
        of_word, of_label, of_both = inner.weight.detach().split(scorer.proj_token.in_features, 1)
        nothing = torch.zeros_like(inner.bias)
        self.of_word, self.of_label, self.of_both = _linear(of_word, nothing), _linear(of_label, inner.bias), _linear(of_both, nothing)

    def forward(self, words: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        (word, word_too), (label, label_too) = self.word(words).chunk(2, -1), self.label(labels).transpose(0, 1).chunk(2, -1)
        inner = relu(self.of_both(word_too * label_too) + self.of_word(word) + self.of_label(label))
        return torch.as_tensor(self.last(inner).permute(2, 0, 1))


def _linear(weight: torch.Tensor, bias: torch.Tensor) -> nn.Linear:
    made = nn.Linear(weight.shape[1], weight.shape[0])
    made.weight, made.bias = nn.Parameter(weight.detach().clone()), nn.Parameter(bias.detach().clone())
    return made


def inner_numbers(model: Any, texts: Sequence[str]) -> list[torch.Tensor]:
    """The largest that each inner number of each layer becomes over some texts."""
    layers = model.model.token_rep_layer.bert_layer.model.encoder.layer
    largest = [torch.zeros(layer.output.dense.in_features) for layer in layers]

    def note(at: int, given: torch.Tensor) -> None:
        largest[at] = torch.maximum(largest[at], given.abs().flatten(0, -2).amax(0))

    hooks = [layer.output.dense.register_forward_pre_hook(lambda _, given, at=at: note(at, given[0])) for at, layer in enumerate(layers)]
    with torch.inference_mode():
        model.inference(list(texts), _LABELS, batch_size=16)
    for hook in hooks:
        hook.remove()
    return largest


def export(model: Any, path: Path) -> None:
    """`model.onnx`: input_ids, label_tokens and word_tokens to scores.

    Processors without VNNI add two products in sixteen bits, which is enough for weights of seven bits. Eight find 0.002 of F1 more. In
    the matrices that get them, fewer than two in a million sums of pairs do not fit; elsewhere it would be up to one in a hundred.
    """
    silence()
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    whole, partly = path.with_suffix(".whole.onnx"), path.with_suffix(".partly.onnx")
    made = Exported(model.model, inner_numbers(model, _texts())).eval()
    some = (torch.arange(40), torch.tensor([1, 3]), torch.arange(6, 38))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the newer exporter needs another package; what this one traces is the same for all lengths
        torch.onnx.export(made, some, str(whole), input_names=["input_ids", "label_tokens", "word_tokens"], output_names=["scores"],
                          dynamic_axes={"input_ids": {0: "tokens"}, "label_tokens": {0: "labels"}, "word_tokens": {0: "words"}},
                          opset_version=17, dynamo=False)  # fmt: skip
    logging.getLogger().setLevel(logging.ERROR)  # it is said of every model that it could be prepared further
    names = [node.name for node in onnx.load(whole).graph.node if node.op_type == "MatMul"]
    eight = [name for name in names if re.search(_EIGHT, name)]
    kind: dict[str, Any] = {"op_types_to_quantize": ["MatMul"], "per_channel": True, "weight_type": QuantType.QInt8}
    quantize_dynamic(whole, partly, nodes_to_quantize=eight, reduce_range=False, **kind)
    quantize_dynamic(partly, path, nodes_to_quantize=[name for name in names if name not in eight], reduce_range=True, **kind)
    whole.unlink()
    partly.unlink()
    path.chmod(0o644)


def golden(model: Any, calibration: dict[str, Any], path: Path) -> None:
    """What the whole model says of texts of our own in full precision, for the test that holds eight bits to it."""
    rng = random.Random(1)
    texts = [text_of(pieces) for _, pieces in held_out(rng, 1)]
    chosen = [text[slice(*next(chunks(text, calibration["window_words"])))] for text in rng.sample(texts, 160)]
    limits = calibration["thresholds"]
    with torch.inference_mode():
        found = model.inference(chosen, [*limits, *calibration["sinks"]], flat_ner=True, threshold=min(limits.values()), batch_size=1)
    rows = [
        {
            "text": text,
            "spans": [
                [e["label"], e["start"], e["end"], round(e["score"], 4)] for e in entities if e["score"] >= limits.get(e["label"], 1)
            ],
        }
        for text, entities in zip(chosen, found, strict=True)
    ]
    write_json(path, {"texts": rows})


def _texts() -> list[str]:
    """Of the languages that the model knows, from the files that it was trained on."""
    files = sorted((Path(__file__).parent / "pii").glob("*.txt"))
    return [line for file in files for line in file.read_text("utf-8").splitlines()[::12] if line]


def main(source: Path, out: Path) -> None:
    """The folder in its other form, sealed."""
    out.mkdir(parents=True, exist_ok=True)
    model = GLiNER.from_pretrained(str(source), local_files_only=True).eval()
    export(model, out / "model.onnx")
    golden(model, json.loads((source / "calibration.json").read_text("utf-8")), GOLDEN)
    for name in BESIDE:
        shutil.copyfile(source / name, out / name)
    for name in GLINERS:
        (out / name).unlink(missing_ok=True)
    seal(out)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
