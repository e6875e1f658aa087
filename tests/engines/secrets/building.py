"""An engine, batches with paths and columns, and seeded secrets that no provider ever gave out."""

from __future__ import annotations

import functools
import random
import string
import zlib
from collections.abc import Sequence

import pyarrow as pa

from veritensor_ray.core.config import Limits, Settings
from veritensor_ray.core.segments import Block, Identity, to_batch
from veritensor_ray.engines.secrets import Secrets
from veritensor_ray.models.model_store import ModelStore

ALNUM = string.ascii_letters + string.digits
HEX = "0123456789abcdef"
BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase


@functools.cache
def engine() -> Secrets:
    made = Secrets(Settings())
    made.load(ModelStore("embedded"))
    return made


def batch(texts: Sequence[str], path: str = "notes.txt", column: str | Sequence[str] | None = None) -> pa.RecordBatch:
    return to_batch(Block(texts, line=1, column=column), Identity(0, path, "text/plain"), Limits(segment_chars=1 << 30))


def found(text: str, path: str = "notes.txt", column: str | None = None) -> list[tuple[str, str]]:
    """Rule and words of each hit."""
    hits = engine().scan_text(batch([text], path, column))
    return [(hit.rule.removeprefix("secrets."), text[hit.start : hit.end]) for hit in hits]


def letters(alphabet: str, size: int, seed: int = 7) -> str:
    source = random.Random(f"{seed} {alphabet} {size}")
    return "".join(source.choice(alphabet) for _ in range(size))


def with_checksum(prefix: str, seed: int = 7) -> str:
    """As GitHub and npm end their tokens."""
    body = letters(ALNUM, 30, seed)
    number, check = zlib.crc32(body.encode()), ""
    for _ in range(6):
        number, digit = divmod(number, 62)
        check = BASE62[digit] + check
    return prefix + body + check
