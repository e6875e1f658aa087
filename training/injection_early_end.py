"""Learns where a window may end early: from the states behind the lower layers, what the whole network would say.

The network stays as it is. The limit leaves nearly all attacks of held-out rows to the upper layers.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch.nn.functional import smooth_l1_loss

from training.base import batches
from training.e5 import HIDDEN, padded
from training.injection_network import LOWER, EarlyEnd, Network, halves

ALARMING = -2.0  # log odds from which a window may matter, whatever the first stage says of it
LOST = 0.005  # of such windows end early, at most
WITHIN = 6.0  # log odds that are told apart
PASSES, RATE = 30, 1e-3
Ids = Sequence[Sequence[int]]
Array = np.ndarray[Any, Any]


def learn(network: Network, windows: Ids, attacks: Ids, rng: random.Random) -> EarlyEnd:
    """An early end from windows of all kinds; its limit from a fifth of them and from windows of attacks that nothing was trained on."""
    early = EarlyEnd()
    order = list(range(len(windows)))
    rng.shuffle(order)
    apart = len(order) // 5
    seen, said = _read(network, early, [windows[i] for i in order])
    _fit(early, seen[apart:], said[apart:], rng)
    seen_attacks, said_attacks = _read(network, early, attacks)
    with torch.inference_mode():
        guessed = early.guess(torch.cat([seen[:apart], seen_attacks]))[:, 0].numpy()
    alarming = torch.cat([said[:apart], said_attacks]).numpy() >= ALARMING
    early.limit.fill_(float(np.quantile(guessed[alarming], LOST)))
    ends = guessed[:apart] < float(early.limit)
    harmless = said[:apart].numpy() < ALARMING
    print(
        f"early end: {ends[harmless].mean():.3f} of {harmless.sum()} windows that nothing is said of, limit {early.limit:.2f}", flush=True
    )
    return early.eval()


def _read(network: Network, early: EarlyEnd, windows: Ids) -> tuple[torch.Tensor, torch.Tensor]:
    """What the early end sees of windows, and the mean of the two numbers that the network gives them."""
    network.eval()
    lengths = [len(one) for one in windows]
    seen, said = torch.zeros(len(windows), 2 * HIDDEN), torch.zeros(len(windows))
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
    wanted = said.clamp(-WITHIN, WITHIN)
    optimizer = torch.optim.AdamW(early.parameters(), lr=RATE, weight_decay=0.01)
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
