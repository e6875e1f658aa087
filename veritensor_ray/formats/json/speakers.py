"""Who speaks in a conversation that a record of a dataset holds, in the usual formats of such datasets. It depends on no format.

A role is believed only where the author of the dataset wrote it: in the turns of a list that is a value of a record itself. Anything deeper
may be what a tool or a document said, and a list of another name may be its answer.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

CONVERSATIONS = frozenset(
    {"messages", "conversation", "conversations", "chat", "dialog", "dialogue", "turns", "prompt", "completion", "chosen", "rejected"}
)
# Under which keys a turn has its speaker and its text. `author` is missing, because people choose the names under which they write.
_TEXT_KEYS = {"role": "content", "from": "value", "speaker": "text"}
SPEAKER_KEYS = _TEXT_KEYS.keys()
_SHAPES: dict[tuple[str, ...], tuple[str, str]] = {order: pair for pair in _TEXT_KEYS.items() for order in (pair, pair[::-1])}
_KEYS = frozenset(key for pair in _SHAPES for key in pair)
SPEAKERS = {
    **dict.fromkeys(("user", "human", "prompter"), "user"),
    **dict.fromkeys(("system", "developer"), "system"),
    **dict.fromkeys(("assistant", "bot", "gpt", "model"), "assistant"),
    **dict.fromkeys(("tool", "function", "ipython", "observation"), "tool"),
}


def is_said(key: str) -> bool:
    """Return whether a key of a turn says who speaks, or what."""
    return key in _KEYS


def shape_of(keys: Iterable[str]) -> tuple[str, str] | None:
    """Return the keys of the speaker and of the text of a turn. None if there is more than one of either, since it is unclear which one counts."""
    return _SHAPES.get(tuple([key for key in keys if key in _KEYS]))


def spoken(turn: Iterable[tuple[str, Any]]) -> tuple[str, str] | None:
    """Return the key of the text of a turn, and who speaks it. Only a plain text is believed: lists of parts hold the results of tools too."""
    said = [pair for pair in turn if pair[0] in _KEYS]
    shape = shape_of([key for key, _ in said])
    if shape is None:
        return None
    values = dict(said)
    who, text = values[shape[0]], values[shape[1]]
    speaker = SPEAKERS.get(who) if isinstance(who, str) and isinstance(text, str) else None
    return None if speaker is None else (shape[1], speaker)
