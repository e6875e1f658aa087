"""What happens to text on its way: another case, typos, lost punctuation, scans, logs and markup around it; it knows no model."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence

from training.pii_names import plain
from training.pii_pieces import Piece

_SCANNED = str.maketrans({"l": "1", "O": "0", "o": "0", "S": "5", "I": "l", "B": "8"})


def _each(pieces: Sequence[Piece], change: Callable[[str], str]) -> list[Piece]:
    return [(change(text), label) for text, label in pieces]


def typo(rng: random.Random, text: str) -> str:
    """One letter dropped, doubled, or swapped with the next."""
    if len(text) < 5:
        return text
    at = rng.randrange(1, len(text) - 2)
    return rng.choice((text[:at] + text[at + 1 :], text[:at] + text[at] + text[at:], text[:at] + text[at + 1] + text[at] + text[at + 2 :]))


def noisy(rng: random.Random, pieces: Sequence[Piece]) -> list[Piece]:
    """Mostly unchanged."""
    found = list(pieces)
    luck = rng.random()
    if luck < 0.14:
        found = _each(found, str.lower)
    elif luck < 0.17:
        found = _each(found, str.upper)
    elif luck < 0.20:
        found = [(text.lower() if label else text, label) for text, label in found]
    elif luck < 0.22:
        found = [(text.upper() if label else text, label) for text, label in found]
    elif luck < 0.24:
        found = _each(found, lambda t: re.sub(r"(?<![^\s])[a-zà-ÿ]", lambda m: m[0].upper(), t))
    luck = rng.random()
    if luck < 0.06:
        found = [(text if label else re.sub(r"[.,;:!?]+(?=\s|$)", "", text), label) for text, label in found]
    elif luck < 0.12:
        found = _each(found, lambda t: typo(rng, t) if rng.random() < 0.4 else t)
    elif luck < 0.14:
        found = _each(found, lambda t: "".join(c.translate(_SCANNED) if rng.random() < 0.08 else c for c in t))
    elif luck < 0.18:
        found = _each(found, plain)
    luck = rng.random()
    if luck < 0.10:
        found = _each(found, lambda t: re.sub(r"\s*\n\s*", " ", t))
    elif luck < 0.13:
        found = _each(found, lambda t: re.sub(r" ", lambda _: rng.choice((" ", " ", " ", " ", "\n", "  ")), t))
    return found


def wrapped(rng: random.Random, pieces: Sequence[Piece]) -> list[Piece]:
    """One in eight: a log line, a JSON string, a cell, a quotation, a comment, markup."""
    if rng.random() > 0.125:
        return list(pieces)
    stamp = f"2024-{rng.randint(1, 12):02}-{rng.randint(1, 28):02} {rng.randint(0, 23):02}:{rng.randint(0, 59):02}:{rng.randint(0, 59):02}"
    key = rng.choice(("text", "body", "message", "content", "note", "comment", "prompt"))
    before, after = rng.choice((
        (f"{stamp} {rng.choice(('INFO', 'WARN', 'DEBUG'))} [{rng.choice(('mailer', 'crm', 'api.orders', 'worker-3'))}] ", ""), (f'{{"{key}": "', '"}'), (f'{{"id": {rng.randint(1, 9999)}, "{key}": "', f'", "lang": "{rng.choice(("en", "de"))}"}}'),
        (f"{rng.randint(1, 9999)},", f",{rng.choice(('open', 'closed', 'true'))}"), ("> ", ""), ("# ", ""), ("- ", ""), ("<p>", "</p>"), ("| ", " |"), ("* ", ""), ("Q: ", "\nA: "), ("User: ", "\nAssistant: "),
        ("// ", ""), (f"[{stamp[11:16]}] ", ""), ("<td>", "</td>"), ("“", "”"), (f"{rng.randint(1, 20)}. ", ""),
    ))  # fmt: skip
    if before.startswith("{"):
        pieces = _each(pieces, lambda t: t.replace("\n", "\\n").replace('"', '\\"'))
    return [(before, ""), *pieces, (after, "")]
