"""Reads a file of protocol buffers by a schema: its strings and key-value pairs in order, with an account of its bytes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from veritensor_ray.core.errors import Malformed, ReadError
from veritensor_ray.core.segments import Gap
from veritensor_ray.formats.common.file_ranges import length
from veritensor_ray.formats.common.source import Item, Source
from veritensor_ray.formats.json.value_tree import is_text
from veritensor_ray.formats.model_files.collecting import Gathered, Names
from veritensor_ray.formats.model_files.wire import LONGEST, PAIR, Closed, Opened, Schema, UnreadField, WireNumber, WireText, walk


@dataclass(frozen=True, slots=True)
class Pair:
    """A key with its value, in a field of a message."""

    message: str
    name: str
    key: str
    value: str
    offset: int


@dataclass(frozen=True, slots=True)
class MessageFormat:
    """What a format makes of the wire format: its messages, the outermost of them, and its fields that hold names and values."""

    title: str
    schema: Schema
    root: str
    names: frozenset[str]
    values: frozenset[str]


def texts(file: BinaryIO, schema: Schema, root: str) -> Iterator[WireText | Pair | UnreadField]:
    """Yield every string of a file, and what is not read of it, in order. Raises Malformed."""
    pair: dict[str, WireText] = {}
    outer = ("", "")
    for found in walk(file, schema, root):
        if isinstance(found, Opened):
            if found.message == PAIR:
                pair, outer = {}, (found.outer, found.name)
        elif isinstance(found, Closed):
            if found.message == PAIR:
                key, value = (pair.get(name) or WireText(PAIR, name, "", 0) for name in ("key", "value"))
                yield Pair(*outer, key.text, value.text, value.offset or key.offset)
        elif isinstance(found, WireText) and found.message == PAIR and not found.too_long:
            if found.name in pair:  # the last one counts
                yield pair[found.name]
            pair[found.name] = found
        elif not isinstance(found, WireNumber):
            yield found


def read_texts(source: Source, messages: MessageFormat) -> Iterator[Item]:
    """Yield every string. Names of nodes and tensors become the lines of a few strings."""
    metadata, values, names = Gathered("metadata"), Gathered(), Names("names")
    at, account = 0, source.account
    last: WireText | Pair | UnreadField | None = None
    account.claim(0, 1, "structure")
    try:
        for number, found in enumerate(texts(source.file, messages.schema, messages.root)):
            last = found
            if isinstance(found, UnreadField):
                account.claim(at, found.start, "text")
                if found.numbers:
                    account.claim(found.start, found.end, "values")
                at = found.end
            elif isinstance(found, Pair):
                yield from metadata.add(found.value, f"{found.message.lower()}.{found.name}.{found.key}")
                yield from metadata.add(found.key, f"{found.message.lower()}.{found.name}") if is_text(found.key) else ()
            elif found.too_long:
                account.claim(at, found.offset, "text")
                at = found.offset + found.too_long
                yield Gap(f"a string of more than {LONGEST} bytes was not read", location=_column(found), bound="message_text")
            elif found.name in messages.names:
                yield from names.add(found.text)
            elif found.name in messages.values:
                yield from values.add(found.text, _column(found), number)
            else:
                yield from metadata.add(found.text, _column(found))
    except Malformed as error:
        yield from (*metadata.take(), *values.take(), *names.take())
        account.claim(at, _end(last), "text")
        raise ReadError(f"{messages.title}: {error}") from None
    yield from (*metadata.take(), *values.take(), *names.take())
    if source.file.seekable():
        account.claim(at, length(source.file), "text")


def _end(last: WireText | Pair | UnreadField | None) -> int:
    """Return where the last field that was read ends."""
    if last is None or isinstance(last, UnreadField):
        return last.start if last else 0
    return last.offset + len((last.value if isinstance(last, Pair) else last.text).encode("utf-8"))


def _column(found: WireText) -> str:
    return f"{found.message.lower()}.{found.name}"
