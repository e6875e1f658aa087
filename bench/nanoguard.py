"""NanoGuard, another detector to compare `injection` with: a transformer of 16.8 million parameters whose package holds its weights.

The package is metatronnanoguard, under the MIT licence. It ships its tokenizer as a pickle, of which only the constants are taken: nothing is unpickled.
Its weights are loaded as PyTorch loads tensors without code. It does not depend on other detectors.
"""

from __future__ import annotations

import importlib.resources
import inspect
import pickletools
from collections.abc import Iterator, Sequence
from typing import Any


class NanoGuard:
    """The classifier of metatronnanoguard over the whole text, of which its own scanner reads only the first window."""

    def __init__(self) -> None:
        from nanoguard.model import Classifier
        from nanoguard.scanner import NanoGuard as Scanner
        from nanoguard.tokenizer import Tokenizer
        from tiktoken import Encoding

        assets = importlib.resources.files("nanoguard") / "assets"
        self._tokenizer = Tokenizer(Encoding(**arguments((assets / "tokenizer.pkl").read_bytes())))
        with importlib.resources.as_file(assets / "model.pt") as path:
            self._model, _, self._config = Classifier.from_checkpoint(str(path))
        self.own = float(inspect.signature(Scanner).parameters["threshold"].default)

    def score(self, text: str) -> float:
        """Return the highest score of the windows of a text."""
        tokens = self._tokenizer.enc.encode_ordinary(text)
        return max(self._window([self._tokenizer.bos_token_id, *some]) for some in windows(tokens, self._config.sequence_len - 1))

    def _window(self, tokens: list[int]) -> float:
        import torch

        # As in its scanner: every window is padded to full length, and the padding is not masked in the attention, only in the mean.
        padded = torch.full((1, self._config.sequence_len), self._tokenizer.pad_token_id)
        padded[0, : len(tokens)] = torch.tensor(tokens)
        with torch.inference_mode():
            logits = self._model(padded, torch.arange(padded.shape[1])[None] < len(tokens))
        return float(torch.softmax(logits.float(), -1)[0, 1])


def windows(tokens: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    """Yield the tokens in windows of this size; if there are none, one empty window."""
    return (tokens[first : first + size] for first in range(0, max(len(tokens), 1), size))


def arguments(pickled: bytes) -> dict[str, Any]:
    """Return what a pickle would hand to tiktoken.Encoding: a name, a pattern, and two tables of numbers by token."""
    constants = [value for code, value, _ in pickletools.genops(pickled) if code.name.startswith(("SHORT_BIN", "BININT"))]
    name, pattern, ranks, special = (constants.index(key) for key in ("name", "pat_str", "mergeable_ranks", "special_tokens"))
    return {
        "name": constants[name + 1],
        "pat_str": constants[pattern + 1],
        "mergeable_ranks": _pairs(constants[ranks + 1 : special]),
        "special_tokens": _pairs(constants[special + 1 :]),
    }


def _pairs(values: Sequence[Any]) -> dict[Any, int]:
    return dict(zip(values[::2], values[1::2], strict=True))
