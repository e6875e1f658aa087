"""The transformer of the injection model: what it learns from a window, and its export for ONNX Runtime; it knows no texts.

It says two things of a window: one number for the whole of it, and one for every token, whether that is part of an order to a model.
Where the place of an order is known, the tokens are taught; so a window is not learnt by what else stands in it. Most windows are so far
from any order that the lower layers show it: there, an early end saves the others.
"""

from __future__ import annotations

import random
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits, relu, softplus

from training.base import batches, micro_batches
from training.e5 import HIDDEN, Encoder, padded
from training.injection_samples import WINDOW, Sample
from veritensor_ray.models.telemetry import silence

MARGIN, PENALTY = 5.0, 0.03  # benign windows are pushed below -MARGIN log odds: the clean tail is what thresholds stand on
LOWER = 3  # layers below the early end
SEEN = 3 * HIDDEN  # numbers that the early end reads
ENDED = -8.0  # log odds of a window that ended early
LATE = "late."  # begins the names of what the exported graph computes behind the early end
TOKENS = 0.5  # weight of the tokens' loss
WHOLE = ["/layers.2/fo/MatMul", "/layers.4/fo/MatMul"]  # what these read has outliers, which would cost all other numbers their digits
Array = np.ndarray[Any, Any]


class Network(nn.Module):
    """Encoder and two heads. `forward` gives log odds of windows, shape (windows,), and of tokens, shape (windows, tokens)."""

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.encoder = encoder
        self.pool = nn.Sequential(nn.Linear(HIDDEN, HIDDEN), nn.Tanh(), nn.Dropout(0.1), nn.Linear(HIDDEN, 1))
        self.token = nn.Linear(HIDDEN, 1)

    def forward(self, ids: torch.Tensor, mask: torch.Tensor | None = None) -> tuple[torch.Tensor, torch.Tensor]:
        return self.heads(self.encoder(ids, mask))

    def heads(self, states: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return self.pool(states[:, 0])[:, 0], self.token(states)[:, :, 0]


class EarlyEnd(nn.Module):
    """From the states behind the lower layers to one number for each window, shape (windows,); a window whose number is below `limit` ends."""

    limit: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.guess = nn.Sequential(nn.BatchNorm1d(SEEN, affine=False), nn.Linear(SEEN, 256), nn.GELU(), nn.Dropout(0.2), nn.Linear(256, 1))
        self.register_buffer("limit", torch.tensor(-torch.inf))

    def forward(self, states: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        return torch.as_tensor(self.guess(self.seen(states, mask))[:, 0])

    def seen(self, states: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        """What it guesses from: the first state, and the greatest and the mean of each number, shape (windows, `SEEN`)."""
        if mask is None:
            return torch.cat([states[:, 0], states.amax(1), states.mean(1)], 1)
        inside = mask[:, :, None] > 0
        mean = (states * inside).sum(1) / inside.sum(1)
        return torch.cat([states[:, 0], states.masked_fill(~inside, -30.0).amax(1), mean], 1)


def halves() -> torch.autocast:
    """Half precision, where the processor has it: it saves a third of the time. Where it is computed in software, it takes five times as long."""
    return torch.autocast("cpu", torch.bfloat16, enabled=torch.backends.cpu.get_cpu_capability().startswith("AVX512"))


def encoded(tokenizer: Tokenizer, samples: Sequence[Sample]) -> list[tuple[list[int], list[int] | None]]:
    """Token ids of each sample, and a label for every token where the place of its order is known."""
    tokenizer.no_padding()
    tokenizer.enable_truncation(WINDOW)
    found: list[tuple[list[int], list[int] | None]] = []
    for start in range(0, len(samples), 2000):
        some = samples[start : start + 2000]
        for sample, one in zip(some, tokenizer.encode_batch([s.text for s in some]), strict=True):
            inside = None
            if not sample.label:
                inside = [0] * len(one.ids)
            elif sample.span:
                inside = [int(a < sample.span[1] and b > sample.span[0] and b > a) for a, b in one.offsets]
            found.append((one.ids, inside))
    return found


def train(network: Network, tokenizer: Tokenizer, samples: Sequence[Sample], rate: float, rng: random.Random) -> None:
    """One epoch of batches of about 64 samples, gathered from micro-batches."""
    found = encoded(tokenizer, samples)
    network.encoder.word.requires_grad_(False)
    body = [p for p in network.encoder.parameters() if p.requires_grad]
    head = [*network.pool.parameters(), *network.token.parameters()]
    optimizer = torch.optim.AdamW([{"params": body, "lr": rate}, {"params": head, "lr": 5 * rate}], weight_decay=0.01, fused=True)
    steps = max(1, len(samples) // 64)
    warm = max(1, int(0.06 * steps))
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda s: min((s + 1) / warm, max(0.02, (steps - s) / max(1, steps - warm))))
    network.train()
    began, waiting, step, losses = time.time(), 0, 0, [0.0]
    for batch in micro_batches([len(ids) for ids, _ in found], rng):
        loss = _loss(network, [found[i] for i in batch], torch.tensor([float(samples[i].label) for i in batch]))
        (loss / 64).backward()  # type: ignore[no-untyped-call]
        losses.append(loss.item() / len(batch))
        waiting += len(batch)
        if waiting >= 64:
            torch.nn.utils.clip_grad_norm_([*body, *head], 1.0)
            optimizer.step()
            optimizer.zero_grad()
            schedule.step()
            waiting, step = 0, step + 1
            if step % 50 == 0:
                print(f"step {step}/{steps} loss {np.mean(losses[-300:]):.3f} {time.time() - began:.0f} s", flush=True)


def _loss(network: Network, batch: Sequence[tuple[list[int], list[int] | None]], labels: torch.Tensor) -> torch.Tensor:
    """Of windows and tokens, and a penalty for what benign windows score above the margin; summed over the windows."""
    ids, mask = padded([ids for ids, _ in batch])
    with halves():
        whole, tokens = (one.float() for one in network(ids, mask))
    loss = binary_cross_entropy_with_logits(whole, labels, reduction="sum")
    benign = 1 - labels
    highest = tokens.masked_fill(mask == 0, -30.0).amax(1)
    loss = loss + PENALTY * (benign * (relu(whole + MARGIN) ** 2 + relu(highest + MARGIN) ** 2)).sum()
    loss = loss + TOKENS * (labels * softplus(-highest) + benign * softplus(highest)).sum()
    rows = [i for i, (_, inside) in enumerate(batch) if inside is not None]
    if rows:
        wanted = torch.zeros_like(mask)
        for i in rows:
            inside = batch[i][1] or []
            wanted[i, : len(inside)] = torch.tensor(inside, dtype=wanted.dtype)
        each = binary_cross_entropy_with_logits(tokens[rows], wanted[rows], reduction="none") * mask[rows]
        loss = loss + TOKENS * (each.sum(1) / mask[rows].sum(1)).sum()
    return torch.as_tensor(loss)


def scores(network: Network, ids: Sequence[Sequence[int]]) -> tuple[Array, Array]:
    """Log odds of each window as a whole, and of its likeliest token."""
    network.eval()
    lengths = [len(i) for i in ids]
    whole, token = np.zeros(len(ids)), np.zeros(len(ids))
    with torch.inference_mode():
        for batch in batches(lengths, sorted(range(len(ids)), key=lengths.__getitem__), 4096):
            rows, mask = padded([ids[i] for i in batch])
            a, b = network(rows, mask)
            whole[batch], token[batch] = a.numpy(), b.masked_fill(mask == 0, -30.0).amax(1).numpy()
    return whole, token


def above_limit(network: Network, early: EarlyEnd, ids: Sequence[Sequence[int]]) -> Array:
    """How far each window lies above the limit of the early end: below 0, it ends there."""
    network.eval()
    early.eval()
    with torch.inference_mode():
        lower = (network.encoder.through(network.encoder.placed(network.encoder.word(torch.tensor([one]))), None, 0, LOWER) for one in ids)
        return np.array([float(early(states) - early.limit) for states in lower])


def restored(path: Path) -> Network:
    """A network from an exported `model.onnx`: what it learnt, less what eight bits lost. Raises RuntimeError if it was exported in another way.

    An early end is left out, because further training changes the states that it reads.
    """
    import onnx
    from onnx import numpy_helper

    graphs = [onnx.load(path).graph]
    graphs += [branch.g for node in graphs[0].node if node.op_type == "If" for branch in node.attribute]
    arrays = {one.name.removeprefix(LATE): torch.from_numpy(np.array(numpy_helper.to_array(one))) for g in graphs for one in g.initializer}
    state = {name.removeprefix("network."): value for name, value in arrays.items() if name.endswith((".weight", ".bias"))}
    state = {name: value for name, value in state.items() if not name.startswith("early.")}
    state["encoder.word.weight"] = arrays["words"].float() * arrays["scale"]
    for node in (node for g in graphs for node in g.node if node.op_type.startswith("MatMul") and not node.name.startswith("/early/")):
        for name in (name.removeprefix(LATE) for name in node.input):
            if name in arrays and arrays[name].dim() == 2:
                whole, product = arrays[name].float(), name.removesuffix("_quantized")
                if product != name:
                    whole = (whole - arrays[f"{product}_zero_point"].float()) * arrays[f"{product}_scale"]
                state[_weight_of(node.name)] = whole.T.contiguous()
    network = Network(Encoder(len(arrays["words"]), sum(name.endswith("qkv.bias") for name in state)))
    network.load_state_dict(state)
    return network


def _weight_of(node: str) -> str:
    """The name of the weight that a node multiplies by: `/layers.0/qkv/MatMul` is that of a module."""
    _, first, *rest, _ = node.removeprefix(LATE).split("/")
    return f"encoder.{first}.{rest[0]}.weight" if first.startswith("layers") else f"{[first, *rest][-1]}.weight"


class _Lower(nn.Module):
    """Ids, shape (1, tokens), to the states behind the lower layers and, with an early end, whether more layers are to read them.

    The words' vectors are eight bits and a scale each.
    """

    def __init__(self, network: Network, early: EarlyEnd | None) -> None:
        super().__init__()
        self.network, self.early = network, early
        words = network.encoder.word.weight.detach()
        scale = words.abs().amax(1, keepdim=True).clamp(min=1e-8) / 127
        self.register_buffer("words", torch.round(words / scale).to(torch.int8))
        self.register_buffer("scale", scale)

    def forward(self, ids: torch.Tensor) -> tuple[torch.Tensor, ...]:
        encoder = self.network.encoder
        states = encoder.through(encoder.placed(self.words[ids].float() * self.scale[ids]), None, 0, LOWER)  # type: ignore[index]
        # negated, so that a window goes on whose guess is not a number
        return (states, ~(self.early(states)[0] < self.early.limit)) if self.early else (states,)


class _Upper(nn.Module):
    """Those states to one number."""

    def __init__(self, network: Network, share: float) -> None:
        super().__init__()
        self.network, self.share = network, share

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        whole, tokens = self.network.heads(self.network.encoder.through(states, None, LOWER))
        return self.share * whole + (1 - self.share) * tokens.amax(1)


def export(network: Network, share: float, path: Path, early: EarlyEnd | None = None) -> None:
    """`model.onnx`: input_ids to score = share · the window's log odds + (1 - share) · its likeliest token's, or `ENDED`; matrices in int8."""
    silence()
    lower, upper = path.with_suffix(".lower.onnx"), path.with_suffix(".upper.onnx")
    encoder_words = network.encoder.word
    made = _Lower(network, early).eval()
    network.encoder.word = nn.Embedding(1, 1)  # not exported twice
    try:
        _quantized(made, torch.zeros(1, 40, dtype=torch.long), lower, "input_ids", ["states", "goes_on"] if early else ["states"])
        _quantized(_Upper(network, share).eval(), torch.zeros(1, 40, HIDDEN), upper, "states", ["score"])
    finally:
        network.encoder.word = encoder_words
    _join(lower, upper, path)
    lower.unlink()
    upper.unlink()


def _quantized(made: nn.Module, example: torch.Tensor, path: Path, takes: str, gives: list[str]) -> None:
    from onnxruntime.quantization import QuantType, quantize_dynamic

    whole = path.with_suffix(".whole.onnx")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the newer exporter needs another package; what this one traces is the same for all lengths
        torch.onnx.export(made, (example,), str(whole), input_names=[takes], output_names=gives,
                          dynamic_axes={takes: {1: "tokens"}}, opset_version=17, dynamo=False)  # fmt: skip
    # seven bits for the weights: with eight, processors without VNNI saturate and say something else
    quantize_dynamic(
        whole,
        path,
        op_types_to_quantize=["MatMul"],
        per_channel=True,
        weight_type=QuantType.QInt8,
        reduce_range=True,
        nodes_to_exclude=WHOLE,
    )
    whole.unlink()


def _join(lower: Path, upper: Path, path: Path) -> None:
    """One graph of both; where the lower one says whether to go on, the upper one is a branch."""
    import onnx
    from onnx import TensorProto, compose, helper

    model = onnx.load(lower)
    graph, late = model.graph, compose.add_prefix(onnx.load(upper), LATE, rename_inputs=False).graph
    score = helper.make_tensor_value_info("score", TensorProto.FLOAT, [1])
    if len(graph.output) > 1:
        ended = helper.make_tensor_value_info(f"{LATE}ended", TensorProto.FLOAT, [1])
        constant = helper.make_node("Constant", [], [ended.name], value=helper.make_tensor("", TensorProto.FLOAT, [1], [ENDED]))
        branches = (
            helper.make_graph(late.node, "goes on", [], late.output, late.initializer),
            helper.make_graph([constant], "ends", [], [ended]),
        )
        graph.node.append(helper.make_node("If", ["goes_on"], [score.name], then_branch=branches[0], else_branch=branches[1]))
    else:
        graph.node.extend([*late.node, helper.make_node("Identity", [f"{LATE}score"], [score.name])])
        graph.initializer.extend(late.initializer)
    del graph.output[:]
    graph.output.append(score)
    onnx.save(model, path)
