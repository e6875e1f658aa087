"""The network of the word tagger as it is trained; it knows no texts but those that it is given.

The tables are learned with a quarter of the words hidden, so that a name nobody has seen is known by its ending, its form and what stands
around it.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterable, Sequence

import numpy as np
import torch
from torch import nn

from training.pii_marked import Array, Marked
from veritensor_ray.engines.pii.free_text.tagger import DILATIONS, TAGS
from veritensor_ray.engines.pii.free_text.word_features import SIZES, words

WIDTH, STATE = 64, 64
GAP = max(DILATIONS)  # empty words between two texts, so that neither sees the other
STEP = 12_000  # words
RATES = 8e-3, 3e-3  # of the tables, and of the rest
HIDDEN = (0.25, 0.1, 0.1)  # share of words whose whole, beginning, ending is hidden


class Net(nn.Module):
    """The network as it is trained; `forward` gives the log odds of every tag, shape (words, tags)."""

    def __init__(self) -> None:
        super().__init__()
        self.tables = nn.ModuleList([nn.Embedding(size + 1, WIDTH, padding_idx=size) for size in SIZES])  # the last row: nothing there
        for table in self.tables:
            nn.init.normal_(table.weight, std=0.1)  # type: ignore[arg-type]
        widths = (WIDTH, *[STATE] * len(DILATIONS))
        self.layers = nn.ModuleList(
            [nn.Conv1d(width, STATE, 3, padding=d, dilation=d) for width, d in zip(widths, DILATIONS, strict=False)]
        )
        self.out = nn.Linear(STATE, len(TAGS))
        self.drop = nn.Dropout(0.15)
        self.clear()

    def clear(self) -> None:
        """What is hidden says nothing."""
        with torch.no_grad():
            for table in self.tables:
                table.weight[-1] = 0  # type: ignore[operator, unused-ignore]

    def forward(self, rows: torch.Tensor, there: torch.Tensor) -> torch.Tensor:
        total = torch.stack([table(row) for table, row in zip(self.tables, rows, strict=True)]).sum(0)
        state = self.drop(total.t()[None]) * there
        for number, layer in enumerate(self.layers):
            new = torch.relu(layer(self.drop(state) if number else state)) * there
            state = state + new if number else new
        return self.out(state[0].t())  # type: ignore[no-any-return]

    def arrays(self) -> dict[str, Array]:
        """For `TaggerNetwork`: tables in eight bits, the rest in half precision."""
        tables = [table.weight.detach().numpy()[:-1] for table in self.tables]  # type: ignore[operator]
        scales = [float(np.quantile(np.abs(table), 0.9999)) / 127 for table in tables]
        found = {
            f"table.{i}": np.clip(np.round(t / s), -127, 127).astype(np.int8) for i, (t, s) in enumerate(zip(tables, scales, strict=True))
        }
        found["scales"] = np.array(scales, np.float32)
        for i, layer in enumerate(self.layers):
            found[f"layer.{i}.weight"] = np.ascontiguousarray(layer.weight.detach().numpy().transpose(2, 1, 0)).astype(np.float16)  # type: ignore[operator]
            found[f"layer.{i}.bias"] = layer.bias.detach().numpy()  # type: ignore[operator]
        found["out.weight"] = np.ascontiguousarray(self.out.weight.detach().numpy().T).astype(np.float16)
        found["out.bias"] = self.out.bias.detach().numpy()
        return found


def packed(some: Sequence[tuple[Array, Array, Array]]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Rows, tags and weights of several texts, with empty words between them."""
    empty = np.repeat(np.array(SIZES)[:, None], GAP, 1)
    rows = np.concatenate([part for r, _, _ in some for part in (r, empty)], 1)
    tags = np.concatenate([part for _, t, _ in some for part in (t, np.zeros(GAP, np.uint8))])
    weights = np.concatenate([part for _, _, w in some for part in (w, np.zeros(GAP, np.float32))])
    return torch.from_numpy(rows.astype(np.int64)), torch.from_numpy(tags.astype(np.int64)), torch.from_numpy(weights)


def train(texts: Iterable[Marked], epochs: float, rng: random.Random) -> Net:
    """A fresh network over all texts, in steps of some thousand words."""
    items = [(words(one.text).rows, one.tags, one.weights) for one in texts]
    items = [one for one in items if one[0].shape[1] == len(one[1])]
    net = Net().train()
    tables = list(net.tables.parameters())
    rest = [*net.layers.parameters(), *net.out.parameters()]
    optimizer = torch.optim.AdamW([{"params": tables, "lr": RATES[0], "weight_decay": 0.0}, {"params": rest, "lr": RATES[1]}], fused=True)
    steps = max(1, int(epochs * sum(len(tags) + GAP for _, tags, _ in items) / STEP))
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda s: min((s + 1) / 40, max(0.02, 1 - s / steps)))
    order: list[int] = []
    began, seen, losses = time.time(), 0, []
    for step in range(1, steps + 1):
        some, size = [], 0
        while size < STEP:
            if not order:
                order = rng.sample(range(len(items)), len(items))
            some.append(items[order.pop()])
            size += len(some[-1][1]) + GAP
        rows, tags, weights = packed(some)
        there = (rows[0] != SIZES[0]).float()[None, None]
        for row, share, size in zip(rows, HIDDEN, SIZES, strict=False):
            row[torch.rand(len(row)) < share] = size
        loss = nn.functional.cross_entropy(net(rows, there), tags, reduction="none", label_smoothing=0.01)
        optimizer.zero_grad()
        ((loss * weights).sum() / weights.sum()).backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(rest, 1.0)
        optimizer.step()
        schedule.step()
        net.clear()
        seen += len(weights)
        losses.append(float((loss.detach() * weights).sum() / weights.sum()))
        if step % 100 == 0:
            print(f"step {step}/{steps} loss {np.mean(losses[-100:]):.4f} {seen / (time.time() - began):.0f} words/s", flush=True)
    return net.eval()
