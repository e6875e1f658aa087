"""Learns where a window may end early: from the states behind the lower layers, what the whole network would say.

The network stays as it is. The limit stands on attacks that nothing was trained on: the network is too sure of those that it knows.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch.nn.functional import smooth_l1_loss

from training.base import batches
from training.e5 import padded
from training.injection_network import LOWER, SEEN, EarlyEnd, Network, halves

ALARMING = 0.0  # log odds from which a window of an attack counts
LOST = 0.005  # of such windows, at most, end early
WITHIN = 6.0  # log odds; how far beyond it a window lies does not matter
PASSES, RATE = 40, 1e-3
Ids = Sequence[Sequence[int]]
Array = np.ndarray[Any, Any]


def learn(network: Network, windows: Ids, attacks: Ids, rng: random.Random) -> EarlyEnd:
    """An early end from windows of all kinds; its limit from windows of attacks that nothing was trained on."""
    early = EarlyEnd()
    _fit(early, *_read(network, early, windows), rng)
    _set_limit(early, *_read(network, early, attacks))
    return early


def _set_limit(early: EarlyEnd, seen: torch.Tensor, said: torch.Tensor) -> None:
    """The limit below which nearly no window lies that the network takes for an attack."""
    early.eval()
    with torch.inference_mode():
        guessed = early.guess(seen)[:, 0].numpy()
    counts = said.numpy() >= ALARMING
    early.limit.fill_(float(np.quantile(guessed[counts], LOST)))
    print(f"early end below {early.limit:.2f}, by {counts.sum()} windows of attacks", flush=True)


def _read(network: Network, early: EarlyEnd, windows: Ids) -> tuple[torch.Tensor, torch.Tensor]:
    """What the early end sees of windows, and the mean of the two numbers that the network gives them."""
    network.eval()
    lengths = [len(one) for one in windows]
    seen, said = torch.zeros(len(windows), SEEN), torch.zeros(len(windows))
    with torch.inference_mode(), halves():
        for batch in batches(lengths, sorted(range(len(windows)), key=lengths.__getitem__), 4096):
            ids, mask = padded([windows[i] for i in batch])
            encoder = network.encoder
            states = encoder.through(encoder.placed(encoder.word(ids)), mask, 0, LOWER)
            whole, tokens = network.heads(encoder.through(states, mask, LOWER))
            seen[batch] = early.seen(states, mask).float()
            said[batch] = (whole + tokens.masked_fill(mask == 0, -30.0).amax(1)).float() / 2
    return seen, said


def _fit(early: EarlyEnd, seen: torch.Tensor, said: torch.Tensor, rng: random.Random) -> None:
    """Teach it to guess what the network said of windows, from what it sees of them."""
    early.train()
    wanted = said.clamp(-WITHIN, WITHIN)
    optimizer = torch.optim.AdamW(early.parameters(), lr=RATE, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, PASSES)
    for _ in range(PASSES):
        order = list(range(len(seen)))
        rng.shuffle(order)
        for start in range(0, len(order), 256):
            some = order[start : start + 256]
            smooth_l1_loss(early.guess(seen[some])[:, 0], wanted[some]).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            optimizer.zero_grad()
        schedule.step()
